/*
 * Sending signals: may it be sent, is it ignored, into which queue does it go,
 * and which thread is to look at it. Follows kernel/signal.c (__send_signal_locked,
 * complete_signal, prepare_signal) step by step, because what programs rely on
 * lies in the corners.
 *
 * A thread 'looks' because its fiber's interrupt flag is set, which ends interruptible
 * waits in the sentry, and because the platform makes running guest code stop. Both happen
 * under the siglock, as does the end of the fiber: neither can be reached once it is gone.
 */
#include "base/bug.h"
#include "base/cred.h"
#include "base/fiber.h"
#include "sentry/pid_ns.h"
#include "sentry/signal_internal.h"
#include <errno.h>
#include <linux/capability.h>
#include <sys/epoll.h>

void signal_wake_locked(struct task *t)
{
	if (!t->fiber)
		return;
	fiber_interrupt(t->fiber);
	if (t->thread)
		platform_thread_interrupt(t->thread);
}

void signal_retarget_locked(struct task *t, u64 set)
{
	struct thread_group *g = t->group;
	struct task *i;
	u64 left = g->pending.set & set;
	TAILQ_FOREACH (i, &g->threads, thread_link) {
		if (!left)
			return;
		if (i == t || i->exiting || !(left & ~i->blocked))
			continue;
		left &= i->blocked;
		if (i->fiber && !fiber_interrupted(i->fiber))
			signal_wake_locked(i);
	}
}

static bool action_ignores(const struct ksigaction *a, int sig)
{
	return a->handler == KSIG_IGN ||
	       (a->handler == KSIG_DFL &&
	        (SIGMASK(sig) & (sig < SIGNAL_RT_MIN ? SIGSET_IGNORE : 0)));
}

bool signal_is_ignored_locked(struct thread_group *g, struct task *t, int sig, bool force)
{
	/* What is blocked may get a handler before it is unblocked. */
	if (t && (t->blocked & SIGMASK(sig)) && sig != SIGKILL)
		return false;
	/* A tracer may want to know even of what is ignored. */
	if (t && t->trace.flags && sig != SIGKILL)
		return false;
	struct ksigaction a = sighand_get(g->sighand, sig);
	if (g->unkillable && a.handler == KSIG_DFL && !(force && (SIGMASK(sig) & SIG_KERNEL_ONLY)))
		return true;
	return action_ignores(&a, sig);
}

/* The thread by whose mask a signal to the whole group is judged. */
static struct task *group_main(struct thread_group *g)
{
	struct task *t = g->leader;
	if (t && !t->exiting)
		return t;
	TAILQ_FOREACH (t, &g->threads, thread_link)
		if (!t->exiting)
			return t;
	return g->leader;
}

static bool wants(const struct task *t, int sig)
{
	if (t->exiting || (t->blocked & SIGMASK(sig)))
		return false;
	if (sig == SIGKILL)
		return true;
	return !t->stopped && !t->trace.stopped && t->fiber && !fiber_interrupted(t->fiber);
}

void group_exit_locked(struct thread_group *g, int wait_status)
{
	struct task *t;
	if (!g->group_exiting) {
		g->group_exiting = true;
		g->group_exit_status = wait_status;
	}
	/* Whoever stands still must go on to its end. */
	stop_end_locked(g);
	g->cld_pending = 0;
	TAILQ_FOREACH (t, &g->threads, thread_link) {
		t->killed = true;
		if (t->thread)
			platform_thread_doom(t->thread);
		signal_wake_locked(t);
	}
}

void group_exit_start(struct thread_group *g, int wait_status)
{
	lock_guard(&g->siglock);
	group_exit_locked(g, wait_status);
}

/* Would sig end the process if it were taken now? */
static bool is_fatal(struct thread_group *g, int sig)
{
	struct ksigaction a = sighand_get(g->sighand, sig);
	if (a.handler != KSIG_DFL)
		return false;
	return sig >= SIGNAL_RT_MIN || !(SIGMASK(sig) & (SIGSET_IGNORE | SIGSET_STOP));
}

