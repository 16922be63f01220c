/*
 * Buffer lists: see uspace.h. The list is consumed from the front without
 * changing its entries: iov and iovcnt move past what is used up, skip counts
 * within the first that is not. So a revert only has to walk back.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/bug.h"
#include "base/caller.h"
#include "base/lock.h"
#include "base/uspace_internal.h"

static void uio_init_one(struct uio *u, struct uspace *uspace, void *base, size_t n)
{
	u->uspace = uspace;
	u->fast[0].iov_base = base;
	u->fast[0].iov_len = n;
	u->iov = u->fast;
	u->iovcnt = 1;
	u->skip = 0;
	u->resid = n;
	u->faulted = false;
	u->reserved = false;
	u->heap = NULL;
}

/* A task without memory (a kernel fiber) that names guest addresses is a caller's bug. */
static struct uspace *uio_caller_uspace(void)
{
	struct uspace *uspace = caller()->uspace;

	BUG_ON(!uspace);
	return uspace;
}

void uio_init_user(struct uio *u, struct uptr base, size_t n)
{
	uio_init_one(u, uio_caller_uspace(), (void *)base.addr, min_of(n, MAX_RW_COUNT));
}

void uio_init_kernel(struct uio *u, void *base, size_t n)
{
	uio_init_one(u, NULL, base, n);
}

/* Checks each length as Linux's import_iovec does, and cuts the total at MAX_RW_COUNT. */
static int uio_check_lengths(struct uio *u)
{
	for (size_t i = 0; i < u->iovcnt; i++) {
		struct iovec *v = &u->iov[i];

		if ((ssize_t)v->iov_len < 0)
			return -EINVAL;
		v->iov_len = min_of(v->iov_len, MAX_RW_COUNT - u->resid);
		u->resid += v->iov_len;
	}
	return 0;
}

int uio_init_iovec(struct uio *u, struct uptr iov, size_t iovcnt)
{
	int err;

	uio_init_one(u, uio_caller_uspace(), NULL, 0);
	if (iovcnt > IOV_MAX)
		return -EINVAL;
	if (iovcnt > array_size(u->fast)) {
		u->heap = malloc(iovcnt * sizeof(*u->heap));
		if (!u->heap)
			return -ENOMEM;
		u->iov = u->heap;
	}
	u->iovcnt = iovcnt;
	err = copy_in(u->iov, iov, iovcnt * sizeof(*u->iov));
	if (!err)
		err = uio_check_lengths(u);
	if (err)
		uio_destroy(u);
	return err;
}

void uio_destroy(struct uio *u)
{
	free(u->heap);
	uio_init_one(u, NULL, NULL, 0);
}

/* Steps over used-up and empty entries; what is left of the first other one. */
static size_t uio_front(struct uio *u)
{
	while (u->iovcnt && u->skip == u->iov->iov_len) {
		u->iov++;
		u->iovcnt--;
		u->skip = 0;
	}
	return u->iovcnt ? u->iov->iov_len - u->skip : 0;
}

void uio_advance(struct uio *u, size_t n)
{
	BUG_ON(n > u->resid);
	if (u->reserved && n)
		u->uspace->ops->commit(u->uspace, (u64)u->iov->iov_base + u->skip, n);
	u->reserved = false;
	u->resid -= n;
	while (n) {
		size_t part = min_of(n, uio_front(u));

		u->skip += part;
		n -= part;
	}
}

void uio_revert(struct uio *u, size_t n)
{
	u->resid += n;
	while (n > u->skip) {
		n -= u->skip;
		u->iov--;
		u->iovcnt++;
		u->skip = u->iov->iov_len;
	}
	u->skip -= n;
}

enum direction { INTO_UIO, FROM_UIO, ZERO_UIO };

/* Moves up to n bytes between buf and the front entry's memory at p; as many as worked. */
static size_t uio_move_part(struct uio *u, char *p, char *buf, size_t n, enum direction dir)
{
	switch (dir) {
	case INTO_UIO:
		if (u->uspace)
			return uspace_write(u->uspace, (u64)p, buf, n);
		memcpy(p, buf, n);
		break;
	case FROM_UIO:
		if (u->uspace)
			return uspace_read(u->uspace, buf, (u64)p, n);
		memcpy(buf, p, n);
		break;
	case ZERO_UIO:
		if (u->uspace)
			return uspace_clear(u->uspace, (u64)p, n);
		memset(p, 0, n);
		break;
	}
	return n;
}

static ssize_t uio_move(struct uio *u, char *buf, size_t n, enum direction dir)
{
	size_t moved = 0, part, did;

	if (u->uspace)
		lock_assert_none();
	n = min_of(n, u->resid);
	u->reserved = false;
	while (moved < n && !u->faulted) {
		part = min_of(n - moved, uio_front(u));
		did = uio_move_part(u, (char *)u->iov->iov_base + u->skip, buf ? buf + moved : NULL,
		                    part, dir);
		u->faulted = did < part;
		u->skip += did;
		u->resid -= did;
		moved += did;
	}
	return moved == 0 && n > 0 ? -EFAULT : (ssize_t)moved;
}

ssize_t uio_write(struct uio *u, const void *buf, size_t n)
{
	/* The cast drops const only for the direction that writes to buf, which this is not. */
	return uio_move(u, (char *)(uintptr_t)buf, n, INTO_UIO);
}

ssize_t uio_read(struct uio *u, void *buf, size_t n)
{
	return uio_move(u, buf, n, FROM_UIO);
}

ssize_t uio_zero(struct uio *u, size_t n)
{
	return uio_move(u, NULL, n, ZERO_UIO);
}

void *uio_reserve(struct uio *u, size_t *n)
{
	size_t left = uio_front(u);
	char *p;

	if (left == 0)
		return NULL;
	p = (char *)u->iov->iov_base + u->skip;
	*n = min_of(*n, left);
	if (!u->uspace)
		return p;
	if (!u->uspace->ops->reserve)
		return NULL;
	uspace_grow(u->uspace, (u64)p, *n);
	p = u->uspace->ops->reserve(u->uspace, (u64)p, n);
	u->reserved = p != NULL;
	return p;
}
