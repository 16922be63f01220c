/*
 * The new address space: its layout (arch/x86/mm/mmap.c), the segments of the
 * program and of its interpreter (fs/binfmt_elf.c elf_load), stack and break.
 *
 * The tree is built while nobody else can see it; all of its host operations go
 * out in one batch if they fit, which they do for usual programs (13 of 16).
 */
#include "sentry/exec_internal.h"
#include "base/uspace.h"
#include "fs/vfs/file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>

/* arch/x86/include/asm/elf.h ELF_ET_DYN_BASE: two thirds up. */
#define PIE_BASE 0x555555554000UL
/* mmap_rnd_bits and the stack's 22 bits, in pages; the break's 32 MiB. */
#define MMAP_RANDOM(r)   (((r) & ((1UL << 28) - 1)) * PAGE_SIZE)
#define STACK_RANDOM(r)  (((r)&0x3fffff) * PAGE_SIZE)
#define BRK_RANDOM(r)    ((r) % (0x2000000 / PAGE_SIZE) * PAGE_SIZE)
#define STACK_RANDOM_MAX (16UL << 30)
#define GAP_MIN          (128UL << 20)
#define GAP_MAX          (GUEST_MAX / 6 * 5)
/* What a stack has below the arguments from the start (fs/exec.c setup_arg_pages). */
#define STACK_EXPAND 131072UL
/* Room for what exec_stack_build puts between strings and pointers. */
#define STACK_TABLES (8192 + 64 * sizeof(u64))

static bool randomized(const struct exec *x)
{
	return !(x->task->group->personality & ADDR_NO_RANDOMIZE);
}

static void layout(struct exec *x)
{
	struct mm *m = x->mm;
	u64 gap = task_rlimit(x->task, RLIMIT_STACK), pad = STACK_GUARD_GAP;

	m->stack_top = GUEST_MAX;
	if (randomized(x)) {
		pad += STACK_RANDOM_MAX;
		m->stack_top -= STACK_RANDOM(x->random[0]);
	}
	if (gap + pad > gap)
		gap += pad;
	gap = min_of(max_of(gap, GAP_MIN), GAP_MAX);
	m->mmap_base = (GUEST_MAX - gap) & PAGE_MASK;
	if (randomized(x))
		m->mmap_base -= MMAP_RANDOM(x->random[1]);
	/* Nothing fits below 0, so all searches go bottom-up. */
	if (x->task->group->personality & ADDR_COMPAT_LAYOUT)
		m->mmap_base = 0;
}

/* Queues an operation; a full queue runs first. */
static int load_queue(struct platform_thread *th, const struct hostop *op)
{
	int err = platform_thread_queue(th, op);

	if (err == -ENOSPC) {
		s64 result = platform_thread_sync(th);
		if (result < 0 && result > -4096)
			return (int)result;
		err = platform_thread_queue(th, op);
	}
	return err;
}

/* An area of the new image; file NULL: anonymous. In place of what is there. */
static int add_area(struct exec *x, struct platform_thread *th, u64 start, u64 end, u32 prot,
                    struct file *file, u64 off, u32 flags, const char *name)
{
	struct hostop op = {.kind = HOSTOP_MMAP,
	                    .prot = (s32)prot,
	                    .flags = MAP_FIXED | MAP_PRIVATE,
	                    .fd = -1,
	                    .addr = start,
	                    .len = end - start};
	struct vma_hold *hold = NULL;
	struct map_backing backing;
	struct vma *v;
	int err;

