#include <stdlib.h>
#include "base/lock.h"
#include "fs/hostfs/hostfs_internal.h"
#include "fs/hostfs/read_cache.h"

#define CACHE_BLOCKS  1024u /* 16 MiB in all */
#define CACHE_BUCKETS 1024u

TAILQ_HEAD(block_list, read_block);

static struct lock cache_lock = LOCK_INIT(RANK_OBJECT);
/* Guarded by cache_lock; the lists hold one reference to each block. */
static struct block_list buckets[CACHE_BUCKETS];
static struct block_list all_blocks = TAILQ_HEAD_INITIALIZER(all_blocks);
static unsigned block_count;
static bool buckets_ready;

static struct block_list *bucket_of(u64 dev, u64 ino, u64 index)
{
	u64 h = (ino ^ dev << 40 ^ index << 20) * 0x9e3779b97f4a7c15ULL;

	return &buckets[h >> 32 & (CACHE_BUCKETS - 1)];
}

static void init_locked(void)
{
	if (buckets_ready)
		return;
	for (unsigned i = 0; i < CACHE_BUCKETS; i++)
		TAILQ_INIT(&buckets[i]);
	buckets_ready = true;
}

struct read_block *read_cache_find(const struct hostfs_inode *h, u64 index)
{
	struct read_block *b;

	lock_guard(&cache_lock);
	init_locked();
	TAILQ_FOREACH (b, bucket_of(h->dev, h->ino, index), hash_link)
		if (b->ino == h->ino && b->dev == h->dev && b->index == index &&
		    b->born_sec == h->btime.tv_sec && b->born_nsec == h->btime.tv_nsec) {
			ref_get(&b->ref);
			atomic_store_explicit(&b->recent, true, memory_order_relaxed);
			return b;
		}
	return NULL;
}

struct read_block *read_block_create(const struct hostfs_inode *h, u64 index)
{
	struct read_block *b = malloc(sizeof(*b));

	if (!b)
		return NULL;
	ref_init(&b->ref);
	b->dev = h->dev;
	b->ino = h->ino;
	b->index = index;
	b->born_sec = h->btime.tv_sec;
	b->born_nsec = h->btime.tv_nsec;
	b->len = 0;
	atomic_init(&b->recent, false);
	return b;
}

static struct read_block *take_out_locked(struct read_block *b)
{
	TAILQ_REMOVE(&all_blocks, b, clock_link);
	TAILQ_REMOVE(bucket_of(b->dev, b->ino, b->index), b, hash_link);
	block_count--;
	return b;
}

static struct read_block *take_idle_locked(void)
{
	struct read_block *b;

	while ((b = TAILQ_FIRST(&all_blocks)) &&
	       atomic_exchange_explicit(&b->recent, false, memory_order_relaxed)) {
		TAILQ_REMOVE(&all_blocks, b, clock_link);
		TAILQ_INSERT_TAIL(&all_blocks, b, clock_link);
	}
	return b ? take_out_locked(b) : NULL;
}

/* Two readers may add the same block; the older one is found less and less, and ages out. */
void read_cache_add(struct read_block *b)
{
	struct read_block *old = NULL;

	ref_get(&b->ref);
	lock_acquire(&cache_lock);
	init_locked();
	TAILQ_INSERT_HEAD(bucket_of(b->dev, b->ino, b->index), b, hash_link);
	TAILQ_INSERT_TAIL(&all_blocks, b, clock_link);
	if (++block_count > CACHE_BLOCKS)
		old = take_idle_locked();
	lock_release(&cache_lock);
	read_block_put(old);
}

void read_block_put(struct read_block *b)
{
	if (b && ref_put(&b->ref))
		free(b);
}

void read_cache_drop(void)
{
	struct read_block *b;

	do {
		lock_acquire(&cache_lock);
		b = TAILQ_FIRST(&all_blocks);
		if (b)
			take_out_locked(b);
		lock_release(&cache_lock);
		read_block_put(b);
	} while (b);
}
