/*
 * Identity and attributes: one inode object per host object, so that hard
 * links share it. The table holds no references; an inode takes itself out when
 * its last one goes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include "base/host.h"
#include "fs/hostfs/hostfs_internal.h"

static const struct inode_ops hostfs_dir_ops, hostfs_file_ops, hostfs_link_ops, hostfs_special_ops;
static const struct inode_ops hostfs_dir_ops_fixed, hostfs_file_ops_fixed, hostfs_special_ops_fixed;

static u64 stx_dev(const struct statx *stx)
{
	return makedev(stx->stx_dev_major, stx->stx_dev_minor);
}

/*
 * The tree has one st_dev for the guest. Should it span several on the host, the
 * others' numbers get a mark in their upper 16 bits, which no common file system uses.
 */
u64 hostfs_guest_ino(const struct hostfs *hs, u64 dev, u64 ino)
{
	u64 mark;

	if (dev == hs->root_dev)
		return ino;
	mark = (dev ^ hs->root_dev) * 0x9e3779b97f4a7c15ULL;
	return ino ^ ((mark & ~(~0ULL >> 15)) | 1ULL << 48);
}

bool hostfs_same(const struct hostfs_inode *h, const struct statx *stx)
{
	/* The birth time tells a file from a later one that was given the same number. */
	return h->ino == stx->stx_ino && h->dev == stx_dev(stx) &&
	       (inode_mode(&h->inode) & S_IFMT) == (stx->stx_mode & S_IFMT) &&
	       h->btime.tv_sec == stx->stx_btime.tv_sec &&
	       h->btime.tv_nsec == stx->stx_btime.tv_nsec;
}

static struct timespec stx_time(const struct statx_timestamp *t)
{
	return (struct timespec){.tv_sec = t->tv_sec, .tv_nsec = t->tv_nsec};
}

/*
 * What we asked for may have been slower than a change and its own answer, whose times are
 * later. Only by a little: a host's clock may be set back.
 */
static bool overtaken(const struct timespec *known, const struct timespec *asked)
{
	s64 ns = (known->tv_sec - asked->tv_sec) * 1000000000LL + known->tv_nsec - asked->tv_nsec;

	return ns > 0 && ns < 1000000000LL;
}

static struct attr stx_attr(const struct hostfs_options *opt, const struct statx *stx)
{
	return (struct attr){
	    .mode = stx->stx_mode,
	    .nlink = stx->stx_nlink,
	    .uid = opt->squash ? opt->uid : stx->stx_uid,
	    .gid = opt->squash ? opt->gid : stx->stx_gid,
	    .rdev = makedev(stx->stx_rdev_major, stx->stx_rdev_minor),
	    .size = stx->stx_size,
	    .blocks = stx->stx_blocks,
	    .blksize = stx->stx_blksize,
	    .atime = stx_time(&stx->stx_atime),
	    .mtime = stx_time(&stx->stx_mtime),
	    .ctime = stx_time(&stx->stx_ctime),
	    .btime = stx_time(&stx->stx_btime),
	};
}

void hostfs_store_attr(struct hostfs_inode *h, const struct statx *stx)
{
	struct attr a = stx_attr(&hostfs_of(&h->inode)->opt, stx);

	lock_guard(&h->inode.attr_lock);
	if (overtaken(&h->seen, &a.ctime))
		return;
	h->seen = a.ctime;
	inode_replace_attr_locked(&h->inode, &a);
}

/* --- the table ------------------------------------------------------------------ */

static u32 inode_hash(u64 dev, u64 ino)
{
	return hash_u64(ino ^ dev << 40);
}

static struct hostfs_inode *table_find_locked(struct hostfs *hs, const struct statx *stx, u32 hash)
{
	struct hash_node *n;

	HASH_TABLE_FOREACH (n, &hs->inodes, hash) {
		struct hostfs_inode *h = container_of(n, struct hostfs_inode, hash_link);

		if (hostfs_same(h, stx) && ref_get_unless_zero(&h->inode.ref))
			return h;
	}
	return NULL;
}

static const struct inode_ops *ops_for(const struct hostfs *hs, u32 mode)
{
	bool fixed = hostfs_fixed(hs);

	if (S_ISDIR(mode))
		return fixed ? &hostfs_dir_ops_fixed : &hostfs_dir_ops;
	if (S_ISREG(mode))
		return fixed ? &hostfs_file_ops_fixed : &hostfs_file_ops;
	if (S_ISLNK(mode))
		return &hostfs_link_ops;
	return fixed ? &hostfs_special_ops_fixed : &hostfs_special_ops;
}

static struct hostfs_inode *inode_create(struct hostfs *hs, const struct statx *stx,
                                         struct hostfs_inode *parent, const char *name)
{
	struct hostfs_inode *h = calloc(1, sizeof(*h) + (parent ? strlen(name) + 1 : 0));
	struct attr a = stx_attr(&hs->opt, stx);

	if (!h)
		return NULL;
	if (parent)
		hostfs_place_first(h, parent, name);
	h->dev = stx_dev(stx);
	h->ino = stx->stx_ino;
	h->btime = stx->stx_btime;
	fd_slot_init(&h->rd);
	fd_slot_init(&h->wr);
	h->seen = a.ctime;
	inode_init_attr(&h->inode, &hs->sb, ops_for(hs, stx->stx_mode),
	                hostfs_guest_ino(hs, h->dev, h->ino), &a);
	return h;
}

