/*
 * Pages for file data: cut from chunks of a megabyte that go back to the host
 * when all their pages are free.
 */
#pragma once
#include "base/types.h"

/* PAGE_SIZE bytes, aligned; zero: cleared. NULL: no memory. */
void *page_alloc(bool zero);
void page_free(void *page);
