/*
 * futex(2). Guest memory is host memory, so the host's futexes serve the guest: the
 * platform answers wakes and untimed waits itself, and what is left is queued
 * here as a host operation of the guest's own thread, whose result becomes the call's.
 * PI futexes are the sentry's own (futex_pi.c).
 *
 * A wait with a time-out is queued with its absolute deadline. If it is cut
 * short, task_run sees an interrupted futex call and restarts it through the restart
 * block, with the same deadline, as kernel/futex/waitwake.c does.
 */
#include "base/bug.h"
#include "base/fiber.h"
#include "base/timer.h"
#include "base/uspace.h"
#include "fs/vfs/file.h"
#include "sentry/clock.h"
#include "sentry/futex_pi.h"
#include "sentry/syscall.h"
#include <errno.h>
#include <linux/futex.h>

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif
#define FUTEX_FLAGS (FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)

struct futex_wait {
	u64 addr;
	u32 flags; /* FUTEX_FLAGS */
	u32 value, bitset;
	u64 deadline; /* ns of its clock, or NO_DEADLINE */
};

static s64 wait_restart(struct task *t);

/*
 * A signal that is here already would be lost on the host's wait: the interrupt
 * that came with it may have been taken for an older one. One that comes later is not.
 */
static s64 wait_queue(struct task *t, const struct futex_wait *w)
{
	struct hostop op = {.kind = HOSTOP_FUTEX,
	                    .last_result = true,
	                    .fd = -1,
	                    .flags = (s32)(FUTEX_WAIT_BITSET | w->flags),
	                    .addr = w->addr,
	                    .val = w->value,
	                    .val3 = w->bitset,
	                    .deadline = w->deadline};
	bool timed = w->deadline != NO_DEADLINE;
	t->restart.fn = timed ? wait_restart : NULL;
	t->restart.arg[0] = w->addr;
	t->restart.arg[1] = w->flags;
	t->restart.arg[2] = w->value;
	t->restart.arg[3] = w->bitset;
	t->restart.deadline = w->deadline;
	if (fiber_interrupted(t->fiber))
		return timed ? -ERESTART_RESTARTBLOCK : -ERESTARTSYS;
	BUG_ON(platform_thread_queue(t->thread, &op) != 0);
	t->futex_queued = true;
	return 0;
}

static s64 wait_restart(struct task *t)
{
	struct futex_wait w = {.addr = t->restart.arg[0],
	                       .flags = (u32)t->restart.arg[1],
	                       .value = (u32)t->restart.arg[2],
	                       .bitset = (u32)t->restart.arg[3],
	                       .deadline = t->restart.deadline};
	return wait_queue(t, &w);
}

/* *deadline from a guest's timespec: relative to now, or as it is. Null: none. */
static int copy_deadline(struct uptr p, bool relative, bool realtime, u64 *deadline)
{
	struct timespec ts;
	u64 ns;
	*deadline = NO_DEADLINE;
	if (uptr_is_null(p))
		return 0;
	if (get_user(&ts, p) != 0)
		return -EFAULT;
	int err = timespec_to_ns(&ts, &ns);
	if (err)
		return err;
	u64 now = !relative ? 0 : realtime ? time_realtime() : time_monotonic();
	*deadline = ns < NSEC_MAX - now ? now + ns : NSEC_MAX;
	return 0;
}

static s64 do_wait(struct task *t, const struct syscall_args *a, u32 op, u32 cmd)
{
	struct futex_wait w = {.addr = arg_u64(a, 0),
	                       .flags = op & FUTEX_FLAGS,
	                       .value = arg_u32(a, 2),
	                       .bitset =
	                           cmd == FUTEX_WAIT ? FUTEX_BITSET_MATCH_ANY : arg_u32(a, 5)};
	int err =
	    copy_deadline(arg_ptr(a, 3), cmd == FUTEX_WAIT, op & FUTEX_CLOCK_REALTIME, &w.deadline);
	if (err)
		return err;
	if (w.addr % sizeof(u32) || w.bitset == 0)
		return -EINVAL;
	/* A clock that no deadline is on makes no difference, and older hosts refuse it. */
	if (w.deadline == NO_DEADLINE)
		w.flags &= ~(u32)FUTEX_CLOCK_REALTIME;
	return wait_queue(t, &w);
}

/* Operations that end at once. */
static s64 do_now(struct task *t, const struct syscall_args *a, u32 op)
{
	struct hostop h = {.kind = HOSTOP_FUTEX,
	                   .last_result = true,
	                   .fd = -1,
	                   .flags = (s32)op,
	                   .addr = arg_u64(a, 0),
	                   .val = arg_u32(a, 2),
	                   .val2 = arg_u32(a, 3),
	                   .val3 = arg_u32(a, 5),
	                   .newaddr = arg_u64(a, 4),
	                   .deadline = NO_DEADLINE};
	/* The fourth argument of what is no wait, and the fifth of what has one address, are junk.
	 */
	u32 cmd = op & FUTEX_CMD_MASK;
	if (cmd == FUTEX_WAKE || cmd == FUTEX_WAKE_BITSET)
		h.val2 = h.newaddr = 0;
	BUG_ON(platform_thread_queue(t->thread, &h) != 0);
	return 0;
}

static s64 do_lock_pi(struct task *t, const struct syscall_args *a, u32 op, u32 cmd)
{
	bool realtime = cmd == FUTEX_LOCK_PI || (op & FUTEX_CLOCK_REALTIME);
	struct clock c = {.kind = CLOCK_KIND_REAL, .id = CLOCK_REALTIME};
	u64 deadline;
	int err = copy_deadline(arg_ptr(a, 3), false, realtime, &deadline);
	if (err)
		return err;
	if (deadline != NO_DEADLINE && realtime)
		deadline = clock_deadline(&c, deadline);
	return futex_lock_pi(t, arg_u64(a, 0), op & FUTEX_PRIVATE_FLAG, deadline);
}

s64 sys_futex(struct task *t, const struct syscall_args *a)
{
	u32 op = arg_u32(a, 1), cmd = op & FUTEX_CMD_MASK;
	bool private = op & FUTEX_PRIVATE_FLAG;
	if ((op & FUTEX_CLOCK_REALTIME) && cmd != FUTEX_WAIT && cmd != FUTEX_WAIT_BITSET &&
	    cmd != FUTEX_LOCK_PI2)
		return -ENOSYS;
	switch (cmd) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
		return do_wait(t, a, op, cmd);
	case FUTEX_WAKE:
	case FUTEX_WAKE_BITSET:
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
	case FUTEX_WAKE_OP:
		return do_now(t, a, op & ~(u32)FUTEX_CLOCK_REALTIME);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return do_lock_pi(t, a, op, cmd);
	case FUTEX_TRYLOCK_PI:
		return futex_trylock_pi(t, arg_u64(a, 0), private);
	case FUTEX_UNLOCK_PI:
		return futex_unlock_pi(t, arg_u64(a, 0), private);
	}
	return -ENOSYS;
}
