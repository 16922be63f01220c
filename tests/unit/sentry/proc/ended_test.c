/* /proc forgets processes and threads that have ended. */
#include "tests/unit/sentry/fake_tasks.h"
#include "sentry/proc/proc.h"
#include "sentry/wait.h"
#include "fs/vfs/dentry.h"
#include "fs/vfs/super.h"
#include "fs/vfs/walk.h"
#include <stdio.h>
#include <sys/wait.h>

static struct task *parent;
static struct super *sb;
static struct dentry *root;

static int sleep_on(struct task *t)
{
	while (!t->killed)
		fiber_park();
	return 0;
}

static void setup(void)
{
	tasks_setup();
	cr_assert_eq(proc_fs_type.mount(&proc_fs_type, "proc", 0, NULL, &sb), 0);
	root = super_root_dentry(sb);
	parent = fake_process(NULL, sleep_on);
	run_all();
}

static void teardown(void)
{
	dentry_put(root);
	super_put(sb);
}

TestSuite(proc_ended, .init = setup, .fini = teardown);

static void count_tasks(const struct census *c, void *n)
{
	if (!strcmp(c->name, "task"))
		*(s64 *)n = atomic_load(&c->live);
}

static s64 live_tasks(void)
{
	s64 n = 0;

	census_each(count_tasks, &n);
	return n;
}

/* Walks to PID, or to PID/task/PID, and leaves the names to the cache. */
static int look(s32 pid, bool thread)
{
	char nr[16];
	const char *name[] = {nr, "task", nr};
	struct dentry *at = dentry_get(root), *next = NULL;
	int err = 0;

	snprintf(nr, sizeof(nr), "%d", pid);
	for (int i = 0; !err && i < (thread ? 3 : 1); i++) {
		err = walk_child((struct path){NULL, at}, name[i], false, &next);
		if (!err) {
			dentry_put(at);
			at = next;
		}
	}
	dentry_put(at);
	return err;
}

static void wait_for_one(void)
{
	struct wait_request rq = {.what = WAIT_ALL, .options = WEXITED | WNOHANG};
	struct wait_result result;

	cr_assert_eq(wait_for_child(parent, &rq, &result), 0);
	cr_assert_gt(result.pid, 0);
}

Test(proc_ended, when_it_has_been_waited_for)
{
	size_t names = dentry_cache_count();
	s64 tasks = live_tasks();
	struct task *child = fake_process(parent, sleep_on);
	s32 pid = child->tid;

	task_put(child);
	run_all();
	cr_assert_eq(look(pid, true), 0);
	cr_assert_eq(dentry_cache_count(), names + 3);
	group_exit_start(child->group, 0);
	run_all();
	/* A zombie is still there to see. */
	cr_assert_eq(look(pid, false), 0);
	cr_assert_eq(dentry_cache_count(), names + 3);
	wait_for_one();
	cr_assert_eq(dentry_cache_count(), names);
	cr_assert_eq(live_tasks(), tasks);
	cr_assert_eq(look(pid, false), -ENOENT);
}

Test(proc_ended, when_nobody_waits_for_it)
{
	size_t names = dentry_cache_count();
	s64 tasks = live_tasks();
	struct task *child;
	s32 pid;

	set_action(parent, SIGCHLD, KSIG_IGN, 0);
	child = fake_process(parent, sleep_on);
	pid = child->tid;
	task_put(child);
	run_all();
	cr_assert_eq(look(pid, false), 0);
	group_exit_start(child->group, 0);
	run_all();
	cr_assert_eq(dentry_cache_count(), names);
	cr_assert_eq(live_tasks(), tasks);
	cr_assert_eq(look(pid, false), -ENOENT);
}

Test(proc_ended, from_every_proc)
{
	size_t names = dentry_cache_count();
	struct task *child = fake_process(parent, sleep_on);
	struct dentry *first = root;
	struct super *second;

	cr_assert_eq(proc_fs_type.mount(&proc_fs_type, "proc", 0, NULL, &second), 0);
	run_all();
	cr_assert_eq(look(child->tid, true), 0);
	root = super_root_dentry(second);
	cr_assert_eq(look(child->tid, true), 0);
	cr_assert_eq(dentry_cache_count(), names + 6);
	group_exit_start(child->group, 0);
	run_all();
	wait_for_one();
	cr_assert_eq(dentry_cache_count(), names);
	dentry_put(root);
	root = first;
	super_put(second);
	task_put(child);
}
