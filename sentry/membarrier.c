/*
 * membarrier(2): every thread of the process, or of all of those that are meant, that runs
 * guest code passes a memory barrier before the call returns.
 *
 * A thread that is in the sentry has passed, or will pass, one on its way: the hand-over
 * between it and its fiber is a sequentially consistent exchange on both ways. So only
 * those need be made to that are in guest code now: they are interrupted, and
 * are through once they have been seen outside of it. The parity of a task's
 * `turns` says where it is.
 */
#include "base/fiber.h"
#include "sentry/syscall.h"
#include "sentry/task.h"
#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define COMMANDS                                                                                   \
	(MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED |                                 \
	 MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED |             \
	 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)

struct running {
	struct task *task; /* held */
	u32 turns;         /* when it was found in guest code */
};

/* The threads to wait for; *out is the caller's to free. */
static int find_running(struct task *t, struct thread_group *g, struct running **out, u32 *count)
{
	struct task *i;
	u32 n = 0;
	lock_guard(&g->siglock);
	*out = calloc(max_of(g->nthreads, 1U), sizeof(**out));
	if (!*out)
		return -ENOMEM;
	TAILQ_FOREACH (i, &g->threads, thread_link) {
		u32 turns = atomic_load(&i->turns);
		if (i == t || i->exited || !i->thread || !(turns & 1))
			continue;
		(*out)[n++] = (struct running){task_get(i), turns};
		atomic_fetch_or(&i->works, TASK_WORK_BARRIER);
		platform_thread_interrupt(i->thread);
	}
	*count = n;
	return 0;
}

static bool all_through(const struct running *r, u32 n)
{
	for (u32 i = 0; i < n; i++)
		if (atomic_load(&r[i].task->turns) == r[i].turns && !r[i].task->exited)
			return false;
	return true;
}

/* Of the threads of g but t. */
static int barrier(struct task *t, struct thread_group *g)
{
	struct wait_fiber w;
	struct running *r;
	u32 n;
	int err;
	wait_fiber_init(&w);
	waitq_add(&g->barrier_waitq, &w.waiter, EPOLLIN);
	err = find_running(t, g, &r, &n);
	/* Bounded: an interrupted thread comes back at once. Only death is quicker. */
	while (!err && !all_through(r, n) && !t->killed)
		fiber_park();
	waitq_remove(&g->barrier_waitq, &w.waiter);
	if (err)
		return err;
	for (u32 i = 0; i < n; i++)
		task_put(r[i].task);
	free(r);
	return 0;
}

/* Every process of the sandbox, or every one that has asked to be among them; each held. */
static int find_groups(bool registered, struct thread_group ***out, u32 *count)
{
	struct thread_group *g;
	u32 n = 0;
	lock_guard(&kernel.tasks_lock);
	TAILQ_FOREACH (g, &kernel.groups, all_link)
		n++;
	*out = calloc(max_of(n, 1U), sizeof(struct thread_group *));
	if (!*out)
		return -ENOMEM;
	n = 0;
	TAILQ_FOREACH (g, &kernel.groups, all_link)
		if (g->state == GROUP_LIVE && (!registered || g->barrier_global))
			(*out)[n++] = group_get(g);
	*count = n;
	return 0;
}

static int global_barrier(struct task *t, bool registered)
{
	struct thread_group **groups;
	u32 n;
	int err = find_groups(registered, &groups, &n);
	if (err)
		return err;
	for (u32 i = 0; i < n; i++) {
		if (!err)
			err = barrier(t, groups[i]);
		group_put(groups[i]);
	}
	free(groups);
	return err;
}

s64 sys_membarrier(struct task *t, const struct syscall_args *a)
{
	struct thread_group *g = t->group;
	/* The only flag goes with a command that is not offered. */
	if (arg_u32(a, 1))
		return -EINVAL;
	switch (arg_int(a, 0)) {
	case MEMBARRIER_CMD_QUERY:
		return COMMANDS;
	case MEMBARRIER_CMD_GLOBAL:
		return global_barrier(t, false);
	case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
		return global_barrier(t, true);
	case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
		g->barrier_global = true;
		return 0;
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
		g->barrier_registered = true;
		return 0;
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
		return g->barrier_registered ? barrier(t, g) : -EPERM;
	}
	return -EINVAL;
}
