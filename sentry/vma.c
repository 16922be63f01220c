/*
 * The areas of an address space: a red-black tree by address, threaded by a
 * list, with the size of the free gap below each area and, in every node, the
 * largest gap of its subtree. The gaps make the search for a free range
 * logarithmic at any number of areas (as mm/mmap.c had it before maple trees).
 *
 * Neighbours with equal properties are merged, so that /proc/PID/maps looks as
 * it does natively, and so that the number of areas follows the host's.
 */
#include "sentry/vma.h"
#include "base/bug.h"
#include "base/census.h"
#include "fs/vfs/file.h"
#include <errno.h>
#include <stdlib.h>

static CENSUS(vma_census, "vma");

static void vma_update_gap(struct vma *v);
#undef RB_AUGMENT
#define RB_AUGMENT(v) vma_update_gap(v)

static int vma_compare(const struct vma *a, const struct vma *b)
{
	return a->start < b->start ? -1 : a->start > b->start;
}

/* clang-format off */
RB_GENERATE_INTERNAL(vma_tree, vma, node, vma_compare, unused_arg static)
/* clang-format on */

static void vma_update_gap(struct vma *v)
{
	u64 max = v->gap;
	struct vma *l = RB_LEFT(v, node), *r = RB_RIGHT(v, node);

	if (l && l->max_gap > max)
		max = l->max_gap;
	if (r && r->max_gap > max)
		max = r->max_gap;
	v->max_gap = max;
}

static void vma_update_path(struct vma *v)
{
	for (; v; v = RB_PARENT(v, node))
		vma_update_gap(v);
}

u64 vma_start_gap(const struct vma *v)
{
	if (!(v->flags & VMA_GROWSDOWN))
		return v->start;
	return v->start > STACK_GUARD_GAP ? v->start - STACK_GUARD_GAP : 0;
}

/* The gap below v depends on v and on the area before it. */
static void vma_recompute(struct vma *v)
{
	struct vma *prev;
	u64 low, high;

	if (!v)
		return;
	prev = vma_prev(v);
	low = prev ? prev->end : 0;
	high = vma_start_gap(v);
	v->gap = high > low ? high - low : 0;
	vma_update_path(v);
}

struct vma *vma_create(u64 start, u64 end, u32 prot, u32 max_prot, u32 flags)
{
	struct vma *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->start = start;
	v->end = end;
	v->prot = prot;
	v->max_prot = max_prot;
	v->flags = flags;
	census_add(&vma_census, 1);
	return v;
}

struct vma *vma_clone(const struct vma *v)
{
	struct vma *c = vma_create(v->start, v->end, v->prot, v->max_prot, v->flags);

	if (!c)
		return NULL;
	if (v->hold)
		ref_get(&v->hold->ref);
	if (v->file)
		vma_set_file(c, v->file, v->off, v->hold);
	c->shared_id = v->shared_id;
	c->name = v->name;
	return c;
}

struct vma_hold *vma_hold_create(struct file *f, int prot, bool shared)
{
	struct vma_hold *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	ref_init(&h->ref);
	h->file = file_get(f);
	h->prot = prot;
	h->shared = shared;
	h->asked = f->ops->unmapped != NULL;
	return h;
}

struct vma_hold *vma_hold_fork(struct vma_hold *h)
{
	struct vma_hold *own;

	if (!h->owner) {
		ref_get(&h->ref);
		return h;
	}
	own = vma_hold_create(h->file, h->prot, h->shared);
	if (!own)
		return NULL;
	own->asked = false;
	own->owner = h->owner;
	own->arg = h->arg;
	own->owner->added(own->arg);
	return own;
}

void vma_hold_put(struct vma_hold *h)
{
	if (!ref_put(&h->ref))
		return;
	if (h->asked)
		h->file->ops->unmapped(h->file, h->prot, h->shared);
	if (h->owner)
		h->owner->gone(h->arg);
	file_put(h->file);
	free(h);
}

void vma_set_file(struct vma *v, struct file *f, u64 off, struct vma_hold *hold)
{
	v->file = file_get(f);
	v->off = off;
	v->hold = hold;
}

void vma_free(struct vma *v)
{
	if (v->hold)
		vma_hold_put(v->hold);
	if (v->file)
		file_put(v->file);
	free(v);
	census_add(&vma_census, -1);
}

/* Only who has the mutex changes one, so it need not be one step. */
static void account_add(_Atomic u64 *account, u64 delta)
{
	atomic_store_explicit(account, atomic_load_explicit(account, memory_order_relaxed) + delta,
	                      memory_order_relaxed);
}

