/* SPDX-License-Identifier: BSD-2-Clause */
/* Extended attributes and POSIX ACLs, against a model, e2fsck and the kernel's ext4. */
#include "tests/fs/names_util.h"

static int set(struct exec *x, node_t node, const char *name, const void *value, u32 size,
	       u32 flags)
{
	return fs_setxattr(x, node, nm(name), value, size, flags);
}

static int get(struct exec *x, node_t node, const char *name, void *value, u32 size)
{
	return fs_getxattr(x, node, nm(name), value, size);
}

TEST(set_get_replace_remove)
{
	char buf[100];
	struct exec *x;
	node_t f;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	f = mk(x, FS_ROOT, "f");
	CHECK_ERR(get(x, f, "user.a", buf, 100), -MP_ENODATA);
	CHECK_ERR(fs_listxattr(x, f, buf, 100), 0);
	CHECK_ERR(set(x, f, "user.a", "one", 3, FS_XATTR_REPLACE), -MP_ENODATA);
	CHECK_OK(set(x, f, "user.a", "one", 3, FS_XATTR_CREATE));
	CHECK_ERR(set(x, f, "user.a", "two", 3, FS_XATTR_CREATE), -MP_EEXIST);
	CHECK_OK(set(x, f, "user.a", "second", 6, FS_XATTR_REPLACE));
	CHECK_OK(set(x, f, "user.empty", "", 0, 0));
	CHECK_OK(set(x, f, "trusted.t", "tt", 2, 0));
	CHECK_OK(set(x, f, "security.s", "sss", 3, 0));
	x = fixture_remount();
	CHECK_EQ(get(x, f, "user.a", buf, 100), 6);
	CHECK(!memcmp(buf, "second", 6));
	CHECK_EQ(get(x, f, "user.a", NULL, 0), 6);
	CHECK_ERR(get(x, f, "user.a", buf, 5), -MP_ERANGE);
	CHECK_EQ(get(x, f, "user.empty", buf, 100), 0);
	CHECK_EQ(get(x, f, "trusted.t", buf, 100), 2);
	CHECK_EQ(get(x, f, "security.s", buf, 100), 3);
	CHECK_EQ(fs_listxattr(x, f, NULL, 0), 7 + 11 + 10 + 11);
	CHECK_ERR(fs_listxattr(x, f, buf, 38), -MP_ERANGE);
	CHECK_EQ(fs_listxattr(x, f, buf, 39), 39);
	CHECK_OK(fs_removexattr(x, f, nm("user.a")));
	CHECK_ERR(fs_removexattr(x, f, nm("user.a")), -MP_ENODATA);
	CHECK_ERR(get(x, f, "user.a", buf, 100), -MP_ENODATA);
	fixture_unmount_check();
}

TEST(bad_names_and_sizes_are_refused)
{
	static char big[70000];
	char name[400];
	struct exec *x;
	node_t f;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	f = mk(x, FS_ROOT, "f");
	CHECK_ERR(set(x, f, "nonsense", "v", 1, 0), -MP_EOPNOTSUPP);
	CHECK_ERR(set(x, f, "system.other", "v", 1, 0), -MP_EOPNOTSUPP);
	CHECK_ERR(set(x, f, "user.", "v", 1, 0), -MP_EINVAL);
	CHECK_ERR(set(x, f, "", "v", 1, 0), -MP_ERANGE);
	CHECK_ERR(set(x, f, "user.a", "v", 1, 3), -MP_EINVAL);
	CHECK_ERR(set(x, f, "user.a", "v", 1, 4), -MP_EINVAL);
	memset(name, 'n', sizeof(name));
	memcpy(name, "user.", 5);
	name[256] = 0;
	CHECK_ERR(set(x, f, name, "v", 1, 0), -MP_ERANGE);
	name[255] = 0;
	CHECK_OK(set(x, f, name, "v", 1, 0));
	CHECK_ERR(set(x, f, "user.big", big, 70000, 0), -MP_E2BIG);
	CHECK_ERR(set(x, f, "user.big", big, 60000, 0), -MP_ENOSPC);
	CHECK_ERR(set(x, f, "user.big", big, 4096, 0), -MP_ENOSPC);
	CHECK_ERR(get(x, f, "user.big", big, 70000), -MP_ENODATA);
	CHECK_OK(fs_removexattr(x, f, nm(name)));
	/* header, entry, name and end mark leave this much of a block */
	CHECK_ERR(set(x, f, "user.big", big, 4096 - 32 - 20 - 4 + 1, 0), -MP_ENOSPC);
	CHECK_OK(set(x, f, "user.big", big, 4096 - 32 - 20 - 4, 0));
	CHECK_EQ(stat_of(x, f).blocks, 8);
	CHECK_OK(set(x, f, "user.big", "small now", 9, 0));
	CHECK_EQ(stat_of(x, f).blocks, 0);
	CHECK_EQ(get(x, f, "user.big", big, 70000), 9);
	fixture_unmount_check();
}

