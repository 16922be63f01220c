/*
 * Classic BPF as seccomp uses it: loads come from one fixed structure.
 */
#pragma once
#include "base/types.h"
#include <linux/filter.h>

/*
 * May the program run over data of size bytes? Every path must end in a
 * return, jumps stay inside, loads are aligned words of the data, and scratch
 * memory is written before it is read. 0 or -EINVAL.
 */
must_check int bpf_check(const struct sock_filter *insn, u32 len, u32 size);
/* Runs a checked program. */
u32 bpf_run(const struct sock_filter *insn, const u8 *data);
