/* /proc/PID/maps, smaps and mem: the address space. */
#include "base/caller.h"
#include "base/uspace.h"
#include "fs/vfs/file.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/super.h"
#include "sentry/mm.h"
#include "sentry/proc/proc_internal.h"
#include "sentry/task.h"
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

struct maps_text {
	struct text *t;
	struct path root;
	bool details; /* smaps */
	u64 total, private_dirty;
};

/* What stands behind an area: the file's name, "[heap]", or nothing. */
static void add_area_name(struct maps_text *m, const struct vma *v, int column)
{
	char buf[PATH_MAX + 32], *name = NULL;
	bool reachable;

	if (v->file && v->file->path.mnt)
		name = path_name(v->file->path, m->root, buf, sizeof(buf), &reachable);
	else if (v->file && v->file->path.dentry)
		name = path_name(v->file->path, m->root, buf, sizeof(buf), &reachable);
	else if (v->file && v->file->ops->name)
		name = (char *)(uintptr_t)v->file->ops->name;
	if (v->shared_id && !v->file)
		name = "/dev/zero (deleted)";
	if (v->name)
		name = (char *)(uintptr_t)v->name;
	if (!name) {
		text_add(m->t, "\n");
		return;
	}
	text_add(m->t, "%*s", column < 73 ? 73 - column : 1, "");
	for (; *name; name++)
		if (*name == '\n')
			text_add(m->t, "\\012");
		else
			text_add_bytes(m->t, name, 1);
	text_add(m->t, "\n");
}

static void add_details(struct maps_text *m, const struct vma *v)
{
	u64 kb = (v->end - v->start) >> 10;
	bool writable = (v->prot & PROT_WRITE) && !v->file;
	u64 rss = writable ? kb : 0;

	m->total += kb;
	m->private_dirty += rss;
	text_add(
	    m->t,
	    "Size:           %8llu kB\nKernelPageSize:        4 kB\nMMUPageSize:           4 "
	    "kB\nRss:            %8llu kB\nPss:            %8llu kB\nShared_Clean:          0 "
	    "kB\nShared_Dirty:          0 kB\nPrivate_Clean:         0 kB\nPrivate_Dirty:  "
	    "%8llu kB\nReferenced:     %8llu kB\nAnonymous:      %8llu kB\nSwap:                "
	    "  0 kB\nLocked:         %8llu kB\n",
	    (unsigned long long)kb, (unsigned long long)rss, (unsigned long long)rss,
	    (unsigned long long)rss, (unsigned long long)rss, (unsigned long long)rss,
	    (unsigned long long)(v->flags & VMA_LOCKED ? rss : 0));
}

static bool add_area(const struct vma *v, void *arg)
{
	struct maps_text *m = arg;
	size_t before = m->t->len;
	u32 dev = v->file ? v->file->inode->sb->dev : v->shared_id ? 1 : 0;

	text_add(m->t, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu ",
	         (unsigned long long)v->start, (unsigned long long)v->end,
	         v->prot & PROT_READ ? 'r' : '-', v->prot & PROT_WRITE ? 'w' : '-',
	         v->prot & PROT_EXEC ? 'x' : '-', v->flags & MAP_SHARED ? 's' : 'p',
	         (unsigned long long)v->off, major(dev), minor(dev),
	         (unsigned long long)(v->file ? v->file->inode->ino : v->shared_id));
	add_area_name(m, v, (int)(m->t->len - before));
	if (m->details)
		add_details(m, v);
	return true;
}

static int each_area(const struct pseudo_ref *ref, struct maps_text *m)
{
	struct mm *mm;
	int err = ref_may_read(ref);

	if (err)
		return err;
	if (ref_mm(ref, &mm))
		return 0;
	m->root = caller()->fs ? fs_context_root(caller()->fs) : (struct path){0};
	mm_each_vma(mm, add_area, m);
	if (m->root.mnt)
		path_put(m->root);
	mm_put(mm);
	return 0;
}

