/*
 * timerfd_create(2): a timer that is read. Expirations are counted when
 * somebody looks (read, gettime, settime): a periodic timer fires once and is armed
 * again by the look, so that a short interval that nobody reads costs nothing. This is what
 * fs/timerfd.c in Linux does, too.
 *
 * Relative times and CLOCK_BOOTTIME run on clocks that nobody sets. An absolute
 * CLOCK_REALTIME time is turned into a monotonic one when armed and looked at
 * again when it fires: a clock that the host has set back is waited out. Guests
 * cannot set the clock, so TFD_TIMER_CANCEL_ON_SET has nothing to report.
 */
#include "fs/anon/timerfd.h"
#include "base/caller.h"
#include "base/census.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/timer.h"
#include "base/uspace.h"
#include "base/waitq.h"
#include "fs/vfs/file.h"
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#define NSEC_PER_SEC 1000000000ULL
#define TIME_MAX     ((u64)INT64_MAX) /* KTIME_MAX: what larger times are cut to */

struct timer_file {
	struct timer timer;
	struct waitq waitq;
	int clockid; /* as given to timerfd_create */
	struct lock lock;
	/* Guarded by lock. */
	int clock;    /* what expires counts in: monotonic, boot time or real time */
	bool armed;   /* expires is to come */
	bool expired; /* fired, and nobody has looked */
	u64 expires;  /* ns of clock */
	u64 interval; /* ns; 0: once */
	u64 ticks;    /* expirations not read yet */
	u32 settime_flags;
};

static CENSUS(timerfd_census, "timerfd");
static const struct file_ops timerfd_ops;

static u64 clock_now(int clock)
{
	switch (clock) {
	case CLOCK_REALTIME:
		return time_realtime();
	case CLOCK_BOOTTIME:
		return time_boottime();
	default:
		return time_monotonic();
	}
}

static int arm_locked(struct timer_file *t)
{
	u64 now = clock_now(t->clock), mono = time_monotonic();
	u64 left = t->expires > now ? t->expires - now : 0;

	int err = timer_arm(&t->timer, left > TIME_MAX - mono ? TIME_MAX : mono + left);
	t->armed = err == 0;
	return err;
}

static void timerfd_fire(struct timer *timer)
{
	struct timer_file *t = container_of(timer, struct timer_file, timer);
	bool fired = false;

	lock_acquire(&t->lock);
	/*
	 * Before its time this is the callback of an older setting, or the clock was set
	 * back: wait on. If that cannot be, too early is better than never.
	 */
	if (t->armed)
		fired = clock_now(t->clock) >= t->expires || arm_locked(t) != 0;
	if (fired) {
		t->armed = false;
		t->expired = true;
		t->ticks++;
	}
	lock_release(&t->lock);
	if (fired)
		waitq_wake(&t->waitq, EPOLLIN);
}

/* Counts the periods that have passed since the timer fired, and arms it for the next. */
static void catch_up_locked(struct timer_file *t)
{
	if (!t->expired || t->interval == 0)
		return;
	u64 now = clock_now(t->clock);
	u64 late = now > t->expires ? now - t->expires : 0;
	u64 periods = late / t->interval + 1;

	t->expired = false;
	t->ticks += periods - 1;
	t->expires += periods * t->interval;
	if (arm_locked(t) != 0)
		log_limited(LOG_WARN, "timerfd: no memory to arm a timer again");
}

static ssize_t timerfd_read(struct file *f, struct uio *dst, u64 *pos unused_arg)
{
	struct timer_file *t = f->priv;
	u64 ticks;

	if (dst->resid < sizeof(ticks))
		return -EINVAL;
	lock_acquire(&t->lock);
	if (t->ticks) {
		catch_up_locked(t);
		t->expired = false;
	}
	ticks = t->ticks;
	t->ticks = 0;
	lock_release(&t->lock);
	if (ticks == 0)
		return -EAGAIN;
	ssize_t n = uio_write(dst, &ticks, sizeof(ticks));
	return n < (ssize_t)sizeof(ticks) ? -EFAULT : n;
}

static u32 timerfd_ready(struct file *f)
{
	struct timer_file *t = f->priv;

	lock_guard(&t->lock);
	return t->ticks ? EPOLLIN : 0;
}

static struct waitq *timerfd_waitq(struct file *f)
{
	return &((struct timer_file *)f->priv)->waitq;
}

/* ---- settings ------------------------------------------------------------- */

static bool time_valid(const struct timespec *ts)
{
	return ts->tv_sec >= 0 && ts->tv_nsec >= 0 && (u64)ts->tv_nsec < NSEC_PER_SEC;
}

static u64 to_ns(const struct timespec *ts)
{
	if ((u64)ts->tv_sec >= TIME_MAX / NSEC_PER_SEC)
		return TIME_MAX;
	return (u64)ts->tv_sec * NSEC_PER_SEC + (u64)ts->tv_nsec;
}

