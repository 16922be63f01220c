/*
 * The life of processes after their birth: ends, waits, new parents, orphaned
 * groups. Real exits and waits of tasks that have no guest behind them.
 */
#include "tests/unit/sentry/fake_tasks.h"
#include "sentry/wait.h"
#include "fs/vfs/file.h"
#include <sys/epoll.h>
#include <sys/wait.h>

static struct task *parent, *child, *grandchild;
static struct wait_result result;
static int verdict;

static void setup(void)
{
	tasks_setup();
	parent = child = grandchild = NULL;
	verdict = 1;
}

TestSuite(wait, .init = setup);

/* Lives until somebody kills it or takes its sleep away. */
static int sleep_on(struct task *t)
{
	while (!t->killed)
		fiber_park();
	return 0;
}

static int end_with_7(struct task *t unused_arg)
{
	return 7 << 8;
}

static int wait_for(struct task *t, int options, struct wait_result *r)
{
	struct wait_request rq = {.what = WAIT_ALL, .options = options | WEXITED};
	return wait_for_child(t, &rq, r);
}

static int waits(struct task *t)
{
	verdict = wait_for(t, 0, &result);
	return sleep_on(t);
}

static void end(struct task *t, int status)
{
	group_exit_start(t->group, status);
	run_all();
}

Test(wait, child_first)
{
	parent = fake_process(NULL, sleep_on);
	run_all();
	child = fake_process(parent, end_with_7);
	run_all();
	cr_assert_eq(child->group->state, GROUP_ZOMBIE);
	struct wait_request rq = {.what = WAIT_PID, .id = child->tid, .options = WEXITED | WNOHANG};
	/* Not taken, then taken, then gone. */
	rq.options |= WNOWAIT;
	cr_assert_eq(wait_for_child(parent, &rq, &result), 0);
	cr_assert_eq(result.pid, child->tid);
	rq.options &= ~WNOWAIT;
	cr_assert_eq(wait_for_child(parent, &rq, &result), 0);
	cr_assert_eq(result.status, 7 << 8);
	cr_assert_eq(result.code, CLD_EXITED);
	cr_assert_eq(result.value, 7);
	cr_assert_eq(child->group->state, GROUP_DEAD);
	cr_assert_eq(wait_for_child(parent, &rq, &result), -ECHILD);
	cr_assert_null(task_find(child->tid));
}

Test(wait, parent_first)
{
	parent = fake_process(NULL, waits);
	child = fake_process(parent, sleep_on);
	run_all();
	cr_assert_eq(verdict, 1, "waited for nothing");
	end(child, SIGTERM);
	cr_assert_eq(verdict, 0);
	cr_assert_eq(result.status, SIGTERM);
	cr_assert_eq(result.code, CLD_KILLED);
}

Test(wait, nobody_to_wait_for)
{
	parent = fake_process(NULL, waits);
	run_all();
	cr_assert_eq(verdict, -ECHILD);
}

Test(wait, ends_with_a_signal)
{
	parent = fake_process(NULL, waits);
	child = fake_process(parent, sleep_on);
	set_action(parent, SIGUSR1, 0x1000, 0);
	run_all();
	signal_send_group_simple(parent->group, SIGUSR1, SI_USER);
	run_all();
	cr_assert_eq(verdict, -ERESTARTSYS);
}

Test(wait, ignored_children_vanish)
{
	parent = fake_process(NULL, waits);
	set_action(parent, SIGCHLD, KSIG_IGN, 0);
	child = fake_process(parent, end_with_7);
	run_all();
	cr_assert_eq(child->group->state, GROUP_DEAD);
	/* Having waited for all, the parent learns that there are none. */
	cr_assert_eq(verdict, -ECHILD);
	cr_assert_eq(signal_pending_set(parent), 0);
}

Test(wait, no_zombies_but_a_signal)
{
	parent = fake_process(NULL, sleep_on);
	set_action(parent, SIGCHLD, 0x1000, SA_NOCLDWAIT);
	child = fake_process(parent, end_with_7);
	run_all();
	cr_assert_eq(child->group->state, GROUP_DEAD);
	cr_assert_eq(signal_pending_set(parent), SIGMASK(SIGCHLD));
}

/* clone(2) takes any byte for the signal at the end. */
Test(wait, ends_with_what_is_no_signal)
{
	static const int none[] = {NSIG_MAX + 1, 64 + SIGKILL, 101, 255};

	parent = fake_process(NULL, sleep_on);
	for (size_t i = 0; i < array_size(none); i++) {
		child = fake_process(parent, end_with_7);
		child->group->exit_signal = none[i];
		run_all();
		cr_assert_eq(signal_pending_set(parent), 0, "%d", none[i]);
		cr_assert(!parent->killed, "%d", none[i]);
	}
}

