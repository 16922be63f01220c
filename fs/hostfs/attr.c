/*
 * Changing attributes, and extended attributes. Both want an open file; where
 * the host does not let us have one, the calls that work on names stand in.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include "base/host.h"
#include "base/timer.h"
#include "fs/hostfs/hostfs_internal.h"

/* An open descriptor of h: a use of *slot, or (slot NULL) the caller's own to close. */
static int any_fd(struct hostfs_inode *h, struct fd_slot **slot)
{
	int dfd, fd;

	*slot = NULL;
	if (inode_is_dir(&h->inode)) {
		dfd = hostfs_dir_fd(h, false);
		if (dfd < 0)
			return dfd;
		fd = hostfs_openat(dfd, ".", O_RDONLY | O_DIRECTORY, 0);
		hostfs_dir_put(h);
		return fd;
	}
	if (!inode_is_reg(&h->inode))
		return -EOPNOTSUPP;
	fd = hostfs_read_fd(h, slot, false);
	return fd == -EACCES ? hostfs_write_fd(h, slot, false) : fd;
}

static void any_put(int fd, struct fd_slot *slot)
{
	if (slot)
		fd_slot_put(slot);
	else
		host_close(fd);
}

static int set_mode(struct hostfs_inode *h, u32 mode)
{
	struct hostfs_ref r;
	struct fd_slot *slot;
	int fd, err;

	if (inode_is_link(&h->inode))
		return -EOPNOTSUPP;
	fd = any_fd(h, &slot);
	if (fd >= 0) {
		err = host_fchmod(fd, mode);
		any_put(fd, slot);
		return err;
	}
	if (fd != -EACCES && fd != -EOPNOTSUPP)
		return fd;
	/* Its owner may change the mode of a file that nobody may open. */
	err = hostfs_ref_get(h, &r, true);
	if (err)
		return err;
	err = host_fchmodat(r.fd, r.name[0] ? r.name : ".", mode);
	hostfs_ref_put(&r);
	return err == -ENOSYS ? fd : err;
}

static int set_owner(struct hostfs_inode *h, const struct setattr *s)
{
	const struct hostfs_options *opt = &hostfs_of(&h->inode)->opt;
	u32 uid = s->valid & SET_UID ? s->uid : ~0u;
	u32 gid = s->valid & SET_GID ? s->gid : ~0u;
	struct hostfs_ref r;
	int err;

	if (opt->squash)
		return (uid != ~0u && uid != opt->uid) || (gid != ~0u && gid != opt->gid) ? -EPERM
		                                                                          : 0;
	err = hostfs_ref_get(h, &r, true);
	if (err)
		return err;
	err = host_fchownat(r.fd, r.name, uid, gid);
	hostfs_ref_put(&r);
	return err;
}

static bool is_now(const struct timespec *t)
{
	u64 now = time_realtime();
	u64 then = (u64)t->tv_sec * 1000000000ULL + (u64)t->tv_nsec;

	return then <= now && now - then < 1000000000ULL;
}

static int set_times(struct hostfs_inode *h, const struct setattr *s)
{
	struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};
	struct hostfs_ref r;
	int err = hostfs_ref_get(h, &r, true);

	if (err)
		return err;
	if (s->valid & SET_ATIME)
		ts[0] = s->atime;
	if (s->valid & SET_MTIME)
		ts[1] = s->mtime;
	err = host_utimensat(r.fd, r.name, ts);
	/* 'Now' is allowed to all who may write, other times to the owner: utimensat(2). */
	if (err == -EPERM && (s->valid & SET_ATIME) && (s->valid & SET_MTIME) && is_now(&ts[0]) &&
	    is_now(&ts[1])) {
		ts[0].tv_nsec = ts[1].tv_nsec = UTIME_NOW;
		err = host_utimensat(r.fd, r.name, ts);
	}
	hostfs_ref_put(&r);
	return err;
}

static int set_size(struct hostfs_inode *h, u64 size)
{
	struct fd_slot *slot;
	int fd = hostfs_write_fd(h, &slot, false), err;

	if (fd < 0)
		return fd;
	err = host_ftruncate(fd, size);
	fd_slot_put(slot);
	return err;
}

