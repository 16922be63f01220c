/*
 * Spaces made ahead. What a fork needs besides the host's clone (a memfd, its mapping,
 * a socket pair) is made while the host is busy with the fork before, by a fiber of its own.
 * Nothing is kept in stock before the second fork, and nothing that has been in use comes back:
 * someone may still have it mapped.
 */
#include "base/fiber.h"
#include "base/lock.h"
#include "platform/systrap/systrap.h"

#define STOCK 2u

static struct lock stock_lock = LOCK_INIT(RANK_PLATFORM);
static STAILQ_HEAD(, platform_space) stock = STAILQ_HEAD_INITIALIZER(stock); /* by stock_lock, */
static unsigned in_stock;                                                    /* as are these */
static struct fiber *keeper;
static unsigned taken;

static void stock_put(struct platform_space *s)
{
	lock_guard(&stock_lock);
	STAILQ_INSERT_TAIL(&stock, s, stock_link);
	in_stock++;
}

static bool stock_full(void)
{
	lock_guard(&stock_lock);
	return in_stock >= STOCK;
}

static void keep(void *arg unused_arg)
{
	struct platform_space *s;

	for (;;) {
		/* Without descriptors or memory there is no stock, and no hurry. */
		while (!stock_full() && space_alloc(&s) == 0)
			stock_put(s);
		fiber_park();
	}
}

/* The keeper, started by the second who takes something. */
static void keeper_wake(void)
{
	struct fiber *f;
	bool start;

	lock_acquire(&stock_lock);
	/* A sandbox of one process needs no second space. */
	start = ++taken == 2;
	f = keeper;
	lock_release(&stock_lock);
	if (f)
		fiber_unpark(f);
	/* None this time is none for ever: everything works without. */
	if (start && fiber_create(keep, NULL, "stock", NULL, &f) == 0) {
		lock_guard(&stock_lock);
		keeper = f;
	}
}

int stock_take(struct platform_space **out)
{
	struct platform_space *s;

	lock_acquire(&stock_lock);
	s = STAILQ_FIRST(&stock);
	if (s) {
		STAILQ_REMOVE_HEAD(&stock, stock_link);
		in_stock--;
	}
	lock_release(&stock_lock);
	*out = s;
	keeper_wake();
	return s ? 0 : space_alloc(out);
}
