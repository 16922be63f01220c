/*
 * Names: looking up, making, removing and moving them on the host.
 *
 * Every call works on one name in a directory that was opened without
 * following a link; what a new name turns out to be is read back with statx.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/host.h"
#include "fs/hostfs/hostfs_internal.h"

/* The longest link target that Linux itself makes (PATH_MAX, NUL included). */
#define TARGET_MAX 4096

int hostfs_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct hostfs_inode *d = to_hostfs(dir), *h;
	char copy[NAME_LEN_MAX + 1];
	struct statx stx;
	int dfd, err;

	if (len > NAME_LEN_MAX)
		return -ENAMETOOLONG;
	memcpy(copy, name, len);
	copy[len] = '\0';
	if (!hostfs_name_ok(copy))
		return -EINVAL;
	dfd = hostfs_dir_fd(d, false);
	if (dfd < 0)
		return dfd;
	err = host_statx(dfd, copy, HOSTFS_STATX_MASK, &stx);
	hostfs_dir_put(d);
	if (!err)
		err = hostfs_obtain(hostfs_of(dir), &stx, d, copy, &h);
	if (!err)
		*out = &h->inode;
	return err;
}

/* --- making ---------------------------------------------------------------------- */

/* Opens or makes the object; for a regular file *fd gets its descriptor, else -1. */
static int make_object(int dfd, const char *name, const struct create *c, int *fd)
{
	u32 perm = c->mode & 07777;

	*fd = -1;
	switch (c->mode & S_IFMT) {
	case S_IFREG:
		*fd = hostfs_openat(dfd, name, O_CREAT | O_EXCL | O_RDWR, perm);
		return min_of(*fd, 0);
	case S_IFDIR:
		return host_mkdirat(dfd, name, perm);
	case S_IFLNK:
		return host_symlinkat(c->target, dfd, name);
	case S_IFIFO:
	case S_IFSOCK:
		return host_mknodat(dfd, name, c->mode, 0);
	case S_IFCHR:
		/* 0/0 is an overlay's whiteout, no device. */
		if (c->rdev == 0)
			return host_mknodat(dfd, name, c->mode, 0);
		return -EPERM;
	default:
		/* A guest makes no devices on the host, whoever it is there. */
		return -EPERM;
	}
}

/*
 * The owner and mode that the guest expects, as far as the host lets us: an ordinary user's
 * new files stay the user's. fd, name: as for *at calls.
 */
static void adopt_object(struct hostfs *hs, int fd, int dfd, const char *name,
                         const struct create *c, struct statx *stx)
{
	bool chown = !hs->opt.squash && (c->uid != stx->stx_uid || c->gid != stx->stx_gid);
	u32 perm = c->mode & 07777;

	if (chown && host_fchownat(fd >= 0 ? fd : dfd, fd >= 0 ? "" : name, c->uid, c->gid) == 0) {
		stx->stx_uid = c->uid;
		stx->stx_gid = c->gid;
		/* Changing hands drops set-ID bits. */
		if (!S_ISLNK(c->mode) && perm & 06000)
			stx->stx_mode &= ~06000u;
	}
	if (S_ISLNK(c->mode) || (stx->stx_mode & 07777) == perm)
		return;
	/* The sentry's own umask, or a default ACL, had a say in it. */
	if ((fd >= 0 ? host_fchmod(fd, perm) : host_fchmodat(dfd, name, perm)) == 0)
		stx->stx_mode = (u16)(c->mode & (S_IFMT | 07777));
}

static void install_created(struct hostfs_inode *h, int fd)
{
	if (fd < 0)
		return;
	(void)!fd_slot_install(&h->wr, fd);
	fd_slot_put(&h->wr);
	hostfs_mark(h, HOSTFS_READABLE | HOSTFS_WRITABLE);
}

int hostfs_create(struct inode *dir, const char *name, const struct create *c, struct inode **out)
{
	struct hostfs *hs = hostfs_of(dir);
	struct hostfs_inode *d = to_hostfs(dir), *h;
	struct statx stx;
	int dfd, fd, err;

	if (hs->opt.readonly)
		return -EROFS;
	if (!hostfs_name_ok(name))
		return -EINVAL;
	dfd = hostfs_dir_fd(d, false);
	if (dfd < 0)
		return dfd;
	err = make_object(dfd, name, c, &fd);
	if (err) {
		hostfs_dir_put(d);
		return err;
	}
	hostfs_mark(d, HOSTFS_STALE);
	err = host_statx(fd >= 0 ? fd : dfd, fd >= 0 ? "" : name, HOSTFS_STATX_MASK, &stx);
	if (!err)
		adopt_object(hs, fd, dfd, name, c, &stx);
	hostfs_dir_put(d);
	if (!err)
		err = hostfs_obtain(hs, &stx, d, name, &h);
	if (err) {
		if (fd >= 0)
			host_close(fd);
		return err;
	}
	install_created(h, fd);
	*out = &h->inode;
	return 0;
}

