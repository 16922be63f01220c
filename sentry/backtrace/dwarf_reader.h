/* Numbers out of a copied piece of a DWARF section. Reading past its end yields 0 and sets bad. */
#pragma once
#include "base/types.h"
#include <string.h>

struct dwarf_reader {
	const u8 *at, *end;
	u64 addr; /* of *at in the guest */
	bool bad;
};

static inline void dwarf_bytes(struct dwarf_reader *r, void *dst, size_t n)
{
	if ((size_t)(r->end - r->at) < n) {
		r->bad = true;
		memset(dst, 0, n);
		return;
	}
	memcpy(dst, r->at, n);
	r->at += n;
	r->addr += n;
}

static inline void dwarf_skip(struct dwarf_reader *r, u64 n)
{
	if ((u64)(r->end - r->at) < n) {
		r->bad = true;
		return;
	}
	r->at += n;
	r->addr += n;
}

#define DWARF_READ(name, type)                                                                     \
	static inline type name(struct dwarf_reader *r)                                            \
	{                                                                                          \
		type v;                                                                            \
		dwarf_bytes(r, &v, sizeof(v));                                                     \
		return v;                                                                          \
	}
DWARF_READ(dwarf_u8, u8)
DWARF_READ(dwarf_u16, u16)
DWARF_READ(dwarf_u32, u32)
DWARF_READ(dwarf_u64, u64)
DWARF_READ(dwarf_s8, signed char)
DWARF_READ(dwarf_s16, short)
DWARF_READ(dwarf_s32, s32)
#undef DWARF_READ

static inline u64 dwarf_uleb(struct dwarf_reader *r)
{
	u64 v = 0;

	for (unsigned shift = 0; !r->bad; shift += 7) {
		u8 b = dwarf_u8(r);
		if (shift < 64)
			v |= (u64)(b & 0x7f) << shift;
		if (!(b & 0x80))
			break;
	}
	return v;
}

static inline s64 dwarf_sleb(struct dwarf_reader *r)
{
	u64 v = 0;

	for (unsigned shift = 0; !r->bad;) {
		u8 b = dwarf_u8(r);
		if (shift < 64)
			v |= (u64)(b & 0x7f) << shift;
		shift += 7;
		if (b & 0x80)
			continue;
		if ((b & 0x40) && shift < 64)
			v |= ~0UL << shift;
		break;
	}
	return (s64)v;
}