	if (start < MMAP_MIN_ADDR || end > GUEST_MAX || start >= end)
		return -EINVAL;
	if (platform_reserved(start, end - start))
		return -ENOMEM;
	if (!mm_may_expand(x->task, x->mm, prot, MAP_PRIVATE | flags, end - start))
		return -ENOMEM;
	if (file) {
		err = file->ops->map(file, (int)prot, false, &backing);
		if (err)
			return err;
		op.fd = backing.fd;
		op.off = off + backing.off;
		op.shareable =
		    backing.fixed && mm_is_text(prot, MAP_PRIVATE) && !x->task->trace.flags;
		op.loader = file == x->interp_file;
		flags |= op.shareable ? VMA_SHAREABLE : 0;
		if (file->ops->unmapped && !(hold = vma_hold_create(file, (int)prot, false))) {
			file->ops->unmapped(file, (int)prot, false);
			return -ENOMEM;
		}
	}
	if (op.fd < 0)
		op.flags |= MAP_ANONYMOUS;
	v = vma_create(start, end, prot, PROT_RWX, MAP_PRIVATE | flags);
	err = v ? mm_cut(x->mm, start, end) : -ENOMEM;
	if (!err)
		err = load_queue(th, &op);
	if (err) {
		if (hold)
			vma_hold_put(hold);
		if (v)
			vma_free(v);
		return err;
	}
	if (file)
		vma_set_file(v, file, off, hold);
	v->name = name;
	vma_insert(x->mm, v);
	vma_merge(x->mm, v);
	return 0;
}

/* Chooses the load bias of an image. */
static int place(struct exec *x, const struct elf_image *e, bool program, u64 *bias)
{
	u64 size = e->high - e->low, at;

	*bias = 0;
	if (!e->dyn)
		return vma_find_range(x->mm, e->low, e->high) ? -EEXIST : 0;
	if (program && e->interp) {
		at = PIE_BASE;
		if (randomized(x))
			at += MMAP_RANDOM(x->random[1] >> 32);
		at &= ~(e->align - 1);
	} else {
		/* A loader by itself goes where mappings go, away from programs. */
		at = vma_gap_topdown(x->mm, MMAP_MIN_ADDR, x->mm->mmap_base, size, e->align);
		if (!at)
			at = vma_gap_bottomup(x->mm, MMAP_LOW_BASE, GUEST_MAX, size, e->align);
		if (!at)
			return -ENOMEM;
	}
	if (at > GUEST_MAX - size)
		return -ENOMEM;
	*bias = at - e->low;
	return 0;
}

/* fs/binfmt_elf.c elf_load for each segment. */
static int map_image(struct exec *x, struct platform_thread *th, struct file *f,
                     const struct elf_image *e, u64 bias)
{
	for (u32 i = 0; i < e->nsegs; i++) {
		const struct elf_segment *s = &e->seg[i];
		u64 start = (s->vaddr & PAGE_MASK) + bias, file_end = start, mem_end;
		int err;

		if (s->filesz) {
			file_end = PAGE_ALIGN(s->vaddr + s->filesz) + bias;
			err = add_area(x, th, start, file_end, s->prot, f, s->off & PAGE_MASK, 0,
			               NULL);
			if (err)
				return err;
		}
		/* Zeroed memory is writable, whatever the segment says (vm_brk_flags). */
		mem_end = PAGE_ALIGN(s->vaddr + s->memsz) + bias;
		if (mem_end > file_end) {
			err = add_area(x, th, file_end, mem_end,
			               PROT_READ | PROT_WRITE | (s->prot & PROT_EXEC), NULL, 0, 0,
			               NULL);
			if (err)
				return err;
		}
	}
	return 0;
}

/* The rest of the last file page of each segment with zeroed memory (padzero). */
static int clear_tails(const struct elf_image *e, u64 bias, struct uspace *u)
{
	static const u8 zeroes[PAGE_SIZE];

	for (u32 i = 0; i < e->nsegs; i++) {
		const struct elf_segment *s = &e->seg[i];
		u64 at = s->vaddr + s->filesz + bias, n = -at & ~PAGE_MASK;

		if (!s->filesz || s->memsz <= s->filesz || !(s->prot & PROT_WRITE) || !n)
			continue;
		if (u->ops->write(u, at, zeroes, n) != n)
			return -EFAULT;
	}
	return 0;
}

