/*
 * The trap machinery turned against itself: segment bases and selectors, flags, single steps,
 * stacks that are not there, signal frames forged, SIGSYS in every disposition, jumps to every byte
 * of the stub's code, call sites overwritten, memory taken away including the stub's. Each attempt
 * is a process that may die as it likes; none may hang for good, and no other may notice.
 */
#include "stub_call.h"
#include <asm/prctl.h>
#include <pthread.h>
#include <sys/uio.h>
#include <ucontext.h>

static void handle(int sig)
{
	(void)sig;
}

static void some_calls(void)
{
	char buf[64];
	int p[2];

	syscall(SYS_getpid);
	syscall(SYS_getppid);
	if (pipe(p) == 0) {
		if (write(p[1], "x", 1) == 1 && read(p[0], buf, 1) == 1)
			close(p[0]);
		close(p[1]);
	}
	syscall(SYS_stat, "/", buf);
}

/* ---- segments and flags ------------------------------------------------------ */

/* No libc behind these: it finds its own data by FS. */
static inline long raw(long nr, long a, long b)
{
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b) : "rcx", "r11", "memory");
	return r;
}

static void segments(void *arg)
{
	uint64_t r = seed(1);

	for (unsigned i = 0; i < 200; i++) {
		uint64_t base = nasty(&r);

		if (raw(SYS_arch_prctl, i % 2 ? ARCH_SET_GS : ARCH_SET_FS, (long)base) == 0 &&
		    (base >= STUB_TASK_SIZE))
			raw(SYS_exit_group, 1, 0); /* Linux says EPERM */
		raw(SYS_getppid, 0, 0);
		raw(SYS_sched_yield, 0, 0);
	}
	if ((uintptr_t)arg == 1) {
		/* A guest of which nothing is known but that it may. */
		for (unsigned i = 0; i < 200; i++) {
			uint64_t base = nasty(&r) & 0x7fffffffffff;
			__asm__ volatile("wrgsbase %0\n wrfsbase %0" ::"r"(base));
			raw(SYS_getppid, 0, 0);
		}
	}
	if ((uintptr_t)arg == 2)
		__asm__ volatile(
		    "mov %0, %%gs\n mov %0, %%fs\n mov %0, %%es\n mov %0, %%ds" ::"r"(0));
	raw(SYS_getppid, 0, 0);
	raw(SYS_exit_group, 0, 0);
}

static void flags(void *which)
{
	static const uint64_t bits[] = {0x100,    0x400,  0x40000, 0x40500, 0x10000,
	                                0x200000, 0x3000, 0x4000,  0xcd5};
	uint64_t bit = bits[(uintptr_t)which];

	if (bit & 0x100)
		signal(SIGTRAP, handle);
	signal(SIGBUS, handle);
	for (unsigned i = 0; i < 30; i++)
		__asm__ volatile("pushfq\n orq %0, (%%rsp)\n popfq\n"
		                 "syscall\n syscall\n"
		                 "pushfq\n andq %1, (%%rsp)\n popfq\n cld" ::"r"(bit),
		                 "r"(~bit), "a"(SYS_getppid)
		                 : "rcx", "r11", "memory", "cc");
	if (bit & 0x400) { /* the direction of the stub's copies is its own */
		int p[2];
		char buf[100] = "";
		NEED(pipe(p) == 0);
		__asm__ volatile("std");
		raw(SYS_getppid, 0, 0);
		long r;
		__asm__ volatile("syscall"
		                 : "=a"(r)
		                 : "a"(SYS_write), "D"(p[1]), "S"("hello"), "d"(5)
		                 : "rcx", "r11", "memory");
		__asm__ volatile("syscall"
		                 : "=a"(r)
		                 : "a"(SYS_read), "D"(p[0]), "S"(buf), "d"(5)
		                 : "rcx", "r11", "memory");
		__asm__ volatile("cld");
		NEED(r == 5 && !memcmp(buf, "hello", 5));
	}
	_exit(0);
}

