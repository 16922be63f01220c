/*
 * System calls about a task's own signals: actions, masks, the alternate
 * stack, waiting, and the return from a handler.
 */
#include "base/fiber.h"
#include "fs/vfs/file.h"
#include "sentry/clock.h"
#include "sentry/signal_internal.h"
#include "sentry/syscall.h"
#include "base/timer.h"
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#define SIGSET_SIZE 8
/* UAPI_SA_FLAGS of x86-64: what sigaction shows of the flags it was given. */
#define SA_KNOWN                                                                                   \
	(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER |         \
	 SA_RESETHAND | 0x00000800u /* SA_EXPOSE_TAGBITS */ | KSA_RESTORER)
/* MINSIGSTKSZ of the kernel's ABI, which the C library's may exceed. */
#define MIN_ALTSTACK 2048

/* ---- actions -------------------------------------------------------------- */

s64 sys_rt_sigaction(struct task *t, const struct syscall_args *a)
{
	struct thread_group *g = t->group;
	int sig = arg_int(a, 0);
	bool set = !uptr_is_null(arg_ptr(a, 1)), get = !uptr_is_null(arg_ptr(a, 2));
	struct ksigaction fresh, old;
	if (arg_u64(a, 3) != SIGSET_SIZE)
		return -EINVAL;
	if (set && get_user(&fresh, arg_ptr(a, 1)) != 0)
		return -EFAULT;
	if (sig < 1 || sig > NSIG_MAX ||
	    (set && sig < SIGNAL_RT_MIN && (SIGMASK(sig) & SIG_KERNEL_ONLY)))
		return -EINVAL;
	if (set) {
		fresh.mask &= ~SIG_KERNEL_ONLY;
		fresh.flags &= SA_KNOWN;
	}
	{
		lock_guard(&g->siglock);
		{
			lock_guard(&g->sighand->lock);
			old = g->sighand->action[sig - 1];
			if (set)
				g->sighand->action[sig - 1] = fresh;
		}
		/* POSIX: to ignore a signal throws away those pending, blocked or not. */
		if (set && (fresh.handler == KSIG_IGN ||
		            (fresh.handler == KSIG_DFL && sig < SIGNAL_RT_MIN &&
		             (SIGMASK(sig) & SIGSET_IGNORE)))) {
			struct task *i;
			sigqueue_discard(&g->pending, SIGMASK(sig));
			TAILQ_FOREACH (i, &g->threads, thread_link)
				sigqueue_discard(&i->pending, SIGMASK(sig));
			signal_recalc_locked(t);
		}
	}
	if (get && put_user(arg_ptr(a, 2), &old) != 0)
		return -EFAULT;
	return 0;
}

/* ---- masks ---------------------------------------------------------------- */