/* Finds a thread to take what has just been queued, and wakes it. */
static void complete(struct thread_group *g, struct task *t, int sig)
{
	struct task *main = t ? t : group_main(g), *taker = NULL;
	if (!main)
		return;
	if (wants(main, sig)) {
		taker = main;
	} else if (!t) {
		struct task *i;
		TAILQ_FOREACH (i, &g->threads, thread_link) {
			if (wants(i, sig)) {
				taker = i;
				break;
			}
		}
	}
	if (!taker) {
		/*
		 * Every thread that could take it is already on its way to its signals and
		 * will see this one too; it may have been judged unwilling for that alone.
		 */
		return;
	}
	/* A signal that ends all without a core need not wait for its taker to find that out. */
	if (is_fatal(g, sig) && !g->group_exiting && (sig == SIGKILL || !main->trace.flags) &&
	    (sig >= SIGNAL_RT_MIN || !(SIGMASK(sig) & SIGSET_CORE))) {
		group_exit_locked(g, sig);
		return;
	}
	signal_wake_locked(taker);
}

/* Side effects of job control, which happen whether or not the signal is then ignored. */
static void prepare(struct thread_group *g, int sig)
{
	if (sig < SIGNAL_RT_MIN && (SIGMASK(sig) & SIGSET_STOP))
		stop_cancel_continue_locked(g);
	else if (sig == SIGCONT)
		stop_continue_locked(g);
}

bool signal_has_sender(const siginfo_t *info)
{
	if (info->si_code < 0)
		return info->si_code != SI_TIMER && info->si_code != SI_SIGIO;
	return info->si_code == SI_USER || (info->si_signo == SIGCHLD && info->si_code < SI_KERNEL);
}

/* The sender as the receiver is to see it: 0 where it is not in the receiver's pid namespace. */
static void show_sender(struct thread_group *g, const struct task *judge, siginfo_t *info)
{
	if (!signal_has_sender(info))
		return;
	info->si_pid = pid_ns_out(g->pid_ns, info->si_pid);
	info->si_uid = user_ns_uid_show(judge->caller.cred->user_ns, info->si_uid);
}

int signal_send_locked(struct thread_group *g, struct task *t, const siginfo_t *sent,
                       struct sigqueue_entry *entry)
{
	siginfo_t seen = *sent, *info = &seen;
	int sig = info->si_signo;
	struct sigqueue_list *l = t ? &t->pending : &g->pending;
	struct task *judge = t ? t : group_main(g);
	bool force;
	if (g->state == GROUP_DEAD || !judge || judge->exiting)
		return 0;
	if (g->group_exiting)
		return 0;
	show_sender(g, judge, info);
	/* From the kernel, or from outside the sandbox or pid namespace: init cannot refuse it. */
	force = info->si_code == SI_KERNEL || (signal_has_sender(info) && info->si_pid == 0);
	prepare(g, sig);
	if (signal_is_ignored_locked(g, judge, sig, force))
		return entry ? 1 : 0;
	if (sig < SIGNAL_RT_MIN && (l->set & SIGMASK(sig)))
		return entry ? 1 : 0;
	if (sig == SIGKILL) {
		/* No queue entry can be read by anyone; it only has to be acted upon. */
		complete(g, t, sig);
		return 0;
	}
	if (entry) {
		sigqueue_push_entry(l, entry);
	} else {
		u64 limit;
		{
			lock_guard(&g->limits_lock);
			limit = g->limits[RLIMIT_SIGPENDING].rlim_cur;
		}
		bool may_exceed = sig < SIGNAL_RT_MIN && info->si_code >= 0;
		/* kill(2) may not pile up entries either, beyond one for each standard signal. */
		if (sigqueue_push(l, info, judge->caller.cred->uid, limit, may_exceed) != 0) {
			if (sig >= SIGNAL_RT_MIN && info->si_code != SI_USER)
				return -EAGAIN;
			l->set |= SIGMASK(sig);
		}
	}
	/* signalfd and sigtimedwait look for themselves. */
	waitq_wake(&g->signal_waitq, EPOLLIN);
	complete(g, t, sig);
	return 0;
}