/* ---- signal frames ------------------------------------------------------------- */

static uint64_t frame_random;

/* Returns by a frame of which something is not as the kernel made it. */
static void forge_frame(int sig, siginfo_t *info, void *arg)
{
	ucontext_t *uc = arg;
	uint64_t *r = &frame_random;
	unsigned char *fp = (unsigned char *)uc->uc_mcontext.fpregs;

	(void)sig;
	(void)info;
	switch (next_random(r) % 12) {
	case 0:
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)nasty(r);
		break;
	case 1:
		uc->uc_mcontext.gregs[REG_RSP] = (greg_t)nasty(r);
		break;
	case 2:
		uc->uc_mcontext.gregs[REG_CSGSFS] = (greg_t)nasty(r);
		break;
	case 3:
		uc->uc_mcontext.gregs[REG_EFL] = (greg_t)nasty(r);
		break;
	case 4:
		uc->uc_mcontext.fpregs = (void *)nasty(r);
		break;
	case 5: /* mxcsr */
		*(uint32_t *)(fp + 24) = (uint32_t)nasty(r);
		break;
	case 6: /* magic1, sizes, features */
		((uint32_t *)(fp + 464))[next_random(r) % 12] = (uint32_t)nasty(r);
		break;
	case 7: /* the XSAVE header */
		((uint64_t *)(fp + 512))[next_random(r) % 8] = nasty(r);
		break;
	case 8:
		for (unsigned i = 0; i < 800; i += 8)
			*(uint64_t *)(fp + i) = next_random(r);
		break;
	case 9:
		uc->uc_stack.ss_sp = (void *)nasty(r);
		uc->uc_stack.ss_size = nasty(r);
		uc->uc_stack.ss_flags = (int)nasty(r);
		break;
	case 10:
		uc->uc_mcontext.gregs[next_random(r) % 23] = (greg_t)nasty(r);
		break;
	case 11:
		memset(&uc->uc_sigmask, 0xff, 8);
		uc->uc_flags = nasty(r);
		break;
	}
}

static void frames(void *arg)
{
	struct sigaction sa = {.sa_sigaction = forge_frame, .sa_flags = SA_SIGINFO | SA_NODEFER};

	frame_random = seed((unsigned)(uintptr_t)arg);
	sigaction(SIGUSR1, &sa, NULL);
	for (unsigned i = 0; i < 50; i++)
		raise(SIGUSR1);
	_exit(0);
}

/* rt_sigreturn out of nowhere, with the stack anywhere. */
static void bare_sigreturn(void *arg)
{
	uint64_t r = seed((unsigned)(uintptr_t)arg), sp = nasty(&r);
	static uint64_t garbage[2048];

	for (unsigned i = 0; i < COUNT(garbage); i++)
		garbage[i] = nasty(&r);
	if (next_random(&r) % 2)
		sp = (uint64_t)(garbage + 8 + next_random(&r) % 64);
	__asm__ volatile("mov %0, %%rsp\n mov $15, %%eax\n syscall\n ud2" ::"r"(sp) : "memory");
}

/* The same with the stub's own call: the host's frame then, and the guest's lookout. */
static void bare_host_sigreturn(void *arg)
{
	uint64_t r = seed((unsigned)(uintptr_t)arg);
	static uint64_t garbage[4096];

	for (unsigned i = 0; i < COUNT(garbage); i++)
		garbage[i] = nasty(&r);
	__asm__ volatile("mov %0, %%rsp\n mov $15, %%eax\n jmp *%1" ::"r"(garbage + 100),
	                 "r"(stub_at)
	                 : "memory");
}

static void sigsys(void *which)
{
	static const int actions[] = {0, 1, 2};
	struct sigaction sa = {.sa_handler = actions[(uintptr_t)which] == 0   ? SIG_DFL
	                                     : actions[(uintptr_t)which] == 1 ? SIG_IGN
	                                                                      : handle};
	sigset_t all;

	sigfillset(&all);
	sigaction(SIGSYS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGURG, &sa, NULL);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (unsigned i = 0; i < 100; i++)
		some_calls();
	NEED(getppid() > 0);
	kill(getpid(), SIGSYS);
	some_calls();
	_exit(0);
}

