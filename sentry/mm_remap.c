/*
 * mremap(2), as mm/mremap.c has it. The host moves the pages; the tree chooses
 * where to. An area that grows in place and one that moves are both one host
 * operation; a shrink is an munmap of the tail.
 */
#include "sentry/mm_internal.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/super.h"
#include <errno.h>
#include <linux/magic.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

struct remap {
	u64 old, oldlen, newlen; /* page aligned */
	u64 new;                 /* the guest's wish, then the place */
	u32 flags;
};

static int remap_unmap(struct task *t, struct mm *m, u64 start, u64 len)
{
	struct hostop op = {.kind = HOSTOP_MUNMAP, .fd = -1, .addr = start, .len = len};
	int err;

	if (!vma_find_range(m, start, start + len))
		return 0;
	err = mm_cut(m, start, start + len);
	return err ? err : mm_queue(m, t->thread, &op);
}

/* mm/mremap.c vma_to_resize: may what begins at r->old become r->newlen long? */
static int remap_check(struct task *t, struct mm *m, const struct vma *v, const struct remap *r)
{
	u64 delta = r->newlen - r->oldlen;

	/* An old length of 0 asks for a second mapping of shared pages. */
	if (!r->oldlen && !(v->flags & MAP_SHARED))
		return -EINVAL;
	/* Of one that is to shrink, what stays must be of one area. */
	if (min_of(r->oldlen, r->newlen) > v->end - r->old)
		return -EFAULT;
	if (r->newlen <= r->oldlen)
		return 0;
	if (v->file && v->off + (r->old - v->start) + r->newlen < r->newlen)
		return -EINVAL;
	if (!mm_may_lock(t, m, v->flags, delta))
		return -EAGAIN;
	return mm_may_expand(t, m, v->prot, v->flags, delta) ? 0 : -ENOMEM;
}

/* Grows v, which ends where the old range does, where it is. */
static s64 remap_in_place(struct task *t, struct mm *m, struct vma *v, const struct remap *r)
{
	struct hostop op = {
	    .kind = HOSTOP_MREMAP,
	    .fd = -1,
	    .addr = r->old,
	    .len = r->oldlen,
	    .newaddr = r->old,
	    .newlen = r->newlen,
	};
	int err = mm_queue(m, t->thread, &op);

	if (err)
		return err;
	vma_set_end(m, v, r->old + r->newlen);
	vma_merge(m, v);
	return (s64)r->old;
}

/* mm/mremap.c move_vma: [old, oldlen) of v becomes [new, newlen). */
static s64 remap_move(struct task *t, struct mm *m, struct vma *v, const struct remap *r)
{
	bool keep = (r->flags & MREMAP_DONTUNMAP) || !r->oldlen;
	struct hostop op = {
	    .kind = HOSTOP_MREMAP,
	    .fd = -1,
	    .flags = MREMAP_MAYMOVE | MREMAP_FIXED | (s32)(r->flags & MREMAP_DONTUNMAP),
	    .addr = r->old,
	    .len = r->oldlen,
	    .newaddr = r->new,
	    .newlen = r->newlen,
	};
	struct vma *n;
	int err;

	/* Up to three more areas while it moves. */
	if (m->nvmas >= MAX_MAP_COUNT - 3)
		return -ENOMEM;
	n = vma_clone(v);
	if (!n)
		return -ENOMEM;
	n->start = r->new;
	n->end = r->new + r->newlen;
	if (n->file)
		n->off = v->off + (r->old - v->start);
	if (n->name)
		n->name = NULL;
	err = keep ? 0 : mm_cut(m, r->old, r->old + r->oldlen);
	if (!err)
		err = mm_queue(m, t->thread, &op);
	if (err) {
		mm_bury(m, n);
		return err;
	}
	vma_insert(m, n);
	vma_merge(m, n);
	/* What DONTUNMAP leaves behind is empty, and no longer locked. */
	if ((r->flags & MREMAP_DONTUNMAP) && (v->flags & VMA_LOCKED))
		vma_set_flags(m, v, v->flags & ~(u32)VMA_LOCKED);
	return (s64)r->new;
}

/* MREMAP_FIXED or MREMAP_DONTUNMAP, of v: mm/mremap.c mremap_to. Nothing goes unless all can be
 * done. */