static struct timespec from_ns(u64 ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / NSEC_PER_SEC),
	                         .tv_nsec = (long)(ns % NSEC_PER_SEC)};
}

static void read_locked(struct timer_file *t, struct itimerspec *out)
{
	u64 left = 0;

	catch_up_locked(t);
	if (t->armed) {
		u64 now = clock_now(t->clock);
		left = t->expires > now ? t->expires - now : 0;
	}
	out->it_value = from_ns(left);
	out->it_interval = from_ns(t->interval);
}

static struct timer_file *timer_of(const struct file *f)
{
	return f->ops == &timerfd_ops ? f->priv : NULL;
}

int timerfd_get(struct file *f, struct itimerspec *out)
{
	struct timer_file *t = timer_of(f);

	if (!t)
		return -EINVAL;
	lock_guard(&t->lock);
	read_locked(t, out);
	return 0;
}

/* The clock that a setting counts in: relative ones must not follow the real-time clock. */
static int effective_clock(int clockid, bool absolute)
{
	switch (clockid) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_ALARM:
		return absolute ? CLOCK_REALTIME : CLOCK_MONOTONIC;
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		return CLOCK_BOOTTIME;
	default:
		return CLOCK_MONOTONIC;
	}
}

int timerfd_set(struct file *f, u32 flags, const struct itimerspec *value, struct itimerspec *old)
{
	struct timer_file *t = timer_of(f);
	bool absolute = flags & TFD_TIMER_ABSTIME;

	if (flags & ~(u32)(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
		return -EINVAL;
	if (!time_valid(&value->it_value) || !time_valid(&value->it_interval))
		return -EINVAL;
	if (!t)
		return -EINVAL;
	u64 when = to_ns(&value->it_value);

	lock_guard(&t->lock);
	if (old)
		read_locked(t, old);
	t->ticks = 0;
	t->expired = false;
	t->armed = false;
	t->settime_flags = flags;
	t->interval = to_ns(&value->it_interval);
	t->clock = effective_clock(t->clockid, absolute);
	/* A callback that is on its way finds the timer not armed, or its time not come. */
	if (when == 0)
		return 0;
	u64 now = clock_now(t->clock);
	t->expires = absolute ? when : when > TIME_MAX - now ? TIME_MAX : now + when;
	return arm_locked(t);
}

static void timerfd_fdinfo(struct file *f, char *buf, size_t n)
{
	struct timer_file *t = f->priv;
	struct itimerspec now;

	lock_guard(&t->lock);
	u64 ticks = t->ticks;
	read_locked(t, &now);
	snprintf(buf, n,
	         "clockid: %d\nticks: %lu\nsettime flags: 0%o\nit_value: (%ld, %ld)\n"
	         "it_interval: (%ld, %ld)\n",
	         t->clockid, ticks, t->settime_flags, now.it_value.tv_sec, now.it_value.tv_nsec,
	         now.it_interval.tv_sec, now.it_interval.tv_nsec);
}

static void timerfd_release(struct file *f)
{
	struct timer_file *t = f->priv;

	timer_cancel(&t->timer);
	waitq_destroy(&t->waitq);
	census_add(&timerfd_census, -1);
	free(t);
}

static const struct file_ops timerfd_ops = {
    .name = "anon_inode:[timerfd]",
    .read = timerfd_read,
    .ready = timerfd_ready,
    .waitq = timerfd_waitq,
    .fdinfo = timerfd_fdinfo,
    .release = timerfd_release,
};

int timerfd_open(int clockid, u32 flags, struct file **out)
{
	bool alarm = clockid == CLOCK_REALTIME_ALARM || clockid == CLOCK_BOOTTIME_ALARM;

	if (flags & ~(u32)(TFD_NONBLOCK | TFD_CLOEXEC))
		return -EINVAL;
	if (clockid != CLOCK_REALTIME && clockid != CLOCK_MONOTONIC && clockid != CLOCK_BOOTTIME &&
	    !alarm)
		return -EINVAL;
	if (alarm && !cred_has_cap(caller_cred(), CAP_WAKE_ALARM))
		return -EPERM;
	struct timer_file *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	timer_init(&t->timer, timerfd_fire);
	waitq_init(&t->waitq);
	lock_init(&t->lock, RANK_OBJECT);
	t->clockid = clockid;
	t->clock = CLOCK_MONOTONIC;
	int err = file_create_anon(&timerfd_ops, t, O_RDWR | (flags & O_NONBLOCK), 0600, out);
	if (err) {
		waitq_destroy(&t->waitq);
		free(t);
		return err;
	}
	census_add(&timerfd_census, 1);
	return 0;
}
