/*
 * Told words: what others have been told of an object (an inode's attributes, an open file's
 * flags), so that they need not ask again, holds as long as the word that belongs to the object is
 * what it was then. Objects share words; then one's change makes the other's users ask again.
 *
 * An object that somebody has been told of keeps a mark, which says which word it is (0: there is
 * nobody). Only then does a change move the word on: after it has been made, and before whoever
 * makes it can let another know of it. So the order is: set the mark, look at the word, look at the
 * object, tell; and whoever takes a mark away does so under a lock that keeps it from coming
 * between the first two.
 */
#pragma once
#include "base/told.h"

/* n words, a power of two, that others can see; once, at start. NULL: nobody is told anything. */
void told_words_keep(_Atomic u32 *words, u32 n);
bool told_anybody(void);
/* The mark for an object. Not 0. */
u32 told_mark(const void *object);
/* The word of a mark, as it is now. */
struct told told_now(u32 mark);
void told_move_on(u32 mark);
