/*
 * Extended attributes: user, trusted and security, kept in a list per inode.
 * POSIX ACLs are not supported, as on a file system mounted noacl.
 */
#include <errno.h>
#include <linux/xattr.h>
#include <stdlib.h>
#include <string.h>
#include "fs/tmpfs/tmpfs_internal.h"

/* What one inode's attributes may take; they are not pages, so size= does not count them. */
#define BYTES_MAX (128UL << 10)

static int check_space(const char *name)
{
	static const char *const prefixes[] = {XATTR_USER_PREFIX, XATTR_TRUSTED_PREFIX,
	                                       XATTR_SECURITY_PREFIX};

	for (size_t i = 0; i < array_size(prefixes); i++) {
		size_t n = strlen(prefixes[i]);

		if (strncmp(name, prefixes[i], n) == 0)
			return name[n] ? 0 : -EINVAL;
	}
	return -EOPNOTSUPP;
}

static struct tmpfs_xattr *find(struct tmpfs_node *n, const char *name)
{
	struct tmpfs_xattr *x;

	LIST_FOREACH (x, &n->xattrs, link) {
		if (strcmp(x->name, name) == 0)
			return x;
	}
	return NULL;
}

static size_t bytes_of(const struct tmpfs_xattr *x)
{
	return sizeof(*x) + strlen(x->name) + 1 + x->size;
}

static void drop(struct tmpfs_node *n, struct tmpfs_xattr *x)
{
	n->xattr_bytes -= bytes_of(x);
	LIST_REMOVE(x, link);
	free(x);
}

void xattrs_free(struct tmpfs_node *n)
{
	struct tmpfs_xattr *x;

	while ((x = LIST_FIRST(&n->xattrs)))
		drop(n, x);
}

void xattr_drop_caps(struct tmpfs_node *n)
{
	struct tmpfs_xattr *x = LIST_EMPTY(&n->xattrs) ? NULL : find(n, XATTR_NAME_CAPS);

	if (x)
		drop(n, x);
}

ssize_t tmpfs_getxattr(struct inode *i, const char *name, void *buf, size_t size)
{
	struct tmpfs_xattr *x;
	int err = check_space(name);

	if (err)
		return err;
	mutex_guard(&i->mutex);
	x = find(node_of(i), name);
	if (!x)
		return -ENODATA;
	if (size == 0)
		return (ssize_t)x->size;
	if (size < x->size)
		return -ERANGE;
	memcpy(buf, x->value, x->size);
	return (ssize_t)x->size;
}

int tmpfs_setxattr(struct inode *i, const char *name, const void *value, size_t size, int flags)
{
	struct tmpfs_node *n = node_of(i);
	size_t len = strlen(name) + 1;
	struct tmpfs_xattr *x, *old;
	int err = check_space(name);

	if (err)
		return err;
	/* One block: the value, then the name. */
	x = malloc(sizeof(*x) + size + len);
	if (!x)
		return -ENOMEM;
	x->size = size;
	if (size)
		memcpy(x->value, value, size);
	x->name = x->value + size;
	memcpy(x->name, name, len);
	mutex_acquire(&i->mutex);
	old = find(n, name);
	if (old && (flags & XATTR_CREATE))
		err = -EEXIST;
	else if (!old && (flags & XATTR_REPLACE))
		err = -ENODATA;
	else if (n->xattr_bytes + bytes_of(x) - (old ? bytes_of(old) : 0) > BYTES_MAX)
		err = -ENOSPC;
	if (!err) {
		if (old)
			drop(n, old);
		n->xattr_bytes += bytes_of(x);
		LIST_INSERT_HEAD(&n->xattrs, x, link);
		inode_touch(i, TOUCH_CTIME);
	}
	mutex_release(&i->mutex);
	if (err)
		free(x);
	return err;
}

ssize_t tmpfs_listxattr(struct inode *i, char *buf, size_t size)
{
	struct tmpfs_xattr *x;
	size_t total = 0;

	mutex_guard(&i->mutex);
	LIST_FOREACH (x, &node_of(i)->xattrs, link) {
		size_t len = strlen(x->name) + 1;

		if (size) {
			if (total + len > size)
				return -ERANGE;
			memcpy(buf + total, x->name, len);
		}
		total += len;
	}
	return (ssize_t)total;
}

int tmpfs_removexattr(struct inode *i, const char *name)
{
	struct tmpfs_xattr *x;
	int err = check_space(name);

	if (err)
		return err;
	mutex_guard(&i->mutex);
	x = find(node_of(i), name);
	if (!x)
		return -ENODATA;
	drop(node_of(i), x);
	inode_touch(i, TOUCH_CTIME);
	return 0;
}
