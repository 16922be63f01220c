/*
 * A pipe as an object and as a file: life, limits, readiness, size. Its bytes
 * are ring.c's affair, opening and closing fifo.c's.
 */
#include "fs/pipe/pipe_internal.h"
#include "fs/pipe/pipe.h"
#include "base/caller.h"
#include "base/census.h"
#include "base/uspace.h"
#include "base/account.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

/* Without CAP_SYS_RESOURCE: fs.pipe-user-pages-soft, and what a pipe gets beyond it. */
#define USER_PAGES_SOFT 16384
#define SLOTS_DEFAULT   (PIPE_DEFAULT_SIZE / PAGE_SIZE)
#define SLOTS_OVER_SOFT 2
/* Nobody gets more than this; Linux stops at 2 GiB or when memory runs out. */
#define SLOTS_MAX ((64UL << 20) / PAGE_SIZE)

#define READABLE (EPOLLIN | EPOLLRDNORM)
#define WRITABLE (EPOLLOUT | EPOLLWRNORM)

static CENSUS(pipe_census, "pipe");

static inline struct pipe *pipe_of(const struct file *f)
{
	return ((struct pipe_end *)f->priv)->pipe;
}

/* ---- life ----------------------------------------------------------------- */

static bool may_exceed(void)
{
	return cred_has_cap(caller_cred(), CAP_SYS_RESOURCE) ||
	       cred_has_cap(caller_cred(), CAP_SYS_ADMIN);
}

/* Charges the user for a new pipe; a smaller one when the soft limit is reached. */
static u32 charge_slots(struct account *a)
{
	s64 limit = may_exceed() ? INT64_MAX : USER_PAGES_SOFT;

	if (account_charge(&a->pipe_pages, SLOTS_DEFAULT, limit))
		return SLOTS_DEFAULT;
	atomic_fetch_add(&a->pipe_pages, SLOTS_OVER_SOFT);
	return SLOTS_OVER_SOFT;
}

struct pipe *pipe_alloc(bool anonymous)
{
	struct pipe *p = calloc(1, sizeof(*p));
	struct account *a = account_get(caller_cred()->uid);

	if (!p || !a)
		goto fail;
	p->nslots = charge_slots(a);
	p->slots = calloc(p->nslots, sizeof(*p->slots));
	if (!p->slots) {
		account_uncharge(&a->pipe_pages, p->nslots);
		goto fail;
	}
	p->account = a;
	p->anonymous = anonymous;
	p->prompt = PIPE_PROMPT;
	lock_init(&p->lock, RANK_PIPE);
	mutex_init(&p->read_mutex, RANK_PIPE_IO);
	waitq_init(&p->waitq);
	census_add(&pipe_census, 1);
	return p;
fail:
	account_put(a);
	free(p);
	return NULL;
}

void pipe_free(struct pipe *p)
{
	for (; p->head != p->tail; p->head++)
		free(pipe_slot_at(p, p->head)->page);
	while (p->nspare)
		free(p->spare[--p->nspare]);
	free(p->slots);
	account_uncharge(&p->account->pipe_pages, p->nslots);
	account_put(p->account);
	mutex_destroy(&p->read_mutex);
	waitq_destroy(&p->waitq);
	census_add(&pipe_census, -1);
	free(p);
}

/* ---- the file ------------------------------------------------------------- */

static ssize_t pipe_write(struct file *f, struct uio *src, u64 *pos unused_arg)
{
	struct pipe *p = pipe_of(f);
	bool packet = atomic_load_explicit(&f->flags, memory_order_relaxed) & O_DIRECT;

	/* Not even a missing reader is noticed. */
	if (src->resid == 0)
		return 0;
	ssize_t n = pipe_ring_write(p, src, packet);
	/* A FIFO has times that others look at; those of an anonymous pipe are not worth a clock.
	 */
	if (n > 0 && !p->anonymous)
		inode_touch(f->inode, TOUCH_MTIME | TOUCH_CTIME);
	return n;
}

