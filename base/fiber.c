/*
 * Fibers: their stacks, and parking. Who runs when is base/sched.c.
 *
 * Stacks come from the host once and are then kept: free ones wait in two
 * lists, 'warm' with their pages and, beyond a bound, 'cold' with only the
 * page of the fiber's own struct left. So creating a fiber normally costs no
 * host call. Host calls: mmap, mprotect, munmap (new stacks), madvise (cold stack).
 */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include "base/bug.h"
#include "base/caller.h"
#include "base/census.h"
#include "base/fiber_internal.h"
#include "base/lock.h"
#include "base/sched_internal.h"
#include "base/uspace.h"

#if MOAT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif

/* Instrumented frames are several times larger; LeakSanitizer's cost is per mapping. */
#if MOAT_SANITIZED
#define STACK_SIZE (256UL * 1024)
#define STACK_SLAB 64
#else
#define STACK_SIZE (64UL * 1024)
#define STACK_SLAB 8
#endif
#define STACK_GUARD PAGE_SIZE
#define STACKS_WARM 64

/*
 * All stacks are page-aligned, so without an offset the busiest lines of every
 * fiber would compete for the same sets of the first-level cache.
 */
#define STACK_COLOURS     16
#define STACK_COLOUR_STEP 128UL

static CENSUS(fiber_census, "fiber");

static struct lock stacks_lock = LOCK_INIT(RANK_ALLOC);
static struct fiber_queue stacks_warm = STAILQ_HEAD_INITIALIZER(stacks_warm);
static struct fiber_queue stacks_cold = STAILQ_HEAD_INITIALIZER(stacks_cold);
static unsigned stacks_warm_count; /* these three guarded by stacks_lock */

/* --- switching --------------------------------------------------------------- */

no_tsan void context_switch(struct stack_context *from, struct stack_context *to,
                            bool dying unused_arg, bool sync unused_arg)
{
#if MOAT_ASAN
	/* A null handle tells it to free the frames of a stack that will not be resumed. */
	__sanitizer_start_switch_fiber(dying ? NULL : &from->fake_stack, to->bottom, to->size);
#endif
#if MOAT_TSAN
	__tsan_switch_to_fiber(to->tsan, sync ? 0 : __tsan_switch_to_fiber_no_sync);
#endif
	fiber_switch(&from->sp, to->sp);
#if MOAT_ASAN
	__sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
}

void context_entered(void)
{
#if MOAT_ASAN
	__sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
}

void context_init_thread(struct stack_context *c)
{
	c->sp = NULL;
#if MOAT_ASAN
	pthread_attr_t attr;
	void *bottom = NULL;

	c->fake_stack = NULL;
	c->size = 0;
	if (pthread_getattr_np(pthread_self(), &attr) == 0) {
		pthread_attr_getstack(&attr, &bottom, &c->size);
		pthread_attr_destroy(&attr);
	}
	c->bottom = bottom;
#endif
#if MOAT_TSAN
	c->tsan = __tsan_get_current_fiber();
#endif
}

/* --- stacks ------------------------------------------------------------------ */

/* Makes the page below a stack's memory fault, and finds the fiber's place at its top. */
static struct fiber *stack_carve(char *p)
{
	static _Atomic unsigned colour;
	size_t offset = atomic_fetch_add_explicit(&colour, 1, memory_order_relaxed) %
	                STACK_COLOURS * STACK_COLOUR_STEP;
	char *top = p + STACK_GUARD + STACK_SIZE - offset - sizeof(struct fiber);
	struct fiber *f = (struct fiber *)((uintptr_t)top & ~63UL);

	if (mprotect(p, STACK_GUARD, PROT_NONE) < 0)
		return NULL;
	f->stack = p + STACK_GUARD;
	return f;
}

