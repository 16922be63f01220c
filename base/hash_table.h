/*
 * Hash tables of nodes that are part of what they find; they grow with what they hold. The caller
 * locks, computes the hashes and compares the keys.
 *
 * A table starts with few buckets in place, so that it needs no memory until it holds something,
 * and a small one stays within the cache lines of its owner. It shrinks when told to. The bucket is
 * in the hash's high bits, where a multiplication leaves the most of its input.
 *
 *	HASH_TABLE_FOREACH (n, &t, hash)
 *		if (same(container_of(n, struct thing, node), key))
 *			...
 */
#pragma once
#include "base/types.h"

#define HASH_TABLE_FEW_BITS 3

struct hash_node {
	struct hash_node *next, **link; /* link: what points here; NULL: in no table */
	u32 hash;
};

struct hash_table {
	struct hash_node **buckets; /* few, or owned heap */
	u32 bits, count;
	struct hash_node *few[1 << HASH_TABLE_FEW_BITS];
};

#define HASH_TABLE_INIT(table)                                                                     \
	{                                                                                          \
		.buckets = (table).few, .bits = HASH_TABLE_FEW_BITS                                \
	}

void hash_table_init(struct hash_table *t);
/* Frees the buckets of an empty table. */
void hash_table_destroy(struct hash_table *t);
/* At the head of its bucket. May allocate; without memory the table stays as it is, only slower. */
void hash_table_insert(struct hash_table *t, struct hash_node *n, u32 hash);
void hash_table_remove(struct hash_table *t, struct hash_node *n);
/* After a removal, and not among looks at its nodes: gives back buckets that few nodes are left
 * for. */
void hash_table_tidy(struct hash_table *t);
/* Has the bucket brought to the CPU's cache for a look or an insertion to come. No lock is needed.
 */
void hash_table_warm(const struct hash_table *t, u32 hash);
/* Of a node that was zero at first. */
static inline bool hash_node_is_in(const struct hash_node *n)
{
	return n->link != NULL;
}
/* All nodes, chained by `next`; the table is empty then. */
struct hash_node *hash_table_take_all(struct hash_table *t);

/* n, or the next after it in its bucket, of this hash. */
static inline struct hash_node *hash_node_match(struct hash_node *n, u32 hash)
{
	while (n && n->hash != hash)
		n = n->next;
	return n;
}

#define HASH_TABLE_FOREACH(n, t, h)                                                                \
	for ((n) = hash_node_match((t)->buckets[(h) >> (32 - (t)->bits)], h); (n);                 \
	     (n) = hash_node_match((n)->next, h))

/* Of a number or an address whose values no guest chooses to collide. */
static inline u32 hash_u64(u64 v)
{
	return (u32)(v * 0x9e3779b97f4a7c15ULL >> 32);
}
