/*
 * Guest memory. Everything in it is untrusted and may change at any time:
 * copy once, check the copy. None of these may be called under a struct lock,
 * as they may park. All return 0 or -EFAULT unless they say otherwise.
 *
 * A uspace is one guest address space as seen from one thread; the platform
 * supplies the ops (marshalled window first, then asking the thread, then
 * process_vm_readv).
 */
#pragma once
#include "base/types.h"
#include <sys/uio.h>

struct uspace;

struct uspace_ops {
	/* Copies up to n bytes; returns how many were copied before the first fault. */
	size_t (*read)(struct uspace *u, void *dst, u64 src, size_t n);
	size_t (*write)(struct uspace *u, u64 dst, const void *src, size_t n);
	/* Up to n bytes, stopping after the first NUL. Returns bytes copied, NUL included. */
	size_t (*read_str)(struct uspace *u, char *dst, u64 src, size_t n);
	/*
	 * Where up to *n bytes bound for guest address dst may be written in
	 * place, to be delivered with the reply; NULL: use write. May lower *n.
	 * The place is good until the next op; commit says how much of it counts.
	 */
	void *(*reserve)(struct uspace *u, u64 dst, size_t *n);
	void (*commit)(struct uspace *u, u64 dst, size_t n);
	/* 4-byte atomic compare-and-exchange on guest memory: 0, -EFAULT; *old gets what was there.
	 */
	int (*cmpxchg32)(struct uspace *u, u64 addr, u32 expect, u32 value, u32 *old);
	/*
	 * The call under way waits for something that may take long: the guest's thread need not
	 * stay awake for its end. May be absent.
	 */
	void (*waits)(struct uspace *u);
	/*
	 * The worker that the call under way runs on is about to be away: if the guest's thread
	 * falls asleep, it need not make sure first that somebody is awake to find its call. May be
	 * absent.
	 */
	void (*taken)(struct uspace *u);
};

struct uspace {
	const struct uspace_ops *ops;
	/*
	 * Addresses below a stack, which become memory when they are touched: before a
	 * first access to [grow_low, grow_high) grow is called for it. 0, 0: none.
	 */
	u64 grow_low, grow_high;
	void (*grow)(struct uspace *u, u64 addr);
	/*
	 * Is all of [addr, addr + n) memory that the guest may write? What goes elsewhere is
	 * written at once instead of with the reply, so that a fault is known before a pipe has
	 * given its bytes away. Absent: taken as yes.
	 */
	bool (*writable)(struct uspace *u, u64 addr, size_t n);
	/* Its last answer: the owner's own. */
	u64 writable_low, writable_high, writable_seq, writable_shrinks;
};

/* [addr, addr + n) is about to be accessed by other means than the ops: a stack grows to it. */
void uspace_grow(struct uspace *u, u64 addr, size_t n);

/* The running fiber's guest memory. */
must_check int copy_in(void *dst, struct uptr src, size_t n);
must_check int copy_out(struct uptr dst, const void *src, size_t n);
must_check int clear_user(struct uptr dst, size_t n);
/*
 * Copies a NUL-terminated string. size: room including the NUL.
 * Returns its length without the NUL, -ENAMETOOLONG if it does not fit, or -EFAULT.
 */
must_check ssize_t copy_in_str(char *dst, struct uptr src, size_t size);
/* For calls that copy as much as can be: bytes copied, possibly 0. */
size_t copy_in_partial(void *dst, struct uptr src, size_t n);
size_t copy_out_partial(struct uptr dst, const void *src, size_t n);

/* Atomic compare-and-exchange: 0 or -EFAULT; *old gets what was there. */
must_check int cmpxchg_user32(struct uptr addr, u32 expect, u32 value, u32 *old);

#define get_user(dst, src) copy_in((dst), (src), sizeof(*(dst)))
#define put_user(dst, src) copy_out((dst), (src), sizeof(*(src)))

/*
 * A list of buffers that data moves to or from: guest memory or the sentry's
 * own. Consumed from the front as data moves, so that what is left is what
 * was not transferred. Not to be copied: iov may point into it.
 */
struct uio {
	struct uspace *uspace; /* NULL: the segments are sentry memory */
	struct iovec *iov;     /* iov_base is a guest address when uspace is set */
	size_t iovcnt;
	size_t skip;   /* bytes of iov[0] already consumed */
	size_t resid;  /* bytes left in all */
	bool faulted;  /* a copy stopped at a bad guest address */
	bool reserved; /* uio_reserve gave out a place in guest memory */
	struct iovec fast[8];
	struct iovec *heap; /* owned; freed by uio_destroy */
};

void uio_init_user(struct uio *u, struct uptr base, size_t n);
void uio_init_kernel(struct uio *u, void *base, size_t n);
/*
 * Copies an iovec array in and checks it as readv(2) does: -EINVAL for more than
 * IOV_MAX entries or a negative length; the total is capped at MAX_RW_COUNT.
 */
must_check int uio_init_iovec(struct uio *u, struct uptr iov, size_t iovcnt);
void uio_destroy(struct uio *u);
#define MAX_RW_COUNT 0x7ffff000UL

/*
 * uio_write moves bytes from buf into u (a read(2)); uio_read from u into buf.
 * Return the bytes moved, which is less than n only at a fault or at the end
 * of u. -EFAULT if nothing could be moved because of a fault and n > 0.
 */
must_check ssize_t uio_write(struct uio *u, const void *buf, size_t n);
must_check ssize_t uio_read(struct uio *u, void *buf, size_t n);
must_check ssize_t uio_zero(struct uio *u, size_t n);
/* Puts back the last n bytes consumed (the source turned out shorter). */
void uio_revert(struct uio *u, size_t n);
/*
 * A place to produce up to *n bytes for the front of u without a second copy,
 * or NULL. After filling it, uio_advance(u, produced); no other copy may come in between.
 */
void *uio_reserve(struct uio *u, size_t *n);
void uio_advance(struct uio *u, size_t n);
