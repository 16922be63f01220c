/*
 * The ring of a pipe: pages in, pages out. The rules for merging, partial
 * writes and wake-ups are those of fs/pipe.c in Linux, so that a guest finds the same
 * capacity for every pattern of writes:
 *
 * - a write of up to PIPE_BUF (one page) bytes goes in whole or not at all;
 * - bytes are merged into the last page only if the whole odd part fits there;
 * - 'full' means that no slot is free, whatever room the last page has.
 */
#include "fs/pipe/pipe_internal.h"
#include "base/bug.h"
#include "base/caller.h"
#include "base/sched.h"
#include "base/uspace.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/* Writes up to this many bytes pass through the stack: cheaper than a page of their own. */
#define SMALL_WRITE 512
/* Pages filled before the lock is taken again. */
#define WRITE_BATCH 16

#define READABLE (EPOLLIN | EPOLLRDNORM)
#define WRITABLE (EPOLLOUT | EPOLLWRNORM)

/* ---- pages ---------------------------------------------------------------- */

static u8 *spare_take_locked(struct pipe *p)
{
	return p->nspare ? p->spare[--p->nspare] : NULL;
}

/*
 * Keeps the page for the next write, or puts it on a list (linked through the
 * pages themselves) that is freed once the lock is let go.
 */
static void page_retire_locked(struct pipe *p, u8 *page, void **garbage)
{
	if (p->nspare < PIPE_SPARES) {
		p->spare[p->nspare++] = page;
		return;
	}
	*(void **)page = *garbage;
	*garbage = page;
}

static void garbage_free(void *garbage)
{
	while (garbage) {
		void *next = *(void **)garbage;
		free(garbage);
		garbage = next;
	}
}

u8 *pipe_page_get(struct pipe *p)
{
	u8 *page;
	{
		lock_guard(&p->lock);
		page = spare_take_locked(p);
	}
	return page ? page : malloc(PAGE_SIZE);
}

void pipe_page_put(struct pipe *p, u8 *page)
{
	void *garbage = NULL;

	lock_acquire(&p->lock);
	page_retire_locked(p, page, &garbage);
	lock_release(&p->lock);
	garbage_free(garbage);
}

/* ---- writing -------------------------------------------------------------- */

int pipe_broken(void)
{
	struct caller *c = caller();

	if (c->raise)
		c->raise(c, SIGPIPE);
	return -EPIPE;
}

/* Appends to the last page if all n bytes fit there. */
static bool merge_locked(struct pipe *p, const u8 *data, u32 n)
{
	if (p->head == p->tail)
		return false;
	struct pipe_slot *last = pipe_slot_at(p, p->tail - 1);
	if (last->packet || last->off + last->len + n > PAGE_SIZE)
		return false;
	memcpy(last->page + last->off + last->len, data, n);
	last->len += n;
	p->bytes += n;
	return true;
}

static void link_locked(struct pipe *p, const struct pipe_slot *s)
{
	*pipe_slot_at(p, p->tail++) = *s;
	p->bytes += s->len;
}

/*
 * The common case: a few bytes, taken to the stack first. No allocation but
 * the page that an empty pipe needs once.
 */
static ssize_t write_small(struct pipe *p, struct uio *src)
{
	u8 buf[SMALL_WRITE], *page = NULL;
	ssize_t n = uio_read(src, buf, src->resid);

	if (n <= 0)
		return n;
	lock_acquire(&p->lock);
	for (;;) {
		if (p->readers == 0) {
			lock_release(&p->lock);
			n = pipe_broken();
			break;
		}
		if (merge_locked(p, buf, n)) {
			lock_release(&p->lock);
			break;
		}
		if (pipe_full_locked(p)) {
			lock_release(&p->lock);
			uio_revert(src, n);
			n = -EAGAIN;
			break;
		}
		if (!page)
			page = spare_take_locked(p);
		if (page) {
			struct pipe_slot s = {.page = page, .len = n};
			memcpy(page, buf, n);
			link_locked(p, &s);
			lock_release(&p->lock);
			return n;
		}
		lock_release(&p->lock);
		page = malloc(PAGE_SIZE);
		if (!page) {
			uio_revert(src, n);
			return -ENOMEM;
		}
		lock_acquire(&p->lock);
	}
	if (page)
		pipe_page_put(p, page);
	return n;
}

/*
 * How large the next chunk is to be: the odd part first if the last page can
 * take it, else whole pages with the odd part at the end.
 */
static u32 first_chunk_locked(struct pipe *p, size_t n)
{
	u32 odd = n & (PAGE_SIZE - 1);

	if (odd && p->head != p->tail) {
		struct pipe_slot *last = pipe_slot_at(p, p->tail - 1);
		if (!last->packet && last->off + last->len + odd <= PAGE_SIZE)
			return odd;
	}
	return min_of(n, PAGE_SIZE);
}

