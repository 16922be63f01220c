/* Extended attributes: xattr(7). */
#include "base/uspace.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/walk.h"
#include "sentry/syscall.h"
#include "sentry/user_path.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <sys/xattr.h>

/* What is meant by the first argument of a call. */
enum xattr_by { BY_NAME, BY_LINK, BY_FD };

static int xattr_path(const struct syscall_args *a, enum xattr_by by, struct path *out)
{
	struct file *f;
	int err;

	if (by != BY_FD)
		return user_path(AT_FDCWD, arg_ptr(a, 0), by == BY_NAME ? WALK_FOLLOW : 0, out);
	err = fd_get(arg_int(a, 0), &f);
	if (err)
		return err;
	if (f->path.mnt)
		*out = path_get(f->path);
	else
		err = -EOPNOTSUPP;
	file_put(f);
	return err;
}

/* -ERANGE for an empty or overlong name, as strncpy_from_user's callers in fs/xattr.c. */
static int xattr_name(char *name, struct uptr src)
{
	ssize_t n = copy_in_str(name, src, XATTR_NAME_MAX + 1);

	if (n == -ENAMETOOLONG || n == 0)
		return -ERANGE;
	return n < 0 ? (int)n : 0;
}

static s64 xattr_set(const struct syscall_args *a, enum xattr_by by)
{
	char name[XATTR_NAME_MAX + 1];
	u64 size = arg_u64(a, 3);
	struct path p = {0};
	void *value = NULL;
	s64 err;

	if (arg_u32(a, 4) & ~(u32)(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	err = xattr_name(name, arg_ptr(a, 1));
	if (err)
		return err;
	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	if (size && !(value = malloc(size)))
		return -ENOMEM;
	if (size && copy_in(value, arg_ptr(a, 2), size))
		err = -EFAULT;
	if (!err)
		err = xattr_path(a, by, &p);
	if (!err) {
		err = vfs_setxattr(p, name, value, size, arg_int(a, 4));
		path_put(p);
	}
	free(value);
	return err;
}

/* A result of at most `max` bytes, or only its length for size 0. list: listxattr. */
static s64 xattr_read(const struct syscall_args *a, enum xattr_by by, bool list)
{
	char name[XATTR_NAME_MAX + 1];
	struct uptr dst = arg_ptr(a, list ? 1 : 2);
	u64 size = min_of(arg_u64(a, list ? 2 : 3), (u64)XATTR_SIZE_MAX);
	struct path p;
	void *buf = NULL;
	s64 n = list ? 0 : xattr_name(name, arg_ptr(a, 1));

	if (n)
		return n;
	if (size && !(buf = malloc(size)))
		return -ENOMEM;
	n = xattr_path(a, by, &p);
	if (!n) {
		n = list ? vfs_listxattr(p, buf, size) : vfs_getxattr(p, name, buf, size);
		path_put(p);
	}
	if (n > 0 && size && copy_out(dst, buf, (size_t)n))
		n = -EFAULT;
	free(buf);
	return n;
}

static s64 xattr_remove(const struct syscall_args *a, enum xattr_by by)
{
	char name[XATTR_NAME_MAX + 1];
	struct path p;
	s64 err = xattr_name(name, arg_ptr(a, 1));

	if (!err)
		err = xattr_path(a, by, &p);
	if (err)
		return err;
	err = vfs_removexattr(p, name);
	path_put(p);
	return err;
}

#define XATTR_CALLS(prefix, by)                                                                    \
	s64 sys_##prefix##setxattr(struct task *t unused_arg, const struct syscall_args *a)        \
	{                                                                                          \
		return xattr_set(a, by);                                                           \
	}                                                                                          \
	s64 sys_##prefix##getxattr(struct task *t unused_arg, const struct syscall_args *a)        \
	{                                                                                          \
		return xattr_read(a, by, false);                                                   \
	}                                                                                          \
	s64 sys_##prefix##listxattr(struct task *t unused_arg, const struct syscall_args *a)       \
	{                                                                                          \
		return xattr_read(a, by, true);                                                    \
	}                                                                                          \
	s64 sys_##prefix##removexattr(struct task *t unused_arg, const struct syscall_args *a)     \
	{                                                                                          \
		return xattr_remove(a, by);                                                        \
	}
XATTR_CALLS(, BY_NAME)
XATTR_CALLS(l, BY_LINK)
XATTR_CALLS(f, BY_FD)
