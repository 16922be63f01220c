/*
 * Copy-up: giving a lower object an upper copy before its first change.
 *
 * The copy grows in the work directory and is moved to its place when it is
 * whole, so that nobody, not even a sandbox that was killed and started again on the
 * same upper directory, meets half a file. Parents come first. The content is
 * copied while only this inode's copy mutex is held; the move is a short step
 * under ov->commit, in which a rename or unlink that came meanwhile is seen.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fiber.h"
#include "base/uspace.h"
#include "fs/overlay/overlay_internal.h"

/* Copied at a time, between turns of other fibers. */
#define COPY_CHUNK (256UL << 10)
/* The kernel's bounds for one value and for a list of names (linux/limits.h). */
#define XATTR_MAX 65536

u64 overlay_work_name(struct overlay *ov, char name[24])
{
	u64 n = atomic_fetch_add(&ov->work_next, 1);

	snprintf(name, 24, "#%llx", (unsigned long long)n);
	return n;
}

/* --- content ------------------------------------------------------------------------------ */

static int copy_chunk(struct file *from, struct file *to, u64 *pos, void *buf, size_t n)
{
	u64 rpos = *pos, wpos = *pos;
	struct uio u;
	ssize_t got, put;

	uio_init_kernel(&u, buf, n);
	got = from->ops->read(from, &u, &rpos);
	uio_destroy(&u);
	if (got <= 0)
		return (int)got;
	uio_init_kernel(&u, buf, (size_t)got);
	while (u.resid) {
		put = to->ops->write(to, &u, &wpos);
		if (put <= 0) {
			uio_destroy(&u);
			return put ? (int)put : -EIO;
		}
	}
	uio_destroy(&u);
	*pos = wpos;
	/* Other guests run between two pieces. */
	if (fiber_self())
		fiber_yield();
	return 1;
}

/* [from, to) of the file; 0 or -errno. Ends early where the file does. */
static int copy_range(struct file *src, struct file *dst, u64 pos, u64 end, void *buf)
{
	int more = 1;

	while (pos < end && more > 0)
		more = copy_chunk(src, dst, &pos, buf, min_of(end - pos, COPY_CHUNK));
	return min_of(more, 0);
}

/* Extent by extent: a hole stays one. */
static int copy_extents(struct file *src, struct file *dst, u64 size, void *buf)
{
	s64 data, hole = 0;
	int err = 0;

	if (!src->ops->seek)
		return copy_range(src, dst, 0, size, buf);
	while (!err && (u64)hole < size) {
		data = src->ops->seek(src, hole, SEEK_DATA);
		if (data == -ENXIO)
			break;
		if (data == -EINVAL)
			return copy_range(src, dst, (u64)hole, size, buf);
		if (data < 0)
			return (int)data;
		if ((u64)data >= size)
			break;
		hole = src->ops->seek(src, data, SEEK_HOLE);
		if (hole < 0)
			hole = (s64)size;
		err = copy_range(src, dst, (u64)data, min_of((u64)hole, size), buf);
	}
	return err;
}

static int copy_content(struct inode *from, struct inode *to, u64 size)
{
	struct setattr s = {.valid = SET_SIZE | SET_CTIME, .size = size, .ctime = inode_now()};
	struct file *src = NULL, *dst = NULL;
	void *buf;
	int err;

	if (size == 0)
		return 0;
	buf = malloc(min_of(size, COPY_CHUNK));
	if (!buf)
		return -ENOMEM;
	err = layer_open(from, O_RDONLY, &src);
	if (!err)
		err = layer_open(to, O_WRONLY, &dst);
	if (!err)
		err = copy_extents(src, dst, size, buf);
	/* A hole at the end. */
	if (!err)
		err = layer_setattr(to, &s);
	file_put(src);
	file_put(dst);
	free(buf);
	return err;
}

/* --- attributes ------------------------------------------------------------------------------ */

int overlay_copy_xattrs(struct inode *from, struct inode *to)
{
	char *names = NULL, *value = NULL;
	ssize_t len, n;
	int err = 0;

	if (!from->ops->listxattr || !from->ops->getxattr || !to->ops->setxattr)
		return 0;
	len = from->ops->listxattr(from, NULL, 0);
	if (len <= 0)
		return len == -EOPNOTSUPP ? 0 : (int)len;
	names = malloc(XATTR_MAX);
	value = malloc(XATTR_MAX);
	len = names && value ? from->ops->listxattr(from, names, XATTR_MAX) : -ENOMEM;
	if (len < 0)
		err = (int)len;
	for (char *at = names; !err && at < names + len; at += strlen(at) + 1) {
		if (overlay_is_private_xattr(at))
			continue;
		n = from->ops->getxattr(from, at, value, XATTR_MAX);
		if (n < 0)
			continue;
		err = to->ops->setxattr(to, at, value, (size_t)n, 0);
		/* The upper file system has no such kind, or the host none for this user. */
		if (err == -EOPNOTSUPP || err == -EPERM)
			err = 0;
	}
	free(names);
	free(value);
	return err;
}

