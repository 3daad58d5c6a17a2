/* SPDX-License-Identifier: BSD-2-Clause */
/* Images of mke2fs, mounted through the core, judged by e2fsck (fixture.h). */
#define _GNU_SOURCE
#include "tests/fs/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
	char image[256];
	u32 pool_size;
	bool mounted;
	bool read_only;
	struct {
		enum plat_io_op op;
		u64 n, count;
	} fail;
	struct plat *plat;
	struct pool pool;
	struct exec x;
} fx = {.pool_size = 32u << 20};

#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)

int fixture_run(char *out, size_t size, const char *command)
{
	char line[4096];
	const char *at = strstr(command, "%s");
	size_t used = 0, n;
	FILE *pipe;
	int status;

	if (at)
		snprintf(line, sizeof(line), "%.*s%s%s", (int)(at - command), command, fx.image,
			 at + 2);
	else
		snprintf(line, sizeof(line), "%s", command);
	fflush(NULL);
	pipe = popen(line, "r");
	if (!pipe)
		FAIL("cannot run %s", line);
	do {
		char rest[4096];

		if (out && used + 1 < size)
			n = fread(out + used, 1, size - 1 - used, pipe), used += n;
		else
			n = fread(rest, 1, sizeof(rest), pipe);
	} while (n);
	if (out && size)
		out[used] = 0;
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void fixture_name(void)
{
	const char *dir = getenv("MPDISK_TMP");
	int fd;

	if (fx.image[0])
		FAIL("one image per case");
	if (!dir)
		dir = "build/tmp";
	(void)!mkdir("build", 0777);
	(void)!mkdir(dir, 0777);
	snprintf(fx.image, sizeof(fx.image), "%s/fixture-XXXXXX", dir);
	fd = mkstemp(fx.image);
	if (fd < 0)
		FAIL("cannot make a file in %s", dir);
	close(fd);
	test_temporary(fx.image);
}

void fixture_make(u32 size_mib, const char *args, const char *populate)
{
	char command[2048], out[4096];

	fixture_name();
	if (truncate(fx.image, (off_t)size_mib << 20) != 0)
		FAIL("cannot size %s", fx.image);
	snprintf(command, sizeof(command),
		 "PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F -t ext4 -b 4096 %s %s%s%s '%%s' 2>&1 "
		 "</dev/null",
		 args ? args : "", populate ? "-d '" : "", populate ? populate : "",
		 populate ? "'" : "");
	if (fixture_run(out, sizeof(out), command) != 0)
		FAIL("mke2fs: %s", out);
}

void fixture_copy(const char *image)
{
	char command[1024], out[1024];

	fixture_name();
	snprintf(command, sizeof(command), "cp --sparse=always '%s' '%%s' 2>&1", image);
	if (fixture_run(out, sizeof(out), command) != 0)
		FAIL("cp: %s", out);
}

const char *fixture_image(void)
{
	return fx.image;
}

void fixture_pool_size(u32 mib)
{
	fx.pool_size = mib << 20;
}

void fixture_fail_next_mount(enum plat_io_op op, u64 n, u64 count)
{
	fx.fail.op = op;
	fx.fail.n = n;
	fx.fail.count = count;
}

void fixture_read_only_medium(bool on)
{
	fx.read_only = on;
}

struct exec *fixture_exec(void)
{
	return &fx.x;
}

struct plat *fixture_plat(void)
{
	return fx.plat;
}

static void fixture_close(void)
{
	plat_posix_close(fx.plat);
	fx.plat = NULL;
	fx.mounted = false;
}

int fixture_try_mount(const struct fs_mount_opts *opts)
{
	void *base;
	int err;

	if (fx.mounted)
		FAIL("mounted already");
	fx.plat = plat_posix_open(fx.image, fx.read_only);
	if (!fx.plat)
		FAIL("cannot open %s", fx.image);
	if (fx.fail.n)
		plat_posix_fail(fx.plat, fx.fail.op, fx.fail.n, fx.fail.count);
	fx.fail.n = 0;
	plat_posix_log_level(fx.plat, test_verbose() ? PLAT_DEBUG : PLAT_ERR);
	base = plat_posix_pool(fx.plat, fx.pool_size);
	if (!base)
		FAIL("no memory for the pool");
	CHECK_OK(pool_format(&fx.pool, base, fx.pool_size));
	CHECK_OK(exec_join(&fx.pool, fx.plat, 1, &fx.x));
	err = fs_mount(&fx.x, opts);
	if (err)
		fixture_close();
	else
		fx.mounted = true;
	return err;
}

struct exec *fixture_mount(void)
{
	const struct fs_mount_opts opts = {0};
	int err = fixture_try_mount(&opts);

	if (err)
		FAIL("fs_mount: %d", err);
	return &fx.x;
}

void fixture_join(struct exec *x)
{
	CHECK_OK(exec_join(&fx.pool, fx.plat, 1, x));
}

void fixture_leave(struct exec *x)
{
	exec_leave(x);
}

void fixture_unmount(void)
{
	if (!fx.mounted)
		FAIL("not mounted");
	CHECK_OK(fs_unmount(&fx.x));
	exec_leave(&fx.x);
	fixture_close();
}

void fixture_fsck(void)
{
	char out[2000];
	int status = fixture_run(out, sizeof(out),
				 "PATH=$PATH:/sbin:/usr/sbin e2fsck -fn '%s' 2>&1 </dev/null");

	if (status != 0) {
		fprintf(stderr, "%s\n", out);
		FAIL("e2fsck -fn ends with %d: %s", status, out);
	}
}

void fixture_unmount_check(void)
{
	fixture_unmount();
	fixture_fsck();
}

struct exec *fixture_remount(void)
{
	fixture_unmount_check();
	return fixture_mount();
}

void fixture_crash(void)
{
	if (!fx.mounted)
		FAIL("not mounted");
	fixture_close();
}
