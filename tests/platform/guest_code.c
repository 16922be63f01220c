/*
 * Guest programs. They run with nothing below them but the platform and the
 * tests' little sentry, so they make raw calls and use no libc and no constants
 * outside their own section.
 */
#include "platform/stub/layout.h"
#include "tests/platform/guest.h"
#include <asm/unistd.h>
#include <stddef.h>

#define inlined static inline __attribute__((always_inline))

inlined s64 call6(long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	register u64 r10 __asm__("r10") = d;
	register u64 r8 __asm__("r8") = e;
	register u64 r9 __asm__("r9") = f;
	s64 result;
	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	return result;
}
#define call0(nr)          call6(nr, 0, 0, 0, 0, 0, 0)
#define call1(nr, a)       call6(nr, (u64)(a), 0, 0, 0, 0, 0)
#define call2(nr, a, b)    call6(nr, (u64)(a), (u64)(b), 0, 0, 0, 0)
#define call3(nr, a, b, c) call6(nr, (u64)(a), (u64)(b), (u64)(c), 0, 0, 0)
#define report(v)          call1(CALL_REPORT, v)

inlined noreturn void finish(void)
{
	for (;;)
		call1(__NR_exit, 0);
}

guest_code void guest_exit(u64 arg)
{
	call1(__NR_exit, arg);
}

guest_code void guest_calls(u64 n)
{
	for (u64 i = 0; i < n; i++)
		call0(__NR_getsid);
	report(call0(__NR_getsid));
	report(call0(9999)); /* no such call */
	finish();
}

/* A call changes rax, rcx and r11 and no other register, nor the red zone, nor flags. */
guest_code void guest_registers(u64 arg)
{
	u64 bad;
	(void)arg;
	__asm__ volatile("mov $0x1111, %%rbx\n mov $0x2222, %%r12\n mov $0x3333, %%r13\n"
	                 "mov $0x4444, %%r14\n mov $0x5555, %%r15\n mov $0x6666, %%rdx\n"
	                 "mov $0x7777, %%r8\n mov $0x8888, %%r9\n mov $0x9999, %%r10\n"
	                 "mov $0xaaaa, %%rdi\n mov $0xbbbb, %%rsi\n movq $0xcccc, -8(%%rsp)\n"
	                 "movq $0xdddd, -128(%%rsp)\n mov $0xeeee, %%eax\n movq %%rax, %%xmm15\n"
	                 "mov $124, %%eax\n stc\n syscall\n setnc %%al\n movzbl %%al, %%ecx\n"
	                 "cmp $0x1111, %%rbx\n setne %%al\n movzbl %%al, %%eax\n or %%rax, %%rcx\n"
	                 "cmp $0x2222, %%r12\n setne %%al\n movzbl %%al, %%eax\n or %%rax, %%rcx\n"
	                 "cmp $0x3333, %%r13\n setne %%al\n movzbl %%al, %%eax\n or %%rax, %%rcx\n"
	                 "cmp $0x4444, %%r14\n setne %%al\n movzbl %%al, %%eax\n or %%rax, %%rcx\n"
	                 "cmp $0x5555, %%r15\n setne %%al\n movzbl %%al, %%eax\n or %%rax, %%rcx\n"
	                 "cmp $0x6666, %%rdx\n setne %%al\n movzbl %%al, %%eax\n or %%rax, %%rcx\n"
	                 "cmp $0x7777, %%r8\n setne %%al\n movzbl %%al, %%eax\n or %%rax, %%rcx\n"
	                 "cmp $0x8888, %%r9\n setne %%al\n movzbl %%al, %%eax\n or %%rax, %%rcx\n"
	                 "cmp $0x9999, %%r10\n setne %%al\n movzbl %%al, %%eax\n or %%rax, %%rcx\n"
	                 "cmp $0xaaaa, %%rdi\n setne %%al\n movzbl %%al, %%eax\n or %%rax, %%rcx\n"
	                 "cmp $0xbbbb, %%rsi\n setne %%al\n movzbl %%al, %%eax\n or %%rax, %%rcx\n"
	                 "cmpq $0xcccc, -8(%%rsp)\n setne %%al\n movzbl %%al, %%eax\n"
	                 "or %%rax, %%rcx\n"
	                 "cmpq $0xdddd, -128(%%rsp)\n setne %%al\n movzbl %%al, %%eax\n"
	                 "or %%rax, %%rcx\n"
	                 "movq %%xmm15, %%rdx\n cmp $0xeeee, %%rdx\n setne %%al\n"
	                 "movzbl %%al, %%eax\n or %%rax, %%rcx\n"
	                 : "=c"(bad)
	                 :
	                 : "rax", "rbx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
	                   "r13", "r14", "r15", "memory", "cc");
	report(bad);
	finish();
}

