/*
 * The dentry cache: hash, life and bound. Moving and naming is in dentry_move.c.
 *
 * The lock is a 'big reader': a reader takes the one of a few read locks that
 * its host thread is wont to, a writer takes all of them. Lookups by far
 * outnumber changes, and two workers that walk at once share no cache line.
 * No inode is put under it, as that may end in a file system's code.
 *
 * Each directory has a table of its own: who looks at many names looks at those of a directory one
 * after the other, and finds its buckets in the CPU's cache. Of a single table for all names nearly
 * every look was a miss, of the cache and of the TLB.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/census.h"
#include "base/hash_bytes.h"
#include "base/sanitizer.h"
#include "base/host.h"
#include "fs/notify/inotify.h"
#include "fs/vfs/dentry_internal.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/name_epoch.h"
#include "fs/vfs/vfs_internal.h"

#define DEFAULT_LIMIT 65536
#define READ_LOCKS    4
/* How many dentries one insertion looks at for a victim: bounds the time under the lock. */
#define SCAN_MAX 16

static CENSUS(dentry_census, "dentry");

static struct {
	struct lock lock;
} __attribute__((aligned(64))) readers[READ_LOCKS] = {
    {LOCK_INIT(RANK_DCACHE)},
    {LOCK_INIT(RANK_DCACHE)},
    {LOCK_INIT(RANK_DCACHE)},
    {LOCK_INIT(RANK_DCACHE)},
};

/* All guarded by the write side. */
static size_t hashed_count;
static TAILQ_HEAD(dentry_list, dentry) lru = TAILQ_HEAD_INITIALIZER(lru);
static size_t hashed_limit = DEFAULT_LIMIT;

/* The calling thread's slot + 1; 0: none yet. fresh: sets it, unless 0. */
static no_tsan unsigned thread_slot(unsigned fresh)
{
	static _Thread_local unsigned slot;

	if (fresh)
		slot = fresh;
	return slot;
}

/* Not inlined: the thread may change between two calls, so its slot may not be kept. */
__attribute__((noinline)) struct lock *dcache_read_lock(void)
{
	static _Atomic unsigned next_slot;
	unsigned slot = thread_slot(0);
	struct lock *l;

	if (!slot)
		slot = thread_slot(1 + atomic_fetch_add(&next_slot, 1) % READ_LOCKS);
	l = &readers[slot - 1].lock;
	lock_acquire(l);
	return l;
}

void dcache_write_lock(void)
{
	lock_acquire(&readers[0].lock);
	for (int i = 1; i < READ_LOCKS; i++)
		lock_acquire_nested(&readers[i].lock);
}

void dcache_write_unlock(void)
{
	for (int i = READ_LOCKS - 1; i >= 0; i--)
		lock_release(&readers[i].lock);
}

/*
 * A guest chooses names, so the hash is keyed: with a known one it could put
 * all of a directory into one bucket.
 */
static u64 hash_key(void)
{
	static _Atomic u64 key;
	u64 k = atomic_load_explicit(&key, memory_order_relaxed);

	if (k == 0) {
		u64 fresh = 0, expect = 0;

		if (host_getrandom(&fresh, sizeof(fresh)) < 0)
			fresh = (uintptr_t)&fresh;
		atomic_compare_exchange_strong(&key, &expect, fresh | 1);
		k = atomic_load_explicit(&key, memory_order_relaxed);
	}
	return k;
}

u32 dentry_name_hash(const void *salt, const char *name, size_t len)
{
	u64 seed = hash_key() ^ ((uintptr_t)salt >> 6) * 0x9e3779b97f4a7c15ULL;

	return (u32)(hash_bytes(seed, name, len) >> 32);
}

static struct dentry *dentry_alloc(const char *name, size_t len)
{
	struct dentry *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->name = d->inline_name;
	if (len >= sizeof(d->inline_name)) {
		d->name = malloc(len + 1);
		if (!d->name) {
			free(d);
			return NULL;
		}
	}
	memcpy(d->name, name, len);
	d->name[len] = 0;
	d->name_len = (u16)len;
	ref_init(&d->ref);
	LIST_INIT(&d->children);
	census_add(&dentry_census, 1);
	return d;
}

static void dentry_set_inode(struct dentry *d, struct inode *inode)
{
	if (!inode)
		return;
	atomic_fetch_add_explicit(&inode->dentries, 1, memory_order_relaxed);
	__atomic_store_n(&d->inode, inode_get(inode), __ATOMIC_RELEASE);
}

