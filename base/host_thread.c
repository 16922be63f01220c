/*
 * Host threads: see host_thread.h. Host calls: those of pthread_create, rt_sigprocmask, prctl.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include "base/bug.h"
#include "base/crash.h"
#include "base/host.h"
#include "base/host_thread.h"
#include "base/sanitizer.h"

/* Fibers have stacks of their own: little else runs on these. */
#if MOAT_SANITIZED
#define THREAD_STACK (1024UL * 1024 + CRASH_STACK_SIZE)
#else
#define THREAD_STACK (256UL * 1024 + CRASH_STACK_SIZE)
#endif

struct thread_start {
	const char *name;
	void *(*fn)(void *);
	void *arg;
};

static _Atomic u32 starting; /* threads that have not reached their function yet, and holds */

/*
 * Of the first threads: the first call of malloc or free gives a thread an arena, which takes
 * several host calls, and most of those threads never call either.
 */
static struct thread_start early[16];
static _Atomic unsigned early_used;

static bool is_early(const struct thread_start *s)
{
	return s >= early && s < early + array_size(early);
}

static struct thread_start *start_alloc(void)
{
	unsigned i = atomic_fetch_add(&early_used, 1);

	return i < array_size(early) ? &early[i] : malloc(sizeof(struct thread_start));
}

static void *thread_main(void *arg)
{
	struct thread_start start = *(struct thread_start *)arg;
	/* At the far end of the thread's own stack, where no overrun gets: no mapping of its own.
	 */
	_Alignas(16) char crash_stack[CRASH_STACK_SIZE];

	if (!is_early(arg))
		free(arg);
	prctl(PR_SET_NAME, start.name);
	/* The default of 50 us would be added to every guest's timer. */
	prctl(PR_SET_TIMERSLACK, 1);
	/* AddressSanitizer sets one itself, and unmaps what it finds at the thread's end. */
	if (!MOAT_ASAN)
		crash_thread_start(crash_stack);
	host_threads_hold(-1);
	return start.fn(start.arg);
}

/* Everything but what the host raises for the thread's own faults. */
static void asynchronous_signals(sigset_t *set)
{
	static const int synchronous[] = {SIGSEGV, SIGBUS,  SIGILL, SIGFPE,
	                                  SIGTRAP, SIGABRT, SIGSYS};

	sigfillset(set);
	for (size_t i = 0; i < array_size(synchronous); i++)
		sigdelset(set, synchronous[i]);
}

int host_thread_start(pthread_t *out, const char *name, void *(*fn)(void *), void *arg)
{
	struct thread_start *start = start_alloc();
	sigset_t block, old;
	pthread_attr_t attr;
	int err;

	if (!start)
		return -ENOMEM;
	*start = (struct thread_start){name, fn, arg};
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	/* The mask is inherited: blocked here, no signal can hit the new thread too early. */
	asynchronous_signals(&block);
	pthread_sigmask(SIG_BLOCK, &block, &old);
	atomic_fetch_add(&starting, 1);
	err = pthread_create(out, &attr, thread_main, start);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (err) {
		atomic_fetch_sub(&starting, 1);
		if (!is_early(start))
			free(start);
	}
	return -err;
}

void host_thread_join(pthread_t t)
{
	BUG_ON(pthread_join(t, NULL) != 0);
}

void host_threads_hold(int n)
{
	atomic_fetch_add(&starting, (u32)n);
	host_futex_wake(&starting, INT32_MAX, false);
}

void host_threads_settle(void)
{
	u32 n;

	while ((n = atomic_load(&starting)) != 0)
		host_futex_wait(&starting, n, NULL, false);
}
