/*
 * What the two halves of inotify share: watch.c (who watches what) and
 * inotify.c (an instance's queue of events and its file).
 *
 * One lock (watches_lock in watch.c) guards all watches of the sandbox: they
 * hang off inodes and instances at once, and each end may vanish first. Events are
 * delivered under it, so that an instance cannot go away meanwhile; inodes are
 * let go of outside it.
 */
#pragma once
#include "base/lock.h"
#include "base/types.h"
#include "base/waitq.h"
#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

struct account;
struct file;
struct inode;

struct watch {
	struct inotify *owner;
	struct inode *inode; /* held */
	int wd;
	u32 mask; /* IN_*, with IN_ONESHOT and IN_EXCL_UNLINK */
	RB_ENTRY(watch) node;
	LIST_ENTRY(watch) inode_link;
	LIST_ENTRY(watch) all_link;
};

RB_HEAD(watch_tree, watch);
LIST_HEAD(watch_list, watch);

struct notify_marks {
	_Atomic u32 mask;          /* what any watch of the inode wants; a hint without the lock */
	struct watch_list watches; /* watches_lock */
};

struct queued_event {
	TAILQ_ENTRY(queued_event) link;
	int wd;
	u32 mask, cookie;
	u32 name_len; /* without its NUL; 0: no name */
	char name[];
};

TAILQ_HEAD(event_list, queued_event);

struct inotify {
	struct watch_tree watches; /* watches_lock, as is last_wd */
	int last_wd;
	struct lock lock;
	struct event_list events; /* lock */
	u32 nevents;              /* lock */
	u64 bytes;                /* lock; what FIONREAD reports */
	struct account *account;  /* of the creator: instances and watches */
	struct waitq waitq;
};

/* Queues an event unless it repeats the last one. watches_lock is held. */
void inotify_queue(struct inotify *in, int wd, u32 mask, u32 cookie, const char *name, size_t len);
/* Lines of /proc/PID/fdinfo. */
void watches_show(struct file *f, char *buf, size_t n);
/* Ends all watches of an instance that is being closed. */
void watches_drop(struct inotify *in);
/* The instance of an inotify file, or NULL. */
struct inotify *inotify_of(const struct file *f);
