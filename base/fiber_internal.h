/*
 * What the fiber code and the scheduler share: the fiber itself, and the
 * switch between stacks.
 *
 * A fiber's state word holds why it is not running and what it has been told
 * since it last looked:
 *
 *	RUNNING (0) --park--> PARKED --unpark--> PARKED|token: queued
 *	     ^                                        |
 *	     +----------- takes all tokens -----------+
 *
 * Whoever turns 'PARKED alone' into 'PARKED and a token' queues the fiber. The
 * PARKED bit itself is set only after the switch away from its stack, by
 * whatever runs next on that worker: before that, another worker could resume
 * a stack that is still in use. If a token came first, whoever sets PARKED
 * queues.
 */
#pragma once
#include "base/fiber.h"
#include "base/lock_internal.h"
#include "base/sanitizer.h"
#include "base/timer.h"
#include "base/types.h"

#define FIBER_PARKED  0x01u
#define FIBER_QUEUED  0x02u /* on the run queue without having been told anything (new, yielded) */
#define FIBER_UNPARK  0x04u /* tokens: fiber_unpark, ... */
#define FIBER_INTR    0x08u /* ... fiber_interrupt, ... */
#define FIBER_TIMEOUT 0x10u /* ... the deadline of fiber_sleep */
#define FIBER_TOKENS  (FIBER_UNPARK | FIBER_INTR | FIBER_TIMEOUT)

/* A stack that can be switched to. */
struct stack_context {
	void *sp; /* valid while it is not running */
#if MOAT_ASAN
	void *fake_stack;
	const void *bottom;
	size_t size;
#endif
#if MOAT_TSAN
	void *tsan;
#endif
};

/*
 * Lives at the top of its own stack. That memory is never unmapped and never
 * another type, so an unpark that comes too late meets an ended or a new fiber
 * and does no harm.
 */
struct fiber {
	_Atomic u32 state;
	_Atomic bool interrupted;
	struct stack_context context;
	STAILQ_ENTRY(fiber) link;      /* guarded by the run queue's lock */
	STAILQ_ENTRY(fiber) free_link; /* guarded by the stack cache's lock */
	struct caller *caller;         /* set by the fiber itself, or before it runs */
	fiber_fn *fn;
	void *arg;
	const char *name;
	struct timer timer; /* for fiber_sleep */
	char *stack;        /* lowest usable byte; the guard page is below */
#ifdef MOAT_DEBUG
	struct held_locks held;
#endif
};

STAILQ_HEAD(fiber_queue, fiber);

/* platform/x86_64/fiber.S */
void fiber_switch(void **save_sp, void *load_sp);
void fiber_start(void);
/* Where fiber_start calls into C. */
noreturn void fiber_main(struct fiber *f);

/*
 * Leaves from for to; returns when something switches back. dying: from will
 * never be resumed. sync: see sched.c on ThreadSanitizer.
 */
void context_switch(struct stack_context *from, struct stack_context *to, bool dying, bool sync);
/* The first thing on a new stack. */
void context_entered(void);
/* Describes the calling host thread's own stack. */
void context_init_thread(struct stack_context *c);

/* Returns an ended fiber's stack to the cache; runs on another stack. */
void fiber_free(struct fiber *f);
/* Consumes and returns the tokens that have come. */
u32 fiber_take_tokens(struct fiber *f);
/* True if addr is in the guard page of the running fiber. */
bool fiber_stack_overflowed(uintptr_t addr);

static inline bool fiber_has_token(struct fiber *f)
{
	return atomic_load_explicit(&f->state, memory_order_acquire) & FIBER_TOKENS;
}

/* Whom host threads without a fiber, and kernel fibers, work for. */
extern struct caller root_caller;
