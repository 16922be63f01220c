/*
 * Tasks (threads) and thread groups (processes).
 *
 * A task is made by fork/clone (sentry/fork.c) or by the start of the sandbox, runs on its own
 * fiber (sentry/task_run.c), and ends in task_exit (sentry/exit.c). A thread group lives from its
 * first task until its parent has waited for it.
 *
 * Which lock guards what is said at each group of fields: T kernel.tasks_lock,
 * S group->siglock, O only the task itself (its own fiber), A atomic.
 */
#pragma once
#include "base/caller.h"
#include "base/lock.h"
#include "base/ref.h"
#include "base/timer.h"
#include "base/types.h"
#include "base/waitq.h"
#include "platform/platform.h"
#include "sentry/kernel.h"
#include "sentry/signal.h"
#include <sys/resource.h>
#include <sys/queue.h>

struct fiber;
struct mm;
struct file;
struct tty;
struct session;
struct process_group;
struct posix_timers;
struct seccomp_filter;
struct tracer_link;

#define COMM_LEN 16

/* A session and its process groups; all T. Freed with their last member. */
struct session {
	struct ref ref;
	s32 sid;
	struct tty *tty; /* controlling terminal, or NULL */
	TAILQ_HEAD(, process_group) groups;
};
struct process_group {
	struct ref ref;
	s32 pgid;
	struct session *session;
	TAILQ_HEAD(, thread_group) members;
	TAILQ_ENTRY(process_group) session_link;
};

enum group_state { GROUP_LIVE, GROUP_ZOMBIE, GROUP_DEAD };

struct thread_group {
	struct ref ref;
	s32 pid;

	/* T */
	TAILQ_HEAD(, task) threads;
	struct task *leader; /* keeps the pid; may be a zombie while others run */
	u32 nthreads;        /* that have not ended */
	struct thread_group *parent;
	struct task *parent_task; /* who called fork: PDEATHSIG, __WNOTHREAD; may be NULL */
	TAILQ_HEAD(, thread_group) children;
	TAILQ_ENTRY(thread_group) sibling_link, all_link, pgrp_link;
	struct process_group *pgrp;
	enum group_state state;
	int exit_signal; /* to the parent at the end; 0: none, -1: a reaped-by-itself thread clone
	                  */
	bool child_subreaper, did_exec;
	int exit_status; /* wait status once ZOMBIE */
	struct rusage rusage, children_rusage;

	/* S */
	struct lock siglock;
	struct sigqueue_list pending; /* shared */
	struct sighand *sighand;
	bool group_exiting; /* exit_group or a fatal signal: group_exit_status holds */
	int group_exit_status;
	struct task *exec_task;        /* the thread that is in execve, others are dying */
	u32 stop_count;                /* threads still to stop */
	int stop_signal;               /* != 0: stopped or stopping by it */
	bool stop_reported, continued; /* for WUNTRACED, WCONTINUED */
	struct waitq signal_waitq;     /* signalfd, sigtimedwait: EPOLLIN on any new signal */

	struct waitq child_waitq; /* woken when a child changes state */
	struct waitq exit_waitq;  /* pidfd: EPOLLIN when ZOMBIE */

	struct lock limits_lock;
	struct rlimit64 limits[RLIM_NLIMITS];
	struct posix_timers *timers; /* POSIX and interval timers: sentry/posix_timer.h */
	u64 start_time;              /* CLOCK_BOOTTIME ns */
	s32 oom_score_adj;
	u32 personality;
	bool dumpable;
	bool is_session_leader_tty_lost;
	void *ipc; /* SysV undo lists: sentry/ipc */
};

/* What a call interrupted by a signal needs to go on (restart_syscall). */
struct restart_block {
	s64 (*fn)(struct task *t);
	u64 arg[4];
	u64 deadline;
};

struct task {
	struct ref ref;
	s32 tid;
	struct thread_group *group;
	struct caller caller; /* credentials, files, fs: what the VFS sees */
	struct fiber *fiber;
	struct platform_thread *thread;
	struct mm *mm;
	char comm[COMM_LEN];

	/* T */
	TAILQ_ENTRY(task) thread_link;
	bool exited;
	int exit_code;

	/* S */
	u64 blocked;    /* signal mask */
	u64 saved_mask; /* of sigsuspend, ppoll...: restored by delivery */
	bool restore_mask;
	struct sigqueue_list pending;
	bool stopped;
	bool killed; /* SIGKILL or group exit is pending */

	/* O */
	stack_t altstack;
	struct restart_block restart;
	struct uptr clear_child_tid, robust_list;
	u64 robust_list_len;
	struct vfork_wait *vfork; /* parent waits until this task execs or exits */
	int pdeath_signal;
	bool no_new_privs, keep_caps;
	u64 syscall_nr; /* of the call under way, or ~0 */
	u64 timer_slack;
	struct uptr rseq;
	u32 rseq_len, rseq_sig;
	struct seccomp_filter *seccomp;
	struct tracer_link *tracer;
	int sched_policy, sched_priority, nice;
	u64 cpus_allowed;
	struct rusage rusage;
	u64 start_time;
	_Atomic u64 minor_faults;
};

/* The running fiber's task. */
static inline struct task *task_self(void)
{
	return container_of(caller(), struct task, caller);
}

struct task *task_get(struct task *t);
void task_put(struct task *t);
struct thread_group *group_get(struct thread_group *g);
void group_put(struct thread_group *g);

/* By pid/tid in the guest's view; +1, or NULL. */
struct task *task_find(s32 tid);
struct thread_group *group_find(s32 pid);
struct process_group *pgrp_find_locked(s32 pgid); /* borrowed, tasks_lock held */

/* ---- life ----------------------------------------------------------- */

struct clone_args_k {
	u64 flags; /* CLONE_* without the exit signal */
	int exit_signal;
	struct uptr stack; /* top; null: the parent's */
	struct uptr tls, parent_tid, child_tid, pidfd;
	s32 set_tid;
};
/* tid of the child or -errno. */
s64 task_clone(struct task *t, const struct clone_args_k *args);
/* The first process. Runs path with argv/envp once task_start is called. */
must_check int task_create_init(struct fs_context *fs, struct fdtable *files, struct cred *cred,
                                struct task **out);
void task_start(struct task *t);

/* Marks the group as ending with a wait status; its tasks end when they look. Any fiber. */
void group_exit_start(struct thread_group *g, int wait_status);
/* The end of the calling task; returns only to the fiber's entry, which returns. */
void task_exit(struct task *t, int exit_code);
/* exec: waits until t is the group's only thread and gives it the leader's identity. 0 or -EINTR.
 */
must_check int group_single_thread(struct task *t);
/* vfork: lets the parent go on (exec or exit of the child). */
void vfork_release(struct task *t);

/* The body of a task's fiber: run, handle the event, deliver signals, again. */
void task_run(void *task);

u64 task_rlimit(struct task *t, int resource);        /* soft */
bool task_capable(const struct task *t, int cap);     /* effective capability */
void task_update_identity(struct task *t);            /* tells the platform who the thread is now */
void task_set_comm(struct task *t, const char *name); /* basename rules of prctl(PR_SET_NAME) */
