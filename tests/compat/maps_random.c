/*
 * A long random run of mmap, munmap, mprotect, mremap and madvise in one region, the same each
 * time. After every few steps: each page's rights as /proc/self/maps has them, and what it holds.
 */
#include "compat.h"
#include <setjmp.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define P     4096
#define PAGES 96

static char *base;
static unsigned long state = 12345;
static int file;
static sigjmp_buf bus;

/* A page behind the end of what it maps: grown by mremap, or of a shorter file. */
static void on_bus(int sig)
{
	(void)sig;
	siglongjmp(bus, 1);
}

static unsigned char peek(int page, int at)
{
	return sigsetjmp(bus, 1) ? 0xbb : *(volatile unsigned char *)(base + page * P + at);
}

static void poke(int page, int at, int value)
{
	if (!sigsetjmp(bus, 1))
		*(volatile char *)(base + page * P + at) = (char)value;
}

static unsigned rnd(unsigned n)
{
	state = state * 6364136223846793005UL + 1442695040888963407UL;
	return (unsigned)(state >> 33) % n;
}

/* A letter for a page's rights: '.' not mapped, '-' none, r, w (and r), x (and r), upper: shared.
 */
static void read_rights(char *out)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], perm[8];
	unsigned long a, b;

	memset(out, '.', PAGES);
	out[PAGES] = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %7s", &a, &b, perm) != 3)
			continue;
		for (unsigned long at = a; at < b; at += P) {
			unsigned long i = (at - (uintptr_t)base) / P;
			char c = perm[1] == 'w' ? 'w' : perm[2] == 'x' ? 'x' : perm[0];
			if (at >= (uintptr_t)base && i < PAGES)
				out[i] = perm[3] == 's' && c != '-' ? (char)(c - 32) : c;
		}
	}
	if (f)
		fclose(f);
}

static void show(int step)
{
	char rights[PAGES + 1];
	unsigned long sum = 0;

	read_rights(rights);
	for (int i = 0; i < PAGES; i++)
		if (!strchr(".-", rights[i]))
			sum = sum * 31 + peek(i, 0) + 7u * peek(i, P - 1);
	printf("%4d %s %lx\n", step, rights, sum);
}

/* Marks the writable pages of a range, so that contents can be told apart. */
static void mark(int from, int n, int step)
{
	char rights[PAGES + 1];

	read_rights(rights);
	for (int i = from; i < from + n && i < PAGES; i++)
		if (rights[i] == 'w' || rights[i] == 'W') {
			poke(i, 0, step);
			poke(i, P - 1, i + step);
		}
}

static void step_once(int step)
{
	static const int prots[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
	                            PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC};
	int from = (int)rnd(PAGES), n = 1 + (int)rnd(12), to = (int)rnd(PAGES - 24);
	int prot = prots[rnd(5)], what = (int)rnd(14), more = (int)rnd(12);
	int flags = MAP_FIXED | (rnd(3) ? MAP_PRIVATE : MAP_SHARED);
	char *at = base + from * P;
	long r = 0;

	if (from + n > PAGES)
		n = PAGES - from;
	errno = 0;
	switch (what) {
	case 0:
	case 1:
	case 2:
		r = mmap(at, (size_t)n * P, prot, flags | MAP_ANONYMOUS, -1, 0) == at;
		break;
	case 3:
		r = mmap(at, (size_t)n * P, prot, flags, file, (off_t)rnd(20) * P) == at;
		break;
	case 4:
	case 5:
		r = munmap(at, (size_t)n * P);
		break;
	case 6:
	case 7:
		r = mprotect(at, (size_t)n * P, prot);
		break;
	case 8:
		r = madvise(at, (size_t)n * P, MADV_DONTNEED);
		break;
	case 9: {
		char *got = mremap(at, (size_t)n * P, (size_t)(1 + more) * P,
		                   MREMAP_MAYMOVE | MREMAP_FIXED, base + to * P);
		r = got == MAP_FAILED ? -1 : got - base;
		break;
	}
	case 10: {
		/* In place or not at all. */
		char *got = mremap(at, (size_t)n * P, (size_t)(n + more) * P, 0);
		if (got != MAP_FAILED && from + n + more > PAGES)
			munmap(base + PAGES * P, (size_t)(from + n + more - PAGES) * P);
		r = got == MAP_FAILED ? -1 : got - base;
		break;
	}
	case 12: {
		/* Shorter, in place. */
		char *got = mremap(at, (size_t)(n + more) * P, (size_t)n * P, 0);
		r = got == MAP_FAILED ? -1 : got - base;
		break;
	}
	case 13: {
		/* What is left behind is empty. */
		char *got = mremap(at, (size_t)n * P, (size_t)n * P,
		                   MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, base + to * P);
		r = got == MAP_FAILED ? -1 : got - base;
		break;
	}
	case 11:
		mark(from, n, step);
		break;
	}
	printf("%4d: %d %d+%d -> %ld %s\n", step, what, from, n, r, err_name(errno));
}

int main(void)
{
	char page[P];

	signal(SIGBUS, on_bus);
	file = memfd_create("f", 0);
	for (int i = 0; i < 64; i++) {
		memset(page, 'a' + i % 26, P);
		if (write(file, page, P) != P)
			die("write");
	}
	/* Room around it, so that nothing in the region has a neighbour outside. */
	base = (char *)MAP(
	           mmap(NULL, (PAGES + 64) * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) +
	       32 * P;
	munmap(base - 16 * P, (PAGES + 32) * P);
	for (int step = 0; step < 1500; step++) {
		step_once(step);
		if (step % 10 == 9)
			show(step);
	}
	return 0;
}
