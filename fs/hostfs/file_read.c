/*
 * Reading of open regular files. Data moves straight from the host's page cache to the guest's
 * window where it can. Small reads of files that never change are served from blocks: of the read
 * cache, or one that the open file keeps between two of them. What the host has in memory is read
 * at once; for the rest the fiber waits while the blocking pool reads.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include "base/blocking.h"
#include "base/host.h"
#include "fs/hostfs/hostfs_internal.h"
#include "fs/hostfs/read_cache.h"

/* One host call moves at most this much: a fiber should not hold its worker for long. */
#define CHUNK  (1UL << 20)
#define BOUNCE (64UL << 10)
/* Files up to this size are read by blocks, however they are read. */
#define SMALL_FILE (4 * READ_BLOCK)
/* Open files that keep a block at one time: a megabyte in all. */
#define KEPT_MAX 64

static _Atomic u32 kept;

struct io_job {
	int fd;
	void *buf;
	size_t n;
	u64 pos;
};

static s64 pread_job(void *arg)
{
	struct io_job *j = arg;

	return host_pread(j->fd, j->buf, j->n, j->pos);
}

static ssize_t host_read_at(int fd, void *buf, size_t n, u64 pos)
{
	struct io_job job = {.fd = fd, .buf = buf, .n = n, .pos = pos};
	ssize_t got = host_preadv2(fd, buf, n, (s64)pos, RWF_NOWAIT);

	if (got == -EAGAIN)
		return blocking_call(pread_job, &job);
	/* Not every file system can tell; those that cannot are mostly in memory. */
	if (got == -EOPNOTSUPP)
		return host_pread(fd, buf, n, pos);
	return got;
}

/*
 * Straight from the host. end: where the file is known to end, so that the host need not be asked
 * for more only to hear that there is none. Bytes moved, or -errno if none were.
 */
static ssize_t read_direct(struct hostfs_inode *h, struct uio *dst, u64 pos, u64 end)
{
	struct fd_slot *slot;
	void *bounce = NULL;
	size_t done = 0;
	ssize_t got = 0;
	int fd = hostfs_read_fd(h, &slot, false);

	if (fd < 0)
		return fd;
	while (dst->resid && pos + done < end) {
		size_t n = min_of(dst->resid, CHUNK);
		void *p = uio_reserve(dst, &n);

		if (p) {
			got = host_read_at(fd, p, n, pos + done);
			if (got > 0)
				uio_advance(dst, (size_t)got);
		} else {
			n = min_of(dst->resid, BOUNCE);
			if (!bounce)
				bounce = malloc(min_of(dst->resid, BOUNCE));
			got = bounce ? host_read_at(fd, bounce, n, pos + done) : -ENOMEM;
			if (got > 0)
				got = uio_write(dst, bounce, (size_t)got);
		}
		if (got <= 0)
			break;
		done += (size_t)got;
		if (dst->faulted)
			break;
	}
	free(bounce);
	fd_slot_put(slot);
	return done ? (ssize_t)done : got;
}

/* --- by blocks ---------------------------------------------------------------------- */

/* Reads block index of an unchanging file from the host. *out with a reference. */
static int block_fill(struct hostfs_inode *h, u64 index, u32 want, struct read_block **out)
{
	struct read_block *b = read_block_create(h, index, want);
	u64 from = index * READ_BLOCK;
	struct fd_slot *slot;
	ssize_t got = 0;
	int fd;

	if (!b)
		return -ENOMEM;
	fd = hostfs_read_fd(h, &slot, false);
	if (fd >= 0) {
		while (b->len < want) {
			got = host_read_at(fd, b->data + b->len, want - b->len, from + b->len);
			if (got <= 0)
				break;
			b->len += (u32)got;
		}
		fd_slot_put(slot);
	}
	if (fd < 0 || got < 0) {
		read_block_put(b);
		return fd < 0 ? fd : (int)got;
	}
	*out = b;
	return 0;
}

/* The block that hf has kept, if it is this one; it has none then. */
static struct read_block *block_take(struct hostfs_file *hf, u64 index)
{
	struct read_block *b = atomic_load_explicit(&hf->block, memory_order_relaxed);

