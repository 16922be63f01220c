/*
 * The body of a task's fiber: let the guest run until it needs the sentry, do
 * what it asks, look at its signals, and again, until it ends.
 */
#include "base/bug.h"
#include "base/fiber.h"
#include "base/log.h"
#include "fs/vfs/file.h"
#include "sentry/exit_status.h"
#include "sentry/mm.h"
#include "sentry/seccomp.h"
#include "sentry/sigio.h"
#include "sentry/signal_internal.h"
#include "sentry/syscall.h"
#include "sentry/task_internal.h"
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

/* The trap flag: the processor stops after each instruction. */
#define EFLAGS_TF 0x100UL

/* Trap number of a page fault: the only SIGSEGV that a growing stack can cure. */
#define TRAP_PAGE_FAULT 14

static bool gate_opened(struct task *t)
{
	for (;;) {
		lock_acquire(&t->group->siglock);
		enum task_gate gate = t->gate;
		lock_release(&t->group->siglock);
		if (gate != TASK_NEW)
			return gate == TASK_GO;
		fiber_park();
	}
}

/* Gives a process from outside its first, empty space, and loads its program into it. */
static bool boot(struct task *t)
{
	struct platform_space *space;
	struct platform_thread *thread;
	struct mm *mm = mm_create();
	int err = mm ? platform_space_create(&space, &thread) : -ENOMEM;
	if (err) {
		if (mm)
			mm_put(mm);
		log_error("cannot create an address space: %s", strerror(-err));
		t->exit_code = EXIT_MOAT_FAILED << 8;
	} else {
		mm->space = space;
		task_adopt_image(t, mm, thread);
		err = t->boot->fn(t, t->boot);
		if (err)
			t->exit_code = exit_status_of_exec(err) << 8;
	}
	t->boot = NULL;
	return err == 0;
}

static bool is_restart(s64 result)
{
	return result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK;
}

/*
 * A futex wait that was cut short shows as a call that returned EINTR. Whether it
 * came from the stub's own untimed wait or was queued here with a deadline
 * decides how it goes on (kernel/futex/waitwake.c futex_wait).
 */
static bool futex_was_interrupted(struct task *t)
{
	struct user_regs_struct *regs = platform_thread_regs(t->thread);
	bool timed = t->futex_queued && t->restart.fn;
	t->futex_queued = false;
	if (regs->orig_rax != SYS_futex && regs->orig_rax != SYS_restart_syscall)
		return false;
	if ((s64)regs->rax != -EINTR)
		return false;
	regs->rax = timed ? (u64)-ERESTART_RESTARTBLOCK : (u64)-ERESTARTSYS;
	return true;
}

static void handle_fault(struct task *t, struct event *ev)
{
	int code = ev->fault.code;
	if (ev->fault.signo == SIGSEGV && ev->fault.trapno == TRAP_PAGE_FAULT) {
		if (mm_fault(t, ev->fault.addr, ev->fault.error_code, &code))
			return;
		ev->fault.code = code;
	}
	signal_from_fault(t, ev);
}

static void do_work(struct task *t)
{
	u32 works = atomic_exchange(&t->works, 0);
	if (works & TASK_WORK_LIMITS)
		task_refresh_limits(t);
	if (works & TASK_WORK_SECCOMP)
		seccomp_adopt(t);
	if (works & TASK_WORK_USAGE)
		task_usage_tell(t);
	if (works & TASK_WORK_BARRIER)
		waitq_wake(&t->group->barrier_waitq, EPOLLIN);
}

static void host_died(struct task *t)
{
	t->host_gone = true;
	t->futex_queued = t->report_exit = false;
	group_exit_start(t->group, SIGKILL);
}

/* A call whose tracer may look at it before and after, change it, or take its place. */
static void traced_call(struct task *t)
{
	if (ptrace_call_enter(t) && (!t->seccomp || seccomp_allows(t)) &&
	    (s32)platform_thread_regs(t->thread)->orig_rax != -1)
		syscall_dispatch(t);
	/* It may be over only when the host has done its part: then its tracer is told. */
	t->report_exit = ptrace_watches_calls(t);
}

/* True if a system call's result stands in rax, with restarts unresolved. */
static bool handle_event(struct task *t, struct event *ev)
{
	u64 site;

	switch (ev->kind) {
	case EVENT_SYSCALL:
		t->futex_queued = false;
		if (atomic_load_explicit(&t->works, memory_order_relaxed))
			do_work(t);
		site = platform_thread_site(t->thread);
		if (__builtin_expect(site != 0, 0) && !t->trace.flags)
			mm_patch_site(t, site);
		if (__builtin_expect(t->trace.flags != 0, 0))
			traced_call(t);
		else if (!t->seccomp || seccomp_allows(t))
			syscall_dispatch(t);
		sigio_settle();
		/* sigreturn leaves the interrupted code's registers, which are no result. */
		return (s64)platform_thread_call_regs(t->thread)->orig_rax >= 0;
	case EVENT_FAULT:
		t->futex_queued = false;
		handle_fault(t, ev);
		return false;
	case EVENT_INTERRUPT:
		return futex_was_interrupted(t);
	case EVENT_DEATH:
		host_died(t);
		return false;
	}
	return false;
}

