/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * append [-n LINES] NAME DIR DIR...: one process for each host appends lines to DIR/NAME with
 * O_APPEND, all at the same time; no line may be lost, torn or doubled, whatever end each host
 * believed in. The directories are the same place seen through several mounts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOSTS_MAX 8
#define LINE_MAX_BYTES 6000

/* Line i of a host: most are short, some are longer than a page. Always the same for the same i. */
static size_t make_line(char *line, unsigned int host, unsigned int i)
{
	const unsigned int mix = (host + 1) * 2654435761u + i * 40503u;
	const size_t len = mix % 16 == 0 ? 3000 + mix / 16 % 2900 : 24 + mix / 16 % 150;
	size_t n = (size_t)snprintf(line, LINE_MAX_BYTES, "host %u line %u ", host, i);

	for (; n < len - 1; n++)
		line[n] = (char)('a' + (n + host + i) % 26);
	line[n++] = '\n';
	return n;
}

static int append_lines(const char *dir, const char *name, unsigned int host, unsigned int lines,
			int go)
{
	char path[4200], line[LINE_MAX_BYTES], byte;
	unsigned int i;
	size_t len;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_APPEND);
	if (fd < 0) {
		printf("open %s: %s\n", path, strerror(errno));
		return 1;
	}
	if (read(go, &byte, 1) < 0) /* until the parent closes the other end */
		return 1;
	for (i = 0; i < lines; i++) {
		len = make_line(line, host, i);
		n = write(fd, line, len);
		if (n != (ssize_t)len) {
			printf("host %u line %u: write gives %zd: %s\n", host, i, n,
			       strerror(errno));
			return 1;
		}
	}
	return close(fd) < 0;
}

static char *read_file(const char *dir, const char *name, size_t *size)
{
	char path[4200], *data;
	struct stat st;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	data = malloc((size_t)st.st_size + 1);
	*size = 0;
	while (data && *size < (size_t)st.st_size) {
		n = read(fd, data + *size, (size_t)st.st_size - *size);
		if (n <= 0)
			break;
		*size += (size_t)n;
	}
	close(fd);
	return data;
}

/* Each host's lines must be there in their order, whole. */
static int check_lines(const char *data, size_t size, unsigned int hosts, unsigned int lines)
{
	unsigned int next[HOSTS_MAX] = {0}, host, i, total = 0;
	char want[LINE_MAX_BYTES];
	const char *at = data, *end = data + size, *newline;
	size_t len;

	while (at < end) {
		newline = memchr(at, '\n', (size_t)(end - at));
		if (!newline || sscanf(at, "host %u line %u ", &host, &i) != 2 || host >= hosts) {
			printf("a torn line at byte %zu, after %u whole ones\n",
			       (size_t)(at - data), total);
			return 1;
		}
		len = make_line(want, host, i);
		if (i != next[host] || len != (size_t)(newline + 1 - at) || memcmp(at, want, len)) {
			printf("host %u: line %u (%zu bytes) where line %u should be, byte %zu\n",
			       host, i, (size_t)(newline + 1 - at), next[host],
			       (size_t)(at - data));
			return 1;
		}
		next[host]++;
		total++;
		at = newline + 1;
	}
	for (host = 0; host < hosts; host++) {
		if (next[host] != lines) {
			printf("host %u: %u lines of %u\n", host, next[host], lines);
			return 1;
		}
	}
	return 0;
}

static int run_hosts(const char *name, char **dirs, unsigned int hosts, unsigned int lines)
{
	pid_t pids[HOSTS_MAX];
	int gate[2], status, bad = 0;
	unsigned int host;

	if (pipe(gate) < 0)
		return 1;
	fflush(stdout);
	for (host = 0; host < hosts; host++) {
		pids[host] = fork();
		if (pids[host] < 0)
			return 1;
		if (pids[host] == 0) {
			close(gate[1]);
			status = append_lines(dirs[host], name, host, lines, gate[0]);
			fflush(stdout);
			_exit(status);
		}
	}
	close(gate[0]);
	usleep(200000); /* they all have it open */
	close(gate[1]);
	for (host = 0; host < hosts; host++)
		if (waitpid(pids[host], &status, 0) < 0 || status != 0)
			bad = 1;
	return bad;
}

int main(int argc, char **argv)
{
	unsigned int lines = 200, hosts, host;
	char path[4200], *data;
	const char *name;
	size_t size;
	int c, fd, bad;

	while ((c = getopt(argc, argv, "n:")) != -1) {
		if (c != 'n')
			return 2;
		lines = (unsigned int)strtoul(optarg, NULL, 10);
	}
	hosts = (unsigned int)(argc - optind - 1);
	if (argc - optind < 3 || hosts > HOSTS_MAX) {
		fprintf(stderr, "usage: append [-n LINES] NAME DIR DIR...\n");
		return 2;
	}
	name = argv[optind];
	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(path, sizeof(path), "%s/%s", argv[optind + 1], name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (fd < 0) {
		printf("FAIL no_appended_line_is_lost: create %s: %s\n", path, strerror(errno));
		return 1;
	}
	close(fd);
	bad = run_hosts(name, argv + optind + 1, hosts, lines);
	for (host = 0; host < hosts && !bad; host++) {
		data = read_file(argv[optind + 1 + (int)host], name, &size);
		bad = !data || check_lines(data, size, hosts, lines);
		if (bad)
			printf("seen by host %u\n", host);
		free(data);
	}
	if (bad)
		printf("FAIL no_appended_line_is_lost: see above\n");
	else
		printf("PASS no_appended_line_is_lost: %u lines of %u hosts\n", lines * hosts,
		       hosts);
	return bad;
}
