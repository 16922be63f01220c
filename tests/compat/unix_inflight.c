/*
 * Descriptors in flight: closing the socket that carries them closes them; a socket sent over
 * itself is collected; credentials and rights in one message; peeking at a message with
 * descriptors. unix(7).
 */
#include "compat.h"
#include <sys/socket.h>

static ssize_t send_fd(int s, int fd, const char *text)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = "";
	struct iovec iov = {(void *)text, strlen(text)};
	struct msghdr m = {.msg_iov = &iov,
	                   .msg_iovlen = 1,
	                   .msg_control = control,
	                   .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(s, &m, 0);
}

static int recv_fd(int s, int flags, const char *what)
{
	char control[256] __attribute__((aligned(8))), buf[64] = "";
	struct iovec iov = {buf, sizeof(buf) - 1};
	struct msghdr m = {.msg_iov = &iov,
	                   .msg_iovlen = 1,
	                   .msg_control = control,
	                   .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(s, &m, flags);
	int fd = -1;

	printf("%s: %zd \"%s\"", what, n, buf);
	for (struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		printf(" %s", c->cmsg_type == SCM_RIGHTS        ? "rights"
		              : c->cmsg_type == SCM_CREDENTIALS ? "credentials"
		                                                : "?");
		if (c->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(c), sizeof(int));
	}
	printf("\n");
	return fd;
}

static bool at_eof(int fd)
{
	char c;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 200; i++) {
		if (read(fd, &c, 1) == 0)
			return true;
		usleep(2000);
	}
	return false;
}

int main(void)
{
	int s[2], t[2], p[2], fd, on = 1;

	/* The pair that carries the write end is closed. */
	RES(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	RES(pipe(p));
	RES(send_fd(s[0], p[1], "in flight"));
	close(p[1]);
	close(s[0]);
	close(s[1]);
	YES(at_eof(p[0]));
	/* A cycle: the socket is in flight over itself, with the write end beside it. */
	RES(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	RES(pipe(p));
	RES(send_fd(s[0], s[1], "cycle"));
	RES(send_fd(s[0], p[1], "cargo"));
	close(p[1]);
	close(s[0]);
	close(s[1]);
	/* Making another socket pair lets the collector run. */
	RES(socketpair(AF_UNIX, SOCK_STREAM, 0, t));
	RES(send_fd(t[0], t[1], "x"));
	close(t[0]);
	close(t[1]);
	YES(at_eof(p[0]));

	RES(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	RES(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	RES(pipe(p));
	RES(send_fd(s[0], p[1], "both"));
	int peeked = recv_fd(s[1], MSG_PEEK, "peek");
	fd = recv_fd(s[1], 0, "take");
	YES(peeked >= 0 && fd >= 0 && peeked != fd);
	RES(write(peeked, "1", 1));
	RES(write(fd, "2", 1));
	char buf[4] = "";
	RES(read(p[0], buf, 3));
	STR(buf);
	/* Rights arrive with the first byte of their message; data before stays apart. */
	RES(write(s[0], "plain", 5));
	RES(send_fd(s[0], p[1], "withfd"));
	RES(write(s[0], "after", 5));
	recv_fd(s[1], 0, "first");
	recv_fd(s[1], 0, "second");
	recv_fd(s[1], MSG_DONTWAIT, "third");
	/* Through two processes and back. */
	RES(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, t));
	RES(send_fd(t[0], p[1], "lent"));
	pid_t pid = fork_child();
	if (pid == 0) {
		close(t[0]);
		fd = recv_fd(t[1], 0, "child");
		_exit(write(fd, "by child", 8) == 8 && send_fd(t[1], fd, "returned") == 8 ? 0 : 1);
	}
	reap("borrower", pid);
	fd = recv_fd(t[0], 0, "parent");
	YES(fd >= 0);
	return 0;
}
