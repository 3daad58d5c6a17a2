/* SPDX-License-Identifier: BSD-2-Clause */
/* The shape of each FUSE reply, and the limits of FUSE_INIT. */
#define _GNU_SOURCE
#include "fuse_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

#include "port_client.h"

#define PATH_BYTES 4096u
#define MINOR_MIN 31u
#define MINOR_MAX 36u
#define ANY_SIZE UINT32_MAX

/* Where a request says how much it takes: offset of the size field after fuse_in_header. */
#define SIZE_IN_READ offsetof(struct fuse_read_in, size)
#define SIZE_IN_GETXATTR offsetof(struct fuse_getxattr_in, size)

enum shape {
	FIXED,    /* min bytes exactly */
	UP_TO,    /* 0..max */
	READ_IN,  /* 0..fuse_read_in.size */
	XATTR_IN, /* 0..fuse_getxattr_in.size; size 0 asks for struct fuse_getxattr_out */
	NONE,     /* no reply at all */
};

struct rule {
	uint16_t opcode;
	uint16_t shape;
	uint32_t size;
	char name[16];
};

#define ENTRY sizeof(struct fuse_entry_out)
#define ATTR sizeof(struct fuse_attr_out)
#define OPEN sizeof(struct fuse_open_out)

static const struct rule rules[] = {
	{FUSE_LOOKUP, FIXED, ENTRY, "LOOKUP"},
	{FUSE_FORGET, NONE, 0, "FORGET"},
	{FUSE_GETATTR, FIXED, ATTR, "GETATTR"},
	{FUSE_SETATTR, FIXED, ATTR, "SETATTR"},
	{FUSE_READLINK, UP_TO, PATH_BYTES, "READLINK"},
	{FUSE_SYMLINK, FIXED, ENTRY, "SYMLINK"},
	{FUSE_MKNOD, FIXED, ENTRY, "MKNOD"},
	{FUSE_MKDIR, FIXED, ENTRY, "MKDIR"},
	{FUSE_UNLINK, FIXED, 0, "UNLINK"},
	{FUSE_RMDIR, FIXED, 0, "RMDIR"},
	{FUSE_RENAME, FIXED, 0, "RENAME"},
	{FUSE_LINK, FIXED, ENTRY, "LINK"},
	{FUSE_OPEN, FIXED, OPEN, "OPEN"},
	{FUSE_READ, READ_IN, 0, "READ"},
	{FUSE_WRITE, FIXED, sizeof(struct fuse_write_out), "WRITE"},
	{FUSE_STATFS, FIXED, sizeof(struct fuse_statfs_out), "STATFS"},
	{FUSE_RELEASE, FIXED, 0, "RELEASE"},
	{FUSE_FSYNC, FIXED, 0, "FSYNC"},
	{FUSE_SETXATTR, FIXED, 0, "SETXATTR"},
	{FUSE_GETXATTR, XATTR_IN, 0, "GETXATTR"},
	{FUSE_LISTXATTR, XATTR_IN, 0, "LISTXATTR"},
	{FUSE_REMOVEXATTR, FIXED, 0, "REMOVEXATTR"},
	{FUSE_FLUSH, FIXED, 0, "FLUSH"},
	{FUSE_INIT, FIXED, sizeof(struct fuse_init_out), "INIT"},
	{FUSE_OPENDIR, FIXED, OPEN, "OPENDIR"},
	{FUSE_READDIR, READ_IN, 0, "READDIR"},
	{FUSE_RELEASEDIR, FIXED, 0, "RELEASEDIR"},
	{FUSE_FSYNCDIR, FIXED, 0, "FSYNCDIR"},
	{FUSE_GETLK, FIXED, sizeof(struct fuse_lk_out), "GETLK"},
	{FUSE_SETLK, FIXED, 0, "SETLK"},
	{FUSE_SETLKW, FIXED, 0, "SETLKW"},
	{FUSE_ACCESS, FIXED, 0, "ACCESS"},
	{FUSE_CREATE, FIXED, ENTRY + OPEN, "CREATE"},
	{FUSE_INTERRUPT, NONE, 0, "INTERRUPT"},
	{FUSE_BMAP, FIXED, sizeof(struct fuse_bmap_out), "BMAP"},
	{FUSE_DESTROY, FIXED, 0, "DESTROY"},
	{FUSE_IOCTL, UP_TO, ANY_SIZE, "IOCTL"},
	{FUSE_POLL, FIXED, sizeof(struct fuse_poll_out), "POLL"},
	{FUSE_NOTIFY_REPLY, NONE, 0, "NOTIFY_REPLY"},
	{FUSE_BATCH_FORGET, NONE, 0, "BATCH_FORGET"},
	{FUSE_FALLOCATE, FIXED, 0, "FALLOCATE"},
	{FUSE_READDIRPLUS, READ_IN, 0, "READDIRPLUS"},
	{FUSE_RENAME2, FIXED, 0, "RENAME2"},
	{FUSE_LSEEK, FIXED, sizeof(struct fuse_lseek_out), "LSEEK"},
	{FUSE_COPY_FILE_RANGE, FIXED, sizeof(struct fuse_write_out), "COPY_FILE_RANGE"},
	{FUSE_SYNCFS, FIXED, 0, "SYNCFS"},
	{FUSE_TMPFILE, FIXED, ENTRY + OPEN, "TMPFILE"},
};