int signal_send_group(struct thread_group *g, const siginfo_t *info)
{
	lock_guard(&g->siglock);
	return signal_send_locked(g, NULL, info, NULL);
}

int signal_send_task(struct task *t, const siginfo_t *info)
{
	lock_guard(&t->group->siglock);
	return signal_send_locked(t->group, t, info, NULL);
}

int signal_send_pgrp(struct process_group *pg, const siginfo_t *info)
{
	struct thread_group *g;
	int result = -ESRCH;
	TAILQ_FOREACH (g, &pg->members, pgrp_link) {
		int err = signal_send_group(g, info);
		/* One that took it makes the whole a success (__kill_pgrp_info). */
		if (result != 0)
			result = err;
	}
	return result;
}

void signal_send_group_simple(struct thread_group *g, int sig, int code)
{
	siginfo_t info = {.si_signo = sig, .si_code = code};
	(void)signal_send_group(g, &info);
}

void signal_force(struct task *t, const siginfo_t *info)
{
	struct thread_group *g = t->group;
	int sig = info->si_signo;
	lock_guard(&g->siglock);
	{
		lock_guard(&g->sighand->lock);
		struct ksigaction *a = &g->sighand->action[sig - 1];
		if ((t->blocked & SIGMASK(sig)) || a->handler == KSIG_IGN)
			*a = (struct ksigaction){.handler = KSIG_DFL};
		/* Nothing can go on after a fault: not even an init may ignore it. */
		if (a->handler == KSIG_DFL && !t->trace.flags)
			g->unkillable = false;
	}
	t->blocked &= ~SIGMASK(sig);
	(void)signal_send_locked(g, t, info, NULL);
	signal_recalc_locked(t);
}

void signal_force_simple(struct task *t, int sig, int code)
{
	siginfo_t info = {.si_signo = sig, .si_code = code};
	signal_force(t, &info);
}

int signal_permission(struct task *sender, struct thread_group *target, int sig)
{
	const struct cred *c = sender->caller.cred;
	bool same_session, may;
	u32 uid, suid;
	if (target == sender->group)
		return 0;
	{
		lock_guard(&target->siglock);
		const struct cred *tc = target->leader->caller.cred;
		uid = tc->uid;
		suid = tc->suid;
		may = cred_has_cap_in(c, tc->user_ns, CAP_KILL);
	}
	if (c->euid == suid || c->euid == uid || c->uid == suid || c->uid == uid)
		return 0;
	if (may)
		return 0;
	if (sig != SIGCONT)
		return -EPERM;
	/* A shell may continue its jobs whoever they have become. tasks_lock held by the caller. */
	same_session = target->pgrp && sender->group->pgrp &&
	               target->pgrp->session == sender->group->pgrp->session;
	return same_session ? 0 : -EPERM;
}

/* ---- news of a child --------------------------------------------------- */

static void fill_times(const struct rusage *r, siginfo_t *info)
{
	info->si_utime = (clock_t)(r->ru_utime.tv_sec * 100 + r->ru_utime.tv_usec / 10000);
	info->si_stime = (clock_t)(r->ru_stime.tv_sec * 100 + r->ru_stime.tv_usec / 10000);
}

static void child_info(struct thread_group *child, int sig, int code, int status, siginfo_t *info)
{
	*info = (siginfo_t){.si_signo = sig, .si_code = code};
	info->si_pid = child->pid;
	info->si_uid = task_uid(child->leader);
	info->si_status = status;
	fill_times(&child->rusage, info);
}

/*
 * What clone(2) was given to be sent at the end need not be a signal; Linux then sends none
 * (kernel/signal.c do_notify_parent).
 */