static void describe_image(struct exec *x)
{
	const struct elf_image *e = &x->image;
	struct mm *m = x->mm;
	u64 code_start = UINT64_MAX, code_end = 0, data_start = 0, data_end = 0;

	for (u32 i = 0; i < e->nsegs; i++) {
		const struct elf_segment *s = &e->seg[i];
		if (s->prot & PROT_EXEC) {
			code_start = min_of(code_start, s->vaddr);
			code_end = max_of(code_end, s->vaddr + s->filesz);
		}
		data_start = max_of(data_start, s->vaddr);
		data_end = max_of(data_end, s->vaddr + s->filesz);
	}
	m->code_start = code_end ? code_start + x->base : 0;
	m->code_end = code_end ? code_end + x->base : 0;
	m->data_start = data_start + x->base;
	m->data_end = data_end + x->base;
	m->brk_start = e->high + x->base;
	if (randomized(x)) {
		/* Without an interpreter the image lies among mappings: the break goes elsewhere.
		 */
		if (e->dyn && !e->interp)
			m->brk_start = PIE_BASE;
		m->brk_start += BRK_RANDOM(x->random[2]);
	}
	m->brk = m->brk_start;
}

static int add_stack(struct exec *x, struct platform_thread *th)
{
	const struct exec_args *a = x->args;
	u64 strings = a->size + strlen(x->filename) + 1 + sizeof(u64);
	u64 need = strings + STACK_TABLES + ((u64)a->argc + a->envc + 3) * sizeof(u64);
	u64 limit = task_rlimit(x->task, RLIMIT_STACK) & PAGE_MASK;
	u64 size = min_of(PAGE_ALIGN(strings) + STACK_EXPAND, limit);
	u32 prot = PROT_READ | PROT_WRITE;

	size = max_of(size, PAGE_ALIGN(need));
	if (x->image.stack == ELF_STACK_EXEC || (x->image.stack == ELF_STACK_DEFAULT &&
	                                         (x->task->group->personality & READ_IMPLIES_EXEC)))
		prot |= PROT_EXEC;
	return add_area(x, th, x->mm->stack_top - size, x->mm->stack_top, prot, NULL, 0,
	                VMA_GROWSDOWN, "[stack]");
}

/* Memory that needs contents of its own: zeroed tails and the stack. */
static int fill(struct exec *x, struct platform_thread *th)
{
	struct uspace *u = platform_thread_uspace(th);
	struct exec_stack stack;
	int err = clear_tails(&x->image, x->base, u);

	if (!err && x->interp_file)
		err = clear_tails(&x->interp, x->interp_base, u);
	if (!err)
		err = exec_stack_build(x, x->mm->stack_top, &stack);
	if (err)
		return err;
	if (u->ops->write(u, stack.start, stack.bytes, stack.size) != stack.size)
		err = -EFAULT;
	free(stack.bytes);
	mm_watch_stack(x->mm, u, task_rlimit(x->task, RLIMIT_STACK));
	return err;
}

int exec_load(struct exec *x, struct platform_thread *th)
{
	int err = x->image.late_error;
	s64 result;

	if (!err && x->interp_file)
		err = x->interp.late_error;
	if (err)
		return err;
	layout(x);
	err = add_stack(x, th);
	if (!err)
		err = place(x, &x->image, true, &x->base);
	if (!err)
		err = map_image(x, th, x->file, &x->image, x->base);
	if (!err)
		describe_image(x);
	if (!err && x->interp_file) {
		err = place(x, &x->interp, false, &x->interp_base);
		if (!err)
			err = map_image(x, th, x->interp_file, &x->interp, x->interp_base);
	}
	if (err)
		return err;
	x->entry = x->interp_file ? x->interp.entry + x->interp_base : x->image.entry + x->base;
	x->phdr = x->image.phdr ? x->image.phdr + x->base : 0;
	if (x->entry >= GUEST_MAX)
		return -EINVAL;
	result = platform_thread_sync(th);
	if (result < 0 && result > -4096)
		return (int)result;
	return fill(x, th);
}
