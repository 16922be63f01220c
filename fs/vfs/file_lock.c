/*
 * Locks on files: see fs/vfs/file_lock.h, fcntl(2), flock(2), fs/locks.c.
 *
 * One lock guards them all: sections are short, and looking for a deadlock needs the whole
 * picture anyway. A waiter registers on
 * its inode's wait queue and tries again after each release there.
 */
#include <errno.h>
#include <stdlib.h>
#include <bsd/sys/queue.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <linux/capability.h>
#include "base/caller.h"
#include "base/fiber.h"
#include "fs/vfs/file.h"
#include "fs/vfs/file_lock.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/lock_tree.h"
#include "fs/vfs/super.h"

/* As long a chain of owners as Linux follows; a longer one is not called a deadlock. */
#define DEADLOCK_DEPTH 10
/* In the whole sandbox; what Linux charges to a process's memory group (fcntl(2), ENOLCK). */
#define LOCKS_MAX (1U << 18)

struct file_locks {
	struct inode *inode;
	struct lock_tree records, flocks;
	struct waitq waitq;
	LIST_ENTRY(file_locks) all_link;
};

/* A blocked request: what deadlock detection and /proc/locks look at. */
struct lock_wait {
	LIST_ENTRY(lock_wait) link;
	const struct file_lock *request;
	struct inode *inode;
	void *blocker; /* owner of the lock in the way */
};

static struct lock guard = LOCK_INIT(RANK_FILE_LOCKS);
/* Both guarded by `guard`, as all lists of locks are. */
static LIST_HEAD(, file_locks) all = LIST_HEAD_INITIALIZER(all);
static LIST_HEAD(, lock_wait) waits = LIST_HEAD_INITIALIZER(waits);

static struct file_locks *locks_of(struct file *f)
{
	return atomic_load_explicit(&f->inode->locks, memory_order_acquire);
}

static struct file_locks *locks_make(struct inode *i)
{
	struct file_locks *l = atomic_load_explicit(&i->locks, memory_order_acquire), *none = NULL;

	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->inode = i;
	waitq_init(&l->waitq);
	if (!atomic_compare_exchange_strong(&i->locks, &none, l)) {
		waitq_destroy(&l->waitq);
		free(l);
		return none;
	}
	lock_acquire(&guard);
	LIST_INSERT_HEAD(&all, l, all_link);
	lock_release(&guard);
	return l;
}

static struct lock_tree *tree_of(struct file_locks *l, enum file_lock_kind kind)
{
	return kind == LOCK_KIND_FLOCK ? &l->flocks : &l->records;
}

static void tree_drop(struct lock_tree *t, struct lock_list *dead)
{
	struct file_lock *at;

	while ((at = lock_first(t)))
		lock_bury(t, at, dead);
}

/*
 * A record lock may be left: one that was granted while another thread closed
 * the descriptor. Nobody can see it any more.
 */
void file_locks_free(struct file_locks *l)
{
	struct lock_list dead = TAILQ_HEAD_INITIALIZER(dead);

	lock_acquire(&guard);
	LIST_REMOVE(l, all_link);
	tree_drop(&l->records, &dead);
	tree_drop(&l->flocks, &dead);
	lock_release(&guard);
	lock_list_free(&dead);
	waitq_destroy(&l->waitq);
	free(l);
}

/* Would req wait for somebody who, over others, waits for req's owner? */
static bool is_deadlock(const struct file_lock *req, void *blocker)
{
	for (int i = 0; i < DEADLOCK_DEPTH; i++) {
		struct lock_wait *w;

		LIST_FOREACH (w, &waits, link) {
			if (w->request->owner == blocker && w->request->kind == LOCK_KIND_POSIX)
				break;
		}
		if (!w)
			return false;
		blocker = w->blocker;
		if (blocker == req->owner)
			return true;
	}
	return false;
}

