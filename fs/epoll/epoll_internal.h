/*
 * An epoll's inside, shared by epoll.c (items and events) and nest.c (epolls
 * that watch epolls).
 *
 * Locks, in order: the set's mutex (items come and go, ready() is called);
 * nest.c's mutex; a watched file's wait queue; ready_lock. An item is valid while
 * it is in its set's tree, its file while the item is: both ends remove it under
 * the set's mutex, the file through epoll_file_gone before it is released.
 */
#pragma once
#include "base/lock.h"
#include "base/mutex.h"
#include "base/ref.h"
#include "base/types.h"
#include "base/waitq.h"
#include <bsd/sys/tree.h>
#include <sys/queue.h>

struct account;
struct file;
struct epoll;

struct epoll_item {
	struct waiter waiter; /* on the file's queue */
	struct epoll *ep;
	/* Key; constant. */
	struct file *file; /* not held */
	int fd;
	/* Guarded by ep->ready_lock. */
	u32 events; /* wanted, with EPOLLET and its kin */
	bool ready; /* on ep->ready, or on its way back to it */
	TAILQ_ENTRY(epoll_item) ready_link;
	u64 data; /* ep->mutex */
	RB_ENTRY(epoll_item) node;
	LIST_ENTRY(epoll_item) file_link; /* the links' lock */
	/* Nested: the file is an epoll. Guarded by nest.c's mutex. */
	struct epoll *inner;
	LIST_ENTRY(epoll_item) child_link;  /* in ep->children */
	LIST_ENTRY(epoll_item) parent_link; /* in inner->parents */
};

RB_HEAD(epoll_tree, epoll_item);
LIST_HEAD(epoll_item_list, epoll_item);
TAILQ_HEAD(epoll_ready_list, epoll_item);

struct epoll {
	struct ref ref; /* the file, and epoll_file_gone while it works */
	struct mutex mutex;
	struct epoll_tree items; /* mutex */
	struct lock ready_lock;
	struct epoll_ready_list ready; /* ready_lock */
	_Atomic u32 nready;            /* its length; written under ready_lock */
	struct waitq waitq;            /* who waits for this epoll */
	struct account *account;
	struct epoll_item_list children, parents; /* nest.c's mutex */
};

/* Items of one file. Made by its first, freed with the file. */
struct epoll_links {
	struct lock lock;
	struct epoll_item_list items; /* lock */
};

/*
 * Links an item whose file is an epoll. -ELOOP for a cycle or a chain that is too long,
 * -EINVAL where too many paths would lead up from one epoll.
 */
must_check int epoll_nest_add(struct epoll_item *it, struct epoll *inner);
void epoll_nest_remove(struct epoll_item *it);
