/*
 * Guest programs for rewritten call sites: one call of each shape that is
 * rewritten, over and over, so that it is rewritten on the way; what must not change is looked at
 * each time.
 */
#include "platform/stub/layout.h"
#include "tests/platform/guest.h"
#include <asm/unistd.h>

#define inlined static inline __attribute__((always_inline))

/* Each answers what getsid (124) does; rdi and rsi are passed through. */
__asm__(".section guest_code, \"ax\"\n"
        /* The neighbours behind move: a long comparison. */
        " .balign 16\n site_compare: mov $124, %edx\n mov %edx, %eax\n syscall\n"
        " cmp $-4096, %rax\n ja 1f\n ret\n1: ud2\n"
        /* Short ones, and a return with padding behind it. */
        " .balign 16\n site_moves: mov $124, %edx\n mov %edx, %eax\n nop\n syscall\n"
        " mov %rax, %rdx\n mov %rdx, %rax\n ret\n"
        " .balign 16\n site_return: push %rbx\n pop %rbx\n mov $124, %eax\n syscall\n ret\n"
        " .balign 16\n"
        /* Only the one before can move. */
        " .balign 16\n site_before: nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n"
        " nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n"
        " mov $124, %eax\n syscall\n jmp 1f\n1: ret\n"
        " .balign 16\n site_before7: nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n"
        " nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n"
        " mov $124, %rax\n syscall\n jmp 1f\n1: ret\n"
        /* One on each side: a number in a register, and a copy. */
        " .balign 16\n site_both: nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n"
        " nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n"
        " mov $124, %edx\n mov %edx, %eax\n syscall\n mov %rax, %rdx\n jmp 1f\n"
        "1: mov %rdx, %rax\n ret\n"
        /* Half of the callers come to the middle: the call itself. */
        " .balign 16\n site_middle: mov $124, %eax\n test $1, %dil\n jnz 2f\n"
        " nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n nopl 8(%rax,%rax)\n"
        " mov $124, %eax\n2: syscall\n jmp 1f\n1: ret\n"
        /* What the stub answers itself; 78 is the sentry's answer, which gets a sample. */
        " .balign 16\n site_direct: mov $39, %eax\n syscall\n cmp $-4096, %rax\n ja 1f\n"
        " or $1, %rax\n ret\n1: ud2\n"
        /* Nothing can move. */
        " .balign 16\n site_fixed: mov $124, %edx\n lea (%rdx), %eax\n syscall\n jmp 1f\n1: ret\n"
        /* Everything that a call leaves alone: rdi says how often; rax counts differences. */
        " .balign 16\n site_state: push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n"
        " push %r15\n mov %rdi, %r15\n xor %r14d, %r14d\n"
        "3: mov $0x1111, %ebx\n mov $0x2222, %ebp\n mov $0x3333, %r12d\n mov $0x4444, %r13d\n"
        " mov $0x5555, %edi\n mov $0x6666, %esi\n mov $0x7777, %edx\n mov $0x8888, %r8d\n"
        " mov $0x9999, %r9d\n mov $0xaaaa, %r10d\n movq %r15, %xmm11\n"
        " movq $0xbbbb, -8(%rsp)\n movq $0xcccc, -128(%rsp)\n"
        " mov %r15d, %eax\n and $0x8d5, %eax\n push %rax\n popfq\n mov $124, %eax\n syscall\n"
        " mov %rax, %rcx\n mov %rcx, %rax\n nop\n pushfq\n pop %rcx\n"
        " mov %r15d, %r11d\n xor %ecx, %r11d\n test $0x8d5, %r11d\n setnz %cl\n"
        " movzbl %cl, %ecx\n add %rcx, %r14\n"
        " sub $4711, %rax\n sub $0x1111, %rbx\n sub $0x2222, %rbp\n sub $0x3333, %r12\n"
        " sub $0x4444, %r13\n sub $0x5555, %rdi\n sub $0x6666, %rsi\n sub $0x7777, %rdx\n"
        " sub $0x8888, %r8\n sub $0x9999, %r9\n sub $0xaaaa, %r10\n"
        " or %rbx, %rax\n or %rbp, %rax\n or %r12, %rax\n or %r13, %rax\n or %rdi, %rax\n"
        " or %rsi, %rax\n or %rdx, %rax\n or %r8, %rax\n or %r9, %rax\n or %r10, %rax\n"
        " movq %xmm11, %rcx\n sub %r15, %rcx\n or %rcx, %rax\n"
        " movq -128(%rsp), %rcx\n sub $0xcccc, %rcx\n or %rcx, %rax\n"
        " setnz %al\n movzbl %al, %eax\n add %rax, %r14\n dec %r15\n jnz 3b\n"
        " mov %r14, %rax\n pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n"
        /* A signal with a handler, by a call that is rewritten: what it returns comes after. */
        " .balign 16\n site_raise: mov $402, %eax\n syscall\n cmp $-4096, %rax\n ja 1f\n"
        " ret\n1: ud2\n"
        " .text");

