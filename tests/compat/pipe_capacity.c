/*
 * The capacity of a pipe, F_GETPIPE_SZ/F_SETPIPE_SZ, partial writes without blocking, FIONREAD.
 * pipe(7), fcntl(2).
 */
#include "compat.h"
#include <sys/ioctl.h>

static long fill(int fd, size_t chunk)
{
	static char buf[65536];
	long total = 0, n;

	while ((n = write(fd, buf, chunk)) > 0)
		total += n;
	return total;
}

int main(void)
{
	static char buf[1 << 17];
	int p[2], n;

	RES(pipe2(p, O_NONBLOCK));
	RES(fcntl(p[0], F_GETPIPE_SZ));
	NUM(fill(p[1], 4096));
	RES(write(p[1], "x", 1));
	RES(ioctl(p[0], FIONREAD, &n));
	NUM(n);
	RES(read(p[0], buf, 100));
	RES(write(p[1], "x", 1)); /* no whole page is free yet */
	RES(read(p[0], buf, 4000));
	RES(write(p[1], buf, 4096));
	RES(read(p[0], buf, sizeof(buf)));
	RES(write(p[1], buf, sizeof(buf))); /* a partial write */
	RES(read(p[0], buf, sizeof(buf)));

	RES(fcntl(p[1], F_SETPIPE_SZ, 4096));
	RES(fcntl(p[1], F_GETPIPE_SZ));
	NUM(fill(p[1], 1024));
	RES(fcntl(p[1], F_SETPIPE_SZ, 5000));
	RES(fcntl(p[1], F_GETPIPE_SZ));
	RES(fcntl(p[1], F_SETPIPE_SZ, 1 << 18));
	NUM(fill(p[1], 4096));
	RES(fcntl(p[1], F_SETPIPE_SZ, 4096)); /* it holds more than that */
	RES(fcntl(p[1], F_SETPIPE_SZ, 0));
	RES(fcntl(p[1], F_GETPIPE_SZ));
	RES(fcntl(0, F_GETPIPE_SZ));
	RES(fcntl(p[1], F_SETPIPE_SZ, -1));
	return 0;
}
