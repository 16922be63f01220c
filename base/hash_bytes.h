/* A hash of bytes, continued from a seed; its high bits are best. The stub is built with it, too.
 */
#pragma once
#include "base/types.h"

static inline u64 hash_bytes(u64 seed, const void *bytes, size_t n)
{
	const u8 *p = bytes;
	u64 h = seed, w;

	for (; n >= 8; p += 8, n -= 8) {
		__builtin_memcpy(&w, p, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdULL;
		h ^= h >> 32;
	}
	w = n;
	for (; n; p++, n--)
		w = w << 8 | *p;
	return (h ^ w) * 0xc4ceb9fe1a85ec53ULL;
}
