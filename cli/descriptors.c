/*
 * A caller may have had files open when it started moat, without the mark that closes them on
 * exec: a shell's redirections, a service manager's sockets. The launcher leaves them as they are,
 * as any program would, but they have been granted to nobody else.
 *
 * Host calls: close_range, of the launcher's children.
 */
#include "cli/descriptors.h"
#include <stdlib.h>
#include <unistd.h>

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

void descriptors_close_but(int *keep, unsigned n)
{
	unsigned from = 0;

	qsort(keep, n, sizeof(*keep), by_number);
	for (unsigned i = 0; i < n; i++) {
		if (keep[i] < 0)
			continue;
		if ((unsigned)keep[i] > from)
			close_range(from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	close_range(from, ~0U, 0);
}