/* ---- random work against a model */
#define NAMES 30u
#define FILES 4u

static const char *attr_name(char *buf, u32 i)
{
	static const char *const prefix[] = {"user.", "trusted.", "security."};

	sprintf(buf, "%s%.*s%u", prefix[i % 3], (int)(i * 7 % 40),
		"abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz", i);
	return buf;
}

struct value {
	bool set;
	u32 size;
	u8 fill;
};

static void compare(struct exec *x, const node_t *f, struct value (*model)[NAMES])
{
	u8 buf[4096];
	char name[100], list[8192];
	u32 i, k, b, bytes;

	for (i = 0; i < FILES; i++) {
		bytes = 0;
		for (k = 0; k < NAMES; k++) {
			const struct value *v = &model[i][k];
			int n = get(x, f[i], attr_name(name, k), buf, sizeof(buf));

			CHECK_EQ(n, v->set ? (int)v->size : -MP_ENODATA);
			for (b = 0; v->set && b < v->size; b++)
				CHECK_EQ(buf[b], (u8)(v->fill + b));
			if (v->set)
				bytes += (u32)strlen(name) + 1;
		}
		CHECK_EQ(fs_listxattr(x, f[i], list, sizeof(list)), bytes);
	}
}

static void random_attrs(const char *args, u32 seed)
{
	static struct value model[FILES][NAMES];
	char name[100];
	u8 buf[4096];
	struct exec *x;
	node_t f[FILES];
	u32 i, step, full = 0;

	fixture_make(64, args, NULL);
	x = fixture_mount();
	memset(model, 0, sizeof(model));
	for (i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		f[i] = i & 1 ? mkd(x, FS_ROOT, name) : mk(x, FS_ROOT, name);
	}
	for (step = 0; step < 6000; step++) {
		u32 n = rnd(&seed) % NAMES, kind = rnd(&seed) % 8, b;
		struct value *v;
		int err;

		i = rnd(&seed) % FILES;
		v = &model[i][n];
		attr_name(name, n);
		if (kind < 3) {
			CHECK_ERR(fs_removexattr(x, f[i], nm(name)), v->set ? 0 : -MP_ENODATA);
			v->set = false;
		} else {
			u32 size = rnd(&seed) % (kind == 7 ? 3000 : kind == 6 ? 300 : 40);
			u8 fill = (u8)rnd(&seed);

			for (b = 0; b < size; b++)
				buf[b] = (u8)(fill + b);
			err = set(x, f[i], name, buf, size, 0);
			if (err) {
				CHECK_ERR(err, -MP_ENOSPC);
				full++;
			} else {
				*v = (struct value){true, size, fill};
			}
		}
		if (step % 1500 == 1499) {
			compare(x, f, model);
			x = fixture_remount();
			compare(x, f, model);
		}
	}
	CHECK(full);
	for (i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		CHECK_OK(i & 1 ? fs_rmdir(x, FS_ROOT, nm(name)) : fs_unlink(x, FS_ROOT, nm(name)));
	}
	fixture_unmount_check();
}

TEST(random_attributes_equal_the_model)
{
	random_attrs(NULL, test_seed());
}

TEST(random_attributes_in_large_inodes)
{
	random_attrs("-I 1024", 7);
}

TEST(random_attributes_without_checksums)
{
	random_attrs("-O ^metadata_csum", 8);
}

/* Names with bytes above 127: hashed with unsigned characters, as e2fsck and kernels since 6.2 do.
 */
TEST(names_beyond_ascii_are_hashed_well)
{
	char big[500] = "";
	struct exec *x;
	node_t f;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	f = mk(x, FS_ROOT, "f");
	CHECK_OK(set(x, f, "user.\xc3\xa4\xff\x80", big, sizeof(big), 0));
	fixture_unmount_check();
}

