/*
 * Answers about names that are given again without the sentry: that nothing has this name, that it
 * is no link, that the caller may read it. The sentry says of which answers that is true, and as of
 * which epoch of names; one that has been given twice is kept, and holds until that epoch ends
 * (platform.h, platform_thread_answer_lasts). Attributes hold until they change, too. A compiler
 * asks some hundred times for each of the directories that its headers lie in whether it is a link.
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

static struct name_answers *answers(const struct stub_context *ctx)
{
	u64 k = ((u64)ctx - STUB_CONTEXTS) / STUB_CONTEXT_SIZE % STUB_MAX_THREADS;

	return (struct name_answers *)(STUB_NAMES + k * STUB_NAMES_STEP);
}

static struct name_answer *answer_place(const struct stub_context *ctx, u64 hash)
{
	return &answers(ctx)->answer[hash % NAME_ANSWERS];
}

static struct name_stat *stat_place(const struct stub_context *ctx, u64 hash)
{
	return &answers(ctx)->stat[hash % NAME_STATS];
}

/* Was that answer to this call of this thread, and do names still lead where they did? */
static bool is_of(const struct stub_context *ctx, const struct name_call *call, u64 whose,
                  u32 epoch)
{
	const struct name_call *c = &ctx->name_call;

	return call->hash == c->hash && call->nr == c->nr && call->flags == c->flags &&
	       call->len == c->len && whose == ctx->thread &&
	       epoch == atomic_load(&stub_shared()->name_epoch);
}

static bool known_answer(const struct stub_context *ctx, struct host_sigcontext *mc)
{
	const struct name_call *c = &ctx->name_call;
	const struct name_answer *a = answer_place(ctx, c->hash);

	if (!is_of(ctx, &a->call, a->whose, a->epoch) || !same_name(a->name, ctx->window, c->len))
		return false;
	mc->rax = (u64)(s64)a->answer;
	return true;
}

static bool known_stat(const struct stub_context *ctx, struct host_sigcontext *mc, u64 buf)
{
	const struct name_call *c = &ctx->name_call;
	const struct name_stat *a = stat_place(ctx, c->hash);

	if (c->len > sizeof(a->name) || !is_of(ctx, &a->call, a->whose, a->epoch) ||
	    !same_name(a->name, ctx->window, c->len) ||
	    stub_shared()->told_word[a->attr.word % PLATFORM_TOLD_WORDS] != a->attr.seen)
		return false;
	mc->rax = guest_range(buf, sizeof(a->st)) &&
	                  stub_copy((void *)buf, &a->st, sizeof(a->st)) == sizeof(a->st)
	              ? 0
	              : (u64)-EFAULT;
	return true;
}

bool name_answer(struct stub_context *ctx, struct host_sigcontext *mc, u64 nr, u32 segments)
{
	struct name_call *c = &ctx->name_call;
	const u8 *name = ctx->window;
	bool known;

	if (!call_flags(mc, nr, &c->flags) || !segments)
		return false;
	c->len = ctx->request.segment[0].len;
	if (c->len < 2 || c->len > sizeof(((struct name_answer *)0)->name) || name[0] != '/' ||
	    name[c->len - 1])
		return false;
	c->nr = (u32)nr;
	c->hash = call_hash(c, name);
	known = ctx->names_kept && known_answer(ctx, mc);
	/* Only calls that have a place for them are answered with attributes. */
	if (!known && ctx->stats_kept)
		known = known_stat(ctx, mc, nr == __NR_newfstatat ? mc->rdx : mc->rsi);
	ctx->direct_calls += known;
	return known;
}

/*
 * Is the answer that has come to the call that was asked last worth keeping? Most questions are
 * asked once: these need no memory. And the window may have served for something else since.
 */
static bool worth_keeping(struct stub_context *ctx, const struct name_call *c, size_t longest)
{
	u8 *mark = &ctx->name_marks[(c->hash >> 8) % NAME_MARKS];

	if (!ctx->direct || !c->nr || c->len > longest)
		return false;
	if (*mark == (u8)c->hash)
		return call_hash(c, ctx->window) == c->hash;
	*mark = (u8)c->hash;
	return false;
}

void name_keep(struct stub_context *ctx, s64 answer, u32 epoch)
{
	const struct name_call c = ctx->name_call;
	struct name_answer *a = answer_place(ctx, c.hash);

	if (!worth_keeping(ctx, &c, sizeof(a->name)))
		return;
	a->call = c;
	a->epoch = epoch;
	a->whose = ctx->thread;
	a->answer = (s32)answer;
	memcpy(a->name, ctx->window, c.len);
	ctx->names_kept = 1;
}

void name_keep_stat(struct stub_context *ctx, const struct stub_reply *reply)
{
	const struct name_call c = ctx->name_call;
	const struct stub_segment st = reply->segment[0];
	struct name_stat *a = stat_place(ctx, c.hash);

	if (st.len != sizeof(a->st) || st.offset > STUB_WINDOW_SIZE - sizeof(a->st) ||
	    !worth_keeping(ctx, &c, sizeof(a->name)))
		return;
	a->call = c;
	a->epoch = reply->epoch;
	a->whose = ctx->thread;
	a->attr = reply->attr;
	memcpy(&a->st, ctx->window + st.offset, sizeof(a->st));
	memcpy(a->name, ctx->window, c.len);
	ctx->stats_kept = 1;
}
