/*
 * A tracer's look into its tracee's memory, on the tracee's fiber. What the
 * program's own protection forbids, a debugger may do: breakpoints are written into
 * code (mm/gup.c, FOLL_FORCE). There the protection is lifted for the time of the access.
 */
#include "sentry/mm_internal.h"
#include "sentry/ptrace_internal.h"
#include <errno.h>
#include <sys/mman.h>

/* May prot be added for a moment? Shared memory only has the rights that its file gave. */
static bool may_force(const struct vma *v, u64 addr, u32 prot)
{
	return v && v->start <= addr && (!(v->flags & MAP_SHARED) || (v->max_prot & prot) == prot);
}

static int protect(struct task *t, u64 page, u32 prot)
{
	struct hostop op = {
	    .kind = HOSTOP_MPROTECT, .fd = -1, .addr = page, .len = PAGE_SIZE, .prot = (s32)prot};
	s64 err = platform_thread_queue(t->thread, &op);

	return (int)(err ? err : platform_thread_sync(t->thread));
}

/* n bytes within one page. The bytes moved: all or none. */
static size_t force(struct task *t, u64 addr, void *buf, size_t n, bool write)
{
	struct platform_space *s = platform_thread_space(t->thread);
	u32 need = write ? PROT_READ | PROT_WRITE : PROT_READ;
	struct mm *m = t->mm;
	struct vma *v;
	size_t done = 0;

	if (mm_lock(m))
		return 0;
	v = mm_find_locked(m, addr);
	/* Shared memory that nobody may write is not copied for the tracer's sake. */
	if (may_force(v, addr, need) && protect(t, addr & PAGE_MASK, v->prot | need) == 0) {
		done = write ? platform_space_write(s, addr, buf, n)
		             : platform_space_read(s, buf, addr, n);
		/* A tracee that is not what its map says has no use for it. */
		if (protect(t, addr & PAGE_MASK, v->prot))
			platform_space_kill(s);
	}
	mm_unlock(m);
	return done;
}

/* As far as the first address that cannot be had at all. */
static size_t force_all(struct task *t, u64 addr, void *buf, size_t n, bool write)
{
	size_t done = 0;

	while (done < n) {
		size_t piece = min_of(n - done, PAGE_SIZE - ((addr + done) & (PAGE_SIZE - 1)));
		size_t moved = write ? mm_write(t->mm, addr + done, (u8 *)buf + done, piece)
		                     : mm_read(t->mm, (u8 *)buf + done, addr + done, piece);

		if (moved < piece)
			moved = force(t, addr + done, (u8 *)buf + done, piece, write);
		done += moved;
		if (moved < piece)
			break;
	}
	return done;
}

static s64 access_memory(struct task *t, struct ptrace_call *c, bool write)
{
	if (!t->mm || !t->thread || t->host_gone)
		return -EIO;
	return force_all(t, c->addr, c->buf, c->n, write) == c->n ? 0 : -EIO;
}

s64 ptrace_peek(struct task *tracee, struct ptrace_call *c)
{
	return access_memory(tracee, c, false);
}

s64 ptrace_poke(struct task *tracee, struct ptrace_call *c)
{
	return access_memory(tracee, c, true);
}

/* ---- /proc/PID/mem --------------------------------------------------------------- */

static s64 force_for_file(struct task *tracee, struct ptrace_call *c)
{
	if (!tracee->mm || !tracee->thread || tracee->host_gone)
		return -EIO;
	return (s64)force_all(tracee, c->addr, c->buf, c->n, c->data);
}

/* A stopped tracee of t with that memory, +1; NULL: there is none. */
static struct task *tracee_with(struct task *t, const struct mm *m)
{
	struct task *p;

	lock_guard(&kernel.tasks_lock);
	TAILQ_FOREACH (p, &t->tracees, trace.link) {
		lock_guard(&p->group->siglock);
		if (p->mm == m && p->trace.stopped)
			return task_get(p);
	}
	return NULL;
}

size_t ptrace_force(struct task *t, struct mm *m, u64 addr, void *buf, size_t n, bool write)
{
	struct ptrace_call c = {
	    .fn = force_for_file, .addr = addr, .data = write, .buf = buf, .n = n};
	struct task *p;
	s64 done;

	if (t->mm == m)
		return force_all(t, addr, buf, n, write);
	p = tracee_with(t, m);
	if (!p)
		return 0;
	done = ptrace_ask(t, p, &c);
	task_put(p);
	return done > 0 ? (size_t)done : 0;
}
