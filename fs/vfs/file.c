/*
 * Open files: their life, waiting, positions and directory reading. The loops
 * of read and write are in file_io.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include "base/caller.h"
#include "base/census.h"
#include "base/fiber.h"
#include "fs/epoll/epoll.h"
#include "fs/notify/inotify.h"
#include "fs/vfs/file_lock.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/super.h"
#include "fs/vfs/told_word.h"
#include "fs/vfs/vfs_internal.h"

static CENSUS(file_census, "file");

/* Open files that count, and how many there may be. */
static _Atomic u64 open_files, open_files_max = ~0ULL;

void file_limit_set(u64 max)
{
	open_files_max = max;
}

u64 file_limit(void)
{
	return open_files_max;
}

u64 file_count(void)
{
	return open_files;
}

static bool count_one(void)
{
	if (atomic_fetch_add_explicit(&open_files, 1, memory_order_relaxed) < open_files_max)
		return true;
	atomic_fetch_sub_explicit(&open_files, 1, memory_order_relaxed);
	return false;
}

/* What O_PATH files have: every operation is absent, and -EBADF comes before. */
static const struct file_ops no_ops;

int file_create_uncounted(struct path path, struct inode *inode, u32 flags, struct file **out)
{
	struct file *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	ref_init(&f->ref);
	f->ops = &no_ops;
	f->inode = inode_get(inode);
	f->path = path_get(path);
	/* What only open(2) itself needs is not shown by F_GETFL. */
	atomic_init(&f->flags, flags & ~(u32)(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC));
	mutex_init(&f->pos_mutex, RANK_FILE_POS);
	f->cred = cred_get(caller_cred());
	census_add(&file_census, 1);
	*out = f;
	return 0;
}

int file_create(struct path path, struct inode *inode, u32 flags, struct file **out)
{
	int err;

	if (!count_one())
		return -ENFILE;
	err = file_create_uncounted(path, inode, flags, out);
	if (err)
		atomic_fetch_sub_explicit(&open_files, 1, memory_order_relaxed);
	else
		(*out)->counted = true;
	return err;
}

struct file *file_get(struct file *f)
{
	ref_get(&f->ref);
	return f;
}

int file_get_write(struct file *f)
{
	struct mount *m = f->path.mnt;
	int err = inode_get_write(f->inode);

	if (err)
		return err;
	/* Devices, FIFOs and sockets can be written on a read-only mount: the file system
	 * does not change. */
	if (m && inode_is_reg(f->inode)) {
		err = vfs_want_write(f->path);
		if (err) {
			inode_put_write(f->inode);
			return err;
		}
	}
	if (m)
		atomic_fetch_add(&m->writers, 1);
	atomic_fetch_add(&f->inode->sb->writers, 1);
	f->writing = true;
	return 0;
}

void file_put_write(struct file *f)
{
	if (!f->writing)
		return;
	f->writing = false;
	atomic_fetch_sub(&f->inode->sb->writers, 1);
	if (f->path.mnt)
		atomic_fetch_sub(&f->path.mnt->writers, 1);
	inode_put_write(f->inode);
}

u32 file_tell_flags(struct file *f, struct told *told)
{
	u32 mark = told_mark(f);

	atomic_store(&f->told, mark);
	*told = told_now(mark);
	return file_status_flags(f);
}

void file_set_flags(struct file *f, u32 flags)
{
	u32 mark;

	atomic_store(&f->flags, flags);
	mark = atomic_load(&f->told);
	if (mark)
		told_move_on(mark);
}

void file_unopen(struct file *f)
{
	f->ops = &no_ops;
}

