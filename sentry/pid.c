/*
 * The pid table is a two-level array: PID_MAX is too large for a flat one, and
 * numbers are given out in order, so that a few pages hold a whole sandbox.
 * Leaves are freed when their last number is.
 */
#include "sentry/pid.h"
#include "base/bug.h"
#include "sentry/pid_ns.h"
#include <errno.h>
#include <stdlib.h>

#define LEAF_BITS 10
#define LEAF_SIZE (1 << LEAF_BITS)
#define NLEAVES   (PID_MAX / LEAF_SIZE)

struct pid_leaf {
	u32 used;
	struct pid_entry *entry[LEAF_SIZE];
};

struct pid_table {
	struct pid_leaf *leaf[NLEAVES];
	u32 count;
	s32 last;
	u64 serial;
};

struct pid_table *pid_table_create(void)
{
	return calloc(1, sizeof(struct pid_table));
}

void pid_table_free(struct pid_table *pt)
{
	BUG_ON(pt->count != 0);
	free(pt);
}

struct pid_entry *pid_lookup(struct pid_table *pt, s32 nr)
{
	if (nr <= 0 || nr >= PID_MAX)
		return NULL;
	struct pid_leaf *l = pt->leaf[nr >> LEAF_BITS];
	return l ? l->entry[nr & (LEAF_SIZE - 1)] : NULL;
}

/* The lowest free number in [from, to), or 0. Full leaves are passed over whole. */
static s32 find_free(struct pid_table *pt, s32 from, s32 to)
{
	s32 nr = from;
	while (nr < to) {
		struct pid_leaf *l = pt->leaf[nr >> LEAF_BITS];
		if (!l)
			return nr;
		if (l->used == LEAF_SIZE) {
			nr = (nr | (LEAF_SIZE - 1)) + 1;
			continue;
		}
		if (!l->entry[nr & (LEAF_SIZE - 1)])
			return nr;
		nr++;
	}
	return 0;
}

static int take(struct pid_table *pt, s32 nr)
{
	struct pid_leaf **l = &pt->leaf[nr >> LEAF_BITS];
	struct pid_entry *e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	if (!*l) {
		*l = calloc(1, sizeof(**l));
		if (!*l) {
			free(e);
			return -ENOMEM;
		}
	}
	e->nr = nr;
	e->serial = ++pt->serial;
	(*l)->entry[nr & (LEAF_SIZE - 1)] = e;
	(*l)->used++;
	pt->count++;
	return 0;
}

s32 pid_alloc(struct pid_table *pt, s32 want)
{
	s32 nr = want;
	if (want < 0 || want >= PID_MAX)
		return -EINVAL;
	if (want > 0) {
		if (pid_lookup(pt, want))
			return -EEXIST;
	} else {
		nr = find_free(pt, pt->last + 1, PID_MAX);
		if (!nr)
			nr = find_free(pt, PID_RESERVED, pt->last + 1);
		if (!nr)
			return -EAGAIN;
	}
	int err = take(pt, nr);
	if (err)
		return err;
	/* A number asked for by clone3(set_tid) does not move the cursor (kernel/pid.c). */
	if (want == 0)
		pt->last = nr;
	return nr;
}

void pid_release(struct pid_table *pt, s32 nr)
{
	struct pid_entry *e = pid_lookup(pt, nr);
	BUG_ON(!e);
	if (e->task || e->group || e->pgrp || e->session)
		return;
	struct pid_leaf **l = &pt->leaf[nr >> LEAF_BITS];
	(*l)->entry[nr & (LEAF_SIZE - 1)] = NULL;
	pt->count--;
	if (e->ns)
		pid_ns_leave(e->ns, nr);
	free(e);
	if (--(*l)->used == 0) {
		free(*l);
		*l = NULL;
	}
}

struct pid_entry *pid_next_group(struct pid_table *pt, s32 nr)
{
	for (nr = max_of(nr, 1); nr < PID_MAX; nr++) {
		struct pid_leaf *l = pt->leaf[nr >> LEAF_BITS];
		if (!l) {
			nr |= LEAF_SIZE - 1;
			continue;
		}
		struct pid_entry *e = l->entry[nr & (LEAF_SIZE - 1)];
		if (e && e->group)
			return e;
	}
	return NULL;
}

u32 pid_count(const struct pid_table *pt)
{
	return pt->count;
}

s32 pid_last(const struct pid_table *pt)
{
	return pt->last;
}