/* Several stacks from the host at once: one to return, the others for the cache. */
static struct fiber *stack_map(void)
{
	/* A sandbox of one process needs two; more come at once where there are more. */
	static _Atomic unsigned next_slab = 2;
	unsigned slab = atomic_exchange(&next_slab, STACK_SLAB);
	size_t step = STACK_GUARD + STACK_SIZE;
	struct fiber *first = NULL, *f;
	char *p = mmap(NULL, slab * step, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	for (unsigned i = 0; i < slab; i++) {
		f = stack_carve(p + i * step);
		if (!f)
			break;
		if (!first) {
			first = f;
			continue;
		}
		lock_acquire(&stacks_lock);
		STAILQ_INSERT_HEAD(&stacks_cold, f, free_link);
		lock_release(&stacks_lock);
	}
	if (!first)
		munmap(p, slab * step);
#if MOAT_ASAN
	/* What only a parked fiber refers to is not leaked. */
	else
		__lsan_register_root_region(p, slab * step);
#endif
	return first;
}

static struct fiber *stack_alloc(void)
{
	struct fiber *f;

	lock_acquire(&stacks_lock);
	f = STAILQ_FIRST(&stacks_warm);
	if (f) {
		STAILQ_REMOVE_HEAD(&stacks_warm, free_link);
		stacks_warm_count--;
	} else {
		f = STAILQ_FIRST(&stacks_cold);
		if (f)
			STAILQ_REMOVE_HEAD(&stacks_cold, free_link);
	}
	lock_release(&stacks_lock);
	return f ? f : stack_map();
}

static no_tsan void context_destroy(struct fiber *f unused_arg)
{
#if MOAT_TSAN
	__tsan_destroy_fiber(f->context.tsan);
#endif
#if MOAT_ASAN
	/* Frames that never returned have left their redzones behind. */
	__asan_unpoison_memory_region(f->stack, (size_t)((char *)f - f->stack));
#endif
}

void fiber_free(struct fiber *f)
{
	bool warm;

	context_destroy(f);
	census_add(&fiber_census, -1);
	lock_acquire(&stacks_lock);
	warm = stacks_warm_count < STACKS_WARM;
	if (warm) {
		STAILQ_INSERT_HEAD(&stacks_warm, f, free_link);
		stacks_warm_count++;
	}
	lock_release(&stacks_lock);
	if (warm)
		return;
	madvise(f->stack, ((uintptr_t)f & PAGE_MASK) - (uintptr_t)f->stack, MADV_DONTNEED);
	lock_acquire(&stacks_lock);
	STAILQ_INSERT_HEAD(&stacks_cold, f, free_link);
	lock_release(&stacks_lock);
}

bool fiber_stack_overflowed(uintptr_t addr)
{
	const struct fiber *f = fiber_self();

	return f && addr < (uintptr_t)f->stack && addr >= (uintptr_t)f->stack - STACK_GUARD;
}

/* --- life -------------------------------------------------------------------- */

static void fiber_timeout(struct timer *t)
{
	sched_wake_fiber(container_of(t, struct fiber, timer), FIBER_TIMEOUT);
}

/* Lays out what fiber_switch pops: control words, r15, r14, r13, r12, rbx, rbp, rip. */
static void *fiber_first_frame(struct fiber *f)
{
	u64 *sp = (u64 *)((uintptr_t)f & ~15UL);
	u16 x87;
	u32 mxcsr;

	/* A fiber starts with its creator's control words, as a thread does. */
	asm volatile("fnstcw %0" : "=m"(x87));
	asm volatile("stmxcsr %0" : "=m"(mxcsr));
	*--sp = 0; /* at fiber_start, rsp is 16-byte aligned, as its own call expects */
	*--sp = 0;
	*--sp = (u64)(uintptr_t)fiber_start;
	*--sp = 0; /* rbp */
	*--sp = 0; /* rbx */
	*--sp = (u64)(uintptr_t)f;
	*--sp = 0; /* r13 */
	*--sp = 0; /* r14 */
	*--sp = 0; /* r15 */
	*--sp = (u64)x87 << 32 | mxcsr;
	return sp;
}

int fiber_create(fiber_fn *fn, void *arg, const char *name, struct caller *caller,
                 struct fiber **out)
{
	struct fiber *f = stack_alloc();

