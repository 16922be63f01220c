/*
 * Sparse files: SEEK_HOLE, SEEK_DATA, st_blocks. lseek(2). Extents are 1 MiB so that the file
 * system's block size does not matter.
 */
#include "compat.h"

#define M (1L << 20)

int main(void)
{
	static char block[1 << 20], back[1 << 20];
	struct stat st;
	int fd, zero = 0;

	tmp_enter();
	fd = (int)OKAY(open("f", O_RDWR | O_CREAT, 0644));
	RES(lseek(fd, 0, SEEK_DATA));
	RES(lseek(fd, 0, SEEK_HOLE));
	memset(block, 'd', sizeof(block));
	RES(pwrite(fd, block, M, 2 * M));
	RES(pwrite(fd, block, M, 5 * M));
	RES(ftruncate(fd, 8 * M));
	RES(fstat(fd, &st));
	YES(st.st_blocks * 512L >= 2 * M && st.st_blocks * 512L < 4 * M);
	RES(lseek(fd, 0, SEEK_DATA));
	RES(lseek(fd, 0, SEEK_HOLE));
	RES(lseek(fd, 2 * M, SEEK_HOLE));
	RES(lseek(fd, 2 * M + 5, SEEK_DATA));
	RES(lseek(fd, 3 * M, SEEK_DATA));
	RES(lseek(fd, 5 * M, SEEK_HOLE));
	RES(lseek(fd, 6 * M, SEEK_DATA));
	RES(lseek(fd, 7 * M, SEEK_HOLE));
	RES(lseek(fd, 8 * M, SEEK_HOLE));
	RES(lseek(fd, 8 * M, SEEK_DATA));
	RES(lseek(fd, 9 * M, SEEK_HOLE));
	RES(lseek(fd, -1, SEEK_DATA));
	RES(pread(fd, back, M, 3 * M + 17));
	for (long i = 0; i < M; i++)
		zero += back[i] == 0;
	NUM(zero);
	RES(pread(fd, back, M, 8 * M - 10));
	return 0;
}
