/* Buffer lists: walking, faulting, reverting, and the checks of readv(2). */
#include <criterion/criterion.h>
#include <limits.h>
#include "tests/unit/base/guest_memory.h"

TestSuite(uio, .fini = assert_nothing_left);

/* Writes an iovec array into guest memory at 0, with n entries. */
static void put_iovec(const struct iovec *v, size_t n)
{
	memcpy(guest, v, n * sizeof(*v));
}

static struct iovec piece(u64 offset, size_t n)
{
	return (struct iovec){(void *)(GUEST_BASE + offset), n};
}

static void kernel_buffers(void)
{
	char dst[10], src[10] = "012345678", *p;
	size_t n = 100;
	struct uio u;

	uio_init_kernel(&u, dst, sizeof(dst));
	check(uio_write(&u, src, 4) == 4 && u.resid == 6);
	uio_revert(&u, 1);
	check(uio_write(&u, src + 3, 100) == 7 && u.resid == 0);
	check(memcmp(src, dst, sizeof(src)) == 0);
	check(uio_write(&u, src, 1) == 0);
	uio_revert(&u, 10);
	p = uio_reserve(&u, &n);
	check(p == dst && n == 10);
	uio_advance(&u, 10);
	check(!uio_reserve(&u, &n));
	uio_destroy(&u);
}

Test(uio, moves_to_the_sentrys_own_memory)
{
	kernel_buffers();
}

static void scattered(void)
{
	struct iovec v[12];
	char src[256], back[256];
	struct uio u;

	for (unsigned i = 0; i < sizeof(src); i++)
		src[i] = (char)i;
	/* Twelve entries need the heap; every third one is empty. */
	for (unsigned i = 0; i < 12; i++)
		v[i] = piece(1000 + i * 100, i % 3 == 2 ? 0 : 10);
	put_iovec(v, 12);
	check(uio_init_iovec(&u, at(0), 12) == 0 && u.resid == 80);
	check(uio_write(&u, src, 35) == 35);
	uio_revert(&u, 33);
	check(u.resid == 78);
	check(uio_write(&u, src + 2, 200) == 78);
	check(memcmp(guest + 1000, src, 10) == 0 && (u8)guest[1010] == 0xaa);
	check(memcmp(guest + 1100, src + 10, 10) == 0 && (u8)guest[1200] == 0xaa);
	check(memcmp(guest + 1300, src + 20, 10) == 0);
	uio_revert(&u, 80);
	check(uio_read(&u, back, 200) == 80 && memcmp(back, src, 80) == 0);
	uio_revert(&u, 40);
	check(uio_zero(&u, 100) == 40 && guest[1000 + 9 * 100] == 0 && guest[1300 + 9] == 29);
	uio_destroy(&u);
}

Test(uio, walks_lists_of_guest_buffers)
{
	as_guest(scattered);
}

static void faulting(void)
{
	struct iovec v[3] = {piece(1000, 10), piece(GUEST_SIZE - 5, 10), piece(2000, 10)};
	char buf[64] = {0};
	struct uio u;

	put_iovec(v, 3);
	check(uio_init_iovec(&u, at(0), 3) == 0);
	check(uio_write(&u, buf, 30) == 15 && u.faulted && u.resid == 15);
	check(uio_write(&u, buf, 15) == -EFAULT);
	check((u8)guest[2000] == 0xaa);
	uio_destroy(&u);

	uio_init_user(&u, uptr_make(1), 8);
	check(uio_read(&u, buf, 0) == 0 && !u.faulted);
	check(uio_read(&u, buf, 8) == -EFAULT && u.faulted);
	uio_destroy(&u);
}

Test(uio, stops_at_a_fault)
{
	as_guest(faulting);
}

static void checks(void)
{
	struct iovec v[2] = {piece(0, 10), piece(0, (size_t)SSIZE_MAX + 1)};
	struct uio u;

	put_iovec(v, 2);
	check(uio_init_iovec(&u, at(0), 2) == -EINVAL);
	check(uio_init_iovec(&u, at(0), IOV_MAX + 1) == -EINVAL);
	check(uio_init_iovec(&u, at(GUEST_SIZE - 16), 2) == -EFAULT);
	check(uio_init_iovec(&u, at(GUEST_SIZE - 160), 100) == -EFAULT);
	check(uio_init_iovec(&u, at(0), 0) == 0 && u.resid == 0);
	uio_destroy(&u);
	v[1].iov_len = SSIZE_MAX;
	put_iovec(v, 2);
	check(uio_init_iovec(&u, at(0), 2) == 0 && u.resid == MAX_RW_COUNT);
	uio_destroy(&u);
	uio_init_user(&u, at(0), ~0UL);
	check(u.resid == MAX_RW_COUNT);
	uio_destroy(&u);
}

Test(uio, checks_lists_as_readv_does)
{
	as_guest(checks);
}

static void reserving(void)
{
	struct iovec v[3] = {piece(1000, 10), piece(0, 0), piece(2000, 10)};
	size_t n = 100;
	struct uio u;
	char *p;

	put_iovec(v, 3);
	check(uio_init_iovec(&u, at(0), 3) == 0);
	check(!uio_reserve(&u, &n));
	guest_reserves = true;
	n = 100;
	p = uio_reserve(&u, &n);
	check(p == guest + 1000 && n == 10);
	uio_advance(&u, 10);
	check(guest_committed == 10);
	n = 4;
	p = uio_reserve(&u, &n);
	check(p == guest + 2000 && n == 4);
	uio_advance(&u, 3);
	check(guest_committed == 3);
	n = 100;
	check(uio_reserve(&u, &n) == guest + 2003 && n == 7 && u.resid == 7);
	uio_destroy(&u);
}

Test(uio, lends_the_platforms_window)
{
	as_guest(reserving);
}