/* What one request has in hand. */
struct attempt {
	struct file_locks *locks;
	const struct file_lock *req;
	bool unlock, may_wait;
	struct file_lock *fresh, *spare;
	struct lock_wait wait;
	bool listed; /* wait is on the list of waits */
};

/* To unlock all makes none more of them. */
static bool spans_all(const struct file_lock *req)
{
	return req->start == 0 && req->end == FILE_LOCK_EOF;
}

/* One try, under the lock: 0 done, -EAGAIN in the way, -EDEADLK, -ENOLCK. */
static int try_locked(struct attempt *a, struct lock_list *dead)
{
	struct lock_tree *t = tree_of(a->locks, a->req->kind);
	struct file_lock *blocker = a->unlock ? NULL : lock_find_conflict(t, a->req);

	if (a->listed) {
		LIST_REMOVE(&a->wait, link);
		a->listed = false;
	}
	if (blocker) {
		if (!a->may_wait)
			return -EAGAIN;
		if (a->req->kind == LOCK_KIND_POSIX && is_deadlock(a->req, blocker->owner))
			return -EDEADLK;
		a->wait.blocker = blocker->owner;
		LIST_INSERT_HEAD(&waits, &a->wait, link);
		a->listed = true;
		return -EAGAIN;
	}
	if (lock_held_count() >= LOCKS_MAX && !(a->unlock && spans_all(a->req)))
		return -ENOLCK;
	lock_cut_range(t, a->req, &a->spare, dead);
	if (!a->unlock) {
		*a->fresh = *a->req;
		lock_insert(t, a->fresh);
		if (!lock_is_flock(a->req))
			lock_merge(t, a->fresh, dead);
		a->fresh = NULL;
	}
	/* A release, or a downgrade: whoever waits shall look again. */
	waitq_wake(&a->locks->waitq, EPOLLIN);
	return 0;
}

static int try_once(struct attempt *a, struct lock_list *dead)
{
	int err;

	lock_acquire(&guard);
	err = try_locked(a, dead);
	lock_release(&guard);
	return err;
}

/* Tries again after each release on the inode, until it works or a signal comes. */
static int wait_and_try(struct attempt *a, struct lock_list *dead)
{
	struct wait_fiber w;
	int err;

	wait_fiber_init(&w);
	waitq_add(&a->locks->waitq, &w.waiter, EPOLLIN);
	/* Registered before the look, so that no release in between is missed. */
	while ((err = try_once(a, dead)) == -EAGAIN && fiber_sleep(NO_DEADLINE) == 0)
		;
	waitq_remove(&a->locks->waitq, &w.waiter);
	if (a->listed) {
		lock_acquire(&guard);
		LIST_REMOVE(&a->wait, link);
		lock_release(&guard);
	}
	return err == -EAGAIN ? -ERESTARTSYS : err;
}

static int attempt(struct attempt *a)
{
	struct lock_list dead = TAILQ_HEAD_INITIALIZER(dead);
	int err = try_once(a, &dead);

	if (err == -EAGAIN && a->may_wait)
		err = wait_and_try(a, &dead);
	lock_list_free(&dead);
	return err;
}

static int lock_request(struct file *f, const struct file_lock *req, bool unlock, bool may_wait)
{
	struct attempt a = {.req = req, .unlock = unlock, .may_wait = may_wait};
	int err;

	/* Nothing to unlock: do not make the list for it. */
	a.locks = unlock ? locks_of(f) : locks_make(f->inode);
	if (!a.locks)
		return unlock ? 0 : -ENOLCK;
	a.wait.request = req;
	a.wait.inode = f->inode;
	a.fresh = lock_alloc();
	a.spare = lock_alloc();
	err = a.fresh && a.spare ? attempt(&a) : -ENOLCK;
	lock_free(a.fresh);
	lock_free(a.spare);
	return err;
}

