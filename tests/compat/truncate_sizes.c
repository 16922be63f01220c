/*
 * truncate(2), ftruncate(2): growing leaves zeroes, shrinking loses data, errors; the offset does
 * not move.
 */
#include "compat.h"

int main(void)
{
	char buf[8192];
	struct stat st;
	int fd, p[2], bad = 0;

	tmp_enter();
	fd = (int)OKAY(open("f", O_RDWR | O_CREAT, 0644));
	memset(buf, 'x', sizeof(buf));
	RES(write(fd, buf, 6000));
	RES(ftruncate(fd, 100));
	RES(lseek(fd, 0, SEEK_CUR));
	RES(ftruncate(fd, 7000));
	RES(pread(fd, buf, sizeof(buf), 0));
	for (int i = 0; i < 7000; i++)
		bad += buf[i] != (i < 100 ? 'x' : 0);
	NUM(bad);
	RES(read(fd, buf, sizeof(buf)));
	RES(truncate("f", 1LL << 32));
	RES(fstat(fd, &st));
	NUM(st.st_size);
	YES(st.st_blocks * 512 < 1 << 20);
	RES(ftruncate(fd, -1));
	RES(truncate("f", -1));
	RES(truncate("none", 0));
	RES(truncate(".", 0));
	RES(truncate("f/x", 0));
	RES(ftruncate(999, 0));
	RES(pipe(p));
	RES(ftruncate(p[1], 0));
	int d = open(".", O_RDONLY);
	RES(ftruncate(d, 0));
	RES(truncate(bad_ptr(), 0));
	RES(ftruncate(fd, 0));
	RES(fstat(fd, &st));
	printf("size %ld blocks %ld\n", (long)st.st_size, (long)st.st_blocks);

	/* A mapping sees the growth, and zeroes past the cut when the file grows again. */
	RES(ftruncate(fd, 8192));
	char *m = MAP(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	memset(m, 'y', 8192);
	RES(ftruncate(fd, 10));
	RES(ftruncate(fd, 8192));
	YES(m[9] == 'y');
	YES(m[10] == 0);
	YES(m[4096] == 0);
	return 0;
}
