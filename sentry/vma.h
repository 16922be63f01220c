/*
 * The VMA tree of one address space: finding, splitting, merging and the
 * search for free ranges. Private to the files of sentry/mm*.c and the program
 * loader. Everything here expects the mm's mutex (or an mm that nobody else
 * can see yet) and changes the sentry's view only; host operations are the
 * business of the callers.
 */
#pragma once
#include "sentry/mm.h"
#include <sys/mman.h>

/* vm.max_map_count and vm.mmap_min_addr of a Linux with its defaults. */
#define MAX_MAP_COUNT 65530u
#define MMAP_MIN_ADDR 0x10000UL
/* stack_guard_gap: what must stay free below a growing stack (mm/mmap.c). */
#define STACK_GUARD_GAP (256 * PAGE_SIZE)
/* Where the bottom-up search begins: TASK_UNMAPPED_BASE. */
#define MMAP_LOW_BASE PAGE_ALIGN(GUEST_MAX / 3)

/*
 * One successful file_ops.map: shared by all areas that came of it by splits and
 * forks; the file hears of the end of the last one. Who must count forks too
 * (attachments of System V shared memory) has an owner: a fork then makes a hold of its own.
 */
struct vma_hold_owner {
	void (*added)(void *arg); /* by mmap or fork; maybe with an mm's mutex held */
	void (*gone)(void *arg);
};
struct vma_hold {
	struct ref ref;
	struct file *file; /* held */
	int prot;
	bool shared;
	bool asked; /* file_ops.unmapped is owed */
	const struct vma_hold_owner *owner;
	void *arg;
};
/* NULL: out of memory. */
struct vma_hold *vma_hold_create(struct file *f, int prot, bool shared);
/* Of a forked area; NULL: out of memory. */
struct vma_hold *vma_hold_fork(struct vma_hold *h);
void vma_hold_put(struct vma_hold *h);

/* An area outside any tree; file and name unset. NULL: out of memory. */
struct vma *vma_create(u64 start, u64 end, u32 prot, u32 max_prot, u32 flags);
/* A copy outside any tree, with its own file reference. */
struct vma *vma_clone(const struct vma *v);
/* Outside the mm's mutex, as files have locks of their own. */
void vma_free(struct vma *v);
/* Takes over hold (may be NULL); its own reference to f. */
void vma_set_file(struct vma *v, struct file *f, u64 off, struct vma_hold *hold);

/* Adds v, which must overlap nothing; the tree owns it. Accounts for it. */
void vma_insert(struct mm *m, struct vma *v);
/* Takes v out; the caller owns it. */
void vma_remove(struct mm *m, struct vma *v);
/* v keeps what is below `at`, which lies strictly inside. *upper, if asked for: the new area. */
must_check int vma_split(struct mm *m, struct vma *v, u64 at, struct vma **upper);
/* Splits so that no area straddles start or end. */
must_check int vma_split_range(struct mm *m, u64 start, u64 end);
/* Joins v with equal neighbours; the area that now covers v's range. */
struct vma *vma_merge(struct mm *m, struct vma *v);
/* Merges all areas that touch [start, end]. */
void vma_merge_range(struct mm *m, u64 start, u64 end);
/* Moves v's lower bound (a stack that grows, a trim). */
void vma_set_start(struct mm *m, struct vma *v, u64 start);
void vma_set_end(struct mm *m, struct vma *v, u64 end);
/* Changes what the accounts depend on. */
void vma_set_prot(struct mm *m, struct vma *v, u32 prot);
void vma_set_flags(struct mm *m, struct vma *v, u32 flags);

static inline struct vma *vma_next(struct vma *v)
{
	return TAILQ_NEXT(v, link);
}
static inline struct vma *vma_prev(struct vma *v)
{
	return TAILQ_PREV(v, vma_list, link);
}
/* The first area with end > addr, or NULL. */
struct vma *vma_find(struct mm *m, u64 addr);
/* The first area that overlaps [start, end), or NULL. */
struct vma *vma_find_range(struct mm *m, u64 start, u64 end);
/* The lowest address that must stay free below v: its start, less the gap below a growing stack. */
u64 vma_start_gap(const struct vma *v);

/*
 * A free range of len bytes, aligned to align (a power of two) within [low, high): the
 * highest, or the lowest. 0: none.
 */
u64 vma_gap_topdown(struct mm *m, u64 low, u64 high, u64 len, u64 align);
u64 vma_gap_bottomup(struct mm *m, u64 low, u64 high, u64 len, u64 align);
