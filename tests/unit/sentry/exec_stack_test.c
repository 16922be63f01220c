/* Argument strings, and the stack that a program finds at its entry. */
#include <criterion/criterion.h>
#include "sentry/exec_internal.h"
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct exec_args args;

static void fill(u32 argc, u32 envc)
{
	char s[32];

	exec_args_init(&args);
	for (u32 i = 0; i < argc; i++) {
		snprintf(s, sizeof(s), "argument %u", i);
		cr_assert_eq(exec_args_add(&args, s, false), 0);
	}
	for (u32 i = 0; i < envc; i++) {
		snprintf(s, sizeof(s), "NAME%u=value", i);
		cr_assert_eq(exec_args_add(&args, s, true), 0);
	}
}

Test(exec_args, a_script_replaces_the_first)
{
	static const char *const before[] = {"/bin/sh", "-x", "/script"};

	fill(2, 1);
	cr_assert_eq(exec_args_shift(&args, before, 3), 0);
	cr_assert_eq(args.argc, 4);
	cr_assert_eq(args.envc, 1);
	cr_assert_eq(args.size, sizeof("/bin/sh\0-x\0/script\0argument 1\0NAME0=value"));
	cr_assert_eq(
	    memcmp(args.strings, "/bin/sh\0-x\0/script\0argument 1\0NAME0=value", args.size), 0);
	cr_assert_eq(strcmp(args.strings + args.envp, "NAME0=value"), 0);
	exec_args_destroy(&args);
	/* There may be none to replace. */
	fill(0, 1);
	cr_assert_eq(exec_args_shift(&args, before, 1), 0);
	cr_assert_eq(args.argc, 1);
	cr_assert_eq(strcmp(args.strings + args.envp, "NAME0=value"), 0);
	exec_args_destroy(&args);
}

Test(exec_args, limits)
{
	char *big = malloc(131073);

	fill(1, 1);
	memset(big, 'x', 131072);
	big[131072] = 0;
	cr_assert_eq(exec_args_add(&args, big, true), -E2BIG);
	big[131071] = 0;
	cr_assert_eq(exec_args_add(&args, big, true), 0);
	/* With a small stack 128 KiB are still allowed, pointers and name included. */
	cr_assert_eq(exec_args_check(&args, 4, 4096), -E2BIG);
	cr_assert_eq(exec_args_check(&args, 4, 8 << 20), 0);
	free(big);
	exec_args_destroy(&args);
}

static u64 word(const struct exec_stack *s, u64 at)
{
	u64 v;

	memcpy(&v, s->bytes + (at - s->start), sizeof(v));
	return v;
}

static const char *string(const struct exec_stack *s, u64 at)
{
	return (const char *)s->bytes + (at - s->start);
}

Test(exec_stack, layout)
{
	struct thread_group group = {0};
	struct task task = {.group = &group};
	struct cred *cred = cred_create(1000, 1001, NULL, 0);
	struct exec *x = calloc(1, sizeof(*x));
	u64 top = 0x7fe000000000, at, type;
	struct exec_stack s;

	fill(3, 2);
	x->task = &task;
	x->filename = "/bin/program";
	x->args = &args;
	x->cred = cred;
	x->mm = mm_create();
	x->random[3] = 12345;
	x->random[4] = 0x1122334455667788;
	cr_assert_eq(exec_stack_build(x, top, &s), 0);
	cr_assert_eq(s.start % 16, 0);
	cr_assert_eq(s.start + s.size, top);
	cr_assert_eq(x->sp, s.start);

	at = s.start;
	cr_assert_eq(word(&s, at), 3);
	cr_assert_eq(strcmp(string(&s, word(&s, at + 8)), "argument 0"), 0);
	cr_assert_eq(strcmp(string(&s, word(&s, at + 24)), "argument 2"), 0);
	cr_assert_eq(word(&s, at + 32), 0);
	cr_assert_eq(strcmp(string(&s, word(&s, at + 40)), "NAME0=value"), 0);
	cr_assert_eq(strcmp(string(&s, word(&s, at + 48)), "NAME1=value"), 0);
	cr_assert_eq(word(&s, at + 56), 0);
	cr_assert_eq(x->mm->arg_start, word(&s, at + 8));
	cr_assert_eq(x->mm->env_start, word(&s, at + 40));
	for (at += 64; (type = word(&s, at)) != AT_NULL; at += 16) {
		u64 value = word(&s, at + 8);
		if (type == AT_UID)
			cr_assert_eq(value, 1000);
		if (type == AT_EGID)
			cr_assert_eq(value, 1001);
		if (type == AT_PLATFORM)
			cr_assert_eq(strcmp(string(&s, value), "x86_64"), 0);
		if (type == AT_EXECFN)
			cr_assert_eq(strcmp(string(&s, value), "/bin/program"), 0);
		if (type == AT_RANDOM)
			cr_assert_eq(word(&s, value), 0x1122334455667788);
	}
	cr_assert_eq(x->mm->auxv_len, at + 16 - (s.start + 64));
	/* The last word below the top is 0. */
	cr_assert_eq(word(&s, top - 8), 0);
	free(s.bytes);
	mm_put(x->mm);
	cred_put(cred);
	free(x);
	exec_args_destroy(&args);
}
