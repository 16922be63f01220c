/*
 * Checking and running classic BPF (kernel/seccomp.c seccomp_check_filter,
 * net/core/filter.c bpf_check_classic). Jumps only go forward, so a program of n
 * instructions runs at most n steps.
 */
#include "sentry/bpf.h"
#include <errno.h>
#include <string.h>

static bool valid_alu(const struct sock_filter *i)
{
	switch (BPF_OP(i->code)) {
	case BPF_DIV:
	case BPF_MOD:
		/* By a constant zero; by a register it ends the program with 0 at run time. */
		return BPF_SRC(i->code) == BPF_X || i->k != 0;
	case BPF_LSH:
	case BPF_RSH:
		return BPF_SRC(i->code) == BPF_X || i->k < 32;
	case BPF_NEG:
		return BPF_SRC(i->code) == BPF_K;
	case BPF_ADD:
	case BPF_SUB:
	case BPF_MUL:
	case BPF_AND:
	case BPF_OR:
	case BPF_XOR:
		return true;
	}
	return false;
}

static bool valid_jump(const struct sock_filter *i, u32 left)
{
	switch (BPF_OP(i->code)) {
	case BPF_JA:
		return BPF_SRC(i->code) == BPF_K && i->k < left;
	case BPF_JEQ:
	case BPF_JGE:
	case BPF_JGT:
	case BPF_JSET:
		return i->jt < left && i->jf < left;
	}
	return false;
}

/* left: instructions behind this one. */
static bool valid_insn(const struct sock_filter *i, u32 left, u32 size)
{
	switch (i->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		return i->k < size && (i->k & 3) == 0;
	case BPF_LD | BPF_W | BPF_LEN:
	case BPF_LDX | BPF_W | BPF_LEN:
	case BPF_LD | BPF_IMM:
	case BPF_LDX | BPF_IMM:
	case BPF_MISC | BPF_TAX:
	case BPF_MISC | BPF_TXA:
	case BPF_RET | BPF_K:
	case BPF_RET | BPF_A:
		return true;
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_MEM:
	case BPF_ST:
	case BPF_STX:
		return i->k < BPF_MEMWORDS;
	}
	if (BPF_CLASS(i->code) == BPF_ALU)
		return (i->code & ~0xffU) == 0 && valid_alu(i);
	if (BPF_CLASS(i->code) == BPF_JMP)
		return (i->code & ~0xffU) == 0 && valid_jump(i, left);
	return false;
}

/* What a jump target may rely on: words that were stored on every way to it. */
static void meet(u16 *at, u16 stored)
{
	*at &= stored;
}

int bpf_check(const struct sock_filter *insn, u32 len, u32 size)
{
	u16 known[BPF_MAXINSNS + 1], stored = 0;
	if (len == 0 || len > BPF_MAXINSNS)
		return -EINVAL;
	memset(known, 0xff, sizeof(known));
	for (u32 pc = 0; pc < len; pc++) {
		const struct sock_filter *i = &insn[pc];
		u32 left = len - pc - 1;
		if (!valid_insn(i, left, size))
			return -EINVAL;
		stored &= known[pc];
		switch (BPF_CLASS(i->code)) {
		case BPF_ST:
		case BPF_STX:
			stored |= (u16)(1u << i->k);
			break;
		case BPF_LD:
		case BPF_LDX:
			if (BPF_MODE(i->code) == BPF_MEM && !(stored & (1u << i->k)))
				return -EINVAL;
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_JA) {
				meet(&known[pc + 1 + i->k], stored);
			} else {
				meet(&known[pc + 1 + i->jt], stored);
				meet(&known[pc + 1 + i->jf], stored);
			}
			/* What follows is reached by jumps only. */
			stored = 0xffff;
			break;
		case BPF_RET:
			stored = 0xffff;
			break;
		}
	}
	return BPF_CLASS(insn[len - 1].code) == BPF_RET ? 0 : -EINVAL;
}

static u32 alu(u16 op, u32 a, u32 b)
{
	switch (op) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return a / b;
	case BPF_MOD:
		return a % b;
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return a << (b & 31);
	case BPF_RSH:
		return a >> (b & 31);
	}
	return -a; /* BPF_NEG */
}

static bool test(u16 op, u32 a, u32 b)
{
	switch (op) {
	case BPF_JEQ:
		return a == b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	}
	return a & b; /* BPF_JSET */
}

u32 bpf_run(const struct sock_filter *insn, const u8 *data)
{
	u32 a = 0, x = 0, mem[BPF_MEMWORDS];
	for (const struct sock_filter *i = insn;; i++) {
		u32 operand = BPF_SRC(i->code) == BPF_X ? x : i->k;
		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			if (BPF_MODE(i->code) == BPF_ABS)
				memcpy(&a, data + i->k, sizeof(a));
			else if (BPF_MODE(i->code) == BPF_MEM)
				a = mem[i->k];
			else
				a = BPF_MODE(i->code) == BPF_LEN ? 64 : i->k;
			break;
		case BPF_LDX:
			if (BPF_MODE(i->code) == BPF_MEM)
				x = mem[i->k];
			else
				x = BPF_MODE(i->code) == BPF_LEN ? 64 : i->k;
			break;
		case BPF_ST:
			mem[i->k] = a;
			break;
		case BPF_STX:
			mem[i->k] = x;
			break;
		case BPF_ALU:
			if ((BPF_OP(i->code) == BPF_DIV || BPF_OP(i->code) == BPF_MOD) &&
			    operand == 0)
				return 0;
			a = alu(BPF_OP(i->code), a, operand);
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_JA)
				i += i->k;
			else
				i += test(BPF_OP(i->code), a, operand) ? i->jt : i->jf;
			break;
		case BPF_MISC:
			if (i->code == (BPF_MISC | BPF_TAX))
				x = a;
			else
				a = x;
			break;
		default:
			return BPF_RVAL(i->code) == BPF_A ? a : i->k;
		}
	}
}