/* The test's sentry skips a faulting instruction of two bytes and reports what it was. */
guest_code void guest_faults(u64 arg)
{
	(void)arg;
	__asm__ volatile("xor %%eax, %%eax\n movb (%%rax), %%al" ::: "rax"); /* SIGSEGV */
	__asm__ volatile("ud2");                                             /* SIGILL */
	__asm__ volatile("xor %%edx, %%edx\n xor %%ecx, %%ecx\n div %%ecx" ::
	                     : "rax", "rcx", "rdx"); /* SIGFPE */
	__asm__ volatile("int3\n nop\n nop");        /* SIGTRAP, behind the instruction */
	report(42);
	finish();
}

guest_code void guest_fork(u64 arg)
{
	volatile u64 *shared = (u64 *)GUEST_DATA;
	(void)arg;
	*shared = 1;
	s64 pid = call0(__NR_fork);
	if (pid == 0) {
		/* Copied on write: neither sees the other's. */
		report(*shared == 1 ? 100 : 666);
		*shared = 2;
		report(*shared == 2 ? 101 : 666);
		finish();
	}
	for (volatile int i = 0; i < 100000; i++)
		;
	report(pid > 0 && *shared == 1 ? 200 : 666);
	*shared = 3;
	finish();
}

/* Forks of forks, arg deep: 2^arg processes, each reports once. */
guest_code void guest_fork_tree(u64 arg)
{
	for (u64 i = 0; i < arg; i++)
		call0(__NR_fork);
	report(1);
	finish();
}

inlined s64 thread(guest_fn *fn, u64 arg, u64 stack)
{
	/* The test's sentry points the child at r8 with rdi = r10. */
	return call6(__NR_clone, 0, stack, 0, arg, (u64)fn, 0);
}

guest_code static void thread_body(u64 arg)
{
	_Atomic u64 *sum = (_Atomic u64 *)GUEST_DATA;
	for (int i = 0; i < 10; i++)
		call0(__NR_getsid);
	*sum += arg;
	_Atomic u32 *done = (_Atomic u32 *)(GUEST_DATA + 64);
	(*done)++;
	call3(__NR_futex, done, 1, 1);
	finish();
}

guest_code void guest_threads(u64 n)
{
	_Atomic u64 *sum = (_Atomic u64 *)GUEST_DATA;
	_Atomic u32 *done = (_Atomic u32 *)(GUEST_DATA + 64);
	for (u64 i = 1; i <= n; i++) {
		s64 tid = thread(thread_body, i, GUEST_DATA + 0x1000 + i * 0x1000);
		if (tid <= 0)
			report(tid);
	}
	u32 seen;
	while ((seen = *done) < n)
		call6(__NR_futex, (u64)done, 0, seen, 0, 0, 0);
	report(*sum);
	finish();
}

guest_code static void forking_thread(u64 arg)
{
	_Atomic u32 *done = (_Atomic u32 *)(GUEST_DATA + 64);
	if (call0(__NR_fork) == 0) {
		report(arg);
		finish();
	}
	(*done)++;
	call3(__NR_futex, done, 1, 1);
	finish();
}

/* Several threads of one space fork at the same time. */
guest_code void guest_fork_threads(u64 n)
{
	_Atomic u32 *done = (_Atomic u32 *)(GUEST_DATA + 64);
	for (u64 i = 1; i <= n; i++)
		thread(forking_thread, i, GUEST_DATA + 0x1000 + i * 0x1000);
	u32 seen;
	while ((seen = *done) < n)
		call6(__NR_futex, (u64)done, 0, seen, 0, 0, 0);
	report(1000);
	finish();
}

/* Runs until interrupted; the test ends it. */
guest_code void guest_spin(u64 arg)
{
	volatile u64 *count = (u64 *)GUEST_DATA;
	(void)arg;
	report(1);
	for (;;)
		++*count;
}