static ssize_t pipe_read(struct file *f, struct uio *dst, u64 *pos unused_arg)
{
	struct pipe *p = pipe_of(f);

	if (dst->resid == 0)
		return 0;
	ssize_t n = pipe_ring_read(p, dst);
	if (n > 0 && !p->anonymous)
		inode_touch(f->inode, TOUCH_ATIME);
	return n;
}

static u32 pipe_ready(struct file *f)
{
	struct pipe_end *end = f->priv;
	struct pipe *p = end->pipe;
	u32 ev = 0;

	lock_guard(&p->lock);
	if (file_readable(f)) {
		if (p->head != p->tail)
			ev |= READABLE;
		if (p->writers == 0 && end->writers_seen != p->writer_opens)
			ev |= EPOLLHUP;
	}
	if (file_writable(f)) {
		if (!pipe_full_locked(p))
			ev |= WRITABLE;
		/* As Linux, for FIFOs too. */
		if (p->readers == 0)
			ev |= EPOLLERR;
	}
	return ev;
}

static struct waitq *pipe_waitq(struct file *f)
{
	return &pipe_of(f)->waitq;
}

static s64 pipe_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct pipe *p = pipe_of(f);
	int n;

	if (cmd != FIONREAD)
		return -ENOTTY;
	lock_acquire(&p->lock);
	n = p->bytes;
	lock_release(&p->lock);
	return put_user(uptr_make(arg), &n);
}

const struct file_ops pipe_file_ops = {
    .read = pipe_read,
    .write = pipe_write,
    .ready = pipe_ready,
    .waitq = pipe_waitq,
    .async = true,
    .ioctl = pipe_ioctl,
    .release = pipe_release,
};

bool file_is_pipe(const struct file *f)
{
	return f->ops == &pipe_file_ops;
}

/* ---- F_SETPIPE_SZ --------------------------------------------------------- */

s64 pipe_get_size(struct file *f)
{
	if (!file_is_pipe(f))
		return -EBADF;
	struct pipe *p = pipe_of(f);
	lock_guard(&p->lock);
	return (s64)p->nslots * PAGE_SIZE;
}

/* Moves the ring to a new array; -EBUSY if what is in it does not fit. *old: to be freed. */
static int swap_ring(struct pipe *p, struct pipe_slot *fresh, u32 n, struct pipe_slot **old)
{
	lock_guard(&p->lock);
	u32 used = pipe_used_locked(p);

	*old = fresh;
	if (used + p->reserved > n)
		return -EBUSY;
	for (u32 i = 0; i < used; i++)
		fresh[i] = *pipe_slot_at(p, p->head + i);
	*old = p->slots;
	p->slots = fresh;
	p->nslots = n;
	p->head = 0;
	p->tail = used;
	return 0;
}

s64 pipe_set_size(struct file *f, u64 size)
{
	struct pipe_slot *fresh, *old;
	u32 n = 1, before;

	if (!file_is_pipe(f))
		return -EBADF;
	struct pipe *p = pipe_of(f);
	if (size > (1U << 31))
		return -EINVAL;
	while ((u64)n * PAGE_SIZE < size)
		n <<= 1;

	/* Under the read mutex no reader holds an index into the old ring, and resizes queue up. */
	mutex_guard(&p->read_mutex);
	{
		lock_guard(&p->lock);
		before = p->nslots;
	}
	if (n > before && n * PAGE_SIZE > PIPE_MAX_SIZE &&
	    !cred_has_cap(caller_cred(), CAP_SYS_RESOURCE))
		return -EPERM;
	if (n > SLOTS_MAX)
		return -ENOMEM;
	s64 limit = n > before && !may_exceed() ? USER_PAGES_SOFT : INT64_MAX;
	if (!account_charge(&p->account->pipe_pages, (s64)n - before, limit))
		return -EPERM;
	fresh = calloc(n, sizeof(*fresh));
	int err = fresh ? swap_ring(p, fresh, n, &old) : -ENOMEM;
	if (err)
		account_uncharge(&p->account->pipe_pages, (s64)n - before);
	if (fresh)
		free(old);
	if (err)
		return err;
	waitq_wake(&p->waitq, WRITABLE);
	return (s64)n * PAGE_SIZE;
}
