/*
 * Open regular files: writing, mappings, opening and the end. How they are read: file_read.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/blocking.h"
#include "base/host.h"
#include "fs/hostfs/hostfs_internal.h"
#include "fs/vfs/namei.h"

#define BOUNCE (64UL << 10)

enum { PIN_READ = 1, PIN_WRITE = 2 };

struct io_job {
	int fd;
	u64 pos, len;
	int mode;
};

/* --- writing ------------------------------------------------------------------------ */

/* The guest sees its own write at once; block counts and exact times come from the host. */
static void written(struct hostfs_inode *h, u64 end)
{
	struct attr *a = inode_attr_change(&h->inode);

	a->size = max_of(a->size, end);
	inode_attr_changed(&h->inode);
	hostfs_mark(h, HOSTFS_STALE);
}

/* The host finds the end of the file, in one step with the write. */
static ssize_t append_chunk(struct hostfs_inode *h, int fd, const void *buf, size_t n, u64 *end)
{
	struct statx stx;
	ssize_t put;

	mutex_guard(&h->inode.mutex);
	put = host_pwritev2(fd, buf, n, 0, RWF_APPEND);
	if (put > 0 && host_statx(fd, "", STATX_SIZE, &stx) == 0)
		*end = stx.stx_size;
	return put;
}

static ssize_t hostfs_write(struct file *f, struct uio *src, u64 *pos)
{
	struct hostfs_inode *h = to_hostfs(f->inode);
	bool append = *pos == FILE_POS_APPEND;
	struct fd_slot *slot;
	size_t done = 0, room = min_of(src->resid, BOUNCE);
	ssize_t n = 0, put;
	char *buf;
	u64 end = 0;
	int fd = hostfs_write_fd(h, &slot, false);

	if (fd < 0)
		return fd;
	buf = malloc(max_of(room, 1UL));
	if (!buf) {
		fd_slot_put(slot);
		return -ENOMEM;
	}
	while (src->resid) {
		n = uio_read(src, buf, min_of(src->resid, room));
		if (n <= 0)
			break;
		if (append) {
			put = append_chunk(h, fd, buf, (size_t)n, &end);
		} else {
			put = host_pwrite(fd, buf, (size_t)n, *pos + done);
			end = *pos + done + (u64)max_of(put, 0);
		}
		if (put < n)
			uio_revert(src, (size_t)(n - max_of(put, 0)));
		if (put <= 0) {
			n = put;
			break;
		}
		done += (size_t)put;
		if (put < n || src->faulted)
			break;
	}
	free(buf);
	fd_slot_put(slot);
	if (!done)
		return n;
	*pos = end;
	written(h, end);
	return (ssize_t)done;
}

/* --- the rest of an open file's life -------------------------------------------------- */

static s64 hostfs_seek(struct file *f, s64 off, int whence)
{
	struct hostfs_inode *h = to_hostfs(f->inode);
	struct fd_slot *slot;
	struct attr a;
	int err;
	s64 at;

	if (whence == SEEK_DATA || whence == SEEK_HOLE) {
		int fd = hostfs_read_fd(h, &slot, false);

		if (fd < 0)
			return fd;
		/* The host's own position is used by nobody: data moves by pread and pwrite. */
		at = host_lseek(fd, off, whence);
		fd_slot_put(slot);
		return at;
	}
	err = whence == SEEK_END ? hostfs_getattr(f->inode) : 0;
	if (err)
		return err;
	inode_attr(f->inode, &a);
	return file_seek_generic(f, off, whence, a.size);
}

static s64 sync_job(void *arg)
{
	struct io_job *j = arg;

	return host_fsync(j->fd, j->mode);
}

static s64 fallocate_job(void *arg)
{
	struct io_job *j = arg;

	return host_fallocate(j->fd, j->mode, j->pos, j->len);
}

static int hostfs_fsync(struct file *f, bool datasync)
{
	struct hostfs_inode *h = to_hostfs(f->inode);
	struct io_job job = {.mode = datasync};
	struct fd_slot *slot;
	int err;

	/* Nothing of a read-only tree is ours to write back. */
	if (hostfs_of(f->inode)->opt.readonly)
		return 0;
	job.fd = hostfs_read_fd(h, &slot, false);
	if (job.fd == -EACCES)
		job.fd = hostfs_write_fd(h, &slot, false);
	if (job.fd < 0)
		return job.fd;
	err = (int)blocking_call(sync_job, &job);
	fd_slot_put(slot);
	return err;
}

