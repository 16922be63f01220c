/*
 * For fuzz targets: a check that stops the fuzzer, and an input taken apart piece by piece. A
 * target is one LLVMFuzzerTestOneInput; it must leave nothing behind, so that an input fails
 * alone just as it failed after a million others.
 */
#pragma once
#include "base/types.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond);         \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* What is left of an input. Behind its end all is zero. */
struct input {
	const u8 *p;
	size_t n;
};

static inline void input_bytes(struct input *in, void *to, size_t n)
{
	size_t have = min_of(n, in->n);

	memset(to, 0, n);
	if (have)
		memcpy(to, in->p, have);
	in->p += have;
	in->n -= have;
}

static inline u8 input_u8(struct input *in)
{
	u8 v;

	input_bytes(in, &v, sizeof(v));
	return v;
}

static inline u16 input_u16(struct input *in)
{
	u16 v;

	input_bytes(in, &v, sizeof(v));
	return v;
}

static inline u32 input_u32(struct input *in)
{
	u32 v;

	input_bytes(in, &v, sizeof(v));
	return v;
}

static inline u64 input_u64(struct input *in)
{
	u64 v;

	input_bytes(in, &v, sizeof(v));
	return v;
}