static const struct rule *find_rule(uint32_t opcode)
{
	unsigned int i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].opcode == opcode)
			return &rules[i];
	return NULL;
}

const char *fuse_opcode_name(uint32_t opcode)
{
	const struct rule *rule = find_rule(opcode);

	return rule ? rule->name : "?";
}

void fuse_apply_options(void *message, uint32_t len, bool local_locks, bool noatime)
{
	const struct fuse_in_header *header = message;
	void *args = (uint8_t *)message + sizeof(*header);
	const uint32_t room = len - (uint32_t)sizeof(*header);
	struct fuse_init_in *init = args;
	struct fuse_read_in *in = args;

	if (len < sizeof(*header))
		return;
	switch (header->opcode) {
	case FUSE_INIT:
		if (local_locks && room >= offsetof(struct fuse_init_in, flags) + 4)
			init->flags &= ~(uint32_t)(FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS);
		break;
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		if (noatime && room >= sizeof(*in))
			in->flags |= O_NOATIME;
		break;
	}
}

int fuse_expect(const void *message, uint32_t len, struct fuse_expect *expect)
{
	const struct fuse_in_header *header = message;
	const uint8_t *body = (const uint8_t *)message + sizeof(*header);
	const struct rule *rule;
	uint32_t need = 0;

	if (len < sizeof(*header) || header->len != len)
		return -EINVAL;
	expect->unique = header->unique;
	expect->opcode = header->opcode;
	rule = find_rule(header->opcode);
	if (!rule) { /* newer than this driver: the device will say ENOSYS */
		expect->no_reply = false;
		expect->min = expect->max = 0;
		return 0;
	}
	if (rule->shape == READ_IN)
		need = sizeof(struct fuse_read_in);
	else if (rule->shape == XATTR_IN)
		need = sizeof(struct fuse_getxattr_in);
	if (len - sizeof(*header) < need)
		return -EINVAL;

	expect->no_reply = rule->shape == NONE;
	expect->min = rule->shape == FIXED ? rule->size : 0;
	expect->max = rule->size;
	if (rule->shape == READ_IN)
		expect->max = ((const struct fuse_read_in *)(const void *)body)->size;
	if (rule->shape == XATTR_IN) {
		expect->max = ((const struct fuse_getxattr_in *)(const void *)body)->size;
		if (expect->max == 0)
			expect->min = expect->max = sizeof(struct fuse_getxattr_out);
	}
	return 0;
}

bool fuse_reply_is_sound(const struct fuse_expect *expect, const struct fuse_out_header *header,
			 uint32_t len)
{
	uint32_t body;

	if (len < sizeof(*header) || header->len != len || header->unique != expect->unique)
		return false;
	if (header->error > 0 || header->error <= -512)
		return false;
	body = len - (uint32_t)sizeof(*header);
	if (header->error != 0)
		return body == 0;
	return body >= expect->min && body <= expect->max;
}

/* Flags that need nothing from this driver but to carry messages. What is left out: splicing, DAX,
 * the write-back cache (it would hide one host's writes from the others), io_uring, passthrough. */
static const uint32_t flags_carried =
	FUSE_ASYNC_READ | FUSE_POSIX_LOCKS | FUSE_ATOMIC_O_TRUNC | FUSE_EXPORT_SUPPORT |
	FUSE_BIG_WRITES | FUSE_DONT_MASK | FUSE_FLOCK_LOCKS | FUSE_AUTO_INVAL_DATA |
	FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS |
	FUSE_HANDLE_KILLPRIV | FUSE_POSIX_ACL | FUSE_ABORT_ERROR | FUSE_MAX_PAGES |
	FUSE_EXPLICIT_INVAL_DATA | FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT | FUSE_INIT_EXT;
/* Bits 32 and up: FUSE_SECURITY_CTX, FUSE_HAS_EXPIRE_ONLY, FUSE_DIRECT_IO_ALLOW_MMAP. */
static const uint32_t flags2_carried = 1u << (32 - 32) | 1u << (35 - 32) | 1u << (36 - 32);

int fuse_init_clamp(const struct fuse_init_in *in, struct fuse_init_out *out)
{
	if (out->major != FUSE_KERNEL_VERSION || out->minor < MINOR_MIN || out->minor > in->minor)
		return -EPROTO;
	if (out->minor > MINOR_MAX)
		out->minor = MINOR_MAX;
	out->flags &= in->flags & flags_carried;
	out->flags2 &= out->flags & FUSE_INIT_EXT ? in->flags2 & flags2_carried : 0;
	if (out->max_write > PORT_MAX_DATA)
		out->max_write = PORT_MAX_DATA;
	if (out->max_write < PORT_PAGE)
		return -EPROTO;
	if (out->max_readahead > in->max_readahead)
		out->max_readahead = in->max_readahead;
	if (out->max_pages > PORT_MAX_DATA / PORT_PAGE)
		out->max_pages = PORT_MAX_DATA / PORT_PAGE;
	out->map_alignment = 0;
	return 0;
}