/* The last name of an inode without links is gone: that is when its watchers hear of the end. */
static void dentry_drop_inode(struct inode *i)
{
	struct attr a;

	if (atomic_fetch_sub(&i->dentries, 1) == 1 && atomic_load(&i->marks)) {
		inode_attr(i, &a);
		if (a.nlink == 0)
			notify_inode_gone(i);
	}
	inode_put(i);
}

struct dentry *dentry_get(struct dentry *d)
{
	ref_get(&d->ref);
	return d;
}

/* A loop, not a recursion: dropping a leaf may drop a whole chain of parents. */
void dentry_put(struct dentry *d)
{
	while (d && ref_put(&d->ref)) {
		struct dentry *parent = d->parent == d ? NULL : d->parent;

		BUG_ON(dentry_is_hashed(d));
		if (d->inode)
			dentry_drop_inode(d->inode);
		if (d->name != d->inline_name)
			free(d->name);
		if (d->names)
			hash_table_destroy(d->names);
		free(d->names);
		free(d);
		census_add(&dentry_census, -1);
		d = parent;
	}
}

struct dentry *dentry_create_root(struct inode *root)
{
	struct dentry *d = dentry_alloc("/", 1);

	if (!d)
		return NULL;
	d->parent = d;
	dentry_set_inode(d, root);
	return d;
}

struct dentry *dentry_create_unhashed(struct dentry *parent, const char *name, size_t len,
                                      struct inode *inode)
{
	struct dentry *d = dentry_alloc(name, len);

	if (!d)
		return NULL;
	d->parent = parent ? dentry_get(parent) : d;
	d->unhashed = true;
	dentry_set_inode(d, inode);
	return d;
}

static struct dentry *peek_hashed(struct dentry *parent, const char *name, size_t len, u32 hash)
{
	struct hash_node *n;

	if (!parent->names)
		return NULL;
	HASH_TABLE_FOREACH (n, parent->names, hash) {
		struct dentry *d = container_of(n, struct dentry, hash_link);

		if (d->name_len == len && memcmp(d->name, name, len) == 0) {
			/* Only the first use dirties the line. */
			if (!atomic_load_explicit(&d->used, memory_order_relaxed))
				atomic_store_explicit(&d->used, true, memory_order_relaxed);
			return d;
		}
	}
	return NULL;
}

struct dentry *dcache_peek(struct dentry *parent, const char *name, size_t len)
{
	return peek_hashed(parent, name, len, dentry_name_hash(parent, name, len));
}

struct dentry *dentry_find(struct dentry *parent, const char *name, size_t len)
{
	struct lock *l = dcache_read_lock();
	struct dentry *d = dcache_peek(parent, name, len);

	if (d)
		dentry_get(d);
	lock_release(l);
	return d;
}

bool dcache_prepare(struct dentry *parent)
{
	struct hash_table *t;

	if (__atomic_load_n(&parent->names, __ATOMIC_RELAXED))
		return true;
	t = malloc(sizeof(*t));
	if (!t)
		return false;
	hash_table_init(t);
	dcache_write_lock();
	if (!parent->names) {
		__atomic_store_n(&parent->names, t, __ATOMIC_RELAXED);
		t = NULL;
	}
	dcache_write_unlock();
	free(t);
	return true;
}

static void put_hashed(struct dentry *d, u32 hash)
{
	hash_table_insert(d->parent->names, &d->hash_link, hash);
	hashed_count++;
	LIST_INSERT_HEAD(&d->parent->children, d, sibling);
	TAILQ_INSERT_TAIL(&lru, d, lru_link);
}

void dcache_hash(struct dentry *d)
{
	put_hashed(d, dentry_name_hash(d->parent, d->name, d->name_len));
}

void dcache_unhash(struct dentry *d)
{
	hash_table_remove(d->parent->names, &d->hash_link);
	/* There may be as many directories as names: none keeps what it needed at its fullest. */
	hash_table_tidy(d->parent->names);
	hashed_count--;
	LIST_REMOVE(d, sibling);
	TAILQ_REMOVE(&lru, d, lru_link);
}

/*
 * Takes d out of the cache if nobody holds it. Under the write lock nobody can
 * come by a first reference, so a count of one (the cache's) stays one.
 */
static bool evict(struct dentry *d, struct dentry_list *victims)
{
	if (ref_count(&d->ref) != 1)
		return false;
	dcache_unhash(d);
	d->unhashed = true;
	TAILQ_INSERT_TAIL(victims, d, lru_link);
	return true;
}

/* Looks at up to scan dentries, oldest first, until want have gone. */
static size_t evict_oldest(size_t want, size_t scan, struct dentry_list *victims)
{
	size_t gone = 0;

	for (; scan && gone < want && !TAILQ_EMPTY(&lru); scan--) {
		struct dentry *d = TAILQ_FIRST(&lru);

		if (!atomic_exchange_explicit(&d->used, false, memory_order_relaxed) &&
		    evict(d, victims)) {
			gone++;
			continue;
		}
		TAILQ_REMOVE(&lru, d, lru_link);
		TAILQ_INSERT_TAIL(&lru, d, lru_link);
	}
	return gone;
}