/* ---- blocks that several inodes share */
TEST(shared_block_is_copied_before_it_changes)
{
	char value[600], out[1000], got[600];
	unsigned long block, other;
	struct exec *x;
	node_t f[3];
	u32 i;

	/* the kernel shares equal blocks */
	fixture_make(64, NULL, NULL);
	shell("set -e; m=$(mktemp -d); mount -o loop '%s' $m; trap 'umount $m; rmdir $m' EXIT; "
	      "v=$(head -c 600 /dev/zero | tr '\\0' v); "
	      "for i in 0 1 2; do : > $m/f$i; setfattr -n user.shared -v $v $m/f$i; done");
	CHECK_OK(fixture_run(out, sizeof(out), PATH "debugfs -R 'stat /f0' '%s' 2>/dev/null"));
	CHECK(sscanf(strstr(out, "File ACL: "), "File ACL: %lu", &block) == 1 && block);
	CHECK_OK(fixture_run(out, sizeof(out), PATH "debugfs -R 'stat /f2' '%s' 2>/dev/null"));
	CHECK(sscanf(strstr(out, "File ACL: "), "File ACL: %lu", &other) == 1);
	CHECK_EQ(other, block);
	x = fixture_mount();
	for (i = 0; i < 3; i++) {
		snprintf(out, sizeof(out), "f%u", i);
		f[i] = look(x, FS_ROOT, out);
		CHECK_EQ(get(x, f[i], "user.shared", got, sizeof(got)), 600);
	}
	memset(value, 'v', sizeof(value));
	CHECK_OK(set(x, f[0], "user.more", value, 500, 0));
	CHECK_EQ(get(x, f[1], "user.shared", got, sizeof(got)), 600);
	CHECK_ERR(get(x, f[1], "user.more", got, sizeof(got)), -MP_ENODATA);
	x = fixture_remount();
	CHECK_OK(fs_removexattr(x, f[1], nm("user.shared")));
	x = fixture_remount();
	CHECK_EQ(get(x, f[2], "user.shared", got, sizeof(got)), 600);
	CHECK_EQ(get(x, f[0], "user.shared", got, sizeof(got)), 600);
	CHECK_EQ(get(x, f[0], "user.more", got, sizeof(got)), 500);
	CHECK_OK(set(x, f[2], "user.shared", "x", 1, 0));
	CHECK_EQ(stat_of(x, f[2]).blocks, 0);
	CHECK_OK(fs_unlink(x, FS_ROOT, nm("f0")));
	fixture_unmount_check();
}

TEST(removing_files_gives_shared_blocks_back)
{
	struct fs_statfs before, after;
	struct exec *x;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	CHECK_OK(fs_statfs(x, &before));
	fixture_unmount_check();
	shell("set -e; m=$(mktemp -d); mount -o loop '%s' $m; trap 'umount $m; rmdir $m' EXIT; "
	      "v=$(head -c 600 /dev/zero | tr '\\0' v); "
	      "for i in 0 1 2; do : > $m/f$i; setfattr -n user.shared -v $v $m/f$i; done");
	x = fixture_mount();
	CHECK_OK(fs_unlink(x, FS_ROOT, nm("f0")));
	CHECK_OK(fs_unlink(x, FS_ROOT, nm("f1")));
	x = fixture_remount();
	CHECK_OK(fs_unlink(x, FS_ROOT, nm("f2")));
	CHECK_OK(fs_statfs(x, &after));
	CHECK_EQ(after.bfree, before.bfree);
	fixture_unmount_check();
}

TEST(kernel_reads_what_was_written)
{
	char out[3000], value[1000];
	struct exec *x;
	node_t f;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	f = mk(x, FS_ROOT, "f");
	CHECK_OK(set(x, f, "user.inside", "in the inode", 12, 0));
	memset(value, 'b', sizeof(value));
	CHECK_OK(set(x, f, "user.block", value, 1000, 0));
	CHECK_OK(set(x, f, "user.alpha", value, 70, 0));
	CHECK_OK(set(x, f, "trusted.beta", value, 300, 0));
	fixture_unmount_check();
	CHECK_OK(fixture_run(out, sizeof(out),
			     "m=$(mktemp -d); mount -o loop,ro '%s' $m && "
			     "getfattr --absolute-names -d -m - $m/f 2>&1; s=$?; umount $m; "
			     "rmdir $m; exit $s"));
	CHECK(strstr(out, "user.inside=\"in the inode\""));
	CHECK(strstr(out, "user.block=\"bbbbbb"));
	CHECK(strstr(out, "user.alpha=\"bbbbbb"));
	CHECK(strstr(out, "trusted.beta=\"bbbbbb"));
}