/* Calls and computes in turn, for interrupts at every place. */
guest_code void guest_interrupts(u64 arg)
{
	_Atomic u32 *word = (_Atomic u32 *)(GUEST_DATA + 128);
	for (;;) {
		for (u64 i = 0; i < arg; i++) {
			call0(__NR_getsid);
			for (volatile int j = 0; j < 50; j++)
				;
		}
		/* Nobody ever wakes this: only an interrupt ends the wait. */
		call6(__NR_futex, (u64)word, 0, 0, 0, 0, 0);
	}
}

guest_code static void scribbling_thread(u64 arg)
{
	volatile u64 *contexts = (u64 *)STUB_CONTEXTS;
	u64 x = arg + 1;
	for (u64 i = 0; i < 3000000; i++) {
		x = x * 6364136223846793005 + 1442695040888963407;
		contexts[(x >> 33) % 512] = arg & 1 ? x : x >> 60;
	}
	finish();
}

/*
 * Everything that a guest should not do to its stub: scribble on the contexts, flip
 * states, jump into its text with registers of its choice, exit by itself, fork by itself.
 */
guest_code void guest_scribble(u64 mode)
{
	volatile u32 *state = (u32 *)STUB_CONTEXTS;
	switch (mode) {
	case 0:
	case 1:
		for (u64 i = 0; i < 3; i++)
			thread(scribbling_thread, mode, GUEST_DATA + 0x8000 + i * 0x1000);
		for (int i = 0; i < 5000; i++)
			call0(__NR_getsid);
		break;
	case 2: /* requests that are none */
		for (int i = 0; i < 1000000; i++)
			*state = (u32)i & 3;
		break;
	case 3: /* the stub's rt_sigreturn, with no frame to return to */
		__asm__ volatile("mov $0x7ff000000167, %%rax\n jmp *%%rax" ::: "rax");
		break;
	case 4: /* every place of the stub as an entry, by as many threads */
		for (u64 i = 0; i < 150; i++)
			thread((guest_fn *)(STUB_TEXT + i * 37), i,
			       GUEST_DATA + 0x8000 + i * 0x1000);
		break;
	case 5: /* stack pointers in other threads' stacks */
		for (u64 i = 0; i < 100; i++)
			thread(scribbling_thread, i, STUB_STACKS + 0x9000 + i * 0x11000);
		break;
	default: /* the shared page must not become writable */
		*(volatile u32 *)STUB_SHARED = 1;
	}
	finish();
}

/* Signal handlers. */
guest_code void guest_handler_none(int signo, void *info, void *uc)
{
	(void)signo;
	(void)info;
	(void)uc;
}

/* Has the worker held up until the test has seen what it wants to see. */
guest_code void guest_holds(u64 tries)
{
	while (tries-- && call0(CALL_HOLD) == 0)
		;
	finish();
}

/* Asks something all the time until then, from another space. */
guest_code void guest_asks(u64 tries)
{
	call1(CALL_REPORT, 1);
	while (tries-- && call0(CALL_HELD) == 0)
		;
	finish();
}

guest_code void guest_handler(int signo, void *info, void *uc)
{
	(void)uc;
	report(signo);
	report(*(int *)info); /* si_signo */
}

__asm__(".section guest_code, \"ax\"\n .globl guest_restorer\n guest_restorer:\n mov $15, %eax\n"
        " syscall\n .text");

guest_code void guest_signals(u64 arg)
{
	u64 sp_before, sp_after, rbx = 0x1234;
	(void)arg;
	call3(CALL_HANDLER, 10, GUEST_CODE + ((u64)guest_handler - (u64)__start_guest_code), 0);
	__asm__ volatile("mov %%rsp, %0" : "=r"(sp_before));
	__asm__ volatile("" : "+b"(rbx));
	s64 result = call1(CALL_RAISE, 10);
	__asm__ volatile("" : "+b"(rbx));
	__asm__ volatile("mov %%rsp, %0" : "=r"(sp_after));
	report(result);
	report(sp_before == sp_after && rbx == 0x1234 ? 1 : 666);
	finish();
}

/* The handler finds fresh FPU state, spoils it, and the interrupted code does not notice. */
guest_code void guest_handler_avx(int signo, void *info, void *uc)
{
	u64 low, high;
	u32 mxcsr;
	(void)signo;
	(void)info;
	(void)uc;
	__asm__ volatile("vmovq %%xmm7, %0\n vextractf128 $1, %%ymm7, %%xmm6\n vmovq %%xmm6, %1\n"
	                 "stmxcsr %2"
	                 : "=r"(low), "=r"(high), "=m"(mxcsr)::"xmm6");
	report(low == 0 && high == 0 && mxcsr == 0x1f80 ? 1 : 666);
	__asm__ volatile(
	    "vpcmpeqb %%xmm7, %%xmm7, %%xmm7\n vinsertf128 $1, %%xmm7, %%ymm7, %%ymm7" ::
	        : "xmm7");
}

