/*
 * shutdown(2), MSG_WAITALL, MSG_PEEK, MSG_DONTWAIT, SIGPIPE, poll states and buffers of stream
 * socket pairs.
 */
#include "compat.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static volatile sig_atomic_t sigpipes;

static void on_pipe(int sig)
{
	(void)sig;
	sigpipes++;
}

static void events(const char *what, int fd)
{
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLRDHUP, 0};

	poll(&p, 1, 0);
	printf("%s: %#x\n", what, p.revents);
}

int main(void)
{
	static char big[1 << 20];
	char buf[32] = "";
	int s[2], n;
	long total = 0;
	ssize_t r;

	handle(SIGPIPE, on_pipe, 0);
	RES(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	events("fresh", s[0]);
	RES(send(s[0], "abcdef", 6, 0));
	RES(recv(s[1], buf, 3, MSG_PEEK));
	STR(buf);
	RES(ioctl(s[1], FIONREAD, &n));
	NUM(n);
	RES(recv(s[1], buf, 2, 0));
	RES(recv(s[1], buf, 32, MSG_DONTWAIT));
	RES(recv(s[1], buf, 32, MSG_DONTWAIT));
	events("drained", s[1]);
	if (fork_child() == 0) {
		r = write(s[0], "part", 4);
		msleep(40);
		_exit(write(s[0], "whole", 5) != 5);
	}
	RES(recv(s[1], buf, 9, MSG_WAITALL));
	wait(NULL);
	RES(shutdown(s[0], SHUT_WR));
	RES(send(s[0], "x", 1, 0));
	NUM(sigpipes);
	RES(send(s[0], "x", 1, MSG_NOSIGNAL));
	NUM(sigpipes);
	RES(recv(s[1], buf, 1, 0));
	events("after the peer's SHUT_WR", s[1]);
	events("after own SHUT_WR", s[0]);
	RES(send(s[1], "back", 4, 0));
	RES(recv(s[0], buf, 32, 0));
	RES(shutdown(s[0], SHUT_RD));
	RES(recv(s[0], buf, 32, 0));
	RES(send(s[1], "x", 1, 0));
	NUM(sigpipes);
	RES(shutdown(s[1], 7));
	RES(shutdown(0, SHUT_RD));
	RES(shutdown(999, SHUT_RD));
	RES(shutdown(socket(AF_UNIX, SOCK_STREAM, 0), SHUT_RD));

	/* A full buffer, then its space again. */
	RES(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s));
	while ((r = send(s[0], big, sizeof(big), 0)) > 0)
		total += r;
	printf("full: %s, between 64K and 1M %d\n", err_name(errno),
	       total >= 65536 && total <= 1 << 20);
	events("full", s[0]);
	while ((r = recv(s[1], big, sizeof(big), 0)) > 0)
		total -= r;
	NUM(total);
	events("emptied", s[0]);
	/* Closing with unread data resets the peer. */
	RES(send(s[0], "unread", 6, 0));
	close(s[1]);
	RES(recv(s[0], buf, 1, 0));
	events("peer gone", s[0]);
	RES(recv(s[0], buf, 1, 0));
	RES(send(s[0], "x", 1, 0));
	NUM(sigpipes);
	RES(recv(s[0], bad_ptr(), 1, 0));
	RES(recv(0, buf, 1, 0));
	RES(lseek(s[0], 0, SEEK_SET));
	return 0;
}
