/*
 * mmap, munmap and brk: mm/mmap.c's rules in mm/mmap.c's order, so that of
 * several errors the guest gets the one it gets natively.
 *
 * The address is chosen here, so the host operation is always MAP_FIXED and
 * its result is known beforehand. The file is asked for what backs the mapping
 * before the mm is locked, because files have locks that come before RANK_MM.
 *
 * Shared anonymous memory is the host's own (MAP_SHARED | MAP_ANONYMOUS): forks
 * of the stub share it as forks of the guest must, and it takes no descriptor of
 * the sentry. shared_id is the object's identity in the guest's view.
 */
#include "sentry/mm_internal.h"
#include "base/caller.h"
#include "fs/vfs/file.h"
#include "fs/vfs/mount.h"
#include <errno.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/personality.h>

/* include/linux/mman.h LEGACY_MAP_MASK: what MAP_SHARED_VALIDATE knows. */
#define MAP_KNOWN                                                                                  \
	(MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE |   \
	 MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK |    \
	 MAP_HUGETLB | MAP_32BIT | 0x80 /* ABOVE4G */ | 0x7c000000 /* UNINITIALIZED, HUGE_* */)

#define MAP_32BIT_LOW  0x40000000UL
#define MAP_32BIT_HIGH 0x80000000UL

static _Atomic u64 last_shared_id = 1;

u64 mm_new_shared_id(void)
{
	return atomic_fetch_add_explicit(&last_shared_id, 1, memory_order_relaxed);
}

bool mm_may_expand(struct task *t, const struct mm *m, u32 prot, u32 flags, u64 n)
{
	bool data = (prot & PROT_WRITE) && !(flags & (MAP_SHARED | VMA_GROWSDOWN));
	u64 limit = task_rlimit(t, RLIMIT_AS);

	if (n > limit || m->total_vm > limit - n)
		return false;
	limit = task_rlimit(t, RLIMIT_DATA);
	return !data || (n <= limit && m->data_vm <= limit - n);
}

bool mm_can_mlock(struct task *t)
{
	return task_rlimit(t, RLIMIT_MEMLOCK) || task_capable(t, CAP_IPC_LOCK);
}

bool mm_may_lock(struct task *t, const struct mm *m, u32 flags, u64 n)
{
	if (!(flags & VMA_LOCKED) || task_capable(t, CAP_IPC_LOCK))
		return true;
	return m->locked_vm + n <= (task_rlimit(t, RLIMIT_MEMLOCK) & PAGE_MASK);
}

static bool range_free(struct mm *m, u64 start, u64 len)
{
	struct vma *next = vma_find(m, start);

	if (platform_reserved(start, len))
		return false;
	/* find_vma above also gives the area before: none may overlap, nor a stack's gap. */
	return !next || start + len <= vma_start_gap(next);
}

u64 mm_free_range(struct mm *m, u64 hint, u64 len, u32 map_flags)
{
	u64 at;

	if (len > GUEST_MAX)
		return 0;
	hint = PAGE_ALIGN(hint);
	if (hint >= MMAP_MIN_ADDR && hint <= GUEST_MAX - len && range_free(m, hint, len))
		return hint;
	if (map_flags & MAP_32BIT)
		return vma_gap_bottomup(m, MAP_32BIT_LOW, MAP_32BIT_HIGH, len, PAGE_SIZE);
	at = vma_gap_topdown(m, MMAP_MIN_ADDR, m->mmap_base, len, PAGE_SIZE);
	/* Below is full: what is left above, as arch_get_unmapped_area_topdown falls back. */
	return at ? at : vma_gap_bottomup(m, MMAP_LOW_BASE, GUEST_MAX, len, PAGE_SIZE);
}

bool mm_may_modify(struct mm *m, u64 start, u64 end)
{
	for (struct vma *v = vma_find(m, start); v && v->start < end; v = vma_next(v))
		if (v->flags & VMA_SEALED)
			return false;
	return true;
}

