/* Resolution of the names that system calls are given; see user_path.h. */
#include "sentry/user_path.h"
#include "base/caller.h"
#include "base/uspace.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/walk.h"
#include <errno.h>
#include <fcntl.h>

int name_copy(struct name_buf *out, struct uptr src, bool empty_ok)
{
	ssize_t n = copy_in_str(out->s, src, sizeof(out->s));

	if (n < 0)
		return (int)n;
	if (n == 0 && !empty_ok)
		return -ENOENT;
	return (int)n;
}

int fd_get_any(int fd, struct file **out)
{
	struct file *f = fdtable_lookup_any(caller()->files, fd);

	if (!f)
		return -EBADF;
	*out = f;
	return 0;
}

int path_base(int dirfd, const char *name, struct path *out)
{
	struct file *f;
	int err;

	*out = (struct path){0};
	if (dirfd == AT_FDCWD || name[0] == '/')
		return 0;
	err = fd_get_any(dirfd, &f);
	if (err)
		return err;
	/* A relative name needs a directory to start from; sockets and pipes are none. */
	if (!f->path.mnt || (name[0] && !inode_is_dir(f->inode)))
		err = -ENOTDIR;
	else
		*out = path_get(f->path);
	file_put(f);
	return err;
}

void path_base_put(struct path p)
{
	if (p.mnt)
		path_put(p);
}

int user_path(int dirfd, struct uptr name, int walk_flags, struct path *out)
{
	struct name_buf buf;
	struct path base;
	int err = name_copy(&buf, name, walk_flags & WALK_EMPTY);

	if (err < 0)
		return err;
	err = path_base(dirfd, buf.s, &base);
	if (err)
		return err;
	err = walk(base, buf.s, walk_flags, out);
	path_base_put(base);
	return err;
}

int fd_object(int fd, struct object *out)
{
	struct file *f;
	int err = fd_get_any(fd, &f);

	if (err)
		return err;
	out->inode = inode_get(f->inode);
	out->path = f->path.mnt ? path_get(f->path) : (struct path){0};
	out->current = false;
	file_put(f);
	return 0;
}

int user_object(int dirfd, struct uptr name, int walk_flags, struct object *out)
{
	struct name_buf buf;
	struct path base, p;
	int err;

	/* Linux takes a NULL name with AT_EMPTY_PATH as "" (fs/stat.c, since 6.11). */
	if ((walk_flags & WALK_EMPTY) && uptr_is_null(name))
		buf.s[0] = 0;
	else if ((err = name_copy(&buf, name, walk_flags & WALK_EMPTY)) < 0)
		return err;
	if (!buf.s[0] && dirfd != AT_FDCWD)
		return fd_object(dirfd, out);
	err = path_base(dirfd, buf.s, &base);
	if (err)
		return err;
	err = walk_for_attr(base, buf.s, walk_flags, &p, &out->current);
	path_base_put(base);
	if (err)
		return err;
	out->path = p;
	out->inode = inode_get(p.dentry->inode);
	return 0;
}

int object_attr(const struct object *o, struct attr *out)
{
	if (!o->current)
		return inode_getattr(o->inode, out);
	inode_attr(o->inode, out);
	return 0;
}

void object_put(struct object *o)
{
	inode_put(o->inode);
	if (o->path.mnt)
		path_put(o->path);
}
