/*
 * Guest memory from the sentry (design 2.5). Cheapest first: what came with the
 * request, or will go with the reply, is in the window; a thread that waits
 * awake is asked to copy; the rest goes by process_vm_readv and writev. What may fault
 * does not wait for the reply: the caller must know.
 *
 * Every access is cut off at GUEST_MAX: a guest must not reach the stub's
 * memory by giving the sentry an address.
 */
#include "platform/process_memory.h"
#include "platform/systrap/systrap.h"
#include <errno.h>
#include <string.h>

/* Above this two copies by way of the window cost more than the host's one. */
#define ASK_MAX 4096u
/*
 * More than this does not go by way of the window either: written on one core and read on another,
 * it would cost more than the host's copy from where it is to where it goes.
 */
#define WINDOW_MAX (STUB_WINDOW_SIZE / 2)

size_t space_read(struct platform_space *s, void *dst, u64 src, size_t n)
{
	size_t got = vm_read(s->pid, dst, src, guest_limit(src, n));
	if (got)
		patch_hide(s, dst, src, got);
	return got;
}

size_t space_write(struct platform_space *s, u64 dst, const void *src, size_t n)
{
	n = guest_limit(dst, n);
	if (n)
		patch_restore(s, dst, n);
	return vm_write(s->pid, dst, src, n);
}

/* ---- the window --------------------------------------------------------- */

/* A new request: what came with it, checked. */
void guestmem_begin(struct systrap_thread *t)
{
	const struct stub_request *rq = &t->ctx->request;
	u32 count = t->ctx->call.segments;
	t->ins = t->outs = 0;
	t->window_used = 0;
	if (count > STUB_IN_SEGMENTS)
		return;
	for (u32 i = 0; i < count; i++) {
		struct stub_segment s = rq->segment[i];
		if (s.offset > STUB_WINDOW_SIZE || s.len > STUB_WINDOW_SIZE - s.offset ||
		    guest_limit(s.addr, s.len) != s.len)
			continue;
		t->in[t->ins++] = s;
		t->window_used = max_of(t->window_used, (s.offset + s.len + 63) & ~63u);
	}
}

/* What has been written to the window goes with the reply. */
void guestmem_reply(struct systrap_thread *t)
{
	struct stub_reply *reply = &t->ctx->reply;
	for (unsigned i = 0; i < t->outs; i++)
		reply->segment[i] = t->out[i];
	reply->segments = t->outs;
}

static u8 *window(struct systrap_thread *t, u32 offset)
{
	return t->ctx->window + offset;
}

static bool overlaps(const struct stub_segment *s, u64 addr, size_t n)
{
	return addr < s->addr + s->len && s->addr < addr + n;
}

static bool contains(const struct stub_segment *s, u64 addr, size_t n)
{
	return addr >= s->addr && n <= s->len && addr - s->addr <= s->len - n;
}

/* Makes guest memory current, at the price of a host call for each segment. */
void guestmem_flush(struct systrap_thread *t)
{
	for (unsigned i = 0; i < t->outs; i++)
		(void)vm_write(t->base.space->pid, t->out[i].addr, window(t, t->out[i].offset),
		               t->out[i].len);
	t->outs = 0;
}

/* The reply delivers after its host operations; what was written earlier must not wait for them. */
void guestmem_settle(struct platform_thread *t)
{
	guestmem_flush(systrap_thread(t));
}

/* Where in the window addr may be read from; NULL if the window does not have it. */
static const u8 *window_find(struct systrap_thread *t, u64 addr, size_t n)
{
	/* The latest write wins; a range that only overlaps one must be read from memory. */
	for (unsigned i = t->outs; i-- > 0;) {
		if (contains(&t->out[i], addr, n))
			return window(t, t->out[i].offset + (u32)(addr - t->out[i].addr));
		if (overlaps(&t->out[i], addr, n)) {
			guestmem_flush(t);
			break;
		}
	}
	for (unsigned i = 0; i < t->ins; i++)
		if (contains(&t->in[i], addr, n))
			return window(t, t->in[i].offset + (u32)(addr - t->in[i].addr));
	return NULL;
}

/* What is about to be written is no longer what came with the request. */
static void window_forget(struct systrap_thread *t, u64 addr, size_t n)
{
	for (unsigned i = 0; i < t->ins;) {
		if (overlaps(&t->in[i], addr, n))
			t->in[i] = t->in[--t->ins];
		else
			i++;
	}
}

/* True if the stub is awake, so that asking it costs less than a host call. */
static bool may_ask(struct systrap_thread *t, size_t n)
{
	return systrap.may_spin && n <= ASK_MAX && n <= STUB_WINDOW_SIZE - t->window_used &&
	       t->window_used < STUB_WINDOW_SIZE && !t->base.space->dead && !t->died &&
	       atomic_load_explicit(&t->ctx->state, memory_order_relaxed) == STUB_REQUEST;
}

static size_t ask(struct systrap_thread *t, enum stub_verb verb, u64 addr, size_t n)
{
	s64 got;
	t->ctx->reply.arg[0] = addr;
	t->ctx->reply.arg[1] = n;
	t->ctx->reply.arg[2] = t->window_used;
	atomic_fetch_add_explicit(&systrap_stats.asks, 1, memory_order_relaxed);
	got = exchange_verb(t, verb);
	return got < 0 ? 0 : min_of((size_t)got, n);
}

/* ---- the ops of a uspace ------------------------------------------------ */

static struct systrap_thread *uspace_thread(struct uspace *u)
{
	return container_of(u, struct systrap_thread, base.uspace);
}

