/* Pid namespaces: see pid_ns.h, and in Linux kernel/pid_namespace.c. */
#include "sentry/pid_ns.h"
#include "base/bug.h"
#include "base/fiber.h"
#include "base/user_ns.h"
#include "sentry/kernel.h"
#include "sentry/pid.h"
#include "sentry/ptrace.h"
#include "sentry/signal_internal.h"
#include "sentry/task_internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

struct pid_number {
	s32 nr, global;
	LIST_ENTRY(pid_number) nr_link, global_link;
};

/* ---- life ------------------------------------------------------------------------ */

static void pid_ns_free(struct ns *n)
{
	struct pid_ns *p = pid_ns_of(n);

	BUG_ON(p->count);
	pid_ns_put(p->parent);
	ns_destroy(n);
	free(p);
}

static int create(struct pid_ns *parent, struct user_ns *owner, struct pid_ns **out)
{
	struct pid_ns *p = calloc(1, sizeof(*p));
	int err = p ? ns_init(&p->ns, NS_PID, owner, pid_ns_free) : -ENOMEM;

	if (err) {
		free(p);
		return err;
	}
	lock_init(&p->lock, RANK_OBJECT);
	p->parent = pid_ns_get(parent);
	p->level = parent ? parent->level + 1 : 0;
	*out = p;
	return 0;
}

int pid_ns_create_initial(struct pid_ns **out)
{
	return create(NULL, &initial_user_ns, out);
}

int pid_ns_create(struct pid_ns *parent, struct user_ns *owner, struct pid_ns **out)
{
	if (!user_ns_contains(parent->ns.owner, owner))
		return -EINVAL;
	if (parent->level >= PID_NS_DEPTH)
		return -ENOSPC;
	return create(parent, owner, out);
}

struct pid_ns *pid_ns_get(struct pid_ns *n)
{
	if (n)
		ns_get(&n->ns);
	return n;
}

void pid_ns_put(struct pid_ns *n)
{
	if (n)
		ns_put(&n->ns);
}

struct pid_ns *pid_ns_of(struct ns *n)
{
	BUG_ON(n->kind != NS_PID);
	return container_of(n, struct pid_ns, ns);
}

bool pid_ns_contains(const struct pid_ns *n, const struct pid_ns *inner)
{
	while (inner && inner->level > n->level)
		inner = inner->parent;
	return inner == n;
}

/* ---- numbers ----------------------------------------------------------------------- */

static struct pid_bucket *bucket(struct pid_bucket *table, s32 nr)
{
	return &table[(u32)nr % PID_NS_BUCKETS];
}

static struct pid_number *find_nr(struct pid_ns *n, s32 nr)
{
	struct pid_number *p;

	LIST_FOREACH (p, bucket(n->by_nr, nr), nr_link)
		if (p->nr == nr)
			return p;
	return NULL;
}

static struct pid_number *find_global(struct pid_ns *n, s32 global)
{
	struct pid_number *p;

	LIST_FOREACH (p, bucket(n->by_global, global), global_link)
		if (p->global == global)
			return p;
	return NULL;
}

/* Upwards from the last, then again from where daemons leave off; init is 1. */
static s32 choose(struct pid_ns *n)
{
	for (s32 nr = n->last + 1; nr < PID_MAX; nr++)
		if (!find_nr(n, nr))
			return n->last = nr;
	for (s32 nr = PID_RESERVED; nr <= n->last; nr++)
		if (!find_nr(n, nr))
			return n->last = nr;
	return -EAGAIN;
}

static int add(struct pid_ns *n, s32 global, s32 want)
{
	struct pid_number *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	lock_guard(&n->lock);
	if (!want)
		p->nr = choose(n);
	else if (want < 0 || want >= PID_MAX || (want != 1 && !n->count))
		p->nr = -EINVAL;
	else
		p->nr = find_nr(n, want) ? -EEXIST : want;
	if (p->nr < 0) {
		int err = p->nr;

		free(p);
		return err;
	}
	p->global = global;
	LIST_INSERT_HEAD(bucket(n->by_nr, p->nr), p, nr_link);
	LIST_INSERT_HEAD(bucket(n->by_global, global), p, global_link);
	n->count++;
	return 0;
}

static void drop(struct pid_ns *n, s32 global)
{
	struct pid_number *p;

	lock_guard(&n->lock);
	p = find_global(n, global);
	BUG_ON(!p);
	LIST_REMOVE(p, nr_link);
	LIST_REMOVE(p, global_link);
	n->count--;
	free(p);
	if (n->emptied)
		fiber_unpark(n->emptied);
}

