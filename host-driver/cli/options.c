/* SPDX-License-Identifier: BSD-2-Clause */
/* Mount options: ours, those that only fstab understands, and those passed on to libfuse. */
#define _GNU_SOURCE
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define MAX_READ_BYTES (128u << 10)

/* libfuse would hand an option that it does not know to the kernel: only these may pass. */
static const char *const passed[] = {
	"allow_other", "default_permissions",
	"ro",          "rw",
	"suid",        "nosuid",
	"dev",         "nodev",
	"exec",        "noexec",
	"async",       "sync",
	"dirsync",     "atime",
	"noatime",     "auto_unmount",
};

static const char *const passed_with_value[] = {
	"fsname=", "max_read=", "context=", "fscontext=", "defcontext=", "rootcontext="};

/* mount(8) and systemd leave these in. Access times are relative unless there are none. */
static const char *const ignored[] = {
	"defaults",   "auto",        "noauto",        "user",       "nouser",
	"users",      "owner",       "group",         "_netdev",    "nofail",
	"silent",     "loud",        "diratime",      "nodiratime", "relatime",
	"norelatime", "strictatime", "nostrictatime", "lazytime",   "nolazytime",
};

static const char *const ignored_prefix[] = {"x-", "comment="};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_one_of(const char *word, const char *const *list, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(word, list[i]) == 0)
			return true;
	return false;
}

static bool begins_with_one_of(const char *word, const char *const *list, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strncmp(word, list[i], strlen(list[i])) == 0)
			return true;
	return false;
}

static int pass_on(struct mount_options *options, const char *word)
{
	char *text;

	if (asprintf(&text, "%s%s%s", options->fuse_options ? options->fuse_options : "",
		     options->fuse_options ? "," : "", word) < 0)
		return -ENOMEM;
	free(options->fuse_options);
	options->fuse_options = text;
	return 0;
}

static int parse_number(const char *text, unsigned int low, unsigned int high, unsigned int *value)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || number < low || number > high)
		return -EINVAL;
	*value = (unsigned int)number;
	return 0;
}

static int parse_word(struct mount_options *options, const char *word)
{
	unsigned int bytes;

	if (strcmp(word, "ro") == 0)
		options->read_only = true;
	if (strcmp(word, "rw") == 0)
		options->read_only = false;
	if (strcmp(word, "noatime") == 0)
		options->noatime = true;
	if (strcmp(word, "atime") == 0)
		options->noatime = false;
	if (strcmp(word, "no_default_permissions") == 0 || strcmp(word, "no_allow_other") == 0)
		return pass_on(options, word); /* options_finish takes it out again */
	if (strcmp(word, "local_locks") == 0) {
		options->local_locks = true;
		return 0;
	}
	if (strncmp(word, "attach_timeout=", 15) == 0) {
		if (parse_number(word + 15, 1, 3600, &options->attach_timeout) == 0)
			return 0;
		fprintf(stderr, "mpdisk: attach_timeout must be 1 to 3600 seconds\n");
		return -EINVAL;
	}
	if (strncmp(word, "pool=", 5) == 0) {
		free(options->pool);
		options->pool = strdup(word + 5);
		return options->pool ? 0 : -ENOMEM;
	}
	if (strncmp(word, "pool_size=", 10) == 0) {
		if (parse_number(word + 10, 4, 2048, &options->pool_mib) == 0)
			return 0;
		fprintf(stderr, "mpdisk: pool_size must be 4 to 2048 MiB\n");
		return -EINVAL;
	}
	if (strncmp(word, "threads=", 8) == 0) {
		if (parse_number(word + 8, 1, 16, &options->threads) == 0)
			return 0;
		fprintf(stderr, "mpdisk: threads must be 1 to 16\n");
		return -EINVAL;
	}
	if (strncmp(word, "max_read=", 9) == 0 &&
	    parse_number(word + 9, 4096, MAX_READ_BYTES, &bytes)) {
		fprintf(stderr, "mpdisk: max_read must be 4096 to %u bytes\n", MAX_READ_BYTES);
		return -EINVAL;
	}
	if (is_one_of(word, passed, COUNT(passed)) ||
	    begins_with_one_of(word, passed_with_value, COUNT(passed_with_value)))
		return pass_on(options, word);
	if (options->sloppy || is_one_of(word, ignored, COUNT(ignored)) ||
	    begins_with_one_of(word, ignored_prefix, COUNT(ignored_prefix)))
		return 0;
	fprintf(stderr, "mpdisk: unknown mount option '%s'\n", word);
	return -EINVAL;
}

