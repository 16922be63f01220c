/*
 * Answers about names that are given again without the sentry: that nothing has this name, that it
 * is no link, that the caller may read it. The sentry says of which answers that is true, and as of
 * which epoch of names; one that has been given twice is kept, and holds until that epoch ends
 * (platform.h, platform_thread_answer_lasts). A compiler asks some hundred times for each of the
 * directories that its headers lie in whether it is a link.
 *
 * All of it is about what the sentry has told this thread, and lies in the guest's memory: who
 * changes it lies only to itself.
 */
#include "base/hash_bytes.h"
#include "platform/stub/stub.h"

/* Of all that the answer depends on: several calls may ask about one name. */
static u64 call_hash(const struct name_call *c, const u8 *name)
{
	u64 seed = ((u64)c->nr << 32 ^ c->flags) * 0x9e3779b97f4a7c15ULL;
	u64 h = hash_bytes(seed, name, c->len);

	return h ^ h >> 29;
}

static bool same_name(const u8 *a, const u8 *b, u32 len)
{
	u64 v, w;

	for (; len >= 8; a += 8, b += 8, len -= 8) {
		memcpy(&v, a, 8);
		memcpy(&w, b, 8);
		if (v != w)
			return false;
	}
	for (; len; a++, b++, len--)
		if (*a != *b)
			return false;
	return true;
}

/* What such an answer depends on beside the name. False: another call, or one that fails anyway. */
static bool call_flags(const struct host_sigcontext *mc, u64 nr, u64 *flags)
{
	*flags = 0;
	switch (nr) {
	case __NR_stat:
	case __NR_lstat:
		return true;
	case __NR_readlink:
		return (s32)mc->rdx > 0;
	case __NR_readlinkat:
		return (s32)mc->r10 > 0;
	case __NR_access:
		*flags = (u32)mc->rsi;
		return true;
	case __NR_faccessat:
		*flags = (u32)mc->rdx;
		return true;
	case __NR_newfstatat:
		*flags = (u32)mc->r10;
		return true;
	case __NR_faccessat2:
		*flags = (u32)mc->rdx | mc->r10 << 32;
		return true;
	default:
		return false;
	}
}

static struct name_answer *place(const struct stub_context *ctx, u64 hash)
{
	u64 k = ((u64)ctx - STUB_CONTEXTS) / STUB_CONTEXT_SIZE % STUB_MAX_THREADS;

	return (struct name_answer *)(STUB_NAMES + k * STUB_NAMES_STEP) + hash % NAME_ANSWERS;
}

bool name_answer(struct stub_context *ctx, struct host_sigcontext *mc, u64 nr, u32 segments)
{
	struct name_call *c = &ctx->name_call;
	const u8 *name = ctx->window;
	const struct name_answer *a;

	if (!call_flags(mc, nr, &c->flags) || !segments)
		return false;
	c->len = ctx->request.segment[0].len;
	if (c->len < 2 || c->len > sizeof(a->name) || name[0] != '/' || name[c->len - 1])
		return false;
	c->nr = (u32)nr;
	c->hash = call_hash(c, name);
	if (!ctx->names_kept)
		return false;
	a = place(ctx, c->hash);
	if (a->call.hash != c->hash || a->call.nr != c->nr || a->call.flags != c->flags ||
	    a->call.len != c->len || a->tid != (u32)ctx->identity.tid ||
	    a->epoch != atomic_load(&stub_shared()->name_epoch) ||
	    !same_name(a->name, name, c->len))
		return false;
	mc->rax = (u64)(s64)a->answer;
	ctx->direct_calls++;
	return true;
}

void name_keep(struct stub_context *ctx, s64 answer, u32 epoch)
{
	const struct name_call c = ctx->name_call;
	u8 *mark = &ctx->name_marks[(c.hash >> 8) % NAME_MARKS];
	struct name_answer *a;

	/* The window may have served for something else since. */
	if (!ctx->direct || !c.nr || c.len > sizeof(a->name) ||
	    call_hash(&c, ctx->window) != c.hash)
		return;
	/* Most questions are asked once: these need no memory. */
	if (*mark != (u8)c.hash) {
		*mark = (u8)c.hash;
		return;
	}
	a = place(ctx, c.hash);
	a->call = c;
	a->epoch = epoch;
	a->tid = (u32)ctx->identity.tid;
	a->answer = (s32)answer;
	memcpy(a->name, ctx->window, c.len);
	ctx->names_kept = 1;
}
