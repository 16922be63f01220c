/*
 * The guest's clocks (clock_gettime(2)): the host's, but for CPU time, which is
 * that of guest tasks.
 */
#pragma once
#include "base/types.h"
#include <time.h>

struct task;
struct thread_group;

#define NSEC_PER_SEC 1000000000ULL
/* No time beyond this is told from 'never': what the kernel's ktime_t can hold. */
#define NSEC_MAX 0x7fffffffffffffffULL

enum clock_kind { CLOCK_KIND_REAL, CLOCK_KIND_MONOTONIC, CLOCK_KIND_BOOT, CLOCK_KIND_CPU };

/* A clock as seen by a waiter or a timer. */
struct clock {
	enum clock_kind kind;
	clockid_t id;
	struct task *task;          /* CPU time of a thread; held, or NULL */
	struct thread_group *group; /* CPU time of a process; held, or NULL */
};

/* Resolves a clock id as t means it: 0 (then clock_put), or -EINVAL. */
must_check int clock_find(struct task *t, clockid_t id, struct clock *out);
void clock_put(struct clock *c);
u64 clock_now(const struct clock *c); /* ns; takes siglocks for CPU time */
u64 clock_resolution(const struct clock *c);
/* The CLOCK_MONOTONIC time at which c will show `when`, if it goes on as now. */
u64 clock_deadline(const struct clock *c, u64 when);

/* -EINVAL: negative or nanoseconds out of range. Saturates at NSEC_MAX. */
must_check int timespec_to_ns(const struct timespec *ts, u64 *ns);
must_check int timeval_to_ns(const struct timeval *tv, u64 *ns);
struct timespec ns_to_timespec(u64 ns);
struct timeval ns_to_timeval(u64 ns);