guest_code void guest_avx(u64 arg)
{
	u64 low, high, a = 0x1122334455667788, b = 0x99aabbccddeeff00;
	u32 mxcsr = 0x1fa0, mxcsr_after;
	(void)arg;
	call3(CALL_HANDLER, 10, GUEST_CODE + ((u64)guest_handler_avx - (u64)__start_guest_code), 0);
	__asm__ volatile("ldmxcsr %4\n vmovq %2, %%xmm7\n vmovq %3, %%xmm6\n"
	                 "vinsertf128 $1, %%xmm6, %%ymm7, %%ymm7\n"
	                 "mov $402, %%eax\n mov $10, %%edi\n syscall\n"
	                 "vmovq %%xmm7, %0\n vextractf128 $1, %%ymm7, %%xmm6\n vmovq %%xmm6, %1\n"
	                 "stmxcsr %5"
	                 : "=&r"(low), "=&r"(high)
	                 : "r"(a), "r"(b), "m"(mxcsr), "m"(mxcsr_after)
	                 : "rax", "rcx", "rdx", "rsi", "rdi", "r11", "xmm6", "xmm7", "memory");
	report(low == a && high == b ? 2 : 666);
	report(mxcsr_after == mxcsr ? 3 : 666);
	finish();
}

/* A frame that the host would refuse must end as a fault of the guest, not as a loop. */
guest_code void guest_bad_frame(u64 mode)
{
	u8 *frame = (u8 *)GUEST_DATA;
	if (mode == 0) {
		/* All zero: returns to address 0, without FPU state. */
		__asm__ volatile("mov %0, %%rsp\n mov $15, %%eax\n syscall" ::"r"(frame + 8)
		                 : "memory");
	} else if (mode == 1) {
		/* No memory there. */
		__asm__ volatile("mov $0x50000008, %%rsp\n mov $15, %%eax\n syscall" ::: "memory");
	} else {
		/* FPU state at an odd address, full of ones. */
		u64 *fpstate = (u64 *)(frame + 8 + 40 + 23 * 8);
		for (int i = 0; i < 4096; i++)
			frame[0x1000 + i] = 0xff;
		*fpstate = GUEST_DATA + 0x1000 + (mode == 2 ? 4 : 0);
		__asm__ volatile("mov %0, %%rsp\n mov $15, %%eax\n syscall" ::"r"(frame + 8)
		                 : "memory");
	}
	report(666);
	finish();
}

guest_code void guest_mappings(u64 arg)
{
	volatile u64 *p;
	(void)arg;
	p = (u64 *)call6(__NR_mmap, 0, 0x10000, 3, 0x22, (u64)-1, 0);
	report((u64)p == GUEST_AREA ? 1 : 666);
	p[0] = 77;
	report(p[0] + p[512]);
	report(call3(__NR_mprotect, p, 0x1000, 1));
	__asm__ volatile("mov %0, %%rax\n movb %%al, (%%rax)" ::"r"(p)
	                 : "rax", "memory"); /* fault */
	report(p[0]);
	report(call2(__NR_munmap, p, 0x1000));
	__asm__ volatile("mov %0, %%rax\n movb (%%rax), %%al" ::"r"(p)
	                 : "rax", "memory"); /* fault */
	report(call6(__NR_mremap, (u64)p + 0x1000, 0x1000, 0x1000, 3, GUEST_AREA + 0x40000, 0) ==
	       (s64)GUEST_AREA + 0x40000);
	/* Not page aligned: the host refuses it and the guest is told. */
	report(call3(__NR_mprotect, (u64)p + 1, 0x1000, 1));
	finish();
}

guest_code void guest_file(u64 arg)
{
	volatile u64 *p = (u64 *)(GUEST_AREA + 0x80000);
	(void)arg;
	report(call6(CALL_MAP_FILE, (u64)p, 0x2000, 3, 1, 0, 0) == (s64)(u64)p);
	report(p[0]);
	p[1] = 4242;
	report(call6(CALL_MAP_FILE, (u64)p + 0x10000, 0x1000, 1, 2, 0, 0) == (s64)(u64)p + 0x10000);
	report(p[0x2001]);
	finish();
}

