/*
 * A pretended guest address space: 256 KiB of memory at GUEST_BASE, with
 * nothing mapped around it, so that every copy across an edge faults.
 */
#pragma once
#include <criterion/criterion.h>
#include <errno.h>
#include "base/caller.h"
#include "base/uspace.h"
#include "tests/unit/base/support.h"

#define GUEST_BASE 0x10000000UL
#define GUEST_SIZE (256 * 1024UL)

static char guest[GUEST_SIZE];
static bool guest_reserves;

static inline size_t guest_span(u64 addr, size_t n)
{
	if (addr < GUEST_BASE || addr >= GUEST_BASE + GUEST_SIZE)
		return 0;
	return min_of(n, GUEST_BASE + GUEST_SIZE - addr);
}

static size_t guest_read(struct uspace *u, void *dst, u64 src, size_t n)
{
	(void)u;
	n = guest_span(src, n);
	if (n)
		memcpy(dst, guest + (src - GUEST_BASE), n);
	return n;
}

static size_t guest_write(struct uspace *u, u64 dst, const void *src, size_t n)
{
	(void)u;
	n = guest_span(dst, n);
	if (n)
		memcpy(guest + (dst - GUEST_BASE), src, n);
	return n;
}

static size_t guest_read_str(struct uspace *u, char *dst, u64 src, size_t n)
{
	size_t i;

	(void)u;
	n = guest_span(src, n);
	for (i = 0; i < n; i++) {
		dst[i] = guest[src - GUEST_BASE + i];
		if (!dst[i])
			return i + 1;
	}
	return i;
}

static void *guest_reserve(struct uspace *u, u64 dst, size_t *n)
{
	(void)u;
	*n = guest_span(dst, *n);
	return *n && guest_reserves ? guest + (dst - GUEST_BASE) : NULL;
}

static size_t guest_committed; /* by the last commit */

static void guest_commit(struct uspace *u, u64 dst, size_t n)
{
	(void)u;
	(void)dst;
	guest_committed = n;
}

static int guest_cmpxchg32(struct uspace *u, u64 addr, u32 expect, u32 value, u32 *old)
{
	(void)u;
	if (guest_span(addr, 4) < 4)
		return -EFAULT;
	memcpy(old, guest + (addr - GUEST_BASE), 4);
	if (*old == expect)
		memcpy(guest + (addr - GUEST_BASE), &value, 4);
	return 0;
}

static const struct uspace_ops guest_ops = {
    .read = guest_read,
    .write = guest_write,
    .read_str = guest_read_str,
    .reserve = guest_reserve,
    .commit = guest_commit,
    .cmpxchg32 = guest_cmpxchg32,
};

static struct uspace guest_uspace = {.ops = &guest_ops};

static void guest_fiber(void *arg)
{
	((void (*)(void))arg)();
}

/* Runs fn on a fiber that has the guest memory; its checks are check()s. */
static inline void as_guest(void (*fn)(void))
{
	struct caller c = *caller();

	c.uspace = &guest_uspace;
	memset(guest, 0xaa, sizeof(guest));
	check(fiber_create(guest_fiber, (void *)fn, "guest", &c, NULL) == 0);
	sched_run_until_idle(0);
}

static inline struct uptr at(u64 offset)
{
	return uptr_make(GUEST_BASE + offset);
}
