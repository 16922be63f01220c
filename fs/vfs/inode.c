/*
 * Inodes: reference counting, attributes and timestamps. The attributes are the
 * truth for file systems that live in memory, and a cache for the others
 * (ops->getattr refreshes it).
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include "base/census.h"
#include "fs/notify/inotify.h"
#include "fs/vfs/file_lock.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/super.h"
#include "fs/vfs/told_word.h"
#include "fs/vfs/vfs_internal.h"

static CENSUS(inode_census, "inode");

struct timespec inode_now(void)
{
	struct timespec ts;

	/* Through the vDSO. The coarse clock is what Linux stamps files with: no file's
	 * time may be later than a clock that the guest reads next. */
	clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	return ts;
}

void inode_init_attr(struct inode *i, struct super *sb, const struct inode_ops *ops, u64 ino,
                     const struct attr *a)
{
	enum lock_rank rank = S_ISDIR(a->mode) ? RANK_INODE_DIR : RANK_INODE_FILE;

	if (sb->flags & SB_LOWER)
		rank = RANK_INODE_LOWER;
	*i = (struct inode){.ops = ops, .sb = sb, .attr = *a};
	ref_init(&i->ref);
	super_inode_new(sb);
	if (ino == 0)
		ino = atomic_fetch_add_explicit(&sb->next_ino, 1, memory_order_relaxed);
	i->ino = ino;
	mutex_init(&i->mutex, rank);
	lock_init(&i->attr_lock, RANK_INODE_ATTR);
	census_add(&inode_census, 1);
}

void inode_init(struct inode *i, struct super *sb, const struct inode_ops *ops, u64 ino, u32 mode)
{
	struct attr a = {.mode = mode, .nlink = 1, .blksize = PAGE_SIZE, .btime = inode_now()};

	a.atime = a.mtime = a.ctime = a.btime;
	inode_init_attr(i, sb, ops, ino, &a);
}

struct inode *inode_get(struct inode *i)
{
	ref_get(&i->ref);
	return i;
}

/* attr_lock is held, or nobody else has i. */
static void untell_locked(struct inode *i)
{
	u32 mark = atomic_load_explicit(&i->told, memory_order_relaxed);

	if (__builtin_expect(mark == 0, 1))
		return;
	atomic_store_explicit(&i->told, 0, memory_order_relaxed);
	told_move_on(mark);
}

void inode_put(struct inode *i)
{
	struct super *sb;
	struct file_locks *locks;
	struct notify_marks *marks;

	if (!i)
		return;
	lock_assert_none();
	if (!ref_put(&i->ref))
		return;
	sb = i->sb;
	/* What shows the same object next will have another word. */
	untell_locked(i);
	locks = atomic_load_explicit(&i->locks, memory_order_acquire);
	if (locks)
		file_locks_free(locks);
	marks = atomic_load_explicit(&i->marks, memory_order_acquire);
	if (marks)
		notify_marks_free(marks);
	mutex_destroy(&i->mutex);
	census_add(&inode_census, -1);
	sb->ops->inode_free(i);
	super_inode_gone(sb);
}

void inode_attr(struct inode *i, struct attr *out)
{
	lock_guard(&i->attr_lock);
	*out = i->attr;
}

struct attr *inode_attr_change(struct inode *i)
{
	lock_acquire(&i->attr_lock);
	return &i->attr;
}

void inode_attr_changed(struct inode *i)
{
	untell_locked(i);
	lock_release(&i->attr_lock);
}

bool inode_attr_tell(struct inode *i, struct attr *out, struct told *told)
{
	u32 mode = inode_mode(i), mark;

	if (!told_anybody() || !(__atomic_load_n(&i->sb->flags, __ATOMIC_RELAXED) & SB_TELLS) ||
	    (!S_ISREG(mode) && !S_ISDIR(mode)))
		return false;
	mark = told_mark(i);
	lock_acquire(&i->attr_lock);
	atomic_store_explicit(&i->told, mark, memory_order_relaxed);
	*told = told_now(mark);
	*out = i->attr;
	lock_release(&i->attr_lock);
	return !i->ops->getattr || inode_getattr(i, out) == 0;
}

void inode_attr_shown(struct inode *i, const struct inode *view)
{
	if (told_anybody())
		atomic_store_explicit(&i->told, told_mark(view), memory_order_relaxed);
}

void inode_attr_for(struct inode *i, const struct inode *view, struct attr *out)
{
	u32 mark = atomic_load_explicit(&view->told, memory_order_relaxed);

	lock_guard(&i->attr_lock);
	if (mark)
		atomic_store_explicit(&i->told, mark, memory_order_relaxed);
	*out = i->attr;
}

