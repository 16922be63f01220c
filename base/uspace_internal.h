/* Shared by uspace.c and uio.c: like the public copies, but for a given uspace. */
#pragma once
#include "base/uspace.h"

/* How many zero bytes are written at a time: enough to make a host copy worth it. */
#define USPACE_ZEROS (16 * 1024)

/* All return how many bytes were copied before the first fault; u may be NULL (a fault). */
size_t uspace_read(struct uspace *u, void *dst, u64 src, size_t n);
size_t uspace_write(struct uspace *u, u64 dst, const void *src, size_t n);
size_t uspace_clear(struct uspace *u, u64 dst, size_t n);
