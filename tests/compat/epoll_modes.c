/*
 * epoll(7): level, edge, one-shot, EPOLLHUP, EPOLLRDHUP, EPOLLERR, data, closing a watched
 * descriptor, errors.
 */
#include "compat.h"
#include <sys/epoll.h>
#include <sys/socket.h>

static int ep;

static void wait_show(const char *what)
{
	struct epoll_event ev[8];
	int n = epoll_wait(ep, ev, 8, 0);

	printf("%s: %d", what, n);
	for (int i = 0; i < n; i++)
		printf(" [%#x data %lu]", ev[i].events, ev[i].data.u64);
	printf("\n");
}

static int ctl(int op, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = {events, {.u64 = data}};

	return epoll_ctl(ep, op, fd, &ev);
}

int main(void)
{
	char buf[16];
	int p[2], s[2], d, f;

	ep = (int)OKAY(epoll_create1(EPOLL_CLOEXEC));
	RES(epoll_create1(5));
	RES(epoll_create(0));
	OKAY(epoll_create(1));
	RES(pipe(p));
	RES(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	RES(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	wait_show("empty");
	RES(write(p[1], "abc", 3));
	wait_show("level");
	wait_show("level again");
	RES(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 2));
	wait_show("edge");
	wait_show("edge again");
	RES(write(p[1], "d", 1));
	wait_show("edge after more");
	RES(read(p[0], buf, 2));
	wait_show("edge after a partial read");
	RES(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 3));
	wait_show("one shot");
	wait_show("one shot again");
	RES(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 4));
	wait_show("armed again");
	RES(ctl(EPOLL_CTL_ADD, p[1], EPOLLOUT, 5));
	wait_show("writable");
	RES(ctl(EPOLL_CTL_DEL, p[1], 0, 0));
	RES(ctl(EPOLL_CTL_DEL, p[1], 0, 0));
	RES(ctl(EPOLL_CTL_MOD, p[1], 0, 0));
	RES(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN, 6));
	RES(read(p[0], buf, 16));
	close(p[1]);
	wait_show("hang-up");
	RES(ctl(EPOLL_CTL_MOD, p[0], 0, 7));
	wait_show("hang-up is always told");
	/* The file stays watched while a duplicate is open. */
	d = dup(p[0]);
	close(p[0]);
	wait_show("duplicate open");
	close(d);
	wait_show("all closed");

	RES(pipe(p));
	RES(ctl(EPOLL_CTL_ADD, p[1], EPOLLOUT, 8));
	close(p[0]);
	wait_show("no reader");
	close(p[1]);
	RES(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	RES(ctl(EPOLL_CTL_ADD, s[0], EPOLLIN | EPOLLRDHUP | EPOLLOUT, 9));
	wait_show("socket");
	RES(shutdown(s[1], SHUT_WR));
	wait_show("peer shut down");
	close(s[1]);
	wait_show("peer closed");
	f = open("/dev/null", O_RDONLY);
	RES(ctl(EPOLL_CTL_ADD, f, EPOLLIN, 0));
	f = memfd_create("x", 0);
	RES(ctl(EPOLL_CTL_ADD, f, EPOLLIN, 0));
	RES(ctl(EPOLL_CTL_ADD, ep, EPOLLIN, 0));
	RES(ctl(EPOLL_CTL_ADD, 999, EPOLLIN, 0));
	RES(ctl(77, s[0], EPOLLIN, 0));
	RES(epoll_ctl(ep, EPOLL_CTL_MOD, s[0], bad_ptr()));
	RES(epoll_ctl(s[0], EPOLL_CTL_ADD, ep, &(struct epoll_event){0}));
	RES(epoll_wait(ep, (struct epoll_event *)buf, 0, 0));
	RES(epoll_wait(ep, bad_ptr(), 1, 0));
	RES(epoll_wait(s[0], (struct epoll_event *)buf, 1, 0));
	RES(epoll_wait(999, (struct epoll_event *)buf, 1, 0));
	return 0;
}
