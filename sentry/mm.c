/*
 * The life of an address space, its lock, and what becomes of the tree when
 * the host refuses an operation.
 *
 * At any time at most one task has operations open on an mm: mm_lock waits for
 * another's. That wait is short (the other thread is already on its way back to the guest and
 * carries out its operations first), so it polls: a few yields, then naps.
 *
 * Areas are freed outside the mutex, because the last reference to a file may
 * be theirs and files take locks that come before RANK_MM.
 */
#include "sentry/aio.h"
#include "sentry/mm_internal.h"
#include "base/bug.h"
#include "base/census.h"
#include "base/fiber.h"
#include "base/timer.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

/* Of the host: two pages hold its code and its symbols. */
#define VDSO_SIZE (2 * PAGE_SIZE)

static CENSUS(mm_census, "mm");

struct mm *mm_create(void)
{
	struct mm *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	ref_init(&m->ref);
	mutex_init(&m->mutex, RANK_MM);
	RB_INIT(&m->vmas);
	TAILQ_INIT(&m->list);
	TAILQ_INIT(&m->dead);
	TAILQ_INIT(&m->pending.undo);
	m->users = 1;
	m->mmap_base = GUEST_MAX;
	census_add(&mm_census, 1);
	return m;
}

struct mm *mm_get(struct mm *m)
{
	ref_get(&m->ref);
	return m;
}

static void vma_list_free(struct vma_list *l)
{
	struct vma *v;

	while ((v = TAILQ_FIRST(l))) {
		TAILQ_REMOVE(l, v, link);
		vma_free(v);
	}
}

static void mm_drop_mappings(struct mm *m)
{
	struct file *exe;
	struct vma *v;

	mm_pending_clear(m);
	while ((v = TAILQ_FIRST(&m->list))) {
		vma_remove(m, v);
		mm_bury(m, v);
	}
	exe = m->exe;
	m->exe = NULL;
	m->space = NULL;
	mm_unlock(m);
	if (exe) {
		inode_allow_write(exe->inode);
		file_put(exe);
	}
}

void mm_put(struct mm *m)
{
	if (!ref_put(&m->ref))
		return;
	mutex_acquire(&m->mutex);
	mm_drop_mappings(m);
	aio_free_all(m);
	mutex_destroy(&m->mutex);
	free(m);
	census_add(&mm_census, -1);
}

struct mm *mm_join(struct mm *m)
{
	mutex_acquire(&m->mutex);
	m->users++;
	mm_unlock(m);
	return mm_get(m);
}

void mm_detach_space(struct mm *m)
{
	mutex_acquire(&m->mutex);
	m->space = NULL;
	mm_unlock(m);
}

void mm_drop_user(struct mm *m)
{
	mutex_acquire(&m->mutex);
	BUG_ON(m->users == 0);
	if (--m->users == 0)
		mm_drop_mappings(m);
	else
		mm_unlock(m);
	mm_put(m);
}

void mm_leave(struct mm *m, struct platform_thread *th)
{
	mutex_acquire(&m->mutex);
	if (m->pending.thread && m->pending.thread == th) {
		/* A dying thread may fail to answer; what it leaves is gone with it. */
		s64 ignored = platform_thread_sync(th);
		(void)ignored;
		mm_pending_clear(m);
	}
	/* Nobody may look through a space that is about to go. */
	if (m->users == 1)
		m->space = NULL;
	mm_unlock(m);
	platform_thread_exit(th);
	mm_drop_user(m);
}

