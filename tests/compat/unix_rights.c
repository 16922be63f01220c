/*
 * SCM_RIGHTS: passing descriptors, several at once, MSG_CMSG_CLOEXEC, MSG_CTRUNC, offset sharing,
 * cmsg errors. unix(7).
 */
#include "compat.h"
#include <sys/socket.h>

static ssize_t send_fds(int s, const int *fds, int n)
{
	char control[CMSG_SPACE(sizeof(int) * 260)] = "";
	struct iovec iov = {"F", 1};
	struct msghdr m = {.msg_iov = &iov,
	                   .msg_iovlen = 1,
	                   .msg_control = control,
	                   .msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)n);
	return sendmsg(s, &m, 0);
}

static int recv_fds(int s, int *fds, size_t space, int flags, int *msg_flags)
{
	char control[CMSG_SPACE(sizeof(int) * 260)] __attribute__((aligned(8)));
	char data[8];
	struct iovec iov = {data, sizeof(data)};
	struct msghdr m = {
	    .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = space};
	struct cmsghdr *c;
	int n = 0;

	if (recvmsg(s, &m, flags) < 0)
		return -1;
	*msg_flags = m.msg_flags;
	for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_type == SCM_RIGHTS) {
			n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(fds, CMSG_DATA(c), sizeof(int) * (size_t)n);
		}
	return n;
}

int main(void)
{
	int s[2], p[2], fds[260], got[260], flags = 0, f, n;
	char buf[16] = "";

	tmp_enter();
	put_file("f", "abcdefgh");
	f = open("f", O_RDONLY);
	RES(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	RES(pipe(p));
	fds[0] = f, fds[1] = p[1];
	RES(send_fds(s[0], fds, 2));
	RES(recv_fds(s[1], got, CMSG_SPACE(sizeof(int) * 4), 0, &flags));
	HEX(flags);
	YES(got[0] != f && got[1] != p[1]);
	RES(read(got[0], buf, 3));
	RES(lseek(f, 0, SEEK_CUR)); /* one description */
	RES(write(got[1], "via", 3));
	RES(read(p[0], buf, 16));
	RES(fcntl(got[0], F_GETFD));
	RES(send_fds(s[0], fds, 1));
	RES(recv_fds(s[1], got, CMSG_SPACE(sizeof(int) * 4), MSG_CMSG_CLOEXEC, &flags));
	RES(fcntl(got[0], F_GETFD));
	HEX(flags & ~MSG_CMSG_CLOEXEC);

	/* The receiver has room for one of three. */
	fds[2] = f;
	RES(send_fds(s[0], fds, 3));
	RES(recv_fds(s[1], got, CMSG_LEN(sizeof(int)), 0, &flags));
	HEX(flags & MSG_CTRUNC);
	RES(send_fds(s[0], fds, 1));
	RES(recv_fds(s[1], got, 0, 0, &flags));
	HEX(flags & MSG_CTRUNC);
	/* Two messages with descriptors are not joined into one read. */
	RES(send_fds(s[0], fds, 1));
	RES(send_fds(s[0], fds, 1));
	RES(recv(s[1], buf, 16, 0));
	RES(recv(s[1], buf, 16, 0));
	fds[0] = 999;
	RES(send_fds(s[0], fds, 1));
	for (int i = 0; i < 254; i++)
		fds[i] = f;
	RES(send_fds(s[0], fds, 254));
	RES(send_fds(s[0], fds, 253));
	n = recv_fds(s[1], got, CMSG_SPACE(sizeof(int) * 260), 0, &flags);
	NUM(n);
	for (int i = 0; i < n; i++)
		close(got[i]);
	/* A descriptor in flight keeps the pipe's write end open till the message is gone. */
	RES(pipe(p));
	fds[0] = p[1];
	RES(send_fds(s[0], fds, 1));
	close(p[1]);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	RES(read(p[0], buf, 1));
	RES(recv(s[1], buf, 16, 0)); /* received without control data: closed */
	RES(read(p[0], buf, 1));
	/* A socket may carry itself. */
	fds[0] = s[0];
	RES(send_fds(s[0], fds, 1));
	/* To a child. */
	fds[0] = f;
	RES(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	RES(send_fds(s[0], fds, 1));
	lseek(f, 5, SEEK_SET);
	IN_CHILD("child", close(f); n = recv_fds(s[1], got, CMSG_SPACE(sizeof(int)), 0, &flags);
	         NUM(n); memset(buf, 0, sizeof(buf)); RES(read(got[0], buf, 16)); STR(buf));
	return 0;
}