/* mm/mmap.c vm_stat_account, and locked_vm; n is the number of bytes that come, or go. */
static void vma_account(struct mm *m, const struct vma *v, u64 n, bool add)
{
	u64 delta = add ? n : -n;
	bool stack = v->flags & VMA_GROWSDOWN;

	account_add(&m->total_vm, delta);
	if (v->flags & VMA_LOCKED)
		account_add(&m->locked_vm, delta);
	if (stack)
		account_add(&m->stack_vm, delta);
	else if ((v->prot & PROT_EXEC) && !(v->prot & PROT_WRITE))
		account_add(&m->exec_vm, delta);
	else if ((v->prot & PROT_WRITE) && !(v->flags & MAP_SHARED))
		account_add(&m->data_vm, delta);
	if (m->total_vm > atomic_load_explicit(&m->peak_vm, memory_order_relaxed))
		atomic_store_explicit(&m->peak_vm, m->total_vm, memory_order_relaxed);
}

void vma_insert(struct mm *m, struct vma *v)
{
	struct vma *next = vma_find(m, v->start);

	BUG_ON(next && next->start < v->end);
	if (next)
		TAILQ_INSERT_BEFORE(next, v, link);
	else
		TAILQ_INSERT_TAIL(&m->list, v, link);
	v->gap = v->max_gap = 0;
	RB_INSERT(vma_tree, &m->vmas, v);
	vma_recompute(v);
	vma_recompute(next);
	m->nvmas++;
	vma_account(m, v, v->end - v->start, true);
}

void vma_remove(struct mm *m, struct vma *v)
{
	struct vma *next = vma_next(v), *from = RB_PARENT(v, node);

	/*
	 * The macro updates the way up only from where a successor was taken;
	 * that may not be all of it, so the path from v's old place is done here.
	 */
	RB_REMOVE(vma_tree, &m->vmas, v);
	TAILQ_REMOVE(&m->list, v, link);
	vma_update_path(from);
	vma_recompute(next);
	m->nvmas--;
	vma_account(m, v, v->end - v->start, false);
}

void vma_set_start(struct mm *m, struct vma *v, u64 start)
{
	vma_account(m, v, v->end - v->start, false);
	if (v->file)
		v->off += start - v->start;
	v->start = start;
	vma_account(m, v, v->end - v->start, true);
	vma_recompute(v);
}

void vma_set_end(struct mm *m, struct vma *v, u64 end)
{
	vma_account(m, v, v->end - v->start, false);
	v->end = end;
	vma_account(m, v, v->end - v->start, true);
	vma_recompute(vma_next(v));
}

void vma_set_prot(struct mm *m, struct vma *v, u32 prot)
{
	vma_account(m, v, v->end - v->start, false);
	v->prot = prot;
	vma_account(m, v, v->end - v->start, true);
}

void vma_set_flags(struct mm *m, struct vma *v, u32 flags)
{
	vma_account(m, v, v->end - v->start, false);
	v->flags = flags;
	vma_account(m, v, v->end - v->start, true);
	vma_recompute(v);
}

int vma_split(struct mm *m, struct vma *v, u64 at, struct vma **upper)
{
	struct vma *u = vma_clone(v);

	BUG_ON(at <= v->start || at >= v->end);
	if (!u)
		return -ENOMEM;
	u->start = at;
	if (u->file)
		u->off += at - v->start;
	vma_set_end(m, v, at);
	vma_insert(m, u);
	if (upper)
		*upper = u;
	return 0;
}

int vma_split_range(struct mm *m, u64 start, u64 end)
{
	struct vma *v = vma_find(m, start);
	int err;

	if (v && v->start < start && (err = vma_split(m, v, start, NULL)))
		return err;
	v = vma_find(m, end);
	if (v && v->start < end && (err = vma_split(m, v, end, NULL)))
		return err;
	return 0;
}

static bool vma_mergeable(const struct vma *a, const struct vma *b)
{
	return a && b && a->end == b->start && a->prot == b->prot && a->max_prot == b->max_prot &&
	       a->flags == b->flags && a->file == b->file && a->shared_id == b->shared_id &&
	       a->name == b->name && (!a->file || a->off + (a->end - a->start) == b->off);
}

/* b goes, a covers both. */
static void vma_join(struct mm *m, struct vma *a, struct vma *b)
{
	u64 end = b->end;

	vma_remove(m, b);
	TAILQ_INSERT_TAIL(&m->dead, b, link);
	vma_set_end(m, a, end);
}

struct vma *vma_merge(struct mm *m, struct vma *v)
{
	struct vma *prev = vma_prev(v), *next = vma_next(v);

	if (vma_mergeable(v, next))
		vma_join(m, v, next);
	if (vma_mergeable(prev, v)) {
		vma_join(m, prev, v);
		v = prev;
	}
	return v;
}

void vma_merge_range(struct mm *m, u64 start, u64 end)
{
	struct vma *v = vma_find(m, start ? start - 1 : 0);

	while (v && v->start <= end) {
		struct vma *next = vma_next(v);
		if (vma_mergeable(v, next))
			vma_join(m, v, next);
		else
			v = next;
	}
}

