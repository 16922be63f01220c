/*
 * Open files. An open file of the overlay has an open file of a layer behind
 * it, or two in the course of time: opened for reading on the lower object, it goes on with
 * the copy as soon as there is one. The old one stays open with it, as mappings may
 * have borrowed its descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "fs/overlay/overlay_internal.h"
#include "fs/vfs/namei.h"

struct overlay_file {
	_Atomic(struct file *) lower, upper; /* each set once, held to the end */
	_Atomic u32 upper_maps;
};

static int open_on(struct file *f, struct inode *real, struct file **out)
{
	struct file *r;
	/* With the view's path: its mount says whether access times are kept. */
	int err = file_create_uncounted(f->path, real, atomic_load(&f->flags), &r);

	if (err)
		return err;
	err = real->ops->open ? real->ops->open(real, r) : -ENXIO;
	if (err) {
		file_put(r);
		return err;
	}
	*out = r;
	return 0;
}

/* The file behind f now, borrowed. -ENODATA: f only writes, and nothing has been written yet. */
static int real_file(struct file *f, struct file **out)
{
	struct overlay_inode *o = to_overlay(f->inode);
	struct overlay_file *of = f->priv;
	struct inode *u = overlay_upper(o);
	_Atomic(struct file *) *slot = u ? &of->upper : &of->lower;
	struct file *r = atomic_load_explicit(slot, memory_order_acquire), *first = NULL;
	int err;

	if (!r) {
		if (!u && file_writable(f))
			return -ENODATA;
		err = open_on(f, overlay_real(o), &r);
		if (err)
			return err;
		if (!atomic_compare_exchange_strong(slot, &first, r)) {
			file_put(r);
			r = first;
		}
	}
	*out = r;
	return 0;
}

/* The same for a change. */
static int real_file_for_write(struct file *f, struct file **out)
{
	int err = overlay_copy_up(to_overlay(f->inode), COPY_ALL);

	return err ? err : real_file(f, out);
}

static ssize_t overlay_read(struct file *f, struct uio *dst, u64 *pos)
{
	struct file *r;
	ssize_t n;
	int err = real_file(f, &r);

	if (err)
		return err;
	if (!r->ops->read)
		return -EINVAL;
	n = r->ops->read(r, dst, pos);
	if (n >= 0)
		file_accessed(r);
	return n;
}

static ssize_t overlay_write(struct file *f, struct uio *src, u64 *pos)
{
	struct file *r;
	ssize_t n;
	int err = real_file_for_write(f, &r);

	if (err)
		return err;
	if (!r->ops->write)
		return -EINVAL;
	n = r->ops->write(r, src, pos);
	overlay_sync_attr(to_overlay(f->inode));
	return n;
}

static s64 overlay_seek(struct file *f, s64 off, int whence)
{
	struct file *r;
	int err = 0;

	if (whence == SEEK_DATA || whence == SEEK_HOLE) {
		err = real_file(f, &r);
		if (!err && r->ops->seek)
			return r->ops->seek(r, off, whence);
	}
	/* Of a file that only writes, and has not, the extents are not known yet. */
	if (whence != SEEK_SET && whence != SEEK_CUR && (!err || err == -ENODATA))
		err = overlay_getattr(f->inode);
	return err ? err : file_seek_generic(f, off, whence, inode_size(f->inode));
}

static int overlay_fsync(struct file *f, bool datasync)
{
	struct file *r;
	int err;

	/* What has not been changed is where it always was. */
	if (!overlay_upper(to_overlay(f->inode)))
		return 0;
	err = real_file(f, &r);
	if (err)
		return err;
	return r->ops->fsync ? r->ops->fsync(r, datasync) : 0;
}

static int overlay_fallocate(struct file *f, int mode, u64 off, u64 len)
{
	struct file *r;
	int err = real_file_for_write(f, &r);

	if (err)
		return err;
	if (!r->ops->fallocate)
		return -EOPNOTSUPP;
	err = r->ops->fallocate(r, mode, off, len);
	overlay_sync_attr(to_overlay(f->inode));
	return err;
}

static int overlay_map(struct file *f, int prot, bool shared, struct map_backing *out)
{
	struct overlay_file *of = f->priv;
	struct file *r;
	int err = real_file(f, &r);

	if (err)
		return err == -ENODATA ? -EACCES : err;
	err = r->ops->map ? r->ops->map(r, prot, shared, out) : -ENODEV;
	if (!err && r == atomic_load(&of->upper))
		atomic_fetch_add(&of->upper_maps, 1);
	return err;
}

/* Which of the two files a mapping was of is not told; the copy's are the later ones. */
static void overlay_unmapped(struct file *f, int prot, bool shared)
{
	struct overlay_file *of = f->priv;
	struct file *r = atomic_load(&of->lower);
	u32 maps = atomic_load(&of->upper_maps);

	while (maps && !atomic_compare_exchange_weak(&of->upper_maps, &maps, maps - 1))
		;
	if (maps)
		r = atomic_load(&of->upper);
	if (r && r->ops->unmapped)
		r->ops->unmapped(r, prot, shared);
}

static s64 overlay_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct file *r;
	int err = real_file(f, &r);

	if (err)
		return err == -ENODATA ? -ENOTTY : err;
	return r->ops->ioctl ? r->ops->ioctl(r, cmd, arg) : -ENOTTY;
}

static void overlay_release(struct file *f)
{
	struct overlay_file *of = f->priv;

	file_put(atomic_load(&of->lower));
	file_put(atomic_load(&of->upper));
	free(of);
}

static const struct file_ops overlay_file_file_ops = {
    .read = overlay_read,
    .write = overlay_write,
    .seek = overlay_seek,
    .ioctl = overlay_ioctl,
    .fsync = overlay_fsync,
    .fallocate = overlay_fallocate,
    .map = overlay_map,
    .unmapped = overlay_unmapped,
    .release = overlay_release,
};

static int open_special(struct inode *i, struct file *f)
{
	const struct overlay_inode *o = to_overlay(i);

	if (S_ISSOCK(inode_mode(i)))
		return -ENXIO;
	/* A layer that looks after its devices itself (hostfs) refuses them. */
	if (!S_ISFIFO(inode_mode(i)) && !overlay_upper(o) && o->lower->ops->open)
		return -EACCES;
	return vfs_open_special(i, f);
}

int overlay_open(struct inode *i, struct file *f)
{
	struct overlay *ov = overlay_of(i);
	struct overlay_file *of;
	struct file *r;
	int err = 0;

	if (!inode_is_reg(i))
		return open_special(i, f);
	if (file_writable(f) && !ov->upper)
		return -EROFS;
	/*
	 * A file that is only written may wait for the first write: it may be truncated before
	 * that. One that can be read too may be mapped, when it is too late to copy.
	 */
	if (file_writable(f) && file_readable(f))
		err = overlay_copy_up(to_overlay(i), COPY_ALL);
	if (err)
		return err;
	of = calloc(1, sizeof(*of));
	if (!of)
		return -ENOMEM;
	f->priv = of;
	err = real_file(f, &r);
	if (err && err != -ENODATA) {
		overlay_release(f);
		f->priv = NULL;
		return err;
	}
	f->ops = &overlay_file_file_ops;
	return 0;
}
