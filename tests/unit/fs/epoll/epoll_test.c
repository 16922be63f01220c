/* epoll: triggers, modification, nesting, the end of watched files, many waiters. */
#include "tests/unit/fibers.h"
#include "fs/anon/eventfd.h"
#include "fs/epoll/epoll.h"
#include "fs/pipe/pipe.h"

TestSuite(epoll, .init = guest_init, .fini = guest_fini, .timeout = 120);

static struct file *ep, *p[2];
static struct epoll_event got[8];
static char byte;

static int ctl(struct file *e, int op, int fd, struct file *f, u32 events)
{
	struct epoll_event ev = {.events = events, .data.u64 = fd + 100};

	return epollfile_ctl(e, op, fd, f, &ev);
}

static int poll_now(struct file *e)
{
	return epollfile_wait(e, got, 8, 0);
}

static void open_all(void)
{
	check(epollfile_create(EPOLL_CLOEXEC, &ep) == 0);
	check(pipe_create(O_NONBLOCK, p) == 0);
}

static void close_all(void)
{
	file_put(p[0]);
	file_put(p[1]);
	file_put(ep);
}

static void level_body(void)
{
	open_all();
	check(poll_now(ep) == 0);
	check(ctl(ep, EPOLL_CTL_ADD, 3, p[0], EPOLLIN) == 0);
	check(ctl(ep, EPOLL_CTL_ADD, 3, p[0], EPOLLIN) == -EEXIST);
	check(ctl(ep, EPOLL_CTL_ADD, 4, p[1], EPOLLOUT) == 0);
	check(poll_now(ep) == 1 && got[0].events == EPOLLOUT && got[0].data.u64 == 104);
	check(poll_now(ep) == 1);
	check(put(p[1], "x", 1) == 1);
	check(poll_now(ep) == 2 && poll_now(ep) == 2 && epollfile_wait(ep, got, 1, 0) == 1);
	/* Those left over come first the next time. */
	u64 first = got[0].data.u64;
	check(epollfile_wait(ep, got, 1, 0) == 1 && got[0].data.u64 != first);
	check(take(p[0], &byte, 1) == 1 && poll_now(ep) == 1);
	check(ctl(ep, EPOLL_CTL_DEL, 4, p[1], 0) == 0 && poll_now(ep) == 0);
	check(ctl(ep, EPOLL_CTL_DEL, 4, p[1], 0) == -ENOENT);
	check(ctl(ep, EPOLL_CTL_MOD, 4, p[1], 0) == -ENOENT);
	/* Another descriptor of the same file is another item. */
	check(ctl(ep, EPOLL_CTL_ADD, 9, p[0], EPOLLIN) == 0);
	check(put(p[1], "x", 1) == 1 && poll_now(ep) == 2);
	close_all();
}

Test(epoll, level_triggered)
{
	as_guest(level_body);
}

static void edge_body(void)
{
	open_all();
	check(ctl(ep, EPOLL_CTL_ADD, 3, p[0], EPOLLIN | EPOLLET) == 0);
	check(put(p[1], "x", 1) == 1 && poll_now(ep) == 1 && poll_now(ep) == 0);
	check(put(p[1], "x", 1) == 1 && poll_now(ep) == 1 && poll_now(ep) == 0);
	/* Modified, an item is looked at anew. */
	check(ctl(ep, EPOLL_CTL_MOD, 3, p[0], EPOLLIN | EPOLLET) == 0);
	check(poll_now(ep) == 1 && poll_now(ep) == 0);
	/* Woken, but no longer true when asked. */
	check(put(p[1], "x", 1) == 1 && take(p[0], got, 3) == 3 && poll_now(ep) == 0);
	close_all();
}

Test(epoll, edge_triggered)
{
	as_guest(edge_body);
}

static void oneshot_body(void)
{
	open_all();
	check(ctl(ep, EPOLL_CTL_ADD, 3, p[0], EPOLLIN | EPOLLONESHOT) == 0);
	check(put(p[1], "x", 1) == 1 && poll_now(ep) == 1 && poll_now(ep) == 0);
	check(put(p[1], "x", 1) == 1 && poll_now(ep) == 0);
	check(ctl(ep, EPOLL_CTL_MOD, 3, p[0], EPOLLIN | EPOLLONESHOT) == 0);
	check(poll_now(ep) == 1 && poll_now(ep) == 0);
	/* Disarmed, it does not even tell of the hang-up. */
	file_put(p[1]);
	check(poll_now(ep) == 0);
	check(ctl(ep, EPOLL_CTL_MOD, 3, p[0], 0) == 0);
	check(poll_now(ep) == 1 && got[0].events == EPOLLHUP);
	file_put(p[0]);
	file_put(ep);
}

Test(epoll, one_shot)
{
	as_guest(oneshot_body);
}

