/*
 * epoll in epoll, loops (ELOOP), depth, EPOLLEXCLUSIVE, fairness of many ready descriptors, pwait's
 * mask, pwait2.
 */
#include "compat.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static int add(int ep, int fd, uint32_t events, int data)
{
	struct epoll_event ev = {events, {.u64 = (uint64_t)data}};

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static volatile sig_atomic_t hits;

static void on_usr1(int sig)
{
	(void)sig;
	hits++;
}

static int woken, ready;

static void *waiter(void *arg)
{
	struct epoll_event ev;
	int ep = *(int *)arg;

	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	if (epoll_wait(ep, &ev, 1, 400) == 1)
		__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

int main(void)
{
	int a = epoll_create1(0), b = epoll_create1(0), c = epoll_create1(0),
	    e = eventfd(0, EFD_NONBLOCK), chain[7], many[40];
	struct epoll_event ev[64];
	bool seen[40] = {false};
	int rounds = 0, distinct = 0, eps[2];
	pthread_t t[2];

	RES(add(a, e, EPOLLIN, 1));
	RES(add(b, a, EPOLLIN, 2));
	RES(epoll_wait(b, ev, 8, 0));
	RES(eventfd_write(e, 1));
	RES(epoll_wait(b, ev, 8, 0));
	NUM(ev[0].data.u64);
	RES(epoll_wait(a, ev, 8, 0));
	RES(add(a, b, EPOLLIN, 3)); /* a loop */
	RES(add(c, b, EPOLLIN, 3));
	RES(add(a, c, EPOLLIN, 3)); /* a longer one */
	for (int i = 0; i < 7; i++)
		chain[i] = epoll_create1(0);
	for (int i = 0; i < 6; i++)
		RES(add(chain[i], chain[i + 1], EPOLLIN, i));

	/* With fewer slots than ready descriptors, all get their turn. */
	a = epoll_create1(0);
	for (int i = 0; i < 40; i++) {
		many[i] = eventfd(1, 0);
		add(a, many[i], EPOLLIN, i);
	}
	while (distinct < 40 && rounds < 50) {
		int n = epoll_wait(a, ev, 10, 0);

		for (int i = 0; i < n; i++) {
			distinct += !seen[ev[i].data.u64];
			seen[ev[i].data.u64] = true;
		}
		rounds++;
	}
	printf("distinct %d in %d rounds\n", distinct, rounds);

	/* EXCLUSIVE: two epolls wait for one descriptor; at least one wakes. */
	e = eventfd(0, EFD_NONBLOCK);
	for (int i = 0; i < 2; i++) {
		eps[i] = epoll_create1(0);
		RES(add(eps[i], e, EPOLLIN | EPOLLEXCLUSIVE, 1));
		pthread_create(&t[i], NULL, waiter, &eps[i]);
	}
	ev[0].events = EPOLLIN | EPOLLEXCLUSIVE;
	RES(epoll_ctl(eps[0], EPOLL_CTL_MOD, e, ev));
	RES(add(eps[0], many[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 1));
	RES(add(b, eps[0], EPOLLIN | EPOLLEXCLUSIVE, 1));
	while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < 2)
		sched_yield();
	msleep(50);
	RES(eventfd_write(e, 1));
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	YES(woken >= 1);

	/* epoll_pwait opens a blocked signal while it waits. */
	sigset_t set = sigset_of(SIGUSR1, 0), none;
	sigemptyset(&none);
	handle(SIGUSR1, on_usr1, 0);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	a = epoll_create1(0);
	RES(epoll_pwait(a, ev, 1, 1000, &set));
	NUM(hits);
	RES(epoll_pwait(a, ev, 1, 1000, &none));
	NUM(hits);
	long t0 = now_ms();
	struct timespec ts = {0, 20000000};
	RES(epoll_pwait2(a, ev, 1, &ts, NULL));
	YES(now_ms() - t0 >= 19);
	ts.tv_nsec = 1000000000;
	RES(epoll_pwait2(a, ev, 1, &ts, NULL));
	RES(epoll_pwait2(a, ev, 1, bad_ptr(), NULL));
	return 0;
}
