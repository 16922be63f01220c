/*
 * Whether the site of a system call, or of a CPUID, can be rewritten to a jump, and what the jump
 * takes with it. Pure computation on bytes.
 */
#pragma once
#include "base/types.h"

#define PATCH_JUMP 7  /* bytes of the jump: jmp *address32 */
#define PATCH_MAX  24 /* bytes that a plan may span */
#define PATCH_LOOK 64 /* bytes before a site that are decoded to be sure of its neighbours */
#define PATCH_TAIL 32 /* bytes behind its beginning */
#define PATCH_SURE 96 /* bytes before a site that patch_plan_is_sure looks at */

/* Loads the decoder now, before a lock-down that would forbid it. Any thread. */
void patch_plan_prepare(void);

enum patch_verdict {
	PATCH_OK,
	PATCH_UNKNOWN,   /* not decodable, or in two ways */
	PATCH_IMMOVABLE, /* the neighbours depend on where they are */
	PATCH_REFUSALS_OF_PLAN,
	/* Of others than the plan: */
	PATCH_NO_ROOM = PATCH_REFUSALS_OF_PLAN,
	PATCH_HOST, /* the host would not let the page be written */
	PATCH_REFUSALS
};

struct patch_plan {
	u8 before;  /* bytes of instructions before the site's own that move with it, or 0 */
	u8 after;   /* bytes of instructions behind it that move */
	bool ends;  /* the last of them is a return: nothing comes behind it */
	bool cpuid; /* not a system call */
};

/*
 * code: n bytes around a system call instruction, or a CPUID, at offset `at`; address: its own. All
 * of it is executable memory.
 */
must_check enum patch_verdict patch_plan(const u8 *code, size_t n, size_t at, u64 address,
                                         struct patch_plan *plan);

/*
 * Can the call, or the CPUID, at offset `at` be nothing but an instruction, although nobody has
 * been seen to run it who could be believed? True if all decodings of the PATCH_SURE bytes before
 * it come by it, and load a constant number of a call, or a leaf, on their way.
 */
must_check bool patch_plan_is_sure(const u8 *code, size_t n, size_t at);
