/* Which program or library lies at an address of a guest. */
#pragma once
#include "base/types.h"

struct file;
struct mm;

struct mm_image {
	struct file *file; /* +1 */
	u64 header;        /* where the file's first byte is mapped: its ELF header */
	u64 off;           /* file offset of the address asked for */
};

/* False if no file is mapped at addr; header is ~0 if the file's start is not mapped below it. */
bool mm_image_find(struct mm *m, u64 addr, struct mm_image *out);
