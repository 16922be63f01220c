/*
 * Crash reports. The order of a report is by how much can go wrong: what
 * happened first, then the fiber and the guest's call, the backtrace last,
 * because unwinding a broken stack may fault again. A fault during a report
 * ends the process with what has been printed so far. The
 * unwinder is the compiler's own (libgcc's), which needs no preparation and no file.
 * Host calls: sigaction, sigaltstack.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unwind.h>
#include "base/bug.h"
#include "base/crash.h"
#include "base/fiber.h"
#include "base/fiber_internal.h"
#include "base/host.h"
#include "base/log.h"
#include "base/symbols.h"

#define BACKTRACE_MAX 48

static _Alignas(16) char main_stack[CRASH_STACK_SIZE]; /* of the thread that installed this */
static void (*crash_context)(char *buf, size_t n);
static _Atomic bool crash_reporting;
static _Thread_local bool crash_mine; /* this thread is the one that reports */

/* snprintf without floats or wide characters allocates nothing in glibc, and takes no lock. */
static void printf_like(1, 2) crash_print(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > 0)
		host_write(log_fd(), line, min_of((size_t)n, sizeof(line) - 1));
}

/* Returns once per process; a fault within the report and other threads' reports end here. */
static void crash_begin(void)
{
	if (!atomic_exchange(&crash_reporting, true)) {
		crash_mine = true;
		return;
	}
	if (crash_mine) {
		crash_print("moat: another fault while reporting; giving up\n");
		host_exit_group(CRASH_STATUS);
	}
	/* The thread that reports ends the process for all of them. */
	for (;;)
		host_poll(NULL, 0, -1);
}

static void print_frame(unsigned i, uintptr_t pc)
{
	uintptr_t off = 0;
	/* A return address is one past its call: look up the call, or a
	 * function that ends in a noreturn call would be named wrongly. */
	uintptr_t at = i ? pc - 1 : pc;
	const char *name = symbol_find(at, &off);
	Dl_info info;

	if (name)
		crash_print("  #%-2u 0x%lx %s+0x%lx\n", i, symbol_image_offset(pc), name,
		            off + (pc - at));
	else if (dladdr((void *)at, &info) && info.dli_sname)
		crash_print("  #%-2u 0x%lx %s+0x%lx (%s)\n", i, pc, info.dli_sname,
		            pc - (uintptr_t)info.dli_saddr, info.dli_fname);
	else
		crash_print("  #%-2u 0x%lx\n", i, symbol_image_offset(pc) ?: pc);
}

struct walk {
	unsigned frames;
	unsigned skip;  /* frames of the report itself */
	uintptr_t from; /* begin with the frame at this address; 0: with the first */
};

static _Unwind_Reason_Code walk_frame(struct _Unwind_Context *uc, void *arg)
{
	struct walk *w = arg;
	uintptr_t pc = _Unwind_GetIP(uc);

	if (!pc || w->frames == BACKTRACE_MAX)
		return _URC_END_OF_STACK;
	if (w->from && pc != w->from)
		return _URC_NO_REASON;
	w->from = 0;
	if (w->skip)
		w->skip--;
	else
		print_frame(w->frames++, pc);
	return _URC_NO_REASON;
}

static void print_circumstances(void)
{
	struct fiber *f = fiber_self();
	char line[256];

	if (f)
		crash_print("  in fiber '%s'\n", fiber_name(f));
	if (!crash_context)
		return;
	line[0] = '\0';
	crash_context(line, sizeof(line));
	line[sizeof(line) - 1] = '\0';
	if (line[0])
		crash_print("  %s\n", line);
}

noreturn void bug_at(const char *file, int line, const char *what)
{
	struct walk walk = {.skip = 1};

	crash_begin();
	crash_print("moat: BUG at %s:%d: %s\n", file, line, what);
	print_circumstances();
	_Unwind_Backtrace(walk_frame, &walk);
	host_exit_group(CRASH_STATUS);
}

static const char *signal_cause(int sig, const siginfo_t *si)
{
	if (sig == SIGSEGV && fiber_stack_overflowed((uintptr_t)si->si_addr))
		return ": the fiber's stack overflowed";
	return "";
}

static void crash_handler(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;
	const greg_t *r = uc->uc_mcontext.gregs;
	struct walk walk = {.from = (uintptr_t)r[REG_RIP]};

	crash_begin();
	crash_print("moat: the sentry got SIG%s at 0x%lx, address 0x%lx%s\n",
	            sigabbrev_np(sig) ?: "?", (unsigned long)r[REG_RIP], (unsigned long)si->si_addr,
	            signal_cause(sig, si));
	crash_print("  rax %llx rbx %llx rcx %llx rdx %llx rsi %llx rdi %llx rsp %llx rbp %llx\n",
	            r[REG_RAX], r[REG_RBX], r[REG_RCX], r[REG_RDX], r[REG_RSI], r[REG_RDI],
	            r[REG_RSP], r[REG_RBP]);
	print_circumstances();
	_Unwind_Backtrace(walk_frame, &walk);
	host_exit_group(CRASH_STATUS);
}

void crash_install(void (*context)(char *buf, size_t n))
{
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
	/* NODEFER: a fault inside the handler must come back to it, not kill silently. */
	struct sigaction sa = {.sa_sigaction = crash_handler,
	                       .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

	crash_context = context;
	symbols_load();
	sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < array_size(fatal); i++)
		sigaction(fatal[i], &sa, NULL);
	crash_thread_start(main_stack);
}

void crash_thread_start(void *stack)
{
	const stack_t ss = {.ss_sp = stack, .ss_size = CRASH_STACK_SIZE};

	sigaltstack(&ss, NULL);
}
