/*
 * Signal masks, and the interrupt flag that is kept in step with them.
 */
#include "base/fiber.h"
#include "sentry/signal_internal.h"

static bool pending_locked(const struct task *t)
{
	const struct thread_group *g = t->group;
	return t->killed || ((t->pending.set | g->pending.set) & ~t->blocked) || g->cld_pending ||
	       t->stop_pending || t->trace.trap_stop || t->trace.trap_notify;
}

bool signal_pending(struct task *t)
{
	return fiber_interrupted(t->fiber);
}

void signal_recalc_locked(struct task *t)
{
	if (!t->fiber)
		return;
	if (pending_locked(t))
		fiber_interrupt(t->fiber);
	else if (t == task_self())
		/* Others may only set the flag: t may be about to act upon it. */
		fiber_clear_interrupt(t->fiber);
}

static void set_blocked_locked(struct task *t, u64 mask)
{
	mask &= ~SIG_KERNEL_ONLY;
	/* What t now blocks may have been its to take: another thread can have it. */
	signal_retarget_locked(t, mask & ~t->blocked);
	t->blocked = mask;
	signal_recalc_locked(t);
}

void signal_set_blocked(struct task *t, u64 mask)
{
	lock_guard(&t->group->siglock);
	set_blocked_locked(t, mask);
}

void signal_set_temporary_mask(struct task *t, u64 mask)
{
	lock_guard(&t->group->siglock);
	t->saved_mask = t->blocked;
	t->restore_mask = true;
	set_blocked_locked(t, mask);
}

void signal_restore_mask(struct task *t)
{
	lock_guard(&t->group->siglock);
	if (!t->restore_mask)
		return;
	t->restore_mask = false;
	set_blocked_locked(t, t->saved_mask);
}

u64 signal_pending_set(struct task *t)
{
	lock_guard(&t->group->siglock);
	return t->pending.set | t->group->pending.set;
}
