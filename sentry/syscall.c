/*
 * The system call table, made from sentry/syscalls.def, and the dispatch of one
 * call. What else is derived from the table: the tracer (trace.c), `moat
 * syscalls` (cli/syscalls.c), and the fuzzer's grammar.
 */
#include "sentry/syscall.h"
#include "base/log.h"
#include "sentry/trace.h"
#include <errno.h>

/* clang-format off */
#define NOARGS		{A_NONE, 0, 0, NULL}
#define FD(n)		{A_FD, 0, 0, #n}
#define DIRFD(n)	{A_DIRFD, 0, 0, #n}
#define INT(n)		{A_INT, 0, 0, #n}
#define UINT(n)		{A_UINT, 0, 0, #n}
#define LONG(n)		{A_LONG, 0, 0, #n}
#define HEX(n)		{A_HEX, 0, 0, #n}
#define SIZE(n)		{A_SIZE, 0, 0, #n}
#define OFF(n)		{A_OFF, 0, 0, #n}
#define MODE(n)		{A_MODE, 0, 0, #n}
#define DEV(n)		{A_DEV, 0, 0, #n}
#define PID(n)		{A_PID, 0, 0, #n}
#define UID(n)		{A_UID, 0, 0, #n}
#define GID(n)		{A_GID, 0, 0, #n}
#define SIGNAL(n)	{A_SIGNAL, 0, 0, #n}
#define CLOCK(n)	{A_CLOCK, 0, 0, #n}
#define PTR(n)		{A_PTR, 0, 0, #n}
#define PATH(n)		{A_PATH, 0, 0, #n}
#define STR(n)		{A_STR, 0, 0, #n}
#define ARGV(n)		{A_ARGV, 0, 0, #n}
#define IN(n, len)	{A_IN, 0, len, #n}
#define OUT(n, len)	{A_OUT, 0, len, #n}
#define SIN(n, size)	{A_STRUCT_IN, 0, size, #n}
#define SOUT(n, size)	{A_STRUCT_OUT, 0, size, #n}
#define SINOUT(n, size)	{A_STRUCT_INOUT, 0, size, #n}
#define IOVIN(n, cnt)	{A_IOVEC_IN, 0, cnt, #n}
#define IOVOUT(n, cnt)	{A_IOVEC_OUT, 0, cnt, #n}
#define FLAGS(n, set)	{A_FLAGS, FLAGS_##set, 0, #n}
/* clang-format on */

#define SYSCALL(number, label, body, state, error, text, ...)                                      \
	[number] = {.name = #label,                                                                \
	            .fn = (body),                                                                  \
	            .status = (state),                                                             \
	            .refusal = (error),                                                            \
	            .note = (text),                                                                \
	            .nargs = sizeof((struct arg_desc[]){__VA_ARGS__}) / sizeof(struct arg_desc),   \
	            .arg = {__VA_ARGS__}},

const struct syscall_row syscall_table[SYSCALL_NR] = {
#include "sentry/syscalls.def"
};
#undef SYSCALL

_Atomic u64 syscall_count[SYSCALL_NR];

static struct marshal_arg marshal_of(const struct arg_desc *d)
{
	switch (d->kind) {
	case A_PATH:
	case A_STR:
		return (struct marshal_arg){.kind = MARSHAL_PATH};
	case A_IN:
		return (struct marshal_arg){.kind = MARSHAL_IN_LEN, .len_arg = (u8)d->aux};
	case A_OUT:
		return (struct marshal_arg){.kind = MARSHAL_OUT_LEN, .len_arg = (u8)d->aux};
	case A_STRUCT_IN:
		return (struct marshal_arg){.kind = MARSHAL_IN_SIZE, .size = d->aux};
	case A_STRUCT_OUT:
		return (struct marshal_arg){.kind = MARSHAL_OUT_SIZE, .size = d->aux};
	case A_STRUCT_INOUT:
		return (struct marshal_arg){.kind = MARSHAL_INOUT_SIZE, .size = d->aux};
	default:
		return (struct marshal_arg){.kind = MARSHAL_NONE};
	}
}

void syscall_marshal_build(struct marshal_desc *out)
{
	_Static_assert(MARSHAL_NR == SYSCALL_NR, "the stub knows the same numbers");
	for (int nr = 0; nr < SYSCALL_NR; nr++) {
		const struct syscall_row *row = &syscall_table[nr];
		for (int i = 0; i < 6; i++)
			out[nr].arg[i] =
			    row->fn ? marshal_of(&row->arg[i]) : (struct marshal_arg){0};
	}
}

/* A call that has no body: named once in the log, so that a missing call is easy to find. */
static s64 call_absent(u64 nr, const struct syscall_row *row)
{
	if (row && row->name && row->status == SYS_REFUSED) {
		atomic_fetch_add_explicit(&syscall_count[nr], 1, memory_order_relaxed);
		return -row->refusal;
	}
	if (row && atomic_fetch_add_explicit(&syscall_count[nr], 1, memory_order_relaxed) == 0)
		log_debug("system call %s (%llu) is not implemented: ENOSYS",
		          row->name ? row->name : "?", (unsigned long long)nr);
	return -ENOSYS;
}

void syscall_dispatch(struct task *t)
{
	struct user_regs_struct *r = platform_thread_call_regs(t->thread);
	u64 nr = r->orig_rax;
	const struct syscall_row *row = nr < SYSCALL_NR ? &syscall_table[nr] : NULL;
	struct syscall_args a = {{r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9}};
	s64 result;

	atomic_store_explicit(&t->syscall_nr, nr, memory_order_relaxed); /* /proc looks */
	if (__builtin_expect(kernel.trace != NULL, 0))
		trace_enter(t, nr, &a);
	if (__builtin_expect(row && row->fn, 1)) {
		atomic_fetch_add_explicit(&syscall_count[nr], 1, memory_order_relaxed);
		result = row->fn(t, &a);
	} else {
		result = call_absent(nr, row);
	}
	/* execve and rt_sigreturn replace the registers: r is looked up again. */
	platform_thread_call_regs(t->thread)->rax = (u64)result;
	if (__builtin_expect(kernel.trace != NULL, 0))
		trace_exit(t, nr, &a, result);
	atomic_store_explicit(&t->syscall_nr, ~0ULL, memory_order_relaxed);
}
