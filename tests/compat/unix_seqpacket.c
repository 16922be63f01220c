/*
 * Listening SOCK_SEQPACKET sockets: connect, accept, record boundaries both ways, shutdown,
 * peeking, too large records.
 */
#include "compat.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "s"};
	static char big[1 << 20];
	char buf[64] = "";
	int l, s, c, d;
	pid_t pid;

	tmp_enter();
	l = (int)OKAY(socket(AF_UNIX, SOCK_SEQPACKET, 0));
	RES(bind(l, (struct sockaddr *)&a, sizeof(a)));
	RES(listen(l, 2));
	d = socket(AF_UNIX, SOCK_STREAM, 0);
	RES(connect(d, (struct sockaddr *)&a, sizeof(a)));
	pid = fork_child();
	if (pid == 0) {
		c = socket(AF_UNIX, SOCK_SEQPACKET, 0);
		if (connect(c, (struct sockaddr *)&a, sizeof(a)))
			_exit(1);
		for (int i = 1; i <= 5; i++)
			if (send(c, "abcdefghij", (size_t)i * 2, 0) != i * 2)
				_exit(2);
		ssize_t n, total = 0;
		while ((n = recv(c, buf, sizeof(buf), 0)) > 0)
			total = total * 10 + n;
		_exit((int)total);
	}
	s = (int)OKAY(accept(l, NULL, NULL));
	RES(recv(s, buf, sizeof(buf), MSG_PEEK));
	for (int i = 0; i < 4; i++)
		RES(recv(s, buf, i == 2 ? 3 : sizeof(buf), i == 2 ? MSG_TRUNC : 0));
	RES(read(s, buf, 4)); /* the last one, cut */
	RES(send(s, "x", 1, MSG_EOR));
	RES(write(s, "yy", 2));
	struct iovec iov[2] = {{"z", 1}, {"zz", 2}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
	RES(sendmsg(s, &m, 0));
	RES(shutdown(s, SHUT_WR));
	reap("client", pid);
	RES(recv(s, buf, sizeof(buf), 0));
	RES(send(s, "x", 1, MSG_NOSIGNAL));
	int p[2];
	RES(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, p));
	RES(send(p[0], big, sizeof(big), 0));
	RES(send(p[0], "", 0, 0));
	struct pollfd pf = {p[1], POLLIN, 0};
	RES(poll(&pf, 1, 0)); /* an empty record is readable */
	RES(recv(p[1], buf, sizeof(buf), 0));
	RES(recv(p[1], buf, sizeof(buf), 0));
	RES(sendto(p[0], "x", 1, 0, (struct sockaddr *)&a, sizeof(a)));
	return 0;
}
