/*
 * System V semaphores: the sets and the operations on them (ipc/sem.c). The
 * system calls are in sys_sem.c.
 *
 * Operations of one semop happen all or not at all. One that must wait is queued
 * on the set and carried out by whoever makes it possible, in the order of arrival,
 * so that a sleeper wakes with its work done. The kind's mutex guards everything.
 */
#include "sentry/ipc/sem.h"
#include "sentry/ipc/ipc.h"
#include "base/caller.h"
#include "sentry/task.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void sem_free(struct ipc_object *o)
{
	free(container_of(o, struct sem_set, base));
}

static void sem_remove(struct ipc_object *o)
{
	sem_set_remove(container_of(o, struct sem_set, base));
}

const struct ipc_kind_ops sem_kind = {SEM_SETS_MAX, sem_free, sem_remove};

struct sem_set *sem_set_create(u32 n)
{
	struct sem_set *s = calloc(1, sizeof(*s) + n * sizeof(s->sem[0]));

	if (!s)
		return NULL;
	s->n = n;
	s->ctime = ipc_now();
	TAILQ_INIT(&s->waiting);
	LIST_INIT(&s->undos);
	return s;
}

/* ---- operations --------------------------------------------------------------- */

/* Takes back the first n operations of an attempt. */
static void ops_revert(struct sem_set *s, const struct sembuf *op, u32 n)
{
	while (n-- > 0)
		s->sem[op[n].sem_num].value -= op[n].sem_op;
}

/*
 * One attempt (perform_atomic_semop): 0 done; 1 must wait, for w->blocking;
 * -EAGAIN, -ERANGE: not done.
 */
static int ops_try(struct sem_set *s, struct sem_waiter *w)
{
	u32 i;

	for (i = 0; i < w->nops; i++) {
		const struct sembuf *op = &w->op[i];
		s32 *value = &s->sem[op->sem_num].value, result = *value + op->sem_op;
		int err = 0;

		if ((!op->sem_op && *value) || result < 0)
			err = op->sem_flg & IPC_NOWAIT ? -EAGAIN : 1;
		else if (result > SEM_VALUE_LIMIT)
			err = -ERANGE;
		else if (op->sem_flg & SEM_UNDO) {
			s32 undo = w->undo->adjust[op->sem_num] - op->sem_op;
			if (undo < -SEM_ADJUST_LIMIT - 1 || undo > SEM_ADJUST_LIMIT)
				err = -ERANGE;
			else
				w->undo->adjust[op->sem_num] = (s16)undo;
		}
		if (err) {
			/* Adjustments of the operations before this one, too. */
			for (u32 k = 0; k < i; k++)
				if (w->op[k].sem_flg & SEM_UNDO)
					w->undo->adjust[w->op[k].sem_num] += w->op[k].sem_op;
			ops_revert(s, w->op, i);
			w->blocking = op;
			return err;
		}
		*value = result;
	}
	for (i = 0; i < w->nops; i++)
		s->sem[w->op[i].sem_num].pid = w->pid;
	return 0;
}

static void waiter_finish(struct sem_set *s, struct sem_waiter *w, int result)
{
	TAILQ_REMOVE(&s->waiting, w, link);
	w->queued = false;
	w->result = result;
	fiber_unpark(w->fiber);
}

void sem_set_changed(struct sem_set *s)
{
	struct sem_waiter *w = TAILQ_FIRST(&s->waiting);

	while (w) {
		struct sem_waiter *next = TAILQ_NEXT(w, link);
		int result = ops_try(s, w);
		if (result <= 0) {
			bool again = !result && w->alters;
			waiter_finish(s, w, result);
			/* What it changed may let an earlier one go on. */
			if (again)
				next = TAILQ_FIRST(&s->waiting);
		}
		w = next;
	}
}

int sem_ops_begin(struct sem_set *s, struct sem_waiter *w)
{
	int err = ops_try(s, w);

	if (err < 0)
		return err;
	if (err == 0) {
		s->otime = ipc_now();
		if (w->alters)
			sem_set_changed(s);
		return 0;
	}
	w->result = 1;
	w->queued = true;
	TAILQ_INSERT_TAIL(&s->waiting, w, link);
	return 1;
}

void sem_ops_cancel(struct sem_set *s, struct sem_waiter *w)
{
	if (w->queued)
		TAILQ_REMOVE(&s->waiting, w, link);
	w->queued = false;
}

u32 sem_count_waiting(const struct sem_set *s, u32 n, bool for_zero)
{
	const struct sem_waiter *w;
	u32 count = 0;

	TAILQ_FOREACH (w, &s->waiting, link)
		if (w->blocking->sem_num == n && (w->blocking->sem_op == 0) == for_zero)
			count++;
	return count;
}

/* ---- undoing ------------------------------------------------------------------- */

static struct sem_undo_list *undo_list(struct thread_group *g)
{
	if (!g->ipc) {
		struct sem_undo_list *l = calloc(1, sizeof(*l));
		if (!l)
			return NULL;
		LIST_INIT(&l->undos);
		g->ipc = l;
	}
	return g->ipc;
}

struct sem_undo *sem_undo_get(struct thread_group *g, struct sem_set *s)
{
	struct sem_undo_list *l = undo_list(g);
	struct sem_undo *u;

	if (!l)
		return NULL;
	LIST_FOREACH (u, &l->undos, group_link)
		if (u->set == s)
			return u;
	u = calloc(1, sizeof(*u) + s->n * sizeof(u->adjust[0]));
	if (!u)
		return NULL;
	u->set = s;
	LIST_INSERT_HEAD(&l->undos, u, group_link);
	LIST_INSERT_HEAD(&s->undos, u, set_link);
	return u;
}

static void undo_free(struct sem_undo *u)
{
	LIST_REMOVE(u, group_link);
	LIST_REMOVE(u, set_link);
	free(u);
}

void sem_undo_forget(struct sem_set *s, u32 first, u32 n)
{
	struct sem_undo *u;

	LIST_FOREACH (u, &s->undos, set_link)
		memset(u->adjust + first, 0, n * sizeof(u->adjust[0]));
}

/* The process ends: exit_sem. */
static void undo_apply(struct sem_undo *u, s32 pid)
{
	struct sem_set *s = u->set;
	bool changed = false;

	for (u32 i = 0; i < s->n; i++) {
		s32 value = s->sem[i].value + u->adjust[i];
		if (!u->adjust[i])
			continue;
		/* Neither below 0 nor above the limit: it never blocks (semop(2), SEM_UNDO). */
		s->sem[i].value = min_of(max_of(value, 0), SEM_VALUE_LIMIT);
		s->sem[i].pid = pid;
		changed = true;
	}
	undo_free(u);
	if (changed) {
		s->otime = ipc_now();
		sem_set_changed(s);
	}
}

void ipc_group_exit(struct thread_group *g)
{
	struct sem_undo_list *l = g->ipc;
	struct sem_undo *u;

	if (!l)
		return;
	mutex_guard(&ipc_mutex[IPC_SEM]);
	while ((u = LIST_FIRST(&l->undos)))
		undo_apply(u, g->pid);
	g->ipc = NULL;
	free(l);
}

void sem_set_remove(struct sem_set *s)
{
	struct sem_waiter *w;
	struct sem_undo *u;

	while ((u = LIST_FIRST(&s->undos)))
		undo_free(u);
	while ((w = TAILQ_FIRST(&s->waiting)))
		waiter_finish(s, w, -EIDRM);
	ipc_remove(&s->base);
}