guest_code static void after_unmap(u64 arg)
{
	report(arg);
	__asm__ volatile("mov $0x10000000, %%eax\n movb (%%rax), %%al" ::: "rax"); /* fault */
	__asm__ volatile("1: mov $60, %eax\n syscall\n jmp 1b");
}

guest_code void guest_unmap_all(u64 arg)
{
	call2(CALL_UNMAP_ALL, after_unmap, arg);
	report(666);
	finish();
}

guest_code void guest_futexes(u64 arg)
{
	u32 *word = (u32 *)GUEST_DATA;
	(void)arg;
	*word = 5;
	report(call6(__NR_futex, (u64)word, 0, 4, 0, 0, 0));      /* -EAGAIN */
	report(call6(__NR_futex, (u64)word, 1, 1, 0, 0, 0));      /* 0 woken */
	report(call6(__NR_futex, (u64)word, 9, 5, 1, 0, ~0U));    /* times out: -ETIMEDOUT */
	report(call6(__NR_futex, 0x50000000, 0, 4, 0, 0, 0));     /* -EFAULT */
	report(call6(__NR_futex, 0x7ff000000000, 0, 4, 0, 0, 0)); /* -EFAULT, though mapped */
	finish();
}

/* Buffers: the test's write(2) checks what it gets, its read(2) fills. */
guest_code void guest_strings(u64 arg)
{
	u8 *p = (u8 *)GUEST_DATA;
	u64 sum = 0;
	(void)arg;
	for (int i = 0; i < 100000; i++)
		p[i] = (u8)(i * 7);
	report(call3(__NR_write, 1, p, 100));
	report(call3(__NR_write, 1, p, 100000));
	report(call3(__NR_write, 1, GUEST_DATA + 0xfffff, 2)); /* runs over the end: -EFAULT */
	report(call3(__NR_write, 1, 0x7ff000000000, 8));       /* the stub's: -EFAULT */
	report(call3(__NR_read, 0, p, 100000));
	for (int i = 0; i < 100000; i++)
		sum += p[i];
	report(sum);
	report(call3(__NR_read, 0, p, 1000));
	report(call3(__NR_read, 0, 0x7ff020000000, 8)); /* -EFAULT */
	report(call3(__NR_read, 0, 0x50000000, 8));     /* -EFAULT */
	p[0] = 'a';
	p[1] = 'b';
	p[2] = 0;
	report(call1(__NR_chdir, p)); /* its length */
	report(call1(__NR_chdir, 0x50000000));
	finish();
}

guest_code void guest_identity(u64 arg)
{
	(void)arg;
	report(call0(__NR_getpid));
	report(call0(__NR_gettid));
	report(call0(__NR_geteuid));
	finish();
}

/* What bench/platform.c measures: (how << 32 | count). */
guest_code void guest_bench(u64 arg)
{
	u64 n = arg & 0xffffffff;
	_Atomic u32 *word = (_Atomic u32 *)(GUEST_DATA + 128);
	for (u64 i = 0; i < n; i++) {
		switch (arg >> 32) {
		case BENCH_CALL:
			call0(__NR_getsid);
			break;
		case BENCH_DIRECT:
			call0(__NR_getpid);
			break;
		case BENCH_WAKE:
			call3(__NR_futex, word, 1, 1);
			break;
		case BENCH_WRITE:
			call3(__NR_write, 1, GUEST_DATA + 0x1000, 4096);
			break;
		case BENCH_READ:
			call3(__NR_read, 0, GUEST_DATA + 0x1000, 4096);
			break;
		case BENCH_MAP:
			call6(__NR_mmap, GUEST_AREA, 0x1000, 3, 0x22, (u64)-1, 0);
			call2(__NR_munmap, GUEST_AREA, 0x1000);
			break;
		case BENCH_FORK:
			if (call0(__NR_fork) == 0)
				finish();
			break;
		case BENCH_SIGNAL:
			call1(CALL_RAISE, 10);
			break;
		}
	}
	finish();
}

/* Calls the host's vDSO, whose address the test passes along: clock_gettime(CLOCK_MONOTONIC). */
guest_code void guest_vdso(u64 fn)
{
	struct {
		s64 sec, nsec;
	} *ts = (void *)GUEST_DATA;
	int (*gettime)(int clock, void *ts) = (int (*)(int, void *))fn;
	report(gettime(1, ts));
	report(ts->sec > 0 || ts->nsec > 0);
	finish();
}
