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
#include "fs/pseudo/pseudo.h"
#include "platform/platform.h"
#include "sentry/cpu_time.h"
#include "sentry/kernel.h"
#include "sentry/ptrace.h"
#include "sentry/signal.h"
#include <sys/resource.h>
#include <sys/queue.h>

struct fiber;
struct mm;
struct ns_set;
struct pid_ns;
struct file;
struct tty;
struct session;
struct process_group;
struct posix_timers;
struct cpu_limit;
struct seccomp_filter;

#define COMM_LEN 16

/* A session and its process groups; all T. Freed with their last member. */
struct session {
	struct ref ref;
	s32 sid;
	struct tty *tty;               /* controlling terminal, or NULL */
	struct process_group *left_fg; /* in its foreground when it hung up; held */
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
	s32 pid;               /* in the initial pid namespace, as all numbers in the sentry */
	s32 own_pid;           /* in pid_ns */
	struct pid_ns *pid_ns; /* held, for life; NULL: the initial one */

	/* T; threads, leader, nthreads and state change under T and S, so that either suffices to
	 * look
	 */
	TAILQ_HEAD(, task) threads;
	struct task *leader; /* keeps the pid; may be a zombie while others run */
	u32 nthreads;        /* that have not ended */
	struct thread_group *parent;
	struct task *parent_task; /* who called fork: PDEATHSIG, __WNOTHREAD; may be NULL */
	TAILQ_HEAD(, thread_group) children;
	TAILQ_ENTRY(thread_group) sibling_link, all_link, pgrp_link;
	struct process_group *pgrp;
	_Atomic enum group_state state;
	int exit_signal; /* to the parent at the end; 0: none, -1: a reaped-by-itself thread clone
	                  */
	bool child_subreaper, did_exec;
	int exit_status;                       /* wait status once ZOMBIE */
	struct rusage rusage, children_rusage; /* of ended threads; of waited-for children */

	/* S */
	struct lock siglock;
	struct sigqueue_list pending; /* shared */
	struct sighand *sighand;      /* replaced under T and S */
	bool unkillable; /* like a pid namespace's init: what it has no handler for does not reach
	                    it */
	u32 nlive;       /* threads that have not begun to exit */
	u32 exec_id, parent_exec_id; /* a parent that has exec'd gets SIGCHLD, whatever was asked */
	int cld_pending; /* CLD_STOPPED or CLD_CONTINUED that SIGCONT owes the parent, or 0 */
	/* exit_group or a fatal signal: group_exit_status holds. Read without the lock, too. */
	_Atomic bool group_exiting;
	int group_exit_status;
	struct task *exec_task;        /* the thread that is in execve, others are dying */
	u32 stop_count;                /* threads still to stop */
	int stop_signal;               /* != 0: stopped or stopping by it */
	bool stop_complete;            /* all had stopped, and SIGCONT has not come since */
	bool stop_reported, continued; /* for WUNTRACED, WCONTINUED */
	struct cpu_time shown_cpu;     /* as last told: it never goes back */
	u64 space_base;                /* CPU time of the space that is not the group's, ns */
	u64 earlier_spaces;            /* the group's CPU time in spaces it has left, ns */
	bool shares_space; /* with another group, since clone(CLONE_VM): the space's clock tells
	                      nothing */
	struct waitq signal_waitq; /* signalfd, sigtimedwait: EPOLLIN on any new signal */

	struct waitq child_waitq; /* woken when a child changes state */
	struct waitq exit_waitq;  /* pidfd: EPOLLIN when ZOMBIE */

	struct lock limits_lock;
	struct rlimit64 limits[RLIM_NLIMITS];
	struct cpu_limit *cpu_limit; /* S: watches RLIMIT_CPU, or NULL */
	struct posix_timers *timers; /* POSIX and interval timers: sentry/posix_timer.h */
	u64 start_time;              /* CLOCK_BOOTTIME ns */
	_Atomic s32 oom_score_adj;
	_Atomic u32 personality;
	_Atomic bool dumpable;
	_Atomic bool thp_disable;
	_Atomic bool barrier_registered, barrier_global; /* membarrier(2); end with execve */
	struct waitq barrier_waitq; /* woken when a thread has been out of guest code */
	bool from_outside;          /* has no parent in the sandbox: whoever started it reaps it */
	void *ipc;                  /* SysV undo lists: sentry/ipc */
};