static void stacks(void *which)
{
	uint64_t r = seed((unsigned)(uintptr_t)which);
	stack_t st = {.ss_sp = (void *)nasty(&r), .ss_size = 8192 + nasty(&r) % 100000};
	struct sigaction sa = {.sa_handler = handle, .sa_flags = SA_ONSTACK};

	/* As the guest's; and as the host's, where the filter must trap it. */
	sigaltstack(&st, NULL);
	NEED(stub_call(SYS_sigaltstack, (uint64_t)&st, 0, 0, 0, 0, 0) < 0);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	/* No stack at all when a call traps. */
	__asm__ volatile(
	    "mov %%rsp, %%rbx\n mov %0, %%rsp\n mov %1, %%eax\n syscall\n mov %%rbx, %%rsp" ::"r"(
	        nasty(&r)),
	    "i"(SYS_getppid)
	    : "rbx", "rcx", "r11", "rax", "memory");
	_exit(0);
}

/* ---- jumps and memory -------------------------------------------------------------- */

/* To every so manieth byte of the stub's text, with registers that may be anything. */
static void jump(void *to)
{
	uint64_t r = seed((unsigned)(uintptr_t)to);
	uint64_t a = nasty(&r), b = nasty(&r), c = nasty(&r);

	alarm(1);
	__asm__ volatile(
	    "mov %0, %%r15\n mov %1, %%rdi\n mov %2, %%rsi\n mov %3, %%rdx\n mov %%rdx, %%rax\n"
	    "mov %%rsi, %%rcx\n mov %%rdi, %%rbx\n call *%%r15\n" ::"r"(to),
	    "r"(a), "r"(b), "r"(c)
	    : "r15", "rdi", "rsi", "rdx", "rax", "rbx", "rcx", "memory");
	_exit(0);
}

