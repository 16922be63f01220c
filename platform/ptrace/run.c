/*
 * Running guest code until its next event.
 *
 * Guest code runs under PTRACE_SYSEMU: the host stops the thread at every call instruction, by
 * whichever entry, before anything is done about it. The registers are read, and written before
 * the thread goes on.
 *
 * Interrupts are sticky: the flag is set, then the thread is signalled if it may be running, and
 * `running` is set before the flag is looked at, so one of both sees the other. The flag is
 * cleared when an event has been taken, before the fiber looks at its signals. A signal that comes
 * too late for its flag stops the thread for nothing and is dropped.
 *
 * Host calls: tgkill.
 */
#include "base/log.h"
#include "platform/ptrace/ptrace.h"
#include "platform/stub/abi.h"
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* With PTRACE_O_TRACESYSGOOD. */
#define CALL_STOP (SIGTRAP | 0x80)
/* asm-generic/siginfo.h, which does not go with the C library's. */
#define TRAPPED_BY_SECCOMP 1

/* What handlers of the guest, and its tracers, do not see of the host's registers is kept. */
static void take_regs(struct ptrace_thread *t, u64 orig_rax)
{
	t->base.regs = t->host;
	t->base.regs.orig_rax = orig_rax;
}

static int finish(struct ptrace_thread *t, struct event *event, enum event_kind kind)
{
	event->kind = kind;
	atomic_store(&t->running, false);
	atomic_store(&t->interrupt, false);
	t->base.regs_changed = false;
	return 0;
}

static int death(struct ptrace_thread *t, struct event *event)
{
	atomic_store(&t->died, true);
	return finish(t, event, EVENT_DEATH);
}

/*
 * The call instruction leaves rip in rcx; int 0x80 and sysenter do not. Their calls have other
 * numbers, which the sentry does not know: as under systrap, whoever makes one dies. A guest that
 * forges rcx only makes its call a 64-bit one, whose filters then judge it so.
 */
static bool is_64bit_call(const struct user_regs_struct *r)
{
	return r->rcx == r->rip;
}

static int take_call(struct ptrace_thread *t, struct event *event)
{
	if (!is_64bit_call(&t->host)) {
		ptrace_space_kill(t->base.space);
		return death(t, event);
	}
	take_regs(t, (u32)t->host.orig_rax);
	t->base.regs.rax = (u64)-ENOSYS;
	ptrace_stats.calls++;
	return finish(t, event, EVENT_SYSCALL);
}

/*
 * The vsyscall page has no call instruction: the host's emulation asks the seccomp filters, which
 * trap what does not come from the stub, and returns to the caller.
 */
static bool is_vsyscall(struct ptrace_thread *t, u64 *nr)
{
	siginfo_t info;

	if (WSTOPSIG(t->status) != SIGSYS ||
	    tracer_request(PTRACE_GETSIGINFO, t->tid, 0, &info) != 0)
		return false;
	*nr = (u32)info.si_syscall;
	return info.si_code == TRAPPED_BY_SECCOMP;
}

/* True if the stop is an event for the sentry. */
static bool take_stop(struct ptrace_thread *t, struct event *event)
{
	u64 nr;

	if (!tracer_get_regs(t))
		return death(t, event) == 0;
	if (WSTOPSIG(t->status) == CALL_STOP)
		return take_call(t, event) == 0;
	if (WSTOPSIG(t->status) == STUB_INTERRUPT_SIGNAL) {
		if (!atomic_load(&t->interrupt))
			return false;
		take_regs(t, ~0ULL);
		ptrace_stats.interrupts++;
		return finish(t, event, EVENT_INTERRUPT) == 0;
	}
	if (is_vsyscall(t, &nr)) {
		take_regs(t, nr);
		t->base.regs.rax = (u64)-ENOSYS;
		ptrace_stats.calls++;
		return finish(t, event, EVENT_SYSCALL) == 0;
	}
	take_regs(t, ~0ULL);
	if (!fault_take(t, event))
		return t->died && death(t, event) == 0;
	ptrace_stats.faults++;
	return finish(t, event, EVENT_FAULT) == 0;
}

static int run_guest(struct ptrace_thread *t, struct event *event)
{
	if (t->base.reset_fpu && xstate_clear(t) != 0)
		return death(t, event);
	t->base.reset_fpu = false;
	if (!tracer_set_regs(t, &t->base.regs))
		return death(t, event);
	atomic_store(&t->running, true);
	if (atomic_load(&t->interrupt)) {
		t->base.regs.orig_rax = ~0ULL;
		return finish(t, event, EVENT_INTERRUPT);
	}
	do {
		if (!tracer_resume(t, PTRACE_SYSEMU, 0) || !tracer_await(t))
			return death(t, event);
		/* Group stops and their like: somebody on the host plays with the process. */
	} while (t->status >> 16 || !take_stop(t, event));
	return 0;
}

int ptrace_run(struct platform_thread *pt, struct event *event, int *failed_op)
{
	struct ptrace_thread *t = ptrace_thread(pt);
	bool ops_only = pt->ops_only;
	struct ops_result done = {.failed = -1};

	*failed_op = -1;
	pt->ops_only = false;
	if (pt->ops)
		hostops_carry_out(t, &done);
	if (t->died)
		return death(t, event);
	if (done.failed >= 0) {
		*failed_op = done.failed;
		return (int)done.result;
	}
	if (done.counts)
		pt->regs.rax = (u64)done.result;
	if (done.interrupted) {
		pt->regs.orig_rax = SYS_futex;
		pt->regs.rax = (u64)-EINTR;
		return finish(t, event, EVENT_INTERRUPT);
	}
	if (ops_only) {
		pt->regs.orig_rax = ~0ULL;
		return finish(t, event, EVENT_INTERRUPT);
	}
	return run_guest(t, event);
}

void ptrace_interrupt(struct platform_thread *pt)
{
	struct ptrace_thread *t = ptrace_thread(pt);

	atomic_store(&t->interrupt, true);
	/* If it is gone, its end is reported by itself. */
	if (atomic_load(&t->running))
		(void)syscall(SYS_tgkill, pt->space->pid, t->tid, STUB_INTERRUPT_SIGNAL);
}
