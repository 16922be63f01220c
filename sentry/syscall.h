/*
 * System calls: the table made from sentry/syscalls.def, and the form of a body.
 *
 * A body has one signature, decodes its arguments with the helpers below,
 * copies guest memory once through base/uspace.h, and returns a result >= 0 or
 * -errno (or an -ERESTART* code, resolved by signal delivery).
 */
#pragma once
#include "base/types.h"
#include "sentry/task.h"

struct syscall_args {
	u64 v[6];
};
typedef s64 syscall_fn(struct task *t, const struct syscall_args *a);

/* The bodies: sys_NAME for each row of the table that has one. */
#define SYSCALL(nr, name, ...) s64 sys_##name(struct task *t, const struct syscall_args *a);
#include "sentry/syscalls.def"
#undef SYSCALL

static inline int arg_int(const struct syscall_args *a, int n)
{
	return (int)a->v[n];
}
static inline u32 arg_u32(const struct syscall_args *a, int n)
{
	return (u32)a->v[n];
}
static inline u64 arg_u64(const struct syscall_args *a, int n)
{
	return a->v[n];
}
static inline s64 arg_s64(const struct syscall_args *a, int n)
{
	return (s64)a->v[n];
}
static inline struct uptr arg_ptr(const struct syscall_args *a, int n)
{
	return uptr_make(a->v[n]);
}

/* How an argument is decoded by the tracer, marshalled by the stub and mutated by the fuzzer. */
enum arg_kind {
	A_NONE,
	A_INT,
	A_UINT,
	A_LONG,
	A_HEX,
	A_SIZE,
	A_OFF,
	A_MODE,
	A_DEV,
	A_FD,
	A_DIRFD,
	A_PID,
	A_UID,
	A_GID,
	A_SIGNAL,
	A_CLOCK,
	A_PTR,  /* a guest address with nothing to decode */
	A_PATH, /* in: NUL-terminated name */
	A_STR,  /* in: NUL-terminated, not a path (xattr names) */
	A_IN,   /* in buffer; aux: index of the argument with its length */
	A_OUT,  /* out buffer; aux: index of the length argument */
	A_STRUCT_IN,
	A_STRUCT_OUT,
	A_STRUCT_INOUT, /* aux: size in bytes */
	A_IOVEC_IN,
	A_IOVEC_OUT, /* aux: index of the count argument */
	A_ARGV,      /* NULL-terminated array of strings */
	A_FLAGS,     /* aux: enum flag_set, for names */
};
/* Names of flag words for the tracer: sentry/trace_flags.c. */
enum flag_set {
	FLAGS_HEX,
	FLAGS_OPEN,
	FLAGS_AT,
	FLAGS_PROT,
	FLAGS_MAP,
	FLAGS_CLONE,
	FLAGS_WAIT,
	FLAGS_MSG,
	FLAGS_SOCKET,
	FLAGS_FD,
	FLAGS_EPOLL,
	FLAGS_FUTEX,
	FLAGS_FCNTL,
	FLAGS_MADV,
	FLAGS_MOUNT,
	FLAGS_RENAME,
	FLAGS_ACCESS,
	FLAGS_SEEK,
	FLAGS_SIGHOW,
	FLAGS_PRCTL,
	FLAGS_RLIMIT,
	FLAGS_MEMFD,
	FLAGS_RESOLVE,
	FLAGS_SPLICE,
	FLAGS_MREMAP,
	FLAGS_MSYNC,
	FLAGS_FALLOC,
	FLAGS_INOTIFY,
	FLAGS_SOCKOPT,
	FLAGS_SHUTDOWN,
	FLAGS_FLOCK,
	FLAGS_IOCTL,
	FLAGS_ADVICE,
	FLAGS_PIPE,
};
struct arg_desc {
	u8 kind;  /* enum arg_kind */
	u8 flags; /* enum flag_set, for A_FLAGS */
	u16 aux;
	const char *name;
};

enum syscall_status {
	SYS_FULL,
	SYS_PARTIAL, /* note says what is missing */
	SYS_REFUSED, /* always fails with errno `refusal`; note says why */
	SYS_MISSING, /* ENOSYS: known, not implemented */
};
struct syscall_row {
	const char *name;
	syscall_fn *fn; /* NULL: refused or missing */
	u8 status;
	s16 refusal;
	const char *note;
	u8 nargs;
	struct arg_desc arg[6];
};

#define SYSCALL_NR 512
/* Empty rows (name NULL) are numbers that x86-64 does not have. */
extern const struct syscall_row syscall_table[SYSCALL_NR];
struct marshal_desc;
/* The stub's view of the table. out: MARSHAL_NR entries. */
void syscall_marshal_build(struct marshal_desc *out);

/* Runs the call in t's registers and leaves the result in rax, restarts unresolved. */
void syscall_dispatch(struct task *t);
/* How often each number was called, and failed with ENOSYS. */
extern _Atomic u64 syscall_count[SYSCALL_NR];
