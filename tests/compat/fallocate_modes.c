/*
 * fallocate(2): plain allocation, KEEP_SIZE, PUNCH_HOLE and the errors.
 */
#include "compat.h"

int main(void)
{
	static char buf[65536];
	struct stat st;
	int fd, r, p[2], bad = 0;

	tmp_enter();
	fd = (int)OKAY(open("f", O_RDWR | O_CREAT, 0644));
	RES(fallocate(fd, 0, 0, 65536));
	RES(fstat(fd, &st));
	printf("size %ld\n", (long)st.st_size);
	YES(st.st_blocks >= 128);
	RES(pread(fd, buf, 10, 65530));
	RES(fallocate(fd, FALLOC_FL_KEEP_SIZE, 65536, 65536));
	RES(fstat(fd, &st));
	printf("size %ld\n", (long)st.st_size);
	memset(buf, 'p', sizeof(buf));
	RES(pwrite(fd, buf, 65536, 0));
	RES(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096));
	RES(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192));
	RES(pread(fd, buf, 65536, 0));
	for (int i = 0; i < 65536; i++)
		bad += buf[i] != (i >= 4096 && i < 12288 ? 0 : 'p');
	NUM(bad);
	RES(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 50));
	RES(pread(fd, buf, 200, 0));
	printf("%d %d %d %d\n", buf[99], buf[100], buf[149], buf[150]);
	RES(fstat(fd, &st));
	NUM(st.st_size);
	RES(fallocate(fd, 0, 0, 0));
	RES(fallocate(fd, 0, -1, 10));
	RES(fallocate(fd, 0, 10, -1));
	RES(fallocate(fd, 1 << 30, 0, 10));
	RES(fallocate(999, 0, 0, 10));
	r = open("f", O_RDONLY);
	RES(fallocate(r, 0, 0, 10));
	RES(pipe(p));
	RES(fallocate(p[1], 0, 0, 10));
	r = open(".", O_RDONLY);
	RES(fallocate(r, 0, 0, 10));
	ERR(posix_fallocate(fd, 100000, 100));
	RES(fstat(fd, &st));
	NUM(st.st_size);
	ERR(posix_fallocate(fd, 0, 0));
	ERR(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
	ERR(posix_fadvise(fd, 0, 0, 99));
	ERR(posix_fadvise(p[0], 0, 0, POSIX_FADV_NORMAL));
	RES(readahead(fd, 0, 4096));
	RES(readahead(999, 0, 4096));
	return 0;
}
