/* The radix tree: see page_map.h. */
#include <errno.h>
#include <stdlib.h>
#include "base/bug.h"
#include "fs/tmpfs/page_map.h"

#define BITS   6
#define FANOUT (1U << BITS)
/* 2^52 pages make 2^64 bytes. */
#define HEIGHT_MAX 9

struct node {
	u32 count;
	void *slot[FANOUT];
};

static u32 slot_of(u64 index, u32 level)
{
	return (u32)(index >> (BITS * (level - 1))) & (FANOUT - 1);
}

/* Beyond what a tree of this height can hold. */
static bool too_big(u64 index, u32 height)
{
	return height < HEIGHT_MAX && index >> (BITS * height) != 0;
}

void *page_map_get(const struct page_map *m, u64 index)
{
	void *p = m->root;

	if (too_big(index, m->height))
		return NULL;
	for (u32 level = m->height; level && p; level--)
		p = ((struct node *)p)->slot[slot_of(index, level)];
	return p;
}

static int grow(struct page_map *m, u64 index)
{
	while (too_big(index, m->height)) {
		struct node *n;

		/* An empty tree has any height. */
		if (m->root) {
			n = calloc(1, sizeof(*n));
			if (!n)
				return -ENOMEM;
			n->slot[0] = m->root;
			n->count = 1;
			m->root = n;
		}
		m->height++;
	}
	return 0;
}

/* The nodes for the levels below and including `levels`, with entry at their end; NULL: no memory.
 */
static void *chain_create(u64 index, u32 levels, void *entry)
{
	void *below = entry;

	for (u32 level = 1; level <= levels; level++) {
		struct node *n = calloc(1, sizeof(*n));

		if (!n) {
			for (u32 l = level - 1; l; l--) {
				struct node *dead = below;

				below = dead->slot[slot_of(index, l)];
				free(dead);
			}
			return NULL;
		}
		n->slot[slot_of(index, level)] = below;
		n->count = 1;
		below = n;
	}
	return below;
}

int page_map_set(struct page_map *m, u64 index, void *entry)
{
	void **at = &m->root, *chain;
	struct node *parent = NULL;
	u32 level;
	int err = grow(m, index);

	if (err)
		return err;
	for (level = m->height; level && *at; level--) {
		parent = *at;
		at = &parent->slot[slot_of(index, level)];
	}
	if (*at) {
		*at = entry;
		return 0;
	}
	chain = chain_create(index, level, entry);
	if (!chain)
		return -ENOMEM;
	*at = chain;
	if (parent)
		parent->count++;
	return 0;
}

void *page_map_remove(struct page_map *m, u64 index)
{
	struct node *way[HEIGHT_MAX + 1];
	void **at = &m->root, *entry;

	if (too_big(index, m->height))
		return NULL;
	for (u32 level = m->height; level; level--) {
		if (!*at)
			return NULL;
		way[level] = *at;
		at = &way[level]->slot[slot_of(index, level)];
	}
	entry = *at;
	if (!entry)
		return NULL;
	*at = NULL;
	for (u32 level = 1; level <= m->height; level++) {
		if (--way[level]->count)
			return entry;
		free(way[level]);
		if (level == m->height)
			m->root = NULL;
		else
			way[level + 1]->slot[slot_of(index, level + 1)] = NULL;
	}
	m->height = 0;
	return entry;
}

static u64 next_in(const void *p, u32 level, u64 index)
{
	const struct node *n = p;

	if (!p)
		return PAGE_MAP_END;
	if (level == 0)
		return index;
	for (u32 s = slot_of(index, level); s < FANOUT; s++) {
		u64 found = next_in(n->slot[s], level - 1, index);

		if (found != PAGE_MAP_END)
			return found;
		/* The next slot begins at a multiple of what one slot spans. */
		index = ((index >> (BITS * (level - 1))) + 1) << (BITS * (level - 1));
	}
	return PAGE_MAP_END;
}

u64 page_map_next(const struct page_map *m, u64 index)
{
	if (too_big(index, m->height))
		return PAGE_MAP_END;
	return next_in(m->root, m->height, index);
}
