/*
 * The tracer: requests to tracees, and how their stops reach the fibers that
 * wait for them.
 *
 * The host announces each stop and end by SIGCHLD to the tracing thread, the worker,
 * on which alone that signal is not blocked. Its handler sets a flag and rings the doorbell; a
 * worker that is about to sleep counts itself as asleep, then looks at the flag, so none is
 * lost whichever comes first. Signals coalesce: a look takes all that is there.
 *
 * Children appear by themselves (PTRACE_O_TRACECLONE) and may stop before their parent has
 * told who they are: newborns wait in a list for tracer_watch.
 *
 * Host calls: ptrace, wait4, rt_sigaction, rt_sigprocmask.
 */
#include "base/bug.h"
#include "base/fiber.h"
#include "base/log.h"
#include "base/sched.h"
#include "platform/ptrace/ptrace.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUCKETS 1024u

struct newborn {
	SLIST_ENTRY(newborn) link;
	s32 tid;
	int status;
};

static LIST_HEAD(threads, ptrace_thread) watched[BUCKETS];
static SLIST_HEAD(newborns, newborn) newborns = SLIST_HEAD_INITIALIZER(newborns);
static _Atomic bool announced;
static bool attentive; /* the worker takes the signal */

static void on_child(int signo unused_arg)
{
	int saved = errno;

	atomic_store(&announced, true);
	sched_kick();
	errno = saved;
}

static int child_signal(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	return -pthread_sigmask(how, &set, NULL);
}

int tracer_init(void)
{
	/* Fibers' stacks are small; the crash reporter has given each thread another. */
	struct sigaction sa = {.sa_handler = on_child, .sa_flags = SA_RESTART | SA_ONSTACK};
	int err = child_signal(SIG_BLOCK);

	if (err)
		return err;
	return sigaction(SIGCHLD, &sa, NULL) ? -errno : 0;
}

long tracer_request(long request, s32 tid, u64 addr, void *data)
{
	return syscall(SYS_ptrace, request, tid, addr, data) < 0 ? -errno : 0;
}

static struct ptrace_thread *find(s32 tid)
{
	struct ptrace_thread *t;

	LIST_FOREACH (t, &watched[(u32)tid % BUCKETS], link)
		if (t->tid == tid)
			return t;
	return NULL;
}

static void report(struct ptrace_thread *t, int status)
{
	if (WIFSTOPPED(status)) {
		t->status = status;
		t->reported = true;
	} else {
		atomic_store(&t->died, true);
		if (t == tracing.zygote && !tracing.ending && tracing.config->fatal)
			tracing.config->fatal("the process that forks address spaces has died");
	}
	if (t->waiter)
		fiber_unpark(t->waiter);
}

static void newborn_add(s32 tid, int status)
{
	struct newborn *b = malloc(sizeof(*b));

	/* Its parent's fiber then waits until the space is killed. */
	if (!b)
		return;
	*b = (struct newborn){.tid = tid, .status = status};
	SLIST_INSERT_HEAD(&newborns, b, link);
}

static void newborn_remove(s32 tid, int *status)
{
	struct newborn *b;

	SLIST_FOREACH (b, &newborns, link)
		if (b->tid == tid)
			break;
	if (!b)
		return;
	*status = b->status;
	SLIST_REMOVE(&newborns, b, newborn, link);
	free(b);
}

static void take(s32 tid, int status)
{
	struct ptrace_thread *t = find(tid);
	int old;

	if (t)
		report(t, status);
	else if (WIFSTOPPED(status))
		newborn_add(tid, status);
	else /* one that nobody waits for any more, or a newborn that was killed */
		newborn_remove(tid, &old);
}

int tracer_poll(void)
{
	int status, found = 0;
	pid_t tid;

	if (!attentive) {
		attentive = true;
		BUG_ON(child_signal(SIG_UNBLOCK) != 0);
	}
	if (!atomic_load_explicit(&announced, memory_order_relaxed) ||
	    !atomic_exchange(&announced, false))
		return 0;
	while ((tid = (pid_t)syscall(SYS_wait4, -1L, &status, WNOHANG | __WALL, NULL)) > 0) {
		take(tid, status);
		found++;
	}
	return found;
}

void tracer_watch(struct ptrace_thread *t)
{
	int status = 0;

	LIST_INSERT_HEAD(&watched[(u32)t->tid % BUCKETS], t, link);
	newborn_remove(t->tid, &status);
	if (status)
		report(t, status);
}

void tracer_unwatch(struct ptrace_thread *t)
{
	LIST_REMOVE(t, link);
}

bool tracer_resume(struct ptrace_thread *t, long request, int signo)
{
	if (t->died)
		return false;
	BUG_ON(t->reported);
	/* Killed, if it fails: a thread that its fiber resumes has stopped. */
	if (tracer_request(request, t->tid, 0, (void *)(long)signo) != 0)
		atomic_store(&t->died, true);
	return !t->died;
}

bool tracer_await(struct ptrace_thread *t)
{
	t->waiter = fiber_self();
	while (!t->reported && !t->died)
		fiber_park();
	t->waiter = NULL;
	t->reported = false;
	return !t->died;
}

bool tracer_get_regs(struct ptrace_thread *t)
{
	if (!t->died && tracer_request(PTRACE_GETREGS, t->tid, 0, &t->host) != 0)
		atomic_store(&t->died, true);
	return !t->died;
}

/* The host refuses what is no user address. */
static u64 segment_base(u64 base)
{
	return base < STUB_TASK_SIZE ? base : 0;
}

bool tracer_set_regs(struct ptrace_thread *t, const struct user_regs_struct *r)
{
	struct user_regs_struct set = *r;
	long err;

	set.cs = t->host.cs;
	set.ss = t->host.ss;
	set.ds = t->host.ds;
	set.es = t->host.es;
	set.fs = t->host.fs;
	set.gs = t->host.gs;
	set.fs_base = segment_base(r->fs_base);
	set.gs_base = segment_base(r->gs_base);
	set.orig_rax = ~0ULL;
	if (t->died)
		return false;
	err = tracer_request(PTRACE_SETREGS, t->tid, 0, &set);
	if (err == -ESRCH)
		atomic_store(&t->died, true);
	else if (err)
		log_error("ptrace: the host refuses registers of thread %d: %ld", t->tid, err);
	return err == 0;
}
