/*
 * One step up a guest's stack, by the tables that compilers leave for exceptions
 * (.eh_frame, found through .eh_frame_hdr). Everything read is a guest's: nothing in it can
 * make a step take long, fail otherwise than by its result, or allocate.
 */
#pragma once
#include "base/types.h"

/* DWARF's numbers (System V ABI for x86-64, figure 3.36). */
enum { DWARF_RBP = 6, DWARF_RSP = 7, DWARF_RIP = 16, DWARF_REGS = 17 };

struct unwind_source {
	/* False unless all n bytes could be read. */
	bool (*read)(struct unwind_source *s, void *dst, u64 addr, size_t n);
	/* Where the .eh_frame_hdr of the image at pc lies, and its size; false: there is none. */
	bool (*table)(struct unwind_source *s, u64 pc, u64 *addr, u64 *size);
};

struct unwind_cursor {
	u64 reg[DWARF_REGS];
	/* reg[RIP] is an instruction that is yet to be run, not the address behind a call. */
	bool exact;
	/* Set by a step: no table knew the frame, and what is here now is a guess. */
	bool guessed;
};

/* False: this was the outermost frame, or the stack cannot be followed further. */
must_check bool unwind_step(struct unwind_source *s, struct unwind_cursor *c);
