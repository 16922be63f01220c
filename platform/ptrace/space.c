/*
 * Spaces and threads: how they come, multiply and go.
 *
 * Both kinds of child are made by an injected clone of a thread that stands still; the host
 * attaches the tracer to them and stops them before their first instruction.
 *
 * A space is a host process. It ends with its last thread, by SIGKILL; its main
 * thread stays until then, stopped, since a process whose main thread has ended has no memory any
 * more for process_vm_readv. Whatever ends is reaped by tracer_poll.
 *
 * Host calls: pidfd_open, pidfd_send_signal, close.
 */
#include "base/census.h"
#include "base/fiber.h"
#include "platform/ptrace/ptrace.h"
#include "platform/stub/abi.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

static CENSUS(space_census, "platform spaces");
static CENSUS(thread_census, "platform threads");

void ptrace_space_kill(struct platform_space *s)
{
	(void)pidfd_send_signal(s->pidfd, SIGKILL, NULL, 0);
}

static void space_free(struct platform_space *s)
{
	if (s->pidfd >= 0)
		close(s->pidfd);
	free(s);
	census_add(&space_census, -1);
}

static int thread_new(struct platform_space *s, s32 tid, struct ptrace_thread **out)
{
	struct ptrace_thread *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->tid = tid;
	t->base.space = s;
	t->base.uspace.ops = &ptrace_guestmem_ops;
	s->threads++;
	census_add(&thread_census, 1);
	tracer_watch(t);
	*out = t;
	return 0;
}

static void thread_free(struct ptrace_thread *t)
{
	struct platform_space *s = t->base.space;

	tracer_unwatch(t);
	free(t);
	census_add(&thread_census, -1);
	if (--s->threads > 0)
		return;
	ptrace_space_kill(s);
	space_free(s);
}

int space_adopt(s32 pid, struct platform_space **space, struct ptrace_thread **t)
{
	struct platform_space *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	census_add(&space_census, 1);
	s->pid = (u32)pid;
	s->pidfd = pidfd_open(pid, 0);
	if (s->pidfd < 0) {
		err = -errno;
		space_free(s);
		return err ? err : -EIO;
	}
	err = thread_new(s, pid, t);
	if (err) {
		ptrace_space_kill(s);
		space_free(s);
		return err;
	}
	*space = s;
	return 0;
}

/* A child's own first stop, before its first instruction. */
static int await_birth(struct ptrace_thread *child, const struct platform_thread *parent)
{
	if (!tracer_await(child) || !tracer_get_regs(child)) {
		thread_free(child);
		return -EAGAIN;
	}
	child->base.regs = parent->regs;
	return 0;
}

static int spawn(struct ptrace_thread *t, struct platform_space **space,
                 struct ptrace_thread **child)
{
	s64 pid;
	int err;

	/* A copy of the files in flight would stay in the child for good. */
	mutex_acquire(&tracing.scratch);
	pid = inject_call(t, SYS_clone, STUB_FORK_FLAGS, 0, 0, 0, 0, 0);
	mutex_release(&tracing.scratch);
	if (pid <= 0)
		return pid < 0 && pid >= -4095 ? (int)pid : -EAGAIN;
	err = space_adopt((s32)pid, space, child);
	if (err)
		return err;
	err = await_birth(*child, &t->base);
	if (!err)
		ptrace_stats.forks++;
	return err;
}

int ptrace_space_create(struct platform_space **space, struct platform_thread **out)
{
	struct ptrace_thread *child;
	int err = 0;

	mutex_guard(&tracing.zygote_mutex);
	if (!tracing.zygote)
		err = zygote_attach();
	if (!err)
		err = spawn(tracing.zygote, space, &child);
	if (err)
		return err;
	*out = &child->base;
	platform_thread_reset(*out);
	return 0;
}

int ptrace_space_fork(struct platform_thread *pt, struct platform_space **space,
                      struct platform_thread **out)
{
	struct ptrace_thread *child;
	int err = spawn(ptrace_thread(pt), space, &child);

	if (!err)
		*out = &child->base;
	return err;
}

int ptrace_thread_clone(struct platform_thread *pt, struct platform_thread **out)
{
	struct ptrace_thread *child;
	s64 tid;
	int err;

	tid = inject_call(ptrace_thread(pt), SYS_clone, STUB_THREAD_FLAGS, 0, 0, 0, 0, 0);
	if (tid <= 0)
		return tid < 0 && tid >= -4095 ? (int)tid : -EAGAIN;
	err = thread_new(pt->space, (s32)tid, &child);
	/* A host thread that nobody knows would stand there for ever. */
	if (err)
		ptrace_space_kill(pt->space);
	else
		err = await_birth(child, pt);
	if (err)
		return err;
	ptrace_stats.clones++;
	*out = &child->base;
	return 0;
}

unsigned ptrace_space_threads(struct platform_space *s)
{
	return s->threads;
}

/* The host thread leaves; its end is reported like any stop. */
static void end_host_thread(struct ptrace_thread *t)
{
	(void)inject_call(t, SYS_exit, 0, 0, 0, 0, 0, 0);
}

void ptrace_thread_exit(struct platform_thread *pt)
{
	struct ptrace_thread *t = ptrace_thread(pt);
	struct platform_space *s = pt->space;

	if (pt->ops && !t->died)
		(void)ptrace_sync(pt);
	if (!t->died && s->threads > 1 && t->tid != (s32)s->pid)
		end_host_thread(t);
	thread_free(t);
}
