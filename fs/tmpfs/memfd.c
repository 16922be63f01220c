/*
 * File data in a host memfd, for files that a guest has mapped; memfd_create(2)
 * and seals. The memfd has the file's size to the byte, so that a guest's access
 * behind the end faults exactly where it would natively.
 *
 * The sentry must not touch a page of a hole through its view: that would make
 * the host allocate it. So it asks the host (SEEK_DATA) before it touches a page
 * for the first time, and remembers in `pages` which ones are there.
 *
 * What the host has to make or free in large numbers it does on a thread of the blocking pool.
 * Host calls: memfd_create, openat, ftruncate, fallocate, lseek, fstat, mmap, munmap.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/blocking.h"
#include "base/caller.h"
#include "base/host.h"
#include "fs/tmpfs/page_pool.h"
#include "fs/tmpfs/tmpfs_internal.h"

#define VIEW_MIN (64UL << 10)

static u64 page_count(u64 size)
{
	return (size + PAGE_SIZE - 1) / PAGE_SIZE;
}

/* Maps the memfd anew if the view does not reach `size`; doubling keeps that rare. */
static int view_extend(struct tmpfs_data *d, u64 size)
{
	u64 want = max_of(d->view_size, VIEW_MIN);
	char *view;
	int err;

	if (size <= d->view_size)
		return 0;
	while (want < size)
		want *= 2;
	view = host_map(d->memfd, 0, want, true, &err);
	if (!view && want > PAGE_ALIGN(size)) {
		want = PAGE_ALIGN(size);
		view = host_map(d->memfd, 0, want, true, &err);
	}
	if (!view)
		return -ENOMEM;
	if (d->view)
		host_unmap(d->view, d->view_size);
	d->view = view;
	d->view_size = want;
	return 0;
}

/* As many the host makes or frees in a millisecond or two. */
#define MANY_PAGES 2048u

struct memfd_job {
	int fd, mode;
	u64 off, len;
};

static s64 truncate_job(void *arg)
{
	const struct memfd_job *j = arg;

	return host_ftruncate(j->fd, j->len);
}

static s64 fallocate_job(void *arg)
{
	const struct memfd_job *j = arg;

	return host_fallocate(j->fd, j->mode, j->off, j->len);
}

static s64 close_job(void *arg)
{
	host_close(((const struct memfd_job *)arg)->fd);
	return 0;
}

static int run_job(s64 (*fn)(void *arg), struct memfd_job *job, bool many)
{
	return (int)(many ? blocking_call(fn, job) : fn(job));
}

static bool has_many(struct tmpfs_node *n)
{
	memfd_recount(n);
	return n->data.charged > MANY_PAGES;
}

int memfd_resize(struct tmpfs_node *n, u64 size)
{
	struct memfd_job job = {.fd = n->data.memfd, .len = size};
	int err = view_extend(&n->data, size);

	if (err)
		return err;
	return run_job(truncate_job, &job, size < inode_size(&n->inode) && has_many(n));
}

void memfd_close(struct tmpfs_node *n)
{
	struct memfd_job job = {.fd = n->data.memfd};
	bool many = has_many(n);

	if (n->data.view)
		host_unmap(n->data.view, n->data.view_size);
	if (n->data.reader >= 0)
		host_close(n->data.reader);
	/* The last of it: the host frees all that no stub has mapped still. */
	run_job(close_job, &job, many);
}

bool memfd_page_exists(struct tmpfs_node *n, u64 index, u64 *hole_end)
{
	s64 at = (s64)(index * PAGE_SIZE), data = host_lseek(n->data.memfd, at, SEEK_DATA);

	if (data != at) {
		/* -ENXIO: no data behind here at all. */
		*hole_end = data < 0 ? ~0ULL : (u64)data;
		return false;
	}
	/* A guest made it; the charge follows. Without memory to remember it by, the host is
	 * asked again next time. */
	if (page_map_set(&n->data.pages, index, PAGE_KNOWN) == 0)
		memfd_recount(n);
	return true;
}

void memfd_recount(struct tmpfs_node *n)
{
	struct stat st;
	s64 extra;

	if (n->data.memfd < 0 || host_fstat(n->data.memfd, &st) != 0)
		return;
	extra = (s64)((u64)st.st_blocks / (PAGE_SIZE / 512)) - (s64)n->data.charged;
	if (extra > 0)
		tmpfs_charge_force(fs_of(&n->inode), (u64)extra);
	if (extra)
		data_account(n, extra);
}

/* A guest can make more of a descriptor than it was sent it for: so it gets no more than it may
 * have. */
