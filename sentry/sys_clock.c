/*
 * System calls that tell the time, and those that sleep until it comes
 * (clock_gettime(2), clock_nanosleep(2)). The guest cannot set a clock.
 */
#include "base/fiber.h"
#include "base/timer.h"
#include "base/uspace.h"
#include "fs/vfs/file.h"
#include "sentry/clock.h"
#include "sentry/syscall.h"
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/time.h>
#include <sys/timex.h>

/* ---- telling ------------------------------------------------------------------- */

s64 sys_clock_gettime(struct task *t, const struct syscall_args *a)
{
	struct clock c;
	int err = clock_find(t, arg_int(a, 0), &c);
	if (err)
		return err;
	struct timespec ts = ns_to_timespec(clock_now(&c));
	clock_put(&c);
	return put_user(arg_ptr(a, 1), &ts);
}

s64 sys_clock_getres(struct task *t, const struct syscall_args *a)
{
	struct clock c;
	int err = clock_find(t, arg_int(a, 0), &c);
	if (err)
		return err;
	struct timespec ts = ns_to_timespec(clock_resolution(&c));
	clock_put(&c);
	return uptr_is_null(arg_ptr(a, 1)) ? 0 : put_user(arg_ptr(a, 1), &ts);
}

s64 sys_gettimeofday(struct task *t unused_arg, const struct syscall_args *a)
{
	if (!uptr_is_null(arg_ptr(a, 0))) {
		struct timeval tv = ns_to_timeval(time_realtime());
		if (put_user(arg_ptr(a, 0), &tv) != 0)
			return -EFAULT;
	}
	if (!uptr_is_null(arg_ptr(a, 1))) {
		/* Time zones are the C library's; the kernel's is UTC. */
		struct timezone tz = {0, 0};
		if (put_user(arg_ptr(a, 1), &tz) != 0)
			return -EFAULT;
	}
	return 0;
}

s64 sys_time(struct task *t unused_arg, const struct syscall_args *a)
{
	s64 now = (s64)(time_realtime() / NSEC_PER_SEC);
	if (!uptr_is_null(arg_ptr(a, 0)) && put_user(arg_ptr(a, 0), &now) != 0)
		return -EFAULT;
	return now;
}

/* ---- setting: refused ------------------------------------------------------------ */

s64 sys_clock_settime(struct task *t, const struct syscall_args *a)
{
	struct timespec ts;
	struct clock c;
	u64 ns;
	if (arg_int(a, 0) != CLOCK_REALTIME) {
		/* Others cannot be set by anyone (clock_settime(2)). */
		int err = clock_find(t, arg_int(a, 0), &c);
		clock_put(&c);
		return err ? err : -EINVAL;
	}
	if (get_user(&ts, arg_ptr(a, 1)) != 0)
		return -EFAULT;
	if (timespec_to_ns(&ts, &ns) != 0)
		return -EINVAL;
	return -EPERM;
}

s64 sys_settimeofday(struct task *t unused_arg, const struct syscall_args *a)
{
	struct timeval tv;
	u64 ns;
	if (!uptr_is_null(arg_ptr(a, 0))) {
		if (get_user(&tv, arg_ptr(a, 0)) != 0)
			return -EFAULT;
		if (timeval_to_ns(&tv, &ns) != 0)
			return -EINVAL;
	}
	return -EPERM;
}

/* adjtimex(2) with modes 0 only reads: a clock that nobody disciplines. */
static s64 read_timex(struct uptr p)
{
	struct timex tx;
	if (get_user(&tx, p) != 0)
		return -EFAULT;
	if (tx.modes && tx.modes != ADJ_OFFSET_SS_READ)
		return -EPERM;
	struct timeval now = ns_to_timeval(time_realtime());
	memset(&tx, 0, sizeof(tx));
	tx.tick = 10000;
	tx.tolerance = 32768000;
	tx.precision = 1;
	tx.maxerror = tx.esterror = 16000000;
	tx.constant = 2;
	tx.status = STA_UNSYNC;
	tx.time = now;
	return put_user(p, &tx) != 0 ? -EFAULT : TIME_ERROR;
}

s64 sys_adjtimex(struct task *t unused_arg, const struct syscall_args *a)
{
	return read_timex(arg_ptr(a, 0));
}

