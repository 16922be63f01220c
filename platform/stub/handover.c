/*
 * The stub's side of the hand-over: when to wake the sentry, how long to wait
 * awake, when to sleep. All of the stub's waiting policy is here; the sentry's is
 * in base/idle_policy.c.
 *
 * Waiting awake for about as long as a sleep and a wake-up would cost is never
 * worse than twice the best choice, and most calls are answered sooner. It does not
 * pay when the call blocks, nor when guest threads outnumber the cores, for
 * then the waiter holds back the one it waits for. So each vain wait halves the next
 * one, a timely reply restores it in full; and as a wait cut too short cannot find
 * out that it would have paid, every few waits one is long again.
 */
#include "base/sched.h"
#include "platform/stub/stub.h"
#include <linux/futex.h>

#define PROBE_EVERY 8
/* How long a worker gets to fall asleep, or to get its CPU: at first, and at most. */
#define RING_AGAIN_NS     50000
#define RING_AGAIN_MAX_NS 10000000

static inline u64 ticks(void)
{
	u32 lo, hi;
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}

static inline void relax(void)
{
	__asm__ volatile("pause");
}

/*
 * Workers sleep on the doorbell (base/sched.h). One that has announced itself but
 * does not sleep yet cannot be woken, and may have looked at our state just
 * before we set it. False if that may be so: nobody was woken and nobody is awake. (Or it has been
 * woken already, and has no CPU yet: ours, perhaps.)
 */
static bool ring(struct stub_context *ctx)
{
	_Atomic u32 *bell = &stub_shared()->doorbell;
	if (!(atomic_load(bell) & DOORBELL_SLEEPERS))
		return true;
	ctx->rings++;
	if (host3(__NR_futex, bell, FUTEX_WAKE, 1) > 0)
		return true;
	return atomic_load(bell) & DOORBELL_ATTENDED;
}

static u32 my_cpu(void)
{
	return stub_cpunode() & ((1u << CPUNODE_BITS) - 1);
}

/* True if the reply came while awake, false also when the sentry says that it will not. limit: in
 * ticks, from the sentry. */
static bool spin(struct stub_context *ctx, u32 limit)
{
	bool probe = ctx->waits++ % PROBE_EVERY == 0;
	u32 budget = probe ? limit : limit >> min_of(ctx->vain_waits, 16u);
	u64 start;
	/* As long as this thread waits awake on the worker's CPU, that has none. */
	if (budget == 0 || stub_shared()->worker_cpu == my_cpu() + 1)
		return false;
	start = ticks();
	do {
		for (int i = 0; i < 16; i++) {
			u32 state = atomic_load_explicit(&ctx->state, memory_order_acquire);
			if (state == STUB_REPLY) {
				ctx->vain_waits = 0;
				return true;
			}
			if (state & STUB_LONG)
				return false;
			relax();
		}
	} while (ticks() - start < budget);
	ctx->vain_waits++;
	return false;
}

/*
 * rung: a worker is sure to find the request; otherwise it is rung for again and again. limit: how
 * long to sleep then, if not for ever. False if that is over.
 */
static bool sleep_until(struct stub_context *ctx, bool rung, const struct timespec *limit)
{
	struct timespec again = {.tv_nsec = RING_AGAIN_NS};
	s64 result;

	atomic_store_explicit(&ctx->cpu, my_cpu(), memory_order_relaxed);
	for (;;) {
		u32 state = atomic_load_explicit(&ctx->state, memory_order_acquire);
		if (state == STUB_REPLY)
			return true;
		if (!(state & STUB_SLEEPS)) {
			if (!atomic_compare_exchange_strong(&ctx->state, &state,
			                                    state | STUB_SLEEPS))
				continue;
			ctx->sleeps++;
		}
		if (!rung)
			rung = (state & STUB_TAKEN) || ring(ctx);
		/* Interrupts do not matter here: the sentry has the thread already. */
		result = host6(__NR_futex, (u64)&ctx->state, FUTEX_WAIT, state | STUB_SLEEPS,
		               rung ? (u64)limit : (u64)&again, 0, 0);
		if (result != -ETIMEDOUT)
			continue;
		if (rung)
			return false;
		/* It has been woken, then, and waits for a CPU: rings do not give it one. */
		again.tv_nsec = min_of(2 * again.tv_nsec, (long)RING_AGAIN_MAX_NS);
	}
}

static void sleep_until_reply(struct stub_context *ctx, bool rung)
{
	(void)sleep_until(ctx, rung, NULL);
}

bool handover_wait_some(struct stub_context *ctx)
{
	const struct timespec some = {.tv_nsec = 100000000};
	u32 limit = stub_shared()->spin_limit;

	return (limit && spin(ctx, limit)) || sleep_until(ctx, true, &some);
}

/*
 * For what is in a new thread's context already. As a rule the reply is there when the host first
 * runs the thread. If not, the thread's maker has not told the sentry yet that there is one, most
 * likely because it waits for this very CPU: to wait awake would keep both from going on.
 */
void handover_wait(struct stub_context *ctx)
{
	sleep_until_reply(ctx, true);
}

void handover(struct stub_context *ctx)
{
	struct stub_shared *shared = stub_shared();
	u32 limit = shared->spin_limit;
	bool rung = false;
	/* Sequentially consistent: the store must come before the look at the doorbell. */
	atomic_store(&ctx->state, STUB_REQUEST);
	/* A worker that is awake will find the request; a wake-up can wait until that took too
	 * long. */
	if (!limit || !(atomic_load(&shared->doorbell) & DOORBELL_ATTENDED))
		rung = ring(ctx);
	if (!limit || !spin(ctx, limit))
		sleep_until_reply(ctx, rung);
}
