#include <stdlib.h>
#include <string.h>
#include "base/lock.h"
#include "fs/hostfs/hostfs_internal.h"
#include "fs/hostfs/read_cache.h"

#define CACHE_BYTES (16UL << 20)
/* A quarter of the bits may be set: one in four that is new passes for known then, at worst. */
#define MISSED_BITS 65536u
#define MISSED_MAX  (MISSED_BITS / 4)

TAILQ_HEAD(block_list, read_block);

static struct lock cache_lock = LOCK_INIT(RANK_OBJECT);
/* Guarded by cache_lock; the lists hold one reference to each block. */
static struct hash_table blocks = HASH_TABLE_INIT(blocks);
static struct block_list all_blocks = TAILQ_HEAD_INITIALIZER(all_blocks);
static size_t bytes_cached;
/* What was looked for in vain, a bit for each, more or less: guarded by cache_lock. */
static u64 missed[MISSED_BITS / 64];
static u32 missed_count;

static u32 block_hash(u64 dev, u64 ino, u64 index)
{
	return hash_u64(ino ^ dev << 40 ^ index << 20);
}

static size_t bytes_of(const struct read_block *b)
{
	return sizeof(*b) + b->size;
}

/* Was it missed before? It is from now on. */
static bool missed_again_locked(u32 hash)
{
	u64 *word = &missed[hash / 64 % array_size(missed)], bit = 1ULL << hash % 64;

	if (*word & bit)
		return true;
	if (++missed_count > MISSED_MAX) {
		memset(missed, 0, sizeof(missed));
		missed_count = 1;
	}
	*word |= bit;
	return false;
}

struct read_block *read_cache_find(const struct hostfs_inode *h, u64 index, bool *again)
{
	u32 hash = block_hash(h->dev, h->ino, index);
	struct hash_node *n;

	*again = false;
	lock_guard(&cache_lock);
	HASH_TABLE_FOREACH (n, &blocks, hash) {
		struct read_block *b = container_of(n, struct read_block, hash_link);

		if (b->ino == h->ino && b->dev == h->dev && b->index == index &&
		    b->born_sec == h->btime.tv_sec && b->born_nsec == h->btime.tv_nsec) {
			ref_get(&b->ref);
			atomic_store_explicit(&b->recent, true, memory_order_relaxed);
			return b;
		}
	}
	*again = missed_again_locked(hash);
	return NULL;
}

struct read_block *read_block_create(const struct hostfs_inode *h, u64 index, u32 size)
{
	struct read_block *b = malloc(sizeof(*b) + size);

	if (!b)
		return NULL;
	ref_init(&b->ref);
	b->dev = h->dev;
	b->ino = h->ino;
	b->index = index;
	b->born_sec = h->btime.tv_sec;
	b->born_nsec = h->btime.tv_nsec;
	b->size = size;
	b->len = 0;
	atomic_init(&b->recent, false);
	return b;
}

static void take_out_locked(struct read_block *b)
{
	TAILQ_REMOVE(&all_blocks, b, clock_link);
	hash_table_remove(&blocks, &b->hash_link);
	bytes_cached -= bytes_of(b);
}

/* The first that was not found since it was last looked at; at the second look at the latest. */
static struct read_block *take_idle_locked(void)
{
	struct read_block *b;

	while ((b = TAILQ_FIRST(&all_blocks)) &&
	       atomic_exchange_explicit(&b->recent, false, memory_order_relaxed)) {
		TAILQ_REMOVE(&all_blocks, b, clock_link);
		TAILQ_INSERT_TAIL(&all_blocks, b, clock_link);
	}
	if (b)
		take_out_locked(b);
	return b;
}

/* Two readers may add the same block; the one that is not found ages out. */
void read_cache_add(struct read_block *b)
{
	struct block_list old = TAILQ_HEAD_INITIALIZER(old);
	struct read_block *it;

	ref_get(&b->ref);
	lock_acquire(&cache_lock);
	hash_table_insert(&blocks, &b->hash_link, block_hash(b->dev, b->ino, b->index));
	TAILQ_INSERT_TAIL(&all_blocks, b, clock_link);
	bytes_cached += bytes_of(b);
	while (bytes_cached > CACHE_BYTES && (it = take_idle_locked()))
		TAILQ_INSERT_TAIL(&old, it, clock_link);
	lock_release(&cache_lock);
	while ((it = TAILQ_FIRST(&old))) {
		TAILQ_REMOVE(&old, it, clock_link);
		read_block_put(it);
	}
}

size_t read_cache_bytes(void)
{
	lock_guard(&cache_lock);
	return bytes_cached;
}

void read_block_put(struct read_block *b)
{
	if (b && ref_put(&b->ref))
		free(b);
}

void read_cache_drop(void)
{
	struct read_block *b;

	{
		lock_guard(&cache_lock);
		memset(missed, 0, sizeof(missed));
		missed_count = 0;
	}
	do {
		lock_acquire(&cache_lock);
		b = TAILQ_FIRST(&all_blocks);
		if (b)
			take_out_locked(b);
		lock_release(&cache_lock);
		read_block_put(b);
	} while (b);
}
