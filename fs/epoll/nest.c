/*
 * Epolls that watch epolls. A wake-up climbs from a file to the epolls that
 * watch it, to those that watch them, and so on, under wait queue locks: the
 * graph must have no cycle, little depth, and few paths up from any point, or a
 * guest could keep a worker busy for ever with one write. The bounds are those of
 * fs/eventpoll.c in Linux.
 */
#include "fs/epoll/epoll_internal.h"
#include <errno.h>

/* Longest chain of nested epolls. */
#define MAX_NESTS 4

/* The whole graph; a fiber may hold it over a walk of a few thousand links. */
static struct mutex graph_mutex = {.lock = LOCK_INIT(RANK_MUTEX_INNER),
                                   .waiters = TAILQ_HEAD_INITIALIZER(graph_mutex.waiters),
                                   .rank = RANK_EPOLL_NEST};

/* How many paths of one length may lead up from one epoll. */
static const u32 path_limits[MAX_NESTS + 1] = {1, 500, 100, 50, 10};

/* Counts the paths up from ep by length; false when there are too many or they are too long. */
static bool count_up(struct epoll *ep, u32 depth, u32 counts[MAX_NESTS + 1])
{
	struct epoll_item *it;

	if (depth > MAX_NESTS || ++counts[depth] > path_limits[depth])
		return false;
	LIST_FOREACH (it, &ep->parents, parent_link)
		if (!count_up(it->ep, depth + 1, counts))
			return false;
	return true;
}

/* Every epoll from ep down: is it `outer`, does the chain get too long, do too many paths lead up?
 */
static int check_down(struct epoll *ep, const struct epoll *outer, u32 depth)
{
	u32 counts[MAX_NESTS + 1] = {0};
	struct epoll_item *it;

	if (ep == outer || depth > MAX_NESTS)
		return -ELOOP;
	LIST_FOREACH (it, &ep->children, child_link) {
		int err = check_down(it->inner, outer, depth + 1);
		if (err)
			return err;
	}
	/* With the new link in place: too long a chain above shows here as well. */
	return outer || count_up(ep, 0, counts) ? 0 : -EINVAL;
}

/* The longest chain above ep. */
static u32 height_above(struct epoll *ep, u32 depth)
{
	struct epoll_item *it;
	u32 height = 0;

	if (depth > MAX_NESTS)
		return 0;
	LIST_FOREACH (it, &ep->parents, parent_link)
		height = max_of(height, 1 + height_above(it->ep, depth + 1));
	return height;
}

static void unlink_locked(struct epoll_item *it)
{
	LIST_REMOVE(it, child_link);
	LIST_REMOVE(it, parent_link);
	it->inner = NULL;
}

int epoll_nest_add(struct epoll_item *it, struct epoll *inner)
{
	mutex_guard(&graph_mutex);
	int err = check_down(inner, it->ep, height_above(it->ep, 0) + 1);
	if (err)
		return err;
	it->inner = inner;
	LIST_INSERT_HEAD(&it->ep->children, it, child_link);
	LIST_INSERT_HEAD(&inner->parents, it, parent_link);
	err = check_down(inner, NULL, 1);
	if (err)
		unlink_locked(it);
	return err;
}

void epoll_nest_remove(struct epoll_item *it)
{
	mutex_guard(&graph_mutex);
	if (it->inner)
		unlink_locked(it);
}
