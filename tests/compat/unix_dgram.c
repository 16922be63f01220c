/*
 * AF_UNIX datagram sockets: boundaries, MSG_TRUNC, MSG_PEEK, connect as a filter, full queues, gone
 * peers. unix(7).
 */
#include "compat.h"
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un name(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	strcpy(a.sun_path, path);
	return a;
}

#define SA(x) ((struct sockaddr *)&(x)), sizeof(x)

int main(void)
{
	struct sockaddr_un a = name("a"), b = name("b"), from;
	socklen_t len;
	char buf[32] = "";
	int sa, sb, sc, n = 0;

	tmp_enter();
	sa = (int)OKAY(socket(AF_UNIX, SOCK_DGRAM, 0));
	sb = (int)OKAY(socket(AF_UNIX, SOCK_DGRAM, 0));
	sc = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	RES(bind(sa, SA(a)));
	RES(bind(sb, SA(b)));
	RES(send(sc, "x", 1, 0));
	RES(sendto(sb, "first", 5, 0, SA(a)));
	RES(sendto(sb, "", 0, 0, SA(a)));
	RES(sendto(sc, "anonymous", 9, 0, SA(a)));
	RES(recv(sa, buf, 3, MSG_PEEK));
	RES(recv(sa, buf, 3, MSG_PEEK | MSG_TRUNC));
	len = sizeof(from);
	RES(recvfrom(sa, buf, 3, 0, (struct sockaddr *)&from, &len));
	printf("%.3s from %s\n", buf, from.sun_path);
	RES(recv(sa, buf, 32, 0));
	len = sizeof(from);
	RES(recvfrom(sa, buf, 32, 0, (struct sockaddr *)&from, &len));
	NUM(len);
	RES(recv(sa, buf, 32, MSG_DONTWAIT));
	RES(listen(sa, 1));
	RES(accept(sa, NULL, NULL));

	/* A connected socket receives from its peer only. */
	RES(connect(sa, SA(b)));
	RES(sendto(sc, "stranger", 8, 0, SA(a)));
	RES(send(sa, "to b", 4, 0));
	len = sizeof(from);
	RES(recvfrom(sb, buf, 32, 0, (struct sockaddr *)&from, &len));
	STR(from.sun_path);
	RES(connect(sa, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr)));
	RES(send(sa, "x", 1, 0));
	RES(sendto(sc, "stranger", 8, 0, SA(a)));
	RES(recv(sa, buf, 32, 0));

	RES(connect(sc, SA(a)));
	while (send(sc, "fill", 4, 0) == 4)
		n++;
	printf("full: %s, some %d\n", err_name(errno), n >= 10);
	close(sa);
	RES(send(sc, "x", 1, 0));
	RES(sendto(sb, "x", 1, 0, SA(a)));
	RES(unlink("a"));
	RES(sendto(sb, "x", 1, 0, SA(a)));
	int st = socket(AF_UNIX, SOCK_STREAM, 0);
	RES(connect(st, SA(b))); /* another type */
	RES(shutdown(sb, SHUT_RD));
	RES(recv(sb, buf, 32, 0));
	RES(sendto(sc, "x", 1, 0, SA(b)));
	/* Seqpacket: connected like a stream, bounded like datagrams. */
	int p[2];
	RES(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p));
	RES(send(p[0], "one", 3, 0));
	RES(send(p[0], "second", 6, 0));
	RES(recv(p[1], buf, 32, 0));
	struct iovec iov = {buf, 2};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	RES(recvmsg(p[1], &m, 0));
	HEX(m.msg_flags);
	RES(recv(p[1], buf, 32, MSG_DONTWAIT));
	RES(send(p[0], "eor", 3, MSG_EOR));
	RES(recvmsg(p[1], &m, 0));
	HEX(m.msg_flags);
	close(p[0]);
	RES(recv(p[1], buf, 32, 0));
	return 0;
}
