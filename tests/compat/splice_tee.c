/*
 * splice(2), tee(2), vmsplice(2): between pipes and files, EOF, non-blocking, errors.
 */
#include "compat.h"
#include <sys/uio.h>

int main(void)
{
	char buf[32] = "";
	loff_t off = 2;
	int a[2], b[2], f, g;
	struct iovec iov[2] = {{"vm", 2}, {"splice", 6}};

	tmp_enter();
	put_file("f", "0123456789");
	f = open("f", O_RDWR);
	g = open("g", O_RDWR | O_CREAT, 0644);
	RES(pipe(a));
	RES(pipe(b));
	RES(splice(f, &off, a[1], NULL, 5, 0));
	NUM(off);
	RES(tee(a[0], b[1], 3, 0));
	RES(read(b[0], buf, 31));
	STR(buf);
	RES(splice(a[0], NULL, b[1], NULL, 4, 0));
	RES(splice(b[0], NULL, g, NULL, 4, SPLICE_F_MOVE));
	STR(get_file("g"));
	off = 8;
	RES(splice(a[0], NULL, g, &off, 100, 0));
	NUM(off);
	RES(lseek(g, 0, SEEK_END));
	RES(splice(a[0], NULL, g, NULL, 4, SPLICE_F_NONBLOCK));
	RES(tee(a[0], b[1], 4, SPLICE_F_NONBLOCK));
	RES(vmsplice(a[1], iov, 2, 0));
	memset(buf, 0, sizeof(buf));
	RES(read(a[0], buf, 31));
	STR(buf);
	RES(write(a[1], "user", 4));
	memset(buf, 0, sizeof(buf));
	iov[0] = (struct iovec){buf, 31};
	RES(vmsplice(a[0], iov, 1, 0));
	STR(buf);

	RES(splice(f, NULL, g, NULL, 1, 0));
	RES(splice(a[0], NULL, a[1], NULL, 1, 0));
	RES(splice(a[0], &off, b[1], NULL, 1, 0));
	RES(splice(f, NULL, a[0], NULL, 1, 0));
	RES(splice(a[1], NULL, g, NULL, 1, 0));
	RES(splice(999, NULL, a[1], NULL, 1, 0));
	RES(splice(f, NULL, a[1], NULL, 1, 0x100));
	RES(splice(f, NULL, a[1], NULL, 0, 0));
	RES(tee(a[0], a[1], 1, 0));
	RES(tee(f, a[1], 1, 0));
	RES(vmsplice(f, iov, 1, 0));
	RES(lseek(f, 0, SEEK_END));
	RES(splice(f, NULL, a[1], NULL, 10, 0));
	close(a[1]);
	RES(splice(a[0], NULL, g, NULL, 4, 0));
	g = open("g", O_WRONLY | O_APPEND);
	RES(splice(a[0], NULL, g, NULL, 4, 0));
	return 0;
}