/* Drops the locks of one kind that owner holds on f's inode. */
static void release_owner(struct file *f, const void *owner, enum file_lock_kind only)
{
	struct lock_list dead = TAILQ_HEAD_INITIALIZER(dead);
	struct file_locks *l = locks_of(f);
	struct lock_tree *t = l ? tree_of(l, only) : NULL;
	struct file_lock *at, *next;

	if (!l)
		return;
	lock_acquire(&guard);
	for (at = t->count[only] ? lock_first(t) : NULL; at; at = next) {
		next = lock_next(at);
		if (at->owner == owner && at->kind == only)
			lock_bury(t, at, &dead);
	}
	if (!TAILQ_EMPTY(&dead))
		waitq_wake(&l->waitq, EPOLLIN);
	lock_release(&guard);
	lock_list_free(&dead);
}

/* LOCK_SH or LOCK_EX, or 0 if f has no flock. */
static int flock_held(struct file *f)
{
	struct file_locks *l = locks_of(f);
	struct file_lock *at;
	int have = 0;

	if (!l)
		return 0;
	lock_acquire(&guard);
	for (at = lock_first(&l->flocks); at; at = lock_next(at)) {
		if (at->owner == f)
			have = at->write ? LOCK_EX : LOCK_SH;
	}
	lock_release(&guard);
	return have;
}

int file_flock(struct file *f, int op)
{
	struct file_lock req = {
	    .owner = f, .kind = LOCK_KIND_FLOCK, .pid = caller()->pid, .end = FILE_LOCK_EOF};
	bool unlock = (op & ~LOCK_NB) == LOCK_UN;
	u32 flags = atomic_load(&f->flags);

	if (!unlock && (op & ~LOCK_NB) != LOCK_SH && (op & ~LOCK_NB) != LOCK_EX)
		return -EINVAL;
	if ((flags & O_PATH) || (!unlock && !file_readable(f) && !file_writable(f)))
		return -EBADF;
	req.write = (op & LOCK_EX) != 0;
	if (!unlock) {
		int have = flock_held(f);

		if (have == (req.write ? LOCK_EX : LOCK_SH))
			return 0;
		/*
		 * flock(2): a conversion is not atomic; the old lock is given up before the
		 * new one is asked for, and lost if that fails.
		 */
		if (have)
			release_owner(f, f, LOCK_KIND_FLOCK);
	}
	return lock_request(f, &req, unlock, !unlock && !(op & LOCK_NB));
}

/* l_start, l_len and l_whence as fcntl(2) has them, into an inclusive range. */
static int flock_range(struct file *f, const struct flock *fl, u64 *start, u64 *end)
{
	s64 base, first, last;

	switch (fl->l_whence) {
	case SEEK_SET:
		base = 0;
		break;
	case SEEK_CUR:
		mutex_acquire(&f->pos_mutex);
		base = (s64)f->pos;
		mutex_release(&f->pos_mutex);
		break;
	case SEEK_END:
		base = (s64)inode_size(f->inode);
		break;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, fl->l_start, &first))
		return -EOVERFLOW;
	if (first < 0)
		return -EINVAL;
	if (fl->l_len > 0) {
		if (__builtin_add_overflow(first, fl->l_len - 1, &last))
			return -EOVERFLOW;
	} else if (fl->l_len < 0) {
		last = first - 1;
		if (first + fl->l_len < 0)
			return -EINVAL;
		first += fl->l_len;
	} else {
		last = (s64)FILE_LOCK_EOF;
	}
	*start = (u64)first;
	*end = (u64)last;
	return 0;
}

static int record_request(struct file *f, bool ofd, const struct flock *fl, void *owner,
                          struct file_lock *req)
{
	*req = (struct file_lock){.owner = ofd ? f : owner,
	                          .kind = ofd ? LOCK_KIND_OFD : LOCK_KIND_POSIX,
	                          .write = fl->l_type == F_WRLCK,
	                          .pid = ofd ? -1 : caller()->pid};
	if (fl->l_type != F_RDLCK && fl->l_type != F_WRLCK && fl->l_type != F_UNLCK)
		return -EINVAL;
	if (ofd && fl->l_pid != 0)
		return -EINVAL;
	return flock_range(f, fl, &req->start, &req->end);
}

