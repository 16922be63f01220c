/*
 * The stops of a traced task: see ptrace.h, and in Linux kernel/signal.c
 * (ptrace_stop, ptrace_signal, do_jobctl_trap) and include/linux/ptrace.h.
 *
 * Two things can be stopped at once and do not touch each other: the group, of
 * which the parent hears (signal_stop.c), and each traced thread, of which its
 * tracer does. A traced thread takes part in its group's stop by a stop of its own.
 */
#include "base/fiber.h"
#include "sentry/ptrace_internal.h"
#include "sentry/signal_internal.h"
#include "sentry/task_internal.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>

static void finish_call_locked(struct task *t, struct ptrace_call *c)
{
	t->trace.call = NULL;
	c->done = true;
	fiber_unpark(c->tracer);
}

/* Stands still and serves the tracer. Returns with the siglock held. */
static void stand_still(struct task *t)
{
	struct tracee *tr = &t->trace;
	struct lock *siglock = &t->group->siglock;

	for (;;) {
		lock_acquire(siglock);
		struct ptrace_call *c = tr->call;
		if (!tr->stopped || t->killed) {
			if (c) {
				c->result = -ESRCH;
				finish_call_locked(t, c);
			}
			return;
		}
		lock_release(siglock);
		if (!c) {
			fiber_park();
			continue;
		}
		c->result = c->fn(t, c);
		lock_acquire(siglock);
		finish_call_locked(t, c);
		lock_release(siglock);
	}
}

/* The tracer hears of every stop, the parent only of one that completes the group's. */
static void tell(struct task *t, int why, bool complete)
{
	struct thread_group *g = t->group;

	lock_guard(&kernel.tasks_lock);
	if (t->trace.flags)
		signal_notify_tracer_stop_locked(t, why);
	if (complete && (!t->trace.flags || ptrace_reparented_locked(t)))
		signal_notify_stop_locked(g, CLD_STOPPED, g->stop_signal);
}

/*
 * Stops. The signal that the tracer has it go on with, or -1 if it has not
 * stopped: nobody traces it, or it is to die.
 */
static int ptrace_stop_locked(struct task *t, int code, int why, u64 message, siginfo_t *info)
{
	struct tracee *tr = &t->trace;
	struct thread_group *g = t->group;
	bool complete = false;

	lock_release(&g->siglock);
	task_settle(t);
	lock_acquire(&g->siglock);
	if (!tr->flags || t->killed)
		return -1;
	tr->stopped = true;
	tr->code = code;
	tr->message = message;
	tr->info = info;
	if (why == CLD_STOPPED)
		complete = stop_participate_locked(t);
	tr->trap_stop = false;
	if (info && info->si_code >> 8 == PTRACE_EVENT_STOP)
		tr->trap_notify = false;
	ptrace_trapped_locked(t);
	lock_release(&g->siglock);
	tell(t, why, complete);
	stand_still(t);
	tr->stopped = tr->listening = false;
	tr->info = NULL;
	tr->message = 0;
	code = tr->code;
	tr->code = 0;
	signal_recalc_locked(t);
	lock_release(&g->siglock);
	/* A traced task's calls must all be seen; one that is traced no more has that back. */
	task_update_identity(t);
	lock_acquire(&g->siglock);
	return code;
}

/* A stop with information of its own making. */
static int notify_locked(struct task *t, int sig, int code, int why, u64 message)
{
	siginfo_t info;

	signal_info_from(t, sig, code, &info);
	info.si_pid = t->own_tid;
	return ptrace_stop_locked(t, code, why, message, &info);
}

static int ptrace_notify(struct task *t, int code, u64 message)
{
	lock_guard(&t->group->siglock);
	return notify_locked(t, SIGTRAP, code, CLD_TRAPPED, message);
}

/* ---- calls and steps ---------------------------------------------------------- */

bool ptrace_watches_calls(const struct task *t)
{
	return t->trace.calls || t->trace.emulate || t->trace.step;
}

static void call_stop(struct task *t, u64 message)
{
	bool good = t->trace.options & PTRACE_O_TRACESYSGOOD;
	int sig = ptrace_notify(t, SIGTRAP | (good ? 0x80 : 0), message);
	siginfo_t info = {.si_signo = sig, .si_code = SI_KERNEL};

	/* Not quite as at a signal's stop: it comes as if just sent. */
	if (sig > 0 && sig <= NSIG_MAX)
		(void)signal_send_task(t, &info);
}

