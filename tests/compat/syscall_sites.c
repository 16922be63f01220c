/*
 * The system call instruction itself: which registers survive, unknown numbers, negative numbers,
 * the high half of the number, calls in the middle of odd code. syscall(2).
 */
#include "compat.h"

int main(void)
{
	unsigned long r[12], rax;

	/* rcx and r11 do not survive, all else does. */
	for (int round = 0; round < 200; round++) {
		register unsigned long *keep __asm__("rbx") = r;

		__asm__ volatile(
		    "mov $39,%%eax\n\t"
		    "mov $0x2222,%%rdx; mov $0x3333,%%rsi; mov $0x4444,%%rdi\n\t"
		    "mov $0x5555,%%r8; mov $0x6666,%%r9; mov $0x7777,%%r10; mov $0x8888,%%r12\n\t"
		    "mov $0x9999,%%r13; mov $0xaaaa,%%r14; mov $0xbbbb,%%r15\n\t"
		    "syscall\n\t"
		    "mov %%rdx,8(%1); mov %%rsi,16(%1); mov %%rdi,24(%1)\n\t"
		    "mov %%r8,32(%1); mov %%r9,40(%1); mov %%r10,48(%1); mov %%r12,56(%1)\n\t"
		    "mov %%r13,64(%1); mov %%r14,72(%1); mov %%r15,80(%1)"
		    : "=&a"(rax)
		    : "b"(keep)
		    : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
		      "r15", "memory", "cc");
	}
	YES(rax == (unsigned long)getpid());
	for (int i = 1; i < 11; i++)
		printf("%#lx ", r[i]);
	printf("\n");

	unsigned long flags_in = 0x8d5 | 0x202, flags;
	int kept = 0;
	for (int i = 0; i < 100; i++) {
		__asm__ volatile("push %1; popf; mov $39,%%eax; syscall; pushf; pop %0; cld"
		                 : "=r"(flags)
		                 : "r"(flags_in)
		                 : "rax", "rcx", "r11", "memory", "cc");
		kept += (flags & 0x8d5) == (flags_in & 0x8d5);
	}
	NUM(kept);
	RES(syscall(9999));
	RES(syscall(-1));
	RES(syscall(0x3fffffff));
	RES(syscall(450 + 300));
	RES(syscall(0x100000000 + SYS_getpid) == getpid());
	RES(syscall(SYS_afs_syscall));
	RES(syscall(SYS_create_module));
	RES(syscall(SYS_vserver));
	RES(syscall(SYS_getpmsg));
	/* Two calls back to back, a loop around one, and a jump onto one. */
	long n = 0;
	__asm__ volatile("mov $200,%%ebx; 1: mov $102,%%eax; syscall; mov $102,%%eax; syscall; add "
	                 "%%rax,%0; dec %%ebx; jnz 1b"
	                 : "+r"(n)::"rax", "rbx", "rcx", "r11", "memory", "cc");
	YES(n == 200L * getuid());
	n = 0;
	__asm__ volatile("mov $200,%%ebx; 1: mov $104,%%eax; test $1,%%ebx; jz 2f; mov $104,%%eax; "
	                 "2: syscall; add %%rax,%0; dec %%ebx; jnz 1b"
	                 : "+r"(n)::"rax", "rbx", "rcx", "r11", "memory", "cc");
	YES(n == 200L * getgid());
	return 0;
}
