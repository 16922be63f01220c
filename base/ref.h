/*
 * A reference count. Lookups return with one reference more and say so; the
 * holder calls the type's own *_put(), which frees at zero. Underflow aborts.
 */
#pragma once
#include "base/bug.h"
#include "base/types.h"

struct ref {
	_Atomic u32 count;
};

static inline void ref_init(struct ref *r)
{
	atomic_store_explicit(&r->count, 1, memory_order_relaxed);
}

static inline void ref_get(struct ref *r)
{
	u32 old = atomic_fetch_add_explicit(&r->count, 1, memory_order_relaxed);
	BUG_ON(old == 0 || old > 0x7fffffff);
}

/* Takes a reference unless the object is already dying. */
static inline must_check bool ref_get_unless_zero(struct ref *r)
{
	u32 old = atomic_load_explicit(&r->count, memory_order_relaxed);
	do {
		if (old == 0)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
	    &r->count, &old, old + 1, memory_order_acquire, memory_order_relaxed));
	return true;
}

/* True if that was the last reference: the caller destroys the object. */
static inline must_check bool ref_put(struct ref *r)
{
	u32 old = atomic_fetch_sub_explicit(&r->count, 1, memory_order_acq_rel);
	BUG_ON(old == 0);
	return old == 1;
}

static inline u32 ref_count(const struct ref *r)
{
	return atomic_load_explicit(&r->count, memory_order_relaxed);
}
