/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * append [-n LINES] NAME HOST HOST...: one process on each host appends lines to NAME with
 * O_APPEND, all at the same time; no line may be lost, torn or doubled, whatever end each host
 * believed in. The hosts' directories (hosts.h) are the same place seen through several mounts.
 *
 * On the hosts it runs itself: append -w HOST LINES NAME DIR appends as the host of that number
 * once its input ends, append -c HOSTS LINES NAME DIR checks what is there.
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

#include "hosts.h"

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

static int append_lines(const char *dir, const char *name, unsigned int host, unsigned int lines)
{
	char path[4200], line[LINE_MAX_BYTES], byte;
	unsigned int i;
	size_t len;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_TRUNC, 0666);
	if (fd < 0) {
		fprintf(stderr, "open %s: %s\n", path, strerror(errno));
		return 1;
	}
	puts("open");
	fflush(stdout);
	if (read(0, &byte, 1) < 0)
		return 1;
	for (i = 0; i < lines; i++) {
		len = make_line(line, host, i);
		n = write(fd, line, len);
		if (n != (ssize_t)len) {
			fprintf(stderr, "host %u line %u: write gives %zd: %s\n", host, i, n,
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

/* This program on one host; what it says on its output is for us alone. */
static pid_t start(const struct host *host, const char *mode, unsigned int number,
		   unsigned int lines, const char *name, int *input, int *output)
{
	char number_text[16], lines_text[16];
	char *const arguments[] = {(char *)mode, number_text,       lines_text,
				   (char *)name, (char *)host->dir, NULL};

	snprintf(number_text, sizeof(number_text), "%u", number);
	snprintf(lines_text, sizeof(lines_text), "%u", lines);
	return host_spawn(host, arguments, input, output);
}

static int write_on_hosts(const char *name, const struct host *hosts, unsigned int count,
			  unsigned int lines)
{
	int inputs[HOSTS_MAX], outputs[HOSTS_MAX], status, bad = 0;
	pid_t pids[HOSTS_MAX];
	unsigned int i;
	char word[5];

	for (i = 0; i < count; i++) {
		pids[i] = start(&hosts[i], "-w", i, lines, name, &inputs[i], &outputs[i]);
		if (pids[i] < 0)
			return 1;
	}
	for (i = 0; i < count; i++)
		bad |= read_fully(outputs[i], word, sizeof(word)) < 0;
	for (i = 0; i < count; i++)
		close(inputs[i]);
	for (i = 0; i < count; i++) {
		if (waitpid(pids[i], &status, 0) < 0 || status != 0)
			bad = 1;
		close(outputs[i]);
	}
	return bad;
}

static int check_on_host(const char *name, const struct host *host, unsigned int count,
			 unsigned int lines)
{
	int input, output, status;
	pid_t pid = start(host, "-c", count, lines, name, &input, &output);
	char text[500];
	ssize_t n;

	if (pid < 0)
		return 1;
	close(input);
	while ((n = read(output, text, sizeof(text))) > 0)
		fwrite(text, 1, (size_t)n, stdout);
	close(output);
	return waitpid(pid, &status, 0) < 0 || status != 0;
}

static int check_here(const char *dir, const char *name, unsigned int hosts, unsigned int lines)
{
	size_t size;
	char *data = read_file(dir, name, &size);

	if (!data) {
		printf("%s/%s cannot be read: %s\n", dir, name, strerror(errno));
		return 1;
	}
	return check_lines(data, size, hosts, lines);
}

static unsigned int number(const char *text)
{
	return (unsigned int)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
	unsigned int lines = 200, count, i;
	struct host hosts[HOSTS_MAX];
	const char *name;
	int bad;

	if (argc == 6 && strcmp(argv[1], "-w") == 0)
		return append_lines(argv[5], argv[4], number(argv[2]), number(argv[3]));
	if (argc == 6 && strcmp(argv[1], "-c") == 0 && number(argv[2]) <= HOSTS_MAX)
		return check_here(argv[5], argv[4], number(argv[2]), number(argv[3]));
	if (argc > 2 && strcmp(argv[1], "-n") == 0) {
		lines = number(argv[2]);
		argc -= 2;
		argv += 2;
	}
	count = (unsigned int)argc - 2;
	if (argc < 3 || count > HOSTS_MAX) {
		fprintf(stderr, "usage: append [-n LINES] NAME HOST HOST...\n");
		return 2;
	}
	name = argv[1];
	for (i = 0; i < count; i++)
		hosts[i] = host_parse(argv[2 + i]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	bad = write_on_hosts(name, hosts, count, lines);
	for (i = 0; i < count && !bad; i++) {
		bad = check_on_host(name, &hosts[i], count, lines);
		if (bad)
			printf("seen by host %u\n", i);
	}
	if (bad)
		printf("FAIL no_appended_line_is_lost: see above\n");
	else
		printf("PASS no_appended_line_is_lost: %u lines of %u hosts\n", lines * count,
		       count);
	return bad;
}
