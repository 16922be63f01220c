/*
 * The stub made ahead (platform/systrap/spare.c): who takes it, what comes in its place, and that
 * it goes when it is killed and when the sandbox ends. The source is part of this file, so that
 * what it keeps to itself can be looked at.
 */
#include "platform/systrap/spare.c"
#include "base/census.h"
#include "base/host.h"
#include "tests/platform/spare.h"
#include "tests/platform/mini_sentry.h"
#include <poll.h>
#include <string.h>

#define PATIENCE_MS 20000

/* Its process, once there is one; 0: there is none within reason. */
static u32 spare_pid(unsigned ms)
{
	for (unsigned i = 0;; i++) {
		lock_acquire(&spare_lock);
		u32 pid = ready ? ready_space->pid : 0;
		lock_release(&spare_lock);
		if (pid || i == ms)
			return pid;
		nap(1000);
	}
}

/* A guest that stays; its process. */
static u32 guest_stays(void)
{
	mini_forget();
	mini_spawn(guest_spin, 0);
	for (unsigned i = 0; i < PATIENCE_MS && mini.reports == 0; i++)
		nap(1000);
	return mini.reports ? platform_thread_space(atomic_load(&mini.target))->pid : 0;
}

static bool guest_leaves(void)
{
	mini_kill();
	return mini_wait();
}

/* As by somebody on the host; until the sentry has heard of it. */
static bool spare_dies(void)
{
	space_kill(ready_space);
	for (unsigned i = 0; i < PATIENCE_MS && !ready_space->dead; i++)
		nap(1000);
	return ready_space->dead;
}

/* Waits for fn to be true. */
static bool comes_true(bool (*fn)(void))
{
	for (unsigned i = 0; i < PATIENCE_MS; i++) {
		if (fn())
			return true;
		nap(1000);
	}
	return false;
}

/* While one is being born the next guest waits for it and has no other made. */
static const char *coming_fault(void)
{
	struct platform_space *s;
	struct systrap_thread *t;
	bool awaited, more;
	u64 forks = systrap_stats.forks;

	lock_acquire(&spare_lock);
	s = ready_space;
	t = ready;
	ready = NULL;
	coming = true;
	lock_release(&spare_lock);
	mini_forget();
	mini_spawn(guest_exit, 0);
	awaited = comes_true(is_awaited);
	more = systrap_stats.forks != forks;
	has_come(s, t);
	if (!mini_wait() || mini.deaths)
		return "the guest that waited for one did not run";
	if (!awaited)
		return "nobody waited for the one that was coming";
	return more ? "another was forked while one was coming" : NULL;
}

static void spaces_count(const struct census *c, void *arg)
{
	if (strcmp(c->name, "platform spaces") == 0)
		*(s64 *)arg = c->live;
}

/* The zygote's, the spare one, those in stock. */
static bool spaces_are_few(void)
{
	s64 n = 0;

	census_each(spaces_count, &n);
	return n <= 4;
}

/* More than are left to the keeper: all are freed in the end. */
static const char *clearing_fault(void)
{
	for (unsigned i = 0; i < 20; i++)
		if (!mini_run(guest_exit, 0))
			return "a guest did not run";
	return comes_true(spaces_are_few) ? NULL : "spaces of guests that ended are left";
}

const char *spare_fault(void)
{
	u32 first, second, third;
	const char *fault;
	u64 forks;

	if (taken == 0) {
		if (!mini_run(guest_exit, 0) || taken != 1 || coming || spare_pid(50))
			return "a sandbox of one program needs none";
	}
	if (!mini_run(guest_exit, 0) || (first = spare_pid(PATIENCE_MS)) == 0)
		return "there is none after the second";
	forks = systrap_stats.forks;
	if (guest_stays() != first)
		return "it was not taken";
	second = spare_pid(PATIENCE_MS);
	if (second == 0 || second == first)
		return "none came in its place";
	if (systrap_stats.forks != forks + 1)
		return "more were forked than the one in its place";
	if (!guest_leaves())
		return "the guest in it did not end";
	if (!spare_dies())
		return "its death was not noticed";
	third = guest_stays();
	if (third == 0 || third == first || third == second)
		return "no guest got in when it was dead";
	if (!guest_leaves())
		return "the guest after that did not end";
	if (!mini_run(guest_calls, 100) || mini.reports != 2 || mini.deaths)
		return "a guest in a spare does not work";
	if (spare_pid(PATIENCE_MS) == 0)
		return "none came after one had died";
	fault = coming_fault();
	return fault ? fault : clearing_fault();
}

int spare_watch(void)
{
	return spare_pid(PATIENCE_MS) ? host_dup(ready_space->pidfd) : -1;
}

bool spare_is_gone(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll(&p, 1, PATIENCE_MS) == 1 && p.revents & POLLIN;
}