	if (b)
		b = atomic_exchange(&hf->block, NULL);
	if (!b)
		return NULL;
	atomic_fetch_sub(&kept, 1);
	if (b->index == index)
		return b;
	read_block_put(b);
	return NULL;
}

/* Takes the reference. There may be no room, or another reader of hf may have put one there. */
static void block_keep(struct hostfs_file *hf, struct read_block *b)
{
	struct read_block *none = NULL;

	if (atomic_fetch_add(&kept, 1) < KEPT_MAX &&
	    atomic_compare_exchange_strong(&hf->block, &none, b))
		return;
	atomic_fetch_sub(&kept, 1);
	read_block_put(b);
}

void hostfs_read_end(struct hostfs_file *hf)
{
	read_block_put(block_take(hf, UINT64_MAX));
}

static bool worth_a_block(const struct hostfs_inode *h, const struct hostfs_file *hf, u64 pos,
                          size_t n)
{
	if (n > READ_BLOCK / 2)
		return false;
	return h->inode.attr.size <= SMALL_FILE || pos < READ_BLOCK ||
	       atomic_load_explicit(&hf->next, memory_order_relaxed) == pos;
}

/*
 * The block for reading n bytes at pos of a file of size bytes, with a reference, or *out is NULL
 * if they are best read straight from the host. What is read for the first time is not for the
 * cache (read_cache.h); the file keeps it if this will not be all that is read of it.
 */
static int block_for(struct hostfs_inode *h, struct hostfs_file *hf, u64 pos, size_t n, u64 size,
                     struct read_block **out)
{
	u64 index = pos / READ_BLOCK, from = index * READ_BLOCK;
	u32 want = (u32)min_of((u64)READ_BLOCK, size - from);
	bool again = false;
	int err;

	*out = block_take(hf, index);
	if (!*out)
		*out = read_cache_find(h, index, &again);
	if (*out || !worth_a_block(h, hf, pos, n) || (!again && pos == from && n >= want))
		return 0;
	err = block_fill(h, index, want, out);
	if (!err && again)
		read_cache_add(*out);
	return err;
}

/* As far as there are blocks. Bytes moved, or -errno if none were. */
static ssize_t read_blocks(struct hostfs_inode *h, struct hostfs_file *hf, struct uio *dst, u64 pos,
                           u64 size)
{
	size_t done = 0;
	ssize_t moved = 0;

	while (dst->resid && !dst->faulted && pos + done < size) {
		u32 off = (u32)((pos + done) % READ_BLOCK), n, left;
		struct read_block *b;
		int err = block_for(h, hf, pos + done, dst->resid, size, &b);

		if (err || !b) {
			moved = err;
			break;
		}
		left = b->len > off ? b->len - off : 0;
		n = (u32)min_of((size_t)left, dst->resid);
		moved = n ? uio_write(dst, b->data + off, n) : 0;
		if (n < left)
			block_keep(hf, b);
		else
			read_block_put(b);
		if (moved <= 0)
			break;
		done += (size_t)moved;
	}
	return done ? (ssize_t)done : moved;
}

ssize_t hostfs_read(struct file *f, struct uio *dst, u64 *pos)
{
	struct hostfs_inode *h = to_hostfs(f->inode);
	const struct hostfs *hs = hostfs_of(f->inode);
	struct hostfs_file *hf = f->priv;
	ssize_t done = 0, more;
	u64 end = UINT64_MAX;

	/* Sizes of 0 are not believed: files of the host's /proc and /sys have them. */
	if (hostfs_fixed(hs) && inode_size(f->inode)) {
		end = inode_size(f->inode);
		done = read_blocks(h, hf, dst, *pos, end);
	}
	if (done >= 0 && dst->resid && !dst->faulted && *pos + (u64)done < end) {
		more = read_direct(h, dst, *pos + (u64)done, end);
		if (more > 0)
			done += more;
		else if (!done)
			done = more;
	}
	if (done > 0) {
		*pos += (u64)done;
		atomic_store_explicit(&hf->next, *pos, memory_order_relaxed);
	}
	return done;
}
