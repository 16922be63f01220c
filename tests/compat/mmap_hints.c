/*
 * Address hints, MAP_FIXED over everything kinds, ordering and non-overlap of many mappings, big
 * sparse reservations, mappings near the top and the bottom of the address space. mmap(2).
 */
#include "compat.h"

#define P 4096UL

int main(void)
{
	char *m, *h, *many[500];
	int overlap = 0, aligned = 0;
	unsigned long sum = 0;

	m = MAP(mmap(NULL, 16 * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	RES(munmap(m, 16 * P));
	h = mmap(m + 4 * P, 2 * P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	YES(h == m + 4 * P); /* a free hint is taken */
	YES(mmap(m + 4 * P, 2 * P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	    h); /* a used one is not */
	YES(mmap(m + 8 * P + 123, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	    m + 8 * P); /* rounded */
	for (int i = 0; i < 500; i++) {
		many[i] = mmap(NULL, (size_t)(1 + i % 7) * P, PROT_READ | PROT_WRITE,
		               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (many[i] == MAP_FAILED)
			die("mmap");
		aligned += ((uintptr_t)many[i] & (P - 1)) == 0;
		memset(many[i], i & 0xff, (size_t)(1 + i % 7) * P);
	}
	for (int i = 0; i < 500; i++)
		for (size_t k = 0; k < (size_t)(1 + i % 7); k++)
			overlap += many[i][k * P] != (char)(i & 0xff);
	printf("aligned %d overlap %d\n", aligned, overlap);
	for (int i = 0; i < 500; i += 2)
		munmap(many[i], (size_t)(1 + i % 7) * P);
	for (int i = 1; i < 500; i += 2)
		sum += (unsigned char)many[i][0];
	NUM(sum);

	/* 64 GiB reserved, a few pages used. */
	m = MAP(mmap(NULL, 1UL << 36, PROT_READ | PROT_WRITE,
	             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	for (unsigned long i = 0; i < 64; i++)
		m[i << 30] = (char)i;
	sum = 0;
	for (unsigned long i = 0; i < 64; i++)
		sum += (unsigned long)m[i << 30] + (unsigned long)m[(i << 30) + P];
	NUM(sum);
	RES(madvise(m, 1UL << 36, MADV_DONTNEED));
	NUM(m[5UL << 30]);
	RES(munmap(m, 1UL << 36));
	/* Fixed at an unused low address above mmap_min_addr, and a kernel address. */
	YES(mmap((void *)0x10000000UL, P, PROT_READ,
	         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == (void *)0x10000000UL);
	MAP(mmap((void *)0xffff800000000000UL, P, PROT_READ,
	         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	MAP(mmap((void *)0x800000000000UL, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
	         -1, 0));
	h = MAP(mmap((void *)0xffff800000000000UL, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
	             0)); /* only a hint */
	YES((uintptr_t)h < 1UL << 47);
	RES(munmap((void *)0xffff800000000000UL, P));
	RES(munmap((void *)0x7ffffffff000UL, 2 * P));
	struct rlimit rl;
	getrlimit(RLIMIT_AS, &rl);
	rl.rlim_cur = 1UL << 30;
	IN_CHILD("RLIMIT_AS", RES(setrlimit(RLIMIT_AS, &rl));
	         MAP(mmap(NULL, 2UL << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	         MAP(mmap(NULL, 1UL << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
	return 0;
}
