/*
 * The list of one inode's locks: conflicts, cutting and merging of ranges.
 * It is sorted by start, so that F_GETLK finds the first lock in the way.
 */
#include <bsd/sys/queue.h>
#include <stdlib.h>
#include "base/census.h"
#include "fs/vfs/lock_list.h"

static CENSUS(lock_census, "file lock");

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

void lock_insert(struct lock_list *held, struct file_lock *fl)
{
	struct file_lock *at;

	TAILQ_FOREACH (at, held, link) {
		if (at->start > fl->start) {
			TAILQ_INSERT_BEFORE(at, fl, link);
			return;
		}
	}
	TAILQ_INSERT_TAIL(held, fl, link);
}

/* The first lock of another owner that req cannot coexist with. */
struct file_lock *lock_find_conflict(struct lock_list *held, const struct file_lock *req)
{
	struct file_lock *at;

	TAILQ_FOREACH (at, held, link) {
		/* flock and record locks do not see each other: flock(2). */
		if (lock_is_flock(at) == lock_is_flock(req) && at->owner != req->owner &&
		    (at->write || req->write) && at->start <= req->end && req->start <= at->end)
			return at;
	}
	return NULL;
}

/*
 * Takes [start, end] out of what owner holds. Only one lock can reach over
 * both ends, so one spare is enough for the piece behind.
 */
void lock_cut_range(struct lock_list *held, const struct file_lock *req, struct file_lock **spare,
                    struct lock_list *dead)
{
	struct file_lock *at, *next;

	TAILQ_FOREACH_SAFE (at, held, link, next) {
		bool head = at->start<req->start, tail = at->end> req->end;

		if (lock_is_flock(at) != lock_is_flock(req) || at->owner != req->owner ||
		    at->end < req->start || at->start > req->end)
			continue;
		if (head && tail) {
			struct file_lock *behind = *spare;

			*spare = NULL;
			*behind = *at;
			behind->start = req->end + 1;
			at->end = req->start - 1;
			lock_insert(held, behind);
		} else if (head) {
			at->end = req->start - 1;
		} else {
			TAILQ_REMOVE(held, at, link);
			if (tail) {
				at->start = req->end + 1;
				lock_insert(held, at);
			} else {
				TAILQ_INSERT_TAIL(dead, at, link);
			}
		}
	}
}

/* Neighbours of the same owner and type become one lock, as F_GETLK shows. */
void lock_merge(struct lock_list *held, struct file_lock *fl, struct lock_list *dead)
{
	struct file_lock *at, *next;

	TAILQ_FOREACH_SAFE (at, held, link, next) {
		if (at == fl || at->kind != fl->kind || at->owner != fl->owner ||
		    at->write != fl->write)
			continue;
		if (at->end + 1 == fl->start)
			fl->start = at->start;
		else if (fl->end != FILE_LOCK_EOF && fl->end + 1 == at->start)
			fl->end = at->end;
		else
			continue;
		TAILQ_REMOVE(held, at, link);
		TAILQ_INSERT_TAIL(dead, at, link);
	}
	TAILQ_REMOVE(held, fl, link);
	lock_insert(held, fl);
}

void lock_list_free(struct lock_list *dead)
{
	struct file_lock *at;

	while ((at = TAILQ_FIRST(dead))) {
		TAILQ_REMOVE(dead, at, link);
		lock_free(at);
	}
}