int hostfs_setattr(struct inode *i, const struct setattr *s)
{
	struct hostfs_inode *h = to_hostfs(i);
	int err = 0;

	if (hostfs_of(i)->opt.readonly)
		return -EROFS;
	/* Owner before mode, as a change of hands drops set-ID bits; times last of all. */
	if (s->valid & SET_SIZE)
		err = set_size(h, s->size);
	if (!err && s->valid & (SET_UID | SET_GID))
		err = set_owner(h, s);
	if (!err && s->valid & SET_MODE)
		err = set_mode(h, s->mode & 07777);
	/* With a new size the host sets the time of the change, for whoever may write. */
	if (!err && s->valid & (SET_ATIME | SET_MTIME) && !(s->valid & SET_SIZE))
		err = set_times(h, s);
	hostfs_mark(h, HOSTFS_STALE);
	/* Now, and not at the next stat: permission checks read the inode as it is. */
	return err ? err : hostfs_getattr(i);
}

/* --- extended attributes --------------------------------------------------------- */

/*
 * What the host does not let us open has no extended attributes: 'permission
 * denied' would make ls(1) complain of every such file.
 */
static int xattr_fd(struct hostfs_inode *h, struct fd_slot **slot)
{
	int fd = any_fd(h, slot);

	return fd == -EACCES || fd == -EPERM ? -EOPNOTSUPP : fd;
}

/* An unchanging file that had none at the first look needs no second. */
static bool known_without(struct hostfs_inode *h)
{
	return hostfs_has(h, HOSTFS_NO_XATTR);
}

static void learn_without(struct hostfs_inode *h, int fd)
{
	const struct hostfs *hs = hostfs_of(&h->inode);

	if (hostfs_fixed(hs) && host_flistxattr(fd, NULL, 0) == 0)
		hostfs_mark(h, HOSTFS_NO_XATTR);
}

ssize_t hostfs_getxattr(struct inode *i, const char *name, void *buf, size_t size)
{
	struct hostfs_inode *h = to_hostfs(i);
	struct fd_slot *slot;
	ssize_t n;
	int fd;

	if (known_without(h))
		return -ENODATA;
	fd = xattr_fd(h, &slot);
	if (fd < 0)
		return fd;
	n = host_fgetxattr(fd, name, buf, size);
	if (n == -ENODATA)
		learn_without(h, fd);
	any_put(fd, slot);
	return n;
}

ssize_t hostfs_listxattr(struct inode *i, char *buf, size_t size)
{
	struct hostfs_inode *h = to_hostfs(i);
	struct fd_slot *slot;
	ssize_t n;
	int fd;

	if (known_without(h))
		return 0;
	fd = xattr_fd(h, &slot);
	if (fd < 0)
		return fd == -EOPNOTSUPP ? 0 : fd;
	n = host_flistxattr(fd, buf, size);
	if (n == 0)
		learn_without(h, fd);
	any_put(fd, slot);
	return n;
}

int hostfs_setxattr(struct inode *i, const char *name, const void *value, size_t size, int flags)
{
	struct fd_slot *slot;
	int fd, err;

	if (hostfs_of(i)->opt.readonly)
		return -EROFS;
	fd = any_fd(to_hostfs(i), &slot);
	if (fd < 0)
		return fd;
	err = host_fsetxattr(fd, name, value, size, flags);
	any_put(fd, slot);
	hostfs_mark(to_hostfs(i), HOSTFS_STALE);
	return err;
}

int hostfs_removexattr(struct inode *i, const char *name)
{
	struct fd_slot *slot;
	int fd, err;

	if (hostfs_of(i)->opt.readonly)
		return -EROFS;
	fd = any_fd(to_hostfs(i), &slot);
	if (fd < 0)
		return fd;
	err = host_fremovexattr(fd, name);
	any_put(fd, slot);
	hostfs_mark(to_hostfs(i), HOSTFS_STALE);
	return err;
}
