/*
 * Shared by the files of sentry/exec*.c: one execve under way.
 */
#pragma once
#include "base/cred.h"
#include "sentry/elf_image.h"
#include "sentry/exec.h"
#include "sentry/mm_internal.h"

struct exec {
	struct task *task;
	const char *filename; /* what the guest asked for: AT_EXECFN */
	char *script_interp;  /* the last interpreter a script named; owned; NULL: none */
	u32 scripts;          /* how many scripts led to the program */
	struct exec_args *args;

	struct file *file; /* the program; held, and denied writing */
	u8 head[EXEC_HEAD];
	size_t head_len;
	struct elf_image image;
	struct file *interp_file; /* its ELF interpreter; held, and denied writing; NULL: none */
	struct elf_image interp;

	struct cred *cred; /* the new one; owned until it is the task's */
	bool secure;       /* AT_SECURE */
	bool nondumpable;  /* the caller may not read what it executes */
	bool raised;       /* it may more than the caller */
	u32 personality_clear;

	/* Where things have come to lie in the new image. */
	struct mm *mm;
	u64 random[8];
	u64 base, interp_base, entry, phdr;
	u64 sp;
};

/* Replaces the first argument (if there is one) by n others. */
must_check int exec_args_shift(struct exec_args *a, const char *const *before, u32 n);
/* fs/exec.c bprm_stack_limits. stack_limit: RLIMIT_STACK. -E2BIG. */
must_check int exec_args_check(const struct exec_args *a, size_t filename_len, u64 stack_limit);

/* A "#!" line in head (SCRIPT_HEAD bytes, zero padded). -ENOEXEC: none, or a broken one. */
struct script_line {
	char interp[SCRIPT_HEAD];
	char arg[SCRIPT_HEAD]; /* "": none */
	bool has_arg;
};
static inline bool script_marked(const u8 *head)
{
	return head[0] == '#' && head[1] == '!';
}
must_check int script_parse(const u8 *head, struct script_line *out);

/* exec_cred.c: computes x->cred, x->secure and what goes with them. */
must_check int exec_cred_prepare(struct exec *x);

/* exec_load.c: the new address space's layout and mappings, queued and run on th. */
must_check int exec_load(struct exec *x, struct platform_thread *th);

/* exec_stack.c: the initial stack of x, in sentry memory. */
struct exec_stack {
	u8 *bytes; /* owned */
	size_t size;
	u64 start; /* guest address of bytes[0], which is where the stack pointer points */
};
/*
 * Lays out the stack below top and fills in the addresses in x->mm. auxv goes to x->mm->auxv too.
 * -ENOMEM, -E2BIG.
 */
must_check int exec_stack_build(struct exec *x, u64 top, struct exec_stack *out);
