/*
 * Signals: queues, actions, sending and delivery, as signal(7), sigaction(2)
 * and kernel/signal.c have them. All of it is the sentry's: no host signal ever
 * stands for a guest's.
 */
#pragma once
#include "base/lock.h"
#include "base/types.h"
#include <signal.h>
#include <sys/queue.h>

struct task;
struct thread_group;
struct process_group;
struct event;

#define NSIG_MAX        64
#define SIGMASK(sig)    (1ULL << ((sig)-1))
#define SIG_KERNEL_ONLY (SIGMASK(SIGKILL) | SIGMASK(SIGSTOP)) /* cannot be blocked or caught */

struct posix_timer;
struct sigqueue_entry {
	TAILQ_ENTRY(sigqueue_entry) link;
	siginfo_t info;
	struct posix_timer *timer; /* that the entry is part of, or NULL */
	u32 uid;                   /* whose RLIMIT_SIGPENDING counts it */
	bool queued;
};
struct sigqueue_list {
	_Atomic u64 set; /* signals pending in this list; changed under the siglock */
	TAILQ_HEAD(, sigqueue_entry) queue;
};

/* The kernel's own struct sigaction of x86-64. */
struct ksigaction {
	u64 handler; /* SIG_DFL 0, SIG_IGN 1, or a guest address */
	u64 flags;
	u64 restorer;
	u64 mask;
};
/* Shared by CLONE_SIGHAND. Its lock is inside every siglock (a group that shares it has its own).
 */
struct sighand {
	_Atomic u32 users; /* groups; a group's last thread lets go */
	struct lock lock;
	struct ksigaction action[NSIG_MAX]; /* guarded by lock */
};
struct sighand *sighand_create(void);
struct sighand *sighand_copy(struct sighand *from);
void sighand_put(struct sighand *sh);
struct ksigaction sighand_get(struct sighand *sh, int sig);

/* info->si_signo says which. Wakes a thread that can take it. 0, -EAGAIN (RLIMIT_SIGPENDING),
 * -ESRCH. */
int signal_send_group(struct thread_group *g, const siginfo_t *info);
int signal_send_task(struct task *t, const siginfo_t *info);
int signal_send_pgrp(struct process_group *pg, const siginfo_t *info); /* tasks_lock held */
/* SI_KERNEL / SI_USER convenience. */
void signal_send_group_simple(struct thread_group *g, int sig, int code);
/* May the caller signal it (kill(2) permissions)? 0 or -EPERM. */
int signal_permission(struct task *sender, struct thread_group *target, int sig);
/*
 * Before t's first program: it ignores the signals of the set, as what calls moat did. They stay so
 * over execve(2), so nohup(1) holds inside.
 */
void signal_ignore(struct task *t, u64 set);
/* A fault or a broken frame: cannot be blocked or ignored; kills if it is. */
void signal_force(struct task *t, const siginfo_t *info);
void signal_force_simple(struct task *t, int sig, int code);

/* Has t something to deliver now? Cheap; the interrupt flag is kept in step with it. */
bool signal_pending(struct task *t);
/*
 * Before returning to guest code: takes pending signals, stops, continues,
 * ends the task, or builds handler frames. Between a call and its return (orig_rax says so), the
 * result in rax is one whose restart is not yet resolved. Returns false if the task must end.
 */
must_check bool signal_deliver(struct task *t);
/* Recomputes the interrupt flag after a mask change. siglock held. */
void signal_recalc_locked(struct task *t);
void signal_set_blocked(struct task *t, u64 mask);
/* ppoll, sigsuspend...: temporary mask for the call; restored at delivery or on return. */
void signal_set_temporary_mask(struct task *t, u64 mask);
void signal_restore_mask(struct task *t);
/* Takes one pending signal of set (sigtimedwait, signalfd): signo, or 0 when none. */
int signal_dequeue(struct task *t, u64 set, siginfo_t *info);
/* Does sp lie on the alternate stack of t? */
bool signal_on_altstack(const struct task *t, u64 sp);
u64 signal_pending_set(struct task *t);
/*
 * A child's end: its exit signal to the parent, whose waiters are woken. True
 * if the parent will not wait for it (SIGCHLD ignored, SA_NOCLDWAIT) and it is to be
 * released at once. tasks_lock held.
 */
must_check bool signal_notify_exit_locked(struct thread_group *child);
/* A child's stop or continuation (CLD_STOPPED, CLD_CONTINUED). tasks_lock held. */
void signal_notify_stop_locked(struct thread_group *child, int code, int status);
void signal_flush_exec(struct task *t); /* dispositions over execve */
void sigqueue_init(struct sigqueue_list *l);
void sigqueue_flush(struct sigqueue_list *l); /* siglock held, or nobody else knows l */

/* An event's fault becomes the guest's signal. */
void signal_from_fault(struct task *t, const struct event *ev);
