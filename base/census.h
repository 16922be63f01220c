/*
 * Counts of live objects by type. A type declares one census and calls
 * census_add(+1/-1) in its constructor and destructor; test teardown asserts
 * zero, `moat run --stats` prints them, and checkpoint will enumerate by them.
 */
#pragma once
#include "base/types.h"

struct census {
	const char *name;
	_Atomic s64 live;
	_Atomic s64 crowd;   /* many there have been, about, since memory was given back; or 0 */
	struct census *next; /* all types seen so far; set once by the first census_add */
	_Atomic bool listed;
};

#define CENSUS(var, label) struct census var = {.name = (label)}

void census_add(struct census *c, s64 n);
/* Calls fn for every type that has ever had a live object. */
void census_each(void (*fn)(const struct census *c, void *arg), void *arg);
