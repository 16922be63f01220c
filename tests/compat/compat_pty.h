/*
 * Reading from pseudo-terminals in the compatibility programs. What is written to one side reaches
 * the other a little later and perhaps in parts, so these helpers wait: show_read() for the first
 * data, show_all() until it is quiet.
 */
#ifndef COMPAT_PTY_H
#define COMPAT_PTY_H

#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

COMPAT_INLINE void show_bytes(const char *what, const char *buf, ssize_t n, int e)
{
	printf("%s %zd:", what, n);
	for (ssize_t i = 0; i < n; i++)
		printf(buf[i] >= ' ' && buf[i] < 127 ? "%c" : "<%02x>", (unsigned char)buf[i]);
	if (n < 0)
		printf(" %s", err_name(e));
	printf("\n");
}

/* Wait up to 300 ms for something to read, then read once. */
COMPAT_INLINE void show_read(const char *what, int fd)
{
	struct pollfd p = {fd, POLLIN, 0};
	char buf[512];
	ssize_t n;

	poll(&p, 1, 300);
	n = read(fd, buf, sizeof(buf));
	show_bytes(what, buf, n, errno);
}

/* All there is, until nothing has come for 60 ms. */
COMPAT_INLINE void show_all(const char *what, int fd)
{
	struct pollfd p = {fd, POLLIN, 0};
	char buf[2048];
	ssize_t n = 0, len = 0;
	int e = EAGAIN;

	while (len < (ssize_t)sizeof(buf) && poll(&p, 1, len ? 60 : 300) == 1) {
		n = read(fd, buf + len, sizeof(buf) - (size_t)len);
		e = errno;
		if (n <= 0)
			break;
		len += n;
	}
	if (len == 0 && n == 0 && !(p.revents & (POLLIN | POLLHUP)))
		n = -1;
	show_bytes(what, buf, len ? len : n, e);
}

/* Wait until this many bytes of input can be read. */
COMPAT_INLINE int await_input(int fd, int want)
{
	int n = 0;

	for (int i = 0; i < 500; i++) {
		if (ioctl(fd, FIONREAD, &n) == 0 && n >= want)
			break;
		usleep(2000);
	}
	return n;
}

#endif
