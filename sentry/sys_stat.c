/*
 * stat(2) and its kin, statx(2), statfs(2), access(2), readlink(2): what can be
 * asked about a file without opening it.
 */
#include "base/caller.h"
#include "base/cred.h"
#include "base/uspace.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/mount.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/super.h"
#include "fs/vfs/walk.h"
#include "sentry/stat_told.h"
#include "sentry/syscall.h"
#include "sentry/user_path.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

/*
 * Answers that are a number, have no other effect, and hold until the name epoch ends
 * (fs/vfs/name_epoch.h): compilers ask for the same links that are none thousands of times. The
 * platform may give them again (platform.h). `also`: beside errors of the name's look-up.
 */
static s64 lasting(struct task *t, s64 answer, s64 also)
{
	if (t->caller.walk_lasts &&
	    (answer == -ENOENT || answer == -ENOTDIR || answer == -EACCES || answer == also))
		platform_thread_answer_lasts(t->thread, t->caller.walk_epoch);
	return answer;
}

/* Before the walk that such an answer is to come of. */
static void answer_begins(struct task *t)
{
	atomic_store_explicit(&t->caller.walk_lasts, false, memory_order_relaxed);
}

/* Writes what stat(2) says of an object to the guest. */
static s64 stat_out(const struct object *o, struct uptr buf)
{
	struct attr a;
	struct stat st;
	int err = object_attr(o, &a);

	if (err)
		return err;
	stat_fill(&st, o->inode, &a);
	return put_user(buf, &st);
}

static s64 stat_at(struct task *t, int dirfd, struct uptr name, struct uptr buf, int flags)
{
	struct object o;
	struct stat st;
	s64 err;
	int wf = (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) |
	         (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT))
		return -EINVAL;
	answer_begins(t);
	err = user_object(dirfd, name, wf, &o);
	if (err)
		return lasting(t, err, -ENOENT);
	err = stat_tell_named(t, o.inode, &st) ? put_user(buf, &st) : stat_out(&o, buf);
	object_put(&o);
	return err;
}

s64 sys_stat(struct task *t, const struct syscall_args *a)
{
	return stat_at(t, AT_FDCWD, arg_ptr(a, 0), arg_ptr(a, 1), 0);
}

s64 sys_lstat(struct task *t, const struct syscall_args *a)
{
	return stat_at(t, AT_FDCWD, arg_ptr(a, 0), arg_ptr(a, 1), AT_SYMLINK_NOFOLLOW);
}

/* Of an open file, which is told to who may answer for it from then on. */
static s64 stat_fd(struct task *t, int fd, struct uptr buf)
{
	struct stat st;
	struct file *f;
	s64 err = fd_get_any(fd, &f);

	if (err)
		return err;
	if (stat_ask_tells(t, fd) && stat_tell(t, fd, f, &st))
		err = put_user(buf, &st);
	else
		err = stat_out(&(struct object){.inode = f->inode}, buf);
	file_put(f);
	return err;
}

s64 sys_newfstatat(struct task *t, const struct syscall_args *a)
{
	int fd = arg_int(a, 0), flags = arg_int(a, 3);
	u8 first;

	/* As fs/stat.c:vfs_fstatat has it. */
	if (flags == AT_EMPTY_PATH && fd >= 0 && get_user(&first, arg_ptr(a, 1)) == 0 && !first)
		return stat_fd(t, fd, arg_ptr(a, 2));
	return stat_at(t, fd, arg_ptr(a, 1), arg_ptr(a, 2), flags);
}

s64 sys_fstat(struct task *t, const struct syscall_args *a)
{
	return stat_fd(t, arg_int(a, 0), arg_ptr(a, 1));
}

static struct statx_timestamp statx_time(struct timespec ts)
{
	return (struct statx_timestamp){.tv_sec = ts.tv_sec, .tv_nsec = (u32)ts.tv_nsec};
}

static void statx_fill(struct statx *sx, const struct object *o, const struct attr *a)
{
	const struct user_ns *u = caller_cred()->user_ns;
	const struct inode *i = o->inode;

	memset(sx, 0, sizeof(*sx));
	sx->stx_mask = STATX_BASIC_STATS;
	if (a->btime.tv_sec || a->btime.tv_nsec) {
		sx->stx_mask |= STATX_BTIME;
		sx->stx_btime = statx_time(a->btime);
	}
	sx->stx_blksize = a->blksize;
	sx->stx_nlink = a->nlink;
	sx->stx_uid = user_ns_uid_show(u, a->uid);
	sx->stx_gid = user_ns_gid_show(u, a->gid);
	sx->stx_mode = (u16)a->mode;
	sx->stx_ino = i->ino;
	sx->stx_size = a->size;
	sx->stx_blocks = a->blocks;
	sx->stx_atime = statx_time(a->atime);
	sx->stx_mtime = statx_time(a->mtime);
	sx->stx_ctime = statx_time(a->ctime);
	sx->stx_rdev_major = major(a->rdev);
	sx->stx_rdev_minor = minor(a->rdev);
	sx->stx_dev_major = major(i->sb->dev);
	sx->stx_dev_minor = minor(i->sb->dev);
	if (o->path.mnt) {
		sx->stx_mask |= STATX_MNT_ID;
		sx->stx_mnt_id = o->path.mnt->id;
		sx->stx_attributes_mask |= STATX_ATTR_MOUNT_ROOT;
		if (o->path.dentry == o->path.mnt->root)
			sx->stx_attributes |= STATX_ATTR_MOUNT_ROOT;
	}
}

