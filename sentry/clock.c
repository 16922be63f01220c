/*
 * Clocks; see clock.h. The C library reads the host's clocks through the vDSO,
 * so no host call is made here.
 */
#include "sentry/clock.h"
#include "base/fiber.h"
#include "base/timer.h"
#include "sentry/cpu_time.h"
#include "sentry/task.h"
#include <errno.h>

#ifndef CLOCK_TAI
#define CLOCK_TAI 11
#endif

/* Dynamic ids: the complement of a pid, and what is measured of it
 * (include/linux/posix-timers_types.h). */
#define CPU_CLOCK_MASK      7
#define CPU_CLOCK_PERTHREAD 4
#define CPU_CLOCK_SCHED     2
#define CPU_CLOCK_FD        3

/* How soon a CPU clock that stands still is looked at again. */
#define CPU_POLL_MIN 1000000ULL
#define CPU_POLL_MAX 100000000ULL

static int find_cpu_clock(struct task *t, clockid_t id, struct clock *out)
{
	s32 pid = ~(id >> 3);
	out->kind = CLOCK_KIND_CPU;
	if ((id & 3) == CPU_CLOCK_FD)
		return -EINVAL;
	if (id & CPU_CLOCK_PERTHREAD) {
		out->task = pid ? task_find(pid) : task_get(t);
		/* Another process's threads are none of the caller's business. */
		if (out->task && out->task->group != t->group) {
			task_put(out->task);
			out->task = NULL;
		}
		return out->task ? 0 : -EINVAL;
	}
	out->group = pid ? group_find(pid) : group_get(t->group);
	return out->group ? 0 : -EINVAL;
}

int clock_find(struct task *t, clockid_t id, struct clock *out)
{
	*out = (struct clock){.id = id};
	if (id < 0)
		return find_cpu_clock(t, id, out);
	switch (id) {
	case CLOCK_REALTIME_ALARM:
		out->id = CLOCK_REALTIME;
		/* fall through */
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		out->kind = CLOCK_KIND_REAL;
		return 0;
	case CLOCK_BOOTTIME_ALARM:
		out->id = CLOCK_BOOTTIME;
		/* fall through */
	case CLOCK_BOOTTIME:
		out->kind = CLOCK_KIND_BOOT;
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_MONOTONIC_RAW:
		out->kind = CLOCK_KIND_MONOTONIC;
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		return find_cpu_clock(t, ~0U << 3 | CPU_CLOCK_SCHED, out);
	case CLOCK_THREAD_CPUTIME_ID:
		return find_cpu_clock(t, ~0U << 3 | CPU_CLOCK_SCHED | CPU_CLOCK_PERTHREAD, out);
	}
	return -EINVAL;
}

void clock_put(struct clock *c)
{
	if (c->task)
		task_put(c->task);
	if (c->group)
		group_put(c->group);
	c->task = NULL;
	c->group = NULL;
}

static u64 cpu_now(const struct clock *c)
{
	struct cpu_time used = c->task ? task_cpu_time(c->task) : group_cpu_time(c->group);
	/* Of a dynamic id only CPUCLOCK_VIRT leaves out system time. */
	if (c->id < 0 && (c->id & 3) == 1)
		return used.user;
	return cpu_time_total(used);
}

u64 clock_now(const struct clock *c)
{
	struct timespec ts;
	if (c->kind == CLOCK_KIND_CPU)
		return cpu_now(c);
	clock_gettime(c->id, &ts);
	return (u64)ts.tv_sec * NSEC_PER_SEC + (u64)ts.tv_nsec;
}

u64 clock_resolution(const struct clock *c)
{
	struct timespec ts = {0, 1};
	if (c->id == CLOCK_REALTIME_COARSE || c->id == CLOCK_MONOTONIC_COARSE)
		clock_getres(c->id, &ts);
	return (u64)ts.tv_nsec;
}

u64 clock_deadline(const struct clock *c, u64 when)
{
	u64 now = clock_now(c), mono = time_monotonic();
	u64 left = when > now ? when - now : 0;
	if (c->kind == CLOCK_KIND_CPU) {
		/* It runs at most once for each CPU; how fast it will is unknown. */
		u64 speed = c->task ? 1 : (u64)__builtin_popcountll(kernel.cpus_online);
		/* However little is left: whoever looks again at once would keep those from running
		 * for whose time he waits. */
		if (left)
			left = min_of(max_of(left / speed, CPU_POLL_MIN), CPU_POLL_MAX);
	}
	if (left >= NSEC_MAX - mono)
		return NO_DEADLINE;
	return mono + left;
}

int timespec_to_ns(const struct timespec *ts, u64 *ns)
{
	if (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= (long)NSEC_PER_SEC)
		return -EINVAL;
	*ns = (u64)ts->tv_sec >= NSEC_MAX / NSEC_PER_SEC
	          ? NSEC_MAX
	          : (u64)ts->tv_sec * NSEC_PER_SEC + (u64)ts->tv_nsec;
	return 0;
}

int timeval_to_ns(const struct timeval *tv, u64 *ns)
{
	if (tv->tv_usec < 0 || tv->tv_usec >= 1000000)
		return -EINVAL;
	struct timespec ts = {.tv_sec = tv->tv_sec, .tv_nsec = tv->tv_usec * 1000};
	return timespec_to_ns(&ts, ns);
}

struct timespec ns_to_timespec(u64 ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / NSEC_PER_SEC),
	                         .tv_nsec = (long)(ns % NSEC_PER_SEC)};
}

struct timeval ns_to_timeval(u64 ns)
{
	return (struct timeval){.tv_sec = (time_t)(ns / NSEC_PER_SEC),
	                        .tv_usec = (suseconds_t)(ns % NSEC_PER_SEC / 1000)};
}
