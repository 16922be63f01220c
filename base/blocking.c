/*
 * The blocking pool: see blocking.h. Its threads start with the sandbox, since
 * no thread can be made after lock-down; asleep, they cost their stacks' first
 * page. Each starts the next, so that the sandbox's start waits for the first
 * alone. Jobs live on the calling fibers' stacks.
 *
 * Handing a job over and its answer back costs two wake-ups, more than most jobs take. A worker
 * with nothing else to do makes the call itself, and lends its place to one of the pool's threads:
 * the host moves that thread, asleep, from its own futex word to the doorbell, and back when the
 * call is over. Only if somebody rings meanwhile does it wake up, and stands in for the
 * worker.
 */
#include <limits.h>
#include "base/blocking.h"
#include "base/bug.h"
#include "base/caller.h"
#include "base/fiber.h"
#include "base/host.h"
#include "base/host_thread.h"
#include "base/lock.h"
#include "base/sched_internal.h"
#include "base/uspace.h"

struct job {
	STAILQ_ENTRY(job) link;
	s64 (*fn)(void *arg);
	void *arg;
	s64 result;
	struct fiber *fiber;
	bool done; /* guarded by pool_lock */
};

struct pool_thread {
	LIST_ENTRY(pool_thread) link;
	bool idle;        /* in the list, and asleep on word or about to be */
	_Atomic u32 word; /* futex, shared: it may have to be moved to one that is */
};

static struct lock pool_lock = LOCK_INIT(RANK_BLOCKING);
static STAILQ_HEAD(, job) jobs = STAILQ_HEAD_INITIALIZER(jobs); /* these guarded by pool_lock */
static LIST_HEAD(, pool_thread) idle_threads = LIST_HEAD_INITIALIZER(idle_threads);
static struct pool_thread *lent; /* to the worker that is away, until it is back and this, too */
static bool standing_in;         /* lent is awake, and a worker */

static _Atomic bool away;         /* the worker that lent stands in for */
static unsigned wanted;           /* set once, by blocking_start */
static _Atomic unsigned nthreads; /* that have been started */

/* These are called with the lock held. */

static void idle_add(struct pool_thread *t)
{
	LIST_INSERT_HEAD(&idle_threads, t, link);
	t->idle = true;
}

static void idle_remove(struct pool_thread *t)
{
	if (t->idle)
		LIST_REMOVE(t, link);
	t->idle = false;
}

/* Until somebody wakes t, or the doorbell does. */
static void sleep_idle(struct pool_thread *t)
{
	u32 seen = atomic_load(&t->word);

	idle_add(t);
	lock_release(&pool_lock);
	host_futex_wait(&t->word, seen, NULL, true);
	lock_acquire(&pool_lock);
	idle_remove(t);
}

static void stand_in(void)
{
	standing_in = true;
	lock_release(&pool_lock);
	worker_stand_in(&away);
	lock_acquire(&pool_lock);
	standing_in = false;
	lent = NULL;
}

/* The next job, after waiting for one. */
static struct job *job_next(struct pool_thread *t)
{
	struct job *job;

	while (!(job = STAILQ_FIRST(&jobs))) {
		sleep_idle(t);
		if (t == lent)
			stand_in();
	}
	STAILQ_REMOVE_HEAD(&jobs, link);
	return job;
}

static int thread_add(void);

static void *pool_main(void *arg unused_arg)
{
	struct pool_thread self = {0};

	/* Fewer threads are slower, not wrong. */
	if (atomic_load(&nthreads) == wanted || thread_add() != 0)
		host_threads_hold(-1);
	lock_acquire(&pool_lock);
	for (;;) {
		struct job *job = job_next(&self);

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

/* Hands the job to a thread of the pool. */
static void job_submit(struct job *job)
{
	struct pool_thread *t;

	sched_external(1);
	lock_acquire(&pool_lock);
	STAILQ_INSERT_TAIL(&jobs, job, link);
	t = LIST_FIRST(&idle_threads);
	if (t) {
		idle_remove(t);
		atomic_fetch_add(&t->word, 1);
	}
	lock_release(&pool_lock);
	/* Threads do not end. */
	if (t)
		host_futex_wake(&t->word, 1, true);
}

/* --- without the pool --------------------------------------------------------- */

/* Lends the worker's place: true if it may be away. One thread stays for jobs. */
static bool worker_leave(void)
{
	struct pool_thread *t;
	lock_guard(&pool_lock);
	t = LIST_FIRST(&idle_threads);
	if (lent || !t || !LIST_NEXT(t, link))
		return false;
	/*
	 * A thread that is stopped and continued, by a signal or a freezer, waits anew on its own
	 * word, wherever it was moved: what it waits for is there already then, and it wakes up.
	 */
	atomic_fetch_add(&t->word, 1);
	if (!worker_away_begin(&t->word))
		return false;
	idle_remove(t);
	lent = t;
	atomic_store(&away, true);
	return true;
}

static void worker_return(void)
{
	lock_guard(&pool_lock);
	atomic_store(&away, false);
	if (!worker_away_end(&lent->word, standing_in))
		return;
	idle_add(lent);
	lent = NULL;
}

static void tell_guest(struct fiber *f)
{
	struct uspace *u = fiber_caller(f)->uspace;

	if (u && u->ops->taken)
		u->ops->taken(u);
}

s64 blocking_call(s64 (*fn)(void *arg), void *arg)
{
	struct job job = {.fn = fn, .arg = arg, .fiber = fiber_self()};

	if (!job.fiber || nthreads == 0)
		return fn(arg);
	if (worker_leave()) {
		tell_guest(job.fiber);
		worker_away_look();
		job.result = fn(arg);
		worker_return();
		return job.result;
	}
	job_submit(&job);
	while (!job_done(&job))
		fiber_park();
	return job.result;
}
