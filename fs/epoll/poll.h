/*
 * Waiting for several files at once: the bodies of poll(2), ppoll(2),
 * select(2) and pselect(2).
 */
#pragma once
#include "base/types.h"

struct file;

struct poll_entry {
	struct file *file; /* borrowed; NULL: an entry that is skipped (negative fd) */
	u32 events;        /* POLL* wanted */
	u32 revents;       /* out: POLL* that are true; POLLERR, POLLHUP, POLLNVAL always count */
};

/*
 * Number of entries with revents != 0; 0 when the deadline (CLOCK_MONOTONIC ns;
 * 0: do not wait; NO_DEADLINE) has passed; -EINTR for a signal (the system call picks its
 * restart code); -ENOMEM. An entry whose revents is POLLNVAL on entry counts as ready.
 */
must_check int poll_wait(struct poll_entry *e, unsigned n, u64 deadline);

/*
 * select(2) on sentry copies of the three bitmaps (NULL: absent), of n bits each,
 * n <= FDTABLE_MAX; they are overwritten with the result on success. -EBADF, -EINTR, -ENOMEM.
 */
must_check int select_wait(unsigned n, unsigned long *in, unsigned long *out, unsigned long *ex,
                           u64 deadline);
