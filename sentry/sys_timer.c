/*
 * System calls that set timers: timer_create(2) and kin, setitimer(2), alarm(2).
 */
#include "base/cred.h"
#include "base/uspace.h"
#include "sentry/posix_timer.h"
#include "sentry/posix_timer_internal.h"
#include "sentry/signal_internal.h"
#include "sentry/syscall.h"
#include "sentry/user_account.h"
#include <errno.h>
#include <linux/capability.h>
#include <limits.h>
#include <string.h>
#include <sys/time.h>

#ifndef SIGEV_THREAD_ID
#define SIGEV_THREAD_ID 4
#endif

/* struct sigevent as the kernel has it. */
struct sigevent_k {
	u64 value;
	s32 signo, notify, tid;
	s32 pad[11];
};

/* ---- POSIX timers -------------------------------------------------------------- */

static int check_event(struct task *t, const struct sigevent_k *ev, struct task **target)
{
	struct task *i;
	*target = NULL;
	switch (ev->notify) {
	case SIGEV_SIGNAL | SIGEV_THREAD_ID:
		i = task_find(ev->tid);
		if (i && i->group != t->group) {
			task_put(i);
			i = NULL;
		}
		if (!i)
			return -EINVAL;
		*target = i;
		/* fall through */
	case SIGEV_SIGNAL:
	case SIGEV_THREAD:
		if (ev->signo > 0 && ev->signo <= NSIG_MAX)
			return 0;
		if (*target)
			task_put(*target);
		return -EINVAL;
	case SIGEV_NONE:
		return 0;
	}
	return -EINVAL;
}

static int clock_for_timer(struct task *t, clockid_t id, struct clock *c)
{
	int err = clock_find(t, id, c);
	if (err)
		return err;
	switch (id) {
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
		err = -EOPNOTSUPP;
		break;
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		err = task_capable(t, CAP_WAKE_ALARM) ? 0 : -EPERM;
		break;
	}
	if (err)
		clock_put(c);
	return err;
}

/* The list takes over pt's reference. */
static int publish(struct thread_group *g, struct posix_timer *pt)
{
	struct posix_timers *ts = posix_timers_of(g);
	struct posix_timer *i;
	if (!ts)
		return -ENOMEM;
	lock_guard(&g->siglock);
	/* Numbers go up until they run out; after that the free ones are used again. */
	s32 id = ts->next_id;
	for (bool taken = true; taken;) {
		taken = false;
		TAILQ_FOREACH (i, &ts->list, link)
			taken |= i->id == id;
		if (taken)
			id = id == INT_MAX ? 0 : id + 1;
	}
	ts->next_id = id == INT_MAX ? 0 : id + 1;
	pt->id = id;
	pt->entry.info.si_timerid = id;
	ts->count++;
	TAILQ_INSERT_TAIL(&ts->list, pt, link);
	return 0;
}

/* +1, or NULL */
static struct posix_timer *find(struct task *t, s32 id)
{
	struct thread_group *g = t->group;
	struct posix_timer *pt;
	lock_guard(&g->siglock);
	if (!g->timers)
		return NULL;
	TAILQ_FOREACH (pt, &g->timers->list, link) {
		if (pt->id == id) {
			ref_get(&pt->ref);
			return pt;
		}
	}
	return NULL;
}

static void unpublish(struct task *t, struct posix_timer *pt)
{
	struct thread_group *g = t->group;
	{
		lock_guard(&g->siglock);
		if (pt->gone)
			return;
		pt->gone = true;
		TAILQ_REMOVE(&g->timers->list, pt, link);
		g->timers->count--;
	}
	posix_timer_kill(pt);
}

static struct posix_timer *create(struct task *t, const struct sigevent_k *ev, struct clock *c,
                                  struct task *target)
{
	u32 uid = t->caller.cred->uid;
	/* Each timer's queue entry counts as a pending signal (timer_create(2), NOTES). */
	if (user_charge(uid, USER_SIGNALS, task_rlimit(t, RLIMIT_SIGPENDING)) != 0)
		return NULL;
	struct posix_timer *pt = posix_timer_alloc(t->group, c);
	if (!pt) {
		user_uncharge(uid, USER_SIGNALS);
		return NULL;
	}
	pt->charged = true;
	pt->entry.uid = uid;
	pt->notify = ev->notify;
	pt->target = target;
	pt->entry.info.si_signo = ev->signo;
	pt->entry.info.si_code = SI_TIMER;
	pt->entry.info.si_ptr = (void *)ev->value;
	return pt;
}

