/*
 * The memory devices: /dev/null, zero, full, random and urandom, as null(4),
 * full(4) and random(4) have them.
 */
#include "base/fd_answer.h"
#include "base/host.h"
#include "base/uspace.h"
#include "fs/dev/chrdev.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include <errno.h>
#include <linux/random.h>
#include <sys/sysmacros.h>

#define MEM_MAJOR 1

static ssize_t null_read(struct file *f unused_arg, struct uio *dst unused_arg, u64 *pos unused_arg)
{
	return 0;
}

/* Takes everything without looking at it, bad addresses too. */
static ssize_t null_write(struct file *f unused_arg, struct uio *src, u64 *pos unused_arg)
{
	size_t n = src->resid;

	uio_advance(src, n);
	return (ssize_t)n;
}

static ssize_t zero_read(struct file *f unused_arg, struct uio *dst, u64 *pos unused_arg)
{
	return uio_zero(dst, dst->resid);
}

static ssize_t full_write(struct file *f unused_arg, struct uio *src unused_arg,
                          u64 *pos unused_arg)
{
	return -ENOSPC;
}

static ssize_t random_read(struct file *f unused_arg, struct uio *dst, u64 *pos unused_arg)
{
	u8 buf[1024];
	ssize_t done = 0;

	while (dst->resid) {
		size_t n = min_of(dst->resid, sizeof(buf));
		ssize_t got;
		int err = host_getrandom(buf, n);

		if (err < 0)
			return done ? done : err;
		got = uio_write(dst, buf, n);
		if (got < 0)
			return done ? done : got;
		done += got;
		if ((size_t)got < n)
			break;
	}
	return done;
}

/* What a guest writes into the pool is read, as Linux does, and stirs nothing. */
static ssize_t random_write(struct file *f unused_arg, struct uio *src, u64 *pos unused_arg)
{
	u8 buf[1024];
	ssize_t done = 0;

	while (src->resid) {
		ssize_t got = uio_read(src, buf, min_of(src->resid, sizeof(buf)));

		if (got < 0)
			return done ? done : got;
		done += got;
		if (got == 0)
			break;
	}
	return done;
}

static s64 random_ioctl(struct file *f unused_arg, u32 cmd, u64 arg)
{
	int bits = 256; /* the pool is always full (drivers/char/random.c) */

	switch (cmd) {
	case RNDGETENTCNT:
		return put_user(uptr_make(arg), &bits);
	case RNDADDTOENTCNT:
	case RNDADDENTROPY:
	case RNDZAPENTCNT:
	case RNDCLEARPOOL:
		return -EPERM;
	default:
		return -EINVAL;
	}
}

/* Every position is 0 (null_lseek). */
static s64 null_seek(struct file *f unused_arg, s64 off unused_arg, int whence unused_arg)
{
	return 0;
}

/* A mapping of /dev/zero is anonymous memory: no host file is behind it. */
static int zero_map(struct file *f unused_arg, int prot unused_arg, bool shared unused_arg,
                    struct map_backing *out)
{
	*out = (struct map_backing){.fd = -1};
	return 0;
}

static const struct file_ops null_ops = {.read = null_read,
                                         .write = null_write,
                                         .seek = null_seek,
                                         .answers = FD_READS_NOTHING | FD_TAKES_ALL};
static const struct file_ops zero_ops = {.read = zero_read,
                                         .write = null_write,
                                         .seek = null_seek,
                                         .map = zero_map,
                                         .answers = FD_READS_ZEROS | FD_TAKES_ALL};
static const struct file_ops full_ops = {
    .read = zero_read, .write = full_write, .seek = null_seek, .answers = FD_READS_ZEROS};
static const struct file_ops random_ops = {
    .read = random_read, .write = random_write, .seek = null_seek, .ioctl = random_ioctl};

static int mem_open(struct inode *i, struct file *f)
{
	struct attr a;

	inode_attr(i, &a);
	switch (minor(a.rdev)) {
	case 3:
		f->ops = &null_ops;
		return 0;
	case 5:
		f->ops = &zero_ops;
		return 0;
	case 7:
		f->ops = &full_ops;
		return 0;
	case 8:
	case 9:
		f->ops = &random_ops;
		return 0;
	default:
		return -ENXIO;
	}
}

static const struct chrdev mem_devices[] = {
    {MEM_MAJOR, 3, 1, mem_open, "null", 0666},    {MEM_MAJOR, 5, 1, mem_open, "zero", 0666},
    {MEM_MAJOR, 7, 1, mem_open, "full", 0666},    {MEM_MAJOR, 8, 1, mem_open, "random", 0666},
    {MEM_MAJOR, 9, 1, mem_open, "urandom", 0666},
};

void mem_devices_register(void)
{
	for (size_t i = 0; i < array_size(mem_devices); i++)
		chrdev_register(&mem_devices[i]);
}
