/*
 * The initial stack: argument strings, aux vector, pointers (System V ABI,
 * x86-64, 3.4.1; fs/binfmt_elf.c create_elf_tables). It is built in one piece
 * in the sentry's memory and copied to the guest in one go. From the top:
 *
 *	8 bytes of 0
 *	the name that was executed (AT_EXECFN)
 *	environment strings, argument strings
 *	a random gap, to 16 bytes
 *	"x86_64" (AT_PLATFORM), 16 random bytes (AT_RANDOM)
 *	aux vector, environment pointers, argument pointers, argc  <- stack pointer, to 16 bytes
 */
#include "sentry/exec_internal.h"
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#define AT_RSEQ_ALIGN        28
#endif
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

#define PLATFORM_NAME "x86_64"
#define CLOCK_TICKS   100

struct auxv {
	u64 *word;
	u32 n;
};

static void aux(struct auxv *v, u64 type, u64 value)
{
	v->word[v->n++] = type;
	v->word[v->n++] = value;
}

/* Only what the host has too. */
static void aux_host(struct auxv *v, u64 type)
{
	u64 value = platform_auxval(type);

	if (value)
		aux(v, type, value);
}

/* In the kernel's order (create_elf_tables). */
static void aux_fill(struct exec *x, struct auxv *v, u64 random, u64 platform, u64 execfn)
{
	aux_host(v, AT_SYSINFO_EHDR);
	aux_host(v, AT_MINSIGSTKSZ);
	aux(v, AT_HWCAP, platform_auxval(AT_HWCAP));
	aux(v, AT_PAGESZ, PAGE_SIZE);
	aux(v, AT_CLKTCK, CLOCK_TICKS);
	aux(v, AT_PHDR, x->phdr);
	aux(v, AT_PHENT, sizeof(Elf64_Phdr));
	aux(v, AT_PHNUM, x->image.phnum);
	aux(v, AT_BASE, x->interp_base);
	aux(v, AT_FLAGS, 0);
	aux(v, AT_ENTRY, x->base + x->image.entry);
	aux(v, AT_UID, user_ns_uid_show(x->cred->user_ns, x->cred->uid));
	aux(v, AT_EUID, user_ns_uid_show(x->cred->user_ns, x->cred->euid));
	aux(v, AT_GID, user_ns_gid_show(x->cred->user_ns, x->cred->gid));
	aux(v, AT_EGID, user_ns_gid_show(x->cred->user_ns, x->cred->egid));
	aux(v, AT_SECURE, x->secure);
	aux(v, AT_RANDOM, random);
	aux(v, AT_HWCAP2, platform_auxval(AT_HWCAP2));
	aux(v, AT_EXECFN, execfn);
	aux(v, AT_PLATFORM, platform);
	aux_host(v, AT_RSEQ_FEATURE_SIZE);
	aux_host(v, AT_RSEQ_ALIGN);
	aux(v, AT_NULL, 0);
}

/* Pointers to n strings that begin at guest address `at` and are the bytes at s; then a null. */
static u64 *pointers(u64 *out, const char *s, u64 at, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		size_t len = strlen(s) + 1;
		*out++ = at;
		at += len;
		s += len;
	}
	*out++ = 0;
	return out;
}

int exec_stack_build(struct exec *x, u64 top, struct exec_stack *out)
{
	const struct exec_args *args = x->args;
	size_t name_len = strlen(x->filename) + 1;
	u64 execfn = top - sizeof(u64) - name_len, strings = execfn - args->size;
	u64 at = strings, platform, random, sp;
	struct auxv v = {.word = x->mm->auxv};
	u64 *word;
	size_t items;

	if (!(x->task->group->personality & ADDR_NO_RANDOMIZE))
		at -= x->random[3] % 8192;
	at &= ~0xfUL;
	platform = at -= sizeof(PLATFORM_NAME);
	random = at -= 16;
	aux_fill(x, &v, random, platform, execfn);
	x->mm->auxv_len = v.n * (u32)sizeof(u64);
	items = 1 + (args->argc + 1) + (args->envc + 1);
	sp = (at - (v.n + items) * sizeof(u64)) & ~0xfUL;

	out->size = top - sp;
	out->bytes = calloc(1, out->size);
	if (!out->bytes)
		return -ENOMEM;
	out->start = sp;
	word = (u64 *)(void *)out->bytes;
	*word++ = args->argc;
	word = pointers(word, args->strings, strings, args->argc);
	word = pointers(word, args->strings + args->envp, strings + args->envp, args->envc);
	memcpy(word, v.word, v.n * sizeof(u64));
	memcpy(out->bytes + (random - sp), &x->random[4], 16);
	memcpy(out->bytes + (platform - sp), PLATFORM_NAME, sizeof(PLATFORM_NAME));
	memcpy(out->bytes + (strings - sp), args->strings, args->size);
	memcpy(out->bytes + (execfn - sp), x->filename, name_len);

	x->mm->arg_start = strings;
	x->mm->arg_end = x->mm->env_start = strings + args->envp;
	x->mm->env_end = strings + args->size;
	x->sp = sp;
	return 0;
}