/* Fills private pages from src. Returns how many; *err is set when a fault or want of memory cut
 * it short. */
static u32 gather(struct pipe *p, struct uio *src, struct pipe_slot *out, u32 max, u32 chunk,
                  bool packet, int *err)
{
	u32 k = 0;

	while (k < max && src->resid && !*err) {
		struct pipe_slot s = {.packet = packet};
		ssize_t got = -ENOMEM;

		s.page = pipe_page_get(p);
		if (s.page)
			got = uio_read(src, s.page, min_of(chunk, src->resid));
		if (got <= 0) {
			*err = got < 0 ? (int)got : -EFAULT;
			if (s.page)
				pipe_page_put(p, s.page);
			break;
		}
		if ((u32)got < chunk && src->resid)
			*err = -EFAULT;
		s.len = got;
		out[k++] = s;
		chunk = PAGE_SIZE;
	}
	return k;
}

/*
 * One batch of a large write, or one packet after another. Returns bytes taken, -EAGAIN,
 * -EPIPE (no signal yet) or another error; what was gathered but found no room goes back to src.
 */
static ssize_t write_batch(struct pipe *p, struct uio *src, bool packet)
{
	struct pipe_slot slots[WRITE_BATCH];
	u32 room, chunk, linked = 0;
	ssize_t done = 0;
	int err = 0;
	{
		lock_guard(&p->lock);
		if (p->readers == 0)
			return -EPIPE;
		chunk = packet ? min_of(src->resid, PAGE_SIZE) : first_chunk_locked(p, src->resid);
		room = pipe_full_locked(p) ? 0 : p->nslots - pipe_used_locked(p) - p->reserved;
		if (!packet && chunk < PAGE_SIZE)
			room++; /* the odd part may be merged and need no slot */
	}
	if (room == 0)
		return -EAGAIN;
	u32 n = gather(p, src, slots, min_of(room, (u32)WRITE_BATCH), chunk, packet, &err);

	lock_acquire(&p->lock);
	bool broken = p->readers == 0;
	while (!broken && linked < n) {
		struct pipe_slot *s = &slots[linked];
		if (!packet && s->len < PAGE_SIZE && merge_locked(p, s->page, s->len)) {
			done += s->len;
			linked++;
			continue;
		}
		if (pipe_full_locked(p))
			break;
		link_locked(p, s);
		done += s->len;
		s->page = NULL;
		linked++;
	}
	lock_release(&p->lock);

	size_t back = 0;
	for (u32 i = 0; i < n; i++) {
		if (i >= linked)
			back += slots[i].len;
		if (slots[i].page)
			pipe_page_put(p, slots[i].page);
	}
	if (back)
		uio_revert(src, back);
	if (done)
		return done;
	return broken ? -EPIPE : err ? err : -EAGAIN;
}

/*
 * Who writes in pieces is likely to go on: a reader that waits gets more of them at a time if it
 * runs when the pipe is nearly full, or when its writer does something else. Where that was not so,
 * as of two that answer each other, the next ones are told at once.
 */
static void tell_readers(struct pipe *p)
{
	bool later, nearly_full;

	if (!waitq_active(&p->waitq))
		return;
	{
		lock_guard(&p->lock);
		later = p->prompt == 0;
		nearly_full = pipe_used_locked(p) >= p->nslots / 4 * 3;
		if (later)
			p->put_off++;
		else
			p->prompt--;
	}
	if (!later) {
		waitq_wake(&p->waitq, READABLE);
		return;
	}
	waitq_wake_later(&p->waitq, READABLE);
	if (nearly_full)
		sched_later_end();
}

/* At a read: was it right to put the reader off? */
static void judge_locked(struct pipe *p)
{
	if (p->put_off > 1)
		p->credit = min_of(p->credit + 2, PIPE_CREDIT_MAX);
	else if (p->put_off == 1 && p->credit)
		p->credit--;
	else if (p->put_off == 1)
		p->prompt = PIPE_PROMPT_MAX;
	p->put_off = 0;
}

ssize_t pipe_ring_write(struct pipe *p, struct uio *src, bool packet)
{
	ssize_t done = 0;

	if (src->resid <= SMALL_WRITE && !packet) {
		done = write_small(p, src);
	} else {
		while (src->resid) {
			ssize_t n = write_batch(p, src, packet);
			if (n < 0) {
				if (n == -EPIPE)
					n = pipe_broken();
				if (done == 0)
					done = n;
				break;
			}
			done += n;
		}
	}
	if (done > 0)
		tell_readers(p);
	return done;
}

