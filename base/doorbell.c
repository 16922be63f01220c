/*
 * The doorbell word: see sched.h for its layout.
 *
 * No wake-up is lost, because both sides do 'write, then look': a waker
 * publishes its work and then reads the word; a worker counts itself in the
 * word and then looks for work a last time. Whichever comes second sees the
 * other. All changes of the word are read-modify-writes, so they are ordered.
 * Host calls: futex (shared, as guests ring from their own processes).
 */
#include <limits.h>
#include "base/bug.h"
#include "base/host.h"
#include "base/sched_internal.h"

#define GENERATION_MASK (~(DOORBELL_SLEEPERS | DOORBELL_ATTENDED))

static _Atomic u32 own_word; /* until sched_init names a shared one */
static _Atomic u32 *word = &own_word;
static _Atomic int workers; /* that exist, asleep or awake */

void doorbell_init(_Atomic u32 *shared)
{
	word = shared ? shared : &own_word;
}

_Atomic u32 *sched_doorbell(void)
{
	return word;
}

u32 doorbell_read(void)
{
	return atomic_load(word);
}

/* The word with its attended bit right for this many sleepers. */
static u32 doorbell_value(u32 generation, u32 sleepers)
{
	u32 v = (generation & GENERATION_MASK) | sleepers;

	return (int)sleepers < atomic_load(&workers) ? v | DOORBELL_ATTENDED : v;
}

static void doorbell_change(int sleepers, u32 generation)
{
	u32 old = atomic_load(word), new;

	do
		new = doorbell_value(old + generation, (old & DOORBELL_SLEEPERS) + (u32)sleepers);
	while (!atomic_compare_exchange_weak(word, &old, new));
}

void doorbell_workers(int n)
{
	BUG_ON(atomic_fetch_add(&workers, n) + n > SCHED_WORKERS_MAX + 1);
	doorbell_change(0, 0);
}

void doorbell_sleep_begin(void)
{
	doorbell_change(1, 0);
}

void doorbell_sleep_end(void)
{
	doorbell_change(-1, 0);
}

void doorbell_wait(u32 seen, u64 ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000),
	                      .tv_nsec = (long)(ns % 1000000000)};

	host_futex_wait(word, seen, ns == NO_DEADLINE ? NULL : &ts, true);
}

void doorbell_ring(int n)
{
	if (!(doorbell_read() & DOORBELL_SLEEPERS))
		return;
	/* The new generation turns back a worker between its last look and its wait. */
	doorbell_change(0, DOORBELL_GENERATION);
	host_futex_wake(word, n, true);
}
