/*
 * Faults of guest code. A tracer is shown a siginfo, but not the trap number, the
 * error code and the address register that belong into a guest's signal frame, and
 * whether a page fault was a write can be told from nothing else. So the thread is given its
 * signal, on the scratch page as the stack: the host builds a frame there, the handler
 * is a breakpoint, and the numbers are read from the frame.
 *
 * To enter a handler resets the FPU, so its state is kept meanwhile. What is read may
 * be forged by another thread of the same guest; it is shown to that guest only.
 */
#include "platform/ptrace/ptrace.h"
#include "platform/x86_64/host_frame.h"
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

/* As large as any processor's register state; one at a time, under the scratch mutex. */
static _Alignas(64) u8 kept_xstate[16 * 1024];

static bool is_kernels(const siginfo_t *info)
{
	if (info->si_code <= 0)
		return false;
	switch (info->si_signo) {
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGTRAP:
		return true;
	default:
		return false;
	}
}

/* Runs t into the handler of the signal by which it has stopped; t->host: where it is then. */
static bool enter_handler(struct ptrace_thread *t, int signo)
{
	struct user_regs_struct r = t->base.regs;

	r.rsp = SCRATCH + SCRATCH_SIZE;
	if (!tracer_set_regs(t, &r))
		return false;
	do {
		if (!tracer_resume(t, PTRACE_CONT, signo) || !tracer_await(t))
			return false;
		if (!(t->status >> 16) && !tracer_get_regs(t))
			return false;
		signo = 0;
	} while (t->status >> 16 || t->host.rip != stub_at(ptrace_stub_trap) + 1);
	return true;
}

static void read_frame(struct ptrace_thread *t, struct event *event)
{
	struct host_frame frame;
	u64 at = t->host.rsp - SCRATCH;

	memset(&frame, 0, sizeof(frame));
	if (t->host.rsp < SCRATCH || at > SCRATCH_SIZE - sizeof(frame) ||
	    !scratch_read(t, &frame, at, sizeof(frame)))
		return;
	event->fault.trapno = frame.uc.mc.trapno;
	event->fault.error_code = frame.uc.mc.err;
	event->fault.cr2 = frame.uc.mc.cr2;
}

bool fault_take(struct ptrace_thread *t, struct event *event)
{
	struct user_regs_struct selectors;
	siginfo_t info;
	long n;

	if (tracer_request(PTRACE_GETSIGINFO, t->tid, 0, &info) != 0 || !is_kernels(&info))
		return false;
	event->fault.signo = info.si_signo;
	event->fault.code = info.si_code;
	event->fault.addr = (u64)info.si_addr;
	event->fault.trapno = event->fault.error_code = event->fault.cr2 = 0;
	selectors = t->host;
	mutex_guard(&tracing.scratch);
	n = xstate_load(t, kept_xstate, sizeof(kept_xstate));
	if (n < 0 || !enter_handler(t, info.si_signo))
		return false;
	read_frame(t, event);
	t->host = selectors;
	return xstate_store(t, kept_xstate, (size_t)n) == 0;
}
