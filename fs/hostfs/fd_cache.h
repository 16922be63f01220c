/*
 * Host descriptors that can be had again: a slot belongs to an object that
 * knows how to open it, and the cache may close any slot that is not in use.
 *
 * A use is short (one host call), unless it is a pin (a mapping, a file that
 * has lost its name). The usual order:
 *	fd = fd_slot_try(s);
 *	if (fd < 0) {
 *		... open the file ...
 *		fd = fd_slot_install(s, newfd);
 *	}
 *	... host calls on fd ...
 *	fd_slot_put(s);
 *
 * Uses are counted without a lock; the list of open slots is guarded by the cache's lock.
 * Host calls: close.
 */
#pragma once
#include "base/types.h"
#include <sys/queue.h>

struct fd_slot {
	_Atomic s32 users;   /* FD_SLOT_CLOSED, or the number of uses */
	_Atomic u32 keep;    /* open guest files: evicted only when nothing else is left */
	_Atomic bool recent; /* used since the clock hand last passed */
	u16 opened;          /* tells its descriptors apart; valid, as fd is, while users >= 0 */
	int fd;
	TAILQ_ENTRY(fd_slot) link;
};

#define FD_SLOT_CLOSED (-1)

void fd_slot_init(struct fd_slot *s);
/* Its object ends, and any pin with it: closes the descriptor. */
void fd_slot_destroy(struct fd_slot *s);
/* The open descriptor, with one use; -EBADF if the slot is closed. */
must_check int fd_slot_try(struct fd_slot *s);
/* Takes over fd and returns the slot's descriptor with one use: another one if someone was faster.
 */
must_check int fd_slot_install(struct fd_slot *s, int fd);
void fd_slot_put(struct fd_slot *s);
static inline bool fd_slot_is_open(const struct fd_slot *s)
{
	return atomic_load_explicit(&s->users, memory_order_relaxed) != FD_SLOT_CLOSED;
}

/* Closes up to n idle slots: the host has run out of descriptors. How many were closed. */
unsigned fd_cache_shrink(unsigned n);
/* Open slots, for tests and statistics. */
unsigned fd_cache_count(void);
