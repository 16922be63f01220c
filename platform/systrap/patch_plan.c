/*
 * Which instructions move (patch_plan.h).
 *
 * The jump takes seven bytes, the system call has two, so neighbours must move: those behind
 * it if possible, as they are known by decoding on from the call; else the one before it,
 * which loads the number. Decoding backwards is ambiguous, so that one must be
 * what every decoding from further back comes by. CPUID has two bytes, too (cpuid.c).
 *
 * What moves must do the same elsewhere: a short list of plain instructions, without
 * operands relative to the instruction pointer and without stack switches, branches or traps. A
 * return may move, too; what lies behind it is then overwritten only if it is padding.
 */
#include "platform/systrap/patch_plan.h"
#include "base/log.h"
#include "platform/systrap/library.h"
#include <Zydis/Zydis.h>
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* The build says which one belongs to the headers; linters do not care. */
#ifndef LIBZYDIS
#define LIBZYDIS     "libZydis.so"
#define LIBZYDIS_DIR "/usr/lib"
#endif

#define SITE_BYTES 2
/* So that all that moves, and a slot, have room. */
#define CPUID_BEFORE_MAX 12
/* Where functions begin: padding does not reach beyond. */
#define FUNCTION_ALIGN 16

struct instruction {
	u8 length;
	bool movable, returns, padding;
	bool loads_number; /* writes eax or rax, and reads no memory */
	bool loads_leaf;   /* writes eax as a whole, from a constant or another register */
};

/* Zydis, which is mapped early (patch_plan_prepare), and linked when it is first needed. */
static struct {
	__typeof__(&ZydisDecoderInit) decoder_init;
	__typeof__(&ZydisDecoderDecodeFull) decode_full;
	__typeof__(&ZydisRegisterGetClass) register_class;
	bool loaded;
} zydis;

/* Where it may be, if it is not where it was when this was built. */
static const char *const places[] = {LIBZYDIS_DIR, "/usr/lib/x86_64-linux-gnu", "/usr/lib64",
                                     "/usr/lib", "/usr/local/lib"};

static struct library library;

static void map(void)
{
	char path[256];
	int err = -ENOENT;

	for (size_t i = 0; i < array_size(places) && err == -ENOENT; i++) {
		snprintf(path, sizeof(path), "%s/%s", places[i], LIBZYDIS);
		err = library_map(&library, path);
	}
	if (err)
		log_warn("%s: %s: call sites are not rewritten", LIBZYDIS, strerror(-err));
}

void patch_plan_prepare(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, map);
}

static bool function_find(const char *name, void *to)
{
	void *p = library_find(&library, name);

	memcpy(to, &p, sizeof(p));
	return p;
}

extern void __stack_chk_fail(void);

/* What Zydis takes from the C library. */
static const struct library_name given[] = {
    {"memcpy", (void (*)(void))memcpy},     {"memset", (void (*)(void))memset},
    {"strlen", (void (*)(void))strlen},     {"__assert_fail", (void (*)(void))__assert_fail},
    {"__stack_chk_fail", __stack_chk_fail},
};

static void link_library(void)
{
	patch_plan_prepare();
	if (!library.base)
		return;
	zydis.loaded = library_link(&library, given, array_size(given)) == 0 &&
	               function_find("ZydisDecoderInit", &zydis.decoder_init) &&
	               function_find("ZydisDecoderDecodeFull", &zydis.decode_full) &&
	               function_find("ZydisRegisterGetClass", &zydis.register_class);
	if (!zydis.loaded)
		log_warn("%s cannot be used: call sites are not rewritten", LIBZYDIS);
}

static bool zydis_ready(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, link_library);
	return zydis.loaded;
}

static bool is_plain(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_MOV:
	case ZYDIS_MNEMONIC_MOVSXD:
	case ZYDIS_MNEMONIC_MOVZX:
	case ZYDIS_MNEMONIC_LEA:
	case ZYDIS_MNEMONIC_CMP:
	case ZYDIS_MNEMONIC_TEST:
	case ZYDIS_MNEMONIC_XOR:
	case ZYDIS_MNEMONIC_AND:
	case ZYDIS_MNEMONIC_OR:
	case ZYDIS_MNEMONIC_ADD:
	case ZYDIS_MNEMONIC_SUB:
	case ZYDIS_MNEMONIC_NEG:
	case ZYDIS_MNEMONIC_NOP:
	case ZYDIS_MNEMONIC_PUSH:
	case ZYDIS_MNEMONIC_POP:
		return true;
	default:
		return false;
	}
}

