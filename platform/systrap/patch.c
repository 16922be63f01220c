/*
 * Call sites that do not trap (design 2.2). A site that has trapped often enough is
 * overwritten by `jmp *word`, seven bytes, and goes on in a slot of code of its own: what
 * was overwritten before the call; the way into the stub (platform/stub/fast.S); what was
 * overwritten behind the call; a jump back.
 *
 * The inside of the jump. Somebody may stand there, or come there: a thread that is
 * blocked in the very call, a signal frame that returns behind it, a branch
 * to the call itself. So each byte of the jump at which an instruction may have begun is one that
 * faults as an instruction, whatever follows: privileged, or invalid in 64-bit mode. The
 * fault comes here, and the thread goes on at the same place of the slot. That is what the
 * odd addresses of the words are for: the address is in the instruction.
 *
 * Writing. The page is made writable and not executable, written, and made executable
 * again. A thread that wants to run in it meanwhile faults and tries again. So no thread
 * ever sees half a jump, and no page is ever writable and executable.
 *
 * Believing. What is known about a site is a guess about memory that the guest may
 * have changed since: before a fault is put down to a site, its bytes are looked at. A site that
 * traps although it was rewritten is counted, and rewritten, again. So nobody has to tell of
 * mappings that come and go.
 *
 * Showing. Who reads text from outside is shown what was there, and who changes it gets
 * it back first (patch_view.c). The program itself sees the jump.
 *
 * Words and slots lie in one file per domain: a space and its forks, which inherit text
 * that jumps there. Stubs map it for reading and executing only, and it is sealed against
 * more; the sentry writes through a mapping of its own. execve starts without one.
 *
 * Text that nobody can change is rewritten once for all: what has trapped in it is remembered
 * (text.c), and a later mapping is of a copy in which these sites are rewritten (patch_text.c).
 *
 * Host calls: memfd_create, ftruncate, mmap, munmap, fcntl, close.
 */
#include "base/log.h"
#include "platform/systrap/patch_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rewriting costs about as much as this many traps. */
#define TRAPS_ENOUGH 32
#define POOL_SIZE    (PATCH_TABLE_SIZE + PATCH_CODE_SIZE)

/* Trap numbers. */
#define TRAP_INVALID_OPCODE 6
#define TRAP_PROTECTION     13
#define TRAP_PAGE_FAULT     14
#define FAULT_FETCH         0x10

static unsigned hash(u64 address)
{
	return (unsigned)((address * 0x9e3779b97f4a7c15ULL) >> 48);
}

/* ---- domains ------------------------------------------------------------- */

static void pool_free(struct pool *p)
{
	munmap(p->memory, POOL_SIZE);
	close(p->fd);
	free(p);
}

