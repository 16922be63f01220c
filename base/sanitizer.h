/*
 * Which sanitizer this build has, spelled the same for gcc and clang, and the
 * annotations that teach ThreadSanitizer about moat's own locks.
 */
#pragma once
#ifndef __has_feature
#define __has_feature(x) 0
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define MOAT_TSAN 1
#else
#define MOAT_TSAN 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define MOAT_ASAN 1
#else
#define MOAT_ASAN 0
#endif

/* Either: what a sanitizer needs to report, no confined process has. */
#if MOAT_ASAN || MOAT_TSAN
#define MOAT_SANITIZED 1
#else
#define MOAT_SANITIZED 0
#endif

/*
 * For functions that only touch a host thread's private data: ThreadSanitizer
 * takes the fibers that run on one worker, one after the other, for
 * concurrent. What such a function does with atomics orders nothing either,
 * in ThreadSanitizer's eyes.
 */
#if MOAT_TSAN
#define no_tsan __attribute__((no_sanitize("thread"), noinline))
#else
#define no_tsan
#endif

#if MOAT_TSAN
#include <sanitizer/tsan_interface.h>
#define tsan_pre_lock(l)    __tsan_mutex_pre_lock((l), 0)
#define tsan_post_lock(l)   __tsan_mutex_post_lock((l), 0, 0)
#define tsan_pre_unlock(l)  __tsan_mutex_pre_unlock((l), 0)
#define tsan_post_unlock(l) __tsan_mutex_post_unlock((l), 0)
/* Taken without waiting: it cannot deadlock, so it adds no edge to the lock graph. */
#define tsan_try_locked(l)                                                                         \
	do {                                                                                       \
		__tsan_mutex_pre_lock((l), __tsan_mutex_try_lock);                                 \
		__tsan_mutex_post_lock((l), __tsan_mutex_try_lock, 0);                             \
	} while (0)
#define tsan_acquire(p) __tsan_acquire(p)
#define tsan_release(p) __tsan_release(p)
#else
#define tsan_pre_lock(l)    ((void)(l))
#define tsan_post_lock(l)   ((void)(l))
#define tsan_pre_unlock(l)  ((void)(l))
#define tsan_post_unlock(l) ((void)(l))
#define tsan_try_locked(l)  ((void)(l))
#define tsan_acquire(p)     ((void)(p))
#define tsan_release(p)     ((void)(p))
#endif
