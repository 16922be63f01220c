/*
 * What linkers and C libraries write by hand: the CFA of PLT entries, and the
 * registers in a signal frame. There are no branches here, so an expression
 * takes no longer than it is, and no division, which may trap.
 */
#include "sentry/backtrace/dwarf_expr.h"
#include "sentry/backtrace/dwarf_reader.h"
#include "sentry/backtrace/unwind.h"

#define STACK_MAX 16

/* As DWARF numbers them. */
enum {
	OP_DEREF = 0x06,
	OP_CONST1U = 0x08,
	OP_CONST1S,
	OP_CONST2U,
	OP_CONST2S,
	OP_CONST4U,
	OP_CONST4S,
	OP_CONST8U,
	OP_CONST8S,
	OP_CONSTU,
	OP_CONSTS,
	OP_DUP = 0x12,
	OP_DROP,
	OP_OVER,
	OP_SWAP = 0x16,
	OP_AND = 0x1a,
	OP_MINUS = 0x1c,
	OP_OR = 0x21,
	OP_PLUS,
	OP_PLUS_UCONST,
	OP_SHL,
	OP_SHR,
	OP_EQ = 0x29,
	OP_GE,
	OP_GT,
	OP_LE,
	OP_LT,
	OP_NE,
	OP_LIT0 = 0x30,
	OP_LIT31 = 0x4f,
	OP_BREG0 = 0x70,
	OP_BREG31 = 0x8f,
	OP_NOP = 0x96,
};

struct expr_stack {
	u64 v[STACK_MAX];
	unsigned n;
	bool bad;
};

static void push(struct expr_stack *k, u64 v)
{
	if (k->n == STACK_MAX)
		k->bad = true;
	else
		k->v[k->n++] = v;
}

static u64 pop(struct expr_stack *k)
{
	if (k->n)
		return k->v[--k->n];
	k->bad = true;
	return 0;
}

static void binary(struct expr_stack *k, u8 op)
{
	u64 b = pop(k), a = pop(k);

	switch (op) {
	case OP_AND:
		return push(k, a & b);
	case OP_MINUS:
		return push(k, a - b);
	case OP_OR:
		return push(k, a | b);
	case OP_PLUS:
		return push(k, a + b);
	case OP_SHL:
		return push(k, b < 64 ? a << b : 0);
	case OP_SHR:
		return push(k, b < 64 ? a >> b : 0);
	case OP_EQ:
		return push(k, a == b);
	case OP_GE:
		return push(k, (s64)a >= (s64)b);
	case OP_GT:
		return push(k, (s64)a > (s64)b);
	case OP_LE:
		return push(k, (s64)a <= (s64)b);
	case OP_LT:
		return push(k, (s64)a < (s64)b);
	case OP_NE:
		return push(k, a != b);
	default:
		k->bad = true;
	}
}

static u64 constant(struct dwarf_reader *r, u8 op)
{
	switch (op) {
	case OP_CONST1U:
		return dwarf_u8(r);
	case OP_CONST1S:
		return (u64)(s64)dwarf_s8(r);
	case OP_CONST2U:
		return dwarf_u16(r);
	case OP_CONST2S:
		return (u64)(s64)dwarf_s16(r);
	case OP_CONST4U:
		return dwarf_u32(r);
	case OP_CONST4S:
		return (u64)(s64)dwarf_s32(r);
	case OP_CONST8U:
	case OP_CONST8S:
		return dwarf_u64(r);
	case OP_CONSTU:
		return dwarf_uleb(r);
	default:
		return (u64)dwarf_sleb(r);
	}
}

static void shuffle(struct expr_stack *k, u8 op)
{
	u64 a = pop(k), b;

	switch (op) {
	case OP_DUP:
		push(k, a);
		push(k, a);
		break;
	case OP_OVER:
		b = pop(k);
		push(k, b);
		push(k, a);
		push(k, b);
		break;
	case OP_SWAP:
		b = pop(k);
		push(k, a);
		push(k, b);
		break;
	}
}

static void step(struct unwind_source *s, const u64 *reg, struct dwarf_reader *r,
                 struct expr_stack *k)
{
	u8 op = dwarf_u8(r);
	u64 v;

	if (op >= OP_LIT0 && op <= OP_LIT31) {
		push(k, op - OP_LIT0);
	} else if (op >= OP_BREG0 && op <= OP_BREG31) {
		v = (u64)dwarf_sleb(r);
		k->bad |= op - OP_BREG0 >= DWARF_REGS;
		push(k, k->bad ? 0 : v + reg[op - OP_BREG0]);
	} else if (op >= OP_CONST1U && op <= OP_CONSTS) {
		push(k, constant(r, op));
	} else if (op == OP_DUP || op == OP_DROP || op == OP_OVER || op == OP_SWAP) {
		shuffle(k, op);
	} else if (op == OP_PLUS_UCONST) {
		v = dwarf_uleb(r);
		push(k, pop(k) + v);
	} else if (op == OP_DEREF) {
		k->bad |= !s->read(s, &v, pop(k), sizeof(v));
		push(k, k->bad ? 0 : v);
	} else if (op != OP_NOP) {
		binary(k, op);
	}
}

bool dwarf_expr(struct unwind_source *s, const u64 *reg, const u8 *expr, size_t n, bool has_initial,
                u64 initial, u64 *out)
{
	struct dwarf_reader r = {.at = expr, .end = expr + n};
	struct expr_stack k = {.n = 0};

	if (has_initial)
		push(&k, initial);
	while (r.at < r.end && !r.bad && !k.bad)
		step(s, reg, &r, &k);
	*out = pop(&k);
	return !r.bad && !k.bad;
}
