/*
 * The idle policy: all of it.
 *
 * Waking a sleeping worker costs the guest a host call and, on a virtual
 * machine, up to some 80 us until the worker runs; a request that meets a
 * spinning one is answered in well under 1 us. So spinning for about the price
 * of a wake-up is never worse than twice the best choice, if something comes;
 * if nothing does, it is waste. What comes is learnt from the past, as in
 * KVM's halt polling:
 *
 *	- a sleep that ended within SPIN_MAX would have been better spent
 *	  spinning: the budget grows;
 *	- a spin in vain, or a long sleep, shows that requests come too rarely:
 *	  the budget shrinks, soon to nothing, so that an idle sandbox is idle;
 *	- a gap between two polls shows that the host gave the CPU to someone
 *	  else, most likely the very guest that is waited for: for a while, and
 *	  for longer each time, spins are short, and end for good once a few were
 *	  in vain. (Short ones can still pay: the guest may have a CPU after all.)
 *
 * None of this helps if the worker and its guest are on one CPU while another is free: each keeps
 * the other waiting, and every call costs two switches instead of none. The host brings them there
 * by itself, as it likes to wake who is woken beside its waker, and takes a virtual CPU that halts
 * for a busy one; and it does not part them again, since never more than one of them is
 * runnable for long. So the worker leaves when it notices, and stays off that CPU for a while,
 * lest its next wake-up brings it back there. Where that does not last it was not the reason, and
 * the next time it waits twice as long. A move that took long led to where others have work to
 * do: for that the host knows best, and is left alone.
 */
#include "base/idle_policy.h"
#include "base/sanitizer.h"

#define USEC          1000ULL
#define MSEC          1000000ULL
#define SPIN_MIN      (5 * USEC)
#define SPIN_START    (50 * USEC)
#define SPIN_MAX      (200 * USEC)
#define GAP_PREEMPTED (60 * USEC) /* a poll takes far less, even when it takes a page fault */
#define QUIET_MIN     (1 * MSEC)
#define QUIET_MAX     (100 * MSEC)
#define WASTED_MAX    4
#define MOVE_MIN      (200 * USEC) /* a move costs some 20 us */
#define MOVE_MAX      (2 * MSEC)
#define MOVE_SLOW     (300 * USEC)
#define MOVE_REFUSED  (100 * MSEC)
#define STAY          (20 * MSEC)

void idle_policy_init(struct idle_policy *p, unsigned cpus)
{
	*p = (struct idle_policy){
	    .budget_ns = SPIN_START, .quiet_ns = QUIET_MIN, .move_ns = MOVE_MIN};
	p->alone = cpus <= 1;
}

no_tsan u64 idle_policy_budget(const struct idle_policy *p, u64 now)
{
	if (p->alone)
		return 0;
	return now < p->quiet_until ? min_of(p->budget_ns, SPIN_MIN) : p->budget_ns;
}

no_tsan void idle_policy_hit(struct idle_policy *p, u64 waited)
{
	p->wasted = 0;
	/* Nearly too short: the next request may come a little later. */
	if (waited > p->budget_ns / 2)
		p->budget_ns = min_of(p->budget_ns * 2, SPIN_MAX);
	/* Undisturbed spins that pay make the next preemption count less. */
	p->quiet_ns = max_of(p->quiet_ns - p->quiet_ns / 64, QUIET_MIN);
}

no_tsan void idle_policy_miss(struct idle_policy *p)
{
	/* One pause between two bursts is no reason to forget; a few are. */
	if (++p->wasted < WASTED_MAX)
		return;
	p->budget_ns = p->budget_ns / 2 < SPIN_MIN ? 0 : p->budget_ns / 2;
}

no_tsan void idle_policy_slept(struct idle_policy *p, u64 slept, u64 now)
{
	if (slept > SPIN_MAX || now < p->quiet_until)
		return;
	p->budget_ns = p->budget_ns ? min_of(p->budget_ns * 2, SPIN_MAX) : SPIN_START;
	p->wasted = 0;
}

no_tsan bool idle_policy_preempted(struct idle_policy *p, u64 before, u64 now)
{
	if (now - before < GAP_PREEMPTED)
		return false;
	p->quiet_until = now + p->quiet_ns;
	p->quiet_ns = min_of(p->quiet_ns * 2, QUIET_MAX);
	return true;
}

no_tsan bool idle_policy_may_move(const struct idle_policy *p, u64 now)
{
	return !p->alone && now - p->moved_at >= p->move_ns;
}

no_tsan bool idle_policy_moved(struct idle_policy *p, u64 before, u64 now)
{
	bool again = now - p->moved_at < 4 * p->move_ns, slow = now - before >= MOVE_SLOW;

	if (slow)
		p->move_ns = MOVE_REFUSED;
	else
		p->move_ns = again ? min_of(p->move_ns * 2, MOVE_MAX) : MOVE_MIN;
	p->moved_at = now;
	/* What was learnt on the shared CPU was about sharing it. */
	p->quiet_until = 0;
	p->wasted = 0;
	p->budget_ns = max_of(p->budget_ns, SPIN_START);
	return !slow;
}

no_tsan bool idle_policy_stays(const struct idle_policy *p, u64 now)
{
	return now - p->moved_at < STAY;
}
