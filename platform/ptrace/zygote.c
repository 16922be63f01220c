/*
 * The zygote: the child of the sentry of which all spaces are copies.
 *
 * It is forked early, sheds what the sentry gave it, and waits in a page of its own. Later
 * the worker attaches to it and has it do the rest call by call: unmap everything, move the
 * vDSO and the stub's page to their places, close all files, take the signal handlers, lock itself
 * in. Guest code has not run by then, so what the calls need can stand in the scratch page.
 *
 * The stub's page is there twice, since a process cannot move the page it runs in: from one
 * copy the other is put in its place.
 *
 * Host calls: clone, mmap, mprotect, munmap, socketpair, getpid; all before lock-down. Then ptrace.
 */
#include "base/fiber.h"
#include "base/log.h"
#include "base/timer.h"
#include "platform/filter/stub_filter.h"
#include "platform/ptrace/ptrace.h"
#include "platform/stub/abi.h"
#include "platform/stub_process.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRACE_OPTIONS                                                                              \
	(PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |    \
	 PTRACE_O_TRACEVFORK)

/* How long a child that is not there yet is given before the next look. */
#define WAIT_STEP_NS 200000
/* And one that may not be traced yet. */
#define SEIZE_PATIENCE_NS 10000000000ULL

static struct vdso vdso;
/* Where the zygote waits; the copy to be moved follows it, and where the vDSO is put aside. */
static u64 first_page;
static pid_t zygote_pid;

u64 ptrace_vdso(void)
{
	return vdso.parts && vdso.code ? STUB_VDSO + (vdso.code - vdso.begin) : 0;
}

#define PAGES_SIZE (2 * PAGE_SIZE + STUB_VDSO_MAX)