static s64 remap_to(struct task *t, struct mm *m, struct vma *v, struct remap *r)
{
	int err = remap_check(t, m, v, r);

	if (err)
		return err;
	if (m->nvmas + 2 >= MAX_MAP_COUNT - 3)
		return -ENOMEM;
	if ((r->flags & MREMAP_DONTUNMAP) && !mm_may_expand(t, m, v->prot, v->flags, r->oldlen))
		return -ENOMEM;
	if (r->flags & MREMAP_FIXED) {
		if (r->new < MMAP_MIN_ADDR)
			return -EPERM;
		if (platform_reserved(r->new, r->newlen))
			return -ENOMEM;
		err = remap_unmap(t, m, r->new, r->newlen);
	} else {
		r->new = mm_free_range(m, r->new, r->newlen, 0);
		err = r->new ? 0 : -ENOMEM;
	}
	if (!err && r->oldlen > r->newlen) {
		err = remap_unmap(t, m, r->old + r->newlen, r->oldlen - r->newlen);
		r->oldlen = r->newlen;
	}
	if (err)
		return err;
	/* It may have been split by what has gone. */
	return remap_move(t, m, vma_find(m, r->old), r);
}

/* mm/mremap.c vma_multi_allowed: may v be moved together with others? */
static bool may_move_among_others(const struct vma *v)
{
	return !v->file || v->file->inode->sb->magic == TMPFS_MAGIC;
}

/*
 * A move without a change of size takes all areas of the range along, gaps between them
 * included, since Linux 6.17 (mm/mremap.c remap_move). What comes after a failure stays.
 */
static s64 remap_many(struct task *t, struct mm *m, struct vma *v, const struct remap *whole)
{
	u64 end = whole->old + whole->oldlen, at = whole->old;
	bool first = true;

	while (v && at < end && v->start < end) {
		struct remap r = {.flags = whole->flags, .old = max_of(v->start, at)};
		s64 result;

		r.oldlen = r.newlen = min_of(v->end, end) - r.old;
		r.new = whole->new + (r.old - whole->old);
		if (!may_move_among_others(v) && (!first || v->end < end))
			return -EFAULT;
		if (v->flags & VMA_SEALED)
			return -EPERM;
		at = r.old + r.oldlen;
		/* An munmap and an mremap each: what does not fit is done first. */
		if (m->pending.nops + 2 > HOSTOPS_MAX && (result = mm_sync(m, t->thread)) < 0 &&
		    result > -4096)
			return result;
		result = remap_to(t, m, v, &r);
		if (result < 0)
			return result;
		v = vma_find(m, at);
		first = false;
	}
	return (s64)whole->new;
}

static s64 remap_locked(struct task *t, struct mm *m, struct remap *r)
{
	struct vma *v = vma_find_range(m, r->old, r->old + 1), *next;
	u64 end = r->old + r->newlen;
	int err;

	if (!v)
		return -EFAULT;
	if ((r->flags & MREMAP_FIXED) && r->oldlen == r->newlen)
		return remap_many(t, m, v, r);
	if (!mm_may_modify(m, r->old, r->old + max_of(r->oldlen, PAGE_SIZE)))
		return -EPERM;
	if (r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		return remap_to(t, m, v, r);
	if (r->oldlen >= r->newlen) {
		err = r->oldlen == r->newlen ? 0 : remap_unmap(t, m, end, r->oldlen - r->newlen);
		return err ? err : (s64)r->old;
	}
	err = remap_check(t, m, v, r);
	if (err)
		return err;
	next = vma_next(v);
	if (r->oldlen && r->old + r->oldlen == v->end && end > r->old && end <= GUEST_MAX &&
	    (!next || end <= vma_start_gap(next)))
		return remap_in_place(t, m, v, r);
	if (!(r->flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	r->new = mm_free_range(m, 0, r->newlen, 0);
	return r->new ? remap_move(t, m, v, r) : -ENOMEM;
}

/* Where it is to go: within the guest's addresses, and apart from where it is. */
static bool remap_target_ok(const struct remap *r)
{
	if ((r->new & ~PAGE_MASK) || r->newlen > GUEST_MAX || r->new > GUEST_MAX - r->newlen)
		return false;
	return r->old + r->oldlen <= r->new || r->new + r->newlen <= r->old;
}

s64 mm_remap(struct task *t, u64 old, u64 oldlen, u64 newlen, u32 flags, u64 newaddr)
{
	struct remap r = {.old = old, .new = newaddr, .flags = flags};
	struct mm *m = t->mm;
	s64 result;

	if (flags & ~(u32)(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP))
		return -EINVAL;
	if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if ((flags & MREMAP_DONTUNMAP) && oldlen != newlen)
		return -EINVAL;
	if (old & ~PAGE_MASK)
		return -EINVAL;
	r.oldlen = PAGE_ALIGN(oldlen);
	r.newlen = PAGE_ALIGN(newlen);
	if (!r.newlen)
		return -EINVAL;
	if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !remap_target_ok(&r))
		return -EINVAL;
	/* A rewritten site leads back to where it was, and a copy of text ends where it does. */
	if ((flags & MREMAP_MAYMOVE) || r.newlen > r.oldlen)
		result = mm_lock_text(t, old, old + max_of(r.oldlen, r.newlen));
	else
		result = mm_lock(m);
	if (result)
		return result;
	result = remap_locked(t, m, &r);
	mm_unlock(m);
	return result;
}
