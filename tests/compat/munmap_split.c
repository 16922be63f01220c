/*
 * munmap(2) and mprotect(2) in the middle of a mapping split it; /proc/self/maps shows the pieces.
 */
#include "compat.h"

#define P 4096

static char *base;
static size_t len;

/* The part of /proc/self/maps that lies in our range, as page offsets. */
static void show(const char *what)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], perm[8];
	unsigned long a, b;

	printf("%s:", what);
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %7s", &a, &b, perm) != 3)
			continue;
		if (a < (uintptr_t)base)
			a = (uintptr_t)base;
		if (b > (uintptr_t)base + len)
			b = (uintptr_t)base + len;
		if (a < b)
			printf(" [%lu-%lu %s]", (a - (uintptr_t)base) / P,
			       (b - (uintptr_t)base) / P, perm);
	}
	printf("\n");
	if (f)
		fclose(f);
}

int main(void)
{
	len = 10 * P;
	/* PROT_NONE borders keep neighbours from being merged in. */
	base =
	    (char *)MAP(mmap(NULL, len + 2 * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) + P;
	RES(mprotect(base, len, PROT_READ | PROT_WRITE));
	memset(base, 1, len);
	show("whole");
	RES(munmap(base + 3 * P, P));
	show("hole");
	RES(mprotect(base + 5 * P, 2 * P, PROT_READ));
	show("read-only middle");
	RES(mprotect(base + 5 * P, 2 * P, PROT_READ | PROT_WRITE));
	show("merged again");
	RES(mprotect(base + 2 * P, 3 * P,
	             PROT_READ)); /* over the hole: the part before it is changed */
	show("over the hole");
	RES(munmap(base + 2 * P, 3 * P));
	show("bigger hole");
	RES(munmap(base + 2 * P, P)); /* nothing there: fine */
	RES(munmap(base + 1, P));
	RES(munmap(base, 0));
	RES(munmap(base, (size_t)-P));
	RES(mprotect(base + 1, P, PROT_READ));
	RES(mprotect(base, 0, PROT_READ));
	RES(mprotect(base, P, 0x100));
	RES(mprotect(base, P, PROT_READ | PROT_WRITE | PROT_EXEC));
	show("rwx");
	RES(mprotect(base, len, PROT_NONE));
	RES(munmap(base, 1)); /* rounds up to a page */
	show("first gone");
	RES(munmap(base, len));
	show("all gone");
	return 0;
}