/* The parent's areas for the child; parent locked. -ENOMEM. */
static int mm_copy_areas(struct mm *m, struct mm *parent)
{
	struct vma_hold *from = NULL, *to = NULL;
	struct vma *v;

	TAILQ_FOREACH (v, &parent->list, link) {
		struct vma *c;
		if (v->flags & VMA_DONTFORK)
			continue;
		c = vma_clone(v);
		if (!c)
			return -ENOMEM;
		c->flags &= ~(u32)VMA_LOCKED; /* mlock(2): not inherited */
		vma_insert(m, c);
		if (!v->hold || !v->hold->owner)
			continue;
		/* Areas that shared a hold share the child's. */
		if (v->hold == from) {
			ref_get(&to->ref);
		} else {
			from = v->hold;
			to = vma_hold_fork(from);
			if (!to)
				return -ENOMEM;
		}
		c->hold = to;
		/* The clone's reference to the parent's; never the last one. */
		vma_hold_put(from);
	}
	return 0;
}

/* The rest of what a child inherits; parent locked. */
static void mm_copy_layout(struct mm *m, const struct mm *parent)
{
	m->brk_start = parent->brk_start;
	m->brk = parent->brk;
	m->mmap_base = parent->mmap_base;
	m->stack_top = parent->stack_top;
	m->arg_start = parent->arg_start;
	m->arg_end = parent->arg_end;
	m->env_start = parent->env_start;
	m->env_end = parent->env_end;
	m->code_start = parent->code_start;
	m->code_end = parent->code_end;
	m->data_start = parent->data_start;
	m->data_end = parent->data_end;
	memcpy(m->auxv, parent->auxv, sizeof(m->auxv));
	m->auxv_len = parent->auxv_len;
	if (parent->exe) {
		m->exe = file_get(parent->exe);
		/* Its writers are shut out already, so this cannot fail. */
		BUG_ON(inode_deny_write(m->exe->inode));
	}
}

int mm_fork(struct task *t, struct mm **out, struct platform_thread **thread)
{
	struct mm *parent = t->mm, *m = mm_create();
	int err = m ? mm_lock(parent) : -ENOMEM;

	if (!err) {
		err = mm_copy_areas(m, parent);
		if (!err) {
			mm_copy_layout(m, parent);
			err = platform_space_fork(t->thread, &m->space, thread);
		}
		mm_unlock(parent);
	}
	if (!err)
		*out = m;
	else if (m)
		mm_put(m);
	return err;
}

/* ---- the lock ------------------------------------------------------------- */

struct nap {
	struct timer timer;
	struct fiber *fiber;
};

static void nap_over(struct timer *timer)
{
	fiber_unpark(container_of(timer, struct nap, timer)->fiber);
}

/* Unlike fiber_sleep, not cut short by a pending signal: only a kill ends the wait, and is polled.
 */
static void nap(u64 ns)
{
	struct nap n = {.fiber = fiber_self()};

	timer_init(&n.timer, nap_over);
	if (timer_arm(&n.timer, time_monotonic() + ns) == 0)
		fiber_park();
	else
		fiber_yield();
	(void)timer_cancel(&n.timer);
}

int mm_lock(struct mm *m)
{
	struct task *t = task_self();
	struct mm_pending *p = &m->pending;
	unsigned tries;

	for (tries = 0;; tries++) {
		mutex_acquire(&m->mutex);
		if (p->thread && platform_thread_ops_done(p->thread))
			mm_pending_clear(m);
		if (!p->thread || p->thread == t->thread)
			return 0;
		mm_unlock(m);
		if (t->killed)
			return -EINTR;
		if (tries < 50)
			fiber_yield();
		else
			nap(tries < 100 ? 20000 : 1000000);
	}
}

void mm_unlock(struct mm *m)
{
	struct vma_list dead = TAILQ_HEAD_INITIALIZER(dead);

	TAILQ_CONCAT(&dead, &m->dead, link);
	atomic_fetch_add_explicit(&m->changes, 1, memory_order_release);
	mutex_release(&m->mutex);
	vma_list_free(&dead);
}

/* ---- host operations and their undoing ------------------------------------ */

void mm_bury(struct mm *m, struct vma *v)
{
	TAILQ_INSERT_TAIL(&m->dead, v, link);
}

void mm_pending_clear(struct mm *m)
{
	struct mm_pending *p = &m->pending;

	TAILQ_CONCAT(&m->dead, &p->undo, link);
	p->thread = NULL;
	p->nops = 0;
	p->is_brk = false;
}

