/*
 * Copying between two files inside the sentry: the body of copy_file_range(2).
 */
#pragma once
#include "base/types.h"

struct file;

/*
 * Up to n bytes from in at *inpos to out at *outpos, which move by what was copied. Both files
 * have positions. The bytes copied, 0 at the end of in, or -errno; -ERESTARTSYS when a
 * signal came before the first byte. Which pairs of files and ranges are allowed is the system
 * call's to check.
 */
must_check ssize_t vfs_copy(struct file *in, u64 *inpos, struct file *out, u64 *outpos, size_t n);
