/*
 * Call frame information (DWARF 5, section 6.4; LSB Core, 10.6 for .eh_frame):
 * a table, compressed into a program, of where each function keeps its caller's
 * registers.
 *
 * libunwind can do this for another process, but its evaluator of expressions
 * traps on a division of the smallest number by -1 and follows backward branches for
 * ever; the tables here come from a guest that may want just that. So they are
 * read by code that is written for it: a table's entry is copied once, with
 * a limit, and each of its instructions is looked at once.
 */
#include "sentry/backtrace/unwind.h"
#include "sentry/backtrace/dwarf_expr.h"
#include "sentry/backtrace/dwarf_reader.h"

#define CIE_MAX 512
/* Of a longer entry the first part is used: it has the function's first so many instructions. */
#define FDE_MAX   4096
#define SAVED_MAX 4

/* Pointer encodings, DW_EH_PE_*. */
enum { PE_ABS = 0, PE_U4 = 3, PE_U8 = 4, PE_S4 = 0xb, PE_S8 = 0xc, PE_PCREL = 0x10 };
/* How .eh_frame_hdr is written by every linker: pcrel sdata4, udata4, datarel sdata4. */
static const u8 header_form[4] = {1, 0x1b, 0x03, 0x3b};

enum rule_kind {
	RULE_SAME,
	RULE_UNDEFINED,
	RULE_OFFSET,
	RULE_VALUE,
	RULE_REG,
	RULE_EXPR,
	RULE_VALUE_EXPR
};
struct rule {
	u8 kind;
	u16 len; /* of the expression */
	s64 off; /* or the register */
	const u8 *expr;
};
struct row {
	struct rule cfa; /* RULE_REG with off, or RULE_VALUE_EXPR */
	u64 cfa_reg;
	struct rule reg[DWARF_REGS];
};

struct cie {
	u64 code_align;
	s64 data_align;
	u8 encoding;
	bool augmented, signal;
	struct dwarf_reader program;
};

/* What one step needs room for; bounds the stack it takes (some 9 KiB). */
struct work {
	u8 cie[CIE_MAX], fde[FDE_MAX];
	struct row row, initial, saved[SAVED_MAX];
	unsigned nsaved;
	u64 loc;
};

/* ---- finding the entry --------------------------------------------------- */