/* Outside the lock: frees what evict() collected. */
static void put_victims(struct dentry_list *victims)
{
	struct dentry *d;

	while ((d = TAILQ_FIRST(victims))) {
		TAILQ_REMOVE(victims, d, lru_link);
		dentry_put(d);
	}
}

struct dentry *dentry_add(struct dentry *parent, const char *name, size_t len, struct inode *inode)
{
	struct dentry_list victims = TAILQ_HEAD_INITIALIZER(victims);
	struct dentry *d = dentry_alloc(name, len), *old;
	u32 hash = dentry_name_hash(parent, name, len);

	if (!d)
		return NULL;
	d->parent = dentry_get(parent);
	if (!dcache_prepare(parent)) {
		dentry_put(d);
		return NULL;
	}
	dcache_write_lock();
	old = peek_hashed(parent, name, len, hash);
	if (old) {
		dentry_get(old);
		if (!old->inode && inode) {
			dentry_set_inode(old, inode);
			name_epoch_end_in(inode->sb);
		}
	} else {
		dentry_set_inode(d, inode);
		/* Below a removed directory nothing is cached: it would hold on to what nobody
		 * can find any more to prune it. */
		if (dentry_is_hashed(parent) || parent->parent == parent)
			put_hashed(dentry_get(d), hash);
		if (hashed_count > hashed_limit)
			evict_oldest(2, SCAN_MAX, &victims);
	}
	dcache_write_unlock();
	put_victims(&victims);
	if (!old)
		return d;
	dentry_put(d);
	return old;
}

void dentry_instantiate(struct dentry *d, struct inode *inode)
{
	dcache_write_lock();
	BUG_ON(d->inode);
	dentry_set_inode(d, inode);
	name_epoch_end_in(inode->sb);
	dcache_write_unlock();
}

void dentry_unhash(struct dentry *d)
{
	bool was;

	dcache_write_lock();
	was = dentry_is_hashed(d);
	if (was)
		dcache_unhash(d);
	d->unhashed = true;
	if (was)
		name_epoch_end_in(d->parent->inode->sb);
	dcache_write_unlock();
	if (was)
		dentry_put(d);
}

/*
 * Goes down to a leaf, takes it out, goes on with its next sibling or, when
 * there is none, with its parent. Held dentries stay, and so do their parents,
 * unless top itself is gone.
 */
void dentry_prune(struct dentry *top)
{
	struct dentry_list victims = TAILQ_HEAD_INITIALIZER(victims);
	struct dentry *d;

	dcache_write_lock();
	d = LIST_FIRST(&top->children);
	while (d) {
		struct dentry *next, *parent = d->parent;

		if (!LIST_EMPTY(&d->children) && !d->visited) {
			d->visited = true;
			d = LIST_FIRST(&d->children);
			continue;
		}
		d->visited = false;
		next = LIST_NEXT(d, sibling);
		if (evict(d, &victims)) {
			/* It may not hold its parent, or that would not be unheld when its
			 * turn comes. The parent is in the cache, or is top. */
			d->parent = d;
			BUG_ON(ref_put(&parent->ref));
		} else if (top->unhashed && LIST_EMPTY(&d->children) && !d->mounts) {
			/* Of a removed directory the cache forgets what others still hold:
			 * nobody could find it later. */
			dcache_unhash(d);
			d->unhashed = true;
			TAILQ_INSERT_TAIL(&victims, d, lru_link);
		}
		d = next ? next : (parent == top ? NULL : parent);
	}
	dcache_write_unlock();
	put_victims(&victims);
}

void dentry_cache_set_limit(size_t limit)
{
	size_t excess;

	dcache_write_lock();
	hashed_limit = limit;
	excess = hashed_count > limit ? hashed_count - limit : 0;
	dcache_write_unlock();
	if (excess)
		dentry_cache_shrink(excess);
}

size_t dentry_cache_shrink(size_t n)
{
	struct dentry_list victims = TAILQ_HEAD_INITIALIZER(victims);
	size_t gone;

	dcache_write_lock();
	/* Twice round: the first may only clear the marks. */
	gone = evict_oldest(n, hashed_count * 2, &victims);
	dcache_write_unlock();
	put_victims(&victims);
	return gone;
}

size_t dentry_cache_count(void)
{
	struct lock *l = dcache_read_lock();
	size_t n = hashed_count;

	lock_release(l);
	return n;
}
