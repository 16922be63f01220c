/*
 * The blocking pool: see blocking.h. Its threads start with the sandbox, since
 * no thread can be made after lock-down; asleep, they cost their stacks' first
 * page. Each starts the next, so that the sandbox's start waits for the first
 * alone. Jobs live on the calling fibers' stacks.
 */
#include <limits.h>
#include "base/blocking.h"
#include "base/bug.h"
#include "base/fiber.h"
#include "base/host.h"
#include "base/host_thread.h"
#include "base/lock.h"
#include "base/sched_internal.h"

struct job {
	STAILQ_ENTRY(job) link;
	s64 (*fn)(void *arg);
	void *arg;
	s64 result;
	struct fiber *fiber;
	bool done; /* guarded by pool_lock */
};

static struct lock pool_lock = LOCK_INIT(RANK_BLOCKING);
static STAILQ_HEAD(, job) jobs = STAILQ_HEAD_INITIALIZER(jobs); /* these guarded by pool_lock */
static unsigned idle_threads;

static unsigned wanted;           /* set once, by blocking_start */
static _Atomic unsigned nthreads; /* that have been started */
static _Atomic u32 jobs_arrived;  /* futex word of the idle threads */

/* The next job, after waiting for one. Called and returns with the lock held. */
static struct job *job_next(void)
{
	struct job *job;

	while (!(job = STAILQ_FIRST(&jobs))) {
		u32 seen = atomic_load(&jobs_arrived);

		idle_threads++;
		lock_release(&pool_lock);
		host_futex_wait(&jobs_arrived, seen, NULL, false);
		lock_acquire(&pool_lock);
		idle_threads--;
	}
	STAILQ_REMOVE_HEAD(&jobs, link);
	return job;
}

static int thread_add(void);

static void *pool_main(void *arg unused_arg)
{
	/* Fewer threads are slower, not wrong. */
	if (atomic_load(&nthreads) == wanted || thread_add() != 0)
		host_threads_hold(-1);
	lock_acquire(&pool_lock);
	for (;;) {
		struct job *job = job_next();

		lock_release(&pool_lock);
		job->result = job->fn(job->arg);
		/* Under the lock: the fiber looks at done under it too, so it
		 * cannot leave, and end, before this is through with it. */
		lock_acquire(&pool_lock);
		job->done = true;
		fiber_unpark(job->fiber);
		sched_external(-1);
	}
	return NULL;
}

static int thread_add(void)
{
	pthread_t thread;
	int err;

	atomic_fetch_add(&nthreads, 1);
	err = host_thread_start(&thread, "moat-blocking", pool_main, NULL);
	if (err)
		atomic_fetch_sub(&nthreads, 1);
	return err;
}

int blocking_start(unsigned max_threads)
{
	int err;

	if (nthreads || !max_threads)
		return 0;
	wanted = max_threads;
	host_threads_hold(1);
	err = thread_add();
	if (err)
		host_threads_hold(-1);
	return err;
}

static bool job_done(const struct job *job)
{
	lock_guard(&pool_lock);
	return job->done;
}

s64 blocking_call(s64 (*fn)(void *arg), void *arg)
{
	struct job job = {.fn = fn, .arg = arg, .fiber = fiber_self()};
	bool wake;

	if (!job.fiber || nthreads == 0)
		return fn(arg);
	sched_external(1);
	lock_acquire(&pool_lock);
	STAILQ_INSERT_TAIL(&jobs, &job, link);
	atomic_fetch_add(&jobs_arrived, 1);
	wake = idle_threads > 0;
	lock_release(&pool_lock);
	if (wake)
		host_futex_wake(&jobs_arrived, 1, false);
	while (!job_done(&job))
		fiber_park();
	return job.result;
}
