/*
 * The system calls of memory management: argument checks that need no tree,
 * and descriptors turned into files. The bodies are in sentry/mm_*.c.
 */
#include "sentry/mm_internal.h"
#include "sentry/syscall.h"
#include "base/uspace.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include <errno.h>
#include <stdlib.h>

s64 sys_mmap(struct task *t, const struct syscall_args *a)
{
	u64 addr = arg_u64(a, 0), len = arg_u64(a, 1), off = arg_u64(a, 5);
	u32 prot = arg_u32(a, 2), flags = arg_u32(a, 3);
	struct file *f = NULL;
	s64 result;

	if (off & ~PAGE_MASK)
		return -EINVAL;
	if (!(flags & MAP_ANONYMOUS)) {
		int err = fd_get(arg_int(a, 4), &f);
		if (err)
			return err;
	}
	/* As on a host with huge pages, of which none are reserved; files are never huge. */
	if (flags & MAP_HUGETLB)
		result = f ? -EINVAL : -ENOMEM;
	else
		result = mm_map(t, addr, len, prot, flags, f, off);
	if (f)
		file_put(f);
	return result;
}

s64 sys_munmap(struct task *t, const struct syscall_args *a)
{
	return mm_unmap(t, arg_u64(a, 0), arg_u64(a, 1));
}

s64 sys_mprotect(struct task *t, const struct syscall_args *a)
{
	return mm_protect(t, arg_u64(a, 0), arg_u64(a, 1), arg_u32(a, 2));
}

s64 sys_mremap(struct task *t, const struct syscall_args *a)
{
	return mm_remap(t, arg_u64(a, 0), arg_u64(a, 1), arg_u64(a, 2), arg_u32(a, 3),
	                arg_u64(a, 4));
}

s64 sys_brk(struct task *t, const struct syscall_args *a)
{
	return mm_brk(t, arg_u64(a, 0));
}

s64 sys_madvise(struct task *t, const struct syscall_args *a)
{
	return mm_advise(t, arg_u64(a, 0), arg_u64(a, 1), arg_int(a, 2));
}

s64 sys_mlock(struct task *t, const struct syscall_args *a)
{
	return mm_mlock(t, arg_u64(a, 0), arg_u64(a, 1), true);
}

s64 sys_mlock2(struct task *t, const struct syscall_args *a)
{
	if (arg_int(a, 2) & ~MLOCK_ONFAULT)
		return -EINVAL;
	return mm_mlock(t, arg_u64(a, 0), arg_u64(a, 1), true);
}

s64 sys_munlock(struct task *t, const struct syscall_args *a)
{
	return mm_mlock(t, arg_u64(a, 0), arg_u64(a, 1), false);
}

s64 sys_mlockall(struct task *t, const struct syscall_args *a)
{
	int flags = arg_int(a, 0);

	if (!flags || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) || flags == MCL_ONFAULT)
		return -EINVAL;
	return mm_mlockall(t, flags);
}

s64 sys_munlockall(struct task *t, const struct syscall_args *a)
{
	(void)a;
	return mm_mlockall(t, 0);
}

/*
 * mm/msync.c. The host writes dirty pages when it sees fit; MS_SYNC on a shared
 * file asks the file. Files are synced outside the mm's lock, an area at a time.
 */
s64 sys_msync(struct task *t, const struct syscall_args *a)
{
	u64 at = arg_u64(a, 0), len = PAGE_ALIGN(arg_u64(a, 1)), end = at + len;
	int flags = arg_int(a, 2);
	struct mm *m = t->mm;
	bool hole = false;

	if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC))
		return -EINVAL;
	if ((at & ~PAGE_MASK) || ((flags & MS_ASYNC) && (flags & MS_SYNC)))
		return -EINVAL;
	if (end < at)
		return -ENOMEM;
	while (at < end) {
		struct file *f = NULL;
		struct vma *v;
		s64 err = mm_lock(m);

		if (err)
			return err;
		v = vma_find_range(m, at, end);
		hole |= !v || v->start > at;
		at = v ? v->end : end;
		if (v && (flags & MS_INVALIDATE) && (v->flags & VMA_LOCKED))
			err = -EBUSY;
		else if (v && (flags & MS_SYNC) && (v->flags & MAP_SHARED) && v->file)
			f = file_get(v->file);
		mm_unlock(m);
		if (f) {
			if (f->ops->fsync)
				err = f->ops->fsync(f, false);
			file_put(f);
		}
		if (err)
			return err;
	}
	return hole ? -ENOMEM : 0;
}

s64 sys_mincore(struct task *t, const struct syscall_args *a)
{
	return mm_mincore(t, arg_u64(a, 0), arg_u64(a, 1), arg_u64(a, 2));
}

s64 sys_mseal(struct task *t, const struct syscall_args *a)
{
	return arg_u64(a, 2) ? -EINVAL : mm_seal(t, arg_u64(a, 0), arg_u64(a, 1));
}

/*
 * mm/mmap.c: a nonlinear mapping is emulated by a mapping of its own for the
 * window, as Linux has done since 4.0.
 */
s64 sys_remap_file_pages(struct task *t, const struct syscall_args *a)
{
	u64 start = arg_u64(a, 0) & PAGE_MASK, size = arg_u64(a, 1) & PAGE_MASK;
	u64 off = arg_u64(a, 3) * PAGE_SIZE;
	struct mm *m = t->mm;
	struct file *f = NULL;
	struct vma *v;
	u32 prot = 0;
	s64 err;

	if (arg_u64(a, 2) || start + size <= start || arg_u64(a, 3) > UINT64_MAX / PAGE_SIZE ||
	    off + size < off)
		return -EINVAL;
	err = mm_lock(m);
	if (err)
		return err;
	v = vma_find_range(m, start, start + 1);
	if (v && (v->flags & MAP_SHARED) && v->file) {
		struct vma *n = v;
		prot = v->prot;
		/* All of the window must be one file's, without holes. */
		while (n && n->end < start + size && vma_next(n) && vma_next(n)->start == n->end &&
		       vma_next(n)->file == v->file)
			n = vma_next(n);
		if (n && n->end >= start + size)
			f = file_get(v->file);
	}
	mm_unlock(m);
	if (!f)
		return -EINVAL;
	err = mm_map(t, start, size, prot, MAP_SHARED | MAP_FIXED | MAP_POPULATE, f, off);
	file_put(f);
	return err < 0 ? err : 0;
}

/* ---- protection keys: a machine without them ------------------------------- */

s64 sys_pkey_mprotect(struct task *t, const struct syscall_args *a)
{
	return arg_int(a, 3) == -1 ? sys_mprotect(t, a) : -EINVAL;
}

s64 sys_pkey_alloc(struct task *t, const struct syscall_args *a)
{
	(void)t;
	/* mm/mprotect.c: flags and rights are checked before there turns out to be no key. */
	return arg_u64(a, 0) || (arg_u64(a, 1) & ~3UL) ? -EINVAL : -ENOSPC;
}

s64 sys_pkey_free(struct task *t, const struct syscall_args *a)
{
	(void)t;
	(void)a;
	return -EINVAL;
}
