/*
 * Stubs that do not answer. A guest may see to it that a thread of its own never
 * comes back: it can jump to the stub's futex call and stay there, or hide every reply. That
 * is its own affair until others wait for it: whoever has killed it and collects it; the sentry,
 * which asks for a copy with a lock in hand; the next task that needs the address space. So
 * whatever is waited for has a time by which it must be there, and the space of a thread that is
 * late is killed, whereupon every wait for it ends.
 *
 * There is one timer per space, armed for the earliest of those times and left alone when an answer
 * comes: answers come by the thousand, and none is late as a rule.
 */
#include "base/log.h"
#include "platform/systrap/systrap.h"

/* A thread whose process is ending has nothing to do any more but its last words. */
#define DOOMED_NS 3000000000ULL
/* Mapping and copying may take the host a while, for what has to come from a disk. */
#define ANSWER_NS 60000000000ULL

static void arm(struct platform_space *s, u64 at)
{
	u64 armed = atomic_load(&s->overdue_at);
	while (!armed || at < armed) {
		if (!atomic_compare_exchange_weak(&s->overdue_at, &armed, at))
			continue;
		/* Another may have come in between with an earlier time, and armed first. */
		do {
			armed = at;
			if (timer_arm(&s->overdue, armed) != 0) {
				atomic_store(&s->overdue_at, 0);
				return;
			}
			at = atomic_load(&s->overdue_at);
		} while (at && at < armed);
		return;
	}
}

/* By when t must have done something; ~0: nothing is waited for. */
static u64 due(const struct systrap_thread *t)
{
	u64 at = ~0ULL, doomed = atomic_load(&t->doomed_by), answer = atomic_load(&t->answer_by),
	    ops = atomic_load(&t->ops_by);
	if (doomed)
		at = min_of(at, doomed);
	if (answer)
		at = min_of(at, answer);
	if (ops && !thread_ops_done(&t->base))
		at = min_of(at, ops);
	return at;
}

static void check(struct timer *timer)
{
	struct platform_space *s = container_of(timer, struct platform_space, overdue);
	struct systrap_thread *t;
	u64 next = ~0ULL;
	atomic_store(&s->overdue_at, 0);
	lock_acquire(&s->lock);
	TAILQ_FOREACH (t, &s->list, link)
		next = min_of(next, due(t));
	lock_release(&s->lock);
	if (next == ~0ULL || atomic_load(&s->dead))
		return;
	if (next > time_monotonic()) {
		arm(s, next);
		return;
	}
	log_limited(LOG_WARN, "platform: a guest's threads do not answer: its process is killed");
	space_kill(s);
}

void overdue_init(struct platform_space *s)
{
	timer_init(&s->overdue, check);
}

void overdue_end(struct platform_space *s)
{
	timer_cancel(&s->overdue);
}

void overdue_answer(struct systrap_thread *t)
{
	u64 at = time_monotonic() + ANSWER_NS;
	/* The zygote runs no guest code. */
	if (t == systrap.zygote)
		return;
	atomic_store(&t->answer_by, at);
	arm(t->base.space, at);
}

void overdue_answered(struct systrap_thread *t)
{
	atomic_store_explicit(&t->answer_by, 0, memory_order_release);
}

void overdue_ops(struct systrap_thread *t)
{
	u64 at = time_monotonic() + ANSWER_NS;
	atomic_store(&t->ops_by, at);
	arm(t->base.space, at);
}

void thread_doom(struct platform_thread *pt)
{
	struct systrap_thread *t = systrap_thread(pt);
	u64 at = time_monotonic() + DOOMED_NS;
	if (atomic_load(&t->doomed_by))
		return;
	atomic_store(&t->doomed_by, at);
	arm(pt->space, at);
}