/* The address of the FDE that may cover pc: the last one that begins at or below it. */
static bool find_fde(struct unwind_source *s, u64 pc, u64 *fde)
{
	struct {
		u8 form[4];
		s32 frame;
		u32 count;
	} h;
	struct {
		s32 loc, fde;
	} e;
	u64 hdr, size, low = 0, high;

	if (!s->table(s, pc, &hdr, &size) || size < sizeof(h) || !s->read(s, &h, hdr, sizeof(h)) ||
	    memcmp(h.form, header_form, sizeof(h.form)) != 0)
		return false;
	high = min_of((u64)h.count, (size - sizeof(h)) / sizeof(e));
	while (low < high) {
		u64 mid = low + (high - low) / 2;
		if (!s->read(s, &e, hdr + sizeof(h) + mid * sizeof(e), sizeof(e)))
			return false;
		if (hdr + (u64)(s64)e.loc <= pc) {
			*fde = hdr + (u64)(s64)e.fde;
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low > 0;
}

/* Copies an entry behind its length word; *cut: it is longer than max. */
static bool entry_read(struct unwind_source *s, u64 addr, u8 *buf, size_t max,
                       struct dwarf_reader *out)
{
	u32 len;

	if (!s->read(s, &len, addr, sizeof(len)) || len < 4 || len >= 0xfffffff0)
		return false;
	len = (u32)min_of((size_t)len, max);
	if (!s->read(s, buf, addr + sizeof(len), len))
		return false;
	*out = (struct dwarf_reader){.at = buf, .end = buf + len, .addr = addr + sizeof(len)};
	return true;
}

static u64 pointer(struct dwarf_reader *r, u8 encoding)
{
	u64 base = (encoding & 0x70) == PE_PCREL ? r->addr : 0, v;

	switch (encoding & 0x0f) {
	case PE_ABS:
	case PE_U8:
	case PE_S8:
		v = dwarf_u64(r);
		break;
	case PE_U4:
		v = dwarf_u32(r);
		break;
	case PE_S4:
		v = (u64)(s64)dwarf_s32(r);
		break;
	default:
		r->bad = true;
		return 0;
	}
	r->bad |= (encoding & 0x70) != PE_PCREL && (encoding & 0x70) != 0;
	return base + v;
}

static bool cie_parse(struct dwarf_reader r, struct cie *c)
{
	char aug[8] = "";
	struct dwarf_reader data;
	u64 len;
	u8 version;

	*c = (struct cie){.encoding = PE_ABS};
	if (dwarf_u32(&r) != 0)
		return false;
	version = dwarf_u8(&r);
	for (unsigned i = 0; i < sizeof(aug); i++)
		if (!(aug[i] = (char)dwarf_u8(&r)))
			break;
	if (r.bad || aug[sizeof(aug) - 1] || (version != 1 && version != 3) ||
	    (aug[0] && aug[0] != 'z'))
		return false;
	c->code_align = dwarf_uleb(&r);
	c->data_align = dwarf_sleb(&r);
	if ((version == 1 ? dwarf_u8(&r) : dwarf_uleb(&r)) != DWARF_RIP)
		return false;
	if (aug[0]) {
		c->augmented = true;
		len = dwarf_uleb(&r);
		data = r;
		dwarf_skip(&r, len);
		for (const char *a = aug + 1; *a; a++) {
			if (*a == 'R')
				c->encoding = dwarf_u8(&data);
			else if (*a == 'L')
				dwarf_u8(&data);
			else if (*a == 'P')
				/* Only to be skipped; where it counts from does not matter. */
				pointer(&data, dwarf_u8(&data) & 0x0f);
			else if (*a == 'S')
				c->signal = true;
			else if (*a != 'B')
				return false;
		}
		if (data.bad)
			return false;
	}
	c->program = r;
	return !r.bad;
}

/* ---- the program --------------------------------------------------------- */

static void set_rule(struct work *w, struct dwarf_reader *p, u64 reg, enum rule_kind kind, s64 off)
{
	/* Vector registers and such: of no interest, but no error. */
	if (!p->bad && reg < DWARF_REGS)
		w->row.reg[reg] = (struct rule){.kind = kind, .off = off};
}

static struct rule expr_rule(struct dwarf_reader *p, enum rule_kind kind)
{
	u64 len = dwarf_uleb(p);
	struct rule r = {.kind = kind, .len = (u16)len, .expr = p->at};

	p->bad |= len > UINT16_MAX;
	dwarf_skip(p, len);
	return r;
}

static void advance(struct work *w, const struct cie *c, u64 delta)
{
	w->loc += delta * c->code_align;
}

static void set_cfa(struct work *w, u64 reg, s64 off)
{
	w->row.cfa = (struct rule){.kind = RULE_REG, .off = off};
	w->row.cfa_reg = reg;
}

/* The instructions whose upper two bits are zero: DW_CFA_*. False: unknown. */
static bool execute_extended(struct work *w, const struct cie *c, struct dwarf_reader *p, u8 op)
{
	u64 reg;

	switch (op) {
	case 0x00: /* nop */
		return true;
	case 0x01: /* set_loc */
		w->loc = pointer(p, c->encoding);
		return true;
	case 0x02: /* advance_loc1, 2, 4 */
		advance(w, c, dwarf_u8(p));
		return true;
	case 0x03:
		advance(w, c, dwarf_u16(p));
		return true;
	case 0x04:
		advance(w, c, dwarf_u32(p));
		return true;
	case 0x05: /* offset_extended */
		reg = dwarf_uleb(p);
		set_rule(w, p, reg, RULE_OFFSET, (s64)(dwarf_uleb(p) * (u64)c->data_align));
		return true;
	case 0x11: /* offset_extended_sf */
		reg = dwarf_uleb(p);
		set_rule(w, p, reg, RULE_OFFSET, (s64)((u64)dwarf_sleb(p) * (u64)c->data_align));
		return true;
	case 0x14: /* val_offset */
		reg = dwarf_uleb(p);
		set_rule(w, p, reg, RULE_VALUE, (s64)(dwarf_uleb(p) * (u64)c->data_align));
		return true;
	case 0x15: /* val_offset_sf */
		reg = dwarf_uleb(p);
		set_rule(w, p, reg, RULE_VALUE, (s64)((u64)dwarf_sleb(p) * (u64)c->data_align));
		return true;
	case 0x06: /* restore_extended */
		reg = dwarf_uleb(p);
		if (reg < DWARF_REGS)
			w->row.reg[reg] = w->initial.reg[reg];
		return true;
	case 0x07: /* undefined */
		set_rule(w, p, dwarf_uleb(p), RULE_UNDEFINED, 0);
		return true;
	case 0x08: /* same_value */
		set_rule(w, p, dwarf_uleb(p), RULE_SAME, 0);
		return true;
	case 0x09: /* register */
		reg = dwarf_uleb(p);
		set_rule(w, p, reg, RULE_REG, (s64)dwarf_uleb(p));
		return true;
	case 0x0a: /* remember_state */
		if (w->nsaved == SAVED_MAX)
			return false;
		w->saved[w->nsaved++] = w->row;
		return true;
	case 0x0b: /* restore_state */
		if (!w->nsaved)
			return false;
		w->row = w->saved[--w->nsaved];
		return true;
	case 0x0c: /* def_cfa */
		reg = dwarf_uleb(p);
		set_cfa(w, reg, (s64)dwarf_uleb(p));
		return true;
	case 0x12: /* def_cfa_sf */
		reg = dwarf_uleb(p);
		set_cfa(w, reg, (s64)((u64)dwarf_sleb(p) * (u64)c->data_align));
		return true;
	case 0x0d: /* def_cfa_register */
		set_cfa(w, dwarf_uleb(p), w->row.cfa.off);
		return true;
	case 0x0e: /* def_cfa_offset */
		w->row.cfa.off = (s64)dwarf_uleb(p);
		return true;
	case 0x13: /* def_cfa_offset_sf */
		w->row.cfa.off = (s64)((u64)dwarf_sleb(p) * (u64)c->data_align);
		return true;
	case 0x0f: /* def_cfa_expression */
		w->row.cfa = expr_rule(p, RULE_VALUE_EXPR);
		return true;
	case 0x10: /* expression */
	case 0x16: /* val_expression */
		reg = dwarf_uleb(p);
		w->row.reg[reg < DWARF_REGS ? reg : 0] =
		    expr_rule(p, op == 0x10 ? RULE_EXPR : RULE_VALUE_EXPR);
		return reg < DWARF_REGS;
	case 0x2e: /* GNU_args_size */
		dwarf_uleb(p);
		return true;
	}
	return false;
}

/* Up to the row for pc. A program that is cut off before it says what may be wrong: false. */
static bool run(struct work *w, const struct cie *c, struct dwarf_reader p, u64 pc, bool cut)
{
	while (p.at < p.end && w->loc <= pc) {
		u8 op = dwarf_u8(&p), low = op & 0x3f;
		u64 before = w->loc;

		switch (op >> 6) {
		case 1: /* advance_loc */
			advance(w, c, low);
			break;
		case 2: /* offset */
			set_rule(w, &p, low, RULE_OFFSET,
			         (s64)(dwarf_uleb(&p) * (u64)c->data_align));
			break;
		case 3: /* restore */
			if (low < DWARF_REGS)
				w->row.reg[low] = w->initial.reg[low];
			break;
		default:
			if (!execute_extended(w, c, &p, op))
				return false;
		}
		if (p.bad || w->loc < before)
			return false;
	}
	return !cut || w->loc > pc;
}

/* ---- the caller's registers ---------------------------------------------- */

static bool apply(struct unwind_source *s, const struct row *row, struct unwind_cursor *c)
{
	const struct rule *r = &row->cfa;
	u64 old[DWARF_REGS], cfa, v;

	memcpy(old, c->reg, sizeof(old));
	if (r->kind == RULE_VALUE_EXPR) {
		if (!dwarf_expr(s, old, r->expr, r->len, false, 0, &cfa))
			return false;
	} else if (r->kind == RULE_REG && row->cfa_reg < DWARF_REGS) {
		cfa = old[row->cfa_reg] + (u64)r->off;
	} else {
		return false;
	}
	c->reg[DWARF_RSP] = cfa;
	for (unsigned i = 0; i < DWARF_REGS; i++) {
		r = &row->reg[i];
		switch (r->kind) {
		case RULE_SAME:
			continue;
		case RULE_UNDEFINED:
			v = 0;
			break;
		case RULE_OFFSET:
			if (!s->read(s, &v, cfa + (u64)r->off, sizeof(v)))
				return false;
			break;
		case RULE_VALUE:
			v = cfa + (u64)r->off;
			break;
		case RULE_REG:
			if ((u64)r->off >= DWARF_REGS)
				return false;
			v = old[r->off];
			break;
		default:
			if (!dwarf_expr(s, old, r->expr, r->len, true, cfa, &v))
				return false;
			if (r->kind == RULE_EXPR && !s->read(s, &v, v, sizeof(v)))
				return false;
		}
		c->reg[i] = v;
	}
	return row->reg[DWARF_RIP].kind != RULE_SAME;
}

static bool step_by_table(struct unwind_source *s, struct unwind_cursor *c, bool *known)
{
	u64 pc = c->reg[DWARF_RIP] - !c->exact, addr, begin, range;
	struct dwarf_reader cie_bytes, fde;
	struct work w;
	struct cie cie;
	bool cut;
	u32 back;

	*known = false;
	if (!find_fde(s, pc, &addr) || !entry_read(s, addr, w.fde, sizeof(w.fde), &fde))
		return false;
	cut = fde.end == w.fde + sizeof(w.fde);
	/* The CIE lies this far before the word that says so. */
	back = dwarf_u32(&fde);
	if (!back || !entry_read(s, addr + 4 - back, w.cie, sizeof(w.cie), &cie_bytes) ||
	    !cie_parse(cie_bytes, &cie))
		return false;
	begin = pointer(&fde, cie.encoding);
	range = pointer(&fde, cie.encoding & 0x0f);
	if (cie.augmented)
		dwarf_skip(&fde, dwarf_uleb(&fde));
	if (fde.bad || pc < begin || pc - begin >= range)
		return false;
	*known = true;
	memset(&w.row, 0, sizeof(w.row));
	w.nsaved = 0;
	w.loc = 0;
	/* No place is reached in the initial program: ~0 has all of it run. */
	if (!run(&w, &cie, cie.program, ~0UL, false))
		return false;
	w.initial = w.row;
	w.loc = begin;
	if (!run(&w, &cie, fde, pc, cut) || !apply(s, &w.row, c))
		return false;
	c->exact = cie.signal;
	c->guessed = false;
	return true;
}

/*
 * No table: a first frame at no code has been called through a bad pointer; other code
 * may keep frame pointers.
 */
static bool step_by_guess(struct unwind_source *s, struct unwind_cursor *c)
{
	u64 pair[2], hdr, size, sp = c->reg[DWARF_RSP], fp = c->reg[DWARF_RBP];

	c->guessed = true;
	if (c->exact && !s->table(s, c->reg[DWARF_RIP], &hdr, &size)) {
		c->exact = false;
		if (!s->read(s, &c->reg[DWARF_RIP], sp, sizeof(u64)))
			return false;
		c->reg[DWARF_RSP] = sp + 8;
		return true;
	}
	if (fp < sp || fp % 8 || !s->read(s, pair, fp, sizeof(pair)))
		return false;
	c->exact = false;
	c->reg[DWARF_RBP] = pair[0];
	c->reg[DWARF_RIP] = pair[1];
	c->reg[DWARF_RSP] = fp + sizeof(pair);
	return true;
}

bool unwind_step(struct unwind_source *s, struct unwind_cursor *c)
{
	u64 sp = c->reg[DWARF_RSP];
	bool known;

	if (!step_by_table(s, c, &known) && (known || !step_by_guess(s, c)))
		return false;
	/* Up, always; but a handler may run on a stack of its own, wherever that is. */
	return c->reg[DWARF_RIP] != 0 && (c->exact || c->reg[DWARF_RSP] > sp);
}