s64 sys_timer_create(struct task *t, const struct syscall_args *a)
{
	struct sigevent_k ev = {.notify = SIGEV_SIGNAL, .signo = SIGALRM};
	bool defaults = uptr_is_null(arg_ptr(a, 1));
	struct posix_timer *pt;
	struct task *target;
	struct clock c;
	int err;
	if (!defaults && get_user(&ev, arg_ptr(a, 1)) != 0)
		return -EFAULT;
	err = clock_for_timer(t, arg_int(a, 0), &c);
	if (err)
		return err;
	err = check_event(t, &ev, &target);
	if (err) {
		clock_put(&c);
		return err;
	}
	pt = create(t, &ev, &c, target);
	if (!pt) {
		clock_put(&c);
		if (target)
			task_put(target);
		return -EAGAIN;
	}
	err = publish(t->group, pt);
	if (err) {
		posix_timer_put(pt);
		return err;
	}
	if (defaults)
		/* The number, written as an int into the zeroed value. */
		pt->entry.info.si_int = pt->id;
	s32 id = pt->id;
	if (put_user(arg_ptr(a, 2), &id) != 0) {
		unpublish(t, pt);
		return -EFAULT;
	}
	return 0;
}

static int copy_itimerspec(struct uptr p, u64 *value, u64 *interval)
{
	struct itimerspec its;
	if (get_user(&its, p) != 0)
		return -EFAULT;
	int err = timespec_to_ns(&its.it_value, value);
	return err ? err : timespec_to_ns(&its.it_interval, interval);
}

static int put_itimerspec(struct uptr p, u64 value, u64 interval)
{
	struct itimerspec its = {.it_value = ns_to_timespec(value),
	                         .it_interval = ns_to_timespec(interval)};
	return put_user(p, &its);
}

s64 sys_timer_settime(struct task *t, const struct syscall_args *a)
{
	u64 value, interval, old_value, old_interval;
	if (uptr_is_null(arg_ptr(a, 2)))
		return -EINVAL;
	int err = copy_itimerspec(arg_ptr(a, 2), &value, &interval);
	if (err)
		return err;
	struct posix_timer *pt = find(t, arg_int(a, 0));
	if (!pt)
		return -EINVAL;
	posix_timer_read(pt, &old_value, &old_interval);
	posix_timer_set(pt, value, interval, arg_int(a, 1) & TIMER_ABSTIME);
	posix_timer_put(pt);
	if (uptr_is_null(arg_ptr(a, 3)))
		return 0;
	return put_itimerspec(arg_ptr(a, 3), old_value, old_interval);
}

s64 sys_timer_gettime(struct task *t, const struct syscall_args *a)
{
	u64 value, interval;
	struct posix_timer *pt = find(t, arg_int(a, 0));
	if (!pt)
		return -EINVAL;
	posix_timer_read(pt, &value, &interval);
	posix_timer_put(pt);
	return put_itimerspec(arg_ptr(a, 1), value, interval);
}

s64 sys_timer_getoverrun(struct task *t, const struct syscall_args *a)
{
	struct posix_timer *pt = find(t, arg_int(a, 0));
	if (!pt)
		return -EINVAL;
	lock_acquire(&t->group->siglock);
	int n = pt->overrun;
	lock_release(&t->group->siglock);
	posix_timer_put(pt);
	return n;
}

s64 sys_timer_delete(struct task *t, const struct syscall_args *a)
{
	struct posix_timer *pt = find(t, arg_int(a, 0));
	if (!pt)
		return -EINVAL;
	unpublish(t, pt);
	posix_timer_put(pt);
	return 0;
}

/* ---- interval timers ---------------------------------------------------------------- */

