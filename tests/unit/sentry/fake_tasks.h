/*
 * Tasks without guests: objects in the real process tree, on real fibers, that
 * never run guest code. They end by the real task_exit.
 */
#pragma once
#include <criterion/criterion.h>
#include "base/census.h"
#include "base/cred.h"
#include "base/fiber.h"
#include "base/sched.h"
#include "sentry/pid.h"
#include "sentry/session.h"
#include "sentry/signal_internal.h"
#include "sentry/task_internal.h"
#include "sentry/user_account.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MSEC 1000000ULL

/* What a fake task does with its life; its result is its exit status. */
typedef int life_fn(struct task *t);

struct fake_life {
	struct task *task;
	life_fn *fn;
};

static void fake_run(void *arg)
{
	struct fake_life life = *(struct fake_life *)arg;
	free(arg);
	task_exit(life.task, life.fn(life.task));
	task_put(life.task);
}

/* parent NULL: a process from outside. The caller gets a reference. */
static inline struct task *fake_process(struct task *parent, life_fn *fn)
{
	struct task *t = task_alloc();
	struct thread_group *g = group_alloc();
	cr_assert(t && g);
	g->sighand = sighand_create();
	for (int i = 0; i < RLIM_NLIMITS; i++)
		g->limits[i] = (struct rlimit64){RLIM64_INFINITY, RLIM64_INFINITY};
	t->group = g;
	t->caller.cred = parent ? cred_get(parent->caller.cred) : cred_create_root();
	cr_assert_eq(user_charge(t->caller.cred->uid, USER_TASKS, ~0ULL), 0);
	t->charged_uid = t->caller.cred->uid;
	lock_acquire(&kernel.tasks_lock);
	s32 nr = pid_alloc(kernel.pids, 0);
	cr_assert_gt(nr, 0);
	struct pid_entry *e = pid_lookup(kernel.pids, nr);
	e->task = task_get(t);
	e->group = g;
	t->tid = t->caller.tid = t->caller.pid = g->pid = nr;
	g->leader = t;
	g->nthreads = g->nlive = 1;
	TAILQ_INSERT_TAIL(&g->threads, t, thread_link);
	group_get(g);
	TAILQ_INSERT_TAIL(&kernel.groups, g, all_link);
	if (parent) {
		g->parent = parent->group;
		g->parent_task = parent;
		TAILQ_INSERT_TAIL(&parent->group->children, g, sibling_link);
		pgrp_join_locked(g, parent->group->pgrp);
	} else {
		struct session *s = session_create_locked(nr);
		struct process_group *pg = pgrp_create_locked(nr, s);
		pgrp_join_locked(g, pg);
		pgrp_put(pg);
		session_put(s);
		g->from_outside = true;
		if (!kernel.init)
			kernel.init = g;
	}
	kernel.ntasks++;
	lock_release(&kernel.tasks_lock);
	struct fake_life *life = malloc(sizeof(*life));
	*life = (struct fake_life){task_get(t), fn};
	cr_assert_eq(fiber_create(fake_run, life, "fake", &t->caller, &t->fiber), 0);
	return t;
}

/* Into a new process group of its own within its session. */
static inline void fake_own_group(struct task *t)
{
	lock_guard(&kernel.tasks_lock);
	struct process_group *pg = pgrp_create_locked(t->group->pid, t->group->pgrp->session);
	pgrp_join_locked(t->group, pg);
	pgrp_put(pg);
}

static inline void run_all(void)
{
	sched_run_until_idle(50 * MSEC);
}

static inline void set_action(struct task *t, int sig, u64 handler, u64 flags)
{
	lock_guard(&t->group->sighand->lock);
	t->group->sighand->action[sig - 1] =
	    (struct ksigaction){.handler = handler, .flags = flags};
}

static inline siginfo_t user_info(int sig)
{
	siginfo_t info;
	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = SI_QUEUE;
	info.si_pid = 1;
	return info;
}

static inline void tasks_setup(void)
{
	static _Atomic u32 doorbell;
	sched_init(1, &doorbell);
	kernel_init();
}
