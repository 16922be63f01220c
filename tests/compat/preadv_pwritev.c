/*
 * readv, writev, preadv, pwritev and their v2 forms: partial transfers, IOV_MAX, bad vectors, RWF
 * flags. readv(2).
 */
#include "compat.h"
#include <limits.h>
#include <sys/uio.h>

int main(void)
{
	static struct iovec many[IOV_MAX + 1];
	char a[4] = "", b[4] = "", c[16] = "";
	struct iovec w[3] = {{"one", 3}, {"", 0}, {"two!", 4}}, r[2] = {{a, 3}, {b, 3}};
	int fd, p[2];

	tmp_enter();
	fd = (int)OKAY(open("f", O_RDWR | O_CREAT, 0644));
	RES(writev(fd, w, 3));
	RES(preadv(fd, r, 2, 1));
	printf("%s|%s\n", a, b);
	RES(lseek(fd, 0, SEEK_CUR));
	RES(pwritev(fd, w, 1, 20));
	RES(preadv(fd, r, 2, 18));
	printf("%d %d %c\n", a[0], a[1], a[2]);
	RES(lseek(fd, 0, SEEK_SET));
	RES(readv(fd, r, 2));
	printf("%s|%s\n", a, b);
	RES(preadv2(fd, r, 2, -1, 0)); /* -1: at the offset, which moves */
	RES(lseek(fd, 0, SEEK_CUR));
	RES(preadv2(fd, r, 2, 0, 0x4000));
	RES(pwritev2(fd, w, 1, 0, RWF_APPEND));
	RES(lseek(fd, 0, SEEK_END));
	RES(pwritev2(fd, w, 1, 0, RWF_DSYNC));
	RES(preadv(fd, r, 2, -5));
	RES(readv(fd, r, -1));
	RES(readv(fd, r, 0));
	RES(readv(fd, bad_ptr(), 1));
	RES(readv(fd, many, IOV_MAX + 1));
	RES(readv(999, r, 1));
	r[1].iov_len = (size_t)-1;
	RES(readv(fd, r, 2));
	r[1] = (struct iovec){bad_ptr(), 3};
	RES(pread(fd, c, 6, 0));
	RES(preadv(fd, r, 2, 0)); /* what came before the fault counts */
	r[0] = (struct iovec){bad_ptr(), 3};
	RES(preadv(fd, r, 2, 0));
	for (int i = 0; i < IOV_MAX; i++)
		many[i] = (struct iovec){i & 1 ? "y" : "x", 1};
	RES(pipe(p));
	RES(writev(p[1], many, IOV_MAX));
	RES(read(p[0], c, 6));
	STR(c);
	RES(preadv(p[0], r, 1, 0));
	return 0;
}
