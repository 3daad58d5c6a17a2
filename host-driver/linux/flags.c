// SPDX-License-Identifier: BSD-2-Clause
/* lsattr and chattr. The VFS has seen that the caller may, and turns FS_IOC_FSSETXATTR into flags.
 */
#include <linux/fs.h>
#include <linux/fileattr.h>
#include <linux/uaccess.h>

#include "skin.h"

int mpd_fileattr_get(struct dentry *dentry, struct fileattr *fa)
{
	struct inode *inode = d_inode(dentry);
	int err = mpd_refresh(inode);

	if (!err)
		fileattr_fill_flags(fa, mpd_i(inode)->flags);
	return err;
}

int mpd_fileattr_set(struct user_namespace *ns, struct dentry *dentry, struct fileattr *fa)
{
	struct inode *inode = d_inode(dentry);
	struct exec *x;
	int err;

	BUILD_BUG_ON(FS_FLAG_IMMUTABLE != FS_IMMUTABLE_FL || FS_FLAG_APPEND != FS_APPEND_FL);
	if (fileattr_has_fsx(fa))
		return -EOPNOTSUPP;
	x = mpd_begin_change(inode->i_sb);
	err = fs_setflags(x, mpd_node(inode), fa->flags);
	mpd_end(inode->i_sb, x);
	return err ? err : mpd_refresh(inode);
}

/* What the VFS does not know itself: lsattr -v. */
long mpd_ioctl(struct file *file, unsigned int command, unsigned long arg)
{
	if (command == FS_IOC_GETVERSION)
		return put_user(file_inode(file)->i_generation, (int __user *)arg);
	return -ENOTTY;
}
