/*
 * The stub's C files, compiled into a test. What they get from assembly in a real stub
 * is done here by the host, which reports a fault instead of raising one; what
 * lies at fixed addresses is mapped there. Weak, as each test has a copy.
 */
#pragma once
#include "platform/stub/stub.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

__attribute__((weak)) u64 stub_copy(void *dst, const void *src, u64 n)
{
	struct iovec to = {dst, n}, from = {(void *)(uintptr_t)src, n};
	/* Either side may be the one that faults. */
	ssize_t got = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
	return got < 0 ? 0 : (u64)got;
}

__attribute__((weak)) u64 stub_copy_str(void *dst, const void *src, u64 n)
{
	u64 i = 0;
	while (i < n) {
		if (stub_copy((char *)dst + i, (const char *)src + i, 1) != 1)
			break;
		if (((char *)dst)[i++] == 0)
			break;
	}
	return i;
}

/* A test has libraries and stacks of its own, which the host places at random: once in some
 * thousand times where a stub has something. */
static void map_at(u64 addr, u64 n)
{
	void *p = mmap((void *)addr, n, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED && errno == EEXIST)
		cr_skip_test("the host has put something of the test's own at %#llx",
		             (unsigned long long)addr);
	cr_assert_eq(p, (void *)addr);
}

/* A page of guest memory with nothing behind it; low, as the sanitizers keep 2 GiB and up for
 * themselves. */
#define GUEST_PAGE 0x10000000UL

static unused_arg struct stub_context *context_create(void)
{
	return aligned_alloc(STUB_HEADER_SIZE, sizeof(struct stub_context));
}
