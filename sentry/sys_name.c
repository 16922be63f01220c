/*
 * System calls that change names and attributes: mkdir, link, rename, unlink,
 * chmod, chown, truncate, utimensat; and those that change where a process
 * stands: chdir, chroot, umask.
 */
#include "base/caller.h"
#include "base/uspace.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/name_epoch.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/walk.h"
#include "sentry/syscall.h"
#include "sentry/user_path.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/time.h>
#include <utime.h>

/* A name to be made or removed: its copy and where it starts. */
struct target {
	struct name_buf name;
	struct path base;
};

static int target_get(int dirfd, struct uptr name, struct target *out)
{
	int err = name_copy(&out->name, name, false);

	return err < 0 ? err : path_base(dirfd, out->name.s, &out->base);
}

static s64 mkdir_at(int dirfd, struct uptr name, u32 mode)
{
	struct target tg;
	s64 err = target_get(dirfd, name, &tg);

	if (err)
		return err;
	err = vfs_mkdir(tg.base, tg.name.s, mode);
	path_base_put(tg.base);
	return err;
}

s64 sys_mkdir(struct task *t unused_arg, const struct syscall_args *a)
{
	return mkdir_at(AT_FDCWD, arg_ptr(a, 0), arg_u32(a, 1));
}

s64 sys_mkdirat(struct task *t unused_arg, const struct syscall_args *a)
{
	return mkdir_at(arg_int(a, 0), arg_ptr(a, 1), arg_u32(a, 2));
}

static s64 mknod_at(int dirfd, struct uptr name, u32 mode, u64 dev)
{
	struct target tg;
	s64 err;

	if (S_ISDIR(mode))
		return -EPERM;
	switch (mode & S_IFMT) {
	case 0:
		mode |= S_IFREG;
		break;
	case S_IFREG:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	default:
		return -EINVAL;
	}
	err = target_get(dirfd, name, &tg);
	if (err)
		return err;
	err = vfs_mknod(tg.base, tg.name.s, mode, dev);
	path_base_put(tg.base);
	return err;
}

s64 sys_mknod(struct task *t unused_arg, const struct syscall_args *a)
{
	return mknod_at(AT_FDCWD, arg_ptr(a, 0), arg_u32(a, 1), arg_u64(a, 2));
}

s64 sys_mknodat(struct task *t unused_arg, const struct syscall_args *a)
{
	return mknod_at(arg_int(a, 0), arg_ptr(a, 1), arg_u32(a, 2), arg_u64(a, 3));
}

static s64 unlink_at(int dirfd, struct uptr name, bool dir)
{
	struct target tg;
	s64 err = target_get(dirfd, name, &tg);

	if (err)
		return err;
	err = dir ? vfs_rmdir(tg.base, tg.name.s) : vfs_unlink(tg.base, tg.name.s);
	path_base_put(tg.base);
	return err;
}

s64 sys_unlink(struct task *t unused_arg, const struct syscall_args *a)
{
	return unlink_at(AT_FDCWD, arg_ptr(a, 0), false);
}

s64 sys_rmdir(struct task *t unused_arg, const struct syscall_args *a)
{
	return unlink_at(AT_FDCWD, arg_ptr(a, 0), true);
}

s64 sys_unlinkat(struct task *t unused_arg, const struct syscall_args *a)
{
	if (arg_int(a, 2) & ~AT_REMOVEDIR)
		return -EINVAL;
	return unlink_at(arg_int(a, 0), arg_ptr(a, 1), arg_int(a, 2) & AT_REMOVEDIR);
}

static s64 symlink_at(struct uptr target, int dirfd, struct uptr name)
{
	struct name_buf to;
	struct target tg;
	s64 err = name_copy(&to, target, false);

	if (err < 0)
		return err;
	err = target_get(dirfd, name, &tg);
	if (err)
		return err;
	err = vfs_symlink(to.s, tg.base, tg.name.s);
	path_base_put(tg.base);
	return err;
}

s64 sys_symlink(struct task *t unused_arg, const struct syscall_args *a)
{
	return symlink_at(arg_ptr(a, 0), AT_FDCWD, arg_ptr(a, 1));
}

s64 sys_symlinkat(struct task *t unused_arg, const struct syscall_args *a)
{
	return symlink_at(arg_ptr(a, 0), arg_int(a, 1), arg_ptr(a, 2));
}