int hostfs_tmpfile(struct inode *dir, const struct create *c, struct inode **out)
{
	struct hostfs *hs = hostfs_of(dir);
	struct hostfs_inode *d = to_hostfs(dir), *h;
	struct statx stx;
	int dfd, fd, err;

	if (hs->opt.readonly)
		return -EROFS;
	dfd = hostfs_dir_fd(d, false);
	if (dfd < 0)
		return dfd;
	fd = hostfs_openat(dfd, ".", O_TMPFILE | O_RDWR, c->mode & 07777);
	hostfs_dir_put(d);
	if (fd < 0)
		return fd;
	err = host_statx(fd, "", HOSTFS_STATX_MASK, &stx);
	if (!err) {
		adopt_object(hs, fd, -1, "", c, &stx);
		err = hostfs_obtain(hs, &stx, NULL, NULL, &h);
	}
	if (err) {
		host_close(fd);
		return err;
	}
	/* A pin: it has no name to be opened by again. */
	(void)!fd_slot_install(&h->wr, fd);
	hostfs_mark(h, HOSTFS_READABLE | HOSTFS_WRITABLE | HOSTFS_GONE);
	*out = &h->inode;
	return 0;
}

/* An unnamed file gets a name through its descriptor, which not every host allows an ordinary user.
 */
static int link_object(struct hostfs_inode *t, int dfd, const char *name)
{
	char from[NAME_LEN_MAX + 1];
	struct hostfs_inode *parent;
	int fd, err = -ENOENT;

	for (unsigned nth = 0; hostfs_place_get(t, nth, &parent, from); nth++) {
		fd = hostfs_dir_fd(parent, true);
		err = fd < 0 ? fd : host_linkat(fd, from, dfd, name, 0);
		if (fd >= 0)
			hostfs_dir_put(parent);
		inode_put(&parent->inode);
		if (err != -ENOENT)
			return err;
	}
	fd = fd_slot_try(&t->wr);
	if (fd < 0)
		return err;
	err = host_linkat(fd, "", dfd, name, AT_EMPTY_PATH);
	fd_slot_put(&t->wr);
	return err;
}

int hostfs_link(struct inode *dir, const char *name, struct inode *target)
{
	struct hostfs *hs = hostfs_of(dir);
	struct hostfs_inode *d = to_hostfs(dir), *t = to_hostfs(target);
	struct statx stx;
	int dfd, err;

	if (hs->opt.readonly)
		return -EROFS;
	if (!hostfs_name_ok(name))
		return -EINVAL;
	mutex_guard(&hs->tree_mutex);
	dfd = hostfs_dir_fd(d, true);
	if (dfd < 0)
		return dfd;
	err = link_object(t, dfd, name);
	if (!err)
		err = host_statx(dfd, name, HOSTFS_STATX_MASK, &stx);
	if (!err && !hostfs_same(t, &stx)) {
		/* Someone on the host had put another file in its place. */
		host_unlinkat(dfd, name, 0);
		err = -ESTALE;
	}
	hostfs_dir_put(d);
	hostfs_mark(d, HOSTFS_STALE);
	if (err)
		return err;
	hostfs_store_attr(t, &stx);
	return hostfs_place_add(t, d, name);
}

/* --- removing and moving ------------------------------------------------------------ */

/* h has lost the name; what the host says of it now is asked for when it is wanted. */
static void name_lost(struct hostfs_inode *h, struct hostfs_inode *d, const char *name)
{
	struct attr a;

	hostfs_place_remove(h, d, name);
	inode_attr(&h->inode, &a);
	inode_set_nlink(&h->inode, S_ISDIR(a.mode) || a.nlink == 0 ? 0 : a.nlink - 1);
	hostfs_mark(h, HOSTFS_STALE);
}

