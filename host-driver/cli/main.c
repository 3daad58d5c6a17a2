/* SPDX-License-Identifier: BSD-2-Clause */
/* mpdisk: the host's program. Chooses the command; as mount.mpdisk it is mount(8)'s helper,
 * as umount.fuse.mpdisk umount(8)'s. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const char help[] =
	"usage: mpdisk mount --port LINK [-o OPTIONS] [-f] [-d] DIR\n"
	"       mpdisk mount [--pool FILE] --image IMAGE [-o OPTIONS] [-f] [-d] DIR\n"
	"       mpdisk umount [-flnrv] DIR\n"
	"       mpdisk vhost-fs --port LINK --socket PATH --tag NAME [-q N] [-o OPTIONS] [-f] "
	"[-d]\n"
	"       mpdisk vhost-fs [--pool FILE] --image IMAGE --socket PATH --tag NAME [...]\n"
	"       mpdisk status --port LINK\n"
	"       mpdisk status --pool FILE\n"
	"       mpdisk status DIR | SOCKET\n"
	"       mpdisk [COMMAND] --help\n"
	"       mpdisk --version\n"
	"\n"
	"mount    mount the disk behind LINK, or IMAGE, on DIR\n"
	"  --pool FILE    all who mount the same IMAGE with the same FILE share it\n"
	"  -o OPTIONS     allow_other, ro, default_permissions, fsname=NAME, max_read=BYTES,\n"
	"                 attach_timeout=SECONDS, pool=FILE, pool_size=MIB, threads=N,\n"
	"                 local_locks, and those of mount(8); see mpdisk(8)\n"
	"  -f             stay in the foreground\n"
	"  -d             foreground, and trace every message to stderr\n"
	"umount   unmount, and wait until everything is written, as umount(8) does where mpdisk "
	"is\n"
	"         installed; fusermount3 -u and umount -i do not wait\n"
	"vhost-fs give a UML or QEMU guest the disk behind LINK, or IMAGE, as virtio-fs device "
	"NAME\n"
	"  --socket PATH  where the guest connects (vhost-user); one guest at a time\n"
	"  --tag NAME     the guest mounts it: mount -t virtiofs NAME DIR\n"
	"  -q N           request queues, 1 to 16 (1)\n"
	"  --in-band      kicks and calls are messages: for UML in virtual time\n"
	"  -o OPTIONS     ro, attach_timeout, pool, pool_size, threads, as above\n"
	"status   show the state of a port that is not in use, of a pool, of a mount or a guest\n"
	"\n"
	"LINK is sim:PATH, the socket of a port of mpdisk-sim.\n"
	"Exit status: 0 done, 1 failed, 2 called wrongly; of umount, 32: failed.\n";

int usage_error(const char *format, ...)
{
	va_list args;

	fputs("mpdisk: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\nTry 'mpdisk --help'.\n", stderr);
	return EXIT_USAGE;
}

static bool is_option(const char *word, const char *name, const char *letter)
{
	return strcmp(word, name) == 0 || strcmp(word, letter) == 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} commands[] = {
		{"mount", cmd_mount},
		{"umount", cmd_umount},
		{"vhost-fs", cmd_vhost_fs},
		{"status", cmd_status},
	};
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *name = argc > 0 ? (slash ? slash + 1 : argv[0]) : "mpdisk";
	size_t i;

	if (strcmp(name, "mount.mpdisk") == 0)
		return mount_helper(argc, argv);
	if (strcmp(name, UMOUNT_HELPER) == 0)
		return umount_helper(argc, argv);
	if (argc < 2)
		return usage_error("a command is missing");
	if (is_option(argv[1], "--version", "-V")) {
		puts("mpdisk " MPDISK_VERSION);
		return EXIT_SUCCESS;
	}
	if (is_option(argv[1], "--help", "-h") ||
	    (argc > 2 && is_option(argv[2], "--help", "-h"))) {
		fputs(help, stdout);
		return EXIT_SUCCESS;
	}
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	return usage_error("'%s' is not a command", argv[1]);
}
