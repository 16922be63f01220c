/*
 * Names for moat's own code addresses, for reports. The executable's symbol
 * table is mapped before lock-down, so that a report needs no host call and
 * names static functions too.
 */
#pragma once
#include "base/types.h"

/* Maps the table. Without it (or in a stripped build) symbol_find finds nothing. */
void symbols_load(void);
/* The function around pc, with pc's offset in it; NULL if unknown. Async-signal-safe. */
const char *symbol_find(uintptr_t pc, uintptr_t *offset);
/* pc's offset in the executable's image, as addr2line wants it; 0 if it is not in there. */
uintptr_t symbol_image_offset(uintptr_t pc);
