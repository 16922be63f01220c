/* What seccomp makes of a call, for the tests of what moat gives it. */
#pragma once
#include <criterion/criterion.h>
#include "base/types.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>

/* What the host's kernel would say; only what seccomp programs consist of. */
static inline u32 verdict(const struct sock_filter *f, unsigned len,
                          const struct seccomp_data *data)
{
	u32 a = 0;

	for (unsigned pc = 0; pc < len; pc++) {
		u32 k = f[pc].k;
		bool jump;

		switch (f[pc].code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&a, (const char *)data + k, sizeof(a));
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= k;
			continue;
		case BPF_JMP | BPF_JA:
			pc += k;
			continue;
		case BPF_RET | BPF_K:
			return k;
		case BPF_JMP | BPF_JEQ | BPF_K:
			jump = a == k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			jump = a > k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			jump = a >= k;
			break;
		default:
			cr_assert_fail("instruction %x", f[pc].code);
			return 0;
		}
		pc += jump ? f[pc].jt : f[pc].jf;
	}
	cr_assert_fail("the program has no end");
	return 0;
}
