/*
 * read(2), write(2) and their kin: rights, positions, limits, and the loop
 * that waits when an operation says -EAGAIN.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include "base/caller.h"
#include "base/fiber.h"
#include "base/timer.h"
#include "fs/notify/inotify.h"
#include "fs/vfs/vfs_internal.h"

#define RWF_KNOWN (RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND)

/* With a position of its own, which one call at a time uses and moves. */
static bool positioned(const struct file *f)
{
	return f->ops->seek;
}

static u64 io_deadline(struct file *f, bool write)
{
	u64 ns = f->ops->io_timeout ? f->ops->io_timeout(f, write) : NO_DEADLINE;

	return ns == NO_DEADLINE ? NO_DEADLINE : time_monotonic() + ns;
}

/*
 * Called after -EAGAIN: 0 to try again. One deadline holds for the whole call;
 * it is worked out at the first wait, as most calls need none.
 */
static int io_wait(struct file *f, u32 events, u64 *deadline)
{
	int err;

	if (*deadline == 0)
		*deadline = io_deadline(f, events & EPOLLOUT);
	/* Ready and yet -EAGAIN: another fiber was faster. It may still not keep this one
	 * from its signals. */
	if (fiber_self() && fiber_interrupted(fiber_self()))
		return -ERESTARTSYS;
	err = file_wait(f, events, *deadline);
	return err == -ETIMEDOUT ? -EAGAIN : err;
}

static ssize_t read_loop(struct file *f, struct uio *dst, u64 *pos, bool nonblock)
{
	u64 deadline = 0;
	ssize_t n;
	int err;

	for (;;) {
		n = f->ops->read(f, dst, pos);
		if (n != -EAGAIN)
			return n;
		/* Asked for nothing: nothing to wait for. */
		if (dst->resid == 0)
			return 0;
		if (nonblock || !f->ops->waitq)
			return -EAGAIN;
		err = io_wait(f, EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLPRI, &deadline);
		if (err)
			return err;
	}
}

/*
 * A write to these goes on until all is written, as write(2) on Linux does.
 * Others (eventfd, timerfd...) take one message of their own size.
 */
static bool writes_all(struct file *f)
{
	u32 mode = inode_mode(f->inode);

	return S_ISREG(mode) || S_ISFIFO(mode) || S_ISSOCK(mode) || S_ISCHR(mode) || S_ISBLK(mode);
}

static ssize_t write_loop(struct file *f, struct uio *src, u64 *pos, bool nonblock)
{
	u64 at = *pos, deadline = 0;
	ssize_t n, total = 0;
	int err;

	for (;;) {
		/* An appending write starts at the end each time. */
		u64 p = at;

		n = f->ops->write(f, src, &p);
		if (n >= 0) {
			total += n;
			*pos = p;
			if (at != FILE_POS_APPEND)
				at = p;
			if (n == 0 || src->resid == 0 || src->faulted || !writes_all(f))
				return total;
			continue;
		}
		if (n == -EAGAIN && src->resid == 0)
			return total;
		if (n != -EAGAIN || nonblock || !f->ops->waitq)
			break;
		err = io_wait(f, EPOLLOUT | EPOLLWRNORM, &deadline);
		if (err) {
			n = err;
			break;
		}
	}
	/* What has been written counts; the error will come again. */
	return total ? total : n;
}

static void over_limit(void)
{
	struct caller *c = caller();

	if (c->raise)
		c->raise(c, SIGXFSZ);
}

int file_size_check(u64 size)
{
	if (size > FILE_SIZE_MAX)
		return -EFBIG;
	if (size > caller()->fsize_limit) {
		over_limit();
		return -EFBIG;
	}
	return 0;
}

/*
 * How many of n bytes may be written at pos: up to RLIMIT_FSIZE and the
 * largest file. -EFBIG if none (mm/filemap.c:generic_write_checks).
 */