/* What a call interrupted by a signal needs to go on (restart_syscall). */
struct restart_block {
	s64 (*fn)(struct task *t);
	u64 arg[4];
	u64 deadline;
};

enum task_gate { TASK_NEW, TASK_GO, TASK_STILLBORN };
enum {
	TASK_WORK_LIMITS = 1,
	TASK_WORK_SECCOMP = 2,
	TASK_WORK_BARRIER = 4,
	TASK_WORK_USAGE = 8,
};

struct task {
	struct ref ref;
	s32 tid, own_tid; /* in the initial pid namespace, and in the group's */
	struct thread_group *group;
	struct caller caller; /* credentials, files, fs: what the VFS sees */
	/*
	 * These and caller's cred, fs, files and net are replaced by the task itself, under S: it
	 * looks at them freely, others under S (task_mm_get and its kin) while they are not NULL.
	 */
	struct fiber *fiber;
	struct platform_thread *thread;
	struct mm *mm;
	struct ns_set *ns;           /* sentry/ns_set.h */
	struct pid_ns *child_pid_ns; /* S; of the processes it makes; held. NULL: its own */
	char comm[COMM_LEN];         /* S, for all */
	struct pseudo_names proc_names;

	/* T */
	struct tracee_list tracees; /* whom it traces */
	TAILQ_ENTRY(task) thread_link;
	SLIST_ENTRY(task) ended_link; /* sentry/proc/ended.c */
	_Atomic bool exited;
	int exit_code;

	/* S */
	_Atomic bool exiting; /* has begun to exit: takes no more signals; read without, too */
	u64 blocked;          /* signal mask */
	u64 saved_mask;       /* of sigsuspend, ppoll...: restored by delivery */
	bool restore_mask;
	struct sigqueue_list pending;
	bool stopped;      /* stands still with its group; a tracee stops by trace */
	bool stop_pending; /* is to take part in its group's stop */
	bool stop_counted; /* and is one of stop_count */
	u8 stop_sig;       /* the signal of the last stop that it was to take part in */
	struct tracee trace;
	struct rusage used, used_before; /* sentry/cpu_time.c; before: of earlier host threads */
	struct seccomp_filter *seccomp_next; /* set by another thread, to be taken over; held */
	bool no_new_privs_next;
	bool stop_dequeued;  /* has taken a stop signal that SIGCONT may still undo */
	_Atomic bool killed; /* SIGKILL or group exit is pending */

	enum task_gate gate; /* S: may the fiber begin? */
	/* Set by others, too; read by anybody. */
	_Atomic int sched_policy, sched_priority, nice, ioprio;
	_Atomic u64 cpus_allowed;

	_Atomic u32 turns; /* into guest code and out: odd while in it */
	_Atomic u32 works; /* TASK_WORK_*: what the fiber is to do before it runs guest code */

	/* T */
	int pdeath_signal;

