/*
 * The ELF parser on images that no linker would make: what Linux refuses at
 * once, what it stumbles over later, and a great many random damages, of which
 * none may make the parser hand on a segment outside the guest's addresses.
 */
#include <criterion/criterion.h>
#include "sentry/elf_image.h"
#include "fs/vfs/file.h"
#include "platform/platform.h"
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define IMAGE_SIZE 8192

static u8 image[IMAGE_SIZE];
static size_t image_size;

static ssize_t fake_read(struct file *f, struct uio *dst, u64 *pos)
{
	ssize_t n;

	(void)f;
	if (*pos >= image_size)
		return 0;
	n = uio_write(dst, image + *pos, min_of(image_size - *pos, dst->resid));
	if (n > 0)
		*pos += (u64)n;
	return n;
}

static int fake_map(struct file *f, int prot, bool shared, struct map_backing *out)
{
	(void)f;
	(void)prot;
	(void)shared;
	*out = (struct map_backing){.fd = -1};
	return 0;
}

static const struct file_ops fake_ops = {.read = fake_read, .map = fake_map};
static struct file file = {.ops = &fake_ops};

static Elf64_Ehdr *header(void)
{
	return (Elf64_Ehdr *)(void *)image;
}

static Elf64_Phdr *phdr(u32 i)
{
	return (Elf64_Phdr *)(void *)(image + sizeof(Elf64_Ehdr)) + i;
}

/* A sane PIE: interpreter, text, data with bss, no executable stack. */
static void setup(void)
{
	memset(image, 0, sizeof(image));
	image_size = sizeof(image);
	*header() = (Elf64_Ehdr){
	    .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
	    .e_type = ET_DYN,
	    .e_machine = EM_X86_64,
	    .e_version = EV_CURRENT,
	    .e_entry = 0x1040,
	    .e_phoff = sizeof(Elf64_Ehdr),
	    .e_ehsize = sizeof(Elf64_Ehdr),
	    .e_phentsize = sizeof(Elf64_Phdr),
	    .e_phnum = 4,
	};
	*phdr(0) = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = 512, .p_filesz = 8};
	strcpy((char *)image + 512, "/ld.so!");
	*phdr(1) = (Elf64_Phdr){.p_type = PT_LOAD,
	                        .p_flags = PF_R | PF_X,
	                        .p_filesz = 0x1800,
	                        .p_memsz = 0x1800,
	                        .p_align = 0x1000};
	*phdr(2) = (Elf64_Phdr){.p_type = PT_LOAD,
	                        .p_flags = PF_R | PF_W,
	                        .p_offset = 0x1800,
	                        .p_vaddr = 0x3800,
	                        .p_filesz = 0x100,
	                        .p_memsz = 0x5000,
	                        .p_align = 0x200000};
	*phdr(3) = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W};
}

static int parse(struct elf_image *e)
{
	return elf_image_parse(&file, image, min_of(image_size, (size_t)EXEC_HEAD), e);
}

/* The errors of one parse, in the order in which exec meets them. */
static int result(void)
{
	struct elf_image e;
	int err = parse(&e);

	if (!err)
		err = e.late_error;
	elf_image_destroy(&e);
	return err;
}

TestSuite(elf_image, .init = setup);

Test(elf_image, a_sane_program)
{
	struct elf_image e;

	cr_assert_eq(parse(&e), 0);
	cr_assert_eq(e.late_error, 0);
	cr_assert(e.dyn);
	cr_assert_eq(e.entry, 0x1040);
	cr_assert_eq(e.phdr, sizeof(Elf64_Ehdr));
	cr_assert_eq(e.nsegs, 2);
	cr_assert_eq(e.low, 0);
	cr_assert_eq(e.high, 0x9000);
	cr_assert_eq(e.align, 0x200000);
	cr_assert_eq(e.stack, ELF_STACK_NOEXEC);
	cr_assert_eq(e.seg[0].prot, PROT_READ | PROT_EXEC);
	cr_assert_eq(strcmp(e.interp, "/ld.so!"), 0);
	elf_image_destroy(&e);
}

