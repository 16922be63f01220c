/*
 * For tests of what waits: guest callers with descriptors and pretended memory,
 * fibers that act for them, and short forms of reading and writing.
 * Code on fibers checks with check(), as criterion's assertions must run on
 * the test's own thread.
 */
#pragma once
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include "base/bug.h"
#include "base/caller.h"
#include "base/census.h"
#include "base/fiber.h"
#include "base/sched.h"
#include "base/timer.h"
#include "base/uspace.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"

#define check(cond) BUG_ON(!(cond))
#define MSEC        1000000ULL

/* Sanitizer builds run everything some ten times slower. */
#ifdef MOAT_DEBUG
#define ROUNDS(n) ((n) / 20)
#else
#define ROUNDS(n) (n)
#endif

/* ---- guest memory: the test's own, except for the first page --------------- */

#define BAD_ADDRESS 8

static inline size_t plain_read(struct uspace *u, void *dst, u64 src, size_t n)
{
	(void)u;
	if (src < PAGE_SIZE)
		return 0;
	memcpy(dst, (void *)src, n);
	return n;
}

static inline size_t plain_write(struct uspace *u, u64 dst, const void *src, size_t n)
{
	(void)u;
	if (dst < PAGE_SIZE)
		return 0;
	memcpy((void *)dst, src, n);
	return n;
}

static const struct uspace_ops plain_ops = {.read = plain_read, .write = plain_write};
static struct uspace plain_uspace = {.ops = &plain_ops};

/* ---- a guest ---------------------------------------------------------------- */

static struct caller guest;
static _Atomic int raised; /* the last signal */
static bool finished;

static inline void note_signal(struct caller *c, int sig)
{
	(void)c;
	raised = sig;
}

static inline void guest_init(void)
{
	guest = *caller();
	guest.uspace = &plain_uspace;
	guest.files = fdtable_create();
	guest.raise = note_signal;
	guest.pid = guest.tid = 7;
	raised = 0;
	finished = false;
	cr_assert_not_null(guest.files);
}

static inline void census_check(const struct census *c, void *arg)
{
	(void)arg;
	/* The initial network namespace lives as long as the sandbox. */
	s64 spared = strcmp(c->name, "net") == 0;
	cr_assert(c->live <= spared, "%s: %ld left", c->name, (long)c->live);
}

static inline void guest_fini(void)
{
	fdtable_put(guest.files);
	census_each(census_check, NULL);
}

static inline void spawn(fiber_fn *fn, void *arg)
{
	check(fiber_create(fn, arg, "test", &guest, NULL) == 0);
}

static inline void call_it(void *fn)
{
	((void (*)(void))fn)();
	finished = true;
}

/* Runs fn as the guest, and whatever it spawns, until all wait or have ended. */
static inline void as_guest(void (*fn)(void))
{
	spawn(call_it, (void *)fn);
	sched_run_until_idle(500 * MSEC);
	cr_assert(finished, "still waiting");
}

/* Lets the other fibers run until they all wait (on one thread). */
static inline void let_others_run(void)
{
	for (int i = 0; i < 20; i++)
		fiber_yield();
}

/* ---- reading and writing --------------------------------------------------- */

static inline ssize_t put(struct file *f, const void *data, size_t n)
{
	struct uio u;

	uio_init_kernel(&u, (void *)(uintptr_t)data, n);
	ssize_t done = file_write(f, &u);
	uio_destroy(&u);
	return done;
}

static inline ssize_t take(struct file *f, void *data, size_t n)
{
	struct uio u;

	uio_init_kernel(&u, data, n);
	ssize_t done = file_read(f, &u);
	uio_destroy(&u);
	return done;
}

/* The same through guest memory, which cannot be written in place. */
static inline ssize_t put_user_bytes(struct file *f, const void *data, size_t n)
{
	struct uio u;

	uio_init_user(&u, uptr_make((u64)data), n);
	ssize_t done = file_write(f, &u);
	uio_destroy(&u);
	return done;
}

static inline ssize_t take_user_bytes(struct file *f, void *data, size_t n)
{
	struct uio u;

	uio_init_user(&u, uptr_make((u64)data), n);
	ssize_t done = file_read(f, &u);
	uio_destroy(&u);
	return done;
}

static inline void set_nonblock(struct file *f, bool on)
{
	if (on)
		atomic_fetch_or(&f->flags, O_NONBLOCK);
	else
		atomic_fetch_and(&f->flags, ~(u32)O_NONBLOCK);
}

static inline int ioctl_int(struct file *f, u32 cmd)
{
	int n = -1;
	s64 err = f->ops->ioctl(f, cmd, (u64)&n);

	return err ? (int)err : n;
}

/* ---- real workers ------------------------------------------------------------ */

/* Waits for count to come down to 0; fails the test after a minute. */
static inline void await_zero(_Atomic int *count)
{
	u64 end = time_monotonic() + 60000 * MSEC;

	while (atomic_load(count) != 0) {
		cr_assert(time_monotonic() < end, "%d left", atomic_load(count));
		struct timespec ms = {.tv_nsec = MSEC};
		nanosleep(&ms, NULL);
	}
}
