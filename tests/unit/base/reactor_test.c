/* The reactor: events, one-shot watches, removal. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include "base/reactor.h"
#include "tests/unit/base/support.h"

TestSuite(reactor, .timeout = 60);

static int fds[2];
static _Atomic int calls;
static _Atomic u32 last_events;

static void start(void)
{
	cr_assert_eq(reactor_start(), 0);
	cr_assert_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
}

static void on_event(struct reactor_watch *w, u32 events)
{
	check(w->fd == fds[0]);
	atomic_store(&last_events, events);
	atomic_fetch_add(&calls, 1);
}

Test(reactor, a_one_shot_watch_fires_once_per_arming)
{
	struct reactor_watch w;

	start();
	cr_assert_eq(reactor_add(&w, fds[0], EPOLLIN | EPOLLONESHOT, on_event), 0);
	cr_assert_eq(write(fds[1], "x", 1), 1);
	await_count(&calls, 1);
	cr_assert(last_events & EPOLLIN);
	sleep_ms(20);
	cr_assert_eq(calls, 1);
	cr_assert_eq(reactor_arm(&w, EPOLLIN | EPOLLONESHOT), 0);
	await_count(&calls, 2);
	reactor_remove(&w);
}

Test(reactor, a_fd_that_cannot_be_watched_is_an_error)
{
	struct reactor_watch w;
	int fd = open("/proc/self/exe", O_RDONLY);

	start();
	cr_assert_eq(reactor_add(&w, -1, EPOLLIN, on_event), -EBADF);
	cr_assert_eq(reactor_add(&w, fd, EPOLLIN, on_event), -EPERM);
	close(fd);
}

static _Atomic int entered;

static void slow_event(struct reactor_watch *w, u32 events)
{
	(void)w;
	(void)events;
	entered = 1;
	sleep_ms(30);
	entered = 2;
}

Test(reactor, removal_waits_for_a_running_callback)
{
	struct reactor_watch *w = malloc(sizeof(*w));

	start();
	cr_assert_eq(reactor_add(w, fds[0], EPOLLIN | EPOLLONESHOT, slow_event), 0);
	cr_assert_eq(write(fds[1], "x", 1), 1);
	await_count(&entered, 1);
	reactor_remove(w);
	cr_assert_eq(entered, 2);
	free(w);
}

static void remove_myself(struct reactor_watch *w, u32 events)
{
	(void)events;
	reactor_remove(w);
	free(w);
	calls++;
}

Test(reactor, a_callback_may_remove_and_free_its_watch)
{
	struct reactor_watch *w = malloc(sizeof(*w));

	start();
	cr_assert_eq(reactor_add(w, fds[0], EPOLLIN, remove_myself), 0);
	cr_assert_eq(write(fds[1], "x", 1), 1);
	await_count(&calls, 1);
	sleep_ms(10);
	cr_assert_eq(calls, 1);
}

Test(reactor, watches_come_and_go_while_events_arrive)
{
	start();
	cr_assert_eq(write(fds[1], "x", 1), 1);
	for (int i = 0; i < ROUNDS(5000) || calls == 0; i++) {
		struct reactor_watch *w = malloc(sizeof(*w)), *v = malloc(sizeof(*v));
		int copy = dup(fds[0]);

		/* fds[0] is readable all the time: events are under way at each removal. */
		cr_assert_eq(reactor_add(w, fds[0], EPOLLIN, on_event), 0);
		cr_assert_eq(reactor_add(v, copy, EPOLLOUT, on_event), 0);
		reactor_remove(w);
		reactor_remove(v);
		close(copy);
		free(w);
		free(v);
	}
	cr_assert_gt(calls, 0);
}
