/*
 * mlock, mlockall, mincore: which pages are in memory, and stay there.
 *
 * Locked memory is accounted here; the host only faults it in, as its own limit
 * is not the guest's.
 */
#include "sentry/mm_internal.h"
#include "base/uspace.h"
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

/* Locked memory is counted here; the host only faults it in, as its own limit is not the guest's.
 */
static int lock_populate(struct task *t, struct mm *m, u64 start, u64 end)
{
	struct vma *v;
	int err = 0;

	for (v = vma_find(m, start); v && v->start < end && !err; v = vma_next(v)) {
		bool write = (v->prot & PROT_WRITE) && !(v->flags & MAP_SHARED);
		struct hostop op = {
		    .kind = HOSTOP_MADVISE,
		    .fd = -1,
		    .addr = max_of(start, v->start),
		    .len = min_of(end, v->end) - max_of(start, v->start),
		    .val = write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ,
		};
		/* What does not fit the queue stays to be faulted in on use. */
		if (m->pending.nops == HOSTOPS_MAX)
			break;
		if (v->prot & PROT_RWX)
			err = mm_queue_optional(m, t->thread, &op);
	}
	return err;
}

/* mm/mlock.c apply_vma_lock_flags. */
static int lock_range(struct mm *m, u64 start, u64 end, bool lock)
{
	struct vma *v = vma_find(m, start);
	u64 at = start;
	int err = 0;

	for (; at < end; at = v->end, v = vma_next(v)) {
		u32 flags;
		if (!v || v->start > at) {
			err = -ENOMEM;
			break;
		}
		flags = lock ? v->flags | VMA_LOCKED : v->flags & ~(u32)VMA_LOCKED;
		if (flags == v->flags)
			continue;
		err = mm_isolate(m, &v, max_of(start, v->start), min_of(end, v->end));
		if (err)
			break;
		vma_set_flags(m, v, flags);
	}
	vma_merge_range(m, start, min_of(at, end));
	return err;
}

static u64 locked_bytes(struct mm *m, u64 start, u64 end)
{
	u64 n = 0;

	for (struct vma *v = vma_find(m, start); v && v->start < end; v = vma_next(v))
		if (v->flags & VMA_LOCKED)
			n += min_of(v->end, end) - max_of(v->start, start);
	return n;
}

s64 mm_mlock(struct task *t, u64 addr, u64 len, bool lock)
{
	struct mm *m = t->mm;
	u64 start = addr & PAGE_MASK, end, limit;
	s64 err;

	if (lock && !mm_can_mlock(t))
		return -EPERM;
	len = PAGE_ALIGN(len + (addr & ~PAGE_MASK));
	end = start + len;
	if (end < start)
		return -EINVAL;
	if (end == start)
		return 0;
	err = mm_lock(m);
	if (err)
		return err;
	limit = task_rlimit(t, RLIMIT_MEMLOCK);
	if (lock && !task_capable(t, CAP_IPC_LOCK) &&
	    m->locked_vm + len - locked_bytes(m, start, end) > limit)
		err = -ENOMEM;
	else
		err = lock_range(m, start, end, lock);
	if (!err && lock)
		err = lock_populate(t, m, start, end);
	mm_unlock(m);
	return err;
}

s64 mm_mlockall(struct task *t, int flags)
{
	bool current = flags & MCL_CURRENT;
	struct mm *m = t->mm;
	struct vma *v;
	s64 err;

	if (flags && !mm_can_mlock(t))
		return -EPERM;
	err = mm_lock(m);
	if (err)
		return err;
	if (current && m->total_vm > task_rlimit(t, RLIMIT_MEMLOCK) &&
	    !task_capable(t, CAP_IPC_LOCK)) {
		mm_unlock(m);
		return -ENOMEM;
	}
	m->def_flags = flags & MCL_FUTURE ? VMA_LOCKED : 0;
	if (current || !flags) {
		TAILQ_FOREACH (v, &m->list, link)
			vma_set_flags(
			    m, v, current ? v->flags | VMA_LOCKED : v->flags & ~(u32)VMA_LOCKED);
		vma_merge_range(m, 0, GUEST_MAX);
	}
	if (current && !(flags & MCL_ONFAULT))
		err = lock_populate(t, m, 0, GUEST_MAX);
	mm_unlock(m);
	return err;
}

/* ---- mincore ---------------------------------------------------------------- */

/*
 * Of memory without a file the host knows what is there, and writes it to the
 * guest's vector. Of files it is not asked: what else uses a file of the host is
 * none of the guest's business (mm/mincore.c can_do_mincore), so they count as read.
 */
static int mincore_area(struct task *t, struct mm *m, const struct vma *v, u64 from, u64 to,
                        u64 vec)
{
	u64 n = (to - from) / PAGE_SIZE;
	struct hostop op = {
	    .kind = HOSTOP_MINCORE, .fd = -1, .addr = from, .len = to - from, .newaddr = vec};
	u8 *ones;
	int err;

	if (!v->file && m->pending.nops < HOSTOPS_MAX)
		return mm_queue(m, t->thread, &op);
	ones = malloc(n);
	if (!ones)
		return -EAGAIN;
	memset(ones, 1, n);
	err = copy_out(uptr_make(vec), ones, n);
	free(ones);
	return err;
}

s64 mm_mincore(struct task *t, u64 addr, u64 len, u64 vec)
{
	u64 end = addr + PAGE_ALIGN(len), at = addr;
	struct mm *m = t->mm;
	struct vma *v;
	s64 err;

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	if (end < addr || end > GUEST_MAX || (len && !PAGE_ALIGN(len)))
		return -ENOMEM;
	if (vec > GUEST_MAX || (end - addr) / PAGE_SIZE > GUEST_MAX - vec)
		return -EFAULT;
	if (end == addr)
		return 0;
	err = mm_lock(m);
	if (err)
		return err;
	for (v = vma_find(m, addr); !err && v && v->start <= at && at < end; v = vma_next(v)) {
		err = mincore_area(t, m, v, at, min_of(v->end, end), vec + (at - addr) / PAGE_SIZE);
		at = min_of(v->end, end);
	}
	if (!err && at < end)
		err = -ENOMEM;
	mm_unlock(m);
	return err;
}
