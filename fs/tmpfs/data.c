/*
 * A regular file's bytes while they are in the sentry's own pages, and the
 * operations that work on both forms. A page that was allocated by
 * fallocate(2) and never written carries UNWRITTEN: it is charged, but
 * SEEK_DATA passes over it, as on Linux.
 *
 * What lies in a page behind the end of the file is zero: a truncation clears
 * it, so that a later extension need not.
 *
 * Work on many pages goes in steps, with others' work in between; the file's mutex is
 * held meanwhile.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "base/caller.h"
#include "base/host.h"
#include "fs/tmpfs/page_pool.h"
#include "fs/tmpfs/tmpfs_internal.h"

#define UNWRITTEN 1UL
/* Take some fifty microseconds. */
#define STEP_PAGES 512u

static char *page_of(void *entry)
{
	return (char *)((uintptr_t)entry & ~UNWRITTEN);
}

static bool is_unwritten(void *entry)
{
	return (uintptr_t)entry & UNWRITTEN;
}

static bool in_memfd(const struct tmpfs_node *n)
{
	return n->data.memfd >= 0;
}

void data_init(struct tmpfs_data *d)
{
	*d = (struct tmpfs_data){.memfd = -1, .reader = -1, .seals = F_SEAL_SEAL};
}

void data_account(struct tmpfs_node *n, s64 pages)
{
	if (pages < 0)
		tmpfs_uncharge(fs_of(&n->inode), (u64)-pages);
	n->data.charged += (u64)pages;
	inode_attr_change(&n->inode)->blocks = n->data.charged * (PAGE_SIZE / 512);
	inode_attr_changed(&n->inode);
}

/* One step of drop_pages: where the next one begins. */
static u64 drop_step(struct tmpfs_node *n, u64 first, u64 end)
{
	u64 i = page_map_next(&n->data.pages, first);
	s64 dropped = 0;

	for (unsigned k = 0; k < STEP_PAGES && i < end; k++) {
		void *entry = page_map_remove(&n->data.pages, i);

		if (!in_memfd(n)) {
			page_free(page_of(entry));
			dropped++;
		}
		i = page_map_next(&n->data.pages, i + 1);
	}
	if (dropped)
		data_account(n, -dropped);
	return i;
}

/* When what has been begun is to be ended, whoever is killed. */
static void breathe(void)
{
	int killed = caller_breathe();

	(void)killed;
}

/*
 * Drops the entries from page `first` to before `end`, and their pages if they are here.
 * What a memfd still has of them its caller recounts.
 */
static void drop_pages(struct tmpfs_node *n, u64 first, u64 end)
{
	u64 at = drop_step(n, first, end);

	while (at < end) {
		breathe();
		at = drop_step(n, at, end);
	}
}

void data_free(struct tmpfs_node *n)
{
	struct tmpfs_data *d = &n->data;

	drop_pages(n, 0, PAGE_MAP_END);
	if (d->memfd >= 0)
		memfd_close(n);
	if (d->charged)
		data_account(n, -(s64)d->charged);
}

/* The part of [pos, pos + n) that lies in pos's page. */
static size_t in_page(u64 pos, size_t n)
{
	return min_of(n, PAGE_SIZE - pos % PAGE_SIZE);
}

/* Where the bytes of pos's page are, or NULL for a hole, which ends at *hole_end (at least). */
static char *bytes_at(struct tmpfs_node *n, u64 pos, u64 *hole_end)
{
	u64 index = pos / PAGE_SIZE;
	void *entry = page_map_get(&n->data.pages, index);

	*hole_end = (index + 1) * PAGE_SIZE;
	if (in_memfd(n))
		return entry || memfd_page_exists(n, index, hole_end) ? n->data.view + pos : NULL;
	return entry ? page_of(entry) + pos % PAGE_SIZE : NULL;
}

/* Neighbours are moved together up to here: large transfers should not go page by page. */
#define RUN_PAGES 64u

