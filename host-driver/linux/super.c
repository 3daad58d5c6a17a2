// SPDX-License-Identifier: BSD-2-Clause
/*
 * Mounting: mount -t mpdisk -o pool=NAME,medium=DEVICE none DIR.
 *
 * A kernel attaches once to a pool: a second mount of it here is the same superblock.
 */
#include <linux/blk_types.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/statfs.h>

#include "skin.h"
#include "fs/super.h"

#define MPD_MAGIC 0x4D504449 /* "MPDI" */

struct mount_args {
	char *pool;
	char *medium;
	bool code_from_pool;
	bool has_code; /* it was said which */
};

/* ---- superblock */
static int mpd_statfs(struct dentry *dentry, struct kstatfs *out)
{
	struct super_block *sb = dentry->d_sb;
	struct exec *x = mpd_begin(sb);
	struct fs_statfs s;
	int err;

	err = fs_statfs(x, &s);
	mpd_end(sb, x);
	if (err)
		return err;
	out->f_type = MPD_MAGIC;
	out->f_bsize = BLOCK_SIZE;
	out->f_frsize = BLOCK_SIZE;
	out->f_blocks = s.blocks;
	out->f_bfree = s.bfree;
	out->f_bavail = s.bavail;
	out->f_files = s.files;
	out->f_ffree = s.ffree;
	out->f_namelen = s.namelen;
	out->f_fsid = u64_to_fsid(huge_encode_dev(mpd_bdev(mpd_sb(sb)->disk)->bd_dev));
	return 0;
}

static int sync(struct super_block *sb)
{
	struct exec *x = mpd_begin(sb);
	int err = fs_sync(x);

	mpd_end(sb, x);
	return err;
}

static int mpd_sync_fs(struct super_block *sb, int wait)
{
	return wait && !sb_rdonly(sb) ? sync(sb) : 0;
}

static int mpd_freeze(struct super_block *sb)
{
	return mpd_disk_freeze(mpd_sb(sb)->disk);
}

static int mpd_unfreeze(struct super_block *sb)
{
	mpd_disk_thaw(mpd_sb(sb)->disk);
	return 0;
}

static int mpd_show_options(struct seq_file *m, struct dentry *root)
{
	const struct mpd_sb *s = mpd_sb(root->d_sb);

	seq_show_option(m, "pool", s->pool_name);
	seq_show_option(m, "medium", s->medium);
	if (s->code_from_pool)
		seq_puts(m, ",code=pool");
	return 0;
}

const struct super_operations mpd_super_ops = {
	.alloc_inode = mpd_alloc_inode,
	.free_inode = mpd_free_inode,
	.evict_inode = mpd_evict_inode,
	.statfs = mpd_statfs,
	.sync_fs = mpd_sync_fs,
	.freeze_fs = mpd_freeze,
	.unfreeze_fs = mpd_unfreeze,
	.show_options = mpd_show_options,
};

/* ---- mounting */
static int read_root(struct super_block *sb)
{
	struct exec *x = mpd_begin(sb);
	struct fs_attr attr;
	struct inode *root;
	int err;

	err = fs_getattr(x, FS_ROOT, &attr);
	mpd_end(sb, x);
	if (err)
		return err;
	root = mpd_iget(sb, &attr);
	if (IS_ERR(root))
		return PTR_ERR(root);
	sb->s_root = d_make_root(root);
	return sb->s_root ? 0 : -ENOMEM;
}

static int mpd_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct mpd_sb *s = sb->s_fs_info;
	const struct mpd_options options = {
		.pool = s->pool_name,
		.medium = s->medium,
		.name = fc->source ?: "mpdisk",
		.read_only = fc->sb_flags & SB_RDONLY,
		.code_from_pool = s->code_from_pool,
	};
	int err;

	s->sb = sb;
	err = mpd_disk_open(&options, &s->disk);
	if (err)
		return err;
	s->pool = mpd_pool(s->disk);
	s->host = mpd_host(s->disk);
	sb->s_magic = MPD_MAGIC;
	sb->s_blocksize = BLOCK_SIZE;
	sb->s_blocksize_bits = BLOCK_SHIFT;
	sb->s_maxbytes = min_t(u64, MAX_LFS_FILESIZE, (u64)U32_MAX << BLOCK_SHIFT);
	sb->s_time_gran = 1;
	sb->s_time_min = S32_MIN;
	sb->s_time_max = 0x37fffffffll;
	sb->s_flags |= SB_POSIXACL;
	sb->s_op = &mpd_super_ops;
	sb->s_export_op = &mpd_export_ops;
	sb->s_d_op = &mpd_dentry_ops;
	sb->s_xattr = mpd_xattr_handlers;
	INIT_LIST_HEAD(&s->waits);
	err = mpd_map_start(s);
	return err ? err : read_root(sb);
}

static void free_sb(struct mpd_sb *s)
{
	if (!s)
		return;
	kfree(s->pool_name);
	kfree(s->medium);
	kfree(s);
}