static ssize_t write_allowance(struct file *f, u64 pos, size_t n)
{
	u64 limit = caller()->fsize_limit;

	if (!inode_is_reg(f->inode) || n == 0)
		return (ssize_t)n;
	if (pos == FILE_POS_APPEND)
		pos = inode_size(f->inode);
	if (pos >= limit) {
		over_limit();
		return -EFBIG;
	}
	limit = min_of(limit, FILE_SIZE_MAX);
	if (pos >= limit)
		return -EFBIG;
	return (ssize_t)min_of(n, limit - pos);
}

static ssize_t write_checked(struct file *f, struct uio *src, u64 *pos, bool nonblock)
{
	ssize_t n = write_allowance(f, *pos, src->resid);
	size_t held_back;
	int err;

	if (n < 0)
		return n;
	err = inode_remove_privs(f->inode);
	if (err)
		return err;
	/* The bytes beyond the limit stay behind: the copy functions honour resid. */
	held_back = src->resid - (size_t)n;
	src->resid -= held_back;
	n = write_loop(f, src, pos, nonblock);
	src->resid += held_back;
	if (n > 0)
		notify_event(f->inode, f->path.dentry, IN_MODIFY);
	return n;
}

static int check_read(struct file *f)
{
	if (!file_readable(f))
		return -EBADF;
	if (inode_is_dir(f->inode))
		return -EISDIR;
	return f->ops->read ? 0 : -EINVAL;
}

static int check_write(struct file *f)
{
	if (!file_writable(f))
		return -EBADF;
	return f->ops->write ? 0 : -EINVAL;
}

static ssize_t read_done(struct file *f, ssize_t n)
{
	if (n > 0) {
		file_accessed(f);
		notify_event(f->inode, f->path.dentry, IN_ACCESS);
	} else if (n == 0 && positioned(f)) {
		file_accessed(f);
	}
	return n;
}

ssize_t file_read(struct file *f, struct uio *dst)
{
	u64 pos = 0;
	ssize_t n = check_read(f);

	if (n)
		return n;
	if (!positioned(f))
		return read_done(f, read_loop(f, dst, &pos, file_nonblock(f)));
	mutex_acquire(&f->pos_mutex);
	pos = f->pos;
	n = read_loop(f, dst, &pos, file_nonblock(f));
	if (n > 0)
		f->pos = pos;
	mutex_release(&f->pos_mutex);
	return read_done(f, n);
}

/* O_DSYNC and O_SYNC, and the RWF_ flags of one write. */
static ssize_t write_sync(struct file *f, ssize_t n, int rwf_flags)
{
	u32 fl = atomic_load_explicit(&f->flags, memory_order_relaxed);
	bool full = (fl & O_SYNC) == O_SYNC || (rwf_flags & RWF_SYNC);
	int err;

	if (n <= 0 || (!full && !(fl & O_DSYNC) && !(rwf_flags & RWF_DSYNC)) || !f->ops->fsync)
		return n;
	err = f->ops->fsync(f, !full);
	return err ? err : n;
}

static ssize_t write_at_own_pos(struct file *f, struct uio *src, bool append, bool nonblock)
{
	u64 pos = 0;
	ssize_t n;

	if (!positioned(f))
		return write_checked(f, src, &pos, nonblock);
	mutex_acquire(&f->pos_mutex);
	pos = append ? FILE_POS_APPEND : f->pos;
	n = write_checked(f, src, &pos, nonblock);
	if (n > 0)
		f->pos = pos;
	mutex_release(&f->pos_mutex);
	return n;
}

static bool appends(struct file *f)
{
	return atomic_load_explicit(&f->flags, memory_order_relaxed) & O_APPEND;
}

ssize_t file_write(struct file *f, struct uio *src)
{
	ssize_t n = check_write(f);

	if (n)
		return n;
	return write_sync(f, write_at_own_pos(f, src, appends(f), file_nonblock(f)), 0);
}

/* A stream has no positions to name, except for 'the current one' of preadv2(2). */
static int check_pos(struct file *f, u64 pos, int rwf_flags)
{
	if (rwf_flags & ~RWF_KNOWN)
		return -EOPNOTSUPP;
	if (pos == FILE_POS_CURRENT)
		return 0;
	if (pos > FILE_SIZE_MAX)
		return -EINVAL;
	return positioned(f) ? 0 : -ESPIPE;
}