int memfd_for_mapping(struct tmpfs_node *n, bool writes)
{
	struct tmpfs_data *d = &n->data;

	if (writes)
		return d->memfd;
	if (d->reader < 0)
		d->reader = host_reopen_readonly(d->memfd);
	if (d->reader == -EMFILE)
		return -ENFILE;
	return d->reader;
}

int data_to_memfd(struct tmpfs_node *n)
{
	struct tmpfs_data *d = &n->data;
	u64 size = inode_size(&n->inode);
	u64 i;
	int err;

	if (d->memfd >= 0)
		return 0;
	d->memfd = host_memfd("tmpfs", MFD_CLOEXEC);
	if (d->memfd < 0) {
		err = d->memfd == -EMFILE || d->memfd == -ENFILE ? -ENFILE : -ENOMEM;
		d->memfd = -1;
		return err;
	}
	err = memfd_resize(n, size);
	if (err) {
		host_close(d->memfd);
		d->memfd = -1;
		return err;
	}
	/* Pages that were allocated behind the end (KEEP_SIZE) have no place in the view: they
	 * hold nothing, and are given up. */
	for (i = page_map_next(&d->pages, 0); i != PAGE_MAP_END;
	     i = page_map_next(&d->pages, i + 1)) {
		char *page = (char *)((uintptr_t)page_map_get(&d->pages, i) & PAGE_MASK);

		if (i < page_count(size)) {
			memcpy(d->view + i * PAGE_SIZE, page, PAGE_SIZE);
			/* An entry that exists is replaced without memory. */
			err = page_map_set(&d->pages, i, PAGE_KNOWN);
			BUG_ON(err);
		} else {
			page_map_remove(&d->pages, i);
			data_account(n, -1);
		}
		page_free(page);
	}
	return 0;
}

/*
 * What an allocation that failed had made by then is given up: all that nobody has written to. One
 * that can write through a mapping could do so between the look and the deed, and lose that: then
 * it stays as long as the file.
 */
static void undo_allocate(struct tmpfs_node *n, u64 from, u64 to)
{
	s64 hole, data;

	if (atomic_load(&n->data.writable_maps))
		return;
	for (u64 at = from; at < to; at = (u64)data) {
		struct memfd_job job = {.fd = n->data.memfd,
		                        .mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE};
		int err;

		hole = host_lseek(n->data.memfd, (s64)at, SEEK_HOLE);
		/* Behind the end there is nothing but what was allocated. */
		job.off = hole < 0 ? at : (u64)hole;
		data = job.off < to ? host_lseek(n->data.memfd, (s64)job.off, SEEK_DATA) : (s64)to;
		if (data < 0 || (u64)data > to)
			data = (s64)to;
		job.len = (u64)data - min_of(job.off, (u64)data);
		err = job.len ? run_job(fallocate_job, &job, job.len > MANY_PAGES * PAGE_SIZE) : 0;
		(void)err; /* it stays, then */
	}
}

/* Charges what the host has made, which *reserved pages were charged for before. */
static void charge_made(struct tmpfs_node *n, u64 *reserved)
{
	u64 before = n->data.charged, made;

	memfd_recount(n);
	made = n->data.charged - before;
	made = n->data.charged > before ? min_of(made, *reserved) : 0;
	tmpfs_uncharge(fs_of(&n->inode), made);
	*reserved -= made;
}

/*
 * In steps, so that a caller that is killed is gone soon. The file grows with the last one: none
 * that maps it sees it as half as long as it is to be.
 */
static int allocate_in_steps(struct tmpfs_node *n, u64 off, u64 len, bool keep_size, u64 *reserved)
{
	const u64 step = MANY_PAGES * PAGE_SIZE;
	u64 end = off + len, at = off;
	int err = 0;

	while (at < end && !err) {
		struct memfd_job job = {
		    .fd = n->data.memfd, .off = at, .len = min_of(end - at, step - at % step)};
		bool last = at + job.len == end;

		job.mode = keep_size || !last ? FALLOC_FL_KEEP_SIZE : 0;
		err = run_job(fallocate_job, &job, len > step);
		if (err)
			/* Of this step the host has undone what it did. */
			break;
		at += job.len;
		charge_made(n, reserved);
		if (!last)
			err = caller_breathe();
	}
	if (err)
		undo_allocate(n, off & PAGE_MASK, at);
	return err;
}

