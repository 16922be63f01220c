/*
 * What the files of sentry/mm*.c and the program loader share: queueing host
 * operations with what it takes to undo them, and the limits.
 */
#pragma once
#include "sentry/mm.h"
#include "sentry/task.h"
#include "sentry/vma.h"

#define PROT_RWX (PROT_READ | PROT_WRITE | PROT_EXEC)

/*
 * Queues op on th, the calling task's thread, as an operation on m (locked).
 * Areas saved by the undo functions before this belong to it, and are put back on failure.
 */
must_check int mm_queue(struct mm *m, struct platform_thread *th, const struct hostop *op);
/* One whose failure is ignored: the last one of a call. */
must_check int mm_queue_optional(struct mm *m, struct platform_thread *th, const struct hostop *op);
/* Runs what is queued now: the last op's result, or the first failure, taken back in the tree. */
must_check s64 mm_sync(struct mm *m, struct platform_thread *th);
/* Forgets the undo data of operations that have been carried out. */
void mm_pending_clear(struct mm *m);

/* Before a change by the next op to be queued: v, no longer in the tree, is taken over. */
void mm_undo_take(struct mm *m, struct vma *v);
/* Copies of all areas in [start, end). */
must_check int mm_undo_save(struct mm *m, u64 start, u64 end);
/* Frees v (not in the tree) once the mutex has been released. */
void mm_bury(struct mm *m, struct vma *v);

/* exec: lookers at m no longer reach memory through it. */
void mm_detach_space(struct mm *m);
/* mm_leave without an end of the thread: exec goes on with it. */
void mm_drop_user(struct mm *m);

/* mm/mseal.c can_modify_mm: nothing in [start, end) is sealed. */
bool mm_may_modify(struct mm *m, u64 start, u64 end);
/* Removes [start, end) from the tree, as the next op's doing. -ENOMEM: too many areas; -EPERM. */
must_check int mm_cut(struct mm *m, u64 start, u64 end);

/* Of a file, it is text: what a program or a library brought, which it does not change. */
static inline bool mm_is_text(u32 prot, u32 flags)
{
	return (flags & MAP_PRIVATE) && prot == (PROT_READ | PROT_EXEC);
}
/*
 * mm_lock for a change of text in [start, end), if there is any: what lies there is the file
 * itself, and its call sites are again what they were. -ENOMEM, -EINTR, or what the file says: not
 * locked.
 */
must_check int mm_lock_text(struct task *t, u64 start, u64 end);
/* Somebody writes to [start, end) as a debugger does: its text cannot be had from the file again.
 */
void mm_poked(struct mm *m, u64 start, u64 end);

/* Cuts *v to what lies within [start, end), and makes *v that. -ENOMEM: too many areas. */
must_check int mm_isolate(struct mm *m, struct vma **v, u64 start, u64 end);

/* mm/mmap.c may_expand_vm: room for n more bytes of such an area under RLIMIT_AS and RLIMIT_DATA?
 */
bool mm_may_expand(struct task *t, const struct mm *m, u32 prot, u32 flags, u64 n);
/* mm/mmap.c mlock_future_ok. */
bool mm_may_lock(struct task *t, const struct mm *m, u32 flags, u64 n);
/* mm/mlock.c can_do_mlock. */
bool mm_can_mlock(struct task *t);

/* shmat: as mm_map of all of f with MAP_SHARED; owner counts the attachment. flags: MAP_FIXED*. */
s64 mm_map_shm(struct task *t, u64 addr, u64 len, u32 prot, u32 flags, struct file *f,
               const struct vma_hold_owner *owner, void *arg);
/* shmdt: -EINVAL if no attachment begins at addr. */
s64 mm_unmap_shm(struct task *t, u64 addr);

/* Where len bytes may go: mm/mmap.c get_unmapped_area, without MAP_FIXED. 0: nowhere. */
u64 mm_free_range(struct mm *m, u64 hint, u64 len, u32 map_flags);
/* A new object of shared anonymous memory: its inode number for /proc/PID/maps. */
u64 mm_new_shared_id(void);