/* The host refused an operation; the call that queued it returns the host's error. */
static bool handle_failed_op(struct task *t, int op, int err)
{
	if (t->fresh)
		/* CLONE_CHILD_SETTID to an address that is not there: the child's own loss. */
		return false;
	t->futex_queued = false;
	mm_op_failed(t, op, err);
	return true;
}

void task_settle(struct task *t)
{
	struct user_regs_struct *regs;
	struct event ev;
	int failed_op = -1, err;
	u64 nr;
	if (!t->thread || t->host_gone)
		return;
	nr = platform_thread_regs(t->thread)->orig_rax;
	platform_thread_ops_only(t->thread);
	err = platform_thread_run(t->thread, &ev, &failed_op);
	if (failed_op >= 0) {
		(void)handle_failed_op(t, failed_op, err);
		return;
	}
	if (err || ev.kind == EVENT_DEATH) {
		host_died(t);
		return;
	}
	if (t->mm_queued)
		mm_ops_done(t);
	regs = platform_thread_regs(t->thread);
	if (regs->orig_rax == ~0ULL)
		regs->orig_rax = nr;
	(void)futex_was_interrupted(t);
}

static bool must_look(struct task *t, bool in_syscall)
{
	if (fiber_interrupted(t->fiber) || t->restore_mask)
		return true;
	return in_syscall && is_restart((s64)platform_thread_call_regs(t->thread)->rax);
}

/*
 * It may come to a stop there, for as long as somebody likes. Others that share its memory wait for
 * what it has queued, even on their own way to that stop: so that is carried out before.
 */
static bool look_at_signals(struct task *t)
{
	if (t->mm_queued)
		task_settle(t);
	return signal_deliver(t);
}

/* Only the fiber itself counts; the hand-over that comes next is the barrier (membarrier.c). */
static void turn(struct task *t)
{
	u32 n = atomic_load_explicit(&t->turns, memory_order_relaxed);
	atomic_store_explicit(&t->turns, n + 1, memory_order_release);
}

/* Guest code runs until its next event, for one instruction only if its tracer wants that. */
static int run_guest(struct task *t, struct event *ev, int *failed_op)
{
	bool step = t->trace.step && !(platform_thread_regs(t->thread)->eflags & EFLAGS_TF);
	int err;
	if (step) {
		platform_thread_regs(t->thread)->eflags |= EFLAGS_TF;
		platform_thread_regs_changed(t->thread);
	}
	err = platform_thread_run(t->thread, ev, failed_op);
	/* It is the tracer's flag, and shown to nobody. */
	if (step) {
		platform_thread_regs(t->thread)->eflags &= ~EFLAGS_TF;
		platform_thread_regs_changed(t->thread);
	}
	return err;
}

static void run(struct task *t)
{
	bool in_syscall = false;
	struct event ev;
	for (;;) {
		if (__builtin_expect(t->report_exit, 0)) {
			task_settle(t);
			t->report_exit = false;
			ptrace_call_exit(t);
		}
		platform_thread_looks(t->thread);
		/*
		 * A queued futex wait goes to the host first even when a signal is there: it is
		 * interrupted at once, and only then has the result that the signal's
		 * frame must hold.
		 */
		if (!t->futex_queued && must_look(t, in_syscall) && !look_at_signals(t))
			return;
		if (atomic_load_explicit(&t->works, memory_order_relaxed))
			do_work(t);
		int failed_op = -1;
		turn(t);
		int err = run_guest(t, &ev, &failed_op);
		turn(t);
		if (failed_op >= 0) {
			in_syscall = handle_failed_op(t, failed_op, err);
			continue;
		}
		if (err) {
			log_error("task %d: the platform cannot run it: error %d", t->tid, -err);
			ev.kind = EVENT_DEATH;
		}
		if (t->mm_queued)
			mm_ops_done(t);
		t->fresh = false;
		in_syscall = handle_event(t, &ev);
	}
}

void task_run(void *arg)
{
	struct task *t = arg;
	if (gate_opened(t)) {
		if (!t->boot || boot(t))
			run(t);
		task_exit(t, t->exit_code);
	}
	task_put(t);
}