/* How many of want bytes at p, which stand for pos, lie in one piece: the next pages may follow. */
static size_t run_length(struct tmpfs_node *n, const char *p, u64 pos, size_t want)
{
	size_t len = in_page(pos, want);
	u64 hole_end;

	while (len < want && len < RUN_PAGES * PAGE_SIZE &&
	       bytes_at(n, pos + len, &hole_end) == p + len)
		len += in_page(pos + len, want - len);
	return len;
}

ssize_t data_read(struct tmpfs_node *n, struct uio *dst, u64 pos)
{
	u64 size = inode_size(&n->inode), hole_end;
	size_t want, total = 0;

	if (pos >= size)
		return 0;
	want = min_of((u64)dst->resid, size - pos);
	while (total < want) {
		char *p = bytes_at(n, pos, &hole_end);
		size_t part;
		ssize_t r;

		if (p) {
			part = run_length(n, p, pos, want - total);
			r = uio_write(dst, p, part);
		} else {
			part = min_of(want - total, hole_end - pos);
			r = uio_zero(dst, part);
		}
		if (r < 0)
			return total ? (ssize_t)total : r;
		total += (size_t)r;
		pos += (u64)r;
		if ((size_t)r < part)
			break;
	}
	return (ssize_t)total;
}

/* The page to write to, made if need be; zeroed unless the caller fills all of it. */
static int page_for_write(struct tmpfs_node *n, u64 index, bool zero, char **out, bool *fresh)
{
	void *entry = page_map_get(&n->data.pages, index);
	int err;

	*fresh = !entry;
	if (entry) {
		*out = page_of(entry);
		if (is_unwritten(entry))
			return page_map_set(&n->data.pages, index, *out);
		return 0;
	}
	err = tmpfs_charge(fs_of(&n->inode), 1);
	if (err)
		return err;
	*out = page_alloc(zero);
	err = *out ? page_map_set(&n->data.pages, index, *out) : -ENOMEM;
	if (err) {
		if (*out)
			page_free(*out);
		tmpfs_uncharge(fs_of(&n->inode), 1);
		return err;
	}
	data_account(n, 1);
	return 0;
}

/* Pages to write to that lie one behind the other. */
struct run {
	char *to;   /* where pos goes */
	size_t len; /* bytes, the first and the last page perhaps not in full */
	u64 fresh;  /* bit k: page k is new, and was not cleared as all of it will be written */
};

static int run_begin(struct tmpfs_node *n, u64 pos, size_t want, struct run *run)
{
	bool fresh;
	char *page;
	int err;

	run->len = in_page(pos, want);
	err = page_for_write(n, pos / PAGE_SIZE, run->len < PAGE_SIZE, &page, &fresh);
	if (err)
		return err;
	run->to = page + pos % PAGE_SIZE;
	run->fresh = fresh && run->len == PAGE_SIZE;
	return 0;
}

/* Takes in what follows as long as it is adjacent, or can be had so. */
static void run_extend(struct tmpfs_node *n, u64 pos, size_t want, struct run *run)
{
	u64 index = pos / PAGE_SIZE;

	for (unsigned k = 1; k < RUN_PAGES && run->len < want; k++) {
		size_t part = in_page(pos + run->len, want - run->len);
		char *next = run->to + run->len, *page;
		void *entry = page_map_get(&n->data.pages, index + k);
		bool fresh;

		if (entry && page_of(entry) != next)
			return;
		/* An error is for who begins a run there. */
		if (page_for_write(n, index + k, part < PAGE_SIZE, &page, &fresh) != 0)
			return;
		if (page != next) {
			if (part == PAGE_SIZE)
				memset(page, 0, PAGE_SIZE);
			return;
		}
		if (fresh && part == PAGE_SIZE)
			run->fresh |= 1ULL << k;
		run->len += part;
	}
}

