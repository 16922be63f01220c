/*
 * The strings of an execve: two guest arrays of pointers to strings, copied
 * once into one buffer, which becomes the top of the new stack as it is.
 *
 * The strings of an environment mostly lie side by side, so guest memory is
 * read in windows of a few KiB and not string by string.
 */
#include "sentry/exec_internal.h"
#include "base/uspace.h"
#include "sentry/task.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* include/uapi/linux/binfmts.h MAX_ARG_STRLEN: one string with its NUL. */
#define ARG_STRLEN_MAX 131072u
/* fs/exec.c bprm_stack_limits: 3/4 of the default stack, and never less than ARG_MAX. */
#define ARG_BYTES_MAX (6UL << 20)
#define ARG_BYTES_MIN 131072UL

#define WINDOW       4096u
#define POINTERS_MAX 64u

void exec_args_init(struct exec_args *a)
{
	*a = (struct exec_args){0};
}

void exec_args_destroy(struct exec_args *a)
{
	free(a->strings);
	exec_args_init(a);
}

static int args_reserve(struct exec_args *a, size_t n)
{
	size_t capacity = a->capacity ? a->capacity : 4096;
	char *p;

	if (a->size + n <= a->capacity)
		return 0;
	while (capacity < a->size + n)
		capacity *= 2;
	p = realloc(a->strings, capacity);
	if (!p)
		return -ENOMEM;
	a->strings = p;
	a->capacity = capacity;
	return 0;
}

static void args_count(struct exec_args *a, bool is_env)
{
	if (is_env) {
		a->envc++;
	} else {
		a->argc++;
		a->envp = a->size;
	}
}

int exec_args_add(struct exec_args *a, const char *s, bool is_env)
{
	size_t n = strlen(s) + 1;
	int err;

	if (n > ARG_STRLEN_MAX)
		return -E2BIG;
	err = args_reserve(a, n);
	if (err)
		return err;
	memcpy(a->strings + a->size, s, n);
	a->size += n;
	args_count(a, is_env);
	return 0;
}

int exec_args_shift(struct exec_args *a, const char *const *before, u32 n)
{
	size_t first = a->argc ? strlen(a->strings) + 1 : 0, total = 0;
	char *at;
	int err;

	for (u32 i = 0; i < n; i++)
		total += strlen(before[i]) + 1;
	err = args_reserve(a, total);
	if (err)
		return err;
	memmove(a->strings + total, a->strings + first, a->size - first);
	at = a->strings;
	for (u32 i = 0; i < n; i++)
		at = stpcpy(at, before[i]) + 1;
	a->size += total - first;
	a->envp += total - first;
	a->argc += n - (a->argc ? 1 : 0);
	return 0;
}

int exec_args_check(const struct exec_args *a, size_t filename_len, u64 stack_limit)
{
	u64 limit = max_of(min_of(ARG_BYTES_MAX, stack_limit / 4), ARG_BYTES_MIN);
	u64 pointers = ((u64)max_of(a->argc, 1u) + a->envc) * sizeof(u64);

	if (limit <= pointers || a->size + filename_len + 1 > limit - pointers)
		return -E2BIG;
	return 0;
}

/* ---- from the guest --------------------------------------------------------- */

struct window {
	u64 base;
	size_t n;
	char bytes[WINDOW];
};

/* Appends the string at addr. */
static int args_copy_string(struct exec_args *a, struct window *w, u64 addr, bool is_env)
{
	size_t total = 0, n;
	const char *from, *nul;
	int err;

	do {
		if (addr < w->base || addr - w->base >= w->n) {
			w->base = addr;
			w->n = copy_in_partial(w->bytes, uptr_make(addr), WINDOW);
			if (!w->n)
				return -EFAULT;
		}
		from = w->bytes + (addr - w->base);
		n = w->n - (addr - w->base);
		nul = memchr(from, 0, n);
		if (nul)
			n = (size_t)(nul - from) + 1;
		total += n;
		if (total > ARG_STRLEN_MAX)
			return -E2BIG;
		err = args_reserve(a, n);
		if (err)
			return err;
		memcpy(a->strings + a->size, from, n);
		a->size += n;
		addr += n;
	} while (!nul);
	args_count(a, is_env);
	return 0;
}

static int args_copy_array(struct exec_args *a, struct window *w, struct uptr array, bool is_env,
                           u64 limit)
{
	u64 pointer[POINTERS_MAX];
	size_t n;
	int err;

	/* A null array is an empty one: Linux's extension (execve(2), NOTES). */
	if (uptr_is_null(array))
		return 0;
	for (;;) {
		/* Reads no further than a page, as what follows the array may not be there. */
		n = min_of(sizeof(pointer), PAGE_SIZE - (array.addr & ~PAGE_MASK));
		n = n < sizeof(u64) ? sizeof(u64) : n & ~7UL;
		n = copy_in_partial(pointer, array, n) / sizeof(u64);
		if (!n)
			return -EFAULT;
		for (size_t i = 0; i < n; i++) {
			if (!pointer[i])
				return 0;
			err = args_copy_string(a, w, pointer[i], is_env);
			if (err)
				return err;
			if (a->size + (a->argc + a->envc) * sizeof(u64) > limit)
				return -E2BIG;
		}
		array.addr += n * sizeof(u64);
	}
}

int exec_args_copy(struct exec_args *a, struct uptr argv, struct uptr envp)
{
	struct window *w = malloc(sizeof(*w));
	u64 limit = max_of(min_of(ARG_BYTES_MAX, task_rlimit(task_self(), RLIMIT_STACK) / 4),
	                   ARG_BYTES_MIN);
	int err;

	if (!w)
		return -ENOMEM;
	w->base = 0;
	w->n = 0;
	err = args_copy_array(a, w, argv, false, limit);
	if (!err)
		err = args_copy_array(a, w, envp, true, limit);
	free(w);
	return err;
}
