/* Hash tables that grow: see hash_table.h. */
#include <stdlib.h>
#include <string.h>
#include "base/bug.h"
#include "base/hash_table.h"
#include "base/sanitizer.h"

#define BITS_MAX 28

void hash_table_init(struct hash_table *t)
{
	*t = (struct hash_table)HASH_TABLE_INIT(*t);
}

void hash_table_destroy(struct hash_table *t)
{
	BUG_ON(t->count);
	if (t->buckets != t->few)
		free(t->buckets);
}

static void put_in(struct hash_table *t, struct hash_node *n)
{
	struct hash_node **bucket = &t->buckets[n->hash >> (32 - t->bits)];

	n->next = *bucket;
	n->link = bucket;
	if (n->next)
		n->next->link = &n->next;
	*bucket = n;
}

/* Without memory it stays as it is. */
static void resize(struct hash_table *t, u32 bits)
{
	struct hash_node **old = t->buckets, **fresh = t->few, *n, *next;
	size_t size = 1UL << t->bits;

	if (bits == HASH_TABLE_FEW_BITS)
		memset(t->few, 0, sizeof(t->few));
	else
		fresh = calloc(1UL << bits, sizeof(struct hash_node *));
	if (!fresh)
		return;
	t->buckets = fresh;
	t->bits = bits;
	for (size_t i = 0; i < size; i++)
		for (n = old[i]; n; n = next) {
			next = n->next;
			put_in(t, n);
		}
	if (old != t->few)
		free(old);
}

/* It may be about to grow: then this is for nothing, but does no harm. */
no_tsan void hash_table_warm(const struct hash_table *t, u32 hash)
{
	__builtin_prefetch(&t->buckets[hash >> (32 - t->bits)], 1);
}

void hash_table_insert(struct hash_table *t, struct hash_node *n, u32 hash)
{
	if (t->count++ >> t->bits && t->bits < BITS_MAX)
		resize(t, t->bits + 1);
	n->hash = hash;
	put_in(t, n);
}

void hash_table_remove(struct hash_table *t, struct hash_node *n)
{
	BUG_ON(t->count == 0);
	t->count--;
	*n->link = n->next;
	if (n->next)
		n->next->link = n->link;
	n->link = NULL;
}

void hash_table_tidy(struct hash_table *t)
{
	if (t->bits > HASH_TABLE_FEW_BITS && t->count < 1UL << t->bits >> 3)
		resize(t, t->bits - 1);
}

struct hash_node *hash_table_take_all(struct hash_table *t)
{
	struct hash_node *all = NULL, *n, *next;

	for (size_t i = 0; i < 1UL << t->bits; i++) {
		for (n = t->buckets[i]; n; n = next) {
			next = n->next;
			n->next = all;
			n->link = NULL;
			all = n;
		}
		t->buckets[i] = NULL;
	}
	t->count = 0;
	return all;
}
