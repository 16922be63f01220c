/*
 * Taking and delivering signals: what stands between a task's call and its
 * return to guest code (kernel/signal.c get_signal, arch/x86/kernel/signal.c).
 *
 * A call that a signal has interrupted ends with one of the ERESTART codes in
 * rax; what becomes of it depends on whether a handler runs (signal(7),
 * 'Interruption of system calls'):
 *
 *	                       handler, SA_RESTART   handler   none
 *	ERESTARTSYS            again                 EINTR     again
 *	ERESTARTNOINTR         again                 again     again
 *	ERESTARTNOHAND         EINTR                 EINTR     again
 *	ERESTART_RESTARTBLOCK  EINTR                 EINTR     restart_syscall(2)
 *
 * 'Again' is what the hardware would do: the instruction pointer goes back over the two
 * bytes of the syscall instruction, with the number in rax.
 */
#include "base/fiber.h"
#include "fs/vfs/file.h"
#include "sentry/backtrace/report.h"
#include "sentry/mm.h"
#include "sentry/posix_timer.h"
#include "sentry/session.h"
#include "sentry/signal_internal.h"
#include <errno.h>
#include <sys/syscall.h>

struct delivery {
	int sig; /* 0: it is not by a signal that t has taken that it ends */
	siginfo_t info;
	struct ksigaction action;
};

enum taken { TAKEN_NONE, TAKEN_HANDLER, TAKEN_END };

int signal_dequeue_locked(struct task *t, u64 set, siginfo_t *info)
{
	struct thread_group *g = t->group;
	struct sigqueue_list *l = &t->pending;
	struct posix_timer *timer;
	int sig = sigset_first(l->set & set);
	if (!sig) {
		l = &g->pending;
		sig = sigset_first(l->set & set);
	}
	if (!sig)
		return 0;
	sigqueue_take(l, sig, info, &timer);
	if (timer)
		posix_timer_taken_locked(timer, info);
	if (sig < SIGNAL_RT_MIN && (SIGMASK(sig) & SIGSET_STOP))
		t->stop_dequeued = true;
	return sig;
}

int signal_dequeue(struct task *t, u64 set, siginfo_t *info)
{
	lock_guard(&t->group->siglock);
	int sig = signal_dequeue_locked(t, set, info);
	signal_recalc_locked(t);
	return sig;
}

/* The parent hears of what SIGCONT has done; siglock not held. */
static void pay_cld(struct thread_group *g)
{
	lock_guard(&kernel.tasks_lock);
	int code;
	{
		lock_guard(&g->siglock);
		code = g->cld_pending;
		g->cld_pending = 0;
	}
	if (!code)
		return;
	signal_notify_stop_locked(g, code, code == CLD_CONTINUED ? SIGCONT : SIGSTOP);
	if (ptrace_reparented_locked(g->leader))
		signal_notify_tracer_stop_locked(g->leader, code);
}

/* SIGTSTP and kin from a terminal would leave an orphaned group stopped for ever (POSIX). */
static bool stop_is_moot(struct thread_group *g, int sig)
{
	if (sig == SIGSTOP)
		return false;
	lock_guard(&kernel.tasks_lock);
	return pgrp_orphaned_locked(g->pgrp, NULL);
}

/* What a signal without a handler does. siglock held; true: t ends. */
static bool default_action_ends(struct task *t, int sig)
{
	struct thread_group *g = t->group;
	if (sig < SIGNAL_RT_MIN && (SIGMASK(sig) & SIGSET_IGNORE))
		return false;
	if (g->unkillable && !(SIGMASK(sig) & SIG_KERNEL_ONLY))
		return false;
	group_exit_locked(g, sig);
	return true;
}

