/* poll(2), select(2) and epoll(7): waiting for several files. */
#include "base/caller.h"
#include "base/fiber.h"
#include "base/timer.h"
#include "base/uspace.h"
#include "fs/epoll/epoll.h"
#include "fs/epoll/poll.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "sentry/syscall.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>

#define NSEC_PER_SEC 1000000000ULL

/* The end of a relative time that is known to be well-formed; saturates. */
static u64 deadline_after(u64 sec, u64 nsec)
{
	u64 now = time_monotonic();

	if (sec > (NO_DEADLINE - now) / NSEC_PER_SEC - 1)
		return NO_DEADLINE - 1;
	return now + sec * NSEC_PER_SEC + nsec;
}

static u64 deadline_ms(int ms)
{
	if (ms < 0)
		return NO_DEADLINE;
	return ms ? deadline_after((u64)ms / 1000, (u64)(ms % 1000) * 1000000) : 0;
}

/* An optional relative timespec. -EFAULT, -EINVAL. */
static int deadline_timespec(struct uptr p, u64 *out)
{
	struct timespec ts;

	*out = NO_DEADLINE;
	if (uptr_is_null(p))
		return 0;
	if (get_user(&ts, p))
		return -EFAULT;
	if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= (long)NSEC_PER_SEC)
		return -EINVAL;
	*out = ts.tv_sec || ts.tv_nsec ? deadline_after((u64)ts.tv_sec, (u64)ts.tv_nsec) : 0;
	return 0;
}

/*
 * Linux writes the time that is left over the caller's timeout (but not for
 * poll(2)); a place that cannot be written does not spoil the call (fs/select.c).
 */
static void time_left_out(struct uptr p, u64 deadline, bool timeval)
{
	u64 now = time_monotonic();
	u64 left = deadline > now ? deadline - now : 0;
	s64 out[2] = {(s64)(left / NSEC_PER_SEC), (s64)(left % NSEC_PER_SEC)};

	if (uptr_is_null(p) || deadline == NO_DEADLINE)
		return;
	if (atomic_load(&task_self()->group->personality) & STICKY_TIMEOUTS)
		return;
	if (timeval)
		out[1] /= 1000;
	copy_out_partial(p, out, sizeof(out));
}

/* The temporary signal mask of ppoll and its kin. -EINVAL for a wrong size, -EFAULT. */
static int mask_begin(struct task *t, struct uptr mask, u64 size, bool *set)
{
	u64 m;

	*set = false;
	if (uptr_is_null(mask))
		return 0;
	if (size != sizeof(m))
		return -EINVAL;
	if (get_user(&m, mask))
		return -EFAULT;
	signal_set_temporary_mask(t, m);
	*set = true;
	return 0;
}

/* Interrupted calls keep the mask until the handler's frame is built. */
static s64 mask_end(struct task *t, bool set, s64 result)
{
	if (set && result != -EINTR && result != -ERESTARTNOHAND)
		signal_restore_mask(t);
	return result;
}

/* ---- poll ------------------------------------------------------------ */

#define POLL_STACK 16

static s64 poll_entries(struct pollfd *fds, u32 n, u64 deadline)
{
	struct poll_entry stack[POLL_STACK], *e = stack;
	s64 ready;

	if (n > POLL_STACK && !(e = malloc(n * sizeof(*e))))
		return -ENOMEM;
	for (u32 i = 0; i < n; i++) {
		e[i] = (struct poll_entry){.events = (u16)fds[i].events};
		if (fds[i].fd < 0)
			continue;
		e[i].file = fdtable_lookup(caller()->files, fds[i].fd);
		if (!e[i].file)
			e[i].revents = POLLNVAL;
	}
	ready = poll_wait(e, n, deadline);
	for (u32 i = 0; i < n; i++) {
		fds[i].revents = (short)e[i].revents;
		if (e[i].file)
			file_put(e[i].file);
	}
	if (e != stack)
		free(e);
	return ready;
}