/* What each of the three measures and sends (setitimer(2)). */
static struct posix_timer *interval_create(struct thread_group *g, int which)
{
	static const int signo[3] = {SIGALRM, SIGVTALRM, SIGPROF};
	struct clock c = {.kind = CLOCK_KIND_MONOTONIC, .id = CLOCK_MONOTONIC};
	if (which != ITIMER_REAL) {
		c.kind = CLOCK_KIND_CPU;
		c.group = group_get(g);
		/* CPUCLOCK_VIRT counts user time only. */
		c.id =
		    which == ITIMER_VIRTUAL ? (clockid_t)(~0U << 3 | 1) : CLOCK_PROCESS_CPUTIME_ID;
	}
	struct posix_timer *pt = posix_timer_alloc(g, &c);
	if (!pt) {
		clock_put(&c);
		return NULL;
	}
	pt->id = -1;
	pt->notify = SIGEV_SIGNAL;
	pt->entry.info.si_signo = signo[which];
	pt->entry.info.si_code = SI_KERNEL;
	return pt;
}

/* +1; made on first use if create. NULL: not set, or no memory. */
static struct posix_timer *interval_get(struct thread_group *g, int which, bool make)
{
	struct posix_timers *ts = make ? posix_timers_of(g) : g->timers;
	struct posix_timer *pt, *fresh = NULL;
	if (!ts)
		return NULL;
	if (make && !ts->interval[which])
		fresh = interval_create(g, which);
	{
		lock_guard(&g->siglock);
		if (!ts->interval[which]) {
			ts->interval[which] = fresh;
			fresh = NULL;
		}
		pt = ts->interval[which];
		if (pt)
			ref_get(&pt->ref);
	}
	if (fresh)
		posix_timer_put(fresh);
	return pt;
}

static void interval_read(struct thread_group *g, int which, u64 *value, u64 *interval)
{
	struct posix_timer *pt = interval_get(g, which, false);
	*value = *interval = 0;
	if (!pt)
		return;
	posix_timer_read(pt, value, interval);
	posix_timer_put(pt);
}

u64 itimer_real_left(struct thread_group *g)
{
	u64 value, interval;
	interval_read(g, ITIMER_REAL, &value, &interval);
	return value;
}

static int interval_set(struct thread_group *g, int which, u64 value, u64 interval)
{
	struct posix_timer *pt = interval_get(g, which, value != 0);
	if (!pt)
		return value ? -ENOMEM : 0;
	posix_timer_set(pt, value, interval, false);
	posix_timer_put(pt);
	return 0;
}

static int put_itimerval(struct uptr p, u64 value, u64 interval)
{
	struct itimerval itv = {.it_value = ns_to_timeval(value),
	                        .it_interval = ns_to_timeval(interval)};
	/* What is left of an armed timer must not look like 'disarmed'. */
	if (value && value < 1000)
		itv.it_value.tv_usec = 1;
	return put_user(p, &itv);
}

s64 sys_getitimer(struct task *t, const struct syscall_args *a)
{
	u64 value, interval;
	if (arg_u32(a, 0) > ITIMER_PROF)
		return -EINVAL;
	interval_read(t->group, arg_int(a, 0), &value, &interval);
	return put_itimerval(arg_ptr(a, 1), value, interval);
}

s64 sys_setitimer(struct task *t, const struct syscall_args *a)
{
	struct itimerval itv = {0};
	u64 value, interval, old_value, old_interval;
	/* A null pointer disarms, which is a Linux-ism (setitimer(2), BUGS). */
	if (!uptr_is_null(arg_ptr(a, 1)) && get_user(&itv, arg_ptr(a, 1)) != 0)
		return -EFAULT;
	if (timeval_to_ns(&itv.it_value, &value) != 0 ||
	    timeval_to_ns(&itv.it_interval, &interval) != 0)
		return -EINVAL;
	if (arg_u32(a, 0) > ITIMER_PROF)
		return -EINVAL;
	interval_read(t->group, arg_int(a, 0), &old_value, &old_interval);
	int err = interval_set(t->group, arg_int(a, 0), value, interval);
	if (err || uptr_is_null(arg_ptr(a, 2)))
		return err;
	return put_itimerval(arg_ptr(a, 2), old_value, old_interval);
}

s64 sys_alarm(struct task *t, const struct syscall_args *a)
{
	u64 left = itimer_real_left(t->group);
	int err = interval_set(t->group, ITIMER_REAL, arg_u32(a, 0) * NSEC_PER_SEC, 0);
	if (err)
		return err;
	/* To the nearest second, but never 0 for one that is set (kernel/time/itimer.c). */
	u64 seconds = left / NSEC_PER_SEC;
	if ((left && seconds == 0) || left % NSEC_PER_SEC >= NSEC_PER_SEC / 2)
		seconds++;
	return (s64)seconds;
}
