/*
 * Timers that send signals: POSIX timers (timer_create(2)) and interval timers
 * (setitimer(2)).
 *
 * A timer is re-armed when its signal is taken, not when it is sent: one whose
 * signal is blocked costs nothing while it waits, and what it missed is counted as
 * overrun (timer_getoverrun(2); kernel/time/posix-timers.c). All state of a timer
 * is guarded by its group's siglock.
 */
#pragma once
#include "base/types.h"
#include "sentry/signal.h"

struct task;
struct thread_group;
struct posix_timer;

/* Its signal has been taken from a queue: completes info, and goes on with the interval. */
void posix_timer_taken_locked(struct posix_timer *pt, siginfo_t *info);
/* Its signal was thrown away (ignored, or SIGCONT against SIGSTOP): goes on with the interval. */
void posix_timer_discarded_locked(struct posix_timer *pt);
/* The last thread ends: nothing fires any more. Not under a lock. */
void posix_timers_stop(struct thread_group *g);
/* execve: POSIX timers are deleted, interval timers go on (execve(2)). */
void posix_timers_exec(struct thread_group *g);
/* The group is freed. */
void posix_timers_free(struct thread_group *g);
/* alarm(2) and kin: nanoseconds until SIGALRM, 0 if none. */
u64 itimer_real_left(struct thread_group *g);