static void arguments_body(void)
{
	struct file *other;

	check(epollfile_create(1, &ep) == -EINVAL);
	open_all();
	check(ctl(ep, EPOLL_CTL_ADD, 1, ep, EPOLLIN) == -EINVAL);
	check(ctl(p[0], EPOLL_CTL_ADD, 1, ep, EPOLLIN) == -EINVAL);
	check(ctl(ep, 77, 1, p[0], EPOLLIN) == -EINVAL);
	check(ctl(ep, EPOLL_CTL_ADD, 1, p[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT) == -EINVAL);
	check(ctl(ep, EPOLL_CTL_ADD, 1, p[0], EPOLLIN | EPOLLEXCLUSIVE) == 0);
	check(ctl(ep, EPOLL_CTL_MOD, 1, p[0], EPOLLIN | EPOLLEXCLUSIVE) == -EINVAL);
	check(ctl(ep, EPOLL_CTL_MOD, 1, p[0], EPOLLIN) == -EINVAL);
	check(epollfile_create(0, &other) == 0);
	check(ctl(ep, EPOLL_CTL_ADD, 1, other, EPOLLIN | EPOLLEXCLUSIVE) == -EINVAL);
	check(epollfile_wait(ep, got, 0, 0) == -EINVAL &&
	      epollfile_wait(p[0], got, 1, 0) == -EINVAL);
	file_put(other);
	close_all();
}

Test(epoll, checks_its_arguments)
{
	as_guest(arguments_body);
}

/* ---- the end of files -------------------------------------------------------- */

static void file_end_body(void)
{
	open_all();
	check(ctl(ep, EPOLL_CTL_ADD, 3, p[0], EPOLLIN) == 0);
	check(ctl(ep, EPOLL_CTL_ADD, 5, p[0], EPOLLIN) == 0);
	check(put(p[1], "x", 1) == 1 && poll_now(ep) == 2);
	file_put(p[0]);
	check(poll_now(ep) == 0);
	/* And the other way about. */
	check(ctl(ep, EPOLL_CTL_ADD, 4, p[1], EPOLLOUT) == 0);
	file_put(ep);
	file_put(p[1]);
}

Test(epoll, forgets_files_that_end)
{
	as_guest(file_end_body);
}

/* ---- nesting ----------------------------------------------------------------- */

static void nested_body(void)
{
	struct file *e[7];

	check(pipe_create(O_NONBLOCK, p) == 0);
	for (int i = 0; i < 7; i++)
		check(epollfile_create(0, &e[i]) == 0);
	check(ctl(e[0], EPOLL_CTL_ADD, 1, p[0], EPOLLIN) == 0);
	check(ctl(e[1], EPOLL_CTL_ADD, 1, e[0], EPOLLIN) == 0);
	check(ctl(e[2], EPOLL_CTL_ADD, 1, e[1], EPOLLIN) == 0);
	check(poll_now(e[2]) == 0 && file_ready(e[2]) == 0);
	check(put(p[1], "x", 1) == 1);
	check(file_ready(e[2]) == (EPOLLIN | EPOLLRDNORM));
	check(poll_now(e[2]) == 1 && poll_now(e[2]) == 1 && poll_now(e[0]) == 1);
	check(take(p[0], &byte, 1) == 1);
	check(file_ready(e[2]) == 0 && poll_now(e[2]) == 0);
	/* No way round. */
	check(ctl(e[0], EPOLL_CTL_ADD, 2, e[2], EPOLLIN) == -ELOOP);
	check(ctl(e[0], EPOLL_CTL_ADD, 2, e[1], EPOLLIN) == -ELOOP);
	/* And no further down than four. */
	check(ctl(e[3], EPOLL_CTL_ADD, 1, e[2], EPOLLIN) == 0);
	check(ctl(e[4], EPOLL_CTL_ADD, 1, e[3], EPOLLIN) == 0);
	check(ctl(e[5], EPOLL_CTL_ADD, 1, e[4], EPOLLIN) == -ELOOP);
	check(ctl(e[6], EPOLL_CTL_ADD, 1, e[5], EPOLLIN) == 0);
	check(ctl(e[0], EPOLL_CTL_ADD, 3, e[6], EPOLLIN) == -ELOOP);
	file_put(e[1]);
	check(ctl(e[5], EPOLL_CTL_ADD, 1, e[4], EPOLLIN) == 0);
	for (int i = 0; i < 7; i++)
		if (i != 1)
			file_put(e[i]);
	file_put(p[0]);
	file_put(p[1]);
}

Test(epoll, nests_without_loops)
{
	as_guest(nested_body);
}

/* As many watchers of one epoll as a wake-up can be asked to climb, and no more. */
static void fan_body(void)
{
	static struct file *outer[600];
	struct file *inner;
	int n = 0;

	check(epollfile_create(0, &inner) == 0);
	for (int i = 0; i < 600; i++) {
		check(epollfile_create(0, &outer[i]) == 0);
		n += ctl(outer[i], EPOLL_CTL_ADD, 1, inner, EPOLLIN) == 0;
	}
	check(n == 500);
	for (int i = 0; i < 600; i++)
		file_put(outer[i]);
	file_put(inner);
}

Test(epoll, bounds_the_paths_of_a_wake_up)
{
	as_guest(fan_body);
}

/* ---- waiting ----------------------------------------------------------------- */

static int results[4], woken;

static void waiter(void *arg)
{
	struct epoll_event ev;
	int *r = arg;

	*r = epollfile_wait(ep, &ev, 1, NO_DEADLINE);
	woken++;
}

static void waits_body(void)
{
	u64 start = time_monotonic();

	open_all();
	check(epollfile_wait(ep, got, 1, start + 3 * MSEC) == 0);
	check(time_monotonic() >= start + 3 * MSEC);
	check(ctl(ep, EPOLL_CTL_ADD, 3, p[0], EPOLLIN | EPOLLET) == 0);
	for (int i = 0; i < 4; i++)
		spawn(waiter, &results[i]);
	let_others_run();
	/* One event, one waiter. */
	check(put(p[1], "x", 1) == 1);
	let_others_run();
	check(woken == 1);
	check(put(p[1], "x", 1) == 1);
	let_others_run();
	check(woken == 2);
	/* A file that is added ready wakes, too. */
	struct file *e;
	check(eventfd_create(1, 0, &e) == 0);
	check(ctl(ep, EPOLL_CTL_ADD, 9, e, EPOLLIN) == 0);
	let_others_run();
	check(woken == 4);
	for (int i = 0; i < 4; i++)
		check(results[i] == 1);
	file_put(e);
	close_all();
}

Test(epoll, wakes_as_many_as_there_are_events)
{
	as_guest(waits_body);
}

static struct file *sets[3];

static void set_waiter(void *arg)
{
	struct epoll_event ev;

	check(epollfile_wait(arg, &ev, 1, NO_DEADLINE) == 1);
	check(take(p[0], &byte, 1) == 1);
	woken++;
}

static void exclusive_body(void)
{
	check(pipe_create(O_NONBLOCK, p) == 0);
	for (int i = 0; i < 3; i++) {
		check(epollfile_create(0, &sets[i]) == 0);
		check(ctl(sets[i], EPOLL_CTL_ADD, 3, p[0], EPOLLIN | EPOLLEXCLUSIVE) == 0);
		spawn(set_waiter, sets[i]);
	}
	let_others_run();
	for (int i = 1; i <= 3; i++) {
		check(put(p[1], "x", 1) == 1);
		let_others_run();
		check(woken == i);
	}
	for (int i = 0; i < 3; i++)
		file_put(sets[i]);
	file_put(p[0]);
	file_put(p[1]);
}

Test(epoll, exclusive_items_share_wake_ups)
{
	as_guest(exclusive_body);
}

/* ---- many workers ------------------------------------------------------------ */

#define PIPES 8

static struct file *pipes[PIPES][2];
static _Atomic int running, received;
static _Atomic bool over;

static void stress_writer(void *arg)
{
	struct file **mine = arg;

	for (int i = 0; i < ROUNDS(5000); i++) {
		check(put(mine[1], "x", 1) == 1);
		if (i % 16 == 0)
			fiber_yield();
	}
	running--;
}

static void stress_waiter(void *arg)
{
	struct epoll_event ev[3];
	char buf[64];

	(void)arg;
	while (!over) {
		int n = epollfile_wait(ep, ev, 3, time_monotonic() + 20 * MSEC);
		check(n >= 0);
		for (int i = 0; i < n; i++) {
			struct file **mine = pipes[ev[i].data.u64];
			ssize_t k = take(mine[0], buf, sizeof(buf));
			check(k > 0 || k == -EAGAIN);
			if (k > 0)
				received += k;
			/* Some items come and go all the time. */
			if (ev[i].data.u64 % 2) {
				struct epoll_event again = {.events = EPOLLIN, .data = ev[i].data};
				int err = epollfile_ctl(ep, EPOLL_CTL_DEL, 1, mine[0], NULL);
				check(err == 0 || err == -ENOENT);
				if (err == 0)
					check(epollfile_ctl(ep, EPOLL_CTL_ADD, 1, mine[0],
					                    &again) == 0);
			}
		}
	}
	running--;
}

Test(epoll, many_files_and_waiters_on_workers)
{
	sched_init(2, NULL);
	cr_assert_eq(sched_start(), 0);
	cr_assert_eq(epollfile_create(0, &ep), 0);
	running = PIPES + 3;
	for (u64 i = 0; i < PIPES; i++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.u64 = i};
		cr_assert_eq(pipe_create(O_NONBLOCK, pipes[i]), 0);
		set_nonblock(pipes[i][1], false);
		cr_assert_eq(epollfile_ctl(ep, EPOLL_CTL_ADD, 1, pipes[i][0], &ev), 0);
	}
	for (int i = 0; i < 3; i++)
		spawn(stress_waiter, NULL);
	for (int i = 0; i < PIPES; i++)
		spawn(stress_writer, pipes[i]);
	int want = PIPES * ROUNDS(5000);
	for (int i = 0; i < 60000 && received != want; i++)
		nanosleep(&(struct timespec){.tv_nsec = MSEC}, NULL);
	over = true;
	await_zero(&running);
	sched_stop();
	cr_assert_eq(received, want);
	for (int i = 0; i < PIPES; i++) {
		file_put(pipes[i][0]);
		file_put(pipes[i][1]);
	}
	file_put(ep);
}
