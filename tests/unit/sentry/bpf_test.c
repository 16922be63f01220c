/* Classic BPF: what the checker refuses, and what programs compute. */
#include <criterion/criterion.h>
#include "sentry/bpf.h"
#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>

#define SIZE    sizeof(struct seccomp_data)
#define LOAD(k) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (k))
#define RET(k)  BPF_STMT(BPF_RET | BPF_K, (k))
#define N(p)    (sizeof(p) / sizeof((p)[0]))

Test(bpf, refuses)
{
	struct sock_filter no_return[] = {LOAD(0)};
	struct sock_filter unaligned[] = {LOAD(2), RET(0)};
	struct sock_filter outside[] = {LOAD(SIZE), RET(0)};
	struct sock_filter byte[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), RET(0)};
	struct sock_filter far[] = {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), RET(0)};
	struct sock_filter far_always[] = {BPF_STMT(BPF_JMP | BPF_JA, 1), RET(0)};
	struct sock_filter zero_div[] = {BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RET(0)};
	struct sock_filter shift[] = {BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), RET(0)};
	struct sock_filter unwritten[] = {BPF_STMT(BPF_LD | BPF_MEM, 0), RET(0)};
	struct sock_filter mem_range[] = {BPF_STMT(BPF_ST, BPF_MEMWORDS), RET(0)};
	/* Word 3 is written on one of the two ways only. */
	struct sock_filter half_written[] = {LOAD(0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 5, 0, 1),
	                                     BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_LD | BPF_MEM, 3),
	                                     BPF_STMT(BPF_RET | BPF_A, 0)};
	struct sock_filter unknown[] = {{0xffff, 0, 0, 0}, RET(0)};
	cr_expect_eq(bpf_check(no_return, N(no_return), SIZE), -EINVAL);
	cr_expect_eq(bpf_check(unaligned, N(unaligned), SIZE), -EINVAL);
	cr_expect_eq(bpf_check(outside, N(outside), SIZE), -EINVAL);
	cr_expect_eq(bpf_check(byte, N(byte), SIZE), -EINVAL);
	cr_expect_eq(bpf_check(far, N(far), SIZE), -EINVAL);
	cr_expect_eq(bpf_check(far_always, N(far_always), SIZE), -EINVAL);
	cr_expect_eq(bpf_check(zero_div, N(zero_div), SIZE), -EINVAL);
	cr_expect_eq(bpf_check(shift, N(shift), SIZE), -EINVAL);
	cr_expect_eq(bpf_check(unwritten, N(unwritten), SIZE), -EINVAL);
	cr_expect_eq(bpf_check(mem_range, N(mem_range), SIZE), -EINVAL);
	cr_expect_eq(bpf_check(half_written, N(half_written), SIZE), -EINVAL);
	cr_expect_eq(bpf_check(unknown, N(unknown), SIZE), -EINVAL);
	cr_expect_eq(bpf_check(unknown, 0, SIZE), -EINVAL);
}

static u32 run(const struct sock_filter *p, u32 n)
{
	struct seccomp_data d = {.nr = 39, .arch = 7, .args = {1, 2, 0x500000000, 4, 5, 6}};
	cr_assert_eq(bpf_check(p, n, SIZE), 0);
	return bpf_run(p, (const u8 *)&d);
}

Test(bpf, computes)
{
	struct sock_filter by_number[] = {LOAD(0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 39, 0, 1),
	                                  RET(1), RET(2)};
	struct sock_filter upper_half[] = {LOAD(offsetof(struct seccomp_data, args[2]) + 4),
	                                   BPF_STMT(BPF_RET | BPF_A, 0)};
	struct sock_filter scratch[] = {LOAD(0),
	                                BPF_STMT(BPF_ST, 2),
	                                BPF_STMT(BPF_LD | BPF_IMM, 3),
	                                BPF_STMT(BPF_LDX | BPF_MEM, 2),
	                                BPF_STMT(BPF_ALU | BPF_MUL | BPF_X, 0),
	                                BPF_STMT(BPF_RET | BPF_A, 0)};
	struct sock_filter div_by_x[] = {BPF_STMT(BPF_LD | BPF_IMM, 3),
	                                 BPF_STMT(BPF_LDX | BPF_IMM, 0),
	                                 BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), RET(9)};
	struct sock_filter length[] = {BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
	                               BPF_STMT(BPF_RET | BPF_A, 0)};
	struct sock_filter jump[] = {BPF_STMT(BPF_JMP | BPF_JA, 1), RET(1), RET(2)};
	cr_expect_eq(run(by_number, N(by_number)), 1);
	cr_expect_eq(run(upper_half, N(upper_half)), 5);
	cr_expect_eq(run(scratch, N(scratch)), 117);
	cr_expect_eq(run(div_by_x, N(div_by_x)), 0);
	cr_expect_eq(run(length, N(length)), SIZE);
	cr_expect_eq(run(jump, N(jump)), 2);
}