/* Fewer bytes came than the run was made for: no new page shows what it held before. */
static void run_clear_rest(const struct run *run, u64 pos, size_t got)
{
	char *first = run->to - pos % PAGE_SIZE, *end = run->to + got;

	for (unsigned k = 0; k < RUN_PAGES; k++) {
		char *page = first + k * PAGE_SIZE;

		if ((run->fresh >> k & 1) && end < page + PAGE_SIZE) {
			char *from = max_of(page, end);

			memset(from, 0, (size_t)(page + PAGE_SIZE - from));
		}
	}
}

/* Up to want bytes into the sentry's pages, as many as lie together. *part: how many those are. */
static ssize_t write_run(struct tmpfs_node *n, struct uio *src, u64 pos, size_t want, size_t *part)
{
	struct run run;
	int err = run_begin(n, pos, want, &run);
	ssize_t r;

	if (err)
		return err;
	run_extend(n, pos, want, &run);
	*part = run.len;
	r = uio_read(src, run.to, run.len);
	if (r < (ssize_t)run.len)
		run_clear_rest(&run, pos, r < 0 ? 0 : (size_t)r);
	return r;
}

/* One page's worth into the memfd, whose view reaches that far. */
static ssize_t write_view(struct tmpfs_node *n, struct uio *src, u64 pos, size_t part)
{
	u64 index = pos / PAGE_SIZE, hole_end;

	if (!page_map_get(&n->data.pages, index) && !memfd_page_exists(n, index, &hole_end)) {
		int err = tmpfs_charge(fs_of(&n->inode), 1);

		if (err)
			return err;
		data_account(n, 1);
		err = page_map_set(&n->data.pages, index, PAGE_KNOWN);
		if (err) {
			data_account(n, -1);
			return err;
		}
	}
	return uio_read(src, n->data.view + pos, part);
}

ssize_t data_write(struct tmpfs_node *n, struct uio *src, u64 pos)
{
	u64 size = inode_size(&n->inode), start = pos;
	size_t want = src->resid, total = 0;
	ssize_t r = 0;

	if (in_memfd(n) && pos + want > size) {
		r = memfd_resize(n, pos + want);
		if (r < 0)
			return r;
	}
	while (total < want) {
		size_t part = in_page(pos, want - total);

		r = in_memfd(n) ? write_view(n, src, pos, part)
		                : write_run(n, src, pos, want - total, &part);
		if (r < 0)
			break;
		total += (size_t)r;
		pos += (u64)r;
		if ((size_t)r < part)
			break;
	}
	if (pos > size && total)
		inode_set_size(&n->inode, pos);
	/* It was made as long as the whole write; what was not written is not there. */
	if (in_memfd(n) && start + want > size && total < want &&
	    memfd_resize(n, max_of(size, total ? pos : 0)) != 0)
		return -EIO;
	return total ? (ssize_t)total : r;
}

/* Zeroes [from, to), which lie in one page, if the page is there. */
static void zero_part(struct tmpfs_node *n, u64 from, u64 to)
{
	u64 hole_end;
	char *p = from < to ? bytes_at(n, from, &hole_end) : NULL;

	if (p)
		memset(p, 0, to - from);
}

int data_set_size(struct tmpfs_node *n, u64 size)
{
	u64 old = inode_size(&n->inode), pages = (size + PAGE_SIZE - 1) / PAGE_SIZE;

	if (in_memfd(n)) {
		/* The host zeroes the tail, and takes the pages out of the guest's mappings. */
		int err = memfd_resize(n, size);

		if (err)
			return err;
		drop_pages(n, pages, PAGE_MAP_END);
		memfd_recount(n);
	} else if (size <= old) {
		/* Also what KEEP_SIZE allocated behind the end. */
		drop_pages(n, pages, PAGE_MAP_END);
		zero_part(n, size, min_of(old, pages * PAGE_SIZE));
	}
	inode_set_size(&n->inode, size);
	return 0;
}