void mm_undo_take(struct mm *m, struct vma *v)
{
	v->undo_op = m->pending.nops;
	TAILQ_INSERT_TAIL(&m->pending.undo, v, link);
}

int mm_undo_save(struct mm *m, u64 start, u64 end)
{
	struct vma *v;

	for (v = vma_find_range(m, start, end); v && v->start < end; v = vma_next(v)) {
		struct vma *c = vma_clone(v);
		if (!c)
			return -ENOMEM;
		mm_undo_take(m, c);
	}
	return 0;
}

/* Takes [start, end) out of the tree for good. */
static void tree_clear(struct mm *m, u64 start, u64 end)
{
	struct vma *v;

	if (start >= end || vma_split_range(m, start, end))
		return;
	while ((v = vma_find_range(m, start, end))) {
		vma_remove(m, v);
		mm_bury(m, v);
	}
}

/* Puts saved areas back: those of operations from `first` on. */
static void undo_restore(struct mm *m, u32 first)
{
	struct vma_list undo = TAILQ_HEAD_INITIALIZER(undo);
	struct vma *v;

	TAILQ_CONCAT(&undo, &m->pending.undo, link);
	while ((v = TAILQ_FIRST(&undo))) {
		TAILQ_REMOVE(&undo, v, link);
		if (v->undo_op < first) {
			TAILQ_INSERT_TAIL(&m->pending.undo, v, link);
			continue;
		}
		tree_clear(m, v->start, v->end);
		vma_insert(m, v);
		vma_merge(m, v);
	}
}

static int queue(struct mm *m, struct platform_thread *th, const struct hostop *op, bool optional)
{
	struct mm_pending *p = &m->pending;
	int err = p->nops < HOSTOPS_MAX ? platform_thread_queue(th, op) : -ENOMEM;

	if (err) {
		undo_restore(m, p->nops);
		return err;
	}
	p->thread = th;
	p->op[p->nops++] = (struct mm_op){
	    .kind = op->kind,
	    .optional = optional,
	    .addr = op->addr,
	    .len = op->len,
	    .newaddr = op->newaddr,
	    .newlen = op->newlen,
	};
	task_self()->mm_queued = true;
	return 0;
}

int mm_queue(struct mm *m, struct platform_thread *th, const struct hostop *op)
{
	return queue(m, th, op, false);
}

int mm_queue_optional(struct mm *m, struct platform_thread *th, const struct hostop *op)
{
	return queue(m, th, op, true);
}

/*
 * Operations from number `first` on have not been carried out: puts the tree
 * back to what it was before them. What a refused mmap or mremap was to
 * replace may be gone or not, so that range is made free on both sides.
 */
static void mm_take_back(struct mm *m, struct platform_thread *th, u32 first)
{
	struct mm_pending *p = &m->pending;
	struct hostop unmap[HOSTOPS_MAX];
	u32 nunmap = 0;

	for (u32 i = first; i < p->nops; i++) {
		const struct mm_op *op = &p->op[i];
		bool moves = op->kind == HOSTOP_MREMAP;
		/* A mapping that was to grow in place keeps what it had. */
		u64 keep = moves && op->newaddr == op->addr ? op->len : 0;
		u64 start = moves ? op->newaddr + keep : op->addr;
		u64 len = moves ? op->newlen - keep : op->len;

		if (!moves && op->kind != HOSTOP_MMAP)
			continue;
		tree_clear(m, start, start + len);
		if (!keep)
			unmap[nunmap++] = (struct hostop){
			    .kind = HOSTOP_MUNMAP, .fd = -1, .addr = start, .len = len};
	}
	undo_restore(m, first);
	if (p->is_brk)
		m->brk = p->old_brk;
	mm_pending_clear(m);
	/* An address space that can no longer be told from its tree is of no use to the guest. */
	for (u32 i = 0; i < nunmap; i++)
		if (mm_queue(m, th, &unmap[i]))
			platform_space_kill(platform_thread_space(th));
}

