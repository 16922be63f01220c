/* mq_open(2) and its kin. Names come without the slash that the C library's have. */
#include "sentry/ipc/mqueue.h"
#include "base/caller.h"
#include "base/fiber.h"
#include "base/timer.h"
#include "base/uspace.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "sentry/syscall.h"
#include "sentry/user_path.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

s64 sys_mq_open(struct task *t, const struct syscall_args *a)
{
	struct name_buf name;
	struct mq_attr attr;
	struct uptr p = arg_ptr(a, 3);
	struct file *f;
	int err;

	if (!uptr_is_null(p) && get_user(&attr, p))
		return -EFAULT;
	err = name_copy(&name, arg_ptr(a, 0), true);
	if (err < 0)
		return err;
	err = mqueue_open(t, name.s, arg_int(a, 1), arg_u32(a, 2), uptr_is_null(p) ? NULL : &attr,
	                  &f);
	return err ? err : fd_install(f, true);
}

s64 sys_mq_unlink(struct task *t unused_arg, const struct syscall_args *a)
{
	struct name_buf name;
	int err = name_copy(&name, arg_ptr(a, 0), true);

	return err < 0 ? err : mqueue_unlink(name.s);
}

/* An absolute CLOCK_REALTIME time as a deadline. */
static int deadline_get(struct uptr p, u64 *deadline)
{
	struct timespec ts;
	u64 now = time_realtime(), at;

	*deadline = NO_DEADLINE;
	if (uptr_is_null(p))
		return 0;
	if (get_user(&ts, p))
		return -EFAULT;
	if (ts.tv_sec < 0 || (u64)ts.tv_nsec >= 1000000000)
		return -EINVAL;
	if (ts.tv_sec > 1L << 33)
		return 0;
	at = (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
	*deadline = time_monotonic() + (at > now ? at - now : 0);
	return 0;
}

s64 sys_mq_timedsend(struct task *t unused_arg, const struct syscall_args *a)
{
	struct file *f;
	u64 deadline;
	s64 result;
	int err;

	if (arg_u32(a, 3) >= MQ_PRIORITIES)
		return -EINVAL;
	err = deadline_get(arg_ptr(a, 4), &deadline);
	if (!err)
		err = fd_get(arg_int(a, 0), &f);
	if (err)
		return err;
	result = mqueue_send(f, arg_ptr(a, 1), arg_u64(a, 2), arg_u32(a, 3), deadline);
	file_put(f);
	return result;
}

s64 sys_mq_timedreceive(struct task *t unused_arg, const struct syscall_args *a)
{
	struct uptr p = arg_ptr(a, 3);
	struct file *f;
	u64 deadline;
	u32 priority;
	s64 result;
	int err = deadline_get(arg_ptr(a, 4), &deadline);

	if (!err)
		err = fd_get(arg_int(a, 0), &f);
	if (err)
		return err;
	result = mqueue_receive(f, arg_ptr(a, 1), arg_u64(a, 2), &priority, deadline);
	file_put(f);
	if (result >= 0 && !uptr_is_null(p) && put_user(p, &priority))
		return -EFAULT;
	return result;
}

s64 sys_mq_notify(struct task *t unused_arg, const struct syscall_args *a)
{
	struct uptr p = arg_ptr(a, 1);
	struct sigevent ev;
	struct file *f;
	int err;

	if (!uptr_is_null(p)) {
		if (get_user(&ev, p))
			return -EFAULT;
		/* SIGEV_THREAD is a netlink socket's affair (ipc/mqueue.c do_mq_notify). */
		if (ev.sigev_notify != SIGEV_NONE && ev.sigev_notify != SIGEV_SIGNAL)
			return -EINVAL;
		if (ev.sigev_notify == SIGEV_SIGNAL &&
		    (ev.sigev_signo < 0 || ev.sigev_signo > NSIG_MAX))
			return -EINVAL;
	}
	err = fd_get(arg_int(a, 0), &f);
	if (err)
		return err;
	err = mqueue_notify(f, uptr_is_null(p) ? NULL : &ev);
	file_put(f);
	return err;
}

s64 sys_mq_getsetattr(struct task *t unused_arg, const struct syscall_args *a)
{
	struct uptr set = arg_ptr(a, 1), get = arg_ptr(a, 2);
	struct mq_attr new, old;
	struct file *f;
	int err;

	if (!uptr_is_null(set)) {
		if (get_user(&new, set))
			return -EFAULT;
		if (new.mq_flags & ~O_NONBLOCK)
			return -EINVAL;
	}
	err = fd_get(arg_int(a, 0), &f);
	if (err)
		return err;
	err = mqueue_attr(f, uptr_is_null(set) ? NULL : &new, &old);
	file_put(f);
	if (!err && !uptr_is_null(get))
		err = put_user(get, &old);
	return err;
}
