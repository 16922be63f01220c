/*
 * Calls that make files without names: pipes, eventfd, timerfd, inotify,
 * memfd; and the calls that are peculiar to them.
 */
#include "base/uspace.h"
#include "fs/anon/eventfd.h"
#include "fs/anon/timerfd.h"
#include "fs/notify/inotify.h"
#include "fs/pipe/pipe.h"
#include "fs/tmpfs/tmpfs.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "fs/vfs/walk.h"
#include "sentry/fd_pair.h"
#include "sentry/syscall.h"
#include "sentry/user_path.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/timerfd.h>

/* Two files become two descriptors at out, or none do. Consumes both references. */
s64 fd_install_pair(struct task *t, struct file *f[2], bool cloexec, struct uptr out)
{
	int fd[2];

	fd[0] = fd_install(f[0], cloexec);
	if (fd[0] < 0) {
		file_put(f[1]);
		return fd[0];
	}
	fd[1] = fd_install(f[1], cloexec);
	if (fd[1] >= 0 && copy_out(out, fd, sizeof(fd)) == 0)
		return 0;
	fdtable_close(t->caller.files, fd[0]);
	if (fd[1] < 0)
		return fd[1];
	fdtable_close(t->caller.files, fd[1]);
	return -EFAULT;
}

static s64 pipe_new(struct task *t, struct uptr out, u32 flags)
{
	struct file *f[2];
	int err;

	if (flags & ~(u32)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	err = pipe_create(flags, f);
	return err ? err : fd_install_pair(t, f, flags & O_CLOEXEC, out);
}

s64 sys_pipe(struct task *t, const struct syscall_args *a)
{
	return pipe_new(t, arg_ptr(a, 0), 0);
}

s64 sys_pipe2(struct task *t, const struct syscall_args *a)
{
	return pipe_new(t, arg_ptr(a, 0), arg_u32(a, 1));
}

static s64 eventfd_new(u32 initval, u32 flags)
{
	struct file *f;
	int err = eventfd_create(initval, flags, &f);

	return err ? err : fd_install(f, flags & EFD_CLOEXEC);
}

s64 sys_eventfd(struct task *t unused_arg, const struct syscall_args *a)
{
	return eventfd_new(arg_u32(a, 0), 0);
}

s64 sys_eventfd2(struct task *t unused_arg, const struct syscall_args *a)
{
	return eventfd_new(arg_u32(a, 0), arg_u32(a, 1));
}

s64 sys_timerfd_create(struct task *t unused_arg, const struct syscall_args *a)
{
	struct file *f;
	int err = timerfd_open(arg_int(a, 0), arg_u32(a, 1), &f);

	return err ? err : fd_install(f, arg_u32(a, 1) & TFD_CLOEXEC);
}

s64 sys_timerfd_settime(struct task *t unused_arg, const struct syscall_args *a)
{
	struct itimerspec value, old;
	struct file *f;
	s64 err;

	if (get_user(&value, arg_ptr(a, 2)))
		return -EFAULT;
	err = fd_get(arg_int(a, 0), &f);
	if (err)
		return err;
	err = timerfd_set(f, arg_u32(a, 1), &value, &old);
	file_put(f);
	if (!err && !uptr_is_null(arg_ptr(a, 3)))
		err = put_user(arg_ptr(a, 3), &old);
	return err;
}

s64 sys_timerfd_gettime(struct task *t unused_arg, const struct syscall_args *a)
{
	struct itimerspec value;
	struct file *f;
	s64 err = fd_get(arg_int(a, 0), &f);

	if (err)
		return err;
	err = timerfd_get(f, &value);
	file_put(f);
	return err ? err : put_user(arg_ptr(a, 1), &value);
}

static s64 inotify_new(u32 flags)
{
	struct file *f;
	int err = inotify_create(flags, &f);

	return err ? err : fd_install(f, flags & IN_CLOEXEC);
}

s64 sys_inotify_init(struct task *t unused_arg, const struct syscall_args *a unused_arg)
{
	return inotify_new(0);
}

s64 sys_inotify_init1(struct task *t unused_arg, const struct syscall_args *a)
{
	return inotify_new(arg_u32(a, 0));
}

s64 sys_inotify_add_watch(struct task *t unused_arg, const struct syscall_args *a)
{
	u32 mask = arg_u32(a, 2);
	struct file *f;
	struct path p;
	s64 n = fd_get(arg_int(a, 0), &f);

	if (n)
		return n;
	n = user_path(AT_FDCWD, arg_ptr(a, 1),
	              (mask & IN_DONT_FOLLOW ? 0 : WALK_FOLLOW) |
	                  (mask & IN_ONLYDIR ? WALK_DIRECTORY : 0),
	              &p);
	if (!n) {
		n = inotify_watch_add(f, p.dentry->inode, mask);
		path_put(p);
	}
	file_put(f);
	return n;
}

s64 sys_inotify_rm_watch(struct task *t unused_arg, const struct syscall_args *a)
{
	struct file *f;
	s64 err = fd_get(arg_int(a, 0), &f);

	if (err)
		return err;
	err = inotify_watch_remove(f, arg_int(a, 1));
	file_put(f);
	return err;
}

/* memfd_create(2): the name's limit is NAME_MAX less the "memfd:" in front (mm/memfd.c). */
#define MEMFD_NAME_MAX (255 - 6)

s64 sys_memfd_create(struct task *t unused_arg, const struct syscall_args *a)
{
	char name[MEMFD_NAME_MAX + 1];
	u32 flags = arg_u32(a, 1);
	struct file *f;
	ssize_t n;
	int err;

	if (flags & ~(u32)(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC))
		return -EINVAL;
	if ((flags & MFD_NOEXEC_SEAL) && (flags & MFD_EXEC))
		return -EINVAL;
	n = copy_in_str(name, arg_ptr(a, 0), sizeof(name));
	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : n;
	err = tmpfs_memfd_create(name, flags, &f);
	return err ? err : fd_install(f, flags & MFD_CLOEXEC);
}