static int hostfs_fallocate(struct file *f, int mode, u64 off, u64 len)
{
	struct hostfs_inode *h = to_hostfs(f->inode);
	struct io_job job = {.mode = mode, .pos = off, .len = len};
	struct fd_slot *slot;
	int err;

	job.fd = hostfs_write_fd(h, &slot, false);
	if (job.fd < 0)
		return job.fd;
	err = (int)blocking_call(fallocate_job, &job);
	fd_slot_put(slot);
	hostfs_mark(h, HOSTFS_STALE);
	return err ? err : hostfs_getattr(f->inode);
}

static int hostfs_map(struct file *f, int prot unused_arg, bool shared, struct map_backing *out)
{
	struct hostfs_inode *h = to_hostfs(f->inode);
	const struct hostfs *hs = hostfs_of(f->inode);
	struct hostfs_file *hf = f->priv;
	/* A shared mapping may be made writable later, if the file was opened for it. */
	bool write = shared && file_writable(f);
	struct fd_slot *slot;
	u32 pin = write ? PIN_WRITE : PIN_READ;
	int fd = write ? hostfs_write_fd(h, &slot, false) : hostfs_read_fd(h, &slot, false);

	if (fd < 0)
		return fd;
	if (write && hostfs_has(h, HOSTFS_WRITEONLY)) {
		fd_slot_put(slot);
		return -EACCES;
	}
	if (write)
		hostfs_mark(h, HOSTFS_VOLATILE);
	/* The use becomes a pin, once per file and kind: the descriptor is lent to the mapping. */
	if (atomic_fetch_or(&hf->pins, pin) & pin)
		fd_slot_put(slot);
	else
		hf->pinned[write] = slot;
	*out = (struct map_backing){.fd = fd, .fixed = hostfs_fixed(hs)};
	return 0;
}

static void hostfs_file_release(struct file *f)
{
	struct hostfs_inode *h = to_hostfs(f->inode);
	struct hostfs_file *hf = f->priv;

	for (int i = 0; i < 2; i++)
		if (hf->pinned[i])
			fd_slot_put(hf->pinned[i]);
	hostfs_read_end(hf);
	if (file_readable(f))
		atomic_fetch_sub(&h->rd.keep, 1);
	if (file_writable(f))
		atomic_fetch_sub(&h->wr.keep, 1);
	free(hf);
}

static const struct file_ops hostfs_file_file_ops = {
    .read = hostfs_read,
    .write = hostfs_write,
    .seek = hostfs_seek,
    .fsync = hostfs_fsync,
    .fallocate = hostfs_fallocate,
    .map = hostfs_map,
    .release = hostfs_file_release,
};

/*
 * The host's word on whether we may is asked at the first opening of each kind
 * (and heeded by everything after, as an open file stays open).
 */
static int ask_host(struct hostfs_inode *h, const struct file *f)
{
	bool always = hostfs_always(hostfs_of(&h->inode));
	struct fd_slot *slot;
	int fd;

	if (file_readable(f) && !(always && hostfs_has(h, HOSTFS_READABLE))) {
		fd = hostfs_read_fd(h, &slot, false);
		if (fd < 0)
			return fd;
		fd_slot_put(slot);
	}
	if (file_writable(f) && !(always && hostfs_has(h, HOSTFS_WRITABLE))) {
		fd = hostfs_write_fd(h, &slot, false);
		if (fd < 0)
			return fd;
		fd_slot_put(slot);
	}
	return 0;
}

int hostfs_open(struct inode *i, struct file *f)
{
	struct hostfs_inode *h = to_hostfs(i);
	struct hostfs_file *hf;
	int err;

	/*
	 * Devices as on a mount with nodev, and sockets as if nobody listened. A FIFO joins guests:
	 * the host's end of it is never opened.
	 */
	if (S_ISCHR(inode_mode(i)) || S_ISBLK(inode_mode(i)))
		return -EACCES;
	if (S_ISFIFO(inode_mode(i)))
		return vfs_open_special(i, f);
	if (!inode_is_reg(i))
		return -ENXIO;
	hf = calloc(1, sizeof(*hf));
	if (!hf)
		return -ENOMEM;
	/* First, so that an unlink meanwhile keeps what we open. */
	if (file_readable(f))
		atomic_fetch_add(&h->rd.keep, 1);
	if (file_writable(f))
		atomic_fetch_add(&h->wr.keep, 1);
	f->priv = hf;
	err = ask_host(h, f);
	if (err) {
		hostfs_file_release(f);
		f->priv = NULL;
		return err;
	}
	f->ops = &hostfs_file_file_ops;
	return 0;
}
