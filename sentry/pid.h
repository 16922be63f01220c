/*
 * The pid table: which task, process, process group and session each number
 * names. A number stays taken while any of the four uses it, so that a process
 * group that outlives its leader keeps the leader's pid from being given out
 * again (kernel/pid.c has it so). All functions need kernel.tasks_lock.
 */
#pragma once
#include "base/types.h"

struct task;
struct thread_group;
struct process_group;
struct session;
struct pid_table;
struct pid_ns;

/* /proc/sys/kernel/pid_max of a 64-bit Linux. Numbers are below it. */
#define PID_MAX 4194304
/* Where the search starts again after PID_MAX: low numbers stay with daemons. */
#define PID_RESERVED 300

struct pid_entry {
	s32 nr;
	u64 serial;        /* never given out again, as numbers are: whoever remembers both knows a
	                      successor */
	struct pid_ns *ns; /* where it has another number as well; held. NULL: nowhere */
	struct task *task;
	struct thread_group *group;
	struct process_group *pgrp;
	struct session *session;
};

/* NULL: no memory. Tests make their own; the sandbox's hangs off struct kernel. */
struct pid_table *pid_table_create(void);
void pid_table_free(struct pid_table *pt);

/*
 * Takes the next free number, or exactly `want` if it is > 0. The entry is
 * empty: the caller fills a slot before it releases the lock, or gives the
 * number back with pid_release. -EAGAIN: none free; -EEXIST: `want` is taken;
 * -EINVAL: `want` is out of range; -ENOMEM.
 */
must_check s32 pid_alloc(struct pid_table *pt, s32 want);
/* The entry of nr, or NULL. */
struct pid_entry *pid_lookup(struct pid_table *pt, s32 nr);
/* To be called after a slot was cleared: frees the number once all four are empty. */
void pid_release(struct pid_table *pt, s32 nr);
/* The first entry with a number >= nr that names a process, or NULL: for /proc. */
struct pid_entry *pid_next_group(struct pid_table *pt, s32 nr);
u32 pid_count(const struct pid_table *pt);
/* The number given out last (loadavg's fifth field). */
s32 pid_last(const struct pid_table *pt);
