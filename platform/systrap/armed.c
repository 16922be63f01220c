/*
 * Armed threads: those whose fiber waits for their stub. Workers look at the
 * state words of these and of no others, so a context that a guest scribbles on
 * at the wrong time is simply not looked at.
 *
 * A thread has a slot for life; a bit per slot says that it is armed. To clear
 * the bit is to claim the thread, and only the one who cleared it unparks the
 * fiber. The bit is set after the reply has been published, so a request seen
 * under a set bit is a new one, unless the scan was held up in between: so the fiber
 * looks, too.
 *
 * A worker in a scan may hold a pointer to a thread that another has just
 * claimed, so slots are given back only when every scan that was under way has
 * ended: each worker counts its scans in a word of its own, odd while in one.
 * That covers the fiber, too, which may see the bit cleared, and end, before it
 * is unparked: a task's fiber gives its slot back before it ends.
 *
 * Host calls: futex.
 */
#include "base/bug.h"
#include "base/fiber.h"
#include "base/host.h"
#include "base/sanitizer.h"
#include "platform/systrap/systrap.h"
#include <errno.h>

#define ARMED_WORDS (SYSTRAP_MAX_THREADS / 64)
#define MAX_POLLERS 256 /* host threads that ever scan or report a death */
#define SCAN_NS     20000
#define BUSY_LOOKS  256 /* of more guests that run at once nobody asks how many are busy */

static struct slot {
	struct systrap_thread *_Atomic thread;
	struct fiber *_Atomic fiber; /* written before the bit is set, read by its claimer */
} slots[SYSTRAP_MAX_THREADS];

static _Atomic u64 armed[ARMED_WORDS];
static _Atomic u32 armed_words; /* how many words have ever been in use */

static struct lock slot_lock = LOCK_INIT(RANK_PLATFORM);
static u64 slots_used[ARMED_WORDS]; /* guarded by slot_lock */

static struct poller {
	_Alignas(64) _Atomic u32 scans;
} pollers[MAX_POLLERS];
static _Atomic u32 poller_count;
static _Thread_local struct poller *poller_self;

int armed_slot_take(struct systrap_thread *t)
{
	lock_guard(&slot_lock);
	for (u32 w = 0; w < ARMED_WORDS; w++) {
		if (slots_used[w] == ~0ULL)
			continue;
		u32 bit = (u32)__builtin_ctzll(~slots_used[w]);
		slots_used[w] |= 1ULL << bit;
		t->slot = w * 64 + bit;
		if (w + 1 > armed_words)
			atomic_store(&armed_words, w + 1);
		return 0;
	}
	return -EAGAIN;
}

void armed_slot_publish(struct systrap_thread *t)
{
	atomic_store(&slots[t->slot].thread, t);
}

void armed_quiesce(void)
{
	const struct timespec pause = {.tv_nsec = SCAN_NS};
	u32 n = min_of(atomic_load(&poller_count), (u32)MAX_POLLERS);
	for (u32 i = 0; i < n; i++) {
		u32 seen = atomic_load(&pollers[i].scans);
		/* Longer than a few instructions only if it has lost its CPU: perhaps to this. */
		while ((seen & 1) && atomic_load(&pollers[i].scans) == seen)
			host_futex_wait(&pollers[i].scans, seen, &pause, false);
	}
}

void armed_slot_release(struct systrap_thread *t)
{
	late_forget(t);
	atomic_store(&slots[t->slot].thread, NULL);
	armed_quiesce();
	lock_guard(&slot_lock);
	slots_used[t->slot / 64] &= ~(1ULL << (t->slot % 64));
}

static bool claim(u32 slot)
{
	u64 bit = 1ULL << (slot % 64);
	return atomic_fetch_and(&armed[slot / 64], ~bit) & bit;
}

static bool is_armed(u32 slot)
{
	return atomic_load(&armed[slot / 64]) & 1ULL << (slot % 64);
}

static bool is_asking(const struct systrap_thread *t)
{
	return (atomic_load_explicit(&t->ctx->state, memory_order_acquire) & 0xff) == STUB_REQUEST;
}

void armed_wait(struct systrap_thread *t)
{
	slots[t->slot].fiber = fiber_self();
	for (;;) {
		atomic_fetch_or(&armed[t->slot / 64], 1ULL << (t->slot % 64));
		/* Whoever reports a death sets its flag, then looks at the bit: the other half of
		 * this. */
		if ((t->died || t->base.space->dead) && claim(t->slot))
			return;
		while (is_armed(t->slot))
			fiber_park();
		/*
		 * A scan may have seen the request before this one, slept, and
		 * claimed the thread now, before it has asked for anything new.
		 */
		if (is_asking(t) || t->died || t->base.space->dead)
			return;
	}
}