s64 sys_statx(struct task *t unused_arg, const struct syscall_args *a)
{
	int flags = arg_int(a, 2), wf;
	u32 mask = arg_u32(a, 3);
	struct object o;
	struct attr at;
	struct statx sx;
	s64 err;

	if (mask & STATX__RESERVED)
		return -EINVAL;
	if ((flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	wf = (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) |
	     (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
	err = user_object(arg_int(a, 0), arg_ptr(a, 1), wf, &o);
	if (err)
		return err;
	err = object_attr(&o, &at);
	if (!err) {
		statx_fill(&sx, &o, &at);
		err = put_user(arg_ptr(a, 4), &sx);
	}
	object_put(&o);
	return err;
}

s64 sys_statfs(struct task *t unused_arg, const struct syscall_args *a)
{
	struct path p;
	struct statfs sf = {0};
	s64 err = user_path(AT_FDCWD, arg_ptr(a, 0), WALK_FOLLOW, &p);

	if (err)
		return err;
	err = vfs_statfs(p, &sf);
	path_put(p);
	return err ? err : put_user(arg_ptr(a, 1), &sf);
}

/* Pipes, sockets and anonymous files: the file systems that Linux keeps them in. */
static void statfs_anon(const struct inode *i, struct statfs *sf)
{
	u32 mode = inode_mode(i);

	sf->f_type = S_ISFIFO(mode)   ? PIPEFS_MAGIC
	             : S_ISSOCK(mode) ? SOCKFS_MAGIC
	                              : ANON_INODE_FS_MAGIC;
	sf->f_bsize = sf->f_frsize = (__fsword_t)PAGE_SIZE;
	sf->f_namelen = NAME_MAX;
}

s64 sys_fstatfs(struct task *t unused_arg, const struct syscall_args *a)
{
	struct object o;
	struct statfs sf = {0};
	s64 err = fd_object(arg_int(a, 0), &o);

	if (err)
		return err;
	if (o.path.mnt)
		err = vfs_statfs(o.path, &sf);
	else if (o.inode->sb->ops->statfs && inode_is_reg(o.inode))
		err = o.inode->sb->ops->statfs(o.inode->sb, &sf);
	else
		statfs_anon(o.inode, &sf);
	object_put(&o);
	return err ? err : put_user(arg_ptr(a, 1), &sf);
}

static s64 access_at(struct task *t, int dirfd, struct uptr name, int mode, int flags)
{
	struct path p;
	int wf = (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) |
	         (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
	s64 err;

	if (mode & ~(R_OK | W_OK | X_OK))
		return -EINVAL;
	if (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	answer_begins(t);
	err = user_path(dirfd, name, wf, &p);
	if (!err) {
		err = vfs_access(p, mode);
		path_put(p);
	}
	return lasting(t, err, 0);
}

/* Exchanges the credentials that t's calls are checked with. */
static struct cred *cred_exchange(struct task *t, struct cred *c)
{
	struct cred *old;

	lock_guard(&t->group->siglock);
	old = t->caller.cred;
	t->caller.cred = c;
	return old;
}

/* access(2) without AT_EACCESS: as the real user, the look-up of the name included. */
static s64 access_real(struct task *t, int dirfd, struct uptr name, int mode, int flags)
{
	struct cred *real = vfs_access_cred(t->caller.cred), *mine;
	s64 err;

	if (!real)
		return -ENOMEM;
	mine = cred_exchange(t, real);
	err = access_at(t, dirfd, name, mode, flags);
	cred_exchange(t, mine);
	cred_put(real);
	return err;
}

s64 sys_access(struct task *t, const struct syscall_args *a)
{
	return access_real(t, AT_FDCWD, arg_ptr(a, 0), arg_int(a, 1), 0);
}

s64 sys_faccessat(struct task *t, const struct syscall_args *a)
{
	return access_real(t, arg_int(a, 0), arg_ptr(a, 1), arg_int(a, 2), 0);
}

s64 sys_faccessat2(struct task *t, const struct syscall_args *a)
{
	int flags = arg_int(a, 3);

	if (flags & AT_EACCESS)
		return access_at(t, arg_int(a, 0), arg_ptr(a, 1), arg_int(a, 2), flags);
	return access_real(t, arg_int(a, 0), arg_ptr(a, 1), arg_int(a, 2), flags);
}

static s64 readlink_at(struct task *t, int dirfd, struct uptr name, struct uptr buf, int size)
{
	char target[PATH_MAX];
	struct path p;
	ssize_t n;

	if (size <= 0)
		return -EINVAL;
	/* An empty name reads the link that an O_PATH|O_NOFOLLOW descriptor names. */
	answer_begins(t);
	n = user_path(dirfd, name, WALK_EMPTY, &p);
	if (!n) {
		/* readlink(fd, "") of something else is ENOENT, not EINVAL (fs/stat.c). */
		n = vfs_readlink(p, target, sizeof(target));
		path_put(p);
	}
	if (n < 0)
		return lasting(t, n, -EINVAL);
	n = min_of(n, size);
	return copy_out(buf, target, (size_t)n) ?: n;
}

s64 sys_readlink(struct task *t, const struct syscall_args *a)
{
	u8 first;

	if (get_user(&first, arg_ptr(a, 0)))
		return -EFAULT;
	if (!first)
		return arg_int(a, 2) <= 0 ? -EINVAL : -ENOENT;
	return readlink_at(t, AT_FDCWD, arg_ptr(a, 0), arg_ptr(a, 1), arg_int(a, 2));
}

s64 sys_readlinkat(struct task *t, const struct syscall_args *a)
{
	return readlink_at(t, arg_int(a, 0), arg_ptr(a, 1), arg_ptr(a, 2), arg_int(a, 3));
}
