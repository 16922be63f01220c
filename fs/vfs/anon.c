/*
 * Inodes and files without names: pipes, sockets, epolls, eventfds. Their
 * super block is never mounted and never goes away.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include "base/caller.h"
#include "fs/vfs/super.h"
#include "fs/vfs/vfs_internal.h"

#define ANON_INODE_FS_MAGIC 0x09041934

static void anon_inode_free(struct inode *i)
{
	free(i);
}

/* chmod and chown of a pipe or socket work on Linux, too. */
static int anon_setattr(struct inode *i, const struct setattr *s)
{
	if (s->valid & SET_SIZE)
		return -EINVAL;
	inode_store_attr(i, s);
	return 0;
}

static const struct super_ops anon_super_ops = {.inode_free = anon_inode_free};
static const struct inode_ops anon_inode_ops = {.setattr = anon_setattr};

/* Static and uncounted: it is no object that a guest made or could free. */
static struct super anon_sb = {
    .ref = {1},
    .ops = &anon_super_ops,
    .type = "anon_inodefs",
    .source = "none",
    .magic = ANON_INODE_FS_MAGIC,
    .next_ino = 2,
    .inodes = 1,
};

struct super *anon_super(void)
{
	return &anon_sb;
}

int file_create_anon(const struct file_ops *ops, void *priv, u32 flags, u32 mode, struct file **out)
{
	struct inode *i = malloc(sizeof(*i));
	struct cred *c = caller_cred();
	struct file *f;
	int err;

	if (!i)
		return -ENOMEM;
	inode_init(i, &anon_sb, &anon_inode_ops, 0, mode);
	i->attr.uid = c->fsuid;
	i->attr.gid = c->fsgid;
	err = file_create((struct path){NULL, NULL}, i, flags, &f);
	inode_put(i);
	if (err)
		return err;
	f->ops = ops;
	f->priv = priv;
	*out = f;
	return 0;
}

int file_get_path(struct file *f, struct path *out)
{
	if (f->path.dentry) {
		*out = path_get(f->path);
		return 0;
	}
	/* Nameless: /proc makes the text of the link from the file's ops. */
	out->mnt = NULL;
	out->dentry = dentry_create_unhashed(NULL, "", 0, f->inode);
	return out->dentry ? 0 : -ENOMEM;
}
