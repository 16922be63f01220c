/*
 * Resources used by tasks: CPU time and the counters of getrusage(2).
 *
 * CPU time is that of the host threads on which the guest runs, so it is the
 * host kernel's account, split into user and system time as the host sees it. What
 * the sentry does for a guest is moat's, not the guest's.
 *
 * How much a thread has used is exact when the thread itself asks and when it
 * ends; others see what was known last. The total of a process is exact always.
 */
#pragma once
#include "base/types.h"
#include <sys/resource.h>

struct task;
struct thread_group;

struct cpu_time {
	u64 user, system; /* ns */
};
static inline u64 cpu_time_total(struct cpu_time c)
{
	return c.user + c.system;
}

/*
 * What a thread has used while it runs guest code only itself can tell: it is made to, soon. Any
 * context.
 */
void task_usage_poke(struct task *t);
/* The calling task's part of that. */
void task_usage_tell(struct task *t);
/* Neither goes backwards. The first asks t's host thread if t is the caller. */
struct cpu_time task_cpu_time(struct task *t);
/* All threads, dead ones included. */
struct cpu_time group_cpu_time(struct thread_group *g);

/* RUSAGE_THREAD of the calling task. */
void task_rusage(struct task *t, struct rusage *out);
/* RUSAGE_SELF of the calling task; may park. */
void task_group_rusage(struct task *t, struct rusage *out);
/* Of any process, under locks too: as far as is known without asking, the total CPU time exactly.
 */
void group_rusage(struct thread_group *g, struct rusage *out);
u64 timeval_ns(struct timeval tv);
/* to += from; of ru_maxrss the larger. */
void rusage_add(struct rusage *to, const struct rusage *from);

/* The calling task changes its host thread for another (exec): what it has used stays with it. */
void task_usage_save(struct task *t);
/* The calling task loses its host thread, and is the last of its group to begin to. */
void task_usage_end(struct task *t, bool last);
/* A task has got a space that was there before (clone, exec). siglock held, or not visible yet. */
void task_usage_begin(struct task *t);
/* The task leaves the tree: what it used becomes its group's. tasks_lock held. */
void task_usage_to_group_locked(struct task *t);
/* The group has no tasks left: its usage is what wait4 will tell. */
void group_usage_final(struct thread_group *g);
