/*
 * A sorted list of the locks on one inode, for file_lock.c, whose lock guards it.
 */
#pragma once
#include <sys/queue.h>
#include "fs/vfs/file_lock.h"

struct file_lock {
	TAILQ_ENTRY(file_lock) link;
	void *owner;
	enum file_lock_kind kind;
	bool write;
	s32 pid;
	u64 start, end; /* inclusive */
};
TAILQ_HEAD(lock_list, file_lock);

static inline bool lock_is_flock(const struct file_lock *l)
{
	return l->kind == LOCK_KIND_FLOCK;
}

/* NULL: no memory. */
struct file_lock *lock_alloc(void);
void lock_free(struct file_lock *l);
void lock_list_free(struct lock_list *dead);

void lock_insert(struct lock_list *held, struct file_lock *fl);
/* The first lock of another owner that req cannot coexist with, or NULL. */
struct file_lock *lock_find_conflict(struct lock_list *held, const struct file_lock *req);
/* Takes req's range out of what its owner holds. *spare is used up if a lock falls in two;
 * locks that are gone move to dead. */
void lock_cut_range(struct lock_list *held, const struct file_lock *req, struct file_lock **spare,
                    struct lock_list *dead);
/* Joins fl, which is on the list, with its owner's neighbours of the same type. */
void lock_merge(struct lock_list *held, struct file_lock *fl, struct lock_list *dead);
