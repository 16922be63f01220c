/*
 * The ptrace platform: guest code runs in host processes that the sentry traces. Every call stops
 * the thread, and everything that is done in its address space it is made to do, call by
 * call. It needs less of the host than systrap, costs some ten times as much per call, and is
 * simple enough to hold the other against.
 *
 *	tracer.c   requests, and how stops are noticed	zygote.c    the first space
 *	inject.c   a stopped thread makes a call	space.c     spaces and threads
 *	run.c      guest code until its next event	fault.c     what a fault was
 *	hostops.c  operations on memory and futexes	guestmem.c  copying
 *	sigframe.c signal frames and FPU state		probe.c     what the host must have
 *
 * What the guest may know without asking is not answered here: the sentry sees every call.
 */
#include "platform/ptrace/ptrace.h"
#include "base/sched.h"
#include "platform/process_clock.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

struct ptrace_state tracing = {.socket = -1, .stub_socket = -1};
struct ptrace_stats ptrace_stats;

static int init(const struct platform_config *config)
{
	int err;

	tracing.config = config;
	mutex_init(&tracing.scratch, RANK_SCRATCH);
	mutex_init(&tracing.zygote_mutex, RANK_ZYGOTE);
	/* The child must not inherit what it takes to hear of children. */
	err = zygote_fork();
	return err ? err : tracer_init();
}

static int start(void)
{
	static const struct sched_source source = {.poll = tracer_poll, .one_thread = true};

	sched_set_source(&source);
	return 0;
}

static _Atomic u32 *doorbell(void)
{
	return NULL; /* the scheduler's own: no guest rings it */
}

static void stats_print(int fd)
{
	const struct ptrace_stats *s = &ptrace_stats;

	dprintf(fd,
	        "platform ptrace: calls %llu faults %llu interrupts %llu forks %llu clones %llu\n"
	        "  host calls made by guest threads %llu\n",
	        (unsigned long long)s->calls, (unsigned long long)s->faults,
	        (unsigned long long)s->interrupts, (unsigned long long)s->forks,
	        (unsigned long long)s->clones, (unsigned long long)s->injected);
}

static void shutdown(void)
{
	/* The others are killed one by one as their threads exit. */
	tracing.ending = true;
	if (tracing.zygote)
		ptrace_space_kill(tracing.zygote->base.space);
}

static int usage(struct platform_thread *pt, struct rusage *out)
{
	struct ptrace_thread *t = ptrace_thread(pt);
	s64 result;

	mutex_guard(&tracing.scratch);
	result = inject_call(t, SYS_getrusage, (u64)RUSAGE_THREAD, SCRATCH, 0, 0, 0, 0);
	if (result)
		return t->died ? -ESRCH : -EIO;
	return scratch_read(t, out, 0, sizeof(*out)) ? 0 : -ESRCH;
}

static u64 space_cpu_time(struct platform_space *s)
{
	return process_cpu_time(s->pid);
}

const struct platform_ops ptrace_platform = {
    .name = "ptrace",
    .workers = 1,
    .traces = true,
    .unsupported = ptrace_unsupported,
    .init = init,
    .start = start,
    .doorbell = doorbell,
    .stats_print = stats_print,
    .shutdown = shutdown,
    .vdso = ptrace_vdso,
    .space_create = ptrace_space_create,
    .space_fork = ptrace_space_fork,
    .thread_clone = ptrace_thread_clone,
    .space_threads = ptrace_space_threads,
    .thread_exit = ptrace_thread_exit,
    .space_kill = ptrace_space_kill,
    .usage = usage,
    .space_cpu_time = space_cpu_time,
    .run = ptrace_run,
    .sync = ptrace_sync,
    .ops_done = ptrace_ops_done,
    .interrupt = ptrace_interrupt,
    .space_read = ptrace_space_read,
    .space_write = ptrace_space_write,
    .frame_push = ptrace_frame_push,
    .frame_pop = ptrace_frame_pop,
    .xstate_get = ptrace_xstate_get,
    .xstate_set = ptrace_xstate_set,
};
