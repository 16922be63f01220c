/*
 * Extended attributes: who may touch which name space (xattr(7), fs/xattr.c).
 * Which names exist is the file system's affair.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/limits.h>
#include <linux/xattr.h>
#include <string.h>
#include <sys/inotify.h>
#include "base/caller.h"
#include "fs/notify/inotify.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/vfs_internal.h"

static bool has_prefix(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* fs/xattr.c:xattr_permission and security/commoncap.c */
static int xattr_permission(struct path p, const char *name, int mask)
{
	struct inode *i = dentry_inode(p.dentry);
	const struct cred *c = caller_cred();
	bool write = mask & MAY_WRITE;
	u32 mode = inode_mode(i);
	int err = write ? vfs_want_write(p) : 0;

	if (err)
		return err;
	if (has_prefix(name, XATTR_SECURITY_PREFIX)) {
		bool caps = strcmp(name, XATTR_NAME_CAPS) == 0;

		return write && !cred_has_cap(c, caps ? CAP_SETFCAP : CAP_SYS_ADMIN) ? -EPERM : 0;
	}
	if (has_prefix(name, XATTR_SYSTEM_PREFIX))
		return 0;
	if (has_prefix(name, XATTR_TRUSTED_PREFIX)) {
		if (!cred_has_cap(c, CAP_SYS_ADMIN))
			return write ? -EPERM : -ENODATA;
		return 0;
	}
	if (has_prefix(name, XATTR_USER_PREFIX)) {
		if (!S_ISREG(mode) && !S_ISDIR(mode))
			return write ? -EPERM : -ENODATA;
		if (write && S_ISDIR(mode) && (mode & S_ISVTX) && !inode_owner_or_capable(i, c))
			return -EPERM;
	}
	return inode_permission(i, c, mask);
}

static int check_name(const char *name)
{
	size_t n = strlen(name);

	return n == 0 || n > XATTR_NAME_MAX ? -ERANGE : 0;
}

ssize_t vfs_getxattr(struct path path, const char *name, void *buf, size_t n)
{
	struct inode *i = dentry_inode(path.dentry);
	int err = check_name(name);

	if (!err)
		err = xattr_permission(path, name, MAY_READ);
	if (err)
		return err;
	return i->ops->getxattr ? i->ops->getxattr(i, name, buf, n) : -EOPNOTSUPP;
}

int vfs_setxattr(struct path path, const char *name, const void *v, size_t n, int flags)
{
	struct inode *i = dentry_inode(path.dentry);
	int err;

	if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	err = check_name(name);
	if (err)
		return err;
	if (n > XATTR_SIZE_MAX)
		return -E2BIG;
	err = xattr_permission(path, name, MAY_WRITE);
	if (!err)
		err = i->ops->setxattr ? i->ops->setxattr(i, name, v, n, flags) : -EOPNOTSUPP;
	if (!err)
		notify_event(i, path.dentry, IN_ATTRIB);
	return err;
}

/* Removes the names of trusted.* from a list that somebody without the right will see. */
static ssize_t drop_trusted(char *list, ssize_t n)
{
	ssize_t kept = 0;

	for (ssize_t at = 0; at < n;) {
		ssize_t len = (ssize_t)strlen(list + at) + 1;

		if (!has_prefix(list + at, XATTR_TRUSTED_PREFIX)) {
			memmove(list + kept, list + at, (size_t)len);
			kept += len;
		}
		at += len;
	}
	return kept;
}

ssize_t vfs_listxattr(struct path path, char *buf, size_t n)
{
	struct inode *i = dentry_inode(path.dentry);
	ssize_t len;

	if (!i->ops->listxattr)
		return 0;
	len = i->ops->listxattr(i, buf, n);
	if (len <= 0 || n == 0 || cred_has_cap(caller_cred(), CAP_SYS_ADMIN))
		return len;
	return drop_trusted(buf, len);
}

int vfs_removexattr(struct path path, const char *name)
{
	struct inode *i = dentry_inode(path.dentry);
	int err = check_name(name);

	if (!err)
		err = xattr_permission(path, name, MAY_WRITE);
	if (!err)
		err = i->ops->removexattr ? i->ops->removexattr(i, name) : -EOPNOTSUPP;
	if (!err)
		notify_event(i, path.dentry, IN_ATTRIB);
	return err;
}
