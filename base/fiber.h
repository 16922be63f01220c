/*
 * Fibers: the sentry's threads of control.
 *
 * Each guest task has one fiber, on which its system calls run in plain
 * blocking style. A few workers (host threads) run all fibers; one that must
 * wait parks and costs nothing until it is unparked. A fiber may resume on
 * another worker, so nothing in thread-local storage may be kept over a park.
 *
 * Park and unpark use a token: an unpark that comes before the park makes the
 * park return at once, so that 'publish, then park' never loses a wake-up.
 * Spurious returns are possible; callers loop on their condition.
 *
 * Life: fiber_create -> runs fn(arg) -> fn returns -> freed by the worker.
 */
#pragma once
#include "base/types.h"
#include <sys/queue.h>

struct caller;
struct fiber;

typedef void fiber_fn(void *arg);

/* Deadlines are CLOCK_MONOTONIC nanoseconds; NO_DEADLINE never comes. */
#define NO_DEADLINE (~0ULL)

/*
 * Creates a fiber and makes it runnable. name: static string for reports.
 * Returns 0, or -ENOMEM when no stack is to be had.
 */
must_check int fiber_create(fiber_fn *fn, void *arg, const char *name, struct caller *caller,
                            struct fiber **out);

/* The running fiber; NULL on a host thread that runs none (reactor, blocking pool). */
struct fiber *fiber_self(void);
/* On whose behalf the running fiber works; never NULL on a fiber. See base/caller.h. */
struct caller *fiber_caller(struct fiber *f);
void fiber_set_caller(struct fiber *f, struct caller *caller);
const char *fiber_name(const struct fiber *f);

void fiber_park(void);
/* From any host thread. f must not have ended (its owner knows). */
void fiber_unpark(struct fiber *f);
/*
 * For a fiber that has the more to do the later it runs, by a fiber that is likely to give it more:
 * it runs when its waker waits, when the only worker finds nothing else to do, or after some 100
 * us. With several workers, at once.
 */
void fiber_unpark_later(struct fiber *f);
void fiber_yield(void);

/*
 * Parks until unparked (0), until deadline (-ETIMEDOUT), or until the fiber is
 * interrupted (-EINTR, also if the interrupt was already pending).
 */
must_check int fiber_sleep(u64 deadline);

/*
 * The call under way is going to take long, though it may not wait: its guest's thread need not
 * stay awake for its end. fiber_sleep says so by itself.
 */
void fiber_takes_long(void);

/*
 * The interrupt flag says 'look at your signals': set by signal delivery and
 * kill, cleared by the owner (the task's signal code) once it has looked. While it is
 * set, fiber_sleep returns -EINTR at once. fiber_interrupt also unparks.
 */
void fiber_interrupt(struct fiber *f);
void fiber_clear_interrupt(struct fiber *f);
bool fiber_interrupted(const struct fiber *f);
/*
 * Between two pieces of work that a guest can make as long as it likes: others run. False if the
 * caller is to look at its signals, that is, to end the work early. Also without a fiber (true).
 */
must_check bool fiber_breathe(void);
