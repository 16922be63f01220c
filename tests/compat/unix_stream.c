/*
 * AF_UNIX stream sockets: bind, listen, connect, accept4, names, backlog, ECONNREFUSED, abstract
 * and autobind. unix(7).
 */
#include "compat.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static socklen_t addr(struct sockaddr_un *a, const char *path, size_t len)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	memcpy(a->sun_path, path, len);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

int main(void)
{
	struct sockaddr_un a, b;
	socklen_t len, blen;
	char buf[16] = "", name[32];
	int l, c, s, x, on;
	struct stat st;

	tmp_enter();
	l = (int)OKAY(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	len = addr(&a, "sock", 5);
	RES(listen(l, 1));
	RES(connect(l, (struct sockaddr *)&a, len));
	RES(bind(l, (struct sockaddr *)&a, len));
	RES(bind(l, (struct sockaddr *)&a, len));
	RES(stat("sock", &st));
	printf("mode %o\n", st.st_mode);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	RES(bind(c, (struct sockaddr *)&a, len));
	RES(connect(c, (struct sockaddr *)&a, len)); /* bound, not listening */
	RES(accept(l, NULL, NULL));
	RES(listen(l, 1));
	RES(connect(c, (struct sockaddr *)&a, len));
	RES(connect(c, (struct sockaddr *)&a, len));
	blen = sizeof(b);
	s = (int)OKAY(accept4(l, (struct sockaddr *)&b, &blen, SOCK_NONBLOCK | SOCK_CLOEXEC));
	printf("family %d length %u\n", b.sun_family, blen); /* the client has no name */
	HEX(fcntl(s, F_GETFL) & O_NONBLOCK);
	RES(fcntl(s, F_GETFD));
	blen = sizeof(b);
	RES(getpeername(c, (struct sockaddr *)&b, &blen));
	printf("%s %u\n", b.sun_path, blen);
	blen = sizeof(b);
	RES(getsockname(s, (struct sockaddr *)&b, &blen));
	printf("%s %u\n", b.sun_path, blen);
	blen = 3;
	RES(getsockname(s, (struct sockaddr *)&b, &blen));
	NUM(blen); /* the full length is told */
	RES(send(c, "hello", 5, 0));
	RES(recv(s, buf, 16, 0));
	RES(recv(s, buf, 16, 0));
	RES(sendto(c, "x", 1, 0, (struct sockaddr *)&a, len));
	close(c);
	RES(recv(s, buf, 16, 0));
	RES(send(s, "x", 1, MSG_NOSIGNAL));

	/* The backlog: non-blocking connects until it is full. */
	int n = 0;
	for (;;) {
		x = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(x, (struct sockaddr *)&a, len) < 0)
			break;
		n++;
	}
	printf("backlog 1 took %d, then %s\n", n, err_name(errno));
	close(l);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	RES(connect(c, (struct sockaddr *)&a, len)); /* the file is still there */
	RES(unlink("sock"));
	RES(connect(c, (struct sockaddr *)&a, len));
	put_file("file", "");
	len = addr(&a, "file", 5);
	RES(connect(c, (struct sockaddr *)&a, len));
	len = addr(&a, "no/dir", 7);
	RES(bind(c, (struct sockaddr *)&a, len));
	RES(bind(c, (struct sockaddr *)&a, 200));
	a.sun_family = AF_INET;
	RES(bind(c, (struct sockaddr *)&a, 10));
	RES(bind(c, bad_ptr(), 10));
	RES(bind(0, (struct sockaddr *)&a, 10));

	/* Abstract names have no file and vanish with their socket; autobind makes one of five hex
	 * digits. */
	snprintf(name, sizeof(name), "%ccompat-%d", 0, getpid());
	len = addr(&a, name, 7 + 8);
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	RES(bind(l, (struct sockaddr *)&a, len));
	RES(bind(c, (struct sockaddr *)&a, len));
	RES(listen(l, 5));
	RES(connect(c, (struct sockaddr *)&a, len));
	close(l);
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	RES(bind(l, (struct sockaddr *)&a, len));
	close(l);
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	a.sun_family = AF_UNIX;
	RES(bind(l, (struct sockaddr *)&a, sizeof(sa_family_t)));
	blen = sizeof(b);
	RES(getsockname(l, (struct sockaddr *)&b, &blen));
	printf("length %u first byte %d hex %d\n", blen, b.sun_path[0],
	       (int)strspn(b.sun_path + 1, "0123456789abcdef"));
	len = sizeof(on);
	RES(getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &on, &len));
	NUM(on);
	RES(socket(AF_UNIX, SOCK_STREAM, 5));
	RES(socket(AF_UNIX, 77, 0));
	RES(socket(AF_UNIX, SOCK_RDM, 0));
	RES(socket(999, SOCK_STREAM, 0));
	return 0;
}
