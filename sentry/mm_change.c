/*
 * mprotect, madvise, mseal: calls that walk a range of areas and
 * change a property of each. As in Linux they change what comes before a hole
 * or a forbidden area and then fail, so a call may both queue a host operation and
 * return an error.
 */
#include "sentry/mm_internal.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include <errno.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <sys/personality.h>

/* Areas [start, end) have been dealt with one by one: merge them, and tell the host in one go. */
static int change_finish(struct task *t, struct mm *m, u64 start, u64 end, struct hostop *op,
                         bool optional)
{
	int err = 0;

	if (start < end && op) {
		op->fd = -1;
		op->addr = start;
		op->len = end - start;
		err = optional ? mm_queue_optional(m, t->thread, op) : mm_queue(m, t->thread, op);
	}
	vma_merge_range(m, start, end);
	return err;
}

int mm_isolate(struct mm *m, struct vma **v, u64 start, u64 end)
{
	int err;

	if (start > (*v)->start) {
		if (m->nvmas >= MAX_MAP_COUNT)
			return -ENOMEM;
		if ((err = vma_split(m, *v, start, v)))
			return err;
	}
	if (end < (*v)->end) {
		if (m->nvmas >= MAX_MAP_COUNT)
			return -ENOMEM;
		return vma_split(m, *v, end, NULL);
	}
	return 0;
}

/* ---- mprotect --------------------------------------------------------------- */

/* mm/mprotect.c mprotect_fixup for the part of *v in [start, end). */
static int protect_area(struct task *t, struct mm *m, struct vma **v, u64 start, u64 end, u32 prot)
{
	u64 from = max_of(start, (*v)->start), to = min_of(end, (*v)->end);
	int err;

	if ((t->group->personality & READ_IMPLIES_EXEC) && (prot & PROT_READ) &&
	    ((*v)->max_prot & PROT_EXEC))
		prot |= PROT_EXEC;
	if (prot & ~(*v)->max_prot)
		return -EACCES;
	if ((*v)->flags & VMA_SEALED)
		return -EPERM;
	if (prot == (*v)->prot)
		return 0;
	/* Memory that becomes data must fit, unless the limit was exceeded already. */
	if ((prot & PROT_WRITE) && !mm_may_expand(t, m, prot, (*v)->flags, to - from) &&
	    mm_may_expand(t, m, (*v)->prot, (*v)->flags, to - from))
		return -ENOMEM;
	err = mm_undo_save(m, from, to);
	if (!err)
		err = mm_isolate(m, v, from, to);
	if (!err)
		vma_set_prot(m, *v, prot);
	return err;
}

s64 mm_protect(struct task *t, u64 addr, u64 len, u32 prot)
{
	u32 grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
	struct hostop op = {.kind = HOSTOP_MPROTECT};
	struct mm *m = t->mm;
	struct vma *v;
	u64 end, at;
	s64 err;
	int queued;

	prot &= ~(u32)(PROT_GROWSDOWN | PROT_GROWSUP);
	if (grows == (PROT_GROWSDOWN | PROT_GROWSUP) || (addr & ~PAGE_MASK))
		return -EINVAL;
	if (!len)
		return 0;
	end = addr + PAGE_ALIGN(len);
	if (end <= addr)
		return -ENOMEM;
	if (prot & ~(u32)(PROT_RWX | 0x8 /* PROT_SEM */))
		return -EINVAL;
	prot &= PROT_RWX;
	/* Text that stops being text may be changed by the guest. */
	err = prot == (PROT_READ | PROT_EXEC) ? mm_lock(m) : mm_lock_text(t, addr, end);
	if (err)
		return err;
	v = vma_find(m, addr);
	err = -ENOMEM;
	if (!v)
		goto out;
	if (grows & PROT_GROWSDOWN) {
		if (v->start >= end)
			goto out;
		addr = v->start;
		err = -EINVAL;
		if (!(v->flags & VMA_GROWSDOWN))
			goto out;
	} else {
		if (v->start > addr)
			goto out;
		if (grows & PROT_GROWSUP) {
			err = -EINVAL;
			goto out;
		}
	}
	err = 0;
	for (at = addr; at < end; at = v->end, v = vma_next(v)) {
		if (!v || v->start > at) {
			err = -ENOMEM;
			break;
		}
		err = protect_area(t, m, &v, addr, end, prot);
		if (err)
			break;
	}
	op.prot = (s32)prot;
	if (at > addr && (t->group->personality & READ_IMPLIES_EXEC) && (prot & PROT_READ))
		op.prot |= PROT_EXEC;
	queued = change_finish(t, m, addr, min_of(at, end), &op, false);
	err = err ? err : queued;
out:
	mm_unlock(m);
	return err;
}

