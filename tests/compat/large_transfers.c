/*
 * Reads and writes of many pages at once: from and into buffers that end at an unmapped page, over
 * holes, over what was there before, and what a file shows that takes the place of another's pages.
 */
#include "compat.h"

#define P    4096
#define SIZE (64 * P)
#define FITS 40000 /* of the buffer: nine pages and a part of the tenth */

static char was[SIZE], now[SIZE];

/* How many of the n bytes at p are c. */
static long count(const char *p, size_t n, char c)
{
	long k = 0;

	for (size_t i = 0; i < n; i++)
		k += p[i] == c;
	return k;
}

static void dirty_pages(void)
{
	int fd = open("old", O_RDWR | O_CREAT | O_TRUNC, 0600);

	memset(was, 'o', SIZE);
	YES(write(fd, was, SIZE) == SIZE);
	close(fd);
	unlink("old");
}

int main(void)
{
	char *m = mmap(NULL, SIZE + P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *edge = m + SIZE, *buf = edge - FITS;
	int fd;

	munmap(edge, P);
	tmp_enter();
	memset(m, 'n', SIZE);

	/* A new file, of pages that were another's. */
	dirty_pages();
	fd = open("f", O_RDWR | O_CREAT, 0600);
	RES(pwrite(fd, buf, 100000, 0));
	RES(lseek(fd, 0, SEEK_END));
	RES(ftruncate(fd, SIZE));
	RES(pread(fd, now, SIZE, 0));
	NUM(count(now, FITS, 'n'));
	NUM(count(now + FITS, SIZE - FITS, 0));

	/* Over old contents, at an odd place. */
	memset(was, 'w', SIZE);
	RES(pwrite(fd, was, SIZE, 0));
	RES(pwrite(fd, buf, 100000, 123));
	RES(pread(fd, now, SIZE, 0));
	NUM(count(now, 123, 'w'));
	NUM(count(now, SIZE, 'n') == FITS);
	NUM(count(now + 123 + FITS, SIZE - 123 - FITS, 'w'));

	/* Into a buffer that ends too early. */
	RES(pread(fd, buf, 100000, 123 + 1));
	NUM(count(buf, FITS, 'n'));
	NUM(count(buf, FITS, 'w'));

	/* Every other page a hole. */
	RES(ftruncate(fd, 0));
	for (int i = 0; i < 64; i += 2)
		if (pwrite(fd, was, P, (off_t)i * P) != P)
			puts("short");
	RES(ftruncate(fd, SIZE));
	memset(now, 'x', SIZE);
	RES(pread(fd, now, SIZE, 0));
	NUM(count(now, SIZE, 'w'));
	NUM(count(now, SIZE, 0));
	/* Filled by one write, from the middle of a page to the middle of another. */
	memset(m, 'f', SIZE);
	RES(pwrite(fd, m, SIZE - 3 * P, P + 100));
	RES(pread(fd, now, SIZE, 0));
	NUM(count(now, SIZE, 'f'));
	NUM(count(now, SIZE, 'w'));
	NUM(count(now + SIZE - 2 * P + 100, P - 100, 0));
	close(fd);
	return 0;
}
