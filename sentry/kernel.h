/*
 * struct kernel: everything that a sandbox is hangs off this one object.
 */
#pragma once
#include "base/lock.h"
#include "base/types.h"
#include "base/waitq.h"
#include <sys/queue.h>

struct task;
struct thread_group;
struct ns_set;
struct pid_table;
struct pid_ns;
struct trace;
struct super;

/* What uname(2) shows: a long-term kernel whose interfaces these are. */
#define KERNEL_RELEASE "6.1.0"
#define KERNEL_VERSION "#1 SMP PREEMPT_DYNAMIC moat"

struct kernel {
	/*
	 * The process tree: parents, children, groups, sessions, thread lists, pid
	 * table, exit states. One lock (RANK_TASKS), as Linux's tasklist_lock.
	 */
	struct lock tasks_lock;
	struct pid_table *pids;
	struct pid_ns *pid_ns;             /* the initial one */
	TAILQ_HEAD(, thread_group) groups; /* in creation order */
	u32 ntasks;                        /* live tasks (threads), for --pids and RLIMIT_NPROC */
	u32 max_tasks;
	struct thread_group *init;
	struct waitq exit_waitq; /* woken when init has ended */
	int exit_status;         /* of init, as wait4 reports it; valid once ended */
	_Atomic bool ended;

	struct ns_set *ns;  /* of processes that are not forked: the initial namespaces */
	u64 boot_monotonic; /* ns: the guest's CLOCK_BOOTTIME zero is the host's; this is when the
	                       sandbox began */
	u64 boot_realtime, boot_boottime;
	u64 cpus_online;               /* what the host lets the sandbox run on, of the first 64 */
	u64 memory_total, memory_free; /* bytes; as sysinfo shows them */
	u64 memory_limit;              /* bytes; 0: none */
	struct trace *trace;           /* NULL: off */
	bool debug;
	_Atomic u64 forks, syscalls, context_switches;
};

/* The one sandbox of this process. */
extern struct kernel kernel;

void kernel_init(void);
