/*
 * Faults that reach the sentry: a stack that grows, or the guest's own error.
 * Everything else (demand paging, copy-on-write) the host settles by itself.
 *
 * The host never maps with MAP_GROWSDOWN: its notion of a stack pointer and of
 * the guard gap is not the guest's. So growth is an mmap below the area, in
 * steps, since each costs a trap: as much again as the stack has, between 128
 * KiB and 1 MiB, if the limit and the neighbours allow it.
 */
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "sentry/mm_internal.h"
#include <errno.h>
#include <signal.h>

#define FAULT_WRITE 2u /* page fault error code: X86_PF_WRITE, X86_PF_INSTR */
#define FAULT_EXEC  16u

#define GROW_MIN (128UL << 10)
#define GROW_MAX (1UL << 20)
/* A fault that should not have been one is tried again this often. */
#define FAULT_TRIES 3u

static bool fault_allowed(const struct vma *v, u64 error_code)
{
	if (error_code & FAULT_WRITE)
		return v->prot & PROT_WRITE;
	if (error_code & FAULT_EXEC)
		return v->prot & PROT_EXEC;
	return v->prot & PROT_RWX;
}

/* mm/mmap.c acct_stack_growth: may v begin at start? */
static bool stack_may_grow(struct task *t, struct mm *m, struct vma *v, u64 start)
{
	struct vma *prev = vma_prev(v);

	if (start < MMAP_MIN_ADDR || v->end - start > task_rlimit(t, RLIMIT_STACK))
		return false;
	/* A mapping that cannot be touched is as good as a gap. */
	if (prev && prev->end > start)
		return false;
	if (prev && !(prev->flags & VMA_GROWSDOWN) && (prev->prot & PROT_RWX) &&
	    start - prev->end < STACK_GUARD_GAP)
		return false;
	return mm_may_expand(t, m, v->prot, v->flags, v->start - start) &&
	       mm_may_lock(t, m, v->flags, v->start - start);
}

static int stack_grow(struct task *t, struct mm *m, struct vma *v, u64 addr)
{
	u64 step = max_of(GROW_MIN, min_of(GROW_MAX, v->end - v->start));
	u64 need = addr & PAGE_MASK, start = need, old = v->start;
	struct hostop op = {
	    .kind = HOSTOP_MMAP,
	    .prot = (s32)v->prot,
	    .flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
	    .fd = -1,
	};
	s64 result;

	if (v->start > step && v->start - step < need && stack_may_grow(t, m, v, v->start - step))
		start = v->start - step;
	else if (!stack_may_grow(t, m, v, need))
		return -ENOMEM;
	op.addr = start;
	op.len = old - start;
	result = mm_queue(m, t->thread, &op);
	if (result)
		return (int)result;
	vma_set_start(m, v, start);
	result = mm_sync(m, t->thread);
	return result < 0 && result > -4096 ? (int)result : 0;
}

/* The area below which addr lies, if that is a stack which could grow to it. */
static bool grow_to(struct task *t, struct mm *m, struct vma *v, u64 addr)
{
	return v && v->start > addr && (v->flags & VMA_GROWSDOWN) && !stack_grow(t, m, v, addr);
}

bool mm_fault(struct task *t, u64 addr, u64 error_code, int *code)
{
	struct mm *m = t->mm;
	bool again = false;
	struct vma *v;

	*code = SEGV_MAPERR;
	if (addr >= GUEST_MAX || mm_lock(m))
		return false;
	v = vma_find(m, addr);
	if (v && v->start <= addr) {
		*code = SEGV_ACCERR;
		/*
		 * The access is allowed now: another thread's mmap or mprotect came between
		 * the fault and this look, as it may in Linux, where the fault then just goes on.
		 * If it keeps coming, the host disagrees, and the guest hears of it.
		 */
		again = fault_allowed(v, error_code);
	} else if (grow_to(t, m, v, addr)) {
		again = true;
	}
	mm_unlock(m);
	if (again && t->fault_addr == addr && ++t->fault_tries >= FAULT_TRIES)
		again = false;
	else if (t->fault_addr != addr)
		t->fault_tries = 0;
	t->fault_addr = again ? addr : 0;
	return again;
}

bool mm_fault_user(struct task *t, u64 addr)
{
	struct mm *m = t->mm;
	bool grown;

	if (!m || addr >= GUEST_MAX || mutex_held_by_me(&m->mutex) || mm_lock(m))
		return false;
	grown = grow_to(t, m, vma_find(m, addr), addr);
	mm_unlock(m);
	return grown;
}

static void watch_grow(struct uspace *u, u64 addr)
{
	struct task *t = task_self();
	struct vma *v;

	if (t->caller.uspace != u)
		return;
	(void)mm_fault_user(t, addr);
	/* Where the stack begins now; another thread may have moved it, too. */
	mutex_acquire(&t->mm->mutex);
	v = vma_find(t->mm, u->grow_low);
	if (v && v->start < u->grow_high && (v->flags & VMA_GROWSDOWN))
		u->grow_high = v->start;
	mm_unlock(t->mm);
}

/*
 * Where what can be written of v ends, at v->start if nothing can. A private mapping of a file has
 * pages as far as the file goes; a shared one may lack the room for a page that nobody has
 * written yet, which only the host finds out.
 */
static u64 writable_end(const struct vma *v)
{
	u64 size;

	if (!(v->prot & PROT_WRITE) || (v->file && !(v->flags & MAP_PRIVATE)))
		return v->start;
	if (!v->file)
		return v->end;
	size = PAGE_ALIGN(inode_size(v->file->inode));
	return size <= v->off ? v->start : min_of(v->end, v->start + (size - v->off));
}

/* What can be written around addr without a fault; false if addr is in none of it. */
static bool writable_range(struct mm *m, u64 addr, u64 *low, u64 *high)
{
	struct vma *v = vma_find(m, addr);

	*low = v ? v->start : 0;
	*high = 0;
	while (v && v->start <= addr && (!*high || v->start == *high)) {
		addr = writable_end(v);
		if (addr > v->start)
			*high = addr;
		if (addr < v->end)
			break;
		v = TAILQ_NEXT(v, link);
	}
	return *high != 0;
}

static bool watch_writable(struct uspace *u, u64 addr, size_t n)
{
	struct task *t = task_self();
	struct mm *m = t->mm;
	bool held, found;

	if (!m || t->caller.uspace != u)
		return true;
	if (u->writable_seq == atomic_load_explicit(&m->changes, memory_order_acquire) &&
	    u->writable_shrinks == inode_shrinks() && addr >= u->writable_low &&
	    addr < u->writable_high)
		return n <= u->writable_high - addr;
	held = mutex_held_by_me(&m->mutex);
	if (!held)
		mutex_acquire(&m->mutex);
	u->writable_shrinks = inode_shrinks();
	found = writable_range(m, addr, &u->writable_low, &u->writable_high);
	u->writable_seq = atomic_load_explicit(&m->changes, memory_order_relaxed);
	/* A look changes nothing: mm_unlock, which counts changes, is not called. */
	if (!held)
		mutex_release(&m->mutex);
	return found && addr < u->writable_high && n <= u->writable_high - addr;
}

void mm_watch_stack(struct mm *m, struct uspace *u, u64 stack_limit)
{
	struct vma *v = vma_find(m, m->stack_top - 1);

	u->grow_high = v ? v->start : 0;
	u->grow_low = m->stack_top - min_of(stack_limit, m->stack_top - m->mmap_base);
	u->grow = watch_grow;
	u->writable = watch_writable;
	u->writable_high = 0;
}
