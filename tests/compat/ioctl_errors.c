/*
 * ioctl(2): FIONBIO, FIOCLEX, FIONCLEX, FIONREAD, FIOASYNC, FIGETBSZ on kinds of descriptors;
 * ENOTTY, EBADF, EFAULT.
 */
#include "compat.h"
#include <linux/fs.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(void)
{
	int p[2], s[2], file, dir, n = 1, null = open("/dev/null", O_RDWR), ev = eventfd(0, 0);

	tmp_enter();
	put_file("f", "0123456789");
	file = open("f", O_RDWR);
	dir = open(".", O_RDONLY);
	RES(pipe(p));
	RES(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	RES(ioctl(p[0], FIONBIO, &n));
	HEX(fcntl(p[0], F_GETFL) & O_NONBLOCK);
	n = 0;
	RES(ioctl(p[0], FIONBIO, &n));
	HEX(fcntl(p[0], F_GETFL) & O_NONBLOCK);
	RES(ioctl(p[0], FIONBIO, bad_ptr()));
	RES(ioctl(file, FIOCLEX));
	RES(fcntl(file, F_GETFD));
	RES(ioctl(file, FIONCLEX));
	RES(fcntl(file, F_GETFD));
	RES(lseek(file, 4, SEEK_SET));
	RES(ioctl(file, FIONREAD, &n));
	NUM(n);
	RES(lseek(file, 14, SEEK_SET));
	RES(ioctl(file, FIONREAD, &n));
	NUM(n);
	RES(ioctl(dir, FIONREAD, &n));
	RES(ioctl(null, FIONREAD, &n));
	RES(ioctl(ev, FIONREAD, &n));
	RES(ioctl(p[0], FIONREAD, bad_ptr()));
	RES(write(s[1], "abc", 3));
	RES(ioctl(s[0], FIONREAD, &n));
	NUM(n);
	RES(ioctl(s[1], TIOCOUTQ, &n));
	YES(n > 0);
	n = 1;
	RES(ioctl(s[0], FIOASYNC, &n));
	HEX(fcntl(s[0], F_GETFL) & O_ASYNC);
	RES(ioctl(file, FIGETBSZ, &n));
	YES(n >= 512);
	RES(ioctl(file, TCGETS, &n));
	RES(ioctl(null, TCGETS, &n));
	RES(ioctl(dir, TIOCGWINSZ, &n));
	RES(ioctl(s[0], TIOCGPGRP, &n));
	RES(ioctl(file, 0xdeadbeef, &n));
	RES(ioctl(ev, 0xdeadbeef, &n));
	RES(ioctl(p[0], 0xdeadbeef, &n));
	RES(ioctl(s[0], 0xdeadbeef, &n));
	RES(ioctl(999, FIONREAD, &n));
	RES(ioctl(-1, 0, 0));
	int path = open("f", O_PATH);
	RES(ioctl(path, FIONREAD, &n));
	RES(ioctl(path, FIOCLEX));
	return 0;
}
