/*
 * Something that one side has been told, so that it need not ask again: it holds as long as a word
 * that the other side writes is what it was. Which words these are: fs/vfs/told_word.h,
 * fs/vfs/fdtable.h, platform/platform.h.
 */
#pragma once
#include "base/types.h"

struct told {
	u32 word, seen; /* the word's index, and what it was */
};
