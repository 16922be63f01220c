/* DWARF expressions (DWARF 5, section 2.5) as far as unwind tables use them. */
#pragma once
#include "base/types.h"

struct unwind_source;

/*
 * The value of expr[0, n) over the registers, with `initial` on the stack if has_initial.
 * False: it uses what is not supported, reads memory that is not there, or is broken.
 */
must_check bool dwarf_expr(struct unwind_source *s, const u64 *reg, const u8 *expr, size_t n,
                           bool has_initial, u64 initial, u64 *out);
