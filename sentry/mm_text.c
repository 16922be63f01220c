/*
 * Text, and its call sites: what a program or a library brought, as it brought it.
 *
 * A stub may have been given a copy of a file's text, with call sites rewritten, to map in place
 * of the file (hostop.shareable). In such an area the platform can put the sites back, but the copy
 * is still what lies below: pages that are dropped come from it again, and behind its end there is
 * nothing. So before text is moved, or grown, or made anything but text, the file itself is mapped
 * where the copy may be. That is rare, and so it is done without asking whether it is one.
 */
#include "sentry/mm_internal.h"
#include "fs/vfs/file.h"
#include <errno.h>

static bool is_text(const struct vma *v)
{
	return v->file && mm_is_text(v->prot, v->flags);
}

void mm_patch_site(struct task *t, u64 site)
{
	struct mm *m = t->mm;
	struct vma *v;

	if (mm_lock(m))
		return;
	/* Operations still to be confirmed would be mixed up with those of the rewriting. */
	v = m->pending.thread ? NULL : vma_find(m, site);
	if (v && v->start <= site && is_text(v))
		platform_thread_patch(t->thread, site, v->start, v->end);
	mm_unlock(m);
}

/* Call sites in [start, end) become again what they were. */
static void unpatch(struct task *t, u64 start, u64 end)
{
	struct vma *v = vma_find_range(t->mm, start, end);

	for (; v && v->start < end; v = vma_next(v))
		if (is_text(v))
			platform_thread_unpatch(t->thread, max_of(start, v->start),
			                        min_of(end, v->end));
}

static struct vma *find_copy(struct mm *m, u64 start, u64 end)
{
	struct vma *v = vma_find_range(m, start, end);

	while (v && v->start < end && !(v->flags & VMA_SHAREABLE))
		v = vma_next(v);
	return v && v->start < end ? v : NULL;
}

/* Has the stub map v's file, of which this is the backing, in place of what v is. */
static int map_file_itself(struct task *t, struct vma *v, const struct map_backing *backing)
{
	struct hostop op = {
	    .kind = HOSTOP_MMAP,
	    .prot = (s32)v->prot,
	    .flags = MAP_FIXED | MAP_PRIVATE | (v->flags & VMA_LOCKED ? MAP_POPULATE : 0),
	    .fd = backing->fd,
	    .addr = v->start,
	    .len = v->end - v->start,
	    .off = v->off + backing->off,
	};
	int err = mm_queue(t->mm, t->thread, &op);
	s64 result;

	if (err)
		return err;
	/* It merges with its like once the change is made that it is done for. */
	vma_set_flags(t->mm, v, v->flags & ~(u32)VMA_SHAREABLE);
	result = mm_sync(t->mm, t->thread);
	return result < 0 && result > -4096 ? (int)result : 0;
}

/*
 * The same for v, the first area in [start, end) that may be a copy. t's mm is locked before and
 * not after: the file, which is asked, has locks that come first, and so has its end, should this
 * be the last to hold it. Another thread may change the map meanwhile; the caller looks again.
 */
static int put_file_back(struct task *t, u64 start, u64 end, struct vma *v)
{
	struct mm *m = t->mm;
	struct file *f = file_get(v->file);
	u64 from = v->start, to = v->end, off = v->off;
	struct map_backing backing;
	int err;

	mm_unlock(m);
	err = f->ops->map(f, PROT_READ | PROT_EXEC, false, &backing);
	if (!err) {
		err = mm_lock(m);
		if (!err) {
			v = find_copy(m, start, end);
			if (v && v->file == f && v->start == from && v->end == to && v->off == off)
				err = map_file_itself(t, v, &backing);
			mm_unlock(m);
		}
		if (f->ops->unmapped)
			f->ops->unmapped(f, PROT_READ | PROT_EXEC, false);
	}
	file_put(f);
	return err;
}

int mm_lock_text(struct task *t, u64 start, u64 end)
{
	for (;;) {
		struct vma *v;
		int err = mm_lock(t->mm);

		if (err || t->mm->pending.thread)
			return err;
		v = find_copy(t->mm, start, end);
		if (!v) {
			unpatch(t, start, end);
			return 0;
		}
		err = put_file_back(t, start, end, v);
		if (err)
			return err;
	}
}

void mm_poked(struct mm *m, u64 start, u64 end)
{
	struct vma *v = vma_find_range(m, start, end);

	for (; v && v->start < end; v = vma_next(v))
		if (v->flags & VMA_SHAREABLE)
			vma_set_flags(m, v, v->flags & ~(u32)VMA_SHAREABLE);
}
