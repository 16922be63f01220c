/*
 * What the tests of base/ share. Code on fibers and other threads checks with
 * check(), since criterion's own assertions must run on the test's thread.
 */
#pragma once
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/bug.h"
#include "base/census.h"
#include "base/crash.h"
#include "base/fiber.h"
#include "base/log.h"
#include "base/sched.h"
#include "base/timer.h"

#define check(cond) BUG_ON(!(cond))
#define MSEC        1000000ULL
#define SEC         1000000000ULL

/* Sanitizer builds run everything some ten times slower. */
#ifdef MOAT_DEBUG
#define ROUNDS(n) ((n) / 10)
#else
#define ROUNDS(n) (n)
#endif

static inline void sleep_ms(unsigned ms)
{
	usleep(ms * 1000);
}

/* Waits until other threads have brought count to want; fails the test after a minute. */
static inline void await_count(_Atomic int *count, int want)
{
	u64 end = time_monotonic() + 60 * SEC;

	while (atomic_load(count) != want) {
		cr_assert(time_monotonic() < end, "only %d of %d", atomic_load(count), want);
		sleep_ms(1);
	}
}

static inline void spawn(fiber_fn *fn, void *arg, struct fiber **out)
{
	check(fiber_create(fn, arg, "test", NULL, out) == 0);
}

static inline void census_check(const struct census *c, void *arg)
{
	(void)arg;
	cr_assert_eq(atomic_load(&c->live), 0, "%s: %ld left", c->name, (long)c->live);
}

/* For teardown: nothing may be left of anything. */
static inline void assert_nothing_left(void)
{
	census_each(census_check, NULL);
}

/*
 * Runs fn in a forked child whose log goes to out. Returns the child's exit
 * status, or 1000 and the signal that ended it.
 */
static inline int run_child(void (*fn)(void), char *out, size_t size)
{
	size_t got = 0;
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	cr_assert_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		log_init(fds[1], LOG_DEBUG);
		fn();
		_exit(0);
	}
	close(fds[1]);
	while (got < size - 1 && (n = read(fds[0], out + got, size - 1 - got)) > 0)
		got += (size_t)n;
	out[got] = '\0';
	close(fds[0]);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}