/* siglock held on entry and on return, but not in between where t stops. */
static enum taken take(struct task *t, struct delivery *d)
{
	struct thread_group *g = t->group;
	for (;;) {
		d->sig = 0;
		if (t->killed)
			return TAKEN_END;
		if (g->cld_pending) {
			lock_release(&g->siglock);
			pay_cld(g);
			lock_acquire(&g->siglock);
			continue;
		}
		if (t->stop_pending && stop_enter_locked(t, 0))
			continue;
		if (t->trace.trap_stop || t->trace.trap_notify) {
			ptrace_trap_locked(t);
			continue;
		}
		d->sig = signal_dequeue_locked(t, ~t->blocked, &d->info);
		if (!d->sig)
			return TAKEN_NONE;
		if (t->trace.flags && d->sig != SIGKILL)
			d->sig = ptrace_signal_locked(t, d->sig, &d->info);
		if (!d->sig)
			continue;
		d->action = sighand_get(g->sighand, d->sig);
		if (d->action.handler == KSIG_IGN)
			continue;
		if (d->action.handler != KSIG_DFL) {
			if (d->action.flags & SA_RESETHAND) {
				lock_guard(&g->sighand->lock);
				g->sighand->action[d->sig - 1].handler = KSIG_DFL;
			}
			return TAKEN_HANDLER;
		}
		if (d->sig < SIGNAL_RT_MIN && (SIGMASK(d->sig) & SIGSET_STOP)) {
			lock_release(&g->siglock);
			bool moot = stop_is_moot(g, d->sig);
			lock_acquire(&g->siglock);
			if (moot || (g->unkillable && d->sig != SIGSTOP))
				continue;
			stop_enter_locked(t, d->sig);
			continue;
		}
		if (default_action_ends(t, d->sig))
			return TAKEN_END;
	}
}

/* ---- the interrupted call ---------------------------------------------- */

static void run_again(struct task *t, struct user_regs_struct *regs, u64 nr)
{
	regs->rax = nr;
	regs->rip -= 2;
	platform_thread_regs_changed(t->thread);
}

static void resolve_with_handler(struct task *t, const struct ksigaction *a)
{
	struct user_regs_struct *regs = platform_thread_regs(t->thread);
	switch (-(s64)regs->rax) {
	case ERESTART_RESTARTBLOCK:
	case ERESTARTNOHAND:
		regs->rax = (u64)-EINTR;
		break;
	case ERESTARTSYS:
		if (!(a->flags & SA_RESTART)) {
			regs->rax = (u64)-EINTR;
			break;
		}
		/* fall through */
	case ERESTARTNOINTR:
		run_again(t, regs, regs->orig_rax);
		break;
	}
}

static void resolve_without_handler(struct task *t)
{
	struct user_regs_struct *regs = platform_thread_regs(t->thread);
	switch (-(s64)regs->rax) {
	case ERESTARTSYS:
	case ERESTARTNOHAND:
	case ERESTARTNOINTR:
		run_again(t, regs, regs->orig_rax);
		break;
	case ERESTART_RESTARTBLOCK:
		run_again(t, regs, SYS_restart_syscall);
		break;
	}
}

/* ---- the handler's frame ------------------------------------------------- */

static bool within(const stack_t *ss, u64 sp)
{
	u64 base = (u64)ss->ss_sp;
	return sp > base && sp - base <= ss->ss_size;
}

bool signal_on_altstack(const struct task *t, u64 sp)
{
	/* A disarmed stack cannot be told from one not in use (sigaltstack(2)). */
	if (t->altstack.ss_size == 0 || ((u32)t->altstack.ss_flags & KSS_AUTODISARM))
		return false;
	return within(&t->altstack, sp);
}

/* At least what a frame takes besides the FPU state (struct rt_sigframe, alignment). */
#define FRAME_SIZE 1024

