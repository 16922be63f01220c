/*
 * Between the files that make, run and end tasks.
 */
#pragma once
#include "base/lock.h"
#include "base/ref.h"
#include "sentry/task.h"

/* Empty objects with one reference. NULL: no memory. */
struct task *task_alloc(void);
struct thread_group *group_alloc(void);

/* Lets a new task's fiber begin, or end at once. */
void task_open_gate(struct task *t, enum task_gate gate);
void task_refresh_limits(struct task *t); /* into caller; of the calling task */

/*
 * A vfork: the parent waits for done. Shared by parent and child, as either
 * may be gone first.
 */
struct vfork_wait {
	struct ref ref;
	struct lock lock;
	struct fiber *parent; /* guarded by lock; NULL once it no longer waits */
	bool done;            /* guarded by lock */
};
struct vfork_wait *vfork_wait_create(struct fiber *parent);
void vfork_wait_put(struct vfork_wait *v);
/* Of the parent: returns once the child has let go, or when the parent is to die. */
void vfork_wait_for(struct task *t, struct vfork_wait *v);

/* The end of a zombie's place in the tree; tasks_lock held. The caller's reference stays. */
void group_release_locked(struct thread_group *g);
/* A thread but the leader that has ended, and that its tracer has now heard of. */
void thread_release_locked(struct task *t);
/*
 * A zombie whose tracer lets go of it is its parent's now; news: which has not heard of it. It may
 * be released.
 */
void group_bequeath_locked(struct thread_group *g, bool news);

/*
 * What t's call has queued is done, what it wrote has arrived: others may look at its registers
 * and its memory. On t's own fiber, without locks.
 */
void task_settle(struct task *t);

/*
 * The task is about to leave its memory (exit, exec): what it has promised to leave there, its
 * robust futexes and CLONE_CHILD_CLEARTID (kernel/fork.c mm_release).
 */
void task_leave_words(struct task *t);
/* The robust futexes of a thread that ends (robust_list.c). */
void robust_list_exit(struct task *t);
