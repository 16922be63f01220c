/*
 * Inodes of tmpfs: making and freeing them, attributes, symbolic links.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "fs/tmpfs/tmpfs_internal.h"

static int tmpfs_open(struct inode *i, struct file *f)
{
	f->ops = inode_is_dir(i) ? &tmpfs_dir_file_ops : &tmpfs_file_ops;
	return 0;
}

static int tmpfs_setattr(struct inode *i, const struct setattr *s)
{
	inode_store_attr(i, s);
	return 0;
}

/* Seals bind truncate(2) and chmod(2), too: fcntl(2). */
static int file_setattr(struct inode *i, const struct setattr *s)
{
	struct tmpfs_node *n = node_of(i);
	int err = 0;

	mutex_acquire(&i->mutex);
	if (s->valid & SET_SIZE) {
		u64 size = inode_size(i);

		if ((s->size < size && (n->data.seals & F_SEAL_SHRINK)) ||
		    (s->size > size && (n->data.seals & F_SEAL_GROW)))
			err = -EPERM;
		else
			err = data_set_size(n, s->size);
	}
	if ((s->valid & SET_MODE) && (n->data.seals & F_SEAL_EXEC) &&
	    ((s->mode ^ inode_mode(i)) & 0111))
		err = -EPERM;
	if (!err)
		inode_store_attr(i, s);
	mutex_release(&i->mutex);
	return err;
}

static ssize_t link_readlink(struct inode *i, char *buf, size_t size)
{
	const char *target = node_of(i)->target;
	size_t n = min_of(strlen(target), size);

	memcpy(buf, target, n);
	if (n < size)
		buf[n] = 0;
	return (ssize_t)n;
}

#define XATTR_OPS                                                                                  \
	.getxattr = tmpfs_getxattr, .setxattr = tmpfs_setxattr, .listxattr = tmpfs_listxattr,      \
	.removexattr = tmpfs_removexattr

const struct inode_ops tmpfs_dir_ops = {
    .lookup = tmpfs_lookup,
    .create = tmpfs_create,
    .link = tmpfs_link,
    .unlink = tmpfs_unlink,
    .rmdir = tmpfs_rmdir,
    .rename = tmpfs_rename,
    .tmpfile = tmpfs_tmpfile,
    .setattr = tmpfs_setattr,
    .open = tmpfs_open,
    XATTR_OPS,
};

static const struct inode_ops file_inode_ops = {
    .setattr = file_setattr,
    .open = tmpfs_open,
    XATTR_OPS,
};

static const struct inode_ops link_ops = {
    .readlink = link_readlink,
    .setattr = tmpfs_setattr,
    XATTR_OPS,
};

/* FIFOs, sockets and devices: whoever serves their type opens them. */
static const struct inode_ops special_ops = {
    .setattr = tmpfs_setattr,
    XATTR_OPS,
};

static const struct inode_ops *ops_for(u32 mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return &tmpfs_dir_ops;
	case S_IFREG:
		return &file_inode_ops;
	case S_IFLNK:
		return &link_ops;
	default:
		return &special_ops;
	}
}

int node_create(struct super *sb, const struct create *c, u64 ino, struct inode **out)
{
	struct tmpfs_super *fs = sb->priv;
	struct tmpfs_node *n;
	int err = tmpfs_charge_inode(fs);

	if (err)
		return err;
	n = calloc(1, sizeof(*n));
	if (n && S_ISLNK(c->mode)) {
		n->target = strdup(c->target);
		if (!n->target) {
			free(n);
			n = NULL;
		}
	}
	if (!n) {
		tmpfs_uncharge_inode(fs);
		return -ENOMEM;
	}
	inode_init(&n->inode, sb, ops_for(c->mode), ino, c->mode);
	n->inode.attr.uid = c->uid;
	n->inode.attr.gid = c->gid;
	n->inode.attr.rdev = c->rdev;
	LIST_INIT(&n->xattrs);
	if (S_ISDIR(c->mode)) {
		dir_init(&n->dir);
		n->inode.attr.nlink = 2;
		n->inode.attr.size = 2 * DIRENT_SIZE;
	} else if (S_ISREG(c->mode)) {
		data_init(&n->data);
	} else if (S_ISLNK(c->mode)) {
		n->inode.attr.size = strlen(n->target);
	}
	*out = &n->inode;
	return 0;
}

void node_free(struct inode *i)
{
	struct tmpfs_node *n = node_of(i);

	if (inode_is_dir(i))
		dir_free_tree(&n->dir);
	else if (inode_is_reg(i))
		data_free(n);
	else if (inode_is_link(i))
		free(n->target);
	xattrs_free(n);
	tmpfs_uncharge_inode(fs_of(i));
	free(n);
}
