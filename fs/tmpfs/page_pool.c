/*
 * The page pool: see page_pool.h. A chunk is aligned to its size, so that a
 * page's address leads to the chunk's header, which takes the place of its
 * first page. One empty chunk is kept, lest a file that comes and goes at the
 * boundary map and unmap each time.
 */
#include <string.h>
#include <sys/queue.h>
#include "base/bug.h"
#include "base/host.h"
#include "base/lock.h"
#include "fs/tmpfs/page_pool.h"

#define CHUNK_SIZE  (1UL << 20)
#define CHUNK_PAGES (CHUNK_SIZE / PAGE_SIZE)
#define WORDS       (CHUNK_PAGES / 64)

struct chunk {
	u64 used[WORDS]; /* page 0, the header, is always used */
	/* Pages that were used before and so need clearing; the others are zero from the host. */
	u64 dirty[WORDS];
	u32 free;
	TAILQ_ENTRY(chunk) link; /* on `partial` while free > 0 */
};

static struct lock guard = LOCK_INIT(RANK_ALLOC);
/* Guarded by guard. Chunks with free pages, fuller ones first: empty ones can go. */
static TAILQ_HEAD(, chunk) partial = TAILQ_HEAD_INITIALIZER(partial);
static u32 empty_chunks;

static struct chunk *chunk_create(void)
{
	struct chunk *c;
	uintptr_t start, aligned;
	int err;
	char *p = host_map(-1, 0, 2 * CHUNK_SIZE, true, &err);

	if (!p)
		return NULL;
	start = (uintptr_t)p;
	aligned = (start + CHUNK_SIZE - 1) & ~(CHUNK_SIZE - 1);
	if (aligned != start)
		host_unmap(p, aligned - start);
	if (aligned + CHUNK_SIZE != start + 2 * CHUNK_SIZE)
		host_unmap((void *)(aligned + CHUNK_SIZE), start + CHUNK_SIZE - aligned);
	c = (struct chunk *)aligned;
	c->used[0] = 1;
	c->free = CHUNK_PAGES - 1;
	return c;
}

static void *take_page(struct chunk *c, bool *dirty)
{
	for (u32 w = 0; w < WORDS; w++) {
		u32 bit;

		if (!~c->used[w])
			continue;
		bit = (u32)__builtin_ctzll(~c->used[w]);
		*dirty = c->dirty[w] >> bit & 1;
		if (c->free == CHUNK_PAGES - 1)
			empty_chunks--;
		c->used[w] |= 1ULL << bit;
		c->dirty[w] |= 1ULL << bit;
		if (--c->free == 0)
			TAILQ_REMOVE(&partial, c, link);
		return (char *)c + (w * 64 + bit) * PAGE_SIZE;
	}
	BUG("a chunk counts free pages that it does not have");
}

void *page_alloc(bool zero)
{
	struct chunk *fresh = NULL;
	void *page;
	bool dirty;

	lock_acquire(&guard);
	if (TAILQ_EMPTY(&partial)) {
		lock_release(&guard);
		fresh = chunk_create();
		if (!fresh)
			return NULL;
		lock_acquire(&guard);
		TAILQ_INSERT_TAIL(&partial, fresh, link);
		empty_chunks++;
	}
	page = take_page(TAILQ_FIRST(&partial), &dirty);
	lock_release(&guard);
	if (zero && dirty)
		memset(page, 0, PAGE_SIZE);
	return page;
}

void page_free(void *page)
{
	struct chunk *c = (struct chunk *)((uintptr_t)page & ~(CHUNK_SIZE - 1)), *gone = NULL;
	u32 n = (u32)((uintptr_t)page % CHUNK_SIZE / PAGE_SIZE);

	lock_acquire(&guard);
	BUG_ON(n == 0 || !(c->used[n / 64] >> (n % 64) & 1));
	c->used[n / 64] &= ~(1ULL << (n % 64));
	if (c->free++ == 0)
		TAILQ_INSERT_HEAD(&partial, c, link);
	if (c->free == CHUNK_PAGES - 1) {
		TAILQ_REMOVE(&partial, c, link);
		if (empty_chunks) {
			gone = c;
		} else {
			empty_chunks++;
			TAILQ_INSERT_TAIL(&partial, c, link);
		}
	}
	lock_release(&guard);
	if (gone)
		host_unmap(gone, CHUNK_SIZE);
}
