/*
 * POSIX and interval timers; see posix_timer.h for their principle.
 *
 * One struct serves both: an interval timer is a timer that has no number. The
 * base timer below it runs on CLOCK_MONOTONIC; when it goes off, the guest's
 * clock is asked whether the time has really come (CPU clocks may have stood
 * still, CLOCK_REALTIME may have been set), and if not, it is armed again.
 *
 * The callback takes the siglock, so no timer may be cancelled under it: a
 * timer is first marked (armed false, unlinked), then cancelled outside.
 */
#include "sentry/posix_timer.h"
#include "base/bug.h"
#include "base/census.h"
#include "base/cred.h"
#include "base/fiber.h"
#include "base/timer.h"
#include "sentry/posix_timer_internal.h"
#include "sentry/signal_internal.h"
#include "sentry/user_account.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

static CENSUS(timer_census, "posix_timer");

/* The least time between two looks at a timer whose signal is ignored: nobody can tell. */
#define IGNORED_PERIOD_MIN 1000000ULL

/* ---- arming: siglock held ------------------------------------------------------ */

static void arm(struct posix_timer *pt, u64 deadline)
{
	pt->armed = true;
	if (deadline != NO_DEADLINE && pt->notify != SIGEV_NONE &&
	    timer_arm(&pt->timer, deadline) != 0)
		/* No memory for the heap: the timer is lost, as a signal without quota is. */
		pt->armed = false;
}

/* Moves the expiry behind `now`; how many intervals that skips. */
static u64 forward(struct posix_timer *pt, u64 now)
{
	u64 n = 0;
	if (now >= pt->expiry) {
		n = (now - pt->expiry) / pt->interval + 1;
		pt->expiry = n > (NSEC_MAX - pt->expiry) / pt->interval
		                 ? NSEC_MAX
		                 : pt->expiry + n * pt->interval;
	}
	return n;
}

/* The clock without siglocks of its own: CPU time as it was when last looked at. */
static u64 now_locked(struct posix_timer *pt)
{
	return pt->clock.kind == CLOCK_KIND_CPU ? pt->seen : clock_now(&pt->clock);
}

static u64 deadline_locked(struct posix_timer *pt)
{
	if (pt->clock.kind != CLOCK_KIND_CPU)
		return clock_deadline(&pt->clock, pt->expiry);
	/* The callback will ask the clock itself. */
	return time_monotonic();
}

static void go_on(struct posix_timer *pt, u64 at_least)
{
	u64 deadline = deadline_locked(pt), floor = time_monotonic() + at_least;
	arm(pt, max_of(deadline, floor));
}

/* ---- expiry --------------------------------------------------------------------- */

static void fire(struct posix_timer *pt)
{
	struct thread_group *g = pt->group;
	pt->armed = false;
	if (pt->notify == SIGEV_NONE || pt->entry.queued)
		return;
	if (pt->target && pt->target->exited)
		/* SIGEV_THREAD_ID of a thread that is gone (timer_create(2)): nobody to tell. */
		return;
	if (signal_send_locked(g, pt->target, &pt->entry.info, &pt->entry) == 0) {
		if (pt->entry.queued || !pt->interval)
			return;
	}
	/* Ignored, or one of its kind is pending: there will be no taking to go on from. */
	if (pt->interval) {
		forward(pt, now_locked(pt));
		go_on(pt, IGNORED_PERIOD_MIN);
	}
}

static void expired(struct timer *timer)
{
	struct posix_timer *pt = container_of(timer, struct posix_timer, timer);
	/* CPU time is read before, as that takes siglocks. */
	u64 now = clock_now(&pt->clock);
	u64 deadline =
	    pt->clock.kind == CLOCK_KIND_CPU ? clock_deadline(&pt->clock, pt->expiry) : 0;
	/* By the next look a thread that has been running will have told what it has used. */
	if (pt->clock.kind == CLOCK_KIND_CPU && pt->clock.task && now < pt->expiry)
		task_usage_poke(pt->clock.task);
	lock_guard(&pt->group->siglock);
	pt->seen = now;
	if (!pt->armed)
		return;
	if (now >= pt->expiry)
		fire(pt);
	else if (pt->clock.kind == CLOCK_KIND_CPU)
		arm(pt, deadline);
	else
		arm(pt, clock_deadline(&pt->clock, pt->expiry));
}

void posix_timer_taken_locked(struct posix_timer *pt, siginfo_t *info)
{
	u64 skipped = 0;
	if (pt->interval) {
		/* The first of them is the expiry that the signal itself tells of. */
		skipped = forward(pt, now_locked(pt));
		skipped = skipped ? skipped - 1 : 0;
		go_on(pt, 0);
	}
	pt->overrun = (int)min_of(skipped, (u64)INT_MAX);
	if (info->si_code == SI_TIMER)
		info->si_overrun = pt->overrun;
}

