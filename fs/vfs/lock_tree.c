/*
 * An inode's locks by range: conflicts, cutting and merging. An augmented tree,
 * as Linux's own interval trees are (lib/interval_tree.c, after Cormen et al.).
 */
#include <stdlib.h>
#include "base/census.h"
#include "fs/vfs/lock_tree.h"

static CENSUS(lock_census, "file lock");

static u32 held; /* these guarded by file_lock.c's lock */
static u64 orders_given;

static void update(struct file_lock *l);
#undef RB_AUGMENT
#define RB_AUGMENT(l) update(l)

static int compare(const struct file_lock *a, const struct file_lock *b)
{
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* clang-format off */
RB_GENERATE_INTERNAL(lock_rb, file_lock, node, compare, unused_arg static)
/* clang-format on */

static void update(struct file_lock *l)
{
	struct file_lock *left = RB_LEFT(l, node), *right = RB_RIGHT(l, node);

	l->max_end = l->end;
	if (left && left->max_end > l->max_end)
		l->max_end = left->max_end;
	if (right && right->max_end > l->max_end)
		l->max_end = right->max_end;
}

static void update_path(struct file_lock *l)
{
	for (; l; l = RB_PARENT(l, node))
		update(l);
}

struct file_lock *lock_alloc(void)
{
	struct file_lock *l = calloc(1, sizeof(*l));

	if (l)
		census_add(&lock_census, 1);
	return l;
}

void lock_free(struct file_lock *l)
{
	if (!l)
		return;
	free(l);
	census_add(&lock_census, -1);
}

void lock_list_free(struct lock_list *dead)
{
	struct file_lock *at;

	while ((at = TAILQ_FIRST(dead))) {
		TAILQ_REMOVE(dead, at, dead_link);
		lock_free(at);
	}
}

u32 lock_held_count(void)
{
	return held;
}

struct file_lock *lock_first(struct lock_tree *t)
{
	return RB_MIN(lock_rb, &t->root);
}

struct file_lock *lock_next(struct file_lock *l)
{
	return RB_NEXT(lock_rb, NULL, l);
}

void lock_insert(struct lock_tree *t, struct file_lock *fl)
{
	fl->order = orders_given++;
	RB_INSERT(lock_rb, &t->root, fl);
	/* The macro does not go all the way up; nor below. */
	update_path(fl);
	t->count[fl->kind]++;
	held++;
}

static void lock_remove(struct lock_tree *t, struct file_lock *fl)
{
	struct file_lock *from = RB_PARENT(fl, node);

	RB_REMOVE(lock_rb, &t->root, fl);
	update_path(from);
	t->count[fl->kind]--;
	held--;
}

void lock_bury(struct lock_tree *t, struct file_lock *fl, struct lock_list *dead)
{
	lock_remove(t, fl);
	TAILQ_INSERT_TAIL(dead, fl, dead_link);
}

/* The first below `at` that overlaps [low, high]. */
static struct file_lock *first_in(struct lock_tree *t, struct file_lock *at, u64 low, u64 high)
{
	while (at) {
		struct file_lock *left = RB_LEFT(at, node);

		t->looks++;
		if (left && left->max_end >= low) {
			at = left;
			continue;
		}
		if (at->start > high)
			return NULL;
		if (at->end >= low)
			return at;
		at = RB_RIGHT(at, node);
	}
	return NULL;
}

static struct file_lock *next_in(struct lock_tree *t, struct file_lock *at, u64 low, u64 high)
{
	for (;;) {
		struct file_lock *right = RB_RIGHT(at, node), *child;

		t->looks++;
		if (right && right->max_end >= low)
			return first_in(t, right, low, high);
		do {
			child = at;
			at = RB_PARENT(at, node);
		} while (at && child == RB_RIGHT(at, node));
		if (!at || at->start > high)
			return NULL;
		if (at->end >= low)
			return at;
	}
}

#define EACH_IN(at, t, low, high)                                                                  \
	for ((at) = first_in(t, RB_ROOT(&(t)->root), low, high); (at);                             \
	     (at) = next_in(t, at, low, high))

struct file_lock *lock_find_conflict(struct lock_tree *t, const struct file_lock *req)
{
	struct file_lock *at;

	EACH_IN(at, t, req->start, req->end)
	{
		if (at->owner != req->owner && (at->write || req->write))
			return at;
	}
	return NULL;
}

/*
 * Takes [start, end] out of what owner holds. Only one lock can reach over
 * both ends, so one spare is enough for the piece behind. An owner's locks do not overlap: what
 * reaches beyond the end is the last one.
 */
void lock_cut_range(struct lock_tree *t, const struct file_lock *req, struct file_lock **spare,
                    struct lock_list *dead)
{
	struct file_lock *at = first_in(t, RB_ROOT(&t->root), req->start, req->end), *next;

	for (; at; at = next) {
		bool head = at->start < req->start;
		bool tail = at->end > req->end;

		next = next_in(t, at, req->start, req->end);
		if (at->owner != req->owner)
			continue;
		if (head && tail) {
			struct file_lock *behind = *spare;

			*spare = NULL;
			*behind = *at;
			behind->start = req->end + 1;
			lock_insert(t, behind);
		}
		if (head) {
			at->end = req->start - 1;
			update_path(at);
			continue;
		}
		if (tail) {
			lock_remove(t, at);
			at->start = req->end + 1;
			lock_insert(t, at);
		} else {
			lock_bury(t, at, dead);
		}
	}
}

/* The neighbour of fl at that place, which is no part of fl. */
static struct file_lock *neighbour(struct lock_tree *t, const struct file_lock *fl, u64 place)
{
	struct file_lock *at;

	EACH_IN(at, t, place, place)
	{
		if (at->kind == fl->kind && at->owner == fl->owner && at->write == fl->write)
			return at;
	}
	return NULL;
}

/* Neighbours of the same owner and type become one lock, as F_GETLK shows. */
void lock_merge(struct lock_tree *t, struct file_lock *fl, struct lock_list *dead)
{
	struct file_lock *before = fl->start > 0 ? neighbour(t, fl, fl->start - 1) : NULL;
	struct file_lock *behind = fl->end < FILE_LOCK_EOF ? neighbour(t, fl, fl->end + 1) : NULL;

	if (!before && !behind)
		return;
	lock_remove(t, fl);
	if (before) {
		fl->start = before->start;
		lock_bury(t, before, dead);
	}
	if (behind) {
		fl->end = behind->end;
		lock_bury(t, behind, dead);
	}
	lock_insert(t, fl);
}