static no_tsan struct poller *poller_get(void)
{
	if (!poller_self) {
		u32 i = atomic_fetch_add(&poller_count, 1);
		BUG_ON(i >= MAX_POLLERS);
		poller_self = &pollers[i];
	}
	return poller_self;
}

void armed_fail(struct systrap_thread *t)
{
	struct poller *self = poller_get();
	atomic_fetch_add(&self->scans, 1);
	atomic_store(&t->died, true);
	if (claim(t->slot))
		fiber_unpark(slots[t->slot].fiber);
	atomic_fetch_add(&self->scans, 1);
}

/* Guest threads on this CPU then know that they keep the worker from it if they wait awake. */
static void worker_place(void)
{
	u32 here = host_cpu() + 1;
	if (atomic_load_explicit(&systrap.shared->worker_cpu, memory_order_relaxed) != here)
		atomic_store_explicit(&systrap.shared->worker_cpu, here, memory_order_relaxed);
}

int armed_poll(void)
{
	struct poller *self = poller_get();
	u32 words = atomic_load_explicit(&armed_words, memory_order_relaxed);
	int found = 0;
	if (systrap.one_worker)
		worker_place();
	atomic_fetch_add(&self->scans, 1);
	for (u32 w = 0; w < words; w++) {
		u64 bits = atomic_load_explicit(&armed[w], memory_order_acquire);
		for (; bits; bits &= bits - 1) {
			u32 slot = w * 64 + (u32)__builtin_ctzll(bits);
			struct systrap_thread *t = atomic_load(&slots[slot].thread);
			if (!t || !is_asking(t) || !claim(slot))
				continue;
			fiber_unpark(slots[slot].fiber);
			found++;
		}
	}
	atomic_fetch_add_explicit(&self->scans, 1, memory_order_release);
	late_look(found == 0);
	keeper_look(found == 0);
	return found;
}

/* Does it run guest code, or is it about to, as far as its context says? */
static bool is_busy(const struct systrap_thread *t)
{
	u32 state = atomic_load_explicit(&t->ctx->state, memory_order_relaxed);
	return state == STUB_GUEST ||
	       (state == STUB_REPLY && !atomic_load_explicit(&t->late, memory_order_relaxed));
}

/* The same, or does it wait awake? */
static bool is_awake(const struct systrap_thread *t)
{
	return is_busy(t) ||
	       atomic_load_explicit(&t->ctx->state, memory_order_relaxed) == STUB_REQUEST;
}

unsigned armed_busy(unsigned limit)
{
	struct poller *self = poller_get();
	u32 words = atomic_load_explicit(&armed_words, memory_order_relaxed);
	unsigned busy = 0, looks = 0;
	atomic_fetch_add(&self->scans, 1);
	for (u32 w = 0; w < words && busy < limit && looks < BUSY_LOOKS; w++) {
		u64 bits = atomic_load_explicit(&armed[w], memory_order_acquire);
		for (; bits; bits &= bits - 1, looks++) {
			const struct systrap_thread *t =
			    atomic_load(&slots[w * 64 + (u32)__builtin_ctzll(bits)].thread);
			if (t && is_busy(t))
				busy++;
		}
	}
	atomic_fetch_add_explicit(&self->scans, 1, memory_order_release);
	return looks < BUSY_LOOKS ? busy : limit;
}

unsigned armed_awake(const struct systrap_thread *but, unsigned limit)
{
	struct poller *self = poller_get();
	u32 slots_seen = 64 * atomic_load_explicit(&armed_words, memory_order_relaxed);
	unsigned awake = 0;
	atomic_fetch_add(&self->scans, 1);
	for (u32 i = 0; i < min_of(slots_seen, (u32)BUSY_LOOKS) && awake < limit; i++) {
		const struct systrap_thread *t = atomic_load(&slots[i].thread);
		if (t && t != but && is_awake(t))
			awake++;
	}
	atomic_fetch_add_explicit(&self->scans, 1, memory_order_release);
	return awake;
}

bool armed_crowded(void)
{
	return armed_busy(systrap.cpus) >= systrap.cpus;
}