void posix_timer_discarded_locked(struct posix_timer *pt)
{
	if (!pt->interval || pt->gone)
		return;
	forward(pt, now_locked(pt));
	go_on(pt, IGNORED_PERIOD_MIN);
}

/* ---- life ------------------------------------------------------------------------ */

struct posix_timer *posix_timer_alloc(struct thread_group *g, const struct clock *clock)
{
	struct posix_timer *pt = calloc(1, sizeof(*pt));
	if (!pt)
		return NULL;
	ref_init(&pt->ref);
	pt->group = group_get(g);
	pt->clock = *clock;
	pt->entry.timer = pt;
	timer_init(&pt->timer, expired);
	census_add(&timer_census, 1);
	return pt;
}

void posix_timer_put(struct posix_timer *pt)
{
	if (!ref_put(&pt->ref))
		return;
	clock_put(&pt->clock);
	if (pt->target)
		task_put(pt->target);
	if (pt->charged)
		user_uncharge(pt->entry.uid, USER_SIGNALS);
	group_put(pt->group);
	census_add(&timer_census, -1);
	free(pt);
}

/* siglock held */
void posix_timer_disarm_locked(struct posix_timer *pt)
{
	struct sigqueue_list *l = pt->target ? &pt->target->pending : &pt->group->pending;
	pt->armed = false;
	/* A signal of a setting that is no longer in force is not delivered (since Linux 6.13). */
	sigqueue_remove_entry(l, &pt->entry);
}

void posix_timer_kill(struct posix_timer *pt)
{
	{
		lock_guard(&pt->group->siglock);
		pt->gone = true;
		posix_timer_disarm_locked(pt);
	}
	(void)timer_cancel(&pt->timer);
	posix_timer_put(pt);
}

struct posix_timers *posix_timers_of(struct thread_group *g)
{
	struct posix_timers *fresh = calloc(1, sizeof(*fresh));
	if (!fresh)
		return g->timers;
	TAILQ_INIT(&fresh->list);
	lock_guard(&g->siglock);
	if (g->timers) {
		free(fresh);
	} else {
		g->timers = fresh;
	}
	return g->timers;
}

/* Takes one timer off the group; itimers too if all. +its reference, or NULL. */
static struct posix_timer *take_one(struct thread_group *g, bool all)
{
	struct posix_timers *ts = g->timers;
	lock_guard(&g->siglock);
	struct posix_timer *pt = TAILQ_FIRST(&ts->list);
	if (pt) {
		TAILQ_REMOVE(&ts->list, pt, link);
		ts->count--;
		return pt;
	}
	for (int i = 0; all && i < 3; i++) {
		pt = ts->interval[i];
		ts->interval[i] = NULL;
		if (pt)
			return pt;
	}
	return NULL;
}

static void kill_all(struct thread_group *g, bool all)
{
	struct posix_timer *pt;
	if (!g->timers)
		return;
	while ((pt = take_one(g, all)))
		posix_timer_kill(pt);
}

void posix_timers_stop(struct thread_group *g)
{
	kill_all(g, true);
}

void posix_timers_exec(struct thread_group *g)
{
	kill_all(g, false);
}

void posix_timers_free(struct thread_group *g)
{
	if (!g->timers)
		return;
	BUG_ON(!TAILQ_EMPTY(&g->timers->list));
	free(g->timers);
	g->timers = NULL;
}

/* ---- setting and reading ------------------------------------------------------------ */

void posix_timer_read(struct posix_timer *pt, u64 *left, u64 *interval)
{
	u64 now = clock_now(&pt->clock);
	lock_guard(&pt->group->siglock);
	pt->seen = now;
	*interval = pt->interval;
	*left = 0;
	/* While its signal waits, a periodic timer runs on in principle (timer_gettime(2)). */
	if (!pt->armed && !(pt->entry.queued && pt->interval))
		return;
	if (now < pt->expiry) {
		*left = pt->expiry - now;
	} else if (pt->interval) {
		*left = pt->interval - (now - pt->expiry) % pt->interval;
	} else if (pt->notify != SIGEV_NONE) {
		/* Due, but not gone off yet: zero would say 'disarmed'. */
		*left = 1;
	}
}

void posix_timer_set(struct posix_timer *pt, u64 value, u64 interval, bool absolute)
{
	u64 now = clock_now(&pt->clock);
	{
		lock_guard(&pt->group->siglock);
		pt->seen = now;
		posix_timer_disarm_locked(pt);
		pt->overrun = 0;
		pt->interval = value ? interval : 0;
		if (value && !pt->gone) {
			pt->expiry = absolute                 ? value
			             : value > NSEC_MAX - now ? NSEC_MAX
			                                      : now + value;
			go_on(pt, 0);
		}
		if (pt->armed)
			return;
	}
	(void)timer_cancel(&pt->timer);
}