	if (!f)
		return -ENOMEM;
	f->fn = fn;
	f->arg = arg;
	f->name = name;
	f->caller = caller ? caller : &root_caller;
	f->context.sp = fiber_first_frame(f);
	timer_init(&f->timer, fiber_timeout);
#ifdef MOAT_DEBUG
	f->held.n = f->held.spinning = 0;
#endif
#if MOAT_ASAN
	f->context.fake_stack = NULL;
	f->context.bottom = f->stack;
	f->context.size = (size_t)((char *)f - f->stack);
#endif
#if MOAT_TSAN
	f->context.tsan = __tsan_create_fiber(0);
	__tsan_set_fiber_name(f->context.tsan, name);
#endif
	atomic_store_explicit(&f->interrupted, false, memory_order_relaxed);
	atomic_store_explicit(&f->state, FIBER_PARKED | FIBER_QUEUED, memory_order_release);
	census_add(&fiber_census, 1);
	/* Before it can run: it may have ended by the time sched_enqueue returns. */
	if (out)
		*out = f;
	sched_enqueue(f);
	return 0;
}

noreturn void fiber_main(struct fiber *f)
{
	context_entered();
	sched_arrived();
	/* Acquires what fiber_create published; unparks that came early stay as tokens. */
	atomic_fetch_and(&f->state, ~(FIBER_PARKED | FIBER_QUEUED));
	f->fn(f->arg);
	sched_exit(f);
}

struct caller *fiber_caller(struct fiber *f)
{
	return f->caller;
}

void fiber_set_caller(struct fiber *f, struct caller *caller)
{
	f->caller = caller ? caller : &root_caller;
}

const char *fiber_name(const struct fiber *f)
{
	return f->name;
}

/* --- parking ----------------------------------------------------------------- */

u32 fiber_take_tokens(struct fiber *f)
{
	return atomic_exchange(&f->state, 0) & FIBER_TOKENS;
}

static u32 fiber_wait(struct fiber *f)
{
	lock_assert_none();
	if (!fiber_has_token(f))
		sched_park(f);
	return fiber_take_tokens(f);
}

void fiber_park(void)
{
	struct fiber *f = fiber_self();

	BUG_ON(!f);
	fiber_wait(f);
}

void fiber_unpark(struct fiber *f)
{
	sched_wake_fiber(f, FIBER_UNPARK);
}

void fiber_unpark_later(struct fiber *f)
{
	sched_wake_fiber_later(f, FIBER_UNPARK);
}

void fiber_yield(void)
{
	struct fiber *f = fiber_self();

	BUG_ON(!f);
	lock_assert_none();
	sched_yield_fiber(f);
}

bool fiber_breathe(void)
{
	if (!fiber_self())
		return true;
	fiber_yield();
	return !fiber_interrupted(fiber_self());
}

void fiber_takes_long(void)
{
	struct uspace *u = fiber_self()->caller->uspace;

	if (u && u->ops->waits)
		u->ops->waits(u);
}

int fiber_sleep(u64 deadline)
{
	struct fiber *f = fiber_self();
	u32 tokens;
	int err;

	BUG_ON(!f);
	if (fiber_interrupted(f))
		return -EINTR;
	if (!fiber_has_token(f)) {
		fiber_takes_long();
		sched_later_end();
	}
	if (deadline == NO_DEADLINE || fiber_has_token(f)) {
		tokens = fiber_wait(f);
	} else if (deadline <= time_monotonic()) {
		return -ETIMEDOUT;
	} else {
		err = timer_arm(&f->timer, deadline);
		if (err)
			return err;
		tokens = fiber_wait(f);
		/* The callback may be running still: only after this can it add no more. */
		if (!timer_cancel(&f->timer))
			atomic_fetch_and(&f->state, ~FIBER_TIMEOUT);
	}
	/* A real wake-up outranks the rest: the caller looks at its condition
	 * again, and gets -EINTR the next time if there is nothing. */
	if (tokens & FIBER_UNPARK)
		return 0;
	if (tokens & FIBER_INTR)
		return fiber_interrupted(f) ? -EINTR : 0;
	return tokens & FIBER_TIMEOUT ? -ETIMEDOUT : 0;
}

void fiber_interrupt(struct fiber *f)
{
	atomic_store(&f->interrupted, true);
	sched_wake_fiber(f, FIBER_INTR);
}

void fiber_clear_interrupt(struct fiber *f)
{
	atomic_store(&f->interrupted, false);
}

bool fiber_interrupted(const struct fiber *f)
{
	return atomic_load_explicit(&f->interrupted, memory_order_acquire);
}
