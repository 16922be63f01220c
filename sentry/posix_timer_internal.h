/*
 * Timers, for the system calls that set them (sys_timer.c, sys_itimer.c).
 */
#pragma once
#include "base/ref.h"
#include "base/timer.h"
#include "sentry/clock.h"
#include "sentry/signal.h"
#include <sys/queue.h>

struct posix_timer {
	struct ref ref;
	struct thread_group *group; /* held */
	struct clock clock;         /* owned */
	struct timer timer;

	/* siglock */
	TAILQ_ENTRY(posix_timer) link;
	s32 id; /* -1: an interval timer */
	int notify;
	struct task *target;  /* SIGEV_THREAD_ID; held */
	u64 expiry, interval; /* ns of clock */
	u64 seen;             /* the clock, when last looked at */
	int overrun;          /* of the signal taken last */
	bool armed, gone, charged;
	struct sigqueue_entry entry;
};

struct posix_timers {
	TAILQ_HEAD(, posix_timer) list; /* siglock, as all here */
	u32 count;
	s32 next_id;
	struct posix_timer *interval[3]; /* ITIMER_REAL, VIRTUAL, PROF */
};

/* The group's timers, made on first use; NULL: no memory. */
struct posix_timers *posix_timers_of(struct thread_group *g);
/* Takes over clock on success. */
struct posix_timer *posix_timer_alloc(struct thread_group *g, const struct clock *clock);
void posix_timer_put(struct posix_timer *pt);
void posix_timer_disarm_locked(struct posix_timer *pt);
/* Of one that has been unlinked: stops it and puts the list's reference. */
void posix_timer_kill(struct posix_timer *pt);
void posix_timer_read(struct posix_timer *pt, u64 *left, u64 *interval);
/* value 0 disarms. */
void posix_timer_set(struct posix_timer *pt, u64 value, u64 interval, bool absolute);