static s64 poll_user(struct task *t, struct uptr user, u32 n, u64 deadline)
{
	struct pollfd stack[POLL_STACK], *fds = stack;
	s64 ready;

	if (n > t->caller.nofile_limit)
		return -EINVAL;
	if (n > POLL_STACK && !(fds = malloc(n * sizeof(*fds))))
		return -ENOMEM;
	if (n && copy_in(fds, user, n * sizeof(*fds))) {
		ready = -EFAULT;
	} else {
		ready = poll_entries(fds, n, deadline);
		/* Only revents is written back: the guest may share the rest with another thread.
		 */
		for (u32 i = 0; ready >= 0 && i < n; i++)
			if (copy_out(
			        uptr_add(user, i * sizeof(*fds) + offsetof(struct pollfd, revents)),
			        &fds[i].revents, sizeof(fds[i].revents)))
				ready = -EFAULT;
	}
	if (fds != stack)
		free(fds);
	return ready;
}

static s64 poll_restart(struct task *t)
{
	s64 n =
	    poll_user(t, uptr_make(t->restart.arg[0]), (u32)t->restart.arg[1], t->restart.deadline);

	return n == -EINTR ? -ERESTART_RESTARTBLOCK : n;
}

s64 sys_poll(struct task *t, const struct syscall_args *a)
{
	u64 deadline = deadline_ms(arg_int(a, 2));
	s64 n = poll_user(t, arg_ptr(a, 0), arg_u32(a, 1), deadline);

	if (n != -EINTR)
		return n;
	t->restart = (struct restart_block){
	    .fn = poll_restart, .arg = {arg_u64(a, 0), arg_u32(a, 1)}, .deadline = deadline};
	return -ERESTART_RESTARTBLOCK;
}

s64 sys_ppoll(struct task *t, const struct syscall_args *a)
{
	u64 deadline;
	bool masked;
	s64 n = deadline_timespec(arg_ptr(a, 2), &deadline);

	if (!n)
		n = mask_begin(t, arg_ptr(a, 3), arg_u64(a, 4), &masked);
	if (n)
		return n;
	n = poll_user(t, arg_ptr(a, 0), arg_u32(a, 1), deadline);
	if (n == -EINTR)
		n = -ERESTARTNOHAND;
	time_left_out(arg_ptr(a, 2), deadline, false);
	return mask_end(t, masked, n);
}

/* ---- select ----------------------------------------------------------- */

/* Copies one bitmap of n bits in; *map stays NULL for a null pointer. */
static int fdset_in(unsigned long *map, struct uptr src, size_t bytes)
{
	return uptr_is_null(src) ? 0 : copy_in(map, src, bytes);
}

static s64 select_user(struct task *t, int n, const struct uptr set[3], u64 deadline)
{
	unsigned long stack[3][16], *map[3], *heap = NULL;
	size_t bytes;
	s64 ready = 0;

	if (n < 0)
		return -EINVAL;
	n = (int)min_of((u64)n, max_of(t->caller.nofile_limit, 1024));
	bytes = ((size_t)n + 63) / 64 * 8;
	if (bytes > sizeof(stack[0]) && !(heap = malloc(3 * bytes)))
		return -ENOMEM;
	for (int i = 0; i < 3; i++)
		map[i] = heap ? heap + (size_t)i * (bytes / 8) : stack[i];
	for (int i = 0; i < 3 && !ready; i++)
		ready = fdset_in(map[i], set[i], bytes);
	if (!ready)
		ready = select_wait((unsigned)n, uptr_is_null(set[0]) ? NULL : map[0],
		                    uptr_is_null(set[1]) ? NULL : map[1],
		                    uptr_is_null(set[2]) ? NULL : map[2], deadline);
	for (int i = 0; i < 3 && ready >= 0; i++)
		if (!uptr_is_null(set[i]) && copy_out(set[i], map[i], bytes))
			ready = -EFAULT;
	free(heap);
	return ready == -EINTR ? -ERESTARTNOHAND : ready;
}

s64 sys_select(struct task *t, const struct syscall_args *a)
{
	struct uptr set[3] = {arg_ptr(a, 1), arg_ptr(a, 2), arg_ptr(a, 3)};
	u64 deadline = NO_DEADLINE;
	struct timeval tv;
	s64 n;

	if (!uptr_is_null(arg_ptr(a, 4))) {
		if (get_user(&tv, arg_ptr(a, 4)))
			return -EFAULT;
		/* select allows more than a second of microseconds (fs/select.c). */
		if (tv.tv_sec < 0 || tv.tv_usec < 0)
			return -EINVAL;
		deadline = 0;
		if (tv.tv_sec || tv.tv_usec)
			deadline = deadline_after((u64)tv.tv_sec + (u64)tv.tv_usec / 1000000,
			                          (u64)tv.tv_usec % 1000000 * 1000);
	}
	n = select_user(t, arg_int(a, 0), set, deadline);
	time_left_out(arg_ptr(a, 4), deadline, true);
	return n;
}

