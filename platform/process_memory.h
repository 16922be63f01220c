/*
 * Memory of a stub by way of the host, for either platform. The guest's own protections hold, and a
 * copy stops at the first fault.
 */
#pragma once
#include "platform/platform.h"

/* Of n bytes at a guest's address those that can be the guest's: what lies above is the stub's. */
static inline size_t guest_limit(u64 addr, size_t n)
{
	return addr >= GUEST_MAX ? 0 : min_of(n, GUEST_MAX - addr);
}

/* All return the bytes that could be copied. The address is not checked: see guest_limit. */
size_t vm_read(u32 pid, void *dst, u64 src, size_t n);
size_t vm_write(u32 pid, u64 dst, const void *src, size_t n);
/* Up to and with the first NUL, n bytes at most. */
size_t vm_read_str(u32 pid, char *dst, u64 src, size_t n);

/* How many calls of the host that took; for statistics. */
extern _Atomic u64 vm_copies;