/* ---- madvise ---------------------------------------------------------------- */

/* How the host, the file or the tree is concerned by an advice. */
enum advice_kind { ADVICE_UNKNOWN, ADVICE_HINT, ADVICE_HOST, ADVICE_FLAG, ADVICE_REMOVE };

static enum advice_kind advice_kind(int advice)
{
	switch (advice) {
	/* The host reads ahead as it sees fit; told so, it would split its areas. */
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	/* A guest has no say over the host's swap. */
	case MADV_PAGEOUT:
		return ADVICE_HINT;
	case MADV_WILLNEED:
	case MADV_DONTNEED:
	case MADV_FREE:
	case MADV_COLD:
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
		return ADVICE_HOST;
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
		return ADVICE_FLAG;
	case MADV_REMOVE:
		return ADVICE_REMOVE;
	default:
		return ADVICE_UNKNOWN;
	}
}

/* mm/madvise.c madvise_vma_behavior: 0 or what is wrong with this advice here. */
static int advice_check(const struct vma *v, int advice)
{
	bool anon = !v->file && !v->shared_id;

	/* mm/mseal.c: sealed memory that cannot be written must not lose its contents either. */
	if ((v->flags & VMA_SEALED) && anon && !(v->prot & PROT_WRITE) &&
	    (advice == MADV_DONTNEED || advice == MADV_FREE || advice == MADV_DONTFORK ||
	     advice == MADV_WIPEONFORK))
		return -EPERM;
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_COLD:
	case MADV_PAGEOUT:
		return v->flags & VMA_LOCKED ? -EINVAL : 0;
	case MADV_FREE:
		return !anon || (v->flags & VMA_LOCKED) ? -EINVAL : 0;
	case MADV_REMOVE:
		if ((v->flags & VMA_LOCKED) || anon)
			return -EINVAL;
		if (!(v->flags & MAP_SHARED) || !(v->max_prot & PROT_WRITE))
			return -EACCES;
		return !(v->prot & PROT_WRITE) ? -EACCES : 0;
	case MADV_WIPEONFORK:
		return !anon ? -EINVAL : 0;
	default:
		return 0;
	}
}

static u32 advice_flags(u32 flags, int advice)
{
	switch (advice) {
	case MADV_DONTFORK:
		return flags | VMA_DONTFORK;
	case MADV_DOFORK:
		return flags & ~(u32)VMA_DONTFORK;
	case MADV_WIPEONFORK:
		return flags | VMA_WIPEONFORK;
	case MADV_KEEPONFORK:
		return flags & ~(u32)VMA_WIPEONFORK;
	case MADV_DONTDUMP:
		return flags | VMA_DONTDUMP;
	default:
		return flags & ~(u32)VMA_DONTDUMP;
	}
}

/* One area of the range: what the tree keeps of the advice. */
static int advise_area(struct mm *m, struct vma **v, u64 start, u64 end, int advice)
{
	u64 from = max_of(start, (*v)->start), to = min_of(end, (*v)->end);
	u32 flags = advice_flags((*v)->flags, advice);
	int err = advice_check(*v, advice);

	if (err || advice_kind(advice) != ADVICE_FLAG || flags == (*v)->flags)
		return err;
	err = mm_undo_save(m, from, to);
	if (!err)
		err = mm_isolate(m, v, from, to);
	if (!err)
		vma_set_flags(m, *v, flags);
	return err;
}

/*
 * MADV_REMOVE of a file's pages is a hole in the file: the file system must
 * know. One area at a time, as the file takes locks that come before the mm's.
 */