s64 sys_pselect6(struct task *t, const struct syscall_args *a)
{
	struct uptr set[3] = {arg_ptr(a, 1), arg_ptr(a, 2), arg_ptr(a, 3)};
	u64 mask[2] = {0}; /* pointer and size */
	u64 deadline;
	bool masked;
	s64 n;

	if (!uptr_is_null(arg_ptr(a, 5)) && copy_in(mask, arg_ptr(a, 5), sizeof(mask)))
		return -EFAULT;
	n = deadline_timespec(arg_ptr(a, 4), &deadline);
	if (!n)
		n = mask_begin(t, uptr_make(mask[0]), mask[1], &masked);
	if (n)
		return n;
	n = select_user(t, arg_int(a, 0), set, deadline);
	time_left_out(arg_ptr(a, 4), deadline, false);
	return mask_end(t, masked, n);
}

/* ---- epoll ------------------------------------------------------------ */

static s64 epoll_new(u32 flags)
{
	struct file *f;
	int err = epollfile_create(flags, &f);

	return err ? err : fd_install(f, flags & EPOLL_CLOEXEC);
}

s64 sys_epoll_create(struct task *t unused_arg, const struct syscall_args *a)
{
	return arg_int(a, 0) <= 0 ? -EINVAL : epoll_new(0);
}

s64 sys_epoll_create1(struct task *t unused_arg, const struct syscall_args *a)
{
	return epoll_new(arg_u32(a, 0));
}

s64 sys_epoll_ctl(struct task *t unused_arg, const struct syscall_args *a)
{
	struct epoll_event ev;
	struct file *ep, *target;
	bool needs_event = arg_int(a, 1) != EPOLL_CTL_DEL;
	s64 err;

	if (needs_event && get_user(&ev, arg_ptr(a, 3)))
		return -EFAULT;
	err = fd_get(arg_int(a, 0), &ep);
	if (err)
		return err;
	err = fd_get(arg_int(a, 2), &target);
	if (!err) {
		err = file_is_epoll(ep) ? epollfile_ctl(ep, arg_int(a, 1), arg_int(a, 2), target,
		                                        needs_event ? &ev : NULL)
		                        : -EINVAL;
		file_put(target);
	}
	file_put(ep);
	return err;
}

#define EPOLL_BATCH 128

static s64 epoll_user(struct task *t unused_arg, int fd, struct uptr out, int max, u64 deadline)
{
	struct epoll_event ev[EPOLL_BATCH];
	struct file *ep;
	s64 n;

	n = fd_get(fd, &ep);
	if (n)
		return n;
	if (max <= 0 || (u64)max > INT32_MAX / sizeof(ev[0]) || !file_is_epoll(ep)) {
		file_put(ep);
		return -EINVAL;
	}
	n = epollfile_wait(ep, ev, (unsigned)min_of(max, EPOLL_BATCH), deadline);
	file_put(ep);
	if (n > 0 && copy_out(out, ev, (size_t)n * sizeof(ev[0])))
		n = -EFAULT;
	return n;
}

s64 sys_epoll_wait(struct task *t, const struct syscall_args *a)
{
	return epoll_user(t, arg_int(a, 0), arg_ptr(a, 1), arg_int(a, 2),
	                  deadline_ms(arg_int(a, 3)));
}

s64 sys_epoll_pwait(struct task *t, const struct syscall_args *a)
{
	bool masked;
	s64 n = mask_begin(t, arg_ptr(a, 4), arg_u64(a, 5), &masked);

	if (n)
		return n;
	n = epoll_user(t, arg_int(a, 0), arg_ptr(a, 1), arg_int(a, 2), deadline_ms(arg_int(a, 3)));
	return mask_end(t, masked, n);
}

s64 sys_epoll_pwait2(struct task *t, const struct syscall_args *a)
{
	u64 deadline;
	bool masked;
	s64 n = deadline_timespec(arg_ptr(a, 3), &deadline);

	if (!n)
		n = mask_begin(t, arg_ptr(a, 4), arg_u64(a, 5), &masked);
	if (n)
		return n;
	n = epoll_user(t, arg_int(a, 0), arg_ptr(a, 1), arg_int(a, 2), deadline);
	return mask_end(t, masked, n);
}
