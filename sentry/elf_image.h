/*
 * ELF programs: what of a file's headers matters to load it. Parsing trusts
 * nothing in the file; placing and mapping are sentry/exec_load.c's.
 */
#pragma once
#include "base/types.h"

struct file;

/* Bytes read from the start of a program; scripts look at the first 256 of them (fs/exec.c). */
#define EXEC_HEAD        1024
#define SCRIPT_HEAD      256
#define ELF_SEGMENTS_MAX (65536 / 56)

enum elf_stack { ELF_STACK_DEFAULT, ELF_STACK_EXEC, ELF_STACK_NOEXEC };

struct elf_segment {
	u64 vaddr, off, filesz, memsz; /* as in the header, vaddr without the load bias */
	u32 prot;
};

struct elf_image {
	bool dyn;  /* ET_DYN: goes anywhere */
	u64 entry; /* without the load bias, as is phdr */
	u64 phdr;  /* where the program headers come to lie; 0: nowhere */
	u32 phnum;
	struct elf_segment *seg; /* PT_LOAD in file order; owned */
	u32 nsegs;
	u64 low, high; /* page-aligned span of all segments */
	u64 align;     /* the largest p_align, at least a page */
	enum elf_stack stack;
	char *interp; /* PT_INTERP; owned; NULL: none */
	/*
	 * What is wrong with the segments: found now, but Linux finds it only
	 * when the old program is gone, so exec fails no earlier.
	 */
	int late_error;
};

/*
 * head: the file's first n bytes. -ENOEXEC: not an ELF file for this machine,
 * or broken; -EIO, -ENOMEM. Released by elf_image_destroy also on failure.
 */
must_check int elf_image_parse(struct file *f, const void *head, size_t n, struct elf_image *out);
void elf_image_destroy(struct elf_image *e);