static s64 advise_remove(struct task *t, u64 start, u64 end)
{
	struct mm *m = t->mm;
	s64 result = 0;
	u64 at = start;

	while (at < end) {
		struct file *f = NULL;
		struct vma *v;
		u64 to = end, off = 0;
		s64 err = mm_lock(m);

		if (err)
			return err;
		v = vma_find_range(m, at, end);
		if (!v || v->start > at)
			result = -ENOMEM;
		if (v) {
			at = max_of(at, v->start);
			to = min_of(end, v->end);
			err = advice_check(v, MADV_REMOVE);
			if (v->file) {
				f = file_get(v->file);
				off = v->off + (at - v->start);
			} else if (!err) {
				struct hostop op = {.kind = HOSTOP_MADVISE,
				                    .fd = -1,
				                    .addr = at,
				                    .len = to - at,
				                    .val = MADV_REMOVE};
				err = mm_queue(m, t->thread, &op);
			}
		}
		mm_unlock(m);
		if (f && !err)
			err = f->ops->fallocate
			          ? f->ops->fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			                              off, to - at)
			          : -EINVAL;
		if (f)
			file_put(f);
		if (err)
			return err;
		at = to;
	}
	return result;
}

s64 mm_advise(struct task *t, u64 addr, u64 len, int advice)
{
	enum advice_kind kind = advice_kind(advice);
	struct hostop op = {.kind = HOSTOP_MADVISE, .val = (u64)advice, .last_result = true};
	struct mm *m = t->mm;
	u64 end = addr + PAGE_ALIGN(len), at;
	bool hole = false;
	struct vma *v;
	int queued;
	s64 err;

	if (kind == ADVICE_UNKNOWN || (addr & ~PAGE_MASK) || (len && !PAGE_ALIGN(len)) ||
	    end < addr)
		return -EINVAL;
	if (end == addr)
		return 0;
	if (end > GUEST_MAX)
		return -ENOMEM;
	if (kind == ADVICE_REMOVE)
		return advise_remove(t, addr, end);
	err = mm_lock(m);
	if (err)
		return err;
	/* Holes are skipped, and reported once the rest is done (mm/madvise.c). */
	at = addr;
	for (v = vma_find(m, addr); v && v->start < end && !err; v = vma_next(v)) {
		hole |= v->start > at;
		/* These stop at the first hole. */
		if (hole && (advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE))
			break;
		err = advise_area(m, &v, addr, end, advice);
		if (!err)
			at = min_of(v->end, end);
	}
	hole |= at < end;
	if (kind == ADVICE_FLAG && (advice == MADV_DONTDUMP || advice == MADV_DODUMP))
		kind = ADVICE_HINT;
	/* The host's answer is the call's where it alone knows; a flag's is known here. */
	if (kind == ADVICE_FLAG)
		op.last_result = false;
	/* The host reports the same hole, having done the rest: that is no failure of the tree's.
	 */
	queued = change_finish(t, m, addr, err ? at : end, kind == ADVICE_HINT ? NULL : &op,
	                       kind == ADVICE_FLAG && hole);
	mm_unlock(m);
	if (!err && hole)
		err = -ENOMEM;
	return err ? err : queued;
}

/* ---- mseal ------------------------------------------------------------------ */

s64 mm_seal(struct task *t, u64 addr, u64 len)
{
	struct mm *m = t->mm;
	u64 end = addr + PAGE_ALIGN(len), at = addr;
	struct vma *v;
	s64 err;

	if ((addr & ~PAGE_MASK) || (len && !PAGE_ALIGN(len)) || end < addr)
		return -EINVAL;
	if (end == addr)
		return 0;
	err = mm_lock(m);
	if (err)
		return err;
	/* All of it or nothing. */
	for (v = vma_find(m, addr); v && v->start <= at && at < end; v = vma_next(v))
		at = v->end;
	if (at < end)
		err = -ENOMEM;
	for (v = vma_find(m, addr); !err && v && v->start < end; v = vma_next(v)) {
		err = mm_isolate(m, &v, max_of(addr, v->start), min_of(end, v->end));
		if (!err)
			vma_set_flags(m, v, v->flags | VMA_SEALED);
	}
	vma_merge_range(m, addr, end);
	mm_unlock(m);
	return err;
}
