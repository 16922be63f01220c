/*
 * Open regular files of tmpfs.
 */
#include <errno.h>
#include <unistd.h>
#include <sys/mman.h>
#include "fs/tmpfs/tmpfs_internal.h"

#define SEALS_WRITE (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

static ssize_t file_op_read(struct file *f, struct uio *dst, u64 *pos)
{
	ssize_t n;

	mutex_acquire(&f->inode->mutex);
	n = data_read(node_of(f->inode), dst, *pos);
	mutex_release(&f->inode->mutex);
	if (n > 0)
		*pos += (u64)n;
	return n;
}

/* mm/shmem.c:shmem_write_begin */
static ssize_t sealed_write(struct tmpfs_node *n, struct uio *src, u64 pos)
{
	u32 seals = n->data.seals;

	if (seals & SEALS_WRITE)
		return -EPERM;
	if (atomic_exchange(&n->data.recount, false))
		memfd_recount(n);
	if ((seals & F_SEAL_GROW) && pos + src->resid > inode_size(&n->inode))
		return -EPERM;
	return data_write(n, src, pos);
}

static ssize_t file_op_write(struct file *f, struct uio *src, u64 *pos)
{
	struct tmpfs_node *n = node_of(f->inode);
	ssize_t written;

	if (src->resid == 0)
		return 0;
	mutex_acquire(&f->inode->mutex);
	if (*pos == FILE_POS_APPEND)
		*pos = inode_size(f->inode);
	if (*pos + src->resid > (u64)INT64_MAX)
		written = -EFBIG;
	else
		written = sealed_write(n, src, *pos);
	if (written > 0) {
		*pos += (u64)written;
		xattr_drop_caps(n);
	}
	mutex_release(&f->inode->mutex);
	if (written > 0)
		inode_touch(f->inode, TOUCH_MTIME | TOUCH_CTIME);
	return written;
}

static s64 file_op_seek(struct file *f, s64 off, int whence)
{
	u64 size = inode_size(f->inode);
	s64 pos;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return file_seek_generic(f, off, whence, size);
	if (off < 0)
		return -ENXIO;
	mutex_acquire(&f->inode->mutex);
	pos = data_seek(node_of(f->inode), (u64)off, whence, inode_size(f->inode));
	mutex_release(&f->inode->mutex);
	return pos;
}

static int file_op_fsync(struct file *f, bool datasync unused_arg)
{
	struct tmpfs_node *n = node_of(f->inode);

	/* Nothing to write back; but after an msync st_blocks should tell what was written. */
	mutex_acquire(&f->inode->mutex);
	memfd_recount(n);
	mutex_release(&f->inode->mutex);
	return 0;
}

/* mm/shmem.c:shmem_fallocate */
static int file_op_fallocate(struct file *f, int mode, u64 off, u64 len)
{
	struct tmpfs_node *n = node_of(f->inode);
	int err = 0;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	mutex_acquire(&f->inode->mutex);
	if (mode & FALLOC_FL_PUNCH_HOLE) {
		if (n->data.seals & SEALS_WRITE)
			err = -EPERM;
		else
			data_punch(n, off, len);
	} else {
		/* With KEEP_SIZE, too: else memory would be had by a file that may not be large. */
		if (off + len > inode_size(f->inode))
			err = file_size_check(off + len);
		if (!err && (n->data.seals & F_SEAL_GROW) && off + len > inode_size(f->inode))
			err = -EPERM;
		if (!err)
			err = data_allocate(n, off, len, mode & FALLOC_FL_KEEP_SIZE);
	}
	mutex_release(&f->inode->mutex);
	if (!err)
		inode_touch(f->inode, TOUCH_MTIME | TOUCH_CTIME);
	return err;
}

static int file_op_map(struct file *f, int prot, bool shared, struct map_backing *out)
{
	struct tmpfs_node *n = node_of(f->inode);
	bool writes = shared && (prot & PROT_WRITE);
	int err, fd;

	mutex_acquire(&f->inode->mutex);
	err = writes && (n->data.seals & SEALS_WRITE) ? -EPERM : data_to_memfd(n);
	fd = err ? err : memfd_for_mapping(n, writes);
	if (fd >= 0) {
		if (writes)
			atomic_fetch_add(&n->data.writable_maps, 1);
		*out = (struct map_backing){.fd = fd, .off = 0};
	}
	mutex_release(&f->inode->mutex);
	return fd < 0 ? fd : 0;
}

static void file_op_unmapped(struct file *f, int prot, bool shared)
{
	struct tmpfs_data *d = &node_of(f->inode)->data;

	if (!shared || !(prot & PROT_WRITE))
		return;
	atomic_store(&d->recount, true);
	atomic_fetch_sub(&d->writable_maps, 1);
}

const struct file_ops tmpfs_file_ops = {
    .read = file_op_read,
    .write = file_op_write,
    .seek = file_op_seek,
    .fsync = file_op_fsync,
    .fallocate = file_op_fallocate,
    .map = file_op_map,
    .unmapped = file_op_unmapped,
};
