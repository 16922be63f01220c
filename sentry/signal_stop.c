/*
 * Job control: stopping and continuing a process.
 *
 * A group is stopping while stop_count, the number of threads that have not
 * stopped yet, is not zero; when that reaches zero it is stopped, and the parent is
 * told. A stopped thread is a parked fiber between two runs of its guest code. SIGCONT,
 * whatever happens to it otherwise, ends the stop (signal(7), 'Standard signals';
 * kernel/signal.c do_signal_stop, prepare_signal).
 *
 * A traced thread takes part by a ptrace-stop (ptrace.c). Its tracer may let it run
 * while the group is stopped; then a further stop signal starts a stop of those that run.
 */
#include "base/fiber.h"
#include "sentry/signal_internal.h"

/* Drops what is in mask from every queue of the group. */
static void discard_everywhere(struct thread_group *g, u64 mask)
{
	struct task *t;
	sigqueue_discard(&g->pending, mask);
	TAILQ_FOREACH (t, &g->threads, thread_link)
		sigqueue_discard(&t->pending, mask);
}

void stop_cancel_continue_locked(struct thread_group *g)
{
	discard_everywhere(g, SIGMASK(SIGCONT));
}

/* t no longer has to stop with its group. */
static void forget_stop(struct task *t)
{
	t->stop_pending = t->stop_counted = t->stop_dequeued = false;
}

void stop_continue_locked(struct thread_group *g)
{
	struct task *t;
	discard_everywhere(g, SIGSET_STOP);
	TAILQ_FOREACH (t, &g->threads, thread_link) {
		forget_stop(t);
		if (t->trace.flags & PTRACE_SEIZED)
			ptrace_trap_notify_locked(t);
		else
			t->stopped = false;
		/* The first one that looks pays the debt of cld_pending. */
		if (g->stop_signal && !t->exiting)
			signal_wake_locked(t);
	}
	if (!g->stop_signal)
		return;
	/* If it had not quite stopped the parent hears of the stop that almost was. */
	g->cld_pending = g->stop_complete ? CLD_CONTINUED : CLD_STOPPED;
	g->continued = true;
	g->stop_complete = false;
	g->stop_signal = 0;
	g->stop_count = 0;
}

void stop_end_locked(struct thread_group *g)
{
	struct task *t;
	g->stop_signal = 0;
	g->stop_count = 0;
	g->stop_complete = false;
	TAILQ_FOREACH (t, &g->threads, thread_link) {
		forget_stop(t);
		t->stopped = false;
	}
}

static void begin(struct thread_group *g, struct task *self, int sig)
{
	struct task *t;
	if (!g->stop_complete) {
		g->stop_signal = sig;
		g->stop_reported = false;
		g->continued = false;
	}
	g->stop_count = 0;
	TAILQ_FOREACH (t, &g->threads, thread_link) {
		if (t->exiting || t->stopped || t->killed)
			continue;
		t->stop_pending = t->stop_counted = true;
		t->stop_sig = (u8)sig;
		g->stop_count++;
		if (t == self)
			continue;
		if (t->trace.flags & PTRACE_SEIZED)
			ptrace_trap_notify_locked(t);
		else
			signal_wake_locked(t);
	}
}

static void notify_stopped(struct thread_group *g)
{
	lock_guard(&kernel.tasks_lock);
	int sig = 0;
	{
		lock_guard(&g->siglock);
		if (g->stop_complete)
			sig = g->stop_signal;
	}
	/* Continued in between: the parent hears of that instead. */
	if (sig)
		signal_notify_stop_locked(g, CLD_STOPPED, sig);
}

bool stop_participate_locked(struct task *t)
{
	struct thread_group *g = t->group;
	bool counted = t->stop_counted;
	t->stop_pending = t->stop_counted = false;
	if (!counted)
		return false;
	if (g->stop_count)
		g->stop_count--;
	if (g->stop_count || g->stop_complete || !g->stop_signal)
		return false;
	g->stop_complete = true;
	return true;
}

bool stop_enter_locked(struct task *t, int sig)
{
	struct thread_group *g = t->group;
	bool last;
	if (!t->stop_pending) {
		/* SIGCONT or SIGKILL may have come since the signal was taken. */
		if (!t->stop_dequeued || g->group_exiting || g->exec_task)
			return false;
		begin(g, t, sig);
	}
	t->stop_dequeued = false;
	if (t->trace.flags) {
		t->trace.trap_stop = true;
		return false;
	}
	last = stop_participate_locked(t);
	t->stopped = true;
	lock_release(&g->siglock);
	if (last)
		notify_stopped(g);
	for (;;) {
		lock_acquire(&g->siglock);
		if (!t->stopped || t->killed)
			return true;
		lock_release(&g->siglock);
		fiber_park();
	}
}