s64 mm_sync(struct mm *m, struct platform_thread *th)
{
	s64 result;
	u32 nops = m->pending.nops;

	if (!m->pending.thread)
		return 0;
	result = platform_thread_sync(th);
	task_self()->mm_queued = false;
	/* Which one failed is not known here: callers queue one operation and sync. */
	if (result < 0 && result > -4096 && !m->pending.op[nops - 1].optional)
		mm_take_back(m, th, nops - 1);
	else
		mm_pending_clear(m);
	return result;
}

void mm_ops_done(struct task *t)
{
	struct mm *m = t->mm;

	t->mm_queued = false;
	/* If another task has the lock it has seen, or will see, that they are done. */
	if (!m || !mutex_try(&m->mutex))
		return;
	if (m->pending.thread == t->thread)
		mm_pending_clear(m);
	mm_unlock(m);
}

void mm_op_failed(struct task *t, int op_index, int err)
{
	struct mm *m = t->mm;
	struct mm_pending *p = &m->pending;
	s64 result = err < 0 ? err : -err;

	t->mm_queued = false;
	mutex_acquire(&m->mutex);
	if (p->thread == t->thread && op_index >= 0 && (u32)op_index < p->nops) {
		bool optional = p->op[op_index].optional;
		/* brk(2) fails by returning the old break. */
		if (p->is_brk)
			result = (s64)p->old_brk;
		if (optional)
			mm_pending_clear(m);
		else
			mm_take_back(m, t->thread, (u32)op_index);
		if (optional) {
			mm_unlock(m);
			return;
		}
	}
	mm_unlock(m);
	platform_thread_regs(t->thread)->rax = (u64)result;
}

/* ---- lookers -------------------------------------------------------------- */

struct vma *mm_find_locked(struct mm *m, u64 addr)
{
	return vma_find(m, addr);
}

void mm_each_vma(struct mm *m, bool (*fn)(const struct vma *v, void *arg), void *arg)
{
	/* The stub keeps the host's vDSO above all that a guest can map; it is no area of the tree.
	 */
	struct vma vdso = {.prot = PROT_READ | PROT_EXEC, .flags = MAP_PRIVATE, .name = "[vdso]"};
	struct vma *v;
	bool more = true;

	mutex_acquire(&m->mutex);
	TAILQ_FOREACH (v, &m->list, link)
		if (!(more = fn(v, arg)))
			break;
	vdso.start = m->users ? platform_auxval(AT_SYSINFO_EHDR) : 0;
	vdso.end = vdso.start + VDSO_SIZE;
	if (more && vdso.start)
		fn(&vdso, arg);
	mm_unlock(m);
}

/* The vDSO is out of a guest's reach but to be read: it is the same in every process of the host.
 */
static size_t vdso_read(void *dst, u64 src, size_t n)
{
	u64 start = platform_auxval(AT_SYSINFO_EHDR), own = getauxval(AT_SYSINFO_EHDR);

	if (!start || !own || src < start || src - start >= VDSO_SIZE)
		return 0;
	n = min_of(n, VDSO_SIZE - (src - start));
	memcpy(dst, (const void *)(own + (src - start)), n);
	return n;
}

size_t mm_read(struct mm *m, void *dst, u64 src, size_t n)
{
	size_t done = src >= GUEST_MAX ? vdso_read(dst, src, n) : 0;

	if (done)
		return done;
	/* The mutex keeps the last task, and with it the space, from going. */
	mutex_acquire(&m->mutex);
	done = m->space ? platform_space_read(m->space, dst, src, n) : 0;
	mm_unlock(m);
	return done;
}

size_t mm_write(struct mm *m, u64 dst, const void *src, size_t n)
{
	size_t done;

	mutex_acquire(&m->mutex);
	mm_poked(m, dst, dst + n);
	done = m->space ? platform_space_write(m->space, dst, src, n) : 0;
	mm_unlock(m);
	return done;
}
