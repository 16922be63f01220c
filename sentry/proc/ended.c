/*
 * Names in /proc of tasks that have ended. They are forgotten when the task is released, as on
 * Linux (kernel/exit.c release_task, fs/proc/base.c proc_flush_pid).
 *
 * That is done under locks, and what is to be done takes mutexes. So the task is put on a list, and
 * whoever has released it forgets its names once it holds no lock any more; if not, the next one
 * does.
 */
#include "sentry/kernel.h"
#include "sentry/proc/proc.h"
#include "sentry/task.h"

static SLIST_HEAD(ended_list, task) ended = SLIST_HEAD_INITIALIZER(ended); /* by tasks_lock */
static _Atomic bool any_ended;

void proc_task_ended_locked(struct task *t)
{
	if (!pseudo_names_end(&t->proc_names))
		return;
	task_get(t);
	SLIST_INSERT_HEAD(&ended, t, ended_link);
	atomic_store_explicit(&any_ended, true, memory_order_relaxed);
}

static struct task *take_ended(void)
{
	struct task *t;

	lock_guard(&kernel.tasks_lock);
	t = SLIST_FIRST(&ended);
	if (t)
		SLIST_REMOVE_HEAD(&ended, ended_link);
	else
		atomic_store_explicit(&any_ended, false, memory_order_relaxed);
	return t;
}

void proc_forget_ended(void)
{
	struct task *t;

	/* Whoever has released one sees that it has. */
	if (!atomic_load_explicit(&any_ended, memory_order_relaxed))
		return;
	while ((t = take_ended())) {
		pseudo_names_forget(&t->proc_names);
		task_put(t);
	}
}