int pipe_reserve(struct pipe *p, u32 want)
{
	lock_guard(&p->lock);
	if (p->readers == 0)
		return -EPIPE;
	if (pipe_full_locked(p))
		return -EAGAIN;
	u32 n = min_of(want, p->nslots - pipe_used_locked(p) - p->reserved);
	p->reserved += n;
	return n;
}

void pipe_fill(struct pipe *p, struct pipe_slot *slots, u32 n, u32 reserved)
{
	lock_acquire(&p->lock);
	p->reserved -= reserved;
	for (u32 i = 0; i < n; i++)
		link_locked(p, &slots[i]);
	lock_release(&p->lock);
	if (n)
		waitq_wake(&p->waitq, READABLE);
	/* Writers may have found the pipe full of promises only. */
	if (n < reserved)
		waitq_wake(&p->waitq, WRITABLE);
}

/* ---- reading -------------------------------------------------------------- */

/* Takes n bytes off the first slot. True if that freed it. */
static bool consume_locked(struct pipe *p, u32 n, void **garbage)
{
	struct pipe_slot *s = pipe_slot_at(p, p->head);

	if (s->packet)
		n = s->len; /* the rest of a packet is dropped */
	BUG_ON(n > s->len);
	judge_locked(p);
	s->off += n;
	s->len -= n;
	p->bytes -= n;
	if (s->len)
		return false;
	p->head++;
	page_retire_locked(p, s->page, garbage);
	return true;
}

void pipe_read_begin(struct pipe *p)
{
	mutex_acquire(&p->read_mutex);
	lock_guard(&p->lock);
	p->reading = true;
}

void pipe_read_end(struct pipe *p)
{
	{
		lock_guard(&p->lock);
		p->reading = false;
	}
	mutex_release(&p->read_mutex);
}

bool pipe_peek(struct pipe *p, u32 i, struct pipe_slot *out)
{
	lock_guard(&p->lock);
	if (i >= pipe_used_locked(p))
		return false;
	*out = *pipe_slot_at(p, p->head + i);
	return true;
}

void pipe_consume(struct pipe *p, u32 n)
{
	void *garbage = NULL;

	lock_acquire(&p->lock);
	bool was_full = pipe_full_locked(p);
	bool freed = consume_locked(p, n, &garbage);
	lock_release(&p->lock);
	garbage_free(garbage);
	if (was_full && freed)
		waitq_wake(&p->waitq, WRITABLE);
}

/*
 * Reads what is there if it is at most a page and fits in place. False: the
 * caller takes the slow way. *result: bytes, 0 at end of file, -EAGAIN.
 */
static bool read_in_place(struct pipe *p, struct uio *dst, ssize_t *result)
{
	void *garbage = NULL;
	bool freed = false, packet = false;
	u32 done = 0;
	size_t room = min_of(dst->resid, (size_t)PAGE_SIZE);
	/* Writing there cannot fail, so it may be done under the lock. */
	u8 *to = uio_reserve(dst, &room);

	lock_acquire(&p->lock);
	size_t want = min_of(dst->resid, p->bytes);
	if (want == 0) {
		*result = p->writers == 0 ? 0 : -EAGAIN;
		lock_release(&p->lock);
		return true;
	}
	if (p->reading || !to || room < want || want > PAGE_SIZE) {
		lock_release(&p->lock);
		return false;
	}
	bool was_full = pipe_full_locked(p);
	while (done < want && !packet) {
		struct pipe_slot *s = pipe_slot_at(p, p->head);
		u32 n = min_of(s->len, (u32)want - done);

		packet = s->packet;
		memcpy(to + done, s->page + s->off, n);
		done += n;
		freed |= consume_locked(p, n, &garbage);
	}
	lock_release(&p->lock);
	garbage_free(garbage);
	uio_advance(dst, done);
	if (was_full && freed)
		waitq_wake(&p->waitq, WRITABLE);
	*result = done;
	return true;
}

/* Copies slot by slot outside the lock. */
static ssize_t read_copying(struct pipe *p, struct uio *dst)
{
	struct pipe_slot s;
	ssize_t done = 0;

	pipe_read_begin(p);
	while (dst->resid && pipe_peek(p, 0, &s)) {
		size_t want = min_of((size_t)s.len, dst->resid);
		ssize_t n = uio_write(dst, s.page + s.off, want);
		/* A page's bytes arrive whole or stay (fs/pipe.c pipe_read). */
		if (n < (ssize_t)want) {
			if (done == 0)
				done = -EFAULT;
			break;
		}
		pipe_consume(p, n);
		done += n;
		if (s.packet)
			break;
	}
	pipe_read_end(p);
	if (done)
		return done;
	lock_guard(&p->lock);
	return p->bytes || p->writers ? -EAGAIN : 0;
}

ssize_t pipe_ring_read(struct pipe *p, struct uio *dst)
{
	ssize_t n;

	return read_in_place(p, dst, &n) ? n : read_copying(p, dst);
}