/* Mode and times; the owner was given at creation, as far as the upper file system has owners. */
int overlay_copy_attr(struct inode *from, struct inode *to)
{
	struct setattr s = {.valid = SET_ATIME | SET_MTIME | SET_CTIME};
	struct attr a, now;
	int err;

	inode_attr(from, &a);
	inode_attr(to, &now);
	s.atime = a.atime;
	s.mtime = a.mtime;
	s.ctime = a.ctime;
	if (!S_ISLNK(a.mode) && (a.mode & 07777) != (now.mode & 07777)) {
		s.valid |= SET_MODE;
		s.mode = a.mode & 07777;
	}
	err = layer_setattr(to, &s);
	/* The times of a link that belongs to someone else are no reason to fail. */
	return err == -EPERM || err == -EOPNOTSUPP ? 0 : err;
}

/* --- one object --------------------------------------------------------------------------------
 */

static int create_copy(struct overlay *ov, struct inode *from, const char *work, u64 size,
                       struct inode **out)
{
	struct create c = {0};
	char target[4096];
	struct inode *to;
	struct attr a;
	ssize_t n;
	int err;

	inode_attr(from, &a);
	c.mode = a.mode;
	c.uid = a.uid;
	c.gid = a.gid;
	c.rdev = a.rdev;
	/* Until its attributes are set: a host may refuse to change what we may not write. */
	if (S_ISREG(a.mode) || S_ISDIR(a.mode))
		c.mode = (a.mode & ~06000u) | (S_ISDIR(a.mode) ? 0700 : 0600);
	if (S_ISLNK(a.mode)) {
		n = from->ops->readlink(from, target, sizeof(target));
		if (n < 0)
			return (int)n;
		c.target = target;
	}
	err = layer_create(ov->work, work, &c, &to);
	if (err)
		return err;
	if (S_ISREG(a.mode))
		err = copy_content(from, to, min_of(size, a.size));
	if (!err)
		err = overlay_copy_xattrs(from, to);
	if (!err)
		err = overlay_copy_attr(from, to);
	if (!err) {
		*out = to;
		return 0;
	}
	if (layer_remove(ov->work, work, to) == 0)
		inode_put(to);
	return err;
}

/* The parent's contents have not changed for the guest, so neither have its times. */
static int move_in(struct overlay *ov, const char *work, struct inode *copy, struct inode *ud,
                   const char *name)
{
	struct setattr s = {.valid = SET_ATIME | SET_MTIME | SET_CTIME};
	struct attr a;
	int err;

	inode_attr(ud, &a);
	s.atime = a.atime;
	s.mtime = a.mtime;
	s.ctime = a.ctime;
	err = layer_rename(ov->work, work, copy, ud, name, NULL, 0);
	if (!err && layer_setattr(ud, &s) < 0)
		err = 0; /* best effort, as in Linux */
	return err;
}

/*
 * The copy is whole: to its place with it. Without one (the last name that was
 * known is gone, while the file is open or has other links in the lower layer) it is kept in the
 * work directory for as long as there are links.
 */
static int publish(struct overlay *ov, struct overlay_inode *o, const char *work, u64 number,
                   struct inode *copy)
{
	struct overlay_origin *r = overlay_origin_get(ov, o);
	int err = 0;

	if (!r)
		return -ENOMEM;
	mutex_guard(&ov->commit);
	if (o->parent)
		err = move_in(ov, work, copy, overlay_upper(o->parent), o->name);
	else if (r->nlink)
		r->kept = number;
	else
		err = layer_remove(ov->work, work, copy);
	if (!err)
		overlay_set_upper(ov, o, copy);
	return err;
}

static int copy_up_one(struct overlay *ov, struct overlay_inode *o, u64 size)
{
	struct inode *copy;
	char work[24];
	u64 number;
	int err;

	mutex_guard(&o->copy);
	if (overlay_upper(o))
		return 0;
	number = overlay_work_name(ov, work);
	err = create_copy(ov, o->lower, work, size, &copy);
	if (err)
		return err;
	err = publish(ov, o, work, number, copy);
	if (err) {
		if (layer_remove(ov->work, work, copy) == 0)
			inode_put(copy);
		return err;
	}
	overlay_sync_attr(o);
	return 0;
}

/* The highest of o and its parents that has no copy, with a reference; NULL: none. */
static struct overlay_inode *highest_missing(struct overlay *ov, struct overlay_inode *o)
{
	struct overlay_inode *high = o;

	if (overlay_upper(o))
		return NULL;
	mutex_guard(&ov->commit);
	for (struct overlay_inode *at = o->parent; at; at = at->parent) {
		if (overlay_upper(at))
			break;
		high = at;
	}
	inode_get(&high->inode);
	return high;
}

int overlay_copy_up(struct overlay_inode *o, u64 size)
{
	struct overlay *ov = overlay_of(&o->inode);
	struct overlay_inode *next;
	int err = 0;

	if (!overlay_upper(o) && !ov->upper)
		return -EROFS;
	while (!err && (next = highest_missing(ov, o))) {
		err = copy_up_one(ov, next, size);
		inode_put(&next->inode);
	}
	return err;
}
