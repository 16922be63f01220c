/*
 * seccomp(2) for guests: their filters are run by the sentry on each of their
 * calls, before the call is looked at.
 */
#pragma once
#include "base/types.h"

struct task;
struct seccomp_filter;

struct seccomp_filter *seccomp_filter_get(struct seccomp_filter *f); /* NULL in, NULL out */
void seccomp_filter_put(struct seccomp_filter *f);
/*
 * Of the call in t's registers: may it go on? If not, its result is in rax, or
 * a signal has been sent, or the task is to end.
 */
must_check bool seccomp_allows(struct task *t);
/* Filters that another thread has set for all (TSYNC): taken over by t itself. */
void seccomp_adopt(struct task *t);
/* PR_SET_SECCOMP. */
s64 seccomp_prctl(struct task *t, u64 mode, struct uptr filter);
/* 0, 1 (strict) or 2 (filter), as /proc/PID/status shows it. */
int seccomp_mode(const struct task *t);
u32 seccomp_filter_count(const struct task *t);
