/*
 * eventfd(2): a 64-bit counter with a wait queue. Reads take it (or one of it, for
 * semaphores) and block at zero; writes add and block where the sum would reach 2^64-1.
 */
#include "fs/anon/eventfd.h"
#include "base/census.h"
#include "base/lock.h"
#include "base/uspace.h"
#include "base/waitq.h"
#include "fs/vfs/file.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

struct event_counter {
	struct lock lock;
	u64 count; /* guarded by lock */
	bool semaphore;
	struct waitq waitq;
};

static CENSUS(eventfd_census, "eventfd");

static ssize_t counter_read(struct file *f, struct uio *dst, u64 *pos unused_arg)
{
	struct event_counter *e = f->priv;
	u64 value;

	if (dst->resid < sizeof(value))
		return -EINVAL;
	lock_acquire(&e->lock);
	value = e->semaphore && e->count ? 1 : e->count;
	e->count -= value;
	lock_release(&e->lock);
	if (value == 0)
		return -EAGAIN;
	waitq_wake(&e->waitq, EPOLLOUT);
	ssize_t n = uio_write(dst, &value, sizeof(value));
	/* As in Linux, a count that could not be delivered is lost. */
	return n < 0 || (size_t)n < sizeof(value) ? -EFAULT : n;
}

static ssize_t counter_write(struct file *f, struct uio *src, u64 *pos unused_arg)
{
	struct event_counter *e = f->priv;
	u64 value;

	/* Exactly one value, unlike a read, which takes any room that is large enough. */
	if (src->resid != sizeof(value))
		return -EINVAL;
	ssize_t n = uio_read(src, &value, sizeof(value));
	if (n < (ssize_t)sizeof(value))
		return -EFAULT;
	if (value == UINT64_MAX)
		return -EINVAL;
	lock_acquire(&e->lock);
	bool fits = UINT64_MAX - e->count > value;
	if (fits)
		e->count += value;
	lock_release(&e->lock);
	if (!fits) {
		uio_revert(src, sizeof(value));
		return -EAGAIN;
	}
	/* A write of 0 wakes, too: edge-triggered watchers are known to rely on it. */
	waitq_wake(&e->waitq, EPOLLIN);
	return sizeof(value);
}

static u32 eventfd_ready(struct file *f)
{
	struct event_counter *e = f->priv;
	u32 ev = 0;

	lock_guard(&e->lock);
	if (e->count > 0)
		ev |= EPOLLIN;
	if (e->count == UINT64_MAX)
		ev |= EPOLLERR;
	if (e->count < UINT64_MAX - 1)
		ev |= EPOLLOUT;
	return ev;
}

static struct waitq *eventfd_waitq(struct file *f)
{
	return &((struct event_counter *)f->priv)->waitq;
}

static void eventfd_fdinfo(struct file *f, char *buf, size_t n)
{
	struct event_counter *e = f->priv;

	lock_guard(&e->lock);
	snprintf(buf, n, "eventfd-count: %16lx\neventfd-semaphore: %d\n", e->count, e->semaphore);
}

static void eventfd_release(struct file *f)
{
	struct event_counter *e = f->priv;

	waitq_destroy(&e->waitq);
	census_add(&eventfd_census, -1);
	free(e);
}

static const struct file_ops eventfd_ops = {
    .name = "anon_inode:[eventfd]",
    .read = counter_read,
    .write = counter_write,
    .ready = eventfd_ready,
    .waitq = eventfd_waitq,
    .fdinfo = eventfd_fdinfo,
    .release = eventfd_release,
};

bool file_is_eventfd(const struct file *f)
{
	return f->ops == &eventfd_ops;
}

int eventfd_create(u32 initval, u32 flags, struct file **out)
{
	if (flags & ~(u32)(EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC))
		return -EINVAL;
	struct event_counter *e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	lock_init(&e->lock, RANK_OBJECT);
	waitq_init(&e->waitq);
	e->count = initval;
	e->semaphore = flags & EFD_SEMAPHORE;
	int err = file_create_anon(&eventfd_ops, e, O_RDWR | (flags & O_NONBLOCK), 0600, out);
	if (err) {
		waitq_destroy(&e->waitq);
		free(e);
		return err;
	}
	census_add(&eventfd_census, 1);
	return 0;
}
