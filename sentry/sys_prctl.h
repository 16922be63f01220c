/*
 * The options of prctl(2) that live with what they are about.
 */
#pragma once
#include "base/types.h"

struct task;

/* sys_capability.c */
s64 prctl_capbset(struct task *t, bool drop, u64 cap);
s64 prctl_set_securebits(struct task *t, u64 bits);
s64 prctl_set_keepcaps(struct task *t, u64 on);
s64 prctl_ambient(struct task *t, u64 op, u64 cap);
