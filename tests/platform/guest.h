/*
 * What the guest programs of the platform's tests and the little sentry that
 * serves them agree on. Guest code is one section of the test program, copied into each guest at
 * GUEST_CODE; it must not refer to anything outside of it.
 */
#pragma once
#include "base/types.h"

#define GUEST_CODE  0x400000UL
#define GUEST_DATA  0x10000000UL /* 1 MiB, zeroed, readable and writable */
#define GUEST_STACK 0x20000000UL /* 1 MiB */
#define GUEST_AREA  0x30000000UL /* where mmap without an address puts things */
#define AREA_SIZE   0x100000UL

/* Calls that only the tests have. */
enum {
	CALL_REPORT = 400, /* (value): appended to what the test looks at */
	CALL_HANDLER,      /* (signo, handler, restorer): one handler for a signal */
	CALL_RAISE,        /* (signo): pushes a frame for it */
	CALL_MAP_FILE,     /* (addr, len, prot, flags): maps the test's file */
	CALL_UNMAP_ALL,    /* then runs the function that is the first argument, with no stack */
	CALL_NOTHING,
	CALL_HOLD, /* mini.hold() says the result, while the worker does nothing else */
	CALL_HELD, /* what it said last */
};

enum {
	BENCH_CALL = 1,
	BENCH_DIRECT,
	BENCH_WAKE,
	BENCH_WRITE,
	BENCH_READ,
	BENCH_MAP,
	BENCH_FORK,
	BENCH_SIGNAL,
	BENCH_SPACE, /* one guest after the other; the rest are loops in one guest */
};

typedef void guest_fn(u64 arg);

#define guest_code __attribute__((section("guest_code"), noinline, used))

/* Begin and end are made by the linker from the section's name. */
#pragma GCC visibility push(hidden)
extern const u8 __start_guest_code[], __stop_guest_code[];
#pragma GCC visibility pop

static inline u64 guest_address(const void *fn)
{
	return GUEST_CODE + (u64)((const u8 *)fn - __start_guest_code);
}

#pragma GCC visibility push(hidden)
guest_fn guest_exit, guest_calls, guest_registers, guest_faults, guest_fork, guest_threads,
    guest_spin, guest_signals, guest_avx, guest_mappings, guest_file, guest_unmap_all,
    guest_futexes, guest_strings, guest_bad_frame, guest_identity, guest_fork_tree,
    guest_interrupts, guest_vdso, guest_fork_threads, guest_bench, guest_scribble, guest_sites,
    guest_sites_threads, guest_sites_gs, guest_sites_for_ever, guest_sites_signals, guest_holds,
    guest_asks;
void guest_handler_none(int signo, void *info, void *uc);
void guest_handler(int signo, void *info, void *uc);
void guest_handler_avx(int signo, void *info, void *uc);
void guest_restorer(void);
#pragma GCC visibility pop