/* Ends the first word of text, which commas separate and a backslash protects; returns the rest. */
static char *cut_word(char *text)
{
	for (; *text; text++) {
		if (*text == '\\' && text[1])
			text++;
		else if (*text == ',') {
			*text = '\0';
			return text + 1;
		}
	}
	return NULL;
}

int options_parse(struct mount_options *options, const char *text)
{
	char *copy = strdup(text), *word, *rest;
	int err = copy ? 0 : -ENOMEM;

	for (word = copy; word && !err; word = rest) {
		rest = cut_word(word);
		if (*word)
			err = parse_word(options, word);
	}
	free(copy);
	return err;
}

int options_take(struct mount_options *options, int c, char **argv)
{
	switch (c) {
	case 'p':
		options->link = optarg;
		return 0;
	case 'P':
		free(options->pool);
		options->pool = strdup(optarg);
		return 0;
	case 'i':
		options->image = optarg;
		return 0;
	case 'o':
		if (options_parse(options, optarg))
			return usage_error("%s: the options are wrong", argv[0]);
		return 0;
	case 'd':
		options->trace = true;
		options->foreground = true;
		return 0;
	case 'f':
		options->foreground = true;
		return 0;
	case ':':
		return usage_error("%s: '%s' needs a value", argv[0], argv[optind - 1]);
	default:
		return usage_error("%s: unknown option '%s'", argv[0], argv[optind - 1]);
	}
}

const char *options_wrong(const struct mount_options *options)
{
	if (!options->link && !options->image)
		return options->pool ? "--image IMAGE is missing"
				     : "--port LINK or --image IMAGE is missing";
	if (options->link && (options->image || options->pool))
		return "--port goes without --image and --pool";
	return NULL;
}

size_t options_describe(const struct mount_options *options, const char *what, const char *where,
			char *text, size_t size)
{
	int n;

	if (options->link)
		n = snprintf(text, size, "link        %s\n%-12s%s\n", options->link, what, where);
	else
		n = snprintf(text, size, "image       %s\npool        %s\n%-12s%s\n",
			     options->image, options->pool ? options->pool : "-", what, where);
	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

/* True, and the word is gone, if the options hold it. */
static bool take_word(struct mount_options *options, const char *word)
{
	char *text = options->fuse_options, *at, *rest;
	const size_t len = strlen(word);
	bool found = false;

	for (at = text; at && *at; at = rest) {
		rest = strchr(at, ',');
		if ((rest ? (size_t)(rest - at) : strlen(at)) == len &&
		    strncmp(at, word, len) == 0) {
			found = true;
			if (rest)
				memmove(at, rest + 1, strlen(rest + 1) + 1);
			else
				*at = '\0';
			rest = at;
		} else if (rest) {
			rest++;
		}
	}
	if (text && *text && text[strlen(text) - 1] == ',')
		text[strlen(text) - 1] = '\0';
	if (text && !*text) {
		free(text);
		options->fuse_options = NULL;
	}
	return found;
}

static bool has_prefix(const struct mount_options *options, const char *prefix)
{
	const char *at = options->fuse_options;

	while (at && *at) {
		if (strncmp(at, prefix, strlen(prefix)) == 0)
			return true;
		at = strchr(at, ',');
		if (at)
			at++;
	}
	return false;
}

static int add_fsname(struct mount_options *options)
{
	char word[600] = "fsname=";
	size_t n = strlen(word);
	const char *c;

	for (c = options->link ? options->link : options->image; *c && n < sizeof(word) - 3; c++) {
		if (*c == ',' || *c == '\\')
			word[n++] = '\\';
		word[n++] = *c;
	}
	word[n] = '\0';
	return pass_on(options, word);
}

void options_free(struct mount_options *options)
{
	free(options->fuse_options);
	free(options->pool);
}

int options_finish(struct mount_options *options)
{
	const bool root = geteuid() == 0;
	int err = 0;

	if (!take_word(options, "no_default_permissions") &&
	    !has_prefix(options, "default_permissions"))
		err = pass_on(options, "default_permissions");
	/* What root mounts is a disk like any other: for all users, and with its devices and suid.
	 */
	if (!take_word(options, "no_allow_other") && root && !has_prefix(options, "allow_other") &&
	    !err)
		err = pass_on(options, "allow_other");
	if (!err && root && !has_prefix(options, "nosuid"))
		err = pass_on(options, "suid");
	if (!err && root && !has_prefix(options, "nodev"))
		err = pass_on(options, "dev");
	if (!err && !has_prefix(options, "max_read="))
		err = pass_on(options, "max_read=131072");
	if (!err && !has_prefix(options, "fsname="))
		err = add_fsname(options);
	if (!err)
		err = pass_on(options, "subtype=mpdisk");
	return err;
}
