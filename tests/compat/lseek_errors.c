/*
 * lseek(2): whence values, overflow, pipes and directories; sharing of the offset by dup and fork,
 * not by open.
 */
#include "compat.h"
#include <limits.h>

/* Sums that no offset can hold. */
static void far_seeks(const char *path)
{
	int fd = (int)OKAY(open(path, O_RDONLY));

	RES(lseek(fd, 1000000, SEEK_SET));
	RES(lseek(fd, LONG_MAX - 100, SEEK_CUR) == -1);
	RES(lseek(fd, LONG_MIN, SEEK_CUR) == -1);
	close(fd);
}

int main(void)
{
	int fd, d, o, p[2];
	char c;

	tmp_enter();
	put_file("f", "0123456789");
	fd = (int)OKAY(open("f", O_RDWR));
	RES(lseek(fd, 4, SEEK_SET));
	RES(lseek(fd, 2, SEEK_CUR));
	RES(lseek(fd, -3, SEEK_END));
	RES(lseek(fd, -1, SEEK_SET));
	RES(lseek(fd, -100, SEEK_CUR));
	RES(lseek(fd, -100, SEEK_END));
	RES(lseek(fd, 0, 99));
	RES(lseek(fd, 0, -1));
	RES(lseek(fd, 0, SEEK_CUR));
	RES(lseek(fd, LONG_MAX, SEEK_CUR));
	RES(lseek(fd, 100, SEEK_SET));
	RES(read(fd, &c, 1));
	RES(lseek(999, 0, SEEK_SET));
	RES(pipe(p));
	RES(lseek(p[0], 0, SEEK_SET));
	RES(lseek(p[0], 0, 99));

	d = (int)OKAY(dup(fd));
	o = (int)OKAY(open("f", O_RDONLY));
	RES(lseek(fd, 3, SEEK_SET));
	RES(lseek(d, 0, SEEK_CUR));
	RES(lseek(o, 0, SEEK_CUR));
	IN_CHILD("child", if (read(fd, &c, 1) == 1) printf("child read %c\n", c));
	RES(lseek(fd, 0, SEEK_CUR));
	RES(lseek(fd, 5, SEEK_END));
	RES(write(fd, "Z", 1));
	RES(lseek(fd, 0, SEEK_END));
	RES(pread(fd, &c, 1, 12));
	NUM(c);
	RES(pread(fd, &c, 1, -1));
	RES(pwrite(fd, &c, 1, -1));
	RES(pread(p[0], &c, 1, 0));
	RES(lseek(open("/dev/null", O_RDONLY), 5, SEEK_SET));
	far_seeks("/proc/self/status");
	far_seeks("/proc/self");
	far_seeks("/proc/self/mem");
	far_seeks("/tmp");
	return 0;
}
