/*
 * Between the signal files: queues (sigqueue.c), sending (signal_send.c),
 * taking and delivering (signal_deliver.c), job control (signal_stop.c).
 */
#pragma once
#include "sentry/signal.h"
#include "sentry/task.h"

/* Sets of signals by default action (signal(7); include/linux/signal.h). */
#define SIGSET_STOP   (SIGMASK(SIGSTOP) | SIGMASK(SIGTSTP) | SIGMASK(SIGTTIN) | SIGMASK(SIGTTOU))
#define SIGSET_IGNORE (SIGMASK(SIGCONT) | SIGMASK(SIGCHLD) | SIGMASK(SIGWINCH) | SIGMASK(SIGURG))
#define SIGSET_CORE                                                                                \
	(SIGMASK(SIGQUIT) | SIGMASK(SIGILL) | SIGMASK(SIGTRAP) | SIGMASK(SIGABRT) |                \
	 SIGMASK(SIGFPE) | SIGMASK(SIGSEGV) | SIGMASK(SIGBUS) | SIGMASK(SIGSYS) |                  \
	 SIGMASK(SIGXCPU) | SIGMASK(SIGXFSZ))
#define SIGSET_SYNCHRONOUS                                                                         \
	(SIGMASK(SIGSEGV) | SIGMASK(SIGBUS) | SIGMASK(SIGILL) | SIGMASK(SIGTRAP) |                 \
	 SIGMASK(SIGFPE) | SIGMASK(SIGSYS))
#define SIGNAL_RT_MIN 32 /* the kernel's: the C library keeps the first few for itself */

/* The kernel's own codes and flags that <signal.h> may lack. */
#define KSIG_DFL       0
#define KSIG_IGN       1
#define KSA_RESTORER   0x04000000u
#define KSS_AUTODISARM (1u << 31)

/* ---- sigqueue.c: siglock held --------------------------------------------- */

/*
 * Queues a copy of info. may_exceed: also beyond RLIMIT_SIGPENDING (limit). -EAGAIN: not to
 * be had; the caller decides whether the signal may go without its information.
 */
must_check int sigqueue_push(struct sigqueue_list *l, const siginfo_t *info, u32 uid, u64 limit,
                             bool may_exceed);
void sigqueue_push_entry(struct sigqueue_list *l, struct sigqueue_entry *e);
/* Takes the first entry of sig. False: sig was pending without information; info says so. */
void sigqueue_take(struct sigqueue_list *l, int sig, siginfo_t *info, struct posix_timer **timer);
/* Drops what is in mask. */
void sigqueue_discard(struct sigqueue_list *l, u64 mask);
void sigqueue_remove_entry(struct sigqueue_list *l, struct sigqueue_entry *e);
/* The signal of set & mask to be delivered next: synchronous ones first, then the lowest; 0: none.
 */
int sigset_first(u64 set);

/* To the tracer of t; tasks_lock held. A stop, with its code in t->trace, or the end (sig: how). */
void signal_notify_tracer_stop_locked(struct task *t, int why);
void signal_notify_tracer_exit_locked(struct task *t, int sig);

/* ---- signal_send.c and sys_kill.c -------------------------------------------- */

/* siglock held, as in all *_locked. t NULL: to the group. entry: a timer's own, or NULL for a copy
 * of info. */
int signal_send_locked(struct thread_group *g, struct task *t, const siginfo_t *info,
                       struct sigqueue_entry *entry);
bool signal_is_ignored_locked(struct thread_group *g, struct task *t, int sig, bool force);
/* Makes t look at its signals. */
void signal_wake_locked(struct task *t);
void group_exit_locked(struct thread_group *g, int wait_status);
/* t no longer takes signals: another thread is to look at the shared ones it might have. */
void signal_retarget_locked(struct task *t, u64 set);

/* Does info carry the sender's pid and uid, as kill's does (has_si_pid_and_uid)? */
bool signal_has_sender(const siginfo_t *info);
/* What a guest has made up for sender to send: its numbers become the sentry's. */
void signal_info_given(struct task *sender, siginfo_t *info);
/* What kill(2) and kin say of their sender. */
void signal_info_from(struct task *sender, int sig, int code, siginfo_t *info);
/* kill(2) to a process group: permission for at least one member. tasks_lock held. */
int signal_kill_pgrp_locked(struct task *sender, struct process_group *pg, const siginfo_t *info);

/* ---- signal_stop.c ------------------------------------------------------------ */

/* A stop signal arrives / SIGCONT arrives: siglock held. */
void stop_cancel_continue_locked(struct thread_group *g);
void stop_continue_locked(struct thread_group *g);
/* Death ends a stop. */
void stop_end_locked(struct thread_group *g);
/*
 * Of signal delivery, siglock held on entry and on return: t has taken stop signal sig, or
 * (sig 0) its group is stopping. It stands still until continued or killed (true), or need not,
 * or is traced, and has a stop of its own ahead (false).
 */
bool stop_enter_locked(struct task *t, int sig);
/* t takes part in its group's stop, or exits. True: that completes it, notify. */
must_check bool stop_participate_locked(struct task *t);

/* ---- signal_deliver.c --------------------------------------------------------- */

/* Takes a pending signal of set; siglock held. */
int signal_dequeue_locked(struct task *t, u64 set, siginfo_t *info);