/* ---- ACLs */
struct acl_entry {
	u16 tag, perm;
	u32 id;
};
struct acl {
	u32 version;
	struct acl_entry e[16];
};
#define ANY 0xFFFFFFFFu
#define ACL_SIZE(n) (4 + (n)*8)
#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

static const struct acl full = {2,
				{{1, 7, ANY},
				 {2, 6, 1000},
				 {2, 4, 1001},
				 {4, 5, ANY},
				 {8, 7, 2000},
				 {16, 6, ANY},
				 {32, 1, ANY}}};

TEST(acl_and_mode_follow_each_other)
{
	struct fs_setattr sa = {.valid = FS_SET_MODE, .mode = 0100750};
	struct acl minimal = {2, {{1, 6, ANY}, {4, 4, ANY}, {32, 0, ANY}}}, got;
	struct fs_attr attr;
	struct exec *x;
	node_t f;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	f = mk(x, FS_ROOT, "f");
	CHECK_OK(set(x, f, ACCESS, &full, ACL_SIZE(7), 0));
	CHECK_EQ(stat_of(x, f).mode, 0100761);
	CHECK_EQ(get(x, f, ACCESS, &got, sizeof(got)), ACL_SIZE(7));
	CHECK(!memcmp(&got, &full, ACL_SIZE(7)));
	CHECK_EQ(get(x, f, ACCESS, NULL, 0), ACL_SIZE(7));
	CHECK_ERR(get(x, f, ACCESS, &got, 10), -MP_ERANGE);
	CHECK_OK(fs_setattr(x, f, &sa, &attr));
	x = fixture_remount();
	CHECK_EQ(get(x, f, ACCESS, &got, sizeof(got)), ACL_SIZE(7));
	CHECK_EQ(got.e[0].perm, 7);
	CHECK_EQ(got.e[3].perm, 5); /* the group's own stays, the mask moves */
	CHECK_EQ(got.e[5].perm, 5);
	CHECK_EQ(got.e[6].perm, 0);
	/* what a mode says alone is not stored */
	CHECK_OK(set(x, f, ACCESS, &minimal, ACL_SIZE(3), 0));
	CHECK_EQ(stat_of(x, f).mode, 0100640);
	CHECK_ERR(get(x, f, ACCESS, &got, sizeof(got)), -MP_ENODATA);
	CHECK_ERR(set(x, f, DEFAULT, &full, ACL_SIZE(7), 0), -MP_EACCES);
	fixture_unmount_check();
}

TEST(nonsense_acls_are_refused)
{
	struct fs_attr attr;
	struct exec *x;
	struct acl a;
	node_t f;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	f = mk(x, FS_ROOT, "f");
	CHECK_ERR(set(x, f, ACCESS, &full, ACL_SIZE(7) - 1, 0), -MP_EINVAL);
	CHECK_ERR(set(x, f, ACCESS, &full, 3, 0), -MP_EINVAL);
	CHECK_ERR(set(x, f, ACCESS, &full, ACL_SIZE(6), 0), -MP_EINVAL); /* no others */
	a = full;
	a.version = 1;
	CHECK_ERR(set(x, f, ACCESS, &a, ACL_SIZE(7), 0), -MP_EOPNOTSUPP);
	a = full;
	a.e[5] = a.e[6]; /* no mask */
	CHECK_ERR(set(x, f, ACCESS, &a, ACL_SIZE(6), 0), -MP_EINVAL);
	a = full;
	a.e[1].perm = 9;
	CHECK_ERR(set(x, f, ACCESS, &a, ACL_SIZE(7), 0), -MP_EINVAL);
	a = full;
	a.e[1].tag = 64;
	CHECK_ERR(set(x, f, ACCESS, &a, ACL_SIZE(7), 0), -MP_EINVAL);
	a = full;
	a.e[0] = full.e[1];
	a.e[1] = full.e[0];
	CHECK_ERR(set(x, f, ACCESS, &a, ACL_SIZE(7), 0), -MP_EINVAL);
	CHECK_OK(fs_symlink(x, FS_ROOT, nm("l"), nm("t"), &attr));
	CHECK_ERR(set(x, attr.node, ACCESS, &full, ACL_SIZE(7), 0), -MP_EOPNOTSUPP);
	CHECK_OK(fs_removexattr(x, f, nm(ACCESS)));
	fixture_unmount_check();
}