static s64 link_at(int olddir, struct uptr old, int newdir, struct uptr name, int flags)
{
	struct target tg;
	struct path p;
	int wf = (flags & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : 0) |
	         (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
	s64 err;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = user_path(olddir, old, wf, &p);
	if (err)
		return err;
	err = target_get(newdir, name, &tg);
	if (!err) {
		err = vfs_link(p, tg.base, tg.name.s);
		path_base_put(tg.base);
	}
	path_put(p);
	return err;
}

s64 sys_link(struct task *t unused_arg, const struct syscall_args *a)
{
	return link_at(AT_FDCWD, arg_ptr(a, 0), AT_FDCWD, arg_ptr(a, 1), 0);
}

s64 sys_linkat(struct task *t unused_arg, const struct syscall_args *a)
{
	return link_at(arg_int(a, 0), arg_ptr(a, 1), arg_int(a, 2), arg_ptr(a, 3), arg_int(a, 4));
}

static s64 rename_at(int olddir, struct uptr old, int newdir, struct uptr name, u32 flags)
{
	struct target from, to;
	s64 err = target_get(olddir, old, &from);

	if (err)
		return err;
	err = target_get(newdir, name, &to);
	if (!err) {
		err = vfs_rename(from.base, from.name.s, to.base, to.name.s, flags);
		path_base_put(to.base);
	}
	path_base_put(from.base);
	return err;
}

s64 sys_rename(struct task *t unused_arg, const struct syscall_args *a)
{
	return rename_at(AT_FDCWD, arg_ptr(a, 0), AT_FDCWD, arg_ptr(a, 1), 0);
}

s64 sys_renameat(struct task *t unused_arg, const struct syscall_args *a)
{
	return rename_at(arg_int(a, 0), arg_ptr(a, 1), arg_int(a, 2), arg_ptr(a, 3), 0);
}

s64 sys_renameat2(struct task *t unused_arg, const struct syscall_args *a)
{
	return rename_at(arg_int(a, 0), arg_ptr(a, 1), arg_int(a, 2), arg_ptr(a, 3), arg_u32(a, 4));
}

/* ---- attributes ------------------------------------------------------ */

/* chmod, chown, truncate of an object that a descriptor or a name gives. */
static s64 chmod_object(struct object *o, u32 mode)
{
	return o->path.mnt ? vfs_chmod(o->path, mode) : -EOPNOTSUPP;
}

static s64 chmod_at(int dirfd, struct uptr name, u32 mode, int flags)
{
	struct object o;
	int wf = (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) |
	         (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
	s64 err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = user_object(dirfd, name, wf, &o);
	if (err)
		return err;
	/* A symbolic link's mode cannot be changed (fs/attr.c). */
	err = inode_is_link(o.inode) ? -EOPNOTSUPP : chmod_object(&o, mode);
	object_put(&o);
	return err;
}

s64 sys_chmod(struct task *t unused_arg, const struct syscall_args *a)
{
	return chmod_at(AT_FDCWD, arg_ptr(a, 0), arg_u32(a, 1), 0);
}

s64 sys_fchmodat(struct task *t unused_arg, const struct syscall_args *a)
{
	return chmod_at(arg_int(a, 0), arg_ptr(a, 1), arg_u32(a, 2), 0);
}

s64 sys_fchmodat2(struct task *t unused_arg, const struct syscall_args *a)
{
	return chmod_at(arg_int(a, 0), arg_ptr(a, 1), arg_u32(a, 2), arg_int(a, 3));
}

/* The object behind a descriptor that is not O_PATH. */
static int fd_object_real(int fd, struct object *o)
{
	struct file *f;
	int err = fd_get(fd, &f);

	if (err)
		return err;
	file_put(f);
	return fd_object(fd, o);
}

s64 sys_fchmod(struct task *t unused_arg, const struct syscall_args *a)
{
	struct object o;
	s64 err = fd_object_real(arg_int(a, 0), &o);

	if (err)
		return err;
	err = chmod_object(&o, arg_u32(a, 1));
	object_put(&o);
	return err;
}

/* -1 leaves an id as it is; one that means nothing in the caller's user namespace is none. */
static s64 chown_object(const struct object *o, u32 uid, u32 gid)
{
	const struct user_ns *u = caller_cred()->user_ns;
	u32 id = user_ns_uid_in(u, uid), group = user_ns_gid_in(u, gid);

	if ((id == NO_ID && uid != NO_ID) || (group == NO_ID && gid != NO_ID))
		return -EINVAL;
	return o->path.mnt ? vfs_chown(o->path, id, group) : -EOPNOTSUPP;
}

static s64 chown_at(int dirfd, struct uptr name, u32 uid, u32 gid, int flags)
{
	struct object o;
	int wf = (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) |
	         (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
	s64 err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = user_object(dirfd, name, wf, &o);
	if (err)
		return err;
	err = chown_object(&o, uid, gid);
	object_put(&o);
	return err;
}

s64 sys_chown(struct task *t unused_arg, const struct syscall_args *a)
{
	return chown_at(AT_FDCWD, arg_ptr(a, 0), arg_u32(a, 1), arg_u32(a, 2), 0);
}

s64 sys_lchown(struct task *t unused_arg, const struct syscall_args *a)
{
	return chown_at(AT_FDCWD, arg_ptr(a, 0), arg_u32(a, 1), arg_u32(a, 2), AT_SYMLINK_NOFOLLOW);
}

s64 sys_fchownat(struct task *t unused_arg, const struct syscall_args *a)
{
	return chown_at(arg_int(a, 0), arg_ptr(a, 1), arg_u32(a, 2), arg_u32(a, 3), arg_int(a, 4));
}

s64 sys_fchown(struct task *t unused_arg, const struct syscall_args *a)
{
	struct object o;
	s64 err = fd_object_real(arg_int(a, 0), &o);

	if (err)
		return err;
	err = chown_object(&o, arg_u32(a, 1), arg_u32(a, 2));
	object_put(&o);
	return err;
}

s64 sys_truncate(struct task *t unused_arg, const struct syscall_args *a)
{
	struct path p;
	s64 err;

	if (arg_s64(a, 1) < 0)
		return -EINVAL;
	err = user_path(AT_FDCWD, arg_ptr(a, 0), WALK_FOLLOW, &p);
	if (err)
		return err;
	err = vfs_truncate(p, arg_u64(a, 1));
	path_put(p);
	return err;
}

s64 sys_ftruncate(struct task *t unused_arg, const struct syscall_args *a)
{
	struct file *f;
	s64 err;

	if (arg_s64(a, 1) < 0)
		return -EINVAL;
	err = fd_get(arg_int(a, 0), &f);
	if (err)
		return err;
	err = vfs_ftruncate(f, arg_u64(a, 1));
	file_put(f);
	return err;
}

/* ---- times ----------------------------------------------------------- */

static bool nsec_ok(const struct timespec *ts)
{
	return ts->tv_nsec == UTIME_NOW || ts->tv_nsec == UTIME_OMIT ||
	       (ts->tv_nsec >= 0 && ts->tv_nsec < 1000000000);
}

/* name null: the descriptor itself, as futimens(3) asks. */
static s64 utimes_at(int dirfd, struct uptr name, const struct timespec *ts, int flags)
{
	struct object o;
	int wf = (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) |
	         (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
	s64 err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (ts && (!nsec_ok(&ts[0]) || !nsec_ok(&ts[1])))
		return -EINVAL;
	if (ts && ts[0].tv_nsec == UTIME_OMIT && ts[1].tv_nsec == UTIME_OMIT)
		return 0;
	if (uptr_is_null(name) && dirfd != AT_FDCWD)
		err = flags ? -EINVAL : fd_object_real(dirfd, &o);
	else
		err = user_object(dirfd, name, wf, &o);
	if (err)
		return err;
	err = o.path.mnt ? vfs_utimes(o.path, ts) : -EACCES;
	object_put(&o);
	return err;
}

s64 sys_utimensat(struct task *t unused_arg, const struct syscall_args *a)
{
	struct timespec ts[2];

	if (!uptr_is_null(arg_ptr(a, 2)) && copy_in(ts, arg_ptr(a, 2), sizeof(ts)))
		return -EFAULT;
	return utimes_at(arg_int(a, 0), arg_ptr(a, 1), uptr_is_null(arg_ptr(a, 2)) ? NULL : ts,
	                 arg_int(a, 3));
}

static s64 utimes_tv(int dirfd, struct uptr name, struct uptr times)
{
	struct timeval tv[2];
	struct timespec ts[2];

	if (uptr_is_null(times))
		return utimes_at(dirfd, name, NULL, 0);
	if (copy_in(tv, times, sizeof(tv)))
		return -EFAULT;
	for (int i = 0; i < 2; i++) {
		if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000)
			return -EINVAL;
		ts[i] = (struct timespec){tv[i].tv_sec, tv[i].tv_usec * 1000};
	}
	return utimes_at(dirfd, name, ts, 0);
}

s64 sys_utimes(struct task *t unused_arg, const struct syscall_args *a)
{
	return utimes_tv(AT_FDCWD, arg_ptr(a, 0), arg_ptr(a, 1));
}

s64 sys_futimesat(struct task *t unused_arg, const struct syscall_args *a)
{
	return utimes_tv(arg_int(a, 0), arg_ptr(a, 1), arg_ptr(a, 2));
}

s64 sys_utime(struct task *t unused_arg, const struct syscall_args *a)
{
	struct utimbuf ub;
	struct timespec ts[2] = {0};

	if (uptr_is_null(arg_ptr(a, 1)))
		return utimes_at(AT_FDCWD, arg_ptr(a, 0), NULL, 0);
	if (get_user(&ub, arg_ptr(a, 1)))
		return -EFAULT;
	ts[0].tv_sec = ub.actime;
	ts[1].tv_sec = ub.modtime;
	return utimes_at(AT_FDCWD, arg_ptr(a, 0), ts, 0);
}

/* ---- where a process stands ----------------------------------------- */

/* Replaces cwd (or the root) of the caller's fs context; p's references move in. */
static void fs_context_replace(struct fs_context *fs, struct path p, bool root)
{
	struct path old;

	lock_acquire(&fs->lock);
	old = root ? fs->root : fs->cwd;
	if (root)
		fs->root = p;
	else
		fs->cwd = p;
	lock_release(&fs->lock);
	if (root)
		name_epoch_end();
	path_put(old);
}

/* p's references are consumed. */
static s64 change_dir(struct task *t, struct path p)
{
	s64 err = inode_permission(p.dentry->inode, t->caller.cred, MAY_EXEC);

	if (err)
		path_put(p);
	else
		fs_context_replace(t->caller.fs, p, false);
	return err;
}

s64 sys_chdir(struct task *t, const struct syscall_args *a)
{
	struct path p;
	s64 err = user_path(AT_FDCWD, arg_ptr(a, 0), WALK_FOLLOW | WALK_DIRECTORY, &p);

	return err ? err : change_dir(t, p);
}

s64 sys_fchdir(struct task *t, const struct syscall_args *a)
{
	struct file *f;
	struct path p;
	s64 err = fd_get_any(arg_int(a, 0), &f);

	if (err)
		return err;
	if (!f->path.mnt || !inode_is_dir(f->inode)) {
		file_put(f);
		return -ENOTDIR;
	}
	p = path_get(f->path);
	file_put(f);
	return change_dir(t, p);
}

s64 sys_chroot(struct task *t, const struct syscall_args *a)
{
	struct path p;
	s64 err = user_path(AT_FDCWD, arg_ptr(a, 0), WALK_FOLLOW | WALK_DIRECTORY, &p);

	if (err)
		return err;
	err = inode_permission(p.dentry->inode, t->caller.cred, MAY_EXEC);
	if (!err && !cred_has_own_cap(t->caller.cred, CAP_SYS_CHROOT))
		err = -EPERM;
	if (err)
		path_put(p);
	else
		fs_context_replace(t->caller.fs, p, true);
	return err;
}

s64 sys_getcwd(struct task *t, const struct syscall_args *a)
{
	char buf[PATH_MAX + 16];
	struct path cwd = fs_context_cwd(t->caller.fs);
	struct path root = fs_context_root(t->caller.fs);
	bool reachable;
	char *name;
	s64 n;

	/* An unlinked directory has no name any more (fs/d_path.c). */
	if (cwd.dentry->unhashed) {
		n = -ENOENT;
	} else {
		name = path_name(cwd, root, buf, sizeof(buf), &reachable);
		n = name ? (s64)strlen(name) + 1 : -ENAMETOOLONG;
		if (n > PATH_MAX)
			n = -ENAMETOOLONG;
		if (n > 0 && (u64)n > arg_u64(a, 1))
			n = -ERANGE;
		if (n > 0 && copy_out(arg_ptr(a, 0), name, (size_t)n))
			n = -EFAULT;
	}
	path_put(cwd);
	path_put(root);
	return n;
}

s64 sys_umask(struct task *t, const struct syscall_args *a)
{
	struct fs_context *fs = t->caller.fs;
	u32 old;

	lock_guard(&fs->lock);
	old = fs->umask;
	fs->umask = arg_u32(a, 0) & 0777;
	return old;
}
