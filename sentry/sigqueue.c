/*
 * Queues of pending signals. A standard signal is in a queue at most once;
 * real-time ones as often as sent. `set` may hold a signal that has no entry: it was
 * sent when no memory or quota was left, and is delivered without information.
 */
#include "base/bug.h"
#include "sentry/posix_timer.h"
#include "sentry/signal_internal.h"
#include "sentry/user_account.h"
#include <bsd/sys/queue.h>
#include <errno.h>
#include <stdlib.h>

void sigqueue_init(struct sigqueue_list *l)
{
	l->set = 0;
	TAILQ_INIT(&l->queue);
}

int sigqueue_push(struct sigqueue_list *l, const siginfo_t *info, u32 uid, u64 limit,
                  bool may_exceed)
{
	if (user_charge(uid, USER_SIGNALS, may_exceed ? ~0ULL : limit) != 0)
		return -EAGAIN;
	struct sigqueue_entry *e = calloc(1, sizeof(*e));
	if (!e) {
		user_uncharge(uid, USER_SIGNALS);
		return -EAGAIN;
	}
	e->info = *info;
	e->uid = uid;
	sigqueue_push_entry(l, e);
	return 0;
}

void sigqueue_push_entry(struct sigqueue_list *l, struct sigqueue_entry *e)
{
	BUG_ON(e->queued);
	e->queued = true;
	TAILQ_INSERT_TAIL(&l->queue, e, link);
	l->set |= SIGMASK(e->info.si_signo);
}

/* The entry is off its list: gone, unless it is part of a timer. */
static void entry_drop(struct sigqueue_entry *e)
{
	e->queued = false;
	if (e->timer) {
		posix_timer_discarded_locked(e->timer);
		return;
	}
	user_uncharge(e->uid, USER_SIGNALS);
	free(e);
}

void sigqueue_take(struct sigqueue_list *l, int sig, siginfo_t *info, struct posix_timer **timer)
{
	struct sigqueue_entry *e, *first = NULL;
	bool more = false;
	*timer = NULL;
	TAILQ_FOREACH (e, &l->queue, link) {
		if (e->info.si_signo != sig)
			continue;
		if (first) {
			more = true;
			break;
		}
		first = e;
	}
	if (!more)
		l->set &= ~SIGMASK(sig);
	if (!first) {
		*info = (siginfo_t){.si_signo = sig, .si_code = SI_USER};
		return;
	}
	*info = first->info;
	TAILQ_REMOVE(&l->queue, first, link);
	if (first->timer) {
		/* The caller asks the timer for its overrun, which re-arms it. */
		first->queued = false;
		*timer = first->timer;
	} else {
		entry_drop(first);
	}
}

void sigqueue_discard(struct sigqueue_list *l, u64 mask)
{
	struct sigqueue_entry *e, *next;
	if (!(l->set & mask))
		return;
	l->set &= ~mask;
	TAILQ_FOREACH_SAFE (e, &l->queue, link, next) {
		if (!(SIGMASK(e->info.si_signo) & mask))
			continue;
		TAILQ_REMOVE(&l->queue, e, link);
		entry_drop(e);
	}
}

void sigqueue_remove_entry(struct sigqueue_list *l, struct sigqueue_entry *e)
{
	struct sigqueue_entry *other;
	int sig = e->info.si_signo;
	if (!e->queued)
		return;
	TAILQ_REMOVE(&l->queue, e, link);
	e->queued = false;
	TAILQ_FOREACH (other, &l->queue, link)
		if (other->info.si_signo == sig)
			return;
	l->set &= ~SIGMASK(sig);
}

void sigqueue_flush(struct sigqueue_list *l)
{
	sigqueue_discard(l, ~0ULL);
}

int sigset_first(u64 set)
{
	if (set & SIGSET_SYNCHRONOUS)
		set &= SIGSET_SYNCHRONOUS;
	return set ? __builtin_ctzll(set) + 1 : 0;
}
