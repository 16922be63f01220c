/*
 * Who traces whom: attaching, letting go, and the end of either side (see
 * ptrace.h, and in Linux kernel/ptrace.c).
 */
#include "base/fiber.h"
#include "sentry/pid_ns.h"
#include "sentry/ptrace_internal.h"
#include "sentry/signal_internal.h"
#include "sentry/task_access.h"
#include "sentry/task_internal.h"
#include <bsd/sys/queue.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>

static void link_locked(struct task *t, struct task *tracer, u32 flags, u32 options)
{
	t->trace.flags = flags;
	t->trace.options = options;
	t->trace.tracer = tracer;
	TAILQ_INSERT_TAIL(&tracer->tracees, t, trace.link);
}

int ptrace_traceme(struct task *t)
{
	struct thread_group *g = t->group;
	{
		lock_guard(&kernel.tasks_lock);
		lock_guard(&g->siglock);
		if (t->trace.flags || !g->parent)
			return -EPERM;
		/* A parent that is just ending will not trace anybody; nor an init that waits for
		 * all others to be gone. */
		if (g->parent_task && !g->parent_task->exited && !(g->pid_ns && g->pid_ns->dead))
			link_locked(t, g->parent_task, PTRACE_TRACED, 0);
	}
	task_update_identity(t);
	return 0;
}

/* siglock held, and tasks_lock. */
static int attach_locked(struct task *t, struct task *tracee, u32 flags, u32 options)
{
	siginfo_t stop = {.si_signo = SIGSTOP, .si_code = SI_KERNEL};

	if (tracee->exited || tracee->trace.flags)
		return -EPERM;
	link_locked(tracee, t, flags, options);
	if (!(flags & PTRACE_SEIZED))
		(void)signal_send_locked(tracee->group, tracee, &stop, NULL);
	/* One that stands still with its group stops anew, for its tracer. */
	if (tracee->stopped) {
		tracee->trace.trap_stop = tracee->trace.trapping = true;
		tracee->stopped = false;
		signal_wake_locked(tracee);
	}
	return 0;
}

static bool is_trapping(struct task *tracee)
{
	lock_guard(&tracee->group->siglock);
	return tracee->trace.trapping;
}

/* The step from one stop to the other must not be seen. Bounded: the tracee has nothing else to do.
 */
static void wait_trapped(struct task *t, struct task *tracee)
{
	struct wait_fiber w;

	wait_fiber_init(&w);
	waitq_add(&t->group->child_waitq, &w.waiter, EPOLLIN);
	while (is_trapping(tracee) && !t->killed)
		fiber_park();
	waitq_remove(&t->group->child_waitq, &w.waiter);
}

int ptrace_attach(struct task *t, struct task *tracee, bool seize, u64 addr, u64 options)
{
	u32 flags = PTRACE_TRACED | (seize ? PTRACE_SEIZED : 0);
	int err;

	if (seize && (addr || (options & ~(u64)PTRACE_OPTIONS)))
		return -EIO;
	if (tracee->group == t->group || task_access(t, tracee))
		return -EPERM;
	{
		lock_guard(&kernel.tasks_lock);
		lock_guard(&tracee->group->siglock);
		err = attach_locked(t, tracee, flags, seize ? (u32)options : 0);
	}
	if (!err)
		wait_trapped(t, tracee);
	return err;
}

bool ptrace_reparented_locked(const struct task *t)
{
	return t->trace.tracer && t->trace.tracer->group != t->group->parent;
}

void ptrace_inherit_locked(struct task *t, struct task *child)
{
	if (!t->trace.flags)
		return;
	link_locked(child, t->trace.tracer, t->trace.flags, t->trace.options);
	if (t->trace.flags & PTRACE_SEIZED)
		child->trace.trap_stop = true;
	else
		child->pending.set |= SIGMASK(SIGSTOP);
	signal_wake_locked(child);
}

void ptrace_unlink_both_locked(struct task *t)
{
	struct tracee *tr = &t->trace;
	struct thread_group *g = t->group;

	if (!tr->flags)
		return;
	ptrace_trapped_locked(t);
	TAILQ_REMOVE(&tr->tracer->tracees, t, trace.link);
	tr->tracer = NULL;
	tr->flags = tr->options = 0;
	tr->calls = tr->emulate = tr->step = false;
	tr->trap_stop = tr->trap_notify = false;
	/* Its group may be stopped while it ran for its tracer: it joins. */
	if (!t->exiting && (g->stop_complete || g->stop_count))
		t->stop_pending = true;
	if (t->stop_pending || tr->stopped) {
		ptrace_wake_locked(t);
		signal_wake_locked(t);
	}
}

void ptrace_unlink_locked(struct task *t)
{
	lock_guard(&t->group->siglock);
	ptrace_unlink_both_locked(t);
}

/*
 * Lets go of p. A zombie that only its tracer could see becomes its parent's, or
 * goes (__ptrace_detach).
 */
static void let_go_locked(struct task *p)
{
	struct thread_group *g = p->group;
	bool reparented = ptrace_reparented_locked(p);

	ptrace_unlink_locked(p);
	if (!p->exited)
		return;
	if (p != g->leader)
		thread_release_locked(p);
	else if (g->state == GROUP_ZOMBIE)
		group_bequeath_locked(g, reparented);
}

int ptrace_detach(struct task *t, struct task *tracee, int sig)
{
	if (sig < 0 || sig > NSIG_MAX)
		return -EIO;
	lock_guard(&kernel.tasks_lock);
	{
		lock_guard(&tracee->group->siglock);
		if (tracee->trace.tracer != t || !tracee->trace.stopped || tracee->trace.listening)
			return -ESRCH;
		tracee->trace.code = sig;
	}
	let_go_locked(tracee);
	return 0;
}

void ptrace_tracer_exit_locked(struct task *t)
{
	siginfo_t kill = {.si_signo = SIGKILL, .si_code = SI_KERNEL};
	struct task *p, *next;

	TAILQ_FOREACH_SAFE (p, &t->tracees, trace.link, next) {
		if (p->trace.options & PTRACE_O_EXITKILL)
			(void)signal_send_task(p, &kill);
		let_go_locked(p);
	}
}
