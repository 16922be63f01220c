/*
 * A stub made ahead. An execve into an address space of its own needs a new stub, and to have
 * the zygote fork one takes as long as all else that execve does before the program runs.
 * So after the second there is always one ready, or coming, which the keeper has had made. It
 * stands still in its first trap and sleeps.
 *
 * Nobody has run in it, so it is as good as one that is made when it is asked for. It counts among
 * the host's processes like any other.
 *
 * The first program's is born while the sentry locks itself down, on which that program has to
 * wait anyway.
 */
#include "base/fiber.h"
#include "platform/systrap/systrap.h"

/* Of the window, what an execve writes to as a rule: zeroes and the stack. */
#define TOUCHED_PAGES 5u

static struct lock spare_lock = LOCK_INIT(RANK_PLATFORM);
static struct platform_space *ready_space; /* guarded by spare_lock, as are these */
static struct systrap_thread *ready;
static unsigned taken;
static bool coming;          /* one is being born */
static struct fiber *waiter; /* who wants it meanwhile */

static bool is_awaited(void)
{
	lock_guard(&spare_lock);
	return waiter;
}

/*
 * It leaves its birth behind, where it would look again and again whether the sentry is there, and
 * sleeps. What whoever takes it will write to is there already.
 */
static bool settled(struct systrap_thread *t)
{
	t->ctx->reply.ops = t->ctx->reply.files = 0;
	if (exchange_verb(t, VERB_OPS) != 0)
		return false;
	thread_waits(&t->base.uspace);
	for (unsigned i = 0; i < TOUCHED_PAGES; i++)
		*(volatile u8 *)&t->ctx->window[i * PAGE_SIZE] = 0;
	return true;
}

/* t: NULL if there is none after all. */
static void has_come(struct platform_space *s, struct systrap_thread *t)
{
	lock_guard(&spare_lock);
	ready_space = s;
	ready = t;
	coming = false;
	if (waiter)
		fiber_unpark(waiter);
	waiter = NULL;
}

static void bear(bool settle)
{
	struct platform_space *s = NULL;
	struct systrap_thread *t = NULL;

	/* Without one everything works as well, and the next who takes one tries again. */
	if (space_bear(&s, &t) != 0)
		t = NULL;
	if (t && settle && !is_awaited() && !settled(t)) {
		space_thread_remove(t);
		t = NULL;
	}
	has_come(s, t);
}

/* If that fails, it will fail again, for who can report it. */
static void bear_first(void *arg unused_arg)
{
	bear(false);
}

void spare_start(void)
{
	coming = true;
	if (fiber_create(bear_first, NULL, "spare", NULL, NULL) != 0)
		coming = false;
}

void spare_make(void)
{
	bool make;

	lock_acquire(&spare_lock);
	/* A sandbox of one program needs no more. */
	make = taken >= 2 && !ready && !coming;
	coming |= make;
	lock_release(&spare_lock);
	if (make)
		bear(true);
}

/* Under spare_lock. One can have it; it is no use to the next to wait. */
static void await_coming(void)
{
	if (!coming || waiter)
		return;
	waiter = fiber_self();
	while (waiter == fiber_self()) {
		lock_release(&spare_lock);
		fiber_park();
		lock_acquire(&spare_lock);
	}
}

int spare_take(struct platform_space **space, struct systrap_thread **out)
{
	struct systrap_thread *t;
	bool more;

	lock_acquire(&spare_lock);
	await_coming();
	t = ready;
	*space = ready_space;
	ready = NULL;
	more = ++taken >= 2;
	lock_release(&spare_lock);
	if (more)
		(void)keeper_want();
	/* Killed by somebody on the host, perhaps. */
	if (t && (*space)->dead) {
		space_thread_remove(t);
		t = NULL;
	}
	*out = t;
	return t ? 0 : space_bear(space, out);
}

void spare_end(void)
{
	lock_guard(&spare_lock);
	if (ready)
		space_kill(ready_space);
}