/* Two copies of the stub's page and room for the vDSO, not where stubs have anything. */
static int pages_map(void)
{
	const size_t n = PAGES_SIZE;

	for (u64 hint = 0; hint < 64; hint++) {
		u8 *p = mmap((void *)(hint ? STUB_BASE - (hint << 26) : 0), n,
		             PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			return -errno;
		if ((u64)p >= STUB_END || (u64)p + n <= STUB_BASE) {
			memcpy(p, ptrace_stub, (size_t)(ptrace_stub_end - ptrace_stub));
			memcpy(p + PAGE_SIZE, p, PAGE_SIZE);
			first_page = (u64)p;
			return mprotect(p, 2 * PAGE_SIZE, PROT_READ | PROT_EXEC) ? -errno : 0;
		}
		munmap(p, n);
	}
	return -ENOMEM;
}

int zygote_fork(void)
{
	pid_t parent = getpid();
	int pair[2], err = vdso_find(&vdso);

	if (!err)
		err = pages_map();
	if (err)
		return err;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	tracing.socket = pair[0];
	tracing.stub_socket = pair[1];
	tracing.text = first_page;
	/* With the exit signal by which the tracer hears of ends. */
	zygote_pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (zygote_pid < 0)
		return -errno;
	if (zygote_pid == 0) {
		stub_process_shed(pair[1], parent, tracing.config->max_processes);
		((void (*)(void))stub_at(ptrace_stub_wait))();
		__builtin_unreachable();
	}
	munmap((void *)first_page, PAGES_SIZE);
	return 0;
}

/* ---- the rest, on the worker --------------------------------------------- */

struct setup {
	struct ptrace_thread *t;
	s64 err; /* the first failure; nothing is done after it */
};

static void step(struct setup *s, long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	s64 result;

	if (s->err)
		return;
	result = inject_call(s->t, nr, a, b, c, d, e, f);
	if (result < 0 && result >= -4095) {
		if (result != -ESRCH)
			log_error("ptrace: the zygote's call %ld failed: %s", nr,
			          strerror((int)-result));
		s->err = result;
	}
}

static void put(struct setup *s, u64 offset, const void *src, size_t n)
{
	if (!s->err && !scratch_write(s->t, offset, src, n))
		s->err = -EFAULT;
}

/* The host may have put it where the stub will be, so it is put aside before that is cleared. */
static void move_vdso(struct setup *s, u64 from, u64 to)
{
	for (unsigned i = 0; i < vdso.parts; i++) {
		u64 at = vdso.part[i].begin - vdso.begin;
		u64 len = vdso.part[i].end - vdso.part[i].begin;

		step(s, SYS_mremap, from + at, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to + at, 0);
	}
}

static void move_memory(struct setup *s)
{
	const u64 remap = MREMAP_MAYMOVE | MREMAP_FIXED, rw = PROT_READ | PROT_WRITE;
	const u64 aside = first_page + 2 * PAGE_SIZE;
	const u64 anonymous = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;

	move_vdso(s, vdso.begin, aside);
	step(s, SYS_munmap, STUB_BASE, STUB_END - STUB_BASE, 0, 0, 0, 0);
	step(s, SYS_mremap, first_page + PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, remap, STUB_TEXT, 0);
	tracing.text = STUB_TEXT;
	move_vdso(s, aside, STUB_VDSO);
	step(s, SYS_munmap, 0, STUB_BASE, 0, 0, 0, 0);
	step(s, SYS_munmap, STUB_END, STUB_TASK_SIZE - STUB_END, 0, 0, 0, 0);
	step(s, SYS_mmap, SCRATCH, SCRATCH_SIZE, rw, anonymous, (u64)-1, 0);
	step(s, SYS_mmap, DEADLINES, DEADLINES_SIZE, rw, anonymous, (u64)-1, 0);
	step(s, SYS_close_range, STUB_SOCKET_FD + 1, ~0U, 0, 0, 0, 0);
}

/* See fault.c. Nothing is blocked in the handler, as it never returns. */
static void handle_faults(struct setup *s)
{
	static const u8 signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
	const struct {
		u64 handler, flags, restorer, mask;
	} action = {stub_at(ptrace_stub_trap),
	            SA_SIGINFO | SA_NODEFER | 0x04000000 /* SA_RESTORER */,
	            stub_at(ptrace_stub_trap), 0};

	put(s, 0, &action, sizeof(action));
	for (unsigned i = 0; i < sizeof(signals); i++)
		step(s, SYS_rt_sigaction, signals[i], SCRATCH, 0, 8, 0, 0);
}

static void filter_install(struct setup *s, const u64 *program, u32 len)
{
	const struct sock_fprog prog = {(u16)len, (struct sock_filter *)(SCRATCH + 64)};

	put(s, 0, &prog, sizeof(prog));
	put(s, 64, program, len * sizeof(*program));
	step(s, SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, SCRATCH, 0, 0, 0);
}

/*
 * The filters of systrap's stubs, over a guest whose calls never get that far: should it
 * be resumed in the wrong way, by mistake, they hold. A host without them is what this platform
 * is for.
 */
static void lock_in(struct setup *s)
{
	struct stub_params *p;
	u32 action = SECCOMP_RET_TRAP;

	step(s, SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
	put(s, 0, &action, sizeof(action));
	if (s->err || inject_call(s->t, SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, SCRATCH, 0, 0, 0))
		return;
	p = calloc(1, sizeof(*p));
	/* A guest's thread makes no host call here but what its tracer has it make. */
	s->err = p ? stub_filter_build(p, (u64)(ptrace_stub_end - ptrace_stub), false) : -ENOMEM;
	if (!s->err) {
		/* The other allows no filter after it. */
		filter_install(s, p->gate, p->gate_len);
		filter_install(s, p->call, p->call_len);
	}
	free(p);
}

/*
 * Stops the child where it waits. Before that it has not shed everything: what the host writes to
 * at each return to user mode (rseq) must not be unmapped under it.
 */
static int await_waiting(struct ptrace_thread *t)
{
	for (;;) {
		if (tracer_request(PTRACE_INTERRUPT, t->tid, 0, NULL) != 0 || !tracer_await(t) ||
		    !tracer_get_regs(t))
			return -ECHILD;
		if (t->host.rip - first_page < PAGE_SIZE)
			return 0;
		if (!tracer_resume(t, PTRACE_CONT, 0))
			return -ECHILD;
		(void)!fiber_sleep(time_monotonic() + WAIT_STEP_NS);
	}
}

/*
 * The host lets nobody trace a process that has changed its rights and not said since that it
 * may be looked at: a moment in the child's shedding.
 */
static int seize(void)
{
	u64 give_up = time_monotonic() + SEIZE_PATIENCE_NS;
	int err;

	for (;;) {
		err = (int)tracer_request(PTRACE_SEIZE, zygote_pid, 0, (void *)TRACE_OPTIONS);
		if (err != -EPERM || time_monotonic() > give_up)
			return err;
		(void)!fiber_sleep(time_monotonic() + WAIT_STEP_NS);
	}
}

static int zygote_set_up(void)
{
	struct platform_space *space;
	struct setup s = {0};

	s.err = seize();
	if (!s.err)
		s.err = space_adopt(zygote_pid, &space, &s.t);
	if (!s.err)
		s.err = await_waiting(s.t);
	if (s.err)
		return (int)s.err;
	move_memory(&s);
	handle_faults(&s);
	lock_in(&s);
	if (!s.err)
		tracing.zygote = s.t;
	return (int)s.err;
}

int zygote_attach(void)
{
	int err = zygote_set_up();

	if (err == -ESRCH || err == -ECHILD)
		log_error("ptrace: the process that forks address spaces has died");
	else if (err)
		log_error("ptrace: cannot trace the process that forks address spaces: %s",
		          strerror(-err));
	return err;
}
