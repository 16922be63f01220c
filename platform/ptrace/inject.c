/*
 * What a stopped thread does for the sentry: one instruction of the stub's page
 * with registers of the sentry's choice. The guest's own are in base.regs meanwhile, and are set
 * before its code goes on.
 *
 * The thread runs free (PTRACE_CONT) only here, at an address that the guest
 * cannot change, and a breakpoint follows: the host call that it makes is the one that was asked
 * for. The stub's seccomp filters hold all the same.
 *
 * A signal may stop it before the instruction, or after it instead of the breakpoint; the
 * instruction pointer tells. A wait that a signal ended (ERESTART...) begins anew, unless
 * an interrupt is wanted.
 */
#include "platform/ptrace/ptrace.h"
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* include/linux/errno.h: what a call that a signal has ended shows to a tracer only. */
#define HOST_ERESTARTSYS           512
#define HOST_ERESTART_RESTARTBLOCK 516

/* The flags that are always set. */
#define EFLAGS_PLAIN 0x202

struct snippet {
	u64 begin, done; /* the instruction, and the breakpoint behind it */
};

enum injected {
	INJECTED_DONE,
	INJECTED_FAULT,
	INJECTED_INTERRUPTED, /* before it began */
	INJECTED_REFUSED,     /* by the filter */
	INJECTED_DEAD,
};

static bool interrupted(const struct ptrace_thread *t, bool waits)
{
	return waits && atomic_load(&t->interrupt);
}

/* Did a stop come from the host's kernel by itself, for an instruction that cannot be? */
static bool is_fault(int status)
{
	return WSTOPSIG(status) == SIGSEGV || WSTOPSIG(status) == SIGBUS;
}

/* Runs until the instruction has been executed; then t->host has the registers. */
static enum injected run_snippet(struct ptrace_thread *t, const struct snippet *s,
                                 const struct user_regs_struct *r, bool waits)
{
	if (!tracer_set_regs(t, r))
		return INJECTED_DEAD;
	for (;;) {
		if (interrupted(t, waits))
			return INJECTED_INTERRUPTED;
		if (!tracer_resume(t, PTRACE_CONT, 0) || !tracer_await(t))
			return INJECTED_DEAD;
		/* The report of a birth: the call has not returned yet. */
		if (t->status >> 16)
			continue;
		if (!tracer_get_regs(t))
			return INJECTED_DEAD;
		if (t->host.rip == s->done + 1)
			return INJECTED_DONE;
		if (WSTOPSIG(t->status) == SIGSYS)
			return INJECTED_REFUSED;
		if (t->host.rip == s->done)
			return INJECTED_DONE;
		if (is_fault(t->status))
			return INJECTED_FAULT;
	}
}

static bool is_restart(u64 rax)
{
	return rax <= (u64)-HOST_ERESTARTSYS && rax >= (u64)-HOST_ERESTART_RESTARTBLOCK;
}

static s64 call(struct ptrace_thread *t, long nr, const u64 arg[6], bool waits)
{
	const struct snippet s = {stub_at(ptrace_stub_call), stub_at(ptrace_stub_call_done)};
	struct user_regs_struct r = {.rip = s.begin,
	                             .rax = (u64)nr,
	                             .rdi = arg[0],
	                             .rsi = arg[1],
	                             .rdx = arg[2],
	                             .r10 = arg[3],
	                             .r8 = arg[4],
	                             .r9 = arg[5],
	                             .rsp = SCRATCH + SCRATCH_SIZE,
	                             .eflags = EFLAGS_PLAIN,
	                             .fs_base = t->base.regs.fs_base,
	                             .gs_base = t->base.regs.gs_base};

	ptrace_stats.injected++;
	for (;;) {
		switch (run_snippet(t, &s, &r, waits)) {
		case INJECTED_DONE:
			if (!is_restart(t->host.rax))
				return (s64)t->host.rax;
			if (interrupted(t, waits))
				return -EINTR;
			continue;
		case INJECTED_INTERRUPTED:
			return -EINTR;
		case INJECTED_REFUSED:
			return -EPERM;
		case INJECTED_FAULT:
			return -EFAULT;
		case INJECTED_DEAD:
			return -ESRCH;
		}
	}
}

s64 inject_call(struct ptrace_thread *t, long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	return call(t, nr, (const u64[6]){a, b, c, d, e, f}, false);
}

s64 inject_wait(struct ptrace_thread *t, long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	s64 result;

	/* From here on an interrupt comes with a signal; the flag is looked at after this. */
	atomic_store(&t->running, true);
	result = call(t, nr, (const u64[6]){a, b, c, d, e, f}, true);
	atomic_store(&t->running, false);
	return result;
}

s64 inject_cmpxchg(struct ptrace_thread *t, u64 addr, u32 expect, u32 value, u32 *old)
{
	const struct snippet s = {stub_at(ptrace_stub_cmpxchg), stub_at(ptrace_stub_cmpxchg_done)};
	const struct user_regs_struct r = {.rip = s.begin,
	                                   .rdi = addr,
	                                   .rax = expect,
	                                   .rdx = value,
	                                   .rsp = SCRATCH + SCRATCH_SIZE,
	                                   .eflags = EFLAGS_PLAIN,
	                                   .fs_base = t->base.regs.fs_base,
	                                   .gs_base = t->base.regs.gs_base};

	switch (run_snippet(t, &s, &r, false)) {
	case INJECTED_DONE:
		*old = (u32)t->host.rax;
		return 0;
	case INJECTED_DEAD:
		return -ESRCH;
	default:
		return -EFAULT;
	}
}
