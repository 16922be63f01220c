/*
 * The list of all types that have had a live object. Types are static and
 * never leave it, so it is a push-only list that needs no lock to walk.
 */
#include "base/census.h"

static _Atomic(struct census *) census_list;

void census_add(struct census *c, s64 n)
{
	struct census *head;

	atomic_fetch_add_explicit(&c->live, n, memory_order_relaxed);
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