s64 sys_clock_adjtime(struct task *t, const struct syscall_args *a)
{
	struct clock c;
	if (arg_int(a, 0) == CLOCK_REALTIME)
		return read_timex(arg_ptr(a, 1));
	int err = clock_find(t, arg_int(a, 0), &c);
	if (err)
		return err;
	clock_put(&c);
	return -EOPNOTSUPP;
}

/* ---- sleeping -------------------------------------------------------------------- */

/* Until c shows `when`: 0, or -EINTR. */
static int sleep_until(const struct clock *c, u64 when)
{
	for (;;) {
		int err = fiber_sleep(clock_deadline(c, when));
		if (err == -EINTR)
			return err;
		/* A CPU clock may have stood still, CLOCK_REALTIME may have been set. */
		if (err == -ETIMEDOUT && clock_now(c) >= when)
			return 0;
		if (err && err != -ETIMEDOUT)
			return err;
	}
}

static s64 sleep_on(struct task *t, clockid_t id, u64 when, struct uptr left);

static s64 sleep_restart(struct task *t)
{
	return sleep_on(t, (clockid_t)t->restart.arg[0], t->restart.deadline,
	                uptr_make(t->restart.arg[1]));
}

/* A relative sleep, which ends at `when` also if it is cut short and goes on (nanosleep(2)). */
static s64 sleep_on(struct task *t, clockid_t id, u64 when, struct uptr left)
{
	struct clock c;
	int err = clock_find(t, id, &c);
	if (err)
		return err;
	err = sleep_until(&c, when);
	u64 now = clock_now(&c);
	clock_put(&c);
	if (err != -EINTR)
		return err;
	if (now >= when)
		return 0;
	if (!uptr_is_null(left)) {
		struct timespec ts = ns_to_timespec(when - now);
		if (put_user(left, &ts) != 0)
			return -EFAULT;
	}
	t->restart.fn = sleep_restart;
	t->restart.arg[0] = (u64)(s64)id;
	t->restart.arg[1] = left.addr;
	t->restart.deadline = when;
	return -ERESTART_RESTARTBLOCK;
}

static s64 sleep_relative(struct task *t, clockid_t id, u64 wait, struct uptr left)
{
	struct clock c;
	int err = clock_find(t, id, &c);
	if (err)
		return err;
	u64 now = clock_now(&c);
	clock_put(&c);
	return sleep_on(t, id, wait < NSEC_MAX - now ? now + wait : NSEC_MAX, left);
}

s64 sys_nanosleep(struct task *t, const struct syscall_args *a)
{
	struct timespec ts;
	u64 wait;
	if (get_user(&ts, arg_ptr(a, 0)) != 0)
		return -EFAULT;
	int err = timespec_to_ns(&ts, &wait);
	if (err)
		return err;
	return sleep_relative(t, CLOCK_MONOTONIC, wait, arg_ptr(a, 1));
}

static bool can_sleep_on(clockid_t id)
{
	switch (id) {
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
		return false;
	}
	return true;
}

s64 sys_clock_nanosleep(struct task *t, const struct syscall_args *a)
{
	clockid_t id = arg_int(a, 0);
	struct timespec ts;
	struct clock c;
	u64 when;
	int err = clock_find(t, id, &c);
	if (err)
		return err;
	/* Nobody could ever wake: the thread whose time is to pass sleeps. */
	bool self = id == CLOCK_THREAD_CPUTIME_ID || c.task == t;
	if (!can_sleep_on(id) || self)
		err = self ? -EINVAL : -EOPNOTSUPP;
	else if ((id == CLOCK_REALTIME_ALARM || id == CLOCK_BOOTTIME_ALARM) &&
	         !task_capable(t, CAP_WAKE_ALARM))
		err = -EPERM;
	else if (get_user(&ts, arg_ptr(a, 2)) != 0)
		err = -EFAULT;
	else
		err = timespec_to_ns(&ts, &when);
	if (!err && (arg_int(a, 1) & TIMER_ABSTIME)) {
		err = sleep_until(&c, when);
		clock_put(&c);
		/* Made again with the same time, it needs no more than its own arguments. */
		return err == -EINTR ? -ERESTARTNOHAND : err;
	}
	clock_put(&c);
	return err ? err : sleep_relative(t, id, when, arg_ptr(a, 3));
}
