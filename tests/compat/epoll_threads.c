/*
 * epoll with threads: edge-triggered one-shot hand-out of 40 pipes to 4 threads, adding and closing
 * while others wait.
 */
#include "compat.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define PIPES  40
#define ROUNDS 50

static int ep, stop_fd, pipes[PIPES][2], got[PIPES], wrong;

static void *worker(void *arg)
{
	struct epoll_event ev;
	char c;

	(void)arg;
	for (;;) {
		if (epoll_wait(ep, &ev, 1, 5000) != 1)
			return (void *)1;
		if (ev.data.u32 == PIPES)
			return NULL;
		int i = (int)ev.data.u32, n = 0;
		while (read(pipes[i][0], &c, 1) == 1)
			n++;
		__atomic_add_fetch(&got[i], n, __ATOMIC_SEQ_CST);
		if (n == 0)
			__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
		ev.events = EPOLLIN | EPOLLET | EPOLLONESHOT;
		epoll_ctl(ep, EPOLL_CTL_MOD, pipes[i][0], &ev);
	}
}

static void *late_writer(void *arg)
{
	msleep(40);
	eventfd_write(*(int *)arg, 1);
	return NULL;
}

int main(void)
{
	struct epoll_event ev;
	pthread_t t[4];
	int sum = 0, late;
	void *ret;

	ep = epoll_create1(0);
	for (int i = 0; i < PIPES; i++) {
		if (pipe2(pipes[i], O_NONBLOCK))
			die("pipe");
		ev = (struct epoll_event){EPOLLIN | EPOLLET | EPOLLONESHOT, {.u32 = (uint32_t)i}};
		epoll_ctl(ep, EPOLL_CTL_ADD, pipes[i][0], &ev);
	}
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, worker, NULL);
	for (int r = 0; r < ROUNDS; r++)
		for (int i = 0; i < PIPES; i++)
			if (write(pipes[i][1], "x", 1) != 1)
				die("write");
	for (int tries = 0; tries < 1000; tries++) {
		sum = 0;
		for (int i = 0; i < PIPES; i++)
			sum += __atomic_load_n(&got[i], __ATOMIC_SEQ_CST);
		if (sum == PIPES * ROUNDS)
			break;
		usleep(2000);
	}
	NUM(sum);
	stop_fd = eventfd(1, 0);
	ev = (struct epoll_event){EPOLLIN, {.u32 = PIPES}};
	epoll_ctl(ep, EPOLL_CTL_ADD, stop_fd, &ev);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &ret);
		NUM((long)ret);
	}
	NUM(wrong);

	/* A descriptor added while a thread waits wakes it; one closed does not. */
	ep = epoll_create1(0);
	late = eventfd(0, 0);
	pthread_create(&t[0], NULL, late_writer, &late);
	ev.data.u32 = 7;
	epoll_ctl(ep, EPOLL_CTL_ADD, late, &ev);
	RES(epoll_wait(ep, &ev, 1, 3000));
	NUM(ev.data.u32);
	pthread_join(t[0], NULL);
	close(late);
	RES(epoll_wait(ep, &ev, 1, 20));
	/* The set is shared by fork, as one description. */
	late = eventfd(0, 0);
	IN_CHILD("child adds", ev = ((struct epoll_event){EPOLLIN, {.u32 = 11}});
	         RES(epoll_ctl(ep, EPOLL_CTL_ADD, late, &ev)));
	eventfd_write(late, 1);
	RES(epoll_wait(ep, &ev, 1, 1000));
	NUM(ev.data.u32);
	return 0;
}