static struct pool *pool_create(void)
{
	struct pool *p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->fd = memfd_create("moat-patches", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (p->fd < 0) {
		free(p);
		return NULL;
	}
	p->memory = MAP_FAILED;
	if (ftruncate(p->fd, POOL_SIZE) == 0)
		p->memory = mmap(NULL, POOL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, p->fd, 0);
	/* From now on nobody else can map it for writing. */
	if (p->memory != MAP_FAILED &&
	    fcntl(p->fd, F_ADD_SEALS,
	          F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0)
		return p;
	if (p->memory != MAP_FAILED)
		munmap(p->memory, POOL_SIZE);
	close(p->fd);
	free(p);
	return NULL;
}

static void domain_put(struct patch_domain *d)
{
	if (!d || atomic_fetch_sub(&d->spaces, 1) != 1)
		return;
	if (d->pool)
		pool_free(d->pool);
	patch_text_forget(d);
	free(d);
}

struct patch_domain *domain_of(struct platform_space *s)
{
	struct patch_domain *d = atomic_load(&s->patches), *none = NULL;
	if (d)
		return d;
	d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	atomic_store(&d->spaces, 1);
	lock_init(&d->lock, RANK_PLATFORM);
	if (atomic_compare_exchange_strong(&s->patches, &none, d))
		return d;
	free(d);
	return none;
}

void patch_fork(struct platform_space *child, const struct platform_space *parent)
{
	struct patch_domain *d = atomic_load(&parent->patches);
	if (!d)
		return;
	atomic_fetch_add(&d->spaces, 1);
	atomic_store(&child->patches, d);
	atomic_store(&child->patches_mapped, atomic_load(&parent->patches_mapped));
}

void patch_forget(struct platform_space *s)
{
	atomic_store(&s->patches_mapped, false);
	domain_put(atomic_exchange(&s->patches, NULL));
}

/* d->lock held. */
static struct site *site_find(struct pool *p, u64 call)
{
	for (unsigned h = hash(call);; h++) {
		u16 i = p->by_call[h % SITES_HASH];
		if (!i)
			return NULL;
		if (site_call(&p->site[i - 1]) == call)
			return &p->site[i - 1];
	}
}

/* ---- where a thread is --------------------------------------------------- */

/* True if rip was in a slot. */
static bool leave_slot(struct systrap_thread *t)
{
	struct user_regs_struct *r = &t->base.regs;
	struct patch_domain *d;
	struct slot_id id;
	struct site s;
	u64 offset;
	if (!slot_at(r->rip, &id, &offset))
		return false;
	d = atomic_load(&t->base.space->patches);
	if (d && site_of_slot(d, id, &s))
		r->rip = slot_to_original(&s, offset);
	return true;
}

void patch_late(struct systrap_thread *t)
{
	(void)leave_slot(t);
}

void patch_event(struct systrap_thread *t)
{
	late_registers(&t->base);
	/* A guest that steps through its code must see that it gets on. */
	if (!(t->base.regs.eflags & 0x100))
		(void)leave_slot(t);
}

/* What needs a frame of the host's traps in any case, and an image that ends gains nothing. */
static bool is_worth_it(u64 nr)
{
	switch (nr) {
	case SYS_rt_sigreturn:
	case SYS_execve:
	case SYS_execveat:
	case SYS_fork:
	case SYS_vfork:
	case SYS_clone:
	case SYS_clone3:
		return false;
	default:
		return true;
	}
}

void patch_call(struct systrap_thread *t)
{
	const struct user_regs_struct *r = &t->base.regs;
	u64 call = r->rip - 2;
	u32 weight = t->ctx->request.weight, *traps;
	struct patch_domain *d;
	t->base.site = 0;
	if (leave_slot(t))
		return;
	/* With a GS base of its own a thread cannot get into the stub without a trap. */
	if (!systrap.config->patch || r->gs_base || call < GUEST_MIN ||
	    call >= GUEST_MAX - PATCH_MAX || !is_worth_it(r->orig_rax))
		return;
	d = domain_of(t->base.space);
	if (!d)
		return;
	patch_text_note(d, call);
	lock_guard(&d->lock);
	unsigned h = hash(call) % COUNTERS;
	if (d->counter[h].call != call) {
		d->counter[h].call = call;
		d->counter[h].traps = 0;
	}
	traps = &d->counter[h].traps;
	if (*traps >= TRAPS_ENOUGH)
		return; /* tried in vain */
	*traps += min_of(max_of(weight, 1u), (u32)TRAPS_ENOUGH);
	if (*traps >= TRAPS_ENOUGH)
		t->base.site = call;
}

/* ---- faults of our making ------------------------------------------------ */

static bool read_all(struct systrap_thread *t, void *dst, u64 src, size_t n)
{
	return t->base.uspace.ops->read(&t->base.uspace, dst, src, n) == n;
}

/* rip is in the middle of a jump: the same place of the slot. */
static bool enter_slot(struct systrap_thread *t, struct patch_domain *d)
{
	struct user_regs_struct *r = &t->base.regs;
	u8 want[PATCH_JUMP], have[PATCH_JUMP];
	struct site_cursor c = {0};
	struct slot_id id;
	struct site s;
	while (site_next(d, r->rip, 1, &c, &s, &id)) {
		if (s.begin == r->rip)
			continue;
		patch_jump(want, id);
		if (!read_all(t, have, s.begin, sizeof(have)) ||
		    memcmp(want, have, sizeof(want)) != 0)
			continue;
		r->rip = slot_from_original(&s, id, r->rip);
		t->base.regs_changed = true;
		atomic_fetch_add_explicit(&systrap_stats.repairs, 1, memory_order_relaxed);
		return true;
	}
	return false;
}

void patch_enter(struct systrap_thread *t)
{
	struct patch_domain *d = atomic_load(&t->base.space->patches);
	late_registers(&t->base);
	if (d && !(t->base.regs.eflags & 0x100))
		(void)enter_slot(t, d);
}

/* A page was not executable because it was being written: true if it may be by now. */
static bool fetch_again(struct systrap_thread *t, struct patch_domain *d)
{
	u64 page = t->base.regs.rip & PAGE_MASK;
	struct site_cursor c = {0};
	struct slot_id id;
	struct site s;
	u32 now = atomic_load(&t->base.space->patch_steps);
	/* Nothing has been written since the last try, nor is being written: the guest's own. */
	if (now == t->patch_steps && now % 2 == 0)
		return false;
	if (!site_next(d, page, PAGE_SIZE, &c, &s, &id))
		return false;
	t->patch_steps = now;
	atomic_fetch_add_explicit(&systrap_stats.fetches, 1, memory_order_relaxed);
	return true;
}

bool patch_repair(struct systrap_thread *t, const struct event *event)
{
	struct patch_domain *d = atomic_load(&t->base.space->patches);
	if (!d)
		return false;
	if (event->fault.signo == SIGSEGV && event->fault.trapno == TRAP_PAGE_FAULT)
		return (event->fault.error_code & FAULT_FETCH) && fetch_again(t, d);
	if (event->fault.trapno != TRAP_INVALID_OPCODE && event->fault.trapno != TRAP_PROTECTION)
		return false;
	return enter_slot(t, d);
}

/* ---- rewriting ----------------------------------------------------------- */

static bool site_equal(const struct site *a, const struct site *b)
{
	return a->begin == b->begin && a->before == b->before && a->after == b->after &&
	       memcmp(a->original, b->original, sizeof(a->original)) == 0;
}

/* The index of the site's slot, one that exists or a new one; -1: there is none left. */
static int site_add(struct patch_domain *d, const struct site *want)
{
	struct pool *p, *fresh = NULL;
	struct site *s;
	unsigned h;
	lock_acquire(&d->lock);
	p = d->pool;
	lock_release(&d->lock);
	if (!p && !(fresh = pool_create()))
		return -1;
	lock_acquire(&d->lock);
	if (!d->pool) {
		d->pool = fresh;
		fresh = NULL;
	}
	p = d->pool;
	s = site_find(p, site_call(want));
	/* Another text at the same address: the old one's threads may still be in its slot. */
	if (s && !site_equal(s, want))
		s = NULL;
	else if (!s && p->sites < SITES_MAX) {
		s = &p->site[p->sites];
		*s = *want;
		slot_write(p->memory, p->memory + PATCH_TABLE_SIZE,
		           (struct slot_id){false, p->sites}, s);
		for (h = hash(site_call(s)); p->by_call[h % SITES_HASH]; h++)
			;
		p->by_call[h % SITES_HASH] = (u16)++p->sites;
	}
	lock_release(&d->lock);
	if (fresh)
		pool_free(fresh);
	return s ? (int)(s - p->site) : -1;
}

static bool run_ops(struct systrap_thread *t, const struct hostop *op, unsigned n)
{
	memcpy(t->base.op, op, n * sizeof(*op));
	t->base.ops = n;
	return thread_sync(&t->base) >= 0;
}

/* Has the thread map words and slots. */
static bool pool_map(struct systrap_thread *t, const struct pool *p)
{
	const struct hostop op[] = {{.kind = HOSTOP_MMAP,
	                             .prot = PROT_READ,
	                             .flags = MAP_SHARED | MAP_FIXED,
	                             .fd = p->fd,
	                             .addr = PATCH_TABLE,
	                             .len = PATCH_TABLE_SIZE},
	                            {.kind = HOSTOP_MMAP,
	                             .prot = PROT_READ | PROT_EXEC,
	                             .flags = MAP_SHARED | MAP_FIXED,
	                             .fd = p->fd,
	                             .addr = PATCH_CODE,
	                             .len = PATCH_CODE_SIZE,
	                             .off = PATCH_TABLE_SIZE}};
	struct platform_space *s = t->base.space;
	s64 addr;
	if (atomic_load(&s->patches_mapped))
		return true;
	if (!run_ops(t, op, 1))
		return false;
	if (!run_ops(t, op + 1, 1))
		return false;
	addr = t->ctx->request.result;
	atomic_store(&s->patches_mapped, addr == PATCH_CODE);
	return addr == PATCH_CODE;
}

/* True if the bytes are in memory. The page is executable again in any case, or the space dies. */
bool patch_text_write(struct systrap_thread *t, u64 begin, const u8 bytes[PATCH_JUMP])
{
	u64 low = begin & PAGE_MASK, high = PAGE_ALIGN(begin + PATCH_JUMP);
	struct hostop op = {.kind = HOSTOP_MPROTECT,
	                    .fd = -1,
	                    .addr = low,
	                    .len = high - low,
	                    .prot = PROT_READ | PROT_WRITE};
	s64 copied;
	if (!run_ops(t, &op, 1))
		return false;
	/* The window has what came with the call up to window_used. */
	if (t->window_used + PATCH_JUMP > STUB_WINDOW_SIZE) {
		copied = 0;
	} else {
		memcpy(t->ctx->window + t->window_used, bytes, PATCH_JUMP);
		t->ctx->reply.arg[0] = begin;
		t->ctx->reply.arg[1] = PATCH_JUMP;
		t->ctx->reply.arg[2] = t->window_used;
		copied = exchange_verb(t, VERB_COPY_OUT);
	}
	op.prot = PROT_READ | PROT_EXEC;
	if (!run_ops(t, &op, 1)) {
		log_warn("platform: a page of text cannot be made executable again");
		space_kill(t->base.space);
		return false;
	}
	return copied == PATCH_JUMP;
}

/* Is there another site known whose bytes are among s's? What is read does not show its jump. */
static bool site_collides(struct patch_domain *d, const struct site *s)
{
	struct site_cursor c = {0};
	struct slot_id id;
	struct site other;
	while (site_next(d, s->begin, site_span(s), &c, &other, &id))
		if (site_call(&other) != site_call(s))
			return true;
	return false;
}

static enum patch_verdict rewrite(struct systrap_thread *t, struct patch_domain *d, u64 call,
                                  u64 low, u64 high)
{
	u8 code[PATCH_LOOK + PATCH_TAIL], jump[PATCH_JUMP];
	u64 from = max_of(low, call - min_of(call, (u64)PATCH_LOOK));
	u64 n = min_of(high, call + PATCH_TAIL) - from;
	struct patch_plan plan;
	struct site s;
	enum patch_verdict verdict;
	int i;
	if (!read_all(t, code, from, n))
		return PATCH_HOST;
	verdict = patch_plan(code, n, call - from, call, &plan);
	if (verdict != PATCH_OK)
		return verdict;
	memset(&s, 0, sizeof(s));
	s.begin = call - plan.before;
	/* A page is written at a time, by a debugger, too. */
	if ((s.begin ^ (s.begin + PATCH_JUMP - 1)) & PAGE_MASK)
		return PATCH_IMMOVABLE;
	s.before = plan.before;
	s.after = plan.after;
	memcpy(s.original, code + (s.begin - from), site_span(&s));
	if (site_collides(d, &s))
		return PATCH_IMMOVABLE;
	i = site_add(d, &s);
	if (i < 0)
		return PATCH_NO_ROOM;
	patch_jump(jump, (struct slot_id){false, (unsigned)i});
	return pool_map(t, d->pool) && patch_text_write(t, s.begin, jump) ? PATCH_OK : PATCH_HOST;
}

void patch_rewrite(struct platform_thread *pt, u64 call, u64 low, u64 high)
{
	struct systrap_thread *t = systrap_thread(pt);
	struct patch_domain *d = atomic_load(&pt->space->patches);
	enum patch_verdict verdict;
	if (!d || pt->ops || call < low || call + PATCH_MAX > high)
		return;
	atomic_fetch_add(&pt->space->patch_steps, 1);
	verdict = rewrite(t, d, call, low, high);
	atomic_fetch_add(&pt->space->patch_steps, 1);
	if (verdict != PATCH_OK) {
		atomic_fetch_add(&systrap_stats.refused[verdict], 1);
		return;
	}
	atomic_fetch_add(&systrap_stats.patched, 1);
	/* Should it trap again, then because the memory is not the same any more. */
	lock_guard(&d->lock);
	if (d->counter[hash(call) % COUNTERS].call == call)
		d->counter[hash(call) % COUNTERS].traps = 0;
}
