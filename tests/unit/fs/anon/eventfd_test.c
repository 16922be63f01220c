/* eventfd: counting, semaphores, the limit, waiting. */
#include "tests/unit/fibers.h"
#include <sys/eventfd.h>
#include "fs/anon/eventfd.h"

TestSuite(eventfd, .init = guest_init, .fini = guest_fini, .timeout = 60);

static struct file *e;

static u64 read_it(void)
{
	u64 v = 0;
	ssize_t n = take(e, &v, 8);

	return n == 8 ? v : (u64)n;
}

static ssize_t write_it(u64 v)
{
	return put(e, &v, 8);
}

static void counts_body(void)
{
	char c[8];

	check(eventfd_create(3, EFD_NONBLOCK | EFD_CLOEXEC, &e) == 0);
	check(file_ready(e) == (EPOLLIN | EPOLLOUT));
	check(write_it(4) == 8 && read_it() == 7 && read_it() == (u64)-EAGAIN);
	check(file_ready(e) == EPOLLOUT);
	check(take(e, c, 7) == -EINVAL && put(e, c, 7) == -EINVAL);
	check(write_it(UINT64_MAX) == -EINVAL);
	check(write_it(UINT64_MAX - 1) == 8 && write_it(1) == -EAGAIN && write_it(0) == 8);
	check(file_ready(e) == EPOLLIN && read_it() == UINT64_MAX - 1);
	check(put_user_bytes(e, (void *)BAD_ADDRESS, 8) == -EFAULT);
	file_put(e);
	check(eventfd_create(0, 0x100, &e) == -EINVAL);
}

Test(eventfd, counts)
{
	as_guest(counts_body);
}

static void semaphore_body(void)
{
	check(eventfd_create(2, EFD_NONBLOCK | EFD_SEMAPHORE, &e) == 0);
	check(read_it() == 1 && read_it() == 1 && read_it() == (u64)-EAGAIN);
	file_put(e);
}

Test(eventfd, semaphores_give_one_at_a_time)
{
	as_guest(semaphore_body);
}

static u64 seen;

static void reader(void *arg)
{
	(void)arg;
	seen = read_it();
}

static void waits_body(void)
{
	check(eventfd_create(0, 0, &e) == 0);
	spawn(reader, NULL);
	let_others_run();
	check(seen == 0 && write_it(9) == 8);
	let_others_run();
	check(seen == 9);
	file_put(e);
}

Test(eventfd, readers_wait)
{
	as_guest(waits_body);
}