bool ptrace_call_enter(struct task *t)
{
	bool emulate = t->trace.emulate;

	if (!t->trace.calls && !emulate)
		return true;
	call_stop(t, PTRACE_MESSAGE_ENTRY);
	return !emulate && !t->killed;
}

void ptrace_call_exit(struct task *t)
{
	if (t->trace.emulate)
		return;
	if (t->trace.step) {
		siginfo_t info = {.si_signo = SIGTRAP, .si_code = TRAP_BRKPT};
		info.si_addr = (void *)platform_thread_regs(t->thread)->rip;
		signal_force(t, &info);
	} else if (t->trace.calls) {
		call_stop(t, PTRACE_MESSAGE_EXIT);
	}
}

void ptrace_stepped(struct task *t)
{
	if (!t->trace.step)
		return;
	t->trace.step = false;
	ptrace_notify(t, SIGTRAP, 0);
}

/* ---- events ---------------------------------------------------------------------- */

bool ptrace_event_enabled(const struct task *t, int event)
{
	return t->trace.flags && (t->trace.options & 1u << event);
}

void ptrace_event(struct task *t, int event, u64 message)
{
	if (ptrace_event_enabled(t, event))
		ptrace_notify(t, event << 8 | SIGTRAP, message);
}

void ptrace_exec(struct task *t, s32 old_tid)
{
	siginfo_t info = {.si_signo = SIGTRAP, .si_code = SI_USER};

	if (ptrace_event_enabled(t, PTRACE_EVENT_EXEC)) {
		ptrace_event(t, PTRACE_EVENT_EXEC, (u64)old_tid);
	} else if (t->trace.flags == PTRACE_TRACED) {
		/* Without the option, what tracers have always been given. */
		signal_info_from(t, SIGTRAP, SI_USER, &info);
		(void)signal_send_task(t, &info);
	}
}

/* ---- signals ------------------------------------------------------------------- */

int ptrace_signal_locked(struct task *t, int sig, siginfo_t *info)
{
	struct task *tracer;
	int next;

	/* Whatever the tracer makes of it: it may become a stop, unless SIGCONT comes first. */
	t->stop_dequeued = true;
	next = ptrace_stop_locked(t, sig, CLD_TRAPPED, 0, info);
	if (next < 0)
		return sig;
	/* After a tracer's sudden end the code may be of another kind. */
	if (next == 0 || next > NSIG_MAX)
		return 0;
	tracer = t->trace.tracer;
	if (next != info->si_signo) {
		if (tracer)
			signal_info_from(tracer, next, SI_USER, info);
		else
			*info = (siginfo_t){.si_signo = next, .si_code = SI_USER};
	}
	if (t->blocked & SIGMASK(next)) {
		(void)signal_send_locked(t->group, t, info, NULL);
		return 0;
	}
	return next;
}

void ptrace_trap_locked(struct task *t)
{
	struct thread_group *g = t->group;
	int sig = t->stop_sig ? t->stop_sig : SIGSTOP;

	if (!(t->trace.flags & PTRACE_SEIZED)) {
		if (ptrace_stop_locked(t, sig, CLD_STOPPED, 0, NULL) >= 0)
			return;
	} else {
		if (!g->stop_count && !g->stop_complete)
			sig = SIGTRAP;
		if (notify_locked(t, sig, sig | PTRACE_EVENT_STOP << 8, CLD_STOPPED, 0) >= 0)
			return;
	}
	t->trace.trap_stop = t->trace.trap_notify = false;
}

void ptrace_trap_notify_locked(struct task *t)
{
	t->trace.trap_notify = true;
	if (t->trace.listening)
		ptrace_wake_locked(t);
	signal_wake_locked(t);
}

void ptrace_wake_locked(struct task *t)
{
	t->trace.stopped = false;
	t->trace.listening = false;
	if (t->fiber)
		fiber_unpark(t->fiber);
}

void ptrace_trapped_locked(struct task *t)
{
	if (!t->trace.trapping)
		return;
	t->trace.trapping = false;
	if (t->trace.tracer)
		waitq_wake(&t->trace.tracer->group->child_waitq, EPOLLIN);
}