Test(elf_image, not_for_this_machine)
{
	header()->e_machine = EM_386;
	cr_assert_eq(result(), -ENOEXEC);
	setup();
	header()->e_ident[EI_CLASS] = ELFCLASS32;
	cr_assert_eq(result(), -ENOEXEC);
	setup();
	header()->e_type = ET_REL;
	cr_assert_eq(result(), -ENOEXEC);
	setup();
	image[0] = 0;
	cr_assert_eq(result(), -ENOEXEC);
	setup();
	image_size = 63;
	cr_assert_eq(result(), -ENOEXEC);
}

Test(elf_image, broken_header_tables)
{
	header()->e_phentsize = 55;
	cr_assert_eq(result(), -ENOEXEC);
	setup();
	header()->e_phnum = 0;
	cr_assert_eq(result(), -ENOEXEC);
	setup();
	header()->e_phnum = 65535; /* more than 64 KiB of them */
	cr_assert_eq(result(), -ENOEXEC);
	setup();
	header()->e_phoff = IMAGE_SIZE - 100; /* not all there */
	cr_assert_eq(result(), -ENOEXEC);
	setup();
	header()->e_phoff = UINT64_MAX - 10;
	cr_assert_eq(result(), -ENOEXEC);
}

Test(elf_image, header_table_behind_the_head)
{
	header()->e_phoff = 4096;
	memcpy(image + 4096, image + sizeof(Elf64_Ehdr), 4 * sizeof(Elf64_Phdr));
	cr_assert_eq(result(), 0);
}

Test(elf_image, broken_interpreters)
{
	phdr(0)->p_filesz = 1;
	cr_assert_eq(result(), -ENOEXEC);
	setup();
	phdr(0)->p_filesz = 4097;
	cr_assert_eq(result(), -ENOEXEC);
	setup();
	phdr(0)->p_filesz = 7; /* no NUL */
	cr_assert_eq(result(), -ENOEXEC);
	setup();
	phdr(0)->p_offset = IMAGE_SIZE - 4; /* cut off */
	cr_assert_eq(result(), -EIO);
	setup();
	phdr(0)->p_offset = UINT64_MAX - 4;
	cr_assert_eq(result(), -EIO);
}

Test(elf_image, segments_that_kill_late)
{
	phdr(1)->p_filesz = 0x1801; /* more than it has in memory */
	cr_assert_eq(result(), -EINVAL);
	setup();
	phdr(1)->p_vaddr = GUEST_MAX;
	cr_assert_eq(result(), -EINVAL);
	setup();
	phdr(2)->p_memsz = UINT64_MAX - 0x1000;
	cr_assert_eq(result(), -EINVAL);
	setup();
	phdr(2)->p_vaddr = GUEST_MAX - 0x1000 + 0x800;
	cr_assert_eq(result(), -EINVAL);
	setup();
	phdr(2)->p_offset += 1; /* not congruent */
	cr_assert_eq(result(), -EINVAL);
	setup();
	phdr(1)->p_type = phdr(2)->p_type = PT_NULL; /* nothing to load */
	cr_assert_eq(result(), -EINVAL);
}

Test(elf_image, absurd_alignment_is_ignored)
{
	struct elf_image e;

	phdr(1)->p_align = 3;
	phdr(2)->p_align = 1UL << 63;
	cr_assert_eq(parse(&e), 0);
	cr_assert_eq(e.align, 4096);
	elf_image_destroy(&e);
}

Test(elf_image, random_damage)
{
	u64 state = 1;

	for (u32 round = 0; round < 200000; round++) {
		struct elf_image e;
		setup();
		for (u32 k = 0; k < 1 + round % 4; k++) {
			u32 at;
			state = state * 6364136223846793005UL + 1442695040888963407UL;
			at = 5 + (u32)(state >> 33) % 283;
			image[at] =
			    (state >> 20) & 1 ? (u8)(state >> 56) : (u8)(0xff * (round & 1));
		}
		if (!parse(&e) && !e.late_error) {
			cr_assert(e.nsegs > 0 && e.low < e.high);
			for (u32 i = 0; i < e.nsegs; i++) {
				struct elf_segment *s = &e.seg[i];
				cr_assert(s->filesz <= s->memsz);
				cr_assert(s->vaddr < GUEST_MAX && s->memsz <= GUEST_MAX - s->vaddr);
				cr_assert(s->off <= INT64_MAX && s->filesz <= INT64_MAX - s->off);
			}
		}
		elf_image_destroy(&e);
	}
}