/*
 * The end of an allocation: forgets which pages it has made. If it failed they are dropped, too:
 * they are those without data before.
 */
static void settle_made(struct tmpfs_node *n, struct page_map *made, bool failed)
{
	unsigned k = 0;

	for (u64 i = page_map_next(made, 0); i != PAGE_MAP_END; i = page_map_next(made, i + 1)) {
		page_map_remove(made, i);
		if (failed)
			drop_step(n, i, i + 1);
		if (++k % STEP_PAGES == 0)
			breathe();
	}
}

static int allocate_step(struct tmpfs_node *n, u64 first, u64 end, struct page_map *made)
{
	int err = 0;

	for (u64 i = first; i < end && !err; i++) {
		char *page;
		bool fresh;

		if (page_map_get(&n->data.pages, i))
			continue;
		err = page_map_set(made, i, PAGE_KNOWN);
		if (!err)
			err = page_for_write(n, i, true, &page, &fresh);
		if (!err)
			err =
			    page_map_set(&n->data.pages, i, (void *)((uintptr_t)page | UNWRITTEN));
		else
			page_map_remove(made, i);
	}
	return err;
}

static int allocate_pages(struct tmpfs_node *n, u64 first, u64 end)
{
	struct page_map made = {NULL, 0};
	int err = 0;

	for (u64 at = first; at < end && !err; at += STEP_PAGES) {
		err = allocate_step(n, at, min_of(end, at + STEP_PAGES), &made);
		if (!err && at + STEP_PAGES < end)
			err = caller_breathe();
	}
	settle_made(n, &made, err);
	return err;
}

int data_allocate(struct tmpfs_node *n, u64 off, u64 len, bool keep_size)
{
	struct tmpfs_super *fs = fs_of(&n->inode);
	u64 first = off / PAGE_SIZE, end = (off + len + PAGE_SIZE - 1) / PAGE_SIZE;
	u64 max = atomic_load(&fs->max_pages);
	int err;

	if (max && end - first > max)
		return -ENOSPC;
	if (in_memfd(n))
		err = memfd_allocate(n, off, len, keep_size);
	else
		err = allocate_pages(n, first, end);
	if (!err && !keep_size && off + len > inode_size(&n->inode))
		inode_set_size(&n->inode, off + len);
	return err;
}

void data_punch(struct tmpfs_node *n, u64 off, u64 len)
{
	u64 end = off + len, first = (off + PAGE_SIZE - 1) / PAGE_SIZE, last = end / PAGE_SIZE;

	if (first < last)
		drop_pages(n, first, last);
	if (in_memfd(n)) {
		memfd_punch(n, off, len);
	} else if (first > last) {
		/* Within one page. */
		zero_part(n, off, end);
	} else {
		zero_part(n, off, first * PAGE_SIZE);
		zero_part(n, last * PAGE_SIZE, end);
	}
}

s64 data_seek(struct tmpfs_node *n, u64 off, int whence, u64 size)
{
	u64 index = off / PAGE_SIZE;

	if (off >= size)
		return -ENXIO;
	if (in_memfd(n))
		return host_lseek(n->data.memfd, (s64)off, whence);
	if (whence == SEEK_DATA) {
		for (index = page_map_next(&n->data.pages, index); index != PAGE_MAP_END;
		     index = page_map_next(&n->data.pages, index + 1)) {
			if (!is_unwritten(page_map_get(&n->data.pages, index)))
				break;
		}
		if (index == PAGE_MAP_END || index * PAGE_SIZE >= size)
			return -ENXIO;
		return (s64)max_of(off, index * PAGE_SIZE);
	}
	for (;; index++) {
		void *entry = page_map_get(&n->data.pages, index);

		if (index * PAGE_SIZE >= size)
			return (s64)size;
		if (!entry || is_unwritten(entry))
			return (s64)max_of(off, index * PAGE_SIZE);
	}
}