struct vma *vma_find(struct mm *m, u64 addr)
{
	struct vma *v = RB_ROOT(&m->vmas), *found = NULL;

	while (v) {
		if (v->end > addr) {
			found = v;
			if (v->start <= addr)
				break;
			v = RB_LEFT(v, node);
		} else {
			v = RB_RIGHT(v, node);
		}
	}
	return found;
}

struct vma *vma_find_range(struct mm *m, u64 start, u64 end)
{
	struct vma *v = vma_find(m, start);
	return v && v->start < end ? v : NULL;
}

/* ---- free ranges ---------------------------------------------------------- */

/* The nearest area at or below v in address order with a gap of len bytes under it. */
static struct vma *gap_before(struct vma *v, u64 len)
{
	while (v) {
		struct vma *c;
		if (v->gap >= len)
			return v;
		c = RB_LEFT(v, node);
		if (c && c->max_gap >= len) {
			for (v = c;;) {
				c = RB_RIGHT(v, node);
				if (c && c->max_gap >= len)
					v = c;
				else if (v->gap >= len)
					return v;
				else
					v = RB_LEFT(v, node);
			}
		}
		while ((c = RB_PARENT(v, node)) && v == RB_LEFT(c, node))
			v = c;
		v = c;
	}
	return NULL;
}

/* The nearest area at or above v. */
static struct vma *gap_after(struct vma *v, u64 len)
{
	while (v) {
		struct vma *c;
		if (v->gap >= len)
			return v;
		c = RB_RIGHT(v, node);
		if (c && c->max_gap >= len) {
			for (v = c;;) {
				c = RB_LEFT(v, node);
				if (c && c->max_gap >= len)
					v = c;
				else if (v->gap >= len)
					return v;
				else
					v = RB_RIGHT(v, node);
			}
		}
		while ((c = RB_PARENT(v, node)) && v == RB_RIGHT(c, node))
			v = c;
		v = c;
	}
	return NULL;
}

/* The highest (top) or lowest place for len bytes within [from, to), or 0. */
static u64 gap_fit(u64 from, u64 to, u64 len, u64 align, bool top)
{
	u64 at;

	/* The platform's part of the addresses makes two gaps of one. */
	if (from < PLATFORM_RESERVED_END && to > PLATFORM_RESERVED) {
		u64 low = from < PLATFORM_RESERVED
		              ? gap_fit(from, PLATFORM_RESERVED, len, align, top)
		              : 0;
		u64 high = to > PLATFORM_RESERVED_END
		               ? gap_fit(PLATFORM_RESERVED_END, to, len, align, top)
		               : 0;
		return (top && high) || !low ? high : low;
	}
	if (to < from || to - from < len)
		return 0;
	at = top ? (to - len) & ~(align - 1) : (from + align - 1) & ~(align - 1);
	return at >= from && at <= to - len ? at : 0;
}

u64 vma_gap_topdown(struct mm *m, u64 low, u64 high, u64 len, u64 align)
{
	struct vma *v = vma_find(m, high), *prev;
	u64 at;

	if (high < low || high - low < len)
		return 0;
	/* The gap in which `high` lies, if it does: below v, or above the last area. */
	if (!v || v->start >= high) {
		prev = v ? vma_prev(v) : TAILQ_LAST(&m->list, vma_list);
		at = gap_fit(max_of(low, prev ? prev->end : 0),
		             v ? min_of(high, vma_start_gap(v)) : high, len, align, true);
		if (at)
			return at;
		v = prev;
	}
	/* With room for the worst alignment the first gap found fits, so this stays logarithmic. */
	v = gap_before(v, len + align - PAGE_SIZE);
	if (!v)
		return 0;
	prev = vma_prev(v);
	return gap_fit(max_of(low, prev ? prev->end : 0), vma_start_gap(v), len, align, true);
}

u64 vma_gap_bottomup(struct mm *m, u64 low, u64 high, u64 len, u64 align)
{
	struct vma *v = vma_find(m, low), *prev;
	u64 at;

	if (high < low || high - low < len)
		return 0;
	/* The first gap may begin below `low`; the rest of it counts. */
	if (v) {
		prev = vma_prev(v);
		at = gap_fit(max_of(low, prev ? prev->end : 0), min_of(high, vma_start_gap(v)), len,
		             align, false);
		if (at)
			return at;
		v = gap_after(vma_next(v), len + align - PAGE_SIZE);
	}
	prev = v ? vma_prev(v) : TAILQ_LAST(&m->list, vma_list);
	return gap_fit(max_of(low, prev ? prev->end : 0), v ? min_of(high, vma_start_gap(v)) : high,
	               len, align, false);
}
