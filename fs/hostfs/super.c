/*
 * Mounting a directory or a file of the host.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include "base/host.h"
#include "fs/hostfs/hostfs_internal.h"

static int hostfs_statfs(struct super *sb, struct statfs *out)
{
	struct hostfs_inode *root = to_hostfs(sb->root);
	struct fd_slot *s = fd_slot_is_open(&root->rd) ? &root->rd : &root->wr;
	int fd = fd_slot_try(s), err;

	/* The root's slot is pinned for as long as the root lives. */
	BUG_ON(fd < 0);
	err = host_fstatfs(fd, out);
	fd_slot_put(s);
	return err;
}

static void hostfs_release(struct super *sb)
{
	struct hostfs *hs = container_of(sb, struct hostfs, sb);

	BUG_ON(hs->inodes.count || hs->dying);
	mutex_destroy(&hs->tree_mutex);
	hash_table_destroy(&hs->inodes);
}

static const struct super_ops hostfs_super_ops = {
    .inode_free = hostfs_inode_free,
    .statfs = hostfs_statfs,
    .release = hostfs_release,
};

/* The root keeps its descriptor for ever: it has no name to be opened by again. */
static int make_root(struct hostfs *hs, int fd, const struct statx *stx)
{
	struct hostfs_inode *root;
	bool writable = S_ISREG(stx->stx_mode) && !hs->opt.readonly;
	int err = hostfs_obtain(hs, stx, NULL, NULL, &root);

	if (err)
		return err;
	BUG_ON(fd_slot_install(writable ? &root->wr : &root->rd, fd) != fd);
	hostfs_mark(root, HOSTFS_READABLE | (writable ? HOSTFS_WRITABLE : 0));
	hs->sb.root = &root->inode;
	return 0;
}

int hostfs_mount(int fd, const struct hostfs_options *o, struct super **out)
{
	struct hostfs *hs = NULL;
	struct statx stx;
	struct statfs sfs;
	int err = host_statx(fd, "", HOSTFS_STATX_MASK, &stx);

	if (!err)
		err = host_fstatfs(fd, &sfs);
	if (!err && !S_ISDIR(stx.stx_mode) && !S_ISREG(stx.stx_mode))
		err = -ENOTDIR;
	if (!err) {
		hs = calloc(1, sizeof(*hs));
		err = hs ? 0 : -ENOMEM;
	}
	if (err)
		goto fail;
	hs->opt = *o;
	hs->opt.source = NULL; /* the super block has its own copy */
	hs->root_dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	mutex_init(&hs->tree_mutex, RANK_HOST_TREE);
	lock_init(&hs->lock, RANK_SUPER);
	hash_table_init(&hs->inodes);
	err = super_init(
	    &hs->sb, &hostfs_super_ops, "hostfs", o->source ? o->source : "host", (u32)sfs.f_type,
	    (o->readonly ? MS_RDONLY : 0) | (o->layer ? SB_LOWER : 0) |
	        (hostfs_always(hs) ? SB_LASTS : SB_ASKS) | (hostfs_fixed(hs) ? SB_TELLS : 0));
	if (err)
		goto fail;
	err = make_root(hs, fd, &stx);
	if (err) {
		super_put(&hs->sb);
		host_close(fd);
		return err;
	}
	*out = &hs->sb;
	return 0;
fail:
	free(hs);
	host_close(fd);
	return err;
}