/* The same steps here and by the kernel's ext4; getfacl on both trees must say the same. */
TEST(inherited_acls_equal_those_of_the_kernel)
{
	static const struct acl def = {
		2,
		{{1, 7, ANY}, {2, 7, 1000}, {4, 5, ANY}, {8, 6, 2000}, {16, 7, ANY}, {32, 4, ANY}}};
	static const struct acl plain = {2, {{1, 7, ANY}, {4, 5, ANY}, {32, 0, ANY}}};
	struct fs_setattr sa = {.valid = FS_SET_MODE, .mode = 0100741};
	char out[6000];
	struct fs_attr attr;
	struct exec *x;
	node_t a, d;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	x->cred.umask = 022;
	a = mkd(x, FS_ROOT, "ours");
	CHECK_OK(set(x, a, DEFAULT, &def, ACL_SIZE(6), 0));
	CHECK_OK(fs_mknod(x, a, nm("file"), REG | 0666, 0, false, &attr));
	CHECK_OK(fs_mknod(x, a, nm("private"), REG | 0600, 0, false, &attr));
	CHECK_OK(fs_mknod(x, a, nm("changed"), REG | 0666, 0, false, &attr));
	CHECK_OK(fs_setattr(x, attr.node, &sa, &attr));
	CHECK_OK(fs_mkdir(x, a, nm("dir"), 0777, &attr));
	d = attr.node;
	CHECK_OK(fs_mkdir(x, d, nm("deeper"), 0700, &attr));
	CHECK_OK(set(x, d, ACCESS, &full, ACL_SIZE(7), 0));
	CHECK_OK(fs_mkdir(x, a, nm("plain"), 0777, &attr));
	CHECK_OK(set(x, attr.node, DEFAULT, &plain, ACL_SIZE(3), 0));
	d = attr.node;
	CHECK_OK(fs_mknod(x, d, nm("file"), REG | 0666, 0, false, &attr));
	CHECK_OK(fs_mkdir(x, a, nm("none"), 0777, &attr));
	CHECK_OK(fs_removexattr(x, attr.node, nm(DEFAULT)));
	CHECK_OK(fs_mknod(x, attr.node, nm("file"), REG | 0666, 0, false, &attr));
	CHECK_OK(fs_symlink(x, a, nm("link"), nm("file"), &attr));
	fixture_unmount_check();
	CHECK_OK(fixture_run(
		out, sizeof(out),
		"set -e; m=$(mktemp -d); mount -o loop '%s' $m; trap 'umount $m; rmdir $m' EXIT; "
		"umask 022; cd $m; mkdir theirs; cd theirs; "
		"setfacl -d -m u::7,u:1000:7,g::5,g:2000:6,m::7,o::4 .; "
		"python3 -c 'import os\n"
		"f=lambda n,m: os.close(os.open(n,os.O_CREAT|os.O_WRONLY,m))\n"
		"f(\"file\",0o666); f(\"private\",0o600); f(\"changed\",0o666)\n"
		"os.chmod(\"changed\",0o741)\n"
		"os.mkdir(\"dir\",0o777); os.mkdir(\"dir/deeper\",0o700)\n"
		"os.mkdir(\"plain\",0o777); os.mkdir(\"none\",0o777)'; "
		"setfacl -m u::7,u:1000:6,u:1001:4,g::5,g:2000:7,m::6,o::1 dir; "
		"setfacl -k plain; setfacl -d -m u::7,g::5,o::0 plain; "
		"setfacl -k none; "
		"python3 -c 'import os\n"
		"f=lambda n,m: os.close(os.open(n,os.O_CREAT|os.O_WRONLY,m))\n"
		"f(\"plain/file\",0o666); f(\"none/file\",0o666)'; "
		"ln -s file link; cd ..; "
		"(cd ours; find . | sort | xargs getfacl -nP) > $m/a 2>&1; "
		"(cd theirs; find . | sort | xargs getfacl -nP) > $m/b 2>&1; "
		"grep -q default:user:1000:rwx $m/a; cd /; diff $m/a $m/b || exit 9"));
}