static void taken_away(void *which)
{
	static const struct {
		uint64_t at, len;
	} parts[] = {{STUB_TEXT, 0x10000},
	             {STUB_STACKS, STUB_STACKS_SIZE},
	             {STUB_CONTEXTS, STUB_CONTEXTS_SIZE},
	             {STUB_SHARED, 0x10000},
	             {STUB_PARAMS, 0x10000},
	             {0, STUB_BASE},
	             {0, STUB_TASK_SIZE},
	             {PATCH_TABLE, PATCH_TABLE_SIZE},
	             {SHARED_PATCH_TABLE, SHARED_PATCH_TABLE_SIZE},
	             {SHARED_PATCH_CODE, SHARED_PATCH_CODE_SIZE},
	             {SHARED_PATCH_BACK, SHARED_PATCH_BACK_SIZE},
	             {STUB_VDSO, STUB_VDSO_MAX},
	             {0x7ffffffde000, 0x21000}};
	unsigned w = (unsigned)(uintptr_t)which;
	uint64_t at = parts[w / 5].at, len = parts[w / 5].len;

	/* As a call of the guest's: refused, or of what is its own only. */
	munmap((void *)STUB_TEXT, 4096);
	NEED(mprotect((void *)STUB_TEXT, 4096, PROT_READ | PROT_WRITE) == -1);
	NEED(mremap((void *)STUB_TEXT, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED);
	NEED(mmap((void *)STUB_TEXT, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
	          0) == MAP_FAILED);
	NEED(madvise((void *)STUB_STACKS, 4096, MADV_DONTNEED) == -1);
	some_calls();
	/* As the stub's: only itself is hurt. */
	switch (w % 5) {
	case 0:
		stub_call(SYS_munmap, at, len, 0, 0, 0, 0);
		break;
	case 1:
		stub_call(SYS_mmap, at, len, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, ~0ULL, 0);
		break;
	case 2:
		stub_call(SYS_mprotect, at, len, 0, 0, 0, 0);
		break;
	case 3:
		stub_call(SYS_mremap, at, len, 4096, MREMAP_MAYMOVE, 0, 0);
		break;
	case 4:
		stub_call(SYS_madvise, at, len, MADV_DONTNEED, 0, 0, 0);
		stub_call(SYS_madvise, at, len, MADV_REMOVE, 0, 0, 0);
		break;
	}
	some_calls();
	if (fork() == 0)
		some_calls();
	_exit(0);
}

/* A call site that is hot enough to be rewritten (--patch), overwritten meanwhile. */
static unsigned char *site;
static void *overwriter(void *arg)
{
	static const unsigned char code[] = {0xb8, SYS_getppid, 0,    0,    0,    0x0f,
	                                     0x05, 0xc3,        0x90, 0x90, 0x90, 0x90};
	uint64_t r = seed(77);

	for (;;) {
		unsigned at = (unsigned)(next_random(&r) % sizeof(code));
		unsigned char was = code[at];
		mprotect(site, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
		site[at] = (unsigned char)next_random(&r);
		site[at] = was;
		if (next_random(&r) % 8 == 0)
			memcpy(site, code, sizeof(code));
		mprotect(site, 4096, PROT_READ | PROT_EXEC);
	}
	return arg;
}

static void overwritten(void *arg)
{
	static const unsigned char code[] = {0xb8, SYS_getppid, 0, 0, 0, 0x0f, 0x05, 0xc3};
	pthread_t thread;

	site = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
	            0);
	memcpy(site, code, sizeof(code));
	mprotect(site, 4096, PROT_READ | PROT_EXEC);
	for (unsigned i = 0; i < 200; i++)
		((long (*)(void))site)();
	NEED(pthread_create(&thread, NULL, overwriter, NULL) == 0);
	for (;;)
		((long (*)(void))site)();
	(void)arg;
}

/* ---- ------------------------------------------------------------------------------- */

/* So many attempts, some at a time. */
static void all(const char *what, void (*attack)(void *arg), uintptr_t first, uintptr_t end,
                uintptr_t step, unsigned ms)
{
	enum { AT_ONCE = 8 };
	unsigned n = 0;

	for (uintptr_t i = first; i < end;) {
		pid_t pid[AT_ONCE];
		unsigned k;
		fflush(stdout);
		for (k = 0; k < AT_ONCE && i < end; k++, i += step, n++) {
			pid[k] = fork();
			NEED(pid[k] >= 0);
			if (pid[k] == 0)
				_exit(WIFEXITED(contain_well(attack, (void *)i, ms)) ? 0 : 3);
		}
		while (k--) {
			int status;
			NEED(waitpid(pid[k], &status, 0) == pid[k]);
			if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
				_exit(1);
		}
	}
	printf("%s: %u\n", what, n);
	well();
}

int main(void)
{
	unsigned more = rounds();
	bool stub = stub_is_there();

	if (stub)
		stub_find();
	all("segments", segments, 0, 3, 1, 3000);
	all("flags", flags, 0, 9, 1, 3000);
	all("frames forged", frames, 1000, 1000 + 40 * more, 1, 2000);
	all("sigreturn", bare_sigreturn, 2000, 2000 + 40 * more, 1, 500);
	if (stub)
		all("sigreturn by the stub", bare_host_sigreturn, 3000, 3000 + 24 * more, 1, 500);
	all("SIGSYS", sigsys, 0, 3, 1, 3000);
	all("stacks", stacks, 4000, 4000 + 24 * more, 1, 500);
	all("memory taken away", taken_away, 0, 65, 1, 300);
	all("call sites overwritten", overwritten, 0, 2, 1, 500);
	/* All bytes when there is time; else another few hundred each run. */
	unsigned step = more > 9 ? 1 : 80 / more;
	all("jumps into the stub", jump, STUB_TEXT + seed(5) % step,
	    STUB_TEXT + (stub ? 0x3000 : 0x1000), step, 100);
	puts("nowhere");
	return 0;
}
