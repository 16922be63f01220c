/*
 * Guest memory through the running fiber's uspace: argument checks, and the
 * loops that the platform's single-shot ops do not have.
 */
#include <errno.h>
#include "base/caller.h"
#include "base/lock.h"
#include "base/uspace.h"
#include "base/uspace_internal.h"

static char zeros[USPACE_ZEROS];

static struct uspace *caller_uspace(void)
{
	lock_assert_none();
	return caller()->uspace;
}

/* A range that wraps around cannot be guest memory; the ops check the rest. */
static bool range_wraps(u64 addr, size_t n)
{
	return addr + n < addr;
}

void uspace_grow(struct uspace *u, u64 addr, size_t n)
{
	if (addr < u->grow_high && addr + n > u->grow_low)
		u->grow(u, max_of(addr, u->grow_low));
}

size_t uspace_read(struct uspace *u, void *dst, u64 src, size_t n)
{
	if (!u || range_wraps(src, n))
		return 0;
	uspace_grow(u, src, n);
	return u->ops->read(u, dst, src, n);
}

size_t uspace_write(struct uspace *u, u64 dst, const void *src, size_t n)
{
	if (!u || range_wraps(dst, n))
		return 0;
	uspace_grow(u, dst, n);
	return u->ops->write(u, dst, src, n);
}

size_t uspace_clear(struct uspace *u, u64 dst, size_t n)
{
	size_t done = 0;

	while (done < n) {
		size_t part = min_of(n - done, sizeof(zeros));
		size_t did = uspace_write(u, dst + done, zeros, part);

		done += did;
		if (did < part)
			break;
	}
	return done;
}

size_t copy_in_partial(void *dst, struct uptr src, size_t n)
{
	return n ? uspace_read(caller_uspace(), dst, src.addr, n) : 0;
}

size_t copy_out_partial(struct uptr dst, const void *src, size_t n)
{
	return n ? uspace_write(caller_uspace(), dst.addr, src, n) : 0;
}

int copy_in(void *dst, struct uptr src, size_t n)
{
	return copy_in_partial(dst, src, n) == n ? 0 : -EFAULT;
}

int copy_out(struct uptr dst, const void *src, size_t n)
{
	return copy_out_partial(dst, src, n) == n ? 0 : -EFAULT;
}

int clear_user(struct uptr dst, size_t n)
{
	if (range_wraps(dst.addr, n))
		return -EFAULT;
	return uspace_clear(caller_uspace(), dst.addr, n) == n ? 0 : -EFAULT;
}

ssize_t copy_in_str(char *dst, struct uptr src, size_t size)
{
	struct uspace *u = caller_uspace();
	size_t n;

	if (!u)
		return -EFAULT;
	if (size == 0)
		return -ENAMETOOLONG;
	n = u->ops->read_str(u, dst, src.addr, size);
	if (n && dst[n - 1] == '\0')
		return (ssize_t)n - 1;
	return n == size ? -ENAMETOOLONG : -EFAULT;
}

int cmpxchg_user32(struct uptr addr, u32 expect, u32 value, u32 *old)
{
	struct uspace *u = caller_uspace();

	return u ? u->ops->cmpxchg32(u, addr.addr, expect, value, old) : -EFAULT;
}