static _Atomic u64 shrinks;

u64 inode_shrinks(void)
{
	return atomic_load(&shrinks);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_attr(const struct attr *a, const struct attr *b)
{
	return a->mode == b->mode && a->nlink == b->nlink && a->uid == b->uid && a->gid == b->gid &&
	       a->rdev == b->rdev && a->size == b->size && a->blocks == b->blocks &&
	       a->blksize == b->blksize && same_time(&a->atime, &b->atime) &&
	       same_time(&a->mtime, &b->mtime) && same_time(&a->ctime, &b->ctime) &&
	       same_time(&a->btime, &b->btime);
}

void inode_replace_attr_locked(struct inode *i, const struct attr *a)
{
	const size_t rest = offsetof(struct attr, mode) + sizeof(a->mode);

	if (same_attr(&i->attr, a))
		return;
	/* inode_mode() reads without the lock. */
	static_assert(offsetof(struct attr, mode) == 0, "the rest is copied as one piece");
	__atomic_store_n(&i->attr.mode, a->mode, __ATOMIC_RELAXED);
	if (a->size < i->attr.size)
		atomic_fetch_add(&shrinks, 1);
	memcpy((char *)&i->attr + rest, (const char *)a + rest, sizeof(*a) - rest);
	untell_locked(i);
}

void inode_set_nlink(struct inode *i, u32 nlink)
{
	inode_attr_change(i)->nlink = nlink;
	inode_attr_changed(i);
}

void inode_add_nlink(struct inode *i, s32 n)
{
	inode_attr_change(i)->nlink += (u32)n;
	inode_attr_changed(i);
}

u64 inode_size(struct inode *i)
{
	lock_guard(&i->attr_lock);
	return i->attr.size;
}

/* attr_lock held. */
static void set_size_locked(struct inode *i, u64 size)
{
	if (size < i->attr.size)
		atomic_fetch_add(&shrinks, 1);
	i->attr.size = size;
}

void inode_set_size(struct inode *i, u64 size)
{
	inode_attr_change(i);
	set_size_locked(i, size);
	inode_attr_changed(i);
}

void inode_touch(struct inode *i, int which)
{
	struct timespec now = inode_now();
	struct attr *a = inode_attr_change(i);

	if (which & TOUCH_ATIME)
		a->atime = now;
	if (which & TOUCH_MTIME)
		a->mtime = now;
	if (which & TOUCH_CTIME)
		a->ctime = now;
	inode_attr_changed(i);
}

void inode_store_attr(struct inode *i, const struct setattr *s)
{
	struct attr *a = inode_attr_change(i);

	/* inode_mode() reads without the lock. */
	if (s->valid & SET_MODE)
		__atomic_store_n(&a->mode, (a->mode & S_IFMT) | (s->mode & 07777),
		                 __ATOMIC_RELAXED);
	if (s->valid & SET_UID)
		a->uid = s->uid;
	if (s->valid & SET_GID)
		a->gid = s->gid;
	if (s->valid & SET_SIZE)
		set_size_locked(i, s->size);
	if (s->valid & SET_ATIME)
		a->atime = s->atime;
	if (s->valid & SET_MTIME)
		a->mtime = s->mtime;
	if (s->valid & SET_CTIME)
		a->ctime = s->ctime;
	inode_attr_changed(i);
}

int inode_getattr(struct inode *i, struct attr *out)
{
	int err = i->ops->getattr ? i->ops->getattr(i) : 0;

	if (err)
		return err;
	inode_attr(i, out);
	return 0;
}

int inode_deny_write(struct inode *i)
{
	s32 n = atomic_load_explicit(&i->writers, memory_order_relaxed);

	do {
		if (n > 0)
			return -ETXTBSY;
	} while (!atomic_compare_exchange_weak(&i->writers, &n, n - 1));
	return 0;
}

void inode_allow_write(struct inode *i)
{
	BUG_ON(atomic_fetch_add(&i->writers, 1) >= 0);
}

int inode_get_write(struct inode *i)
{
	s32 n = atomic_load_explicit(&i->writers, memory_order_relaxed);

	do {
		if (n < 0)
			return -ETXTBSY;
	} while (!atomic_compare_exchange_weak(&i->writers, &n, n + 1));
	return 0;
}

void inode_put_write(struct inode *i)
{
	BUG_ON(atomic_fetch_sub(&i->writers, 1) <= 0);
}
