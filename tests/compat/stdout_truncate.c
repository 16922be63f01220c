/* ftruncate of standard output, which the runner has made a regular file of the host: it has no
 * name inside. */
#include "compat.h"
#include <limits.h>

int main(void)
{
	struct stat st;
	off_t end;

	puts("before");
	fflush(stdout);
	end = lseek(1, 0, SEEK_END);
	compat_okay("fstat", fstat(1, &st), errno);
	compat_okay("ftruncate to where it ends", ftruncate(1, end), errno);
	compat_okay("ftruncate, negative", ftruncate(1, -1), errno);
	compat_okay("ftruncate beyond all", ftruncate(1, LLONG_MAX), errno);
	return 0;
}
