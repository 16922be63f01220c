/*
 * mremap(2): growing in place, moving, shrinking, FIXED, DONTUNMAP and the errors.
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
	char *m, *n, *t;
	int bad = 0;

	/* A region of our own, so that what lies behind the mapping is known. */
	m = MAP(mmap(NULL, 64 * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	YES(munmap(m, 64 * P) == 0 && mmap(m, 8 * P, PROT_READ | PROT_WRITE,
	                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == m);
	for (int i = 0; i < 8; i++)
		m[i * P] = (char)('a' + i);
	YES(mremap(m, 8 * P, 4 * P, 0) == m);
	YES(!mapped(m + 4 * P));
	YES(mapped(m + 3 * P));
	YES(mremap(m, 4 * P, 8 * P, 0) == m);
	NUM(m[7 * P]);
	YES(m[3 * P] == 'd');
	/* Blocked by a neighbour, growth needs MAYMOVE. */
	YES(mmap(m + 8 * P, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	    m + 8 * P);
	MAP(mremap(m, 8 * P, 16 * P, 0));
	n = MAP(mremap(m, 8 * P, 600 * P, MREMAP_MAYMOVE));
	YES(n != m && !mapped(m));
	for (int i = 0; i < 4; i++)
		bad += n[i * P] != 'a' + i;
	NUM(bad);
	NUM(n[599 * P]);

	t = MAP(mmap(NULL, 20 * P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	YES(mremap(n, 8 * P, 8 * P, MREMAP_MAYMOVE | MREMAP_FIXED, t + 4 * P) == t + 4 * P);
	YES(t[4 * P] == 'a' && t[5 * P] == 'b');
	t[4 * P] = 'w'; /* the moved mapping keeps its protection */
	YES(!mapped(n) && mapped(n + 8 * P));

	n = MAP(mremap(t + 4 * P, 8 * P, 8 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL));
	YES(mapped(t + 4 * P) && t[4 * P] == 0);
	YES(n[0] == 'w');

	MAP(mremap(n + 1, P, 2 * P, MREMAP_MAYMOVE));
	MAP(mremap(n, P, 0, MREMAP_MAYMOVE));
	MAP(mremap(n, P, P, 0x100));
	MAP(mremap(n, P, P, MREMAP_FIXED, t));
	MAP(mremap(n, 2 * P, P, MREMAP_MAYMOVE | MREMAP_FIXED, n + 1));
	MAP(mremap(n, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, n + P));
	MAP(mremap(bad_ptr(), P, 2 * P, MREMAP_MAYMOVE));
	MAP(mremap((char *)bad_ptr() - 16 + P, P, 2 * P, MREMAP_MAYMOVE));
	MAP(mremap(n, P, 2 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL));
	/* old size 0 of a shared mapping makes a second mapping of it; of a private one it is an
	 * error */
	MAP(mremap(n, 0, P, MREMAP_MAYMOVE));
	m = MAP(mmap(NULL, 2 * P, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	m[5] = 's';
	n = MAP(mremap(m, 0, 2 * P, MREMAP_MAYMOVE));
	YES(n != m && n[5] == 's');
	n[6] = 't';
	YES(m[6] == 't');
	return 0;
}
