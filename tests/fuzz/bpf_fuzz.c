/*
 * seccomp's BPF programs. Input: struct seccomp_data, then instructions. What the checker lets pass
 * is run by a second interpreter that checks each step, and must come to the same result.
 */
#include "tests/fuzz/fuzz.h"
#include "sentry/bpf.h"
#include <errno.h>
#include <linux/seccomp.h>

#define SIZE     ((u32)sizeof(struct seccomp_data))
#define INSN_MAX 256

struct machine {
	const struct sock_filter *insn;
	u32 n, a, x, mem[BPF_MEMWORDS];
	u32 known; /* words of mem that have been written */
	const u8 *data;
};

static u32 load(const struct machine *m, const struct sock_filter *i)
{
	u32 v;

	switch (BPF_MODE(i->code)) {
	case BPF_IMM:
		return i->k;
	case BPF_LEN:
		return SIZE;
	case BPF_MEM:
		must(i->k < BPF_MEMWORDS && (m->known & (1u << i->k)));
		return m->mem[i->k];
	default:
		must(BPF_MODE(i->code) == BPF_ABS && BPF_CLASS(i->code) == BPF_LD);
		must(i->k % 4 == 0 && i->k <= SIZE - 4);
		memcpy(&v, m->data + i->k, sizeof(v));
		return v;
	}
}

static void store(struct machine *m, u32 at, u32 v)
{
	must(at < BPF_MEMWORDS);
	m->mem[at] = v;
	m->known |= 1u << at;
}

/* False: the program ends with 0. */
static bool compute(struct machine *m, const struct sock_filter *i)
{
	u32 by = BPF_SRC(i->code) == BPF_X ? m->x : i->k;

	switch (BPF_OP(i->code)) {
	case BPF_ADD:
		m->a += by;
		break;
	case BPF_SUB:
		m->a -= by;
		break;
	case BPF_MUL:
		m->a *= by;
		break;
	case BPF_DIV:
	case BPF_MOD:
		if (!by)
			return false;
		m->a = BPF_OP(i->code) == BPF_DIV ? m->a / by : m->a % by;
		break;
	case BPF_AND:
		m->a &= by;
		break;
	case BPF_OR:
		m->a |= by;
		break;
	case BPF_XOR:
		m->a ^= by;
		break;
	case BPF_LSH:
		m->a <<= by & 31;
		break;
	case BPF_RSH:
		m->a >>= by & 31;
		break;
	default:
		must(BPF_OP(i->code) == BPF_NEG);
		m->a = -m->a;
	}
	return true;
}

/* How many instructions are jumped over. */
static u32 jump(const struct machine *m, const struct sock_filter *i)
{
	u32 by = BPF_SRC(i->code) == BPF_X ? m->x : i->k;

	switch (BPF_OP(i->code)) {
	case BPF_JA:
		return i->k;
	case BPF_JEQ:
		return m->a == by ? i->jt : i->jf;
	case BPF_JGT:
		return m->a > by ? i->jt : i->jf;
	case BPF_JGE:
		return m->a >= by ? i->jt : i->jf;
	default:
		must(BPF_OP(i->code) == BPF_JSET);
		return m->a & by ? i->jt : i->jf;
	}
}

static u32 interpret(struct machine *m)
{
	for (u64 pc = 0;; pc++) {
		must(pc < m->n);
		const struct sock_filter *i = &m->insn[pc];
		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			m->a = load(m, i);
			break;
		case BPF_LDX:
			m->x = load(m, i);
			break;
		case BPF_ST:
			store(m, i->k, m->a);
			break;
		case BPF_STX:
			store(m, i->k, m->x);
			break;
		case BPF_ALU:
			if (!compute(m, i))
				return 0;
			break;
		case BPF_JMP:
			pc += jump(m, i);
			break;
		case BPF_RET:
			return BPF_RVAL(i->code) == BPF_A ? m->a : i->k;
		default:
			if (BPF_MISCOP(i->code) == BPF_TAX)
				m->x = m->a;
			else
				m->a = m->x;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct seccomp_data d;
	u32 n = 0;

	input_bytes(&in, &d, sizeof(d));
	/* Exactly as long as the program, so that a step beyond its end is seen. */
	n = (u32)min_of(in.n / sizeof(struct sock_filter), (size_t)INSN_MAX);
	struct sock_filter *insn = malloc(max_of(n, 1u) * sizeof(*insn));
	must(insn);
	input_bytes(&in, insn, n * sizeof(*insn));
	int err = bpf_check(insn, n, SIZE);
	must(err == 0 || err == -EINVAL);
	if (!err) {
		struct machine m = {.insn = insn, .n = n, .data = (const u8 *)&d};
		must(bpf_run(insn, (const u8 *)&d) == interpret(&m));
	}
	free(insn);
	return 0;
}
