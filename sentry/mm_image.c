/*
 * A loader maps a file in several areas, one above the other, of which the lowest
 * begins with the file. What lies between them (bss, holes) may be of no file.
 */
#include "sentry/mm_image.h"
#include "fs/vfs/file.h"
#include "sentry/mm_internal.h"

/* Areas of one file as loaders make them are a handful. */
#define LOOK_BACK 32

bool mm_image_find(struct mm *m, u64 addr, struct mm_image *out)
{
	struct vma *v;

	mutex_acquire(&m->mutex);
	v = vma_find(m, addr);
	if (!v || v->start > addr || !v->file) {
		mutex_release(&m->mutex);
		return false;
	}
	*out = (struct mm_image){
	    .file = file_get(v->file), .header = ~0UL, .off = v->off + (addr - v->start)};
	for (unsigned i = 0; v && i < LOOK_BACK; i++, v = vma_prev(v)) {
		if (v->file && v->file->inode != out->file->inode)
			break;
		if (v->file && v->off == 0) {
			out->header = v->start;
			break;
		}
	}
	mutex_release(&m->mutex);
	return true;
}
