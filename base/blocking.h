/*
 * The blocking pool: host calls that may sleep (a cold disk read, fsync) run
 * on a few extra host threads, while the calling fiber is parked. From a host
 * thread that runs no fiber, fn is called directly.
 */
#pragma once
#include "base/types.h"

must_check int blocking_start(unsigned max_threads);
/* Runs fn(arg) on the pool and returns its result. */
s64 blocking_call(s64 (*fn)(void *arg), void *arg);