s64 sys_rt_sigprocmask(struct task *t, const struct syscall_args *a)
{
	u64 set, old = t->blocked;
	if (arg_u64(a, 3) != SIGSET_SIZE)
		return -EINVAL;
	if (!uptr_is_null(arg_ptr(a, 1))) {
		if (get_user(&set, arg_ptr(a, 1)) != 0)
			return -EFAULT;
		switch (arg_int(a, 0)) {
		case SIG_BLOCK:
			set = old | set;
			break;
		case SIG_UNBLOCK:
			set = old & ~set;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		signal_set_blocked(t, set);
	}
	if (!uptr_is_null(arg_ptr(a, 2)) && put_user(arg_ptr(a, 2), &old) != 0)
		return -EFAULT;
	return 0;
}

s64 sys_rt_sigpending(struct task *t, const struct syscall_args *a)
{
	u64 set = signal_pending_set(t) & t->blocked;
	if (arg_u64(a, 1) > SIGSET_SIZE)
		return -EINVAL;
	return copy_out(arg_ptr(a, 0), &set, arg_u64(a, 1));
}

/* ---- waiting ---------------------------------------------------------------- */

static void wait_for_signal(void)
{
	while (fiber_sleep(NO_DEADLINE) == 0)
		;
}

s64 sys_pause(struct task *t unused_arg, const struct syscall_args *a unused_arg)
{
	wait_for_signal();
	return -ERESTARTNOHAND;
}

s64 sys_rt_sigsuspend(struct task *t, const struct syscall_args *a)
{
	u64 mask;
	if (arg_u64(a, 1) != SIGSET_SIZE)
		return -EINVAL;
	if (get_user(&mask, arg_ptr(a, 0)) != 0)
		return -EFAULT;
	signal_set_temporary_mask(t, mask);
	wait_for_signal();
	return -ERESTARTNOHAND;
}

/*
 * Takes a signal of set, waiting for it if need be. Signals that are not in
 * set and not blocked end the wait; those in set are taken here even if they are not
 * blocked, as Linux does.
 */
static int wait_take(struct task *t, u64 set, u64 deadline, siginfo_t *info)
{
	struct thread_group *g = t->group;
	struct wait_fiber w;
	int sig, err = 0;
	wait_fiber_init(&w);
	waitq_add(&g->signal_waitq, &w.waiter, EPOLLIN);
	while ((sig = signal_dequeue(t, set, info)) == 0 && !err)
		err = fiber_sleep(deadline);
	waitq_remove(&g->signal_waitq, &w.waiter);
	if (sig)
		return sig;
	return err == -ETIMEDOUT ? -EAGAIN : -EINTR;
}

s64 sys_rt_sigtimedwait(struct task *t, const struct syscall_args *a)
{
	u64 set, wait = NSEC_MAX, deadline = NO_DEADLINE;
	siginfo_t info;
	if (arg_u64(a, 3) != SIGSET_SIZE)
		return -EINVAL;
	if (get_user(&set, arg_ptr(a, 0)) != 0)
		return -EFAULT;
	if (!uptr_is_null(arg_ptr(a, 2))) {
		struct timespec ts;
		if (get_user(&ts, arg_ptr(a, 2)) != 0)
			return -EFAULT;
		int err = timespec_to_ns(&ts, &wait);
		if (err)
			return err;
	}
	u64 now = time_monotonic();
	if (wait < NSEC_MAX - now)
		deadline = now + wait;
	int sig = wait_take(t, set & ~SIG_KERNEL_ONLY, deadline, &info);
	if (sig > 0 && !uptr_is_null(arg_ptr(a, 1)) && put_user(arg_ptr(a, 1), &info) != 0)
		return -EFAULT;
	return sig;
}

/* ---- the alternate stack ----------------------------------------------------- */

static int set_altstack(struct task *t, const stack_t *ss, u64 sp, size_t min)
{
	u32 flags = (u32)ss->ss_flags, mode = flags & ~KSS_AUTODISARM;
	if (signal_on_altstack(t, sp))
		return -EPERM;
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		t->altstack = (stack_t){.ss_flags = ss->ss_flags};
		return 0;
	}
	if (ss->ss_size < min)
		return -ENOMEM;
	t->altstack = *ss;
	return 0;
}

s64 sys_sigaltstack(struct task *t, const struct syscall_args *a)
{
	u64 sp = platform_thread_regs(t->thread)->rsp;
	stack_t fresh, old;
	/* Padding of the structure is the guest's to see. */
	memset(&old, 0, sizeof(old));
	old.ss_sp = t->altstack.ss_sp;
	old.ss_size = t->altstack.ss_size;
	old.ss_flags = (int)((u32)t->altstack.ss_flags & KSS_AUTODISARM);
	if (t->altstack.ss_size == 0)
		old.ss_flags |= SS_DISABLE;
	else if (signal_on_altstack(t, sp))
		old.ss_flags |= SS_ONSTACK;
	if (!uptr_is_null(arg_ptr(a, 0))) {
		if (get_user(&fresh, arg_ptr(a, 0)) != 0)
			return -EFAULT;
		int err = set_altstack(t, &fresh, sp, MIN_ALTSTACK);
		if (err)
			return err;
	}
	if (!uptr_is_null(arg_ptr(a, 1)) && put_user(arg_ptr(a, 1), &old) != 0)
		return -EFAULT;
	return 0;
}

/* ---- the return from a handler ------------------------------------------------- */

s64 sys_rt_sigreturn(struct task *t, const struct syscall_args *a unused_arg)
{
	stack_t ss;
	u64 mask;
	int err = platform_frame_pop(t->thread, &mask, &ss);
	struct user_regs_struct *regs = platform_thread_regs(t->thread);
	if (err) {
		signal_force_simple(t, SIGSEGV, SI_KERNEL);
		regs->orig_rax = ~0ULL;
		return 0;
	}
	/* What the frame holds is whatever the guest has made of it; a bad stack is not set. */
	(void)set_altstack(t, &ss, regs->rsp, MIN_ALTSTACK);
	signal_set_blocked(t, mask);
	/* These are the interrupted code's registers: no result, and no call to restart. */
	regs->orig_rax = ~0ULL;
	return (s64)regs->rax;
}

s64 sys_restart_syscall(struct task *t, const struct syscall_args *a unused_arg)
{
	s64 (*fn)(struct task *) = t->restart.fn;
	t->restart.fn = NULL;
	return fn ? fn(t) : -EINTR;
}
