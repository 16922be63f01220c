/* Copying in bounded pieces: see copy_range.h. */
#include <errno.h>
#include <stdlib.h>
#include "base/fiber.h"
#include "fs/vfs/copy_range.h"
#include "fs/vfs/file.h"

#define PIECE (64UL << 10)

static ssize_t copy_piece(struct file *in, u64 *inpos, struct file *out, u64 *outpos, char *buf,
                          size_t n)
{
	struct uio u;
	ssize_t got, put;

	uio_init_kernel(&u, buf, n);
	got = file_pread(in, &u, *inpos, 0);
	uio_destroy(&u);
	if (got <= 0)
		return got;
	uio_init_kernel(&u, buf, (size_t)got);
	put = file_pwrite(out, &u, *outpos, 0);
	uio_destroy(&u);
	/* What was read but not written stays unread. */
	if (put > 0) {
		*inpos += (u64)put;
		*outpos += (u64)put;
	}
	return put;
}

ssize_t vfs_copy(struct file *in, u64 *inpos, struct file *out, u64 *outpos, size_t n)
{
	size_t total = 0;
	ssize_t r = 0;
	char *buf;

	if (n == 0)
		return 0;
	n = min_of(n, MAX_RW_COUNT);
	buf = malloc(min_of(n, PIECE));
	if (!buf)
		return -ENOMEM;
	while (total < n) {
		r = fiber_breathe()
		        ? copy_piece(in, inpos, out, outpos, buf, min_of(n - total, PIECE))
		        : -ERESTARTSYS;
		if (r <= 0)
			break;
		total += (size_t)r;
	}
	free(buf);
	return total ? (ssize_t)total : r;
}
