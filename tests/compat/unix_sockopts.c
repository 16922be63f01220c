/*
 * Socket options of AF_UNIX sockets: types, domains, buffers, timeouts, SO_ERROR, length handling,
 * errors. socket(7).
 */
#include "compat.h"
#include <sys/socket.h>

static int s;

static void get(const char *what, int opt)
{
	int v = -7;
	socklen_t len = sizeof(v);

	if (getsockopt(s, SOL_SOCKET, opt, &v, &len) < 0)
		printf("%s: %s\n", what, err_name(errno));
	else
		printf("%s: %d length %u\n", what, v, len);
}

#define GET(opt)        get(#opt, opt)
#define SET(opt, value) RES(setsockopt(s, SOL_SOCKET, opt, &(int){value}, sizeof(int)))

int main(void)
{
	struct timeval tv = {0, 30000}, got;
	struct linger li = {1, 5};
	socklen_t len;
	char buf[8];
	int p[2], v = 0;

	s = socket(AF_UNIX, SOCK_STREAM, 0);
	GET(SO_TYPE);
	GET(SO_DOMAIN);
	GET(SO_PROTOCOL);
	GET(SO_ERROR);
	GET(SO_ACCEPTCONN);
	GET(SO_REUSEADDR);
	GET(SO_KEEPALIVE);
	GET(SO_BROADCAST);
	GET(SO_RCVLOWAT);
	GET(SO_SNDLOWAT);
	SET(SO_TYPE, 1);
	SET(SO_ERROR, 1);
	SET(SO_REUSEADDR, 5);
	GET(SO_REUSEADDR);
	SET(SO_RCVBUF, 10000);
	GET(SO_RCVBUF); /* doubled */
	SET(SO_SNDBUF, 20000);
	GET(SO_SNDBUF);
	SET(SO_RCVBUF, 1);
	GET(SO_RCVBUF);
	SET(SO_RCVLOWAT, 3);
	GET(SO_RCVLOWAT);
	SET(SO_KEEPALIVE, 1);
	GET(SO_KEEPALIVE);
	SET(SO_PRIORITY, 3);
	GET(SO_PRIORITY);
	get("unknown option", 9999);
	RES(setsockopt(s, SOL_SOCKET, 9999, &v, sizeof(v)));
	RES(setsockopt(s, 9999, 1, &v, sizeof(v)));
	len = sizeof(v);
	RES(getsockopt(s, 9999, 1, &v, &len));
	RES(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &v, 2));
	RES(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, bad_ptr(), 4));
	len = 2;
	RES(getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &len));
	NUM(len);
	len = (socklen_t)-1;
	RES(getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &len));
	RES(getsockopt(s, SOL_SOCKET, SO_TYPE, &v, bad_ptr()));
	len = sizeof(v);
	RES(getsockopt(0, SOL_SOCKET, SO_TYPE, &v, &len));
	RES(setsockopt(s, SOL_SOCKET, SO_LINGER, &li, sizeof(li)));
	len = sizeof(li);
	RES(getsockopt(s, SOL_SOCKET, SO_LINGER, &li, &len));
	printf("linger %d %d\n", li.l_onoff, li.l_linger);

	RES(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	RES(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	len = sizeof(got);
	RES(getsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &got, &len));
	YES(got.tv_sec == 0 && got.tv_usec >= 30000 && got.tv_usec < 50000);
	long t = now_ms();
	RES(recv(p[0], buf, 8, 0));
	YES(now_ms() - t >= 29);
	tv.tv_usec = 1000000;
	RES(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	RES(socketpair(AF_UNIX, SOCK_STREAM, 0, bad_ptr()));
	RES(socketpair(AF_UNIX, 0, 0, p));
	RES(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p));
	HEX(fcntl(p[0], F_GETFD) | (fcntl(p[1], F_GETFL) & O_NONBLOCK));
	RES(socketpair(AF_UNIX, SOCK_STREAM | 0x100000, 0, p));
	return 0;
}
