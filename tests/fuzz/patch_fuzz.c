/*
 * The instruction patcher. Input: where the call is, the address of the code, the code. A plan that
 * is made must take whole instructions only, none of which depends on where it is, and leave what
 * the jump overwrites beyond them unreachable.
 */
#include "tests/fuzz/fuzz.h"
#include "platform/systrap/patch_plan.h"
#include <Zydis/Zydis.h>

#define CODE_MAX (PATCH_LOOK + PATCH_TAIL)

struct decoded {
	ZydisDecodedInstruction in;
	ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
};

static bool decode(const u8 *code, size_t n, struct decoded *out)
{
	ZydisDecoder decoder;

	must(ZYAN_SUCCESS(
	    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)));
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, n, &out->in, out->operand));
}

/* It does in another place what it does here, and nothing but go on. */
static void check_moves(const struct decoded *d)
{
	must(!(d->in.attributes & ZYDIS_ATTRIB_IS_RELATIVE));
	must(d->in.meta.category != ZYDIS_CATEGORY_UNCOND_BR &&
	     d->in.meta.category != ZYDIS_CATEGORY_COND_BR &&
	     d->in.meta.category != ZYDIS_CATEGORY_CALL &&
	     d->in.meta.category != ZYDIS_CATEGORY_SYSCALL &&
	     d->in.meta.category != ZYDIS_CATEGORY_INTERRUPT);
	for (unsigned i = 0; i < d->in.operand_count; i++)
		if (d->operand[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			must(d->operand[i].mem.base != ZYDIS_REGISTER_RIP &&
			     d->operand[i].mem.base != ZYDIS_REGISTER_EIP);
}

static void check_before(const u8 *code, size_t at, const struct patch_plan *p)
{
	struct decoded d;

	must(p->before <= at);
	for (size_t i = at - p->before; i < at; i += d.in.length) {
		must(decode(code + i, at - i, &d));
		check_moves(&d);
		/* The jump's second byte is no fault. */
		must(i + d.in.length != at - p->before + 1);
		must(p->cpuid ||
		     (d.in.length == p->before && (d.in.mnemonic == ZYDIS_MNEMONIC_MOV ||
		                                   d.in.mnemonic == ZYDIS_MNEMONIC_XOR)));
	}
}

static void check_after(const u8 *code, size_t n, size_t begin, const struct patch_plan *p)
{
	size_t i = begin, end = begin + p->after;
	bool returned = false;

	must(end <= n);
	while (i < end) {
		struct decoded d;
		must(!returned);
		must(decode(code + i, n - i, &d));
		returned = d.in.meta.category == ZYDIS_CATEGORY_RET;
		if (!returned)
			check_moves(&d);
		i += d.in.length;
	}
	must(i == end && returned == p->ends);
}

/* Behind a return the jump may end in padding, within what no function begins in. */
static void check_padding(const u8 *code, size_t from, size_t to, u64 address)
{
	for (size_t i = from; i < to; i++)
		must((address + i) % 16 != 0);
	must(code[from] == 0x90 || code[from] == 0xcc || code[from] == 0x0f || code[from] == 0x66 ||
	     (code[from] & 0xf0) == 0x40 || code[from] == 0xf2 || code[from] == 0xf3 ||
	     code[from] == 0x2e || code[from] == 0x36 || code[from] == 0x3e || code[from] == 0x26 ||
	     code[from] == 0x64 || code[from] == 0x65 || code[from] == 0x67);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	size_t at = input_u8(&in) % CODE_MAX;
	u64 address = 0x400000 + input_u8(&in);
	size_t n = min_of(in.n, (size_t)CODE_MAX);
	struct patch_plan p;
	size_t begin, end;
	u8 *code = malloc(n + 1); /* never empty; exact, but for that */

	must(code);
	input_bytes(&in, code, n);
	if (patch_plan(code, n, at, address, &p) == PATCH_OK) {
		must(at + 2 <= n && code[at] == 0x0f && code[at + 1] == (p.cpuid ? 0xa2 : 0x05));
		begin = at - p.before;
		end = at + 2 + p.after;
		must(end - begin <= PATCH_MAX);
		check_before(code, at, &p);
		check_after(code, n, at + 2, &p);
		if (end - begin < PATCH_JUMP) {
			must(p.ends && begin + PATCH_JUMP <= n);
			check_padding(code, end, begin + PATCH_JUMP, address - at);
		}
	}
	free(code);
	return 0;
}
