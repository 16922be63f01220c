/*
 * ELF files: the input is the program. Whatever the parser hands on must be fit to be mapped below
 * GUEST_MAX (sentry/exec_load.c adds a load bias and rounds to pages, and checks no more).
 */
#include "tests/fuzz/fuzz.h"
#include "fs/vfs/file.h"
#include "platform/platform.h"
#include "sentry/elf_image.h"
#include <errno.h>
#include <limits.h>
#include <sys/mman.h>

static struct input image;

static ssize_t image_read(struct file *f, struct uio *dst, u64 *pos)
{
	ssize_t n;

	(void)f;
	if (*pos >= image.n)
		return 0;
	n = uio_write(dst, image.p + *pos, min_of(image.n - *pos, dst->resid));
	if (n > 0)
		*pos += (u64)n;
	return n;
}

static int image_map(struct file *f, int prot, bool shared, struct map_backing *out)
{
	(void)f, (void)prot, (void)shared;
	*out = (struct map_backing){.fd = -1};
	return 0;
}

static const struct file_ops image_ops = {.read = image_read, .map = image_map};
static struct file file = {.ops = &image_ops};

static void check_segment(const struct elf_image *e, const struct elf_segment *s)
{
	must(s->vaddr < GUEST_MAX && s->memsz <= GUEST_MAX - s->vaddr);
	must(s->filesz <= s->memsz);
	must(s->off <= INT64_MAX && s->filesz <= INT64_MAX - s->off);
	must(!s->filesz || (s->vaddr - s->off) % PAGE_SIZE == 0);
	must(!(s->prot & ~(u32)(PROT_READ | PROT_WRITE | PROT_EXEC)));
	must(e->low <= s->vaddr && s->vaddr + s->memsz <= e->high);
}

static void check_image(const struct elf_image *e)
{
	must(e->nsegs > 0 || e->late_error < 0);
	must(e->phnum > 0 && e->phnum <= ELF_SEGMENTS_MAX && e->nsegs <= e->phnum);
	must(e->align >= PAGE_SIZE && e->align < GUEST_MAX && !(e->align & (e->align - 1)));
	if (e->nsegs)
		must(e->low % PAGE_SIZE == 0 && e->high % PAGE_SIZE == 0 && e->low <= e->high &&
		     e->high <= PAGE_ALIGN(GUEST_MAX));
	for (u32 i = 0; i < e->nsegs; i++)
		check_segment(e, &e->seg[i]);
	must(!e->interp || strnlen(e->interp, PATH_MAX) < PATH_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_image e;
	int err;

	image = (struct input){data, size};
	err = elf_image_parse(&file, data, min_of(size, (size_t)EXEC_HEAD), &e);
	must(err == 0 || err == -ENOEXEC || err == -EIO);
	if (!err)
		check_image(&e);
	elf_image_destroy(&e);
	return 0;
}