int mm_cut(struct mm *m, u64 start, u64 end)
{
	struct vma *v = vma_find_range(m, start, end);
	int err;

	if (!v)
		return 0;
	if (!mm_may_modify(m, start, end))
		return -EPERM;
	/* mm/vma.c: only a hole punched into one area adds to their number. */
	if (v->start < start && v->end > end && m->nvmas >= MAX_MAP_COUNT)
		return -ENOMEM;
	err = vma_split_range(m, start, end);
	if (err)
		return err;
	while ((v = vma_find_range(m, start, end))) {
		vma_remove(m, v);
		mm_undo_take(m, v);
	}
	return 0;
}

static u64 mapped_bytes(struct mm *m, u64 start, u64 end)
{
	u64 n = 0;

	for (struct vma *v = vma_find(m, start); v && v->start < end; v = vma_next(v))
		n += min_of(v->end, end) - max_of(v->start, start);
	return n;
}

/* ---- mmap ------------------------------------------------------------------ */

struct mapping {
	u64 addr, len, off;
	u32 prot, max_prot;
	u32 map_flags; /* as the guest gave them */
	u32 vma_flags;
	struct file *file; /* borrowed; NULL: anonymous */
	struct map_backing backing;
	struct vma_hold *hold;
	const struct vma_hold_owner *owner; /* NULL: only the file counts */
	void *owner_arg;
};

/* mm/mmap.c do_mmap, the part about a file. */
static int mapping_check_file(struct mapping *g)
{
	struct file *f = g->file;
	bool noexec = f->path.mnt && (f->path.mnt->flags & MS_NOEXEC);

	if (g->off + g->len < g->off || g->off + g->len > INT64_MAX)
		return -EOVERFLOW;
	switch (g->map_flags & MAP_TYPE) {
	case MAP_SHARED_VALIDATE:
		if (g->map_flags & ~(u32)MAP_KNOWN)
			return -EOPNOTSUPP;
		/* fall through */
	case MAP_SHARED:
		if ((g->prot & PROT_WRITE) && !file_writable(f))
			return -EACCES;
		g->vma_flags |= MAP_SHARED;
		if (!file_writable(f))
			g->max_prot &= ~(u32)PROT_WRITE;
		break;
	case MAP_PRIVATE:
		g->vma_flags |= MAP_PRIVATE;
		break;
	default:
		return -EINVAL;
	}
	if (!file_readable(f))
		return -EACCES;
	if (noexec) {
		if (g->prot & PROT_EXEC)
			return -EPERM;
		g->max_prot &= ~(u32)PROT_EXEC;
	}
	if (!f->ops->map)
		return -ENODEV;
	return g->vma_flags & VMA_GROWSDOWN ? -EINVAL : 0;
}

static int mapping_check_anon(struct mapping *g)
{
	g->off = 0;
	switch (g->map_flags & MAP_TYPE) {
	case MAP_SHARED:
		if (g->vma_flags & VMA_GROWSDOWN)
			return -EINVAL;
		g->vma_flags |= MAP_SHARED;
		return 0;
	case MAP_PRIVATE:
		g->vma_flags |= MAP_PRIVATE;
		return 0;
	default:
		return -EINVAL;
	}
}

/*
 * Asks the file. A shared mapping is asked for with all that mprotect may grant
 * later; a sealed memfd refuses that, but not a mapping that can never be written
 * (fcntl(2), F_SEAL_FUTURE_WRITE).
 */
static int mapping_ask_file(struct mapping *g)
{
	struct file *f = g->file;
	bool shared = g->vma_flags & MAP_SHARED;
	int prot = (int)(shared ? g->prot | (g->max_prot & PROT_WRITE) : g->prot);
	int err = f->ops->map(f, prot, shared, &g->backing);

	if (err == -EPERM && shared && (prot & PROT_WRITE) && !(g->prot & PROT_WRITE)) {
		prot &= ~PROT_WRITE;
		g->max_prot &= ~(u32)PROT_WRITE;
		err = f->ops->map(f, prot, shared, &g->backing);
	}
	if (err)
		return err;
	if (!f->ops->unmapped && !g->owner)
		return 0;
	g->hold = vma_hold_create(f, prot, shared);
	if (!g->hold) {
		if (f->ops->unmapped)
			f->ops->unmapped(f, prot, shared);
		return -ENOMEM;
	}
	if (g->owner) {
		g->hold->owner = g->owner;
		g->hold->arg = g->owner_arg;
		g->owner->added(g->owner_arg);
	}
	return 0;
}