int show_task_maps(const struct pseudo_ref *ref, struct text *t)
{
	struct maps_text m = {.t = t};

	return each_area(ref, &m);
}

int show_task_smaps(const struct pseudo_ref *ref, struct text *t)
{
	struct maps_text m = {.t = t, .details = true};

	return each_area(ref, &m);
}

int show_task_smaps_rollup(const struct pseudo_ref *ref, struct text *t)
{
	struct text all = {0};
	struct maps_text m = {.t = &all, .details = true};
	int err = each_area(ref, &m);

	__builtin_free(all.s);
	if (err)
		return err;
	text_add(
	    t,
	    "%08x-%08lx ---p 00000000 00:00 0 %30s[rollup]\nRss:            %8llu kB\nPss:     "
	    "       %8llu kB\nPrivate_Dirty:  %8llu kB\n",
	    0, GUEST_MAX, "", (unsigned long long)m.private_dirty,
	    (unsigned long long)m.private_dirty, (unsigned long long)m.private_dirty);
	return 0;
}

/* ---- mem ------------------------------------------------------------------- */

#define CHUNK 4096

static bool mm_is_gone(struct mm *mm)
{
	bool gone;

	mutex_acquire(&mm->mutex);
	gone = mm->users == 0;
	mutex_release(&mm->mutex);
	return gone;
}

static ssize_t mem_read(struct file *f, struct uio *dst, u64 *pos)
{
	u8 buf[CHUNK];
	ssize_t done = 0;

	while (dst->resid) {
		size_t n = mm_read(f->priv, buf, *pos, min_of(dst->resid, sizeof(buf)));
		ssize_t w;

		if (!n)
			n = ptrace_force(task_self(), f->priv, *pos, buf,
			                 min_of(dst->resid, sizeof(buf)), false);

		/* A memory that nobody has any more is at its end (fs/proc/base.c mem_rw). */
		if (!n)
			return done || mm_is_gone(f->priv) ? done : -EIO;
		w = uio_write(dst, buf, n);
		if (w <= 0)
			return done ? done : w;
		*pos += (u64)w;
		done += w;
	}
	return done;
}

static ssize_t mem_write(struct file *f, struct uio *src, u64 *pos)
{
	u8 buf[CHUNK];
	ssize_t done = 0;

	while (src->resid) {
		ssize_t n = uio_read(src, buf, min_of(src->resid, sizeof(buf)));
		size_t w;

		if (n <= 0)
			return done ? done : n;
		w = mm_write(f->priv, *pos, buf, (size_t)n);
		if (w < (size_t)n)
			w += ptrace_force(task_self(), f->priv, *pos + w, buf + w, (size_t)n - w,
			                  true);
		uio_revert(src, (size_t)n - w);
		*pos += w;
		done += (ssize_t)w;
		if (w < (size_t)n)
			return done ? done : -EIO;
	}
	return done;
}

static s64 mem_seek(struct file *f, s64 off, int whence)
{
	/* fs/proc/base.c mem_lseek: positions are addresses, and wrap around as such. */
	if (whence == SEEK_CUR)
		off = (s64)((u64)off + f->pos);
	else if (whence != SEEK_SET)
		return -EINVAL;
	return off;
}

static void mem_release(struct file *f)
{
	mm_put(f->priv);
}

static const struct file_ops mem_ops = {
    .read = mem_read, .write = mem_write, .seek = mem_seek, .release = mem_release};

/* The memory of the program that runs now: an execve later makes the file useless, not another's.
 */
int open_task_mem(const struct pseudo_ref *ref, struct file *f)
{
	struct mm *mm;
	int err = ref_may_read(ref);

	if (err)
		return err;
	err = ref_mm(ref, &mm);
	if (err)
		return err;
	f->ops = &mem_ops;
	f->priv = mm;
	return 0;
}
