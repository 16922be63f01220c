/*
 * brk(2): growing, shrinking, fresh zeroes, RLIMIT_DATA, [heap] in /proc/self/maps.
 */
#include "compat.h"

static unsigned long kbrk(unsigned long to)
{
	return (unsigned long)syscall(SYS_brk, to);
}

int main(void)
{
	unsigned long start = kbrk(0), b;
	char *p;
	struct rlimit rl = {1 << 20, RLIM_INFINITY};

	YES(start != 0);
	YES(kbrk(1) == start); /* a failing brk returns the present break */
	b = (start + 0xfff) & ~0xfffUL;
	YES(kbrk(b + 0x10000) == b + 0x10000);
	p = (char *)b;
	memset(p, 'h', 0x10000);
	YES(kbrk(b + 0x1000) == b + 0x1000);
	YES(kbrk(b + 0x10000) == b + 0x10000);
	YES(p[0xfff] == 'h');
	NUM(p[0x1000]);
	NUM(p[0xffff]);
	YES(kbrk(b + 0x10001) == b + 0x10001); /* not rounded */
	YES(kbrk(b + 5) == b + 5);
	YES((unsigned long)sbrk(0) != 0);
	YES(strstr(get_file("/proc/self/maps"), "[heap]") != NULL);
	YES(kbrk(~0UL) == b + 5);
	YES(kbrk(b + (1UL << 46)) == b + 5);
	IN_CHILD("child", YES(kbrk(0) == b + 5); YES(kbrk(b + 0x5000) == b + 0x5000));
	YES(kbrk(0) == b + 5);
	IN_CHILD("limit", setrlimit(RLIMIT_DATA, &rl); YES(kbrk(b + (64 << 20)) == b + 5));
	return 0;
}