static bool decode(const u8 *code, size_t n, struct instruction *out)
{
	ZydisDecoder decoder;
	ZydisDecodedInstruction in;
	ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];

	if (!zydis_ready())
		return false;
	zydis.decoder_init(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (!ZYAN_SUCCESS(zydis.decode_full(&decoder, code, n, &in, operand)))
		return false;
	*out = (struct instruction){.length = in.length};
	out->movable = is_plain(in.mnemonic) && !(in.attributes & ZYDIS_ATTRIB_IS_RELATIVE) &&
	               !(in.attributes & ZYDIS_ATTRIB_HAS_LOCK);
	/* Segment and control registers are not among what moves. */
	for (unsigned i = 0; i < in.operand_count_visible; i++) {
		ZydisRegisterClass class = zydis.register_class(operand[i].reg.value);
		if (operand[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    class != ZYDIS_REGCLASS_GPR64 && class != ZYDIS_REGCLASS_GPR32 &&
		    class != ZYDIS_REGCLASS_GPR16 && class != ZYDIS_REGCLASS_GPR8)
			out->movable = false;
	}
	out->returns =
	    in.mnemonic == ZYDIS_MNEMONIC_RET && in.meta.branch_type == ZYDIS_BRANCH_TYPE_NEAR;
	out->padding = in.mnemonic == ZYDIS_MNEMONIC_NOP || in.mnemonic == ZYDIS_MNEMONIC_INT3;
	out->loads_number =
	    (in.mnemonic == ZYDIS_MNEMONIC_MOV || in.mnemonic == ZYDIS_MNEMONIC_XOR) &&
	    operand[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	    (operand[0].reg.value == ZYDIS_REGISTER_EAX ||
	     operand[0].reg.value == ZYDIS_REGISTER_RAX) &&
	    operand[1].type != ZYDIS_OPERAND_TYPE_MEMORY;
	out->loads_leaf = out->loads_number && operand[0].reg.value == ZYDIS_REGISTER_EAX;
	return true;
}

static bool is_syscall(const u8 *code, size_t n, size_t at)
{
	return n >= at + SITE_BYTES && code[at] == 0x0f && code[at + 1] == 0x05;
}

static bool is_cpuid(const u8 *code, size_t n, size_t at)
{
	return n >= at + SITE_BYTES && code[at] == 0x0f && code[at + 1] == 0xa2;
}

/* Are the bytes in [from, to) padding, and none of them where a function may begin? */
static bool is_padding(const u8 *code, size_t n, size_t from, size_t to, u64 address)
{
	struct instruction in;

	for (size_t i = from; i < to; i += in.length)
		if ((address + i) % FUNCTION_ALIGN == 0 || !decode(code + i, n - i, &in) ||
		    !in.padding)
			return false;
	/* Bytes inside of an instruction are as good as its first. */
	return (address + from) / FUNCTION_ALIGN == (address + to - 1) / FUNCTION_ALIGN;
}

/* How many bytes behind the call move so that there are at least `want`. */
static enum patch_verdict plan_after(const u8 *code, size_t n, size_t at, u64 address, size_t want,
                                     struct patch_plan *plan)
{
	size_t begin = at + SITE_BYTES, i = begin;
	struct instruction in;

	plan->ends = false;
	while (i - begin < want && !plan->ends) {
		if (!decode(code + i, n - i, &in))
			return PATCH_UNKNOWN;
		if (!in.movable && !in.returns)
			return PATCH_IMMOVABLE;
		i += in.length;
		plan->ends = in.returns;
	}
	if (i - begin < want && !is_padding(code, n, i, begin + want, address - at))
		return PATCH_IMMOVABLE;
	plan->after = (u8)(i - begin);
	return PATCH_OK;
}

/*
 * Does every decoding that begins further back and comes by `at` come by `before`, too? And does
 * any? x86 code falls into step within a few instructions.
 */
static bool is_boundary(const u8 *code, size_t n, size_t before, size_t at)
{
	size_t first = at > PATCH_LOOK ? at - PATCH_LOOK : 0;
	unsigned agree = 0;

	for (size_t start = first; start < before && before - start >= 16; start++) {
		struct instruction in;
		bool seen = false;
		size_t i;

		for (i = start; i < at; i += in.length) {
			seen |= i == before;
			if (!decode(code + i, n - i, &in))
				break;
		}
		if (i != at)
			continue;
		if (!seen)
			return false;
		agree++;
	}
	return agree >= 4;
}

/* The length of the instruction before the call that loads its number, or 0. */
static u8 length_before(const u8 *code, size_t n, size_t at)
{
	static const u8 lengths[] = {5, 2, 3, 7};

	for (size_t k = 0; k < array_size(lengths); k++) {
		u8 length = lengths[k];
		struct instruction in;

		if (at < length || !decode(code + at - length, length, &in) ||
		    in.length != length || !in.loads_number || !in.movable)
			continue;
		if (is_boundary(code, n, at - length, at))
			return length;
	}
	return 0;
}

/*
 * Bytes of instructions before a CPUID that all may move, at least so many; 0: there are none. None
 * may begin at the jump's second byte, which is the one that does not fault.
 */
static u8 bytes_before(const u8 *code, size_t n, size_t at, u8 least)
{
	for (u8 bytes = least; bytes <= CPUID_BEFORE_MAX && bytes <= at; bytes++) {
		size_t begin = at - bytes, i = begin;
		struct instruction in;

		while (i < at && decode(code + i, at - i, &in) && in.movable &&
		       (i > begin || in.length > 1))
			i += in.length;
		if (i == at && is_boundary(code, n, at - bytes, at))
			return bytes;
	}
	return 0;
}

/*
 * A CPUID takes what is before it along, where that is enough: loops and branches come back behind
 * it, and would have to be helped over the jump.
 */
enum patch_verdict patch_plan(const u8 *code, size_t n, size_t at, u64 address,
                              struct patch_plan *plan)
{
	const u8 least = PATCH_JUMP - SITE_BYTES;
	struct patch_plan with = {.cpuid = is_cpuid(code, n, at)};
	enum patch_verdict verdict;

	*plan = with;
	if (!plan->cpuid && !is_syscall(code, n, at))
		return PATCH_UNKNOWN;
	plan->before = plan->cpuid ? bytes_before(code, n, at, least) : 0;
	if (plan->before)
		return PATCH_OK;
	verdict = plan_after(code, n, at, address, least, plan);
	if (verdict == PATCH_OK)
		return PATCH_OK;
	with.before = plan->cpuid ? bytes_before(code, n, at, 1) : length_before(code, n, at);
	if (!with.before)
		return verdict;
	if (with.before < least) {
		verdict = plan_after(code, n, at, address, (size_t)(least - with.before), &with);
		if (verdict != PATCH_OK)
			return verdict;
	}
	*plan = with;
	return PATCH_OK;
}

/* Decodings begin this far before the call at least: by then they have fallen into step. */
#define SURE_NEAR 32
/* No call has a higher number. */
#define NUMBER_MAX 1024u

/* mov $number, %eax, or xor %eax, %eax. */
static bool loads_constant(const u8 *code, u8 length)
{
	u32 number;

	if (length == 2)
		return (code[0] == 0x31 || code[0] == 0x33) && code[1] == 0xc0;
	if (length != 5 || code[0] != 0xb8)
		return false;
	memcpy(&number, code + 1, sizeof(number));
	return number < NUMBER_MAX;
}

bool patch_plan_is_sure(const u8 *code, size_t n, size_t at)
{
	u8 length[PATCH_SURE] = {0};
	bool loads[PATCH_SURE] = {0};
	bool cpuid = is_cpuid(code, n, at);
	unsigned agree = 0;
	size_t first;

	if (at < PATCH_SURE || (!cpuid && !is_syscall(code, n, at)))
		return false;
	first = at - PATCH_SURE;
	for (size_t i = 0; i < PATCH_SURE; i++) {
		struct instruction in;

		if (!decode(code + first + i, n - first - i, &in))
			continue;
		length[i] = in.length;
		loads[i] = cpuid ? in.loads_leaf : loads_constant(code + first + i, in.length);
	}
	for (size_t start = 0; start <= PATCH_SURE - SURE_NEAR; start++) {
		bool loaded = false;
		size_t i = start;

		while (i < PATCH_SURE && length[i]) {
			loaded |= loads[i];
			i += length[i];
		}
		if (i < PATCH_SURE)
			continue; /* no code */
		if (i > PATCH_SURE || !loaded)
			return false;
		agree++;
	}
	return agree >= 4;
}
