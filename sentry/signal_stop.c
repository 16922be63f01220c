/*
 * Job control: stopping and continuing a process.
 *
 * A group is stopping while stop_signal is set and stop_count, the number of
 * threads that have not stopped yet, is not zero; it is stopped when that
 * reaches zero. The last thread to stop tells the parent. A stopped thread is a parked
 * fiber between two runs of its guest code. SIGCONT, whatever happens to it otherwise, ends the
 * stop (signal(7), 'Standard signals'; kernel/signal.c do_signal_stop, prepare_signal).
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

void stop_continue_locked(struct thread_group *g)
{
	struct task *t;
	discard_everywhere(g, SIGSET_STOP);
	TAILQ_FOREACH (t, &g->threads, thread_link)
		t->stop_dequeued = false;
	if (!g->stop_signal)
		return;
	if (g->stop_count == 0) {
		g->continued = true;
		g->cld_pending = CLD_CONTINUED;
	} else {
		/* It had not quite stopped: the parent hears of the stop that almost was. */
		g->cld_pending = CLD_STOPPED;
	}
	g->stop_signal = 0;
	g->stop_count = 0;
	TAILQ_FOREACH (t, &g->threads, thread_link) {
		t->stopped = false;
		/* The first one that looks pays the debt of cld_pending. */
		if (!t->exiting)
			signal_wake_locked(t);
	}
}

static void begin(struct thread_group *g, int sig)
{
	struct task *t;
	g->stop_signal = sig;
	g->stop_count = 0;
	g->stop_reported = false;
	g->continued = false;
	TAILQ_FOREACH (t, &g->threads, thread_link) {
		if (t->exiting)
			continue;
		g->stop_count++;
		signal_wake_locked(t);
	}
}

static void notify_stopped(struct thread_group *g)
{
	lock_guard(&kernel.tasks_lock);
	int sig = 0;
	{
		lock_guard(&g->siglock);
		if (g->stop_count == 0)
			sig = g->stop_signal;
	}
	/* Continued in between: the parent hears of that instead. */
	if (sig)
		signal_notify_stop_locked(g, CLD_STOPPED, sig);
}

void stop_enter(struct task *t, int sig)
{
	struct thread_group *g = t->group;
	bool last;
	if (sig && !t->stop_dequeued) {
		/* SIGCONT or SIGKILL came between the dequeue and now. */
		lock_release(&g->siglock);
		return;
	}
	t->stop_dequeued = false;
	if (!g->stop_signal)
		begin(g, sig);
	t->stopped = true;
	last = --g->stop_count == 0;
	lock_release(&g->siglock);
	if (last)
		notify_stopped(g);
	for (;;) {
		lock_acquire(&g->siglock);
		bool go_on = !t->stopped || t->killed;
		lock_release(&g->siglock);
		if (go_on)
			break;
		fiber_park();
	}
}

bool stop_thread_gone_locked(struct task *t)
{
	struct thread_group *g = t->group;
	if (!g->stop_signal || t->stopped || g->stop_count == 0)
		return false;
	return --g->stop_count == 0;
}
