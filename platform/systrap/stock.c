/*
 * Spaces made ahead. What a fork needs besides the host's clone (a memfd, its mapping,
 * a socket pair) is made between forks (keeper.c).
 * Nothing is kept in stock before the second fork, and nothing that has been in use comes back:
 * someone may still have it mapped.
 */
#include "base/lock.h"
#include "platform/systrap/systrap.h"

#define STOCK 2u

static struct lock stock_lock = LOCK_INIT(RANK_PLATFORM);
static STAILQ_HEAD(, platform_space) stock = STAILQ_HEAD_INITIALIZER(stock); /* by stock_lock, */
static unsigned in_stock;                                                    /* as are these */
static unsigned taken;

static void stock_put(struct platform_space *s)
{
	lock_guard(&stock_lock);
	STAILQ_INSERT_TAIL(&stock, s, stock_link);
	in_stock++;
}

/* A sandbox of one process needs no second space. */
static bool stock_lacks(void)
{
	lock_guard(&stock_lock);
	return taken >= 2 && in_stock < STOCK;
}

void stock_fill(void)
{
	struct platform_space *s;

	/* Without descriptors or memory there is no stock, and no hurry. */
	while (stock_lacks() && space_alloc(&s) == 0)
		stock_put(s);
}

int stock_take(struct platform_space **out)
{
	struct platform_space *s;
	bool more;

	lock_acquire(&stock_lock);
	s = STAILQ_FIRST(&stock);
	if (s) {
		STAILQ_REMOVE_HEAD(&stock, stock_link);
		in_stock--;
	}
	more = ++taken >= 2;
	lock_release(&stock_lock);
	*out = s;
	if (more)
		(void)keeper_want();
	return s ? 0 : space_alloc(out);
}
