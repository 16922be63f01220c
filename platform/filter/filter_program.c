/*
 * The program: is the call one of x86-64; the hot calls one after the other; then a binary
 * search by number, whose leaves compare arguments. Conditional jumps reach 255
 * instructions, so the search crosses its left half by an unconditional one.
 */
#include "platform/filter/filter_program.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>

#define X32_BIT 0x40000000

struct writer {
	const struct filter_rules *rules;
	struct sock_filter *out;
	unsigned len, max;
	int err;
};

static unsigned put(struct writer *w, u16 code, u32 k, u8 jt, u8 jf)
{
	if (w->len < w->max)
		w->out[w->len] = (struct sock_filter){code, jt, jf, k};
	else
		w->err = w->err ? w->err : -E2BIG;
	return w->len++;
}

static void put_verdict(struct writer *w, u32 verdict)
{
	put(w, BPF_RET | BPF_K, verdict, 0, 0);
}

static void put_load(struct writer *w, size_t offset)
{
	put(w, BPF_LD | BPF_W | BPF_ABS, (u32)offset, 0, 0);
}

/* What it takes to be called 'does not hold': filled in when the next form's place is known. */
#define TO_NEXT_FORM 255
/* The jump over the comparison of the lower half. */
#define OVER_LOWER 2

static void put_half_equal(struct writer *w, size_t offset, u32 mask, u32 value)
{
	if (!mask)
		return;
	put_load(w, offset);
	if (mask != ~0U)
		put(w, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
	put(w, BPF_JMP | BPF_JEQ | BPF_K, value, 0, TO_NEXT_FORM);
}

static void put_comparison(struct writer *w, const struct scmp_arg_cmp *c)
{
	size_t low = offsetof(struct seccomp_data, args) + c->arg * sizeof(u64), high = low + 4;
	u64 mask = c->op == SCMP_CMP_MASKED_EQ ? c->datum_a : ~0ULL;
	u64 value = c->op == SCMP_CMP_MASKED_EQ ? c->datum_b & mask : c->datum_a;

	switch ((int)c->op) {
	case SCMP_CMP_EQ:
	case SCMP_CMP_MASKED_EQ:
		put_half_equal(w, high, (u32)(mask >> 32), (u32)(value >> 32));
		put_half_equal(w, low, (u32)mask, (u32)value);
		break;
	case SCMP_CMP_LT:
	case SCMP_CMP_LE:
		put_load(w, high);
		put(w, BPF_JMP | BPF_JGT | BPF_K, (u32)(value >> 32), TO_NEXT_FORM, 0);
		put(w, BPF_JMP | BPF_JEQ | BPF_K, (u32)(value >> 32), 0, OVER_LOWER);
		put_load(w, low);
		put(w, BPF_JMP | (c->op == SCMP_CMP_LT ? BPF_JGE : BPF_JGT) | BPF_K, (u32)value,
		    TO_NEXT_FORM, 0);
		break;
	default:
		w->err = -EINVAL;
	}
}

/* Points the jumps of the form that began at `start` to what comes now. */
static void form_end(struct writer *w, unsigned start)
{
	for (unsigned i = start; i < min_of(w->len, w->max); i++) {
		struct sock_filter *f = &w->out[i];
		unsigned off = w->len - i - 1;

		if (BPF_CLASS(f->code) != BPF_JMP)
			continue;
		if (off >= TO_NEXT_FORM)
			w->err = -E2BIG;
		if (f->jt == TO_NEXT_FORM)
			f->jt = (u8)off;
		if (f->jf == TO_NEXT_FORM)
			f->jf = (u8)off;
	}
}

/* All forms of a call whose number is known to be nr. */
static void put_call(struct writer *w, int nr)
{
	for (unsigned i = 0; i < w->rules->count; i++) {
		const struct filter_rule *r = &w->rules->rule[i];
		unsigned start = w->len;

		if (r->nr != nr)
			continue;
		for (unsigned a = 0; a < r->args; a++)
			put_comparison(w, &r->arg[a]);
		put_verdict(w, r->verdict);
		form_end(w, start);
		/* A form without conditions leaves nothing to the others. */
		if (!r->args)
			return;
	}
	put_verdict(w, w->rules->otherwise);
}

static void put_hot(struct writer *w)
{
	for (const int *nr = w->rules->hot; nr && *nr >= 0; nr++) {
		unsigned jump = put(w, BPF_JMP | BPF_JEQ | BPF_K, (u32)*nr, 0, 0);

		put_call(w, *nr);
		if (w->len - jump - 1 > 255)
			w->err = -E2BIG;
		else if (jump < w->max)
			w->out[jump].jf = (u8)(w->len - jump - 1);
	}
}

static void put_search(struct writer *w, const int *nr, unsigned n)
{
	unsigned half = n / 2, far;

	if (n <= 1) {
		put(w, BPF_JMP | BPF_JEQ | BPF_K, (u32)*nr, 1, 0);
		put_verdict(w, w->rules->otherwise);
		put_call(w, *nr);
		return;
	}
	put(w, BPF_JMP | BPF_JGE | BPF_K, (u32)nr[half], 0, 1);
	far = put(w, BPF_JMP | BPF_JA, 0, 0, 0);
	put_search(w, nr, half);
	if (far < w->max)
		w->out[far].k = w->len - far - 1;
	put_search(w, nr + half, n - half);
}

static bool is_hot(const struct filter_rules *rules, int nr)
{
	for (const int *hot = rules->hot; hot && *hot >= 0; hot++)
		if (*hot == nr)
			return true;
	return false;
}

/* The different numbers but the hot ones, in order. */
static unsigned numbers_of(const struct filter_rules *rules, int *nr)
{
	unsigned n = 0;

	for (unsigned i = 0; i < rules->count; i++) {
		unsigned at = n;

		if (is_hot(rules, rules->rule[i].nr))
			continue;
		while (at > 0 && nr[at - 1] >= rules->rule[i].nr)
			at--;
		if (at < n && nr[at] == rules->rule[i].nr)
			continue;
		for (unsigned j = n++; j > at; j--)
			nr[j] = nr[j - 1];
		nr[at] = rules->rule[i].nr;
	}
	return n;
}

int filter_program_build(const struct filter_rules *rules, struct sock_filter *out, unsigned max)
{
	struct writer w = {.rules = rules, .out = out, .max = max};
	int nr[FILTER_RULES_MAX];
	unsigned n;

	if (rules->count > FILTER_RULES_MAX)
		return -E2BIG;
	n = numbers_of(rules, nr);
	put_load(&w, offsetof(struct seccomp_data, arch));
	put(&w, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	put_verdict(&w, SECCOMP_RET_KILL_PROCESS);
	put_load(&w, offsetof(struct seccomp_data, nr));
	/* x32 calls; but -1 is none, and what a tracer makes of a call that it calls off. */
	put(&w, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 2);
	put(&w, BPF_JMP | BPF_JEQ | BPF_K, ~0U, 1, 0);
	put_verdict(&w, SECCOMP_RET_KILL_PROCESS);
	put_hot(&w);
	if (n)
		put_search(&w, nr, n);
	else
		put_verdict(&w, rules->otherwise);
	return w.err ? w.err : (int)w.len;
}
