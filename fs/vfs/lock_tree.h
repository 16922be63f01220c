/*
 * The locks on one inode, by range, for file_lock.c, whose lock guards them. A tree sorted by
 * start, in which each lock knows how far those below it reach: what overlaps a range is
 * found without a look at the others, so that a hundred thousand locks of a guest on one file
 * hold up nobody.
 */
#pragma once
#include <bsd/sys/tree.h>
#include <sys/queue.h>
#include "fs/vfs/file_lock.h"

struct file_lock {
	union {
		RB_ENTRY(file_lock) node;
		TAILQ_ENTRY(file_lock) dead_link; /* no longer in a tree */
	};
	void *owner;
	enum file_lock_kind kind;
	bool write;
	s32 pid;
	u64 start, end; /* inclusive */
	u64 max_end;    /* of all locks in this subtree */
	u64 order;      /* of those with one start, the oldest comes first */
};
RB_HEAD(lock_rb, file_lock);
TAILQ_HEAD(lock_list, file_lock);

/* flock and record locks do not see each other (flock(2)): an inode has a tree for each. */
struct lock_tree {
	struct lock_rb root;
	u32 count[3]; /* of each kind */
	u64 looks;    /* locks looked at so far: what the tests hold to a bound */
};

static inline bool lock_is_flock(const struct file_lock *l)
{
	return l->kind == LOCK_KIND_FLOCK;
}

/* NULL: no memory. */
struct file_lock *lock_alloc(void);
void lock_free(struct file_lock *l);
void lock_list_free(struct lock_list *dead);
/* All that are in trees. */
u32 lock_held_count(void);

/* In the order of their starts; lock_next before anything is done to the one in hand. */
struct file_lock *lock_first(struct lock_tree *t);
struct file_lock *lock_next(struct file_lock *l);

void lock_insert(struct lock_tree *t, struct file_lock *fl);
/* fl leaves the tree for dead, to be freed outside of the lock. */
void lock_bury(struct lock_tree *t, struct file_lock *fl, struct lock_list *dead);
/* The first lock of another owner that req cannot coexist with, or NULL. */
struct file_lock *lock_find_conflict(struct lock_tree *t, const struct file_lock *req);
/* Takes req's range out of what its owner holds. *spare is used up if a lock falls in two;
 * locks that are gone move to dead. */
void lock_cut_range(struct lock_tree *t, const struct file_lock *req, struct file_lock **spare,
                    struct lock_list *dead);
/* Joins fl, which is in the tree, with its owner's neighbours of the same type. */
void lock_merge(struct lock_tree *t, struct file_lock *fl, struct lock_list *dead);