void file_put(struct file *f)
{
	if (!f || !ref_put(&f->ref))
		return;
	if (atomic_load_explicit(&f->epoll, memory_order_acquire))
		epoll_file_gone(f);
	struct file_owner *owner = atomic_load_explicit(&f->owner, memory_order_acquire);
	if (owner)
		owner->file_gone(owner);
	if (f->ops != &no_ops) {
		if (f->path.dentry)
			notify_event(f->inode, f->path.dentry,
			             file_writable(f) ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
		file_locks_release_file(f);
		if (f->ops->release)
			f->ops->release(f);
	}
	file_put_write(f);
	mutex_destroy(&f->pos_mutex);
	inode_put(f->inode);
	path_put(f->path);
	cred_put(f->cred);
	if (f->counted)
		atomic_fetch_sub_explicit(&open_files, 1, memory_order_relaxed);
	free(f);
	census_add(&file_census, -1);
}

u32 file_ready(struct file *f)
{
	return f->ops->ready ? f->ops->ready(f) : EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM;
}

int file_wait(struct file *f, u32 events, u64 deadline)
{
	struct waitq *q = f->ops->waitq ? f->ops->waitq(f) : NULL;
	struct wait_fiber w;
	int err = 0;

	events |= EPOLLERR | EPOLLHUP;
	wait_fiber_init(&w);
	if (q)
		waitq_add(q, &w.waiter, events);
	/* Registered first, looked second: a change in between unparks. */
	while (!(file_ready(f) & events) && err == 0)
		err = fiber_sleep(deadline);
	if (q)
		waitq_remove(q, &w.waiter);
	return err == -EINTR ? -ERESTARTSYS : err;
}

s64 file_seek(struct file *f, s64 off, int whence)
{
	s64 pos;

	if (atomic_load(&f->flags) & O_PATH)
		return -EBADF;
	/* Anonymous files of no type (eventfd, epoll, inotify) stay at 0:
	 * fs/read_write.c:noop_llseek. */
	if (!f->ops->seek)
		return (inode_mode(f->inode) & S_IFMT) ? -ESPIPE : 0;
	mutex_acquire(&f->pos_mutex);
	pos = f->ops->seek(f, off, whence);
	if (pos >= 0)
		f->pos = (u64)pos;
	mutex_release(&f->pos_mutex);
	return pos;
}

s64 file_seek_generic(struct file *f, s64 off, int whence, u64 size)
{
	s64 base, pos;

	switch (whence) {
	case SEEK_SET:
		base = 0;
		break;
	case SEEK_CUR:
		base = (s64)f->pos;
		break;
	case SEEK_END:
		base = (s64)size;
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		/* One extent of data, and the hole that every file has at its end. */
		if (off < 0 || (u64)off >= size)
			return -ENXIO;
		return whence == SEEK_DATA ? off : (s64)size;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, off, &pos) || pos < 0)
		return -EINVAL;
	return pos;
}

int file_readdir(struct file *f, struct dir_sink *sink)
{
	int err;

	if (atomic_load(&f->flags) & O_PATH)
		return -EBADF;
	if (!inode_is_dir(f->inode) || !f->ops->readdir)
		return -ENOTDIR;
	mutex_acquire(&f->pos_mutex);
	/* fs/readdir.c:iterate_dir: nothing is to be read in a removed directory. */
	err = atomic_load(&f->inode->dead) ? -ENOENT : f->ops->readdir(f, sink);
	mutex_release(&f->pos_mutex);
	if (err == 0) {
		file_accessed(f);
		notify_event(f->inode, f->path.dentry, IN_ACCESS);
	}
	return err;
}

/* fs/inode.c:relatime_need_update: at most once a day, unless the file has changed since. */
static bool relatime_due(const struct attr *a, const struct timespec *now)
{
	const struct timespec *t[] = {&a->mtime, &a->ctime};

	for (int i = 0; i < 2; i++) {
		if (a->atime.tv_sec < t[i]->tv_sec ||
		    (a->atime.tv_sec == t[i]->tv_sec && a->atime.tv_nsec <= t[i]->tv_nsec))
			return true;
	}
	return now->tv_sec - a->atime.tv_sec >= 24 * 60 * 60;
}

void path_accessed(struct path p, struct inode *i)
{
	u64 flags = mount_flags(p.mnt) | __atomic_load_n(&i->sb->flags, __ATOMIC_RELAXED);
	struct timespec now;
	struct attr a;

	/* A file system whose truth is elsewhere has its times there, too. */
	if ((flags & (MS_NOATIME | MS_RDONLY)) || i->ops->getattr)
		return;
	if ((flags & MS_NODIRATIME) && inode_is_dir(i))
		return;
	if (flags & MS_RELATIME) {
		now = inode_now();
		inode_attr(i, &a);
		if (!relatime_due(&a, &now))
			return;
	}
	inode_touch(i, TOUCH_ATIME);
}

void file_accessed(struct file *f)
{
	/* Pipes, sockets and devices keep their own times. */
	if (!f->path.mnt || (atomic_load_explicit(&f->flags, memory_order_relaxed) & O_NOATIME))
		return;
	path_accessed(f->path, f->inode);
}
