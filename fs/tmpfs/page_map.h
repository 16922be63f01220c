/*
 * A sparse array of pointers by page number: a radix tree of 64-way nodes,
 * as high as its largest index needs, so that a file of one page needs no node.
 * The owner's lock guards it.
 */
#pragma once
#include "base/types.h"

struct page_map {
	void *root;
	u32 height; /* 0: root is entry 0 itself */
};

#define PAGE_MAP_END (~0ULL)

void *page_map_get(const struct page_map *m, u64 index);
/* entry: not NULL. Replaces without a failure; a new index may need memory: -ENOMEM. */
must_check int page_map_set(struct page_map *m, u64 index, void *entry);
/* What was there, or NULL. Frees nodes that become empty. */
void *page_map_remove(struct page_map *m, u64 index);
/* The first index >= index with an entry, or PAGE_MAP_END. */
u64 page_map_next(const struct page_map *m, u64 index);