int file_lock_set(struct file *f, int cmd, const struct flock *fl, void *owner)
{
	bool ofd = cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
	bool may_wait = cmd == F_SETLKW || cmd == F_OFD_SETLKW;
	struct file_lock req;
	int err = record_request(f, ofd, fl, owner, &req);

	if (err)
		return err;
	if ((fl->l_type == F_RDLCK && !file_readable(f)) ||
	    (fl->l_type == F_WRLCK && !file_writable(f)))
		return -EBADF;
	return lock_request(f, &req, fl->l_type == F_UNLCK, may_wait && fl->l_type != F_UNLCK);
}

int file_lock_get(struct file *f, int cmd, struct flock *fl, void *owner)
{
	struct file_lock req, *found;
	struct file_locks *l = locks_of(f);
	int err = fl->l_type == F_UNLCK ? -EINVAL
	                                : record_request(f, cmd == F_OFD_GETLK, fl, owner, &req);

	if (err)
		return err;
	lock_acquire(&guard);
	found = l ? lock_find_conflict(&l->records, &req) : NULL;
	if (found) {
		fl->l_type = found->write ? F_WRLCK : F_RDLCK;
		fl->l_whence = SEEK_SET;
		fl->l_start = (s64)found->start;
		fl->l_len = found->end == FILE_LOCK_EOF ? 0 : (s64)(found->end - found->start + 1);
		fl->l_pid = found->pid == -1 ? -1 : caller_shown_pid(found->pid);
	} else {
		fl->l_type = F_UNLCK;
	}
	lock_release(&guard);
	return 0;
}

int file_lease_set(struct file *f, int type)
{
	struct attr a;

	if (type != F_RDLCK && type != F_WRLCK && type != F_UNLCK)
		return -EINVAL;
	inode_attr(f->inode, &a);
	if (type == F_UNLCK)
		return -EAGAIN;
	if (a.uid != caller_cred()->fsuid && !cred_has_cap(caller_cred(), CAP_LEASE))
		return -EACCES;
	/* fs/libfs.c:simple_nosetlease */
	return -EINVAL;
}

int file_lease_get(struct file *f unused_arg)
{
	return F_UNLCK;
}

void file_locks_release_posix(struct file *f, void *owner)
{
	release_owner(f, owner, LOCK_KIND_POSIX);
}

void file_locks_release_file(struct file *f)
{
	release_owner(f, f, LOCK_KIND_FLOCK);
	release_owner(f, f, LOCK_KIND_OFD);
}

static void info_fill(struct file_lock_info *info, const struct file_lock *fl, struct inode *i,
                      bool waiting)
{
	*info = (struct file_lock_info){.kind = fl->kind,
	                                .write = fl->write,
	                                .waiting = waiting,
	                                .pid = fl->pid,
	                                .dev = i->sb->dev,
	                                .ino = i->ino,
	                                .start = fl->start,
	                                .end = fl->end};
}

static void tree_each(struct file_locks *l, struct lock_tree *t,
                      void (*fn)(const struct file_lock_info *info, void *arg), void *arg)
{
	struct file_lock_info info;

	for (struct file_lock *fl = lock_first(t); fl; fl = lock_next(fl)) {
		info_fill(&info, fl, l->inode, false);
		fn(&info, arg);
	}
}

void file_locks_each(void (*fn)(const struct file_lock_info *info, void *arg), void *arg)
{
	struct file_lock_info info;
	struct file_locks *l;
	struct lock_wait *w;

	lock_acquire(&guard);
	LIST_FOREACH (l, &all, all_link) {
		tree_each(l, &l->flocks, fn, arg);
		tree_each(l, &l->records, fn, arg);
	}
	LIST_FOREACH (w, &waits, link) {
		info_fill(&info, w->request, w->inode, true);
		fn(&info, arg);
	}
	lock_release(&guard);
}
