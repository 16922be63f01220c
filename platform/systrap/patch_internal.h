/* What patch.c, which rewrites, and patch_view.c, which hides it, share. */
#pragma once
#include "platform/systrap/systrap.h"

#define COUNTERS   256 /* sites that are counted at a time; a power of two */
#define SITES_MAX  1500
#define SITES_HASH 4096

struct site {
	u64 begin; /* of the jump */
	u8 before, after;
	u8 original[PATCH_MAX];
};

/* What is needed once a site is rewritten. */
struct pool {
	int fd;
	u8 *memory; /* words, then slots */
	unsigned sites;
	struct site site[SITES_MAX];
	u16 by_call[SITES_HASH]; /* index + 1 by the address of the call; open addressing */
};

struct patch_domain {
	_Atomic u32 spaces;
	struct lock lock;
	struct pool *pool; /* guarded by lock; once set, it stays */
	struct {
		u64 call;
		u32 traps;
	} counter[COUNTERS]; /* guarded by lock; a site that collides takes the place */
};

/* The address of site i's word, where its slot's is written; and the jump that goes by it. */
u64 patch_word(unsigned i);
void patch_jump(u8 jump[PATCH_JUMP], u64 word);
/*
 * Writes to text of t's space, in one page; by t, whose space's patch_steps must be odd. True if
 * the bytes are in memory. The page is executable again in any case, or the space dies.
 */
must_check bool patch_text_write(struct systrap_thread *t, u64 begin, const u8 bytes[PATCH_JUMP]);
