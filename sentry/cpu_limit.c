/*
 * Watching RLIMIT_CPU. Only a process that has such a limit has a watch: a
 * timer that looks at its CPU time when that may have reached the limit.
 */
#include "sentry/cpu_limit.h"
#include "base/timer.h"
#include "sentry/clock.h"
#include "sentry/cpu_time.h"
#include "sentry/task.h"
#include <errno.h>
#include <stdlib.h>

struct cpu_limit {
	struct timer timer;
	struct thread_group *group; /* borrowed: the watch ends before its group */
	u64 warned;                 /* CPU time at the last SIGXCPU, ns; timer callback only */
};

static u64 limit_ns(u64 seconds)
{
	return seconds >= NSEC_MAX / NSEC_PER_SEC ? NSEC_MAX : seconds * NSEC_PER_SEC;
}

static void look(struct timer *timer)
{
	struct cpu_limit *cl = container_of(timer, struct cpu_limit, timer);
	struct thread_group *g = cl->group;
	struct clock clock = {.kind = CLOCK_KIND_CPU, .id = CLOCK_PROCESS_CPUTIME_ID, .group = g};
	u64 now = clock_now(&clock), soft, hard, next;
	{
		lock_guard(&g->limits_lock);
		soft = limit_ns(g->limits[RLIMIT_CPU].rlim_cur);
		hard = limit_ns(g->limits[RLIMIT_CPU].rlim_max);
	}
	if (now >= hard) {
		signal_send_group_simple(g, SIGKILL, SI_KERNEL);
		return;
	}
	next = soft;
	if (now >= soft) {
		next = cl->warned + NSEC_PER_SEC;
		if (cl->warned == 0 || now >= next) {
			signal_send_group_simple(g, SIGXCPU, SI_KERNEL);
			cl->warned = now;
			next = now + NSEC_PER_SEC;
		}
	}
	next = min_of(next, hard);
	/* Without memory for the heap the limit is not enforced any further. */
	(void)!timer_arm(&cl->timer, clock_deadline(&clock, next));
}

int cpu_limit_changed(struct thread_group *g)
{
	struct cpu_limit *fresh = NULL;
	bool limited;
	{
		lock_guard(&g->limits_lock);
		limited = g->limits[RLIMIT_CPU].rlim_cur != RLIM64_INFINITY ||
		          g->limits[RLIMIT_CPU].rlim_max != RLIM64_INFINITY;
	}
	if (!limited)
		return 0;
	fresh = calloc(1, sizeof(*fresh));
	if (!fresh)
		return -ENOMEM;
	fresh->group = g;
	timer_init(&fresh->timer, look);
	lock_guard(&g->siglock);
	if (g->nlive == 0 || g->cpu_limit)
		free(fresh);
	else
		g->cpu_limit = fresh;
	if (g->nlive && g->cpu_limit)
		return timer_arm(&g->cpu_limit->timer, time_monotonic());
	return 0;
}

void cpu_limit_stop(struct thread_group *g)
{
	struct cpu_limit *cl;
	{
		lock_guard(&g->siglock);
		cl = g->cpu_limit;
		g->cpu_limit = NULL;
	}
	if (!cl)
		return;
	(void)timer_cancel(&cl->timer);
	free(cl);
}
