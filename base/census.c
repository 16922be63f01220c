/*
 * The list of all types that have had a live object. Types are static and
 * never leave it, so it is a push-only list that needs no lock to walk.
 */
#include "base/census.h"
#include "base/heap.h"

/* As many objects are worth a look at the heap when they have gone. */
#define CROWD 16384

static _Atomic(struct census *) census_list;

/* Two that do this at once may both be right: it is a hint. */
static void crowd_note(struct census *c, s64 live)
{
	s64 crowd = atomic_load_explicit(&c->crowd, memory_order_relaxed);

	if (live >= 2 * max_of(crowd, CROWD / 2)) {
		atomic_store_explicit(&c->crowd, live, memory_order_relaxed);
	} else if (2 * live < crowd) {
		atomic_store_explicit(&c->crowd, live < CROWD ? 0 : live, memory_order_relaxed);
		atomic_store_explicit(&heap_untidy, true, memory_order_relaxed);
	}
}

void census_add(struct census *c, s64 n)
{
	struct census *head;

	crowd_note(c, atomic_fetch_add_explicit(&c->live, n, memory_order_relaxed) + n);
	if (atomic_load_explicit(&c->listed, memory_order_relaxed) ||
	    atomic_exchange_explicit(&c->listed, true, memory_order_relaxed))
		return;
	head = atomic_load_explicit(&census_list, memory_order_relaxed);
	do
		c->next = head;
	while (!atomic_compare_exchange_weak_explicit(&census_list, &head, c, memory_order_release,
	                                              memory_order_relaxed));
}

void census_each(void (*fn)(const struct census *c, void *arg), void *arg)
{
	struct census *c = atomic_load_explicit(&census_list, memory_order_acquire);

	for (; c; c = c->next)
		fn(c, arg);
}
