/*
 * What each guest user has of the things that Linux limits per user rather
 * than per process: a task may give up its descriptors (by sending them, by
 * forking) and still hold memory, so the bound has to follow the user.
 */
#pragma once
#include "base/ref.h"
#include "base/types.h"

struct account {
	struct ref ref;
	u32 uid;
	_Atomic s64 pipe_pages;        /* capacity of pipes, in pages */
	_Atomic s64 files_in_flight;   /* sent over AF_UNIX and not received */
	_Atomic s64 epoll_watches;     /* fs.epoll.max_user_watches */
	_Atomic s64 inotify_instances; /* fs.inotify.max_user_instances */
	_Atomic s64 inotify_watches;   /* fs.inotify.max_user_watches */
	struct account *next;          /* hash chain */
};

/* The account of uid with +1; NULL when out of memory. */
struct account *account_get(u32 uid);
struct account *account_hold(struct account *a);
void account_put(struct account *a);

/* Adds n to a counter unless that would exceed limit. */
static inline must_check bool account_charge(_Atomic s64 *counter, s64 n, s64 limit)
{
	s64 old = atomic_load_explicit(counter, memory_order_relaxed);

	do {
		if (n > limit - old)
			return false;
	} while (!atomic_compare_exchange_weak(counter, &old, old + n));
	return true;
}

static inline void account_uncharge(_Atomic s64 *counter, s64 n)
{
	atomic_fetch_sub(counter, n);
}