static int push_frame(struct task *t, const struct delivery *d, u64 saved_mask)
{
	struct user_regs_struct *regs = platform_thread_regs(t->thread);
	bool nested = signal_on_altstack(t, regs->rsp), entering = false;
	struct signal_frame f = {
	    .signo = d->sig,
	    .info = d->info,
	    .handler = d->action.handler,
	    .restorer = d->action.restorer,
	    .sp = regs->rsp - 128,
	    .mask = saved_mask,
	    .altstack = t->altstack,
	    .trapno = t->trap.trapno,
	    .error_code = t->trap.error_code,
	    .cr2 = t->trap.cr2,
	};
	stack_t alt = t->altstack;
	if ((d->action.flags & SA_ONSTACK) && !nested && alt.ss_size) {
		f.sp = (u64)alt.ss_sp + alt.ss_size;
		entering = true;
	}
	/* x86-64 has no other way back: a frame without a restorer is refused. */
	if (!(d->action.flags & KSA_RESTORER))
		return -EFAULT;
	int err = platform_frame_push(t->thread, &f);
	/* The stack may have to grow for it, as it would under the kernel's own stores. */
	if (err && mm_fault_user(t, f.sp - platform_xstate_size() - FRAME_SIZE))
		err = platform_frame_push(t->thread, &f);
	if (err)
		return err;
	/* A frame that ran off the alternate stack has overwritten something else. */
	if ((nested || entering) && !within(&alt, platform_thread_regs(t->thread)->rsp))
		return -EFAULT;
	if ((u32)t->altstack.ss_flags & KSS_AUTODISARM)
		t->altstack = (stack_t){.ss_flags = SS_DISABLE};
	return 0;
}

/* False: the handler cannot be entered. */
static bool handle(struct task *t, const struct delivery *d)
{
	struct thread_group *g = t->group;
	u64 saved;
	{
		lock_guard(&g->siglock);
		saved = t->restore_mask ? t->saved_mask : t->blocked;
	}
	if (push_frame(t, d, saved) != 0) {
		/* A SIGSEGV handler that cannot be entered is not tried again. */
		if (d->sig == SIGSEGV) {
			lock_guard(&g->sighand->lock);
			g->sighand->action[SIGSEGV - 1].handler = KSIG_DFL;
		}
		signal_force_simple(t, SIGSEGV, SI_KERNEL);
		return false;
	}
	t->restart.fn = NULL;
	lock_guard(&g->siglock);
	t->restore_mask = false;
	u64 block = d->action.mask;
	if (!(d->action.flags & SA_NODEFER))
		block |= SIGMASK(d->sig);
	t->blocked = (t->blocked | block) & ~SIG_KERNEL_ONLY;
	signal_recalc_locked(t);
	return true;
}

/*
 * Is there a call whose interruption is to be resolved? A tracer may have taken that away, or
 * brought back registers that it once saved.
 */
static bool in_call(struct task *t)
{
	return (s64)platform_thread_regs(t->thread)->orig_rax >= 0;
}

bool signal_deliver(struct task *t)
{
	bool in_syscall;
	struct thread_group *g = t->group;
	struct delivery d;
	for (;;) {
		lock_acquire(&g->siglock);
		enum taken what = take(t, &d);
		signal_recalc_locked(t);
		bool restore = t->restore_mask;
		lock_release(&g->siglock);
		if (what == TAKEN_END) {
			if (d.sig && d.sig < SIGNAL_RT_MIN && (SIGMASK(d.sig) & SIGSET_CORE))
				backtrace_report(t, &d.info);
			return false;
		}
		in_syscall = in_call(t);
		if (what == TAKEN_HANDLER) {
			if (in_syscall)
				resolve_with_handler(t, &d.action);
			if (handle(t, &d))
				ptrace_stepped(t);
		} else if (restore) {
			/* No handler had it: the call's own mask ends here, which may let more in.
			 */
			if (in_syscall)
				resolve_without_handler(t);
			signal_restore_mask(t);
		} else {
			break;
		}
	}
	if (in_syscall)
		resolve_without_handler(t);
	return true;
}

void signal_from_fault(struct task *t, const struct event *ev)
{
	siginfo_t info = {.si_signo = ev->fault.signo, .si_code = ev->fault.code};
	info.si_addr = (void *)ev->fault.addr;
	t->trap.trapno = ev->fault.trapno;
	t->trap.error_code = ev->fault.error_code;
	t->trap.cr2 = ev->fault.cr2;
	signal_force(t, &info);
}
