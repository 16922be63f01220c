/* poll and select. */
#include "tests/unit/fibers.h"
#include <poll.h>
#include "fs/anon/eventfd.h"
#include "fs/epoll/poll.h"
#include "fs/pipe/pipe.h"

TestSuite(poll, .init = guest_init, .fini = guest_fini, .timeout = 60);

static struct file *p[2];

static void ready_body(void)
{
	check(pipe_create(O_NONBLOCK, p) == 0);
	struct poll_entry e[3] = {{.file = p[0], .events = POLLIN},
	                          {.file = NULL, .events = POLLIN},
	                          {.file = p[1], .events = POLLOUT}};
	check(poll_wait(e, 3, NO_DEADLINE) == 1);
	check(e[0].revents == 0 && e[1].revents == 0 && e[2].revents == POLLOUT);
	check(poll_wait(e, 2, 0) == 0 && poll_wait(NULL, 0, 0) == 0);
	u64 start = time_monotonic();
	check(poll_wait(e, 2, start + 3 * MSEC) == 0 && time_monotonic() >= start + 3 * MSEC);
	e[1].revents = POLLNVAL;
	check(poll_wait(e, 2, NO_DEADLINE) == 1 && e[1].revents == POLLNVAL);
	file_put(p[1]);
	e[0].events = 0;
	check(poll_wait(e, 1, NO_DEADLINE) == 1 && e[0].revents == POLLHUP);
	file_put(p[0]);
}

Test(poll, reports_what_is_true)
{
	as_guest(ready_body);
}

static int result;
static struct fiber *who;
static struct poll_entry many[20];

static void waiter(void *arg)
{
	who = fiber_self();
	result = poll_wait(many, (u64)arg, NO_DEADLINE);
}

static void waits_body(void)
{
	check(pipe_create(O_NONBLOCK, p) == 0);
	for (u64 n = 1; n <= 20; n += 19) {
		for (u64 i = 0; i < n; i++)
			many[i] = (struct poll_entry){.file = p[0], .events = POLLIN};
		result = -1;
		spawn(waiter, (void *)n);
		let_others_run();
		check(result == -1 && put(p[1], "x", 1) == 1);
		let_others_run();
		check(result == (int)n);
		char c;
		check(take(p[0], &c, 1) == 1);
		spawn(waiter, (void *)n);
		let_others_run();
		fiber_interrupt(who);
		let_others_run();
		check(result == -EINTR);
	}
	file_put(p[0]);
	file_put(p[1]);
}

Test(poll, waits_for_any)
{
	as_guest(waits_body);
}

static void select_body(void)
{
	unsigned long in[2] = {0}, out[2] = {0}, ex[2] = {0};

	check(pipe_create(O_NONBLOCK, p) == 0);
	for (int i = 0; i < 35; i++)
		check(fd_install(file_get(p[0]), false) == 2 * i &&
		      fd_install(file_get(p[1]), false) == 2 * i + 1);
	in[0] = 1UL << 0;
	out[0] = 1UL << 1;
	check(select_wait(2, in, out, ex, NO_DEADLINE) == 1 && in[0] == 0 && out[0] == 2);
	in[0] = ~0UL;
	out[1] = 1UL << 5;
	out[0] = 0;
	/* Bits beyond n count for nothing. */
	check(select_wait(69, in, out, NULL, 0) == 0);
	in[0] = 1;
	out[1] = 1UL << 5;
	check(select_wait(70, in, out, NULL, 0) == 1 && in[0] == 0 && out[1] == 1UL << 5);
	in[1] = 1UL << 6;
	check(select_wait(71, in, NULL, NULL, 0) == -EBADF);
	/* Behind where Linux's table would end, nothing is looked at. */
	static unsigned long far[20];
	far[15] = 1;
	check(select_wait(1000, far, NULL, NULL, 0) == 0);
	check(select_wait(FDTABLE_MAX + 1, in, NULL, NULL, 0) == -EINVAL);
	/* Read, write and nothing wrong: three bits for two descriptors. */
	check(put(p[1], "x", 1) == 1);
	in[0] = 5;
	in[1] = 0;
	out[0] = 2;
	out[1] = 0;
	check(select_wait(3, in, out, ex, NO_DEADLINE) == 3);
	/* A hang-up makes readable, but is no exception. */
	for (int i = 0; i < 35; i++)
		check(fdtable_close(guest.files, 2 * i + 1) == 0);
	file_put(p[1]);
	char c;
	check(take(p[0], &c, 1) == 1);
	ex[0] = 1;
	check(select_wait(1, NULL, NULL, ex, time_monotonic() + MSEC) == 0);
	in[0] = 1;
	check(select_wait(1, in, NULL, NULL, NO_DEADLINE) == 1);
	file_put(p[0]);
}

Test(poll, select_reads_and_writes_sets)
{
	as_guest(select_body);
}