static int remove_name(struct inode *dir, const char *name, struct inode *victim, int flags)
{
	struct hostfs *hs = hostfs_of(dir);
	struct hostfs_inode *d = to_hostfs(dir);
	int dfd, err;

	if (hs->opt.readonly)
		return -EROFS;
	if (!hostfs_name_ok(name))
		return -EINVAL;
	mutex_guard(&hs->tree_mutex);
	hostfs_pin_open(to_hostfs(victim));
	dfd = hostfs_dir_fd(d, true);
	if (dfd < 0)
		return dfd;
	err = host_unlinkat(dfd, name, flags);
	hostfs_dir_put(d);
	if (err)
		return err;
	hostfs_mark(d, HOSTFS_STALE);
	name_lost(to_hostfs(victim), d, name);
	return 0;
}

int hostfs_unlink(struct inode *dir, const char *name, struct inode *victim)
{
	return remove_name(dir, name, victim, 0);
}

int hostfs_rmdir(struct inode *dir, const char *name, struct inode *victim)
{
	return remove_name(dir, name, victim, AT_REMOVEDIR);
}

/* The host has moved it: places and attributes follow. */
static int names_moved(struct hostfs_inode *od, const char *oldname, struct hostfs_inode *v,
                       struct hostfs_inode *nd, const char *newname, struct hostfs_inode *replaced,
                       bool exchange)
{
	int err;

	hostfs_mark(od, HOSTFS_STALE);
	hostfs_mark(nd, HOSTFS_STALE);
	hostfs_mark(v, HOSTFS_STALE);
	if (replaced && exchange) {
		hostfs_mark(replaced, HOSTFS_STALE);
		hostfs_place_remove(replaced, nd, newname);
		err = hostfs_place_add(replaced, od, oldname);
		if (err)
			return err;
	} else if (replaced) {
		name_lost(replaced, nd, newname);
	}
	hostfs_place_remove(v, od, oldname);
	return hostfs_place_add(v, nd, newname);
}

int hostfs_rename(struct inode *olddir, const char *oldname, struct inode *victim,
                  struct inode *newdir, const char *newname, struct inode *replaced, u32 flags)
{
	struct hostfs *hs = hostfs_of(olddir);
	struct hostfs_inode *od = to_hostfs(olddir), *nd = to_hostfs(newdir);
	bool exchange = flags & RENAME_EXCHANGE;
	int ofd, nfd, err;

	if (hs->opt.readonly)
		return -EROFS;
	if (!hostfs_name_ok(oldname) || !hostfs_name_ok(newname))
		return -EINVAL;
	/* Two names of one file: rename(2) does nothing. */
	if (victim == replaced)
		return 0;
	mutex_guard(&hs->tree_mutex);
	if (replaced && !exchange)
		hostfs_pin_open(to_hostfs(replaced));
	ofd = hostfs_dir_fd(od, true);
	if (ofd < 0)
		return ofd;
	nfd = hostfs_dir_fd(nd, true);
	err = nfd < 0 ? nfd : host_renameat2(ofd, oldname, nfd, newname, flags);
	if (nfd >= 0)
		hostfs_dir_put(nd);
	hostfs_dir_put(od);
	if (err)
		return err;
	return names_moved(od, oldname, to_hostfs(victim), nd, newname,
	                   replaced ? to_hostfs(replaced) : NULL, exchange);
}

/* --- symbolic links ------------------------------------------------------------------ */

/* The target of a link never changes; it is read once and kept with the inode. */
static int target_read(struct hostfs_inode *h, const char **out)
{
	char *buf, *seen = NULL;
	struct hostfs_ref r;
	ssize_t n;
	int err = hostfs_ref_get(h, &r, true);

	if (err)
		return err;
	buf = malloc(TARGET_MAX);
	n = buf ? host_readlinkat(r.fd, r.name, buf, TARGET_MAX - 1) : -ENOMEM;
	hostfs_ref_put(&r);
	if (n < 0) {
		free(buf);
		/* -EINVAL: it is no link any more. */
		return n == -EINVAL || n == -ENOENT ? -ESTALE : (int)n;
	}
	buf[n] = '\0';
	*out = strdup(buf);
	free(buf);
	if (!*out)
		return -ENOMEM;
	if (!atomic_compare_exchange_strong(&h->target, &seen, (char *)*out)) {
		free((char *)*out);
		*out = seen;
	}
	return 0;
}

ssize_t hostfs_readlink(struct inode *i, char *buf, size_t size)
{
	const char *target = atomic_load_explicit(&to_hostfs(i)->target, memory_order_acquire);
	size_t len;
	int err;

	if (!target) {
		err = target_read(to_hostfs(i), &target);
		if (err)
			return err;
	}
	len = strlen(target);
	if (len >= size)
		len = size - 1;
	memcpy(buf, target, len);
	buf[len] = '\0';
	return (ssize_t)len;
}