int hostfs_obtain(struct hostfs *hs, const struct statx *stx, struct hostfs_inode *parent,
                  const char *name, struct hostfs_inode **out)
{
	u32 hash = inode_hash(stx_dev(stx), stx->stx_ino);
	struct hostfs_inode *found, *fresh;
	int err = 0;

	/* Only another name of a file, or one that was forgotten, leads to what is known. */
	hash_table_warm(&hs->inodes, hash);
	fresh = inode_create(hs, stx, parent, name);
	if (!fresh)
		return -ENOMEM;
	lock_acquire(&hs->lock);
	found = table_find_locked(hs, stx, hash);
	if (!found)
		hash_table_insert(&hs->inodes, &fresh->hash_link, hash);
	lock_release(&hs->lock);
	if (!found) {
		*out = fresh;
		return 0;
	}
	inode_put(&fresh->inode);
	if (!hostfs_always(hs))
		hostfs_store_attr(found, stx);
	if (parent)
		err = hostfs_place_add(found, parent, name);
	if (err)
		inode_put(&found->inode);
	else
		*out = found;
	return err;
}

/*
 * An inode's places hold its parents, so that the end of one may be the end of its whole
 * path. The dead are queued and buried by whoever is at it already: no recursion on a
 * fiber's small stack.
 */
void hostfs_inode_free(struct inode *i)
{
	struct hostfs *hs = hostfs_of(i);
	struct hostfs_inode *h = to_hostfs(i);

	lock_acquire(&hs->lock);
	if (hash_node_is_in(&h->hash_link))
		hash_table_remove(&hs->inodes, &h->hash_link);
	h->next_dying = hs->dying;
	hs->dying = h;
	if (hs->burying) {
		lock_release(&hs->lock);
		return;
	}
	hs->burying = true;
	while ((h = hs->dying)) {
		hs->dying = h->next_dying;
		lock_release(&hs->lock);
		fd_slot_destroy(&h->rd);
		fd_slot_destroy(&h->wr);
		hostfs_places_free(h);
		free(atomic_load_explicit(&h->target, memory_order_relaxed));
		free(h);
		lock_acquire(&hs->lock);
	}
	hs->burying = false;
	lock_release(&hs->lock);
}

/* --- attributes ------------------------------------------------------------------ */

static int ask_attr(struct hostfs_inode *h, bool sure)
{
	struct hostfs_ref r;
	struct statx stx;
	int err = hostfs_ref_get(h, &r, sure);

	if (err)
		return err;
	err = host_statx(r.fd, r.name, HOSTFS_STATX_MASK, &stx);
	hostfs_ref_put(&r);
	if (err == -ENOENT || err == -ENOTDIR || (!err && !hostfs_same(h, &stx)))
		return -ESTALE;
	if (!err)
		hostfs_store_attr(h, &stx);
	return err;
}

int hostfs_getattr(struct inode *i)
{
	struct hostfs_inode *h = to_hostfs(i);
	int err;

	if (hostfs_always(hostfs_of(i)) && !hostfs_has(h, HOSTFS_STALE | HOSTFS_VOLATILE))
		return 0;
	/* Before asking: a change that comes meanwhile marks it again. */
	atomic_fetch_and_explicit(&h->state, ~(u32)HOSTFS_STALE, memory_order_acq_rel);
	err = ask_attr(h, false);
	/* Another guest may just have renamed it. */
	if (err == -ESTALE)
		err = ask_attr(h, true);
	/* Nameless and closed: what we know of it is all that can be known. */
	if (err == -ENOENT && hostfs_has(h, HOSTFS_GONE))
		return 0;
	if (err)
		hostfs_mark(h, HOSTFS_STALE);
	return err;
}

bool hostfs_revalidate(struct inode *dir, const char *name, struct inode *i)
{
	struct hostfs_inode *d = to_hostfs(dir);
	struct statx stx;
	int dfd, err;

	if (hostfs_always(hostfs_of(dir)))
		return true;
	dfd = hostfs_dir_fd(d, false);
	if (dfd < 0)
		return false;
	err = host_statx(dfd, name, HOSTFS_STATX_MASK, &stx);
	hostfs_dir_put(d);
	if (!i)
		return err == -ENOENT;
	if (err || !hostfs_same(to_hostfs(i), &stx))
		return false;
	hostfs_store_attr(to_hostfs(i), &stx);
	return true;
}

/* --- the tables of operations ------------------------------------------------------ */

/* Shared by all types. */
#define HOSTFS_COMMON                                                                              \
	.getattr = hostfs_getattr, .setattr = hostfs_setattr, .getxattr = hostfs_getxattr,         \
	.setxattr = hostfs_setxattr, .listxattr = hostfs_listxattr,                                \
	.removexattr = hostfs_removexattr

/* In a read-only tree that never changes: no op that could only say 'as before'. */
#define HOSTFS_FIXED .getxattr = hostfs_getxattr, .listxattr = hostfs_listxattr

static const struct inode_ops hostfs_dir_ops = {
    HOSTFS_COMMON,           .lookup = hostfs_lookup,
    .create = hostfs_create, .link = hostfs_link,
    .unlink = hostfs_unlink, .rmdir = hostfs_rmdir,
    .rename = hostfs_rename, .tmpfile = hostfs_tmpfile,
    .open = hostfs_open_dir, .revalidate = hostfs_revalidate,
};

static const struct inode_ops hostfs_file_ops = {HOSTFS_COMMON, .open = hostfs_open};
static const struct inode_ops hostfs_link_ops = {HOSTFS_COMMON, .readlink = hostfs_readlink};
static const struct inode_ops hostfs_special_ops = {HOSTFS_COMMON, .open = hostfs_open};

static const struct inode_ops hostfs_dir_ops_fixed = {HOSTFS_FIXED, .lookup = hostfs_lookup,
                                                      .open = hostfs_open_dir};
static const struct inode_ops hostfs_file_ops_fixed = {HOSTFS_FIXED, .open = hostfs_open};
static const struct inode_ops hostfs_special_ops_fixed = {.open = hostfs_open};
