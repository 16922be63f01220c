/*
 * A stub made ahead. An execve into an address space of its own needs a new stub, and to have
 * the zygote fork one takes as long as all else that execve does before the program runs.
 * So after the second there is always one ready, which a fiber of its own has had made. It stands
 * still in its first trap and sleeps.
 *
 * Nobody has run in it, so it is as good as one that is made when it is asked for. It counts among
 * the host's processes like any other.
 *
 * The first program's is born while the sentry locks itself down, on which that program has to
 * wait anyway.
 */
#include "base/fiber.h"
#include "platform/systrap/systrap.h"

static struct lock spare_lock = LOCK_INIT(RANK_PLATFORM);
static struct platform_space *ready_space; /* guarded by spare_lock, as are these */
static struct systrap_thread *ready;
static struct fiber *keeper;
static unsigned taken;
static bool first_coming;          /* the first program's is being born */
static struct fiber *first_waiter; /* who wants it meanwhile */

static bool is_ready(void)
{
	lock_guard(&spare_lock);
	return ready;
}

/* If that fails, it will fail again, for who can report it. */
static void bear_first(void *arg unused_arg)
{
	struct platform_space *s;
	struct systrap_thread *t;
	struct fiber *waiter;
	int err = space_bear(&s, &t);

	lock_acquire(&spare_lock);
	if (!err) {
		ready_space = s;
		ready = t;
	}
	first_coming = false;
	waiter = first_waiter;
	lock_release(&spare_lock);
	if (waiter)
		fiber_unpark(waiter);
}

void spare_start(void)
{
	first_coming = true;
	if (fiber_create(bear_first, NULL, "spare", NULL, NULL) != 0)
		first_coming = false;
}

/* Under spare_lock. */
static void await_first(void)
{
	while (first_coming) {
		first_waiter = fiber_self();
		lock_release(&spare_lock);
		fiber_park();
		lock_acquire(&spare_lock);
	}
	first_waiter = NULL;
}

/* It leaves its birth behind, where it would look again and again whether the sentry is there. */
static bool settled(struct systrap_thread *t)
{
	t->ctx->reply.ops = t->ctx->reply.files = 0;
	return exchange_verb(t, VERB_OPS) == 0;
}

static void keep(void *arg unused_arg)
{
	struct platform_space *s;
	struct systrap_thread *t;

	for (;;) {
		/* Without one everything works as well, and the next who takes one tries again. */
		if (!is_ready() && space_bear(&s, &t) == 0) {
			if (settled(t)) {
				lock_guard(&spare_lock);
				ready_space = s;
				ready = t;
			} else {
				space_thread_remove(t);
			}
		}
		fiber_park();
	}
}

/* Started by the second who takes something: a sandbox of one program needs no more. */
static void keeper_wake(void)
{
	struct fiber *f;
	bool start;

	lock_acquire(&spare_lock);
	start = ++taken == 2;
	f = keeper;
	lock_release(&spare_lock);
	if (f)
		fiber_unpark(f);
	if (start && fiber_create(keep, NULL, "spare", NULL, &f) == 0) {
		lock_guard(&spare_lock);
		keeper = f;
	}
}

int spare_take(struct platform_space **space, struct systrap_thread **out)
{
	struct systrap_thread *t;

	lock_acquire(&spare_lock);
	await_first();
	t = ready;
	*space = ready_space;
	ready = NULL;
	lock_release(&spare_lock);
	keeper_wake();
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