Test(wait, by_group_and_clone)
{
	struct wait_request rq = {.what = WAIT_PGID, .options = WEXITED | WNOHANG};
	parent = fake_process(NULL, sleep_on);
	child = fake_process(parent, end_with_7);
	fake_own_group(child);
	run_all();
	rq.id = parent->tid;
	cr_assert_eq(wait_for_child(parent, &rq, &result), -ECHILD);
	rq.id = child->tid;
	rq.options |= __WCLONE;
	cr_assert_eq(wait_for_child(parent, &rq, &result), -ECHILD);
	rq.options |= __WALL;
	cr_assert_eq(wait_for_child(parent, &rq, &result), 0);
	cr_assert_eq(result.pid, child->tid);
}

Test(wait, orphans_go_to_init)
{
	struct task *init = fake_process(NULL, sleep_on);
	parent = fake_process(init, sleep_on);
	child = fake_process(parent, sleep_on);
	child->pdeath_signal = SIGUSR1;
	set_action(child, SIGUSR1, 0x1000, 0);
	run_all();
	end(parent, 0);
	cr_assert_eq(child->group->parent, init->group);
	cr_assert_eq(signal_pending_set(child), SIGMASK(SIGUSR1));
	/* A zombie that is passed on is news for its new parent. */
	cr_assert_eq(wait_for(init, WNOHANG, &result), 0);
	cr_assert_eq(result.pid, parent->tid);
}

Test(wait, orphans_go_to_a_subreaper)
{
	struct task *init = fake_process(NULL, sleep_on);
	struct task *reaper = fake_process(init, sleep_on);
	parent = fake_process(reaper, sleep_on);
	child = fake_process(parent, end_with_7);
	reaper->group->child_subreaper = true;
	run_all();
	end(parent, 0);
	cr_assert_eq(child->group->parent, reaper->group);
	cr_assert_eq(child->group->state, GROUP_ZOMBIE);
}

static void nothing_left(const struct census *c, void *arg unused_arg)
{
	/* The initial namespaces live as long as the sandbox. */
	s64 spared = !strcmp(c->name, "net") || !strcmp(c->name, "ns_set");
	cr_expect_eq(c->live, spared, "%s: %ld left", c->name, (long)c->live);
}

Test(wait, all_end_with_init)
{
	struct task *init = fake_process(NULL, sleep_on);
	parent = fake_process(init, sleep_on);
	child = fake_process(parent, sleep_on);
	run_all();
	end(init, 3 << 8);
	cr_assert(kernel.ended);
	cr_assert_eq(kernel.exit_status, 3 << 8);
	/* Nobody is left to wait for them, so they are gone. */
	cr_assert_eq(parent->group->state, GROUP_DEAD);
	cr_assert_eq(child->group->state, GROUP_DEAD);
	group_reap(init->group);
	cr_assert_eq(init->group->state, GROUP_DEAD);
	cr_assert_eq(kernel.ntasks, 0);
	cr_assert_eq(pid_count(kernel.pids), 0);
	cr_assert_eq(user_count(0, USER_TASKS), 0);
	task_put(init);
	task_put(parent);
	task_put(child);
	census_each(nothing_left, NULL);
}

Test(wait, orphaned_stopped_group_is_told)
{
	struct task *init = fake_process(NULL, sleep_on);
	struct task *shell = fake_process(init, sleep_on);
	{
		lock_guard(&kernel.tasks_lock);
		/* A session of the shell's own, so that init is no connection outside of it. */
		struct session *s = session_create_locked(shell->tid);
		struct process_group *pg = pgrp_create_locked(shell->tid, s);
		pgrp_join_locked(shell->group, pg);
		pgrp_put(pg);
		session_put(s);
	}
	child = fake_process(shell, sleep_on);
	fake_own_group(child);
	set_action(child, SIGHUP, 0x1000, 0);
	set_action(child, SIGCONT, 0x1000, 0);
	run_all();
	lock_acquire(&child->group->siglock);
	child->group->stop_signal = SIGTSTP;
	child->group->stop_complete = true;
	child->stopped = true;
	lock_release(&child->group->siglock);
	end(shell, 0);
	cr_assert_eq(signal_pending_set(child), SIGMASK(SIGHUP) | SIGMASK(SIGCONT));
	cr_assert_eq(child->group->stop_signal, 0);
}

Test(wait, stop_and_continue_are_reported_once)
{
	struct wait_request rq = {.what = WAIT_ALL, .options = WSTOPPED | WCONTINUED | WNOHANG};
	parent = fake_process(NULL, sleep_on);
	child = fake_process(parent, sleep_on);
	run_all();
	lock_acquire(&child->group->siglock);
	child->group->stop_signal = SIGSTOP;
	child->group->stop_complete = true;
	child->stopped = true;
	lock_release(&child->group->siglock);
	cr_assert_eq(wait_for_child(parent, &rq, &result), 0);
	cr_assert_eq(result.status, SIGSTOP << 8 | 0x7f);
	cr_assert_eq(wait_for_child(parent, &rq, &result), 0);
	cr_assert_eq(result.pid, 0);
	signal_send_group_simple(child->group, SIGCONT, SI_USER);
	cr_assert_eq(wait_for_child(parent, &rq, &result), 0);
	cr_assert_eq(result.status, 0xffff);
	cr_assert_eq(wait_for_child(parent, &rq, &result), 0);
	cr_assert_eq(result.pid, 0);
}
