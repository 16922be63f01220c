/*
 * Offsets beyond 2 and 4 GiB and up to a terabyte: seeks, sparse writes, reads across holes,
 * truncation, O_LARGEFILE.
 */
#include "compat.h"

int main(void)
{
	off_t at[] = {0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x1000000000, 0x10000000000};
	char buf[8] = "";
	struct stat st;
	int fd;

	tmp_enter();
	fd = open("f", O_RDWR | O_CREAT, 0600);
	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
		RES(pwrite(fd, "mark", 4, at[i]));
		RES(lseek(fd, 0, SEEK_END));
	}
	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
		memset(buf, 0, sizeof(buf));
		RES(pread(fd, buf, 4, at[i]));
		STR(buf);
	}
	RES(fstat(fd, &st));
	YES(st.st_blocks * 512 < 1 << 20);
	RES(lseek(fd, 0x100000000 - 2, SEEK_SET));
	RES(read(fd, buf, 8));
	printf("%d %d %c %c\n", buf[0], buf[1], buf[2], buf[5]);
	RES(lseek(fd, 0, SEEK_CUR));
	RES(ftruncate(fd, 0x80000001));
	RES(pread(fd, buf, 8, 0x80000000));
	RES(lseek(fd, 0, SEEK_END));
	char *m = MAP(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0x80000000));
	printf("%c\n", m[0]);
	RES(munmap(m, 4096));
	return 0;
}