int memfd_allocate(struct tmpfs_node *n, u64 off, u64 len, bool keep_size)
{
	struct tmpfs_super *fs = fs_of(&n->inode);
	u64 first = off / PAGE_SIZE, end = page_count(off + len), pages = end - first;
	int err;

	for (u64 i = page_map_next(&n->data.pages, first); i < end;
	     i = page_map_next(&n->data.pages, i + 1))
		pages--;
	err = tmpfs_charge(fs, pages);
	if (err)
		return err;
	err = view_extend(&n->data, keep_size ? 0 : off + len);
	if (!err)
		err = allocate_in_steps(n, off, len, keep_size, &pages);
	tmpfs_uncharge(fs, pages);
	memfd_recount(n);
	return err;
}

void memfd_punch(struct tmpfs_node *n, u64 off, u64 len)
{
	struct memfd_job job = {.fd = n->data.memfd,
	                        .mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	                        .off = off,
	                        .len = len};
	int err = run_job(fallocate_job, &job, has_many(n));

	(void)err;
	memfd_recount(n);
}

/* A file without a name in the internal super block. */
static int create_unnamed(const char *prefix, const char *name, u32 mode, struct file **out)
{
	struct create c = {
	    .mode = S_IFREG | mode, .uid = caller_cred()->fsuid, .gid = caller_cred()->fsgid};
	char label[NAME_LEN_MAX + 1];
	size_t len = strlen(prefix), rest = strlen(name);
	struct path path = {NULL, NULL};
	struct inode *i;
	int err;

	if (len + rest > NAME_LEN_MAX)
		return -EINVAL;
	memcpy(label, prefix, len);
	memcpy(label + len, name, rest);
	err = node_create(tmpfs_internal_super(), &c, 0, &i);
	if (err)
		return err;
	inode_set_nlink(i, 0);
	path.dentry = dentry_create_unhashed(NULL, label, len + rest, i);
	/* O_LARGEFILE, as F_GETFL shows it. */
	err = path.dentry ? file_create(path, i, O_RDWR | 0100000, out) : -ENOMEM;
	if (!err)
		(*out)->ops = &tmpfs_file_ops;
	dentry_put(path.dentry);
	inode_put(i);
	return err;
}

int tmpfs_memfd_create(const char *name, u32 flags, struct file **out)
{
	bool noexec = flags & MFD_NOEXEC_SEAL;
	int err;

	if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC))
		return -EINVAL;
	if (noexec && (flags & MFD_EXEC))
		return -EINVAL;
	err = create_unnamed("memfd:", name, noexec ? 0666 : 0777, out);
	if (err)
		return err;
	/* mm/memfd.c: MFD_NOEXEC_SEAL implies MFD_ALLOW_SEALING. */
	if (noexec)
		node_of((*out)->inode)->data.seals = F_SEAL_EXEC;
	else if (flags & MFD_ALLOW_SEALING)
		node_of((*out)->inode)->data.seals = 0;
	return 0;
}

int tmpfs_shm_create(const char *name, u64 size, u32 mode, struct file **out)
{
	struct tmpfs_node *n;
	int err = create_unnamed("", name, mode & 0777, out);

	if (err)
		return err;
	n = node_of((*out)->inode);
	mutex_acquire(&n->inode.mutex);
	err = data_set_size(n, size);
	mutex_release(&n->inode.mutex);
	if (err)
		file_put(*out);
	return err;
}

int tmpfs_seals_get(struct file *f)
{
	int seals;

	if (f->ops != &tmpfs_file_ops)
		return -EINVAL;
	mutex_acquire(&f->inode->mutex);
	seals = (int)node_of(f->inode)->data.seals;
	mutex_release(&f->inode->mutex);
	return seals;
}

int tmpfs_seals_add(struct file *f, u32 seals)
{
	struct tmpfs_data *d;

	if (f->ops != &tmpfs_file_ops)
		return -EINVAL;
	if (!file_writable(f))
		return -EPERM;
	if (seals & ~(u32)(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE |
	                   F_SEAL_FUTURE_WRITE | F_SEAL_EXEC))
		return -EINVAL;
	d = &node_of(f->inode)->data;
	mutex_guard(&f->inode->mutex);
	if (d->seals & F_SEAL_SEAL)
		return -EPERM;
	if ((seals & F_SEAL_WRITE) && !(d->seals & F_SEAL_WRITE) && d->writable_maps)
		return -EBUSY;
	/* mm/memfd.c: what is executable and sealed so shall not change either. */
	if ((seals & F_SEAL_EXEC) && (inode_mode(f->inode) & 0111))
		seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
	d->seals |= seals;
	return 0;
}