	/* O */
	struct {
		u64 trapno, error_code, cr2;
	} trap;                    /* of the last fault, for signal frames */
	struct task_boot *boot;    /* how the first program is loaded; NULL for forked tasks */
	bool fresh;                /* has not run guest code yet */
	bool host_gone;            /* its host thread died: guest memory is out of reach */
	_Atomic bool futex_queued; /* the call under way ends in a HOSTOP_FUTEX with a deadline */
	bool report_exit; /* the call under way is over when what is queued is done: tell */
	u32 charged_uid;  /* whose RLIMIT_NPROC counts it */
	stack_t altstack;
	struct restart_block restart;
	struct uptr clear_child_tid, robust_list;
	u64 robust_list_len;
	struct vfork_wait *vfork; /* the parent waits until this task execs or exits */
	bool no_new_privs;
	_Atomic u64 syscall_nr;               /* of the call under way, or ~0 */
	u64 timer_slack, default_timer_slack; /* ns; the latter is what it was started with */
	struct uptr rseq;
	u32 rseq_len, rseq_sig;
	struct seccomp_filter *seccomp;
	u64 start_time;
	bool mm_queued; /* host memory operations queued since the last run: mm_ops_done */
	/* sentry/stat_told.h: what it has opened last; how many opens are told of yet; how many
	 * answers have not been asked for again. */
	int opened_fd;
	u32 told_opens, vain_asks;
	u64 fault_addr;  /* of the last fault that was tried again: sentry/mm_fault.c */
	u32 fault_tries; /* how often in a row */
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

/* By pid/tid as the caller's pid namespace has it; +1, or NULL. */
struct task *task_find(s32 tid);
struct task *task_find_in(struct pid_ns *n, s32 tid); /* as n has it */
struct thread_group *group_find(s32 pid);
struct process_group *pgrp_find_locked(s32 pgid); /* borrowed, tasks_lock held; initial number */
/* The parent as g's own pid namespace shows it: 0 if it is outside. tasks_lock held. */
s32 group_shown_parent_locked(const struct thread_group *g);

/* ---- life ----------------------------------------------------------- */

struct clone_args_k {
	u64 flags; /* CLONE_* without the exit signal */
	int exit_signal;
	struct uptr stack; /* top; null: the parent's */
	struct uptr tls, parent_tid, child_tid, pidfd;
	const s32 *set_tid; /* numbers asked for, from the child's pid namespace outwards */
	u32 set_tid_count;
};
/* tid of the child or -errno. */
s64 task_clone(struct task *t, const struct clone_args_k *args);
/*
 * A process without a parent: the first one, which becomes kernel.init, or one that comes from
 * outside (moat exec). boot runs on its own fiber once task_start is called, in a fresh address
 * space: it is to exec_run the program and returns 0 or the -errno that ended it. fs, files and
 * cred are taken over on success. *out +1.
 */
struct task_boot {
	int (*fn)(struct task *t, struct task_boot *boot);
};
must_check int task_create_init(struct fs_context *fs, struct fdtable *files, struct cred *cred,
                                struct task_boot *boot, struct task **out);
void task_start(struct task *t);

/* Marks the group as ending with a wait status; its tasks end when they look. Any fiber. */
void group_exit_start(struct thread_group *g, int wait_status);
/* The end of the calling task (exit_code: a wait status); returns only to the fiber's entry, which
 * returns. */
void task_exit(struct task *t, int exit_code);
/* Releases a parentless process (above) once it is a zombie. */
void group_reap(struct thread_group *g);
/* exec: waits until t is the group's only thread and gives it the leader's identity. 0 or -EINTR.
 */
must_check int group_single_thread(struct task *t);
/* vfork: lets the parent go on (exec or exit of the child). */
void vfork_release(struct task *t);

/*
 * exec in a space that others share: the task goes on with a new thread and mm, both taken
 * over. The old ones are left to the caller: put the mm, exit the thread.
 */
void task_adopt_image(struct task *t, struct mm *mm, struct platform_thread *thread);

/* The body of a task's fiber: run, handle the event, deliver signals, again. */
void task_run(void *task);

u64 task_rlimit(struct task *t, int resource);    /* soft */
bool task_capable(const struct task *t, int cap); /* effective capability */
void task_update_identity(struct task *t);        /* tells the platform who the thread is now */
/* The calling task's new credentials; takes over c. */
void task_set_cred(struct task *t, struct cred *c);
void task_set_files(struct task *t, struct fdtable *files); /* takes over; puts the old ones */
void task_set_fs(struct task *t, struct fs_context *fs);
/* Of any task, for /proc and kin: +1, or NULL once it has let go of them. */
struct cred *task_cred_get(struct task *t);
/* Its user id, and its name with the NUL. No siglock held. */
u32 task_uid(struct task *t);
void task_comm(struct task *t, char out[COMM_LEN]);
struct mm *task_mm_get(struct task *t);
struct fdtable *task_files_get(struct task *t);
struct fs_context *task_fs_get(struct task *t);
void task_set_comm(struct task *t, const char *name); /* basename rules of prctl(PR_SET_NAME) */