ssize_t file_pread(struct file *f, struct uio *dst, u64 pos, int rwf_flags)
{
	bool nonblock = file_nonblock(f) || (rwf_flags & RWF_NOWAIT);
	ssize_t n;

	if (atomic_load(&f->flags) & O_PATH)
		return -EBADF;
	n = check_pos(f, pos, rwf_flags);
	if (n == 0)
		n = check_read(f);
	if (n)
		return n;
	if (pos != FILE_POS_CURRENT)
		return read_done(f, read_loop(f, dst, &pos, nonblock));
	if (positioned(f))
		mutex_acquire(&f->pos_mutex);
	pos = positioned(f) ? f->pos : 0;
	n = read_loop(f, dst, &pos, nonblock);
	if (positioned(f)) {
		if (n > 0)
			f->pos = pos;
		mutex_release(&f->pos_mutex);
	}
	return read_done(f, n);
}

ssize_t file_pwrite(struct file *f, struct uio *src, u64 pos, int rwf_flags)
{
	bool nonblock = file_nonblock(f) || (rwf_flags & RWF_NOWAIT);
	/* pwrite(2), BUGS: with O_APPEND Linux appends, whatever the offset. */
	bool append = appends(f) || (rwf_flags & RWF_APPEND);
	ssize_t n;

	if (atomic_load(&f->flags) & O_PATH)
		return -EBADF;
	n = check_pos(f, pos, rwf_flags);
	if (n == 0)
		n = check_write(f);
	if (n)
		return n;
	if (pos == FILE_POS_CURRENT) {
		n = write_at_own_pos(f, src, append, nonblock);
	} else {
		if (append)
			pos = FILE_POS_APPEND;
		n = write_checked(f, src, &pos, nonblock);
	}
	return write_sync(f, n, rwf_flags);
}

ssize_t file_read_kernel(struct file *f, void *buf, size_t n, u64 pos)
{
	struct uio u;
	ssize_t total = 0, got = 0;

	if (!f->ops->read)
		return inode_is_dir(f->inode) ? -EISDIR : -EINVAL;
	uio_init_kernel(&u, buf, n);
	while ((size_t)total < n) {
		got = read_loop(f, &u, &pos, false);
		if (got <= 0)
			break;
		total += got;
	}
	uio_destroy(&u);
	return total ? total : got;
}

int file_fallocate(struct file *f, int mode, u64 off, u64 len)
{
	u64 end;
	int err;

	/* fs/open.c:vfs_fallocate, in its order. */
	if (off > FILE_SIZE_MAX || len > FILE_SIZE_MAX || len == 0)
		return -EINVAL;
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE |
	             FALLOC_FL_ZERO_RANGE | FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE))
		return -EOPNOTSUPP;
	if ((mode & FALLOC_FL_PUNCH_HOLE) && mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if ((mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) &&
	    mode != FALLOC_FL_COLLAPSE_RANGE && mode != FALLOC_FL_INSERT_RANGE)
		return -EOPNOTSUPP;
	if (!file_writable(f))
		return -EBADF;
	if (S_ISFIFO(inode_mode(f->inode)))
		return -ESPIPE;
	if (inode_is_dir(f->inode))
		return -EISDIR;
	if (!inode_is_reg(f->inode) && !S_ISBLK(inode_mode(f->inode)))
		return -ENODEV;
	if (__builtin_add_overflow(off, len, &end) || end > FILE_SIZE_MAX)
		return -EFBIG;
	if (!f->ops->fallocate)
		return -EOPNOTSUPP;
	if (!(mode & FALLOC_FL_KEEP_SIZE) && end > inode_size(f->inode)) {
		err = file_size_check(end);
		if (err)
			return err;
	}
	err = inode_remove_privs(f->inode);
	if (!err)
		err = f->ops->fallocate(f, mode, off, len);
	if (!err)
		notify_event(f->inode, f->path.dentry, IN_MODIFY);
	return err;
}