static size_t guest_read(struct uspace *u, void *dst, u64 src, size_t n)
{
	struct systrap_thread *t = uspace_thread(u);
	const u8 *have;
	n = guest_limit(src, n);
	if (n == 0)
		return 0;
	have = window_find(t, src, n);
	if (have) {
		memcpy(dst, have, n);
		return n;
	}
	if (may_ask(t, n)) {
		size_t got = ask(t, VERB_COPY_IN, src, n);
		memcpy(dst, window(t, t->window_used), got);
		return got;
	}
	return vm_read(t->base.space->pid, dst, src, n);
}

/* May this go with the reply? A fault then can only be the doing of another thread. */
static bool may_wait(struct uspace *u, u64 dst, size_t n)
{
	return !u->writable || u->writable(u, dst, n);
}

/* To where it may fault: at once. Earlier writes to the same place must not come after it. */
static size_t write_now(struct systrap_thread *t, u64 dst, const void *src, size_t n)
{
	for (unsigned i = 0; i < t->outs; i++)
		if (overlaps(&t->out[i], dst, n)) {
			guestmem_flush(t);
			break;
		}
	if (!may_ask(t, n))
		return vm_write(t->base.space->pid, dst, src, n);
	memcpy(window(t, t->window_used), src, n);
	return ask(t, VERB_COPY_OUT, dst, n);
}

static size_t guest_write(struct uspace *u, u64 dst, const void *src, size_t n)
{
	struct systrap_thread *t = uspace_thread(u);
	n = guest_limit(dst, n);
	if (n == 0)
		return 0;
	window_forget(t, dst, n);
	if (!may_wait(u, dst, n))
		return write_now(t, dst, src, n);
	/* Later words of one structure, or a list built piece by piece: lengthen the last segment.
	 */
	if (t->outs) {
		struct stub_segment *last = &t->out[t->outs - 1];
		if (last->addr + last->len == dst &&
		    n <= STUB_WINDOW_SIZE - last->offset - last->len &&
		    ((last->offset + last->len + 63) & ~63u) == t->window_used) {
			memcpy(window(t, last->offset + last->len), src, n);
			last->len += (u32)n;
			t->window_used = (last->offset + last->len + 63) & ~63u;
			return n;
		}
	}
	if (n <= WINDOW_MAX && n <= STUB_WINDOW_SIZE - t->window_used) {
		if (t->outs == STUB_OUT_SEGMENTS)
			guestmem_flush(t);
		t->out[t->outs++] = (struct stub_segment){dst, (u32)n, t->window_used};
		memcpy(window(t, t->window_used), src, n);
		t->window_used = (t->window_used + (u32)n + 63) & ~63u;
		return n;
	}
	/* In order: an earlier write to the same place must not come after this one. */
	guestmem_flush(t);
	return vm_write(t->base.space->pid, dst, src, n);
}

static size_t guest_read_str(struct uspace *u, char *dst, u64 src, size_t n)
{
	struct systrap_thread *t = uspace_thread(u);
	n = guest_limit(src, n);
	for (unsigned i = 0; i < t->ins && t->outs == 0; i++) {
		const struct stub_segment *s = &t->in[i];
		if (src < s->addr || src >= s->addr + s->len)
			continue;
		size_t have = min_of(n, s->addr + s->len - src), len;
		memcpy(dst, window(t, s->offset + (u32)(src - s->addr)), have);
		len = strnlen(dst, have);
		if (len < have)
			return len + 1;
		if (have == n)
			return n;
		break;
	}
	if (t->outs)
		guestmem_flush(t);
	if (n && may_ask(t, min_of(n, (size_t)ASK_MAX)) && n <= ASK_MAX) {
		size_t got = ask(t, VERB_COPY_STR, src, n);
		memcpy(dst, window(t, t->window_used), got);
		return got;
	}
	return vm_read_str(t->base.space->pid, dst, src, n);
}

/* More is not worth the window: the host copies it in one call. */
static void *guest_reserve(struct uspace *u, u64 dst, size_t *n)
{
	struct systrap_thread *t = uspace_thread(u);
	*n = guest_limit(dst, *n);
	if (*n == 0 || *n > WINDOW_MAX || *n > STUB_WINDOW_SIZE - t->window_used ||
	    t->outs == STUB_OUT_SEGMENTS || !may_wait(u, dst, *n))
		return NULL;
	return window(t, t->window_used);
}

static void guest_commit(struct uspace *u, u64 dst, size_t n)
{
	struct systrap_thread *t = uspace_thread(u);
	window_forget(t, dst, n);
	t->out[t->outs++] = (struct stub_segment){dst, (u32)n, t->window_used};
	t->window_used = (t->window_used + (u32)n + 63) & ~63u;
}

static int guest_cmpxchg32(struct uspace *u, u64 addr, u32 expect, u32 value, u32 *old)
{
	struct systrap_thread *t = uspace_thread(u);
	s64 result;
	if (guest_limit(addr, 4) != 4)
		return -EFAULT;
	guestmem_flush(t);
	window_forget(t, addr, 4);
	t->ctx->reply.arg[0] = addr;
	t->ctx->reply.arg[1] = expect;
	t->ctx->reply.arg[2] = value;
	result = exchange_verb(t, VERB_CMPXCHG);
	if (result != 0)
		return -EFAULT;
	*old = (u32)t->ctx->request.value;
	return 0;
}

const struct uspace_ops guestmem_ops = {
    .read = guest_read,
    .write = guest_write,
    .read_str = guest_read_str,
    .reserve = guest_reserve,
    .commit = guest_commit,
    .cmpxchg32 = guest_cmpxchg32,
    .waits = thread_waits,
    .taken = thread_taken,
};