static void mpd_kill_sb(struct super_block *sb)
{
	struct mpd_sb *s = mpd_sb(sb);
	int err;

	kill_anon_super(sb);
	if (!s)
		return;
	if (s->disk) {
		mpd_map_stop(s);
		err = mpd_disk_close(s->disk);
		if (err)
			pr_err("mpdisk: unmount: error %d\n", err);
	}
	free_sb(s);
}

static int is_same(struct super_block *sb, struct fs_context *fc)
{
	const struct mpd_sb *a = mpd_sb(sb), *b = fc->s_fs_info;

	return !strcmp(a->pool_name, b->pool_name) && !strcmp(a->medium, b->medium);
}

static int mpd_get_tree(struct fs_context *fc)
{
	struct mount_args *args = fc->fs_private;
	struct super_block *sb;
	struct mpd_sb *s;
	int err;

	if (!args->pool || !args->medium)
		return invalf(fc, "mpdisk: pool= and medium= are needed");
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return -ENOMEM;
	swap(s->pool_name, args->pool);
	swap(s->medium, args->medium);
	s->code_from_pool = args->code_from_pool;
	fc->s_fs_info = s;
	sb = sget_fc(fc, is_same, set_anon_super_fc);
	if (IS_ERR(sb))
		return PTR_ERR(sb);
	if (!sb->s_root) {
		err = mpd_fill_super(sb, fc);
		if (err) {
			deactivate_locked_super(sb);
			return err;
		}
		sb->s_flags |= SB_ACTIVE;
	} else if ((fc->sb_flags ^ sb->s_flags) & SB_RDONLY) {
		deactivate_locked_super(sb);
		return -EBUSY;
	}
	fc->root = dget(sb->s_root);
	return 0;
}

static int mpd_reconfigure(struct fs_context *fc)
{
	struct super_block *sb = fc->root->d_sb;
	const struct mpd_sb *s = mpd_sb(sb);
	const struct mount_args *args = fc->fs_private;
	bool ro = fc->sb_flags & SB_RDONLY;
	struct exec *x;

	if ((args->pool && strcmp(args->pool, s->pool_name)) ||
	    (args->medium && strcmp(args->medium, s->medium)))
		return invalf(fc, "mpdisk: pool and medium cannot be changed");
	if (args->has_code && args->code_from_pool != s->code_from_pool)
		return invalf(fc, "mpdisk: code cannot be changed");
	if (ro && !sb_rdonly(sb))
		return sync(sb);
	if (!ro && sb_rdonly(sb)) {
		int err;

		x = mpd_begin(sb);
		err = fs_writable(x);
		mpd_end(sb, x);
		return err;
	}
	return 0;
}

enum { OPT_POOL, OPT_MEDIUM, OPT_CODE };

static const struct constant_table code_values[] = {
	{"module", 0},
	{"pool", 1},
	{},
};

static const struct fs_parameter_spec parameters[] = {
	fsparam_string("pool", OPT_POOL),
	fsparam_string("medium", OPT_MEDIUM),
	fsparam_enum("code", OPT_CODE, code_values),
	{},
};

static int mpd_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct mount_args *args = fc->fs_private;
	struct fs_parse_result result;
	int option = fs_parse(fc, parameters, param, &result);

	switch (option) {
	case OPT_POOL:
		kfree(args->pool);
		args->pool = param->string;
		param->string = NULL;
		return 0;
	case OPT_MEDIUM:
		kfree(args->medium);
		args->medium = param->string;
		param->string = NULL;
		return 0;
	case OPT_CODE:
		args->code_from_pool = result.uint_32;
		args->has_code = true;
		return 0;
	}
	return option;
}

static void mpd_free_fc(struct fs_context *fc)
{
	struct mount_args *args = fc->fs_private;

	free_sb(fc->s_fs_info);
	kfree(args->pool);
	kfree(args->medium);
	kfree(args);
}

static const struct fs_context_operations context_ops = {
	.parse_param = mpd_parse_param,
	.get_tree = mpd_get_tree,
	.reconfigure = mpd_reconfigure,
	.free = mpd_free_fc,
};

static int mpd_init_fs_context(struct fs_context *fc)
{
	fc->fs_private = kzalloc(sizeof(struct mount_args), GFP_KERNEL);
	if (!fc->fs_private)
		return -ENOMEM;
	fc->ops = &context_ops;
	return 0;
}

static struct file_system_type mpd_type = {
	.owner = THIS_MODULE,
	.name = "mpdisk",
	.init_fs_context = mpd_init_fs_context,
	.parameters = parameters,
	.kill_sb = mpd_kill_sb,
};

static int __init mpd_init(void)
{
	int err = mpd_inode_cache_init();

	if (err)
		return err;
	err = register_filesystem(&mpd_type);
	if (err)
		mpd_inode_cache_exit();
	return err;
}

static void __exit mpd_exit(void)
{
	unregister_filesystem(&mpd_type);
	mpd_inode_cache_exit();
}

module_init(mpd_init);
module_exit(mpd_exit);
MODULE_ALIAS_FS("mpdisk");
MODULE_DESCRIPTION("mpdisk, shared mode: an ext4-compatible filesystem in a pool of memory");
MODULE_AUTHOR("The mpdisk authors");
MODULE_LICENSE("Dual BSD/GPL");