typedef s64 site_fn(u64 a, u64 b);
#pragma GCC visibility push(hidden)
extern site_fn site_compare, site_moves, site_return, site_before, site_before7, site_both,
    site_middle, site_direct, site_fixed, site_state, site_raise;
#pragma GCC visibility pop

inlined s64 call6(long nr, u64 a, u64 b, u64 c, u64 d, u64 e)
{
	register u64 r10 __asm__("r10") = d;
	register u64 r8 __asm__("r8") = e;
	s64 result;
	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
	                 : "rcx", "r11", "memory");
	return result;
}

inlined noreturn void finish(void)
{
	for (;;)
		call6(__NR_exit, 0, 0, 0, 0, 0);
}

inlined u64 all_sites(u64 i)
{
	u64 bad = 0;
	bad += site_compare(i, 0) != 4711;
	bad += site_moves(i, 0) != 4711;
	bad += site_return(i, 0) != 4711;
	bad += site_before(i, 0) != 4711;
	bad += site_before7(i, 0) != 4711;
	bad += site_both(i, 0) != 4711;
	bad += site_middle(i, 0) != 4711;
	bad += (site_direct(i, 0) & ~2L) != 77;
	bad += site_fixed(i, 0) != 4711;
	return bad;
}

guest_code void guest_sites(u64 n)
{
	u64 bad = 0;
	for (u64 i = 0; i < n; i++)
		bad += all_sites(i);
	call6(CALL_REPORT, bad, 0, 0, 0, 0);
	call6(CALL_REPORT, (u64)site_state(n, 0), 0, 0, 0, 0);
	finish();
}

guest_code static void site_thread(u64 n)
{
	_Atomic u64 *bad = (_Atomic u64 *)GUEST_DATA;
	_Atomic u32 *done = (_Atomic u32 *)(GUEST_DATA + 64);
	for (u64 i = 0; i < n; i++)
		*bad += all_sites(i);
	*bad += (u64)site_state(n, 0);
	(*done)++;
	call6(__NR_futex, (u64)done, 1, 1, 0, 0);
	finish();
}

/* 16 threads run through the sites while they are rewritten, and one forks now and then. */
guest_code void guest_sites_threads(u64 n)
{
	_Atomic u64 *bad = (_Atomic u64 *)GUEST_DATA;
	_Atomic u32 *done = (_Atomic u32 *)(GUEST_DATA + 64);
	u32 seen;
	for (u64 i = 1; i <= 16; i++)
		call6(__NR_clone, 0, GUEST_DATA + 0x1000 + i * 0x1000, 0, n, (u64)site_thread);
	for (int i = 0; i < 3; i++) {
		if (call6(__NR_fork, 0, 0, 0, 0, 0) == 0) {
			u64 mine = all_sites(1);
			for (u64 j = 0; j < 50; j++)
				mine += all_sites(j);
			call6(CALL_REPORT, mine, 0, 0, 0, 0);
			finish();
		}
		for (u64 j = 0; j < 10; j++)
			*bad += all_sites(j);
	}
	while ((seen = *done) < 16)
		call6(__NR_futex, (u64)done, 0, seen, 0, 0);
	call6(CALL_REPORT, *bad, 0, 0, 0, 0);
	finish();
}

/* Signals that come in a rewritten call, whose handlers return behind it. */
guest_code void guest_sites_signals(u64 n)
{
	u64 bad = 0;
	call6(CALL_HANDLER, 10, (u64)guest_handler_none, 0, 0, 0);
	for (u64 i = 0; i < n; i++)
		bad += site_raise(10, 0) != 99;
	call6(CALL_REPORT, bad, 0, 0, 0, 0);
	finish();
}

/* With a GS base of its own a thread gets on as well, if more slowly. */
guest_code void guest_sites_gs(u64 n)
{
	u64 bad = 0, gs = 0;
	for (u64 i = 0; i < n; i++)
		bad += all_sites(i);
	__asm__ volatile("wrgsbase %0" ::"r"(GUEST_DATA));
	for (u64 i = 0; i < n; i++)
		bad += all_sites(i);
	__asm__ volatile("rdgsbase %0" : "=r"(gs));
	call6(CALL_REPORT, bad + (gs != GUEST_DATA), 0, 0, 0, 0);
	finish();
}

/* All sites, for a storm of interrupts; the test ends it. */
guest_code void guest_sites_for_ever(u64 n)
{
	u64 bad = 0;
	call6(CALL_REPORT, 1, 0, 0, 0, 0);
	for (u64 i = 0; i < n; i++)
		bad += all_sites(i) + (u64)site_state(20, 0);
	call6(CALL_REPORT, bad, 0, 0, 0, 0);
	/* The thread stays, as somebody is still interrupting it. */
	for (;;)
		;
}
