/*
 * mmap(2): anonymous and file mappings, private and shared, fixed ones, NOREPLACE, the errors of
 * every argument.
 */
#include "compat.h"

#define P 4096

int main(void)
{
	char *m, *n, buf[8] = "";
	int fd, ro, wo, p[2];

	tmp_enter();
	put_file("f", "");
	fd = open("f", O_RDWR);
	ro = open("f", O_RDONLY);
	wo = open("f", O_WRONLY);
	RES(ftruncate(fd, 3 * P));
	RES(pwrite(fd, "file", 4, P));

	MAP(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	MAP(mmap(NULL, P, PROT_READ, MAP_ANONYMOUS, -1, 0));
	MAP(mmap(NULL, P, PROT_READ, MAP_PRIVATE, -1, 0));
	MAP(mmap(NULL, P, PROT_READ, MAP_PRIVATE, fd, 1));
	MAP(mmap((void *)(P + 1), P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	MAP(mmap(NULL, -P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	MAP(mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0));
	MAP(mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0));
	MAP(mmap(NULL, P, PROT_WRITE, MAP_SHARED, wo, 0));
	MAP(mmap(NULL, P, PROT_READ, MAP_PRIVATE, wo, 0));
	MAP(mmap(NULL, P, PROT_READ, MAP_SHARED_VALIDATE, fd, 0));
	MAP(mmap(NULL, P, PROT_READ, MAP_SHARED_VALIDATE | (1 << 24), fd, 0));
	MAP(mmap(NULL, P, PROT_READ, MAP_PRIVATE, fd, 0x7ffffffffffff000));
	RES(pipe(p));
	MAP(mmap(NULL, P, PROT_READ, MAP_PRIVATE, p[0], 0));
	MAP(mmap(NULL, P, PROT_READ, MAP_PRIVATE, open(".", O_RDONLY), 0));
	MAP(mmap((void *)0x7ffffffff000, 2 * P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
	         -1, 0));

	/* Shared writes reach the file, private ones do not; an offset starts there. */
	m = MAP(mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_SHARED, fd, P));
	STR(m);
	memcpy(m, "SHAR", 4);
	RES(pread(fd, buf, 4, P));
	STR(buf);
	n = MAP(mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, P));
	memcpy(n, "priv", 4);
	RES(pread(fd, buf, 4, P));
	STR(buf);
	STR(m);
	RES(pwrite(fd, "desc", 4, P));
	STR(m);
	STR(n);
	close(fd); /* the mapping stays */
	memcpy(m, "clos", 4);
	RES(pread(ro, buf, 4, P));
	STR(buf);

	/* Fixed over part of an older mapping; NOREPLACE refuses. */
	m = MAP(mmap(NULL, 4 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	memset(m, 'm', 4 * P);
	YES(mmap(m + P, P, PROT_READ, MAP_PRIVATE | MAP_FIXED, ro, P) == m + P);
	printf("%c %.4s %c\n", m[0], m + P, m[2 * P]);
	MAP(mmap(m, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	RES(munmap(m + 2 * P, P));
	YES(mmap(m + 2 * P, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
	         0) == m + 2 * P);
	MAP(mmap(NULL, P, PROT_READ,
	         MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_NORESERVE | MAP_STACK, -1, 0));
	MAP(mmap(NULL, 1UL << 38, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	m = MAP(mmap(NULL, 5, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
	YES((uintptr_t)m < 1UL << 32);
	return 0;
}