static bool is_signal(int sig)
{
	return sig > 0 && sig <= NSIG_MAX;
}

bool signal_notify_exit_locked(struct thread_group *child)
{
	struct thread_group *parent = child->parent;
	int sig = child->exit_signal, status = child->exit_status;
	bool autoreap = false;
	siginfo_t info;
	if (!parent)
		return false;
	int code = status & 0x7f ? CLD_KILLED : CLD_EXITED;
	int value = status & 0x7f ? status & 0x7f : (status >> 8) & 0xff;
	if (sig != SIGCHLD && child->parent_exec_id != parent->exec_id)
		sig = SIGCHLD;
	child_info(child, sig, code, value, &info);
	{
		lock_guard(&parent->siglock);
		struct ksigaction a = sighand_get(parent->sighand, SIGCHLD);
		if (sig == SIGCHLD && (a.handler == KSIG_IGN || (a.flags & SA_NOCLDWAIT))) {
			/*
			 * POSIX leaves the signal under SA_NOCLDWAIT open; Linux sends it
			 * (wait(2), NOTES), but not to a parent that ignores it.
			 */
			autoreap = true;
			if (a.handler == KSIG_IGN)
				sig = 0;
		}
		if (is_signal(sig))
			(void)signal_send_locked(parent, NULL, &info, NULL);
	}
	waitq_wake(&parent->child_waitq, EPOLLIN);
	return autoreap;
}

/* Unless it does not care for stops. Whoever waits for them does so without the signal, too. */
static void tell_of_stop(struct thread_group *g, const siginfo_t *info)
{
	{
		lock_guard(&g->siglock);
		struct ksigaction a = sighand_get(g->sighand, SIGCHLD);
		if (a.handler != KSIG_IGN && !(a.flags & SA_NOCLDSTOP))
			(void)signal_send_locked(g, NULL, info, NULL);
	}
	waitq_wake(&g->child_waitq, EPOLLIN);
}

void signal_notify_stop_locked(struct thread_group *child, int code, int status)
{
	siginfo_t info;
	if (!child->parent)
		return;
	child_info(child, SIGCHLD, code, status, &info);
	tell_of_stop(child->parent, &info);
}

/* ---- news of a tracee ----------------------------------------------------- */

static void tracee_info(struct task *t, int sig, int code, int status, siginfo_t *info)
{
	*info = (siginfo_t){.si_signo = sig, .si_code = code};
	info->si_pid = t->tid;
	info->si_status = status;
	lock_guard(&t->group->siglock);
	info->si_uid = t->caller.cred->uid;
	fill_times(&t->used, info);
}

void signal_notify_tracer_stop_locked(struct task *t, int why)
{
	siginfo_t info;
	int status = why == CLD_CONTINUED ? SIGCONT : t->trace.code & 0x7f;
	if (!t->trace.tracer)
		return;
	tracee_info(t, SIGCHLD, why, status, &info);
	tell_of_stop(t->trace.tracer->group, &info);
}

void signal_notify_tracer_exit_locked(struct task *t, int sig)
{
	struct thread_group *g = t->trace.tracer->group;
	int status = t->group->group_exiting ? t->group->group_exit_status : t->exit_code;
	siginfo_t info;
	tracee_info(t, sig, status & 0x7f ? CLD_KILLED : CLD_EXITED,
	            status & 0x7f ? status & 0x7f : status >> 8 & 0xff, &info);
	{
		lock_guard(&g->siglock);
		struct ksigaction a = sighand_get(g->sighand, SIGCHLD);
		/* A tracee's zombie waits for its tracer even if that ignores SIGCHLD. */
		if (is_signal(sig) && !(sig == SIGCHLD && a.handler == KSIG_IGN))
			(void)signal_send_locked(g, NULL, &info, NULL);
	}
	waitq_wake(&g->child_waitq, EPOLLIN);
}
