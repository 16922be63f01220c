/*
 * The code of a rewritten site: the jump that takes the place of its call, the word by which the
 * jump goes, and the slot that the word leads to. Where a byte of the slot was in the text.
 *
 * The slot: what was before the call and moved; the way into the stub; what was behind the call
 * and moved; the way back, which is in the slot itself for a site of one domain, and
 * a word of each stub's own for a site that all stubs share.
 */
#include "platform/systrap/patch_internal.h"
#include <string.h>

/*
 * Bytes of an address of a word, lowest first, that fault as instructions: words of eight
 * bytes apart from each other; any; the table's third; the table's fourth.
 */
static const u8 low_bytes[] = {0x06, 0x0e, 0x16, 0x1e, 0x27, 0x2f, 0x37,
                               0x60, 0x82, 0x9a, 0xe4, 0xec, 0xf4};
static const u8 next_bytes[] = {0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37,
                                0x3f, 0x60, 0x61, 0x82, 0x9a, 0xce, 0xd4, 0xea, 0xe4, 0xe5,
                                0xe6, 0xe7, 0xec, 0xed, 0xee, 0xef, 0xf4, 0xfa, 0xfb};
_Static_assert(PATCH_TABLE == 0x61ec0000 && PATCH_TABLE_SIZE == 4 << 16, "0x61, 0xec to 0xef");
_Static_assert(SHARED_PATCH_TABLE == 0x61e40000 && SHARED_PATCH_TABLE_SIZE == 4 << 16,
               "0x61, 0xe4 to 0xe7");
#define WORDS (sizeof(low_bytes) * sizeof(next_bytes) * 4)
_Static_assert(WORDS >= SITES_MAX, "a word for each");
_Static_assert(WORDS >= SHARED_PATCH_MAX, "a word for each");
_Static_assert(SITES_MAX *PATCH_SLOT_SIZE <= PATCH_CODE_SIZE, "a slot for each");
_Static_assert(SHARED_PATCH_MAX *PATCH_SLOT_SIZE <= SHARED_PATCH_CODE_SIZE, "a slot for each");

static u64 word_in(u64 table, unsigned i)
{
	u64 low = low_bytes[i % array_size(low_bytes)], page;
	i /= (unsigned)array_size(low_bytes);
	page = next_bytes[i % array_size(next_bytes)];
	return table + (u64)(i / array_size(next_bytes)) * 0x10000 + page * 0x100 + low;
}

u64 slot_address(struct slot_id id)
{
	return (id.shared ? SHARED_PATCH_CODE : PATCH_CODE) + (u64)id.index * PATCH_SLOT_SIZE;
}

bool slot_at(u64 rip, struct slot_id *id, u64 *offset)
{
	u64 at = rip - PATCH_CODE;
	id->shared = at >= PATCH_CODE_SIZE;
	if (id->shared)
		at = rip - SHARED_PATCH_CODE;
	id->index = (unsigned)(at / PATCH_SLOT_SIZE);
	*offset = at % PATCH_SLOT_SIZE;
	return at < (id->shared ? SHARED_PATCH_CODE_SIZE : PATCH_CODE_SIZE);
}

u64 slot_to_original(const struct site *s, u64 offset)
{
	u64 behind = (u64)s->before + GLUE_SIZE;
	if (offset < s->before)
		return s->begin + offset;
	if (offset < behind)
		return site_call(s);
	return site_call(s) + 2 + min_of(offset - behind, (u64)s->after);
}

u64 slot_from_original(const struct site *s, struct slot_id id, u64 rip)
{
	u64 offset = rip - s->begin;
	if (offset >= (u64)s->before + 2)
		offset += GLUE_SIZE - 2;
	return slot_address(id) + offset;
}

void patch_jump(u8 jump[PATCH_JUMP], struct slot_id id)
{
	u64 word = word_in(id.shared ? SHARED_PATCH_TABLE : PATCH_TABLE, id.index);
	/* jmp *address32, with a scale of eight for no index: 0xe5 is a privileged instruction. */
	const u8 bytes[PATCH_JUMP] = {
	    0xff, 0x24, 0xe5, (u8)word, (u8)(word >> 8), (u8)(word >> 16), (u8)(word >> 24)};
	memcpy(jump, bytes, sizeof(bytes));
}

static u8 *put(u8 *at, const void *bytes, size_t n)
{
	memcpy(at, bytes, n);
	return at + n;
}

/*
 * lea 15(%rip), %rcx: what comes behind; movabs entry, %r11; jmp *%r11; syscall. The registers are
 * those that the call spoils; CPUID spoils rbx and rdx.
 */
static u8 *put_glue(u8 *at, bool cpuid)
{
	static const struct glue {
		u8 lea[7], movabs[2], entry[8], jump[3], trap[2];
	} glue[] = {{{0x48, 0x8d, 0x0d, 0x0f, 0, 0, 0},
	             {0x49, 0xbb},
	             {0},
	             {0x41, 0xff, 0xe3},
	             {0x0f, 0x05}},
	            {{0x48, 0x8d, 0x1d, 0x0f, 0, 0, 0},
	             {0x48, 0xba},
	             {0},
	             {0x40, 0xff, 0xe2},
	             {0x0f, 0xa2}}};
	struct glue g = glue[cpuid];
	const u64 entry = cpuid ? STUB_CPUID : STUB_FAST;
	_Static_assert(sizeof(g) == GLUE_SIZE, "the way into the stub");
	memcpy(g.entry, &entry, sizeof(entry));
	return put(at, &g, sizeof(g));
}

void slot_write(u8 *words, u8 *slots, struct slot_id id, const struct site *s)
{
	u8 slot[PATCH_SLOT_SIZE], *at = slot;
	const u64 back = site_back(s), own = slot_address(id);
	u64 table = id.shared ? SHARED_PATCH_TABLE : PATCH_TABLE;
	s32 to_word;
	/* jmp *disp32(%rip) */
	static const u8 leave[] = {0xff, 0x25};
	memset(slot, 0xcc, sizeof(slot));
	at = put(at, s->original, s->before);
	at = put_glue(at, s->cpuid);
	at = put(at, s->original + s->before + 2, s->after);
	at = put(at, leave, sizeof(leave));
	/* The word is behind the instruction, or in the stub's own list. */
	to_word = 0;
	if (id.shared)
		to_word = (s32)(s64)(SHARED_PATCH_BACK + (u64)id.index * sizeof(u64) -
		                     (own + (u64)(at - slot) + sizeof(to_word)));
	at = put(at, &to_word, sizeof(to_word));
	if (!id.shared)
		put(at, &back, sizeof(back));
	memcpy(slots + (u64)id.index * PATCH_SLOT_SIZE, slot, sizeof(slot));
	memcpy(words + (word_in(table, id.index) - table), &own, sizeof(own));
}
