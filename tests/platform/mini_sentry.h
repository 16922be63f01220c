/*
 * The smallest sentry that can serve the guest programs of guest.h: a dozen
 * calls, no processes, no files. Tests start guests and look at what they reported.
 */
#pragma once
#include "platform/platform.h"
#include "tests/platform/guest.h"

#define REPORTS_MAX 100000

extern struct mini {
	_Atomic u64 report[REPORTS_MAX];
	_Atomic unsigned reports;
	_Atomic unsigned tasks; /* that have not ended */
	_Atomic unsigned deaths, faults, interrupts;
	int file; /* what CALL_MAP_FILE maps */
	/* A thread to interrupt or kill from outside; valid while tasks > 0. */
	struct platform_thread *_Atomic target; /* the latest */
	/* As a signal would be: set before the interrupt, cleared by the task when it looks. */
	_Atomic bool pending;
	u64 (*hold)(void); /* what CALL_HOLD does */
	_Atomic u64 held;
	bool no_identity;
	bool no_patch;                  /* before mini_start */
	const struct platform_ops *ops; /* before mini_start */
} mini;

/* Starts platform, scheduler and reactor, and locks the process down if asked to. */
void mini_start(unsigned workers, bool lock_down);
/* Sleeps for so many microseconds by a call that the lock-down allows. */
void nap(unsigned us);
/* Starts fn(arg) in a space of its own and returns at once. */
void mini_spawn(guest_fn *fn, u64 arg);
/* Waits until all tasks have ended; false after 20 s. */
bool mini_wait(void);
/* Forgets reports, spawns, waits. */
bool mini_run(guest_fn *fn, u64 arg);
void mini_forget(void);
/* Kills the spaces of all tasks. */
void mini_kill(void);
void mini_stop(void);
