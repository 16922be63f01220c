/*
 * The name epoch: a number that changes whenever what an absolute name leads to, or who may go
 * there, might be something else than before: names, owners, modes, mounts, roots, credentials. So
 * an answer about a name that was found while the epoch was e is still right while it is e, and
 * whoever can see the number may repeat it (platform/platform.h).
 *
 * That holds for file systems whose names and attributes change by the VFS alone (SB_LASTS); others
 * are asked each time, and change nothing here.
 */
#pragma once
#include "base/types.h"

struct super;

/* Where others can see it; once, at start. Until then it is the VFS's own. */
void name_epoch_keep(_Atomic u32 *word);
u32 name_epoch(void);
/* After the change has been made, and before the call that makes it returns. */
void name_epoch_end(void);
/* The same for a change within sb. */
void name_epoch_end_in(const struct super *sb);
