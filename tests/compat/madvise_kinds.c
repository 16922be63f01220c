/*
 * madvise(2): DONTNEED on anonymous, shared and file memory, FREE, WIPEONFORK, DONTFORK, POPULATE,
 * errors.
 */
#include "compat.h"

#define P 4096

static bool mapped(void *p)
{
	unsigned char v;

	return mincore(p, P, &v) == 0;
}

int main(void)
{
	char *a, *s, *f, *w, *d;
	int fd;

	a = MAP(mmap(NULL, 4 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	s = MAP(mmap(NULL, 4 * P, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	memset(a, 'a', 4 * P);
	memset(s, 's', 4 * P);
	RES(madvise(a + P, 2 * P, MADV_DONTNEED));
	printf("%d %d %d %d\n", a[0], a[P], a[2 * P], a[3 * P]);
	RES(madvise(s, 4 * P, MADV_DONTNEED));
	printf("%d\n", s[0]);
	RES(madvise(s + P, P, MADV_REMOVE));
	printf("%d %d\n", s[0], s[P]);
	tmp_enter();
	fd = open("f", O_RDWR | O_CREAT, 0600);
	RES(ftruncate(fd, 2 * P));
	RES(pwrite(fd, "file", 4, 0));
	f = MAP(mmap(NULL, 2 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	memcpy(f, "PRIV", 4);
	RES(madvise(f, P, MADV_DONTNEED));
	printf("%.4s\n", f);
	RES(madvise(a, P, MADV_FREE));
	a[0] = 'z';
	printf("%c\n", a[0]);
	RES(madvise(s, P, MADV_FREE));

	w = MAP(mmap(NULL, 2 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	d = MAP(mmap(NULL, 2 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	memset(w, 'w', 2 * P);
	memset(d, 'd', 2 * P);
	RES(madvise(w, P, MADV_WIPEONFORK));
	RES(madvise(d, P, MADV_DONTFORK));
	IN_CHILD("child", printf("%d %d mapped %d %d\n", w[0], w[P], mapped(d), mapped(d + P)));
	printf("%d %d\n", w[0], d[0]);
	RES(madvise(w, P, MADV_KEEPONFORK));
	RES(madvise(d, P, MADV_DOFORK));
	IN_CHILD("child", printf("%d mapped %d\n", w[0], mapped(d)));
	RES(madvise(s, P, MADV_WIPEONFORK));

	RES(madvise(a, P, MADV_WILLNEED));
	RES(madvise(a, P, MADV_SEQUENTIAL));
	RES(madvise(a, P, MADV_RANDOM));
	RES(madvise(a, P, MADV_NORMAL));
	RES(madvise(a, P, MADV_DONTDUMP));
	RES(madvise(a, P, MADV_DODUMP));
	RES(madvise(a, 4 * P, MADV_POPULATE_WRITE));
	RES(madvise(a, P, 999));
	RES(madvise(a + 1, P, MADV_DONTNEED));
	RES(madvise(a, 0, MADV_DONTNEED));
	RES(madvise(a, (size_t)-P, MADV_DONTNEED));
	RES(munmap(a + P, P));
	RES(madvise(a, 4 * P, MADV_DONTNEED)); /* a hole: the rest is still done */
	printf("%d %d\n", a[0], a[3 * P]);
	return 0;
}
