/*
 * Parsing ELF headers: fs/binfmt_elf.c load_elf_binary and load_elf_phdrs.
 *
 * The program is the guest's and may be made to break loaders: every number is
 * checked for its range and every sum for overflow before it is used.
 */
#include "sentry/elf_image.h"
#include "fs/vfs/file.h"
#include "platform/platform.h"
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Reads exactly n bytes at pos, from the head if they are there. */
static int image_read(struct file *f, const void *head, size_t head_len, void *buf, size_t n,
                      u64 pos)
{
	ssize_t got;

	if (pos <= head_len && n <= head_len - pos) {
		memcpy(buf, (const char *)head + pos, n);
		return 0;
	}
	if (pos > INT64_MAX - n)
		return -EIO;
	got = file_read_kernel(f, buf, n, pos);
	if (got < 0)
		return (int)got;
	return (size_t)got == n ? 0 : -EIO;
}

static u32 segment_prot(u32 flags)
{
	return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) |
	       (flags & PF_X ? PROT_EXEC : 0);
}

/* 0, or what load_elf_binary and elf_map would stumble over. */
static int segment_check(const Elf64_Phdr *p)
{
	if (p->p_vaddr >= GUEST_MAX || p->p_filesz > p->p_memsz || p->p_memsz > GUEST_MAX ||
	    GUEST_MAX - p->p_memsz < p->p_vaddr)
		return -EINVAL;
	if ((p->p_vaddr & ~PAGE_MASK) != (p->p_offset & ~PAGE_MASK) && p->p_filesz)
		return -EINVAL;
	if (p->p_offset > INT64_MAX - p->p_filesz)
		return -EINVAL;
	return 0;
}

static void image_add_segment(struct elf_image *e, const Elf64_Ehdr *h, const Elf64_Phdr *p)
{
	u64 start = p->p_vaddr & PAGE_MASK;
	int err = segment_check(p);

	if (err) {
		if (!e->late_error)
			e->late_error = err;
		return;
	}
	/* Only powers of two count (binfmt_elf.c maximum_alignment). */
	if (p->p_align > e->align && !(p->p_align & (p->p_align - 1)) && p->p_align < GUEST_MAX)
		e->align = p->p_align;
	if (p->p_offset <= h->e_phoff && h->e_phoff - p->p_offset < p->p_filesz && !e->phdr)
		e->phdr = h->e_phoff - p->p_offset + p->p_vaddr;
	e->seg[e->nsegs++] = (struct elf_segment){
	    .vaddr = p->p_vaddr,
	    .off = p->p_offset,
	    .filesz = p->p_filesz,
	    .memsz = p->p_memsz,
	    .prot = segment_prot(p->p_flags),
	};
	e->low = min_of(e->low, start);
	e->high = max_of(e->high, PAGE_ALIGN(p->p_vaddr + p->p_memsz));
}

static int image_read_interp(struct file *f, const void *head, size_t n, const Elf64_Phdr *p,
                             struct elf_image *e)
{
	int err;

	if (p->p_filesz > PATH_MAX || p->p_filesz < 2)
		return -ENOEXEC;
	e->interp = malloc(p->p_filesz);
	if (!e->interp)
		return -ENOMEM;
	err = image_read(f, head, n, e->interp, p->p_filesz, p->p_offset);
	if (err)
		return err;
	return e->interp[p->p_filesz - 1] ? -ENOEXEC : 0;
}

static int image_scan(struct file *f, const void *head, size_t n, const Elf64_Ehdr *h,
                      const Elf64_Phdr *ph, struct elf_image *e)
{
	for (u32 i = 0; i < h->e_phnum; i++) {
		const Elf64_Phdr *p = &ph[i];
		int err = 0;
		if (p->p_type == PT_LOAD)
			image_add_segment(e, h, p);
		else if (p->p_type == PT_GNU_STACK)
			e->stack = p->p_flags & PF_X ? ELF_STACK_EXEC : ELF_STACK_NOEXEC;
		else if (p->p_type == PT_INTERP && !e->interp)
			err = image_read_interp(f, head, n, p, e);
		if (err)
			return err;
	}
	/* Without a segment there is nothing to enter. */
	if (!e->nsegs && !e->late_error)
		e->late_error = -EINVAL;
	return 0;
}

int elf_image_parse(struct file *f, const void *head, size_t n, struct elf_image *e)
{
	Elf64_Ehdr h;
	Elf64_Phdr *ph;
	size_t size;
	int err;

	*e = (struct elf_image){.low = UINT64_MAX, .align = PAGE_SIZE};
	if (n < sizeof(h))
		return -ENOEXEC;
	memcpy(&h, head, sizeof(h));
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) || (h.e_type != ET_EXEC && h.e_type != ET_DYN) ||
	    h.e_machine != EM_X86_64 || h.e_ident[EI_CLASS] != ELFCLASS64)
		return -ENOEXEC;
	size = (size_t)h.e_phnum * sizeof(*ph);
	if (h.e_phentsize != sizeof(*ph) || !size || size > 65536 || !f->ops->map)
		return -ENOEXEC;
	ph = malloc(size);
	e->seg = calloc(h.e_phnum, sizeof(*e->seg));
	err = ph && e->seg ? image_read(f, head, n, ph, size, h.e_phoff) : -ENOMEM;
	if (!err) {
		e->dyn = h.e_type == ET_DYN;
		e->entry = h.e_entry;
		e->phnum = h.e_phnum;
		err = image_scan(f, head, n, &h, ph, e);
	} else if (err != -ENOMEM) {
		/* A header table that the file does not hold. */
		err = -ENOEXEC;
	}
	free(ph);
	return err;
}

void elf_image_destroy(struct elf_image *e)
{
	free(e->seg);
	free(e->interp);
	*e = (struct elf_image){0};
}