int pid_ns_enter(struct pid_ns *n, struct pid_entry *e, const s32 *want, u32 nwant)
{
	struct pid_ns *at;
	int err = 0;

	for (at = n; at && at->parent && !err; at = at->parent) {
		err = add(at, e->nr, nwant ? *want : 0);
		if (nwant) {
			nwant--;
			want++;
		}
		if (err)
			break;
	}
	if (err) {
		for (struct pid_ns *done = n; done != at; done = done->parent)
			drop(done, e->nr);
		return err;
	}
	e->ns = pid_ns_get(n);
	return 0;
}

void pid_ns_leave(struct pid_ns *n, s32 global)
{
	for (struct pid_ns *at = n; at && at->parent; at = at->parent)
		drop(at, global);
	pid_ns_put(n);
}

s32 pid_ns_out(struct pid_ns *n, s32 global)
{
	struct pid_number *p;

	if (!n || !n->parent)
		return global;
	lock_guard(&n->lock);
	p = find_global(n, global);
	return p ? p->nr : 0;
}

s32 pid_ns_in(struct pid_ns *n, s32 nr)
{
	struct pid_number *p;

	if (!n || !n->parent)
		return nr;
	lock_guard(&n->lock);
	p = find_nr(n, nr);
	return p ? p->global : 0;
}

s32 pid_ns_next(struct pid_ns *n, s32 nr)
{
	struct pid_number *p;
	s32 best = 0;

	lock_guard(&n->lock);
	for (int i = 0; i < PID_NS_BUCKETS; i++)
		LIST_FOREACH (p, &n->by_nr[i], nr_link)
			if (p->nr >= nr && (!best || p->nr < best))
				best = p->nr;
	return best;
}

void pid_ns_list(struct pid_ns *outer, struct pid_ns *inner, s32 global, char *buf, size_t n)
{
	u32 first = outer ? outer->level : 0, last = inner ? inner->level : first;
	size_t len = 0;

	*buf = 0;
	for (u32 level = first; level <= last && len < n; level++) {
		struct pid_ns *at = inner;

		while (at && at->level > level)
			at = at->parent;
		len += (size_t)snprintf(buf + len, n - len, "\t%d", pid_ns_out(at, global));
	}
}

/* What works for no guest sees the initial one. */
static struct pid_ns *own_ns(void)
{
	return caller()->pid ? task_self()->group->pid_ns : NULL;
}

s32 pid_shown(s32 global)
{
	return pid_ns_out(own_ns(), global);
}

s32 pid_given(s32 nr)
{
	return pid_ns_in(own_ns(), nr);
}

/* ---- the end of its init ------------------------------------------------------------- */

/* From here on what dies in n is nobody's to wait for (zap_pid_ns_processes). */
static void release_dead_children(struct thread_group *init)
{
	struct thread_group *g, *next;
	{
		lock_guard(&init->siglock);
		lock_guard(&init->sighand->lock);
		init->sighand->action[SIGCHLD - 1] = (struct ksigaction){.handler = KSIG_IGN};
	}
	for (g = TAILQ_FIRST(&init->children); g; g = next) {
		next = TAILQ_NEXT(g, sibling_link);
		if (g->state == GROUP_ZOMBIE && !g->leader->trace.flags)
			group_release_locked(g);
	}
}

static void kill_others(struct pid_ns *n, struct task *last)
{
	struct thread_group *g, *init = last->group;

	lock_guard(&kernel.tasks_lock);
	n->dead = true;
	TAILQ_FOREACH (g, &kernel.groups, all_link)
		if (g != init && g->state == GROUP_LIVE && pid_ns_contains(n, g->pid_ns))
			group_exit_start(g, SIGKILL);
	release_dead_children(init);
	/* Zombies that wait for their tracer must not wait for one that waits for them
	 * (forget_original_parent). */
	ptrace_tracer_exit_locked(last);
}

void pid_ns_zap(struct pid_ns *n, struct task *t)
{
	/* The leader's number stays until its parent has waited for it. */
	u32 own = t == t->group->leader ? 1 : 2;
	bool alone;

	kill_others(n, t);
	for (;;) {
		lock_acquire(&n->lock);
		alone = n->count <= own;
		n->emptied = alone ? NULL : fiber_self();
		lock_release(&n->lock);
		if (alone)
			return;
		fiber_park();
	}
}
