/*
 * mincore(2), mlock(2), munlock, mlock2, mlockall and RLIMIT_MEMLOCK; VmLck in /proc/self/status.
 */
#include "compat.h"

#define P 4096

static long vmlck(void)
{
	const char *s = strstr(get_file("/proc/self/status"), "VmLck:");

	return s ? atol(s + 6) : -1;
}

int main(void)
{
	unsigned char v[8];
	struct rlimit rl;
	char *m;

	m = MAP(mmap(NULL, 8 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	memset(v, 7, sizeof(v));
	RES(mincore(m, 8 * P, v));
	printf("%d %d\n", v[0] & 1, v[7] & 1);
	m[0] = 1;
	m[3 * P] = 1;
	RES(mincore(m, 8 * P, v));
	printf("%d %d\n", v[0] & 1, v[3] & 1);
	RES(mincore(m + 1, P, v));
	RES(mincore(m, P, bad_ptr()));
	RES(munmap(m + 5 * P, P));
	RES(mincore(m, 8 * P, v));
	RES(mincore(m, 0, v));
	RES(mincore((void *)0xffff800000000000UL, P, v));

	RES(mlock(m, 2 * P));
	NUM(vmlck());
	RES(mincore(m, 2 * P, v));
	printf("%d %d\n", v[0] & 1, v[1] & 1);
	RES(mlock(m + P + 5, 10)); /* rounded to a page */
	NUM(vmlck());
	IN_CHILD("not inherited", NUM(vmlck()));
	RES(munlock(m, P));
	NUM(vmlck());
	RES(munlock(m, 2 * P));
	NUM(vmlck());
	RES(mlock(m, 8 * P)); /* the hole */
	RES(munlock(m, 5 * P));
	RES(mlock2(m, P, MLOCK_ONFAULT));
	RES(mlock2(m, P, 8));
	RES(munlockall());
	NUM(vmlck());
	RES(mlockall(0));
	RES(mlockall(0x80));
	IN_CHILD(
	    "limit", become_nobody(); getrlimit(RLIMIT_MEMLOCK, &rl); rl.rlim_cur = 2 * P;
	    RES(setrlimit(RLIMIT_MEMLOCK, &rl)); RES(mlock(m, 2 * P)); RES(mlock(m + 2 * P, P));
	    MAP(mmap(NULL, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0));
	    RES(munlock(m, P)); RES(mlock(m + 2 * P, P)); rl.rlim_cur = 0;
	    RES(setrlimit(RLIMIT_MEMLOCK, &rl)); RES(mlock(m + 3 * P, P)); RES(munlock(m, 3 * P)));
	return 0;
}