/* mm/mmap.c __get_unmapped_area. */
static s64 mapping_place(struct task *t, struct mm *m, struct mapping *g)
{
	u64 at = g->addr;

	if (g->len > GUEST_MAX)
		return -ENOMEM;
	if (!(g->map_flags & MAP_FIXED)) {
		at = mm_free_range(m, at, g->len, g->map_flags);
		if (!at)
			return -ENOMEM;
	}
	if (at > GUEST_MAX - g->len)
		return -ENOMEM;
	if (at & ~PAGE_MASK)
		return -EINVAL;
	/* CAP_SYS_RAWIO does not help: the host's own limit is at least as high. */
	if (at < MMAP_MIN_ADDR)
		return task_capable(t, CAP_SYS_RAWIO) ? -ENOMEM : -EPERM;
	if (platform_reserved(at, g->len))
		return -ENOMEM;
	if ((g->map_flags & MAP_FIXED_NOREPLACE) && vma_find_range(m, at, at + g->len))
		return -EEXIST;
	return (s64)at;
}

static int mapping_queue(struct task *t, struct mm *m, const struct mapping *g)
{
	struct hostop op = {
	    .kind = HOSTOP_MMAP,
	    .prot = (s32)g->prot,
	    .flags = MAP_FIXED | ((g->vma_flags & MAP_SHARED) ? MAP_SHARED : MAP_PRIVATE),
	    .fd = -1,
	    .addr = g->addr,
	    .len = g->len,
	};

	if (g->file) {
		op.fd = g->backing.fd;
		op.off = g->off + g->backing.off;
		op.shareable = g->vma_flags & VMA_SHAREABLE;
	}
	/* A file may answer that its mappings are plain memory: /dev/zero. */
	if (op.fd < 0) {
		op.flags |= MAP_ANONYMOUS;
		op.off = 0;
	}
	if (g->vma_flags & VMA_NORESERVE)
		op.flags |= MAP_NORESERVE;
	if ((g->map_flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE ||
	    ((g->vma_flags & VMA_LOCKED) && (g->prot & PROT_RWX)))
		op.flags |= MAP_POPULATE;
	return mm_queue(m, t->thread, &op);
}

/* mm/mmap.c do_mmap and mmap_region, from where the mm is locked. */
static s64 mapping_make_locked(struct task *t, struct mm *m, struct mapping *g)
{
	struct vma *v;
	s64 at;
	int err;

	if (m->nvmas > MAX_MAP_COUNT)
		return -ENOMEM;
	g->vma_flags |= m->def_flags;
	at = mapping_place(t, m, g);
	if (at < 0)
		return at;
	g->addr = (u64)at;
	if ((g->map_flags & MAP_LOCKED) && !mm_can_mlock(t))
		return -EPERM;
	if (!mm_may_lock(t, m, g->vma_flags, g->len))
		return -EAGAIN;
	if (!mm_may_expand(t, m, g->prot, g->vma_flags,
	                   g->len - mapped_bytes(m, g->addr, g->addr + g->len)))
		return -ENOMEM;
	/* A tracer sees its tracee's own steps. */
	if (g->file && g->backing.fixed && mm_is_text(g->prot, g->vma_flags) && !t->trace.flags)
		g->vma_flags |= VMA_SHAREABLE;
	v = vma_create(g->addr, g->addr + g->len, g->prot, g->max_prot, g->vma_flags);
	if (!v)
		return -ENOMEM;
	if (g->file)
		vma_set_file(v, g->file, g->off, NULL);
	else if (g->vma_flags & MAP_SHARED)
		v->shared_id = mm_new_shared_id();
	err = mm_cut(m, g->addr, g->addr + g->len);
	if (!err)
		err = mapping_queue(t, m, g);
	if (err) {
		mm_bury(m, v);
		return err;
	}
	v->hold = g->hold;
	g->hold = NULL;
	vma_insert(m, v);
	vma_merge(m, v);
	return at;
}

/* What does not depend on how the call was made: checks, the file's say, the tree. */
static s64 mapping_make(struct task *t, struct mapping *g)
{
	struct mm *m = t->mm;
	s64 result;
	int err = g->file ? mapping_check_file(g) : mapping_check_anon(g);

	if (!err && g->file)
		err = mapping_ask_file(g);
	if (err)
		return err;
	result = mm_lock(m);
	if (!result) {
		result = mapping_make_locked(t, m, g);
		mm_unlock(m);
	}
	if (g->hold)
		vma_hold_put(g->hold);
	return result;
}

s64 mm_map(struct task *t, u64 addr, u64 len, u32 prot, u32 flags, struct file *f, u64 off)
{
	struct mapping g = {
	    .addr = addr,
	    .off = off,
	    .prot = prot & PROT_RWX,
	    .max_prot = PROT_RWX,
	    .map_flags = flags,
	    .file = f,
	};

	if (!len)
		return -EINVAL;
	if ((g.prot & PROT_READ) && (t->group->personality & READ_IMPLIES_EXEC) &&
	    !(f && f->path.mnt && (f->path.mnt->flags & MS_NOEXEC)))
		g.prot |= PROT_EXEC;
	if (flags & MAP_FIXED_NOREPLACE)
		g.map_flags |= MAP_FIXED;
	/* A hint below the lowest allowed address means that one (round_hint_to_min). */
	if (!(g.map_flags & MAP_FIXED)) {
		g.addr &= PAGE_MASK;
		if (g.addr && g.addr < MMAP_MIN_ADDR)
			g.addr = MMAP_MIN_ADDR;
	}
	g.len = PAGE_ALIGN(len);
	if (!g.len)
		return -ENOMEM;
	if (off + g.len < off)
		return -EOVERFLOW;
	if (g.len > GUEST_MAX)
		return -ENOMEM;
	if (flags & MAP_GROWSDOWN)
		g.vma_flags |= VMA_GROWSDOWN;
	if (flags & MAP_LOCKED)
		g.vma_flags |= VMA_LOCKED;
	if (flags & MAP_NORESERVE)
		g.vma_flags |= VMA_NORESERVE;
	return mapping_make(t, &g);
}

s64 mm_map_shm(struct task *t, u64 addr, u64 len, u32 prot, u32 flags, struct file *f,
               const struct vma_hold_owner *owner, void *arg)
{
	struct mapping g = {
	    .addr = addr,
	    .len = PAGE_ALIGN(len),
	    .prot = prot,
	    /* An attachment that was asked for read-only stays so. */
	    .max_prot = prot & PROT_WRITE ? PROT_RWX : PROT_READ | PROT_EXEC,
	    .map_flags = flags | MAP_SHARED,
	    .vma_flags = VMA_SHM,
	    .file = f,
	    .owner = owner,
	    .owner_arg = arg,
	};

	return g.len ? mapping_make(t, &g) : -ENOMEM;
}

/* ---- munmap ---------------------------------------------------------------- */

s64 mm_unmap(struct task *t, u64 addr, u64 len)
{
	struct mm *m = t->mm;
	u64 end;
	s64 err;

	if ((addr & ~PAGE_MASK) || addr > GUEST_MAX || len > GUEST_MAX - addr)
		return -EINVAL;
	end = addr + PAGE_ALIGN(len);
	if (end == addr)
		return -EINVAL;
	err = mm_lock(m);
	if (err)
		return err;
	if (vma_find_range(m, addr, end)) {
		struct hostop op = {
		    .kind = HOSTOP_MUNMAP, .fd = -1, .addr = addr, .len = end - addr};
		err = mm_cut(m, addr, end);
		if (!err)
			err = mm_queue(m, t->thread, &op);
	}
	mm_unlock(m);
	return err;
}

/* v is a piece of an attachment of f (NULL: of any segment) that began at addr (ipc/shm.c). */
static bool is_attached_at(const struct vma *v, u64 addr, const struct file *f)
{
	return (v->flags & VMA_SHM) && v->start - addr == v->off && (!f || v->file == f);
}

s64 mm_unmap_shm(struct task *t, u64 addr)
{
	struct mm *m = t->mm;
	const struct file *f = NULL;
	struct vma *v, *next;
	s64 err = mm_lock(m);

	if (err)
		return err;
	err = -EINVAL;
	for (v = vma_find(m, addr); v; v = next) {
		struct hostop op = {.kind = HOSTOP_MUNMAP, .fd = -1};
		next = vma_next(v);
		if (!is_attached_at(v, addr, f))
			continue;
		f = v->file;
		op.addr = v->start;
		op.len = v->end - v->start;
		err = mm_cut(m, v->start, v->end);
		if (!err)
			err = mm_queue(m, t->thread, &op);
		if (err)
			break;
	}
	mm_unlock(m);
	return err;
}

/* ---- brk ------------------------------------------------------------------- */

static int brk_grow(struct task *t, struct mm *m, u64 start, u64 end)
{
	struct vma *next = vma_find(m, start), *v;
	u32 flags = MAP_PRIVATE | m->def_flags;
	u32 prot = PROT_READ | PROT_WRITE;
	struct hostop op = {
	    .kind = HOSTOP_MMAP,
	    .flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
	    .fd = -1,
	    .addr = start,
	    .len = end - start,
	};
	int err;

	/* One page stays free below the next area, as in mm/mmap.c. */
	if (end > GUEST_MAX || platform_reserved(start, end - start) ||
	    (next && end + PAGE_SIZE > vma_start_gap(next)))
		return -ENOMEM;
	if (!mm_may_lock(t, m, flags, end - start))
		return -EAGAIN;
	if (t->group->personality & READ_IMPLIES_EXEC)
		prot |= PROT_EXEC;
	if (!mm_may_expand(t, m, prot, flags, end - start) || m->nvmas > MAX_MAP_COUNT)
		return -ENOMEM;
	op.prot = (s32)prot;
	if (flags & VMA_LOCKED)
		op.flags |= MAP_POPULATE;
	v = vma_create(start, end, prot, PROT_RWX, flags);
	if (!v)
		return -ENOMEM;
	v->name = "[heap]";
	err = mm_queue(m, t->thread, &op);
	if (err) {
		mm_bury(m, v);
		return err;
	}
	vma_insert(m, v);
	vma_merge(m, v);
	return 0;
}

s64 mm_brk(struct task *t, u64 brk)
{
	struct mm *m = t->mm;
	u64 old, new, limit = task_rlimit(t, RLIMIT_DATA);
	s64 result;
	int err = 0;

	result = mm_lock(m);
	if (result)
		return result;
	result = (s64)m->brk;
	if (brk < m->brk_start || brk > GUEST_MAX)
		goto out;
	/* mm/util.c check_data_rlimit. */
	if (limit != RLIM64_INFINITY &&
	    (brk - m->brk_start) + (m->data_end - m->data_start) > limit)
		goto out;
	old = PAGE_ALIGN(m->brk);
	new = PAGE_ALIGN(brk);
	if (new < old) {
		struct hostop op = {.kind = HOSTOP_MUNMAP, .fd = -1, .addr = new, .len = old - new};
		err = mm_cut(m, new, old);
		if (!err)
			err = mm_queue(m, t->thread, &op);
	} else if (new > old) {
		err = brk_grow(t, m, old, new);
	}
	if (err)
		goto out;
	if (new != old) {
		m->pending.is_brk = true;
		m->pending.old_brk = m->brk;
	}
	m->brk = brk;
	result = (s64)brk;
out:
	mm_unlock(m);
	return result;
}
