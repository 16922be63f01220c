/* Files of a line or a few, as in /proc and cgroupfs. */
#pragma once
#include "base/types.h"
#include <stddef.h>

/* The beginning of dir's file (or of an absolute path), NUL-terminated, what fits of it. False if
 * it cannot be read: the process is gone, say. */
must_check bool small_file_read(int dir, const char *name, char *buf, size_t size);
