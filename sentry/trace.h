/*
 * The strace-like tracer (`moat run --trace`): one line a call, decoded from
 * sentry/syscalls.def.
 */
#pragma once
#include "base/types.h"

struct task;
struct syscall_args;
struct trace;

/*
 * fd: where lines go (borrowed, open for the sandbox's life). filter: NULL for all, or a
 * comma-separated list of call names, "!name" to leave one out, "%file", "%process", "%memory",
 * "%network",
 * "%signal", "%desc" for families. -EINVAL and *bad (points into filter) for an unknown name.
 */
must_check int trace_create(int fd, const char *filter, struct trace **out, const char **bad);

void trace_enter(struct task *t, u64 nr, const struct syscall_args *a);
void trace_exit(struct task *t, u64 nr, const struct syscall_args *a, s64 result);
/* Lines of other kinds: signals delivered, exits. */
void trace_note(struct task *t, const char *fmt, ...) printf_like(2, 3);
