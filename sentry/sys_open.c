/* open(2), close(2), dup(2) and what else makes, copies and ends descriptors. */
#include "base/caller.h"
#include "base/uspace.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/walk.h"
#include "sentry/stat_told.h"
#include "sentry/syscall.h"
#include "sentry/user_path.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <string.h>

/* All flags that open(2) knows; unknown ones are ignored by open and refused by openat2. */
#define OPEN_FLAGS_KNOWN                                                                           \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC |     \
	 O_SYNC | O_ASYNC | O_DIRECT | O_LARGEFILE_BIT | O_DIRECTORY | O_NOFOLLOW | O_NOATIME |    \
	 O_CLOEXEC | O_PATH | O_TMPFILE)
#define O_LARGEFILE_BIT 0100000

/* The new file as a descriptor, about which t will ask if it is one who does. */
static s64 install(struct task *t, struct file *f, bool cloexec)
{
	bool tell = stat_open_tells(t);
	struct stat st;
	int fd;

	/* Another thread may close it as soon as it is there. */
	if (tell)
		file_get(f);
	fd = fd_install(f, cloexec);
	stat_opened(t, fd);
	if (!tell)
		return fd;
	if (fd >= 0)
		(void)!stat_tell(t, fd, f, &st);
	file_put(f);
	return fd;
}

static s64 open_at(struct task *t, int dirfd, struct uptr name, const struct open_how_args *how)
{
	struct name_buf buf;
	struct path base;
	struct file *f = NULL;
	s64 err = name_copy(&buf, name, false);

	if (err < 0)
		return err;
	/* "/" is the directory itself for RESOLVE_IN_ROOT, so it is needed even for absolute names.
	 */
	err = path_base(dirfd, how->walk & WALK_IN_ROOT ? "." : buf.s, &base);
	if (err)
		return err;
	err = vfs_open(base, buf.s, how, &f);
	path_base_put(base);
	if (err)
		return err;
	return install(t, f, how->flags & O_CLOEXEC);
}

static s64 open_legacy(struct task *t, int dirfd, struct uptr name, u32 flags, u32 mode)
{
	struct open_how_args how = {.flags = flags & OPEN_FLAGS_KNOWN, .mode = mode & 07777};

	/* O_PATH drops every flag but these; O_TMPFILE needs its directory bit (fs/open.c). */
	if (how.flags & O_PATH)
		how.flags &= O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
	return open_at(t, dirfd, name, &how);
}

s64 sys_open(struct task *t, const struct syscall_args *a)
{
	return open_legacy(t, AT_FDCWD, arg_ptr(a, 0), arg_u32(a, 1), arg_u32(a, 2));
}

s64 sys_openat(struct task *t, const struct syscall_args *a)
{
	return open_legacy(t, arg_int(a, 0), arg_ptr(a, 1), arg_u32(a, 2), arg_u32(a, 3));
}

s64 sys_creat(struct task *t, const struct syscall_args *a)
{
	return open_legacy(t, AT_FDCWD, arg_ptr(a, 0), O_CREAT | O_WRONLY | O_TRUNC, arg_u32(a, 1));
}

/*
 * Extensible structs (copy_struct_from_user): a shorter one is zero-extended, a
 * longer one must be zero beyond what is known. -E2BIG, -EFAULT.
 */
static int copy_in_extensible(void *dst, size_t known, struct uptr src, size_t size)
{
	u8 rest[256];

	memset(dst, 0, known);
	if (copy_in(dst, src, min_of(size, known)))
		return -EFAULT;
	for (size_t at = known; at < size;) {
		size_t n = min_of(size - at, sizeof(rest));
		if (copy_in(rest, uptr_add(src, at), n))
			return -EFAULT;
		for (size_t i = 0; i < n; i++)
			if (rest[i])
				return -E2BIG;
		at += n;
	}
	return 0;
}

static int resolve_to_walk(u64 resolve, int *walk_flags)
{
	static const struct {
		u64 resolve;
		int walk;
	} map[] = {
	    {RESOLVE_NO_XDEV, WALK_NO_XDEV},
	    {RESOLVE_NO_SYMLINKS, WALK_NO_SYMLINKS},
	    {RESOLVE_NO_MAGICLINKS, WALK_NO_MAGICLINKS},
	    {RESOLVE_BENEATH, WALK_BENEATH},
	    {RESOLVE_IN_ROOT, WALK_IN_ROOT},
	};

	*walk_flags = 0;
	for (size_t i = 0; i < array_size(map); i++)
		if (resolve & map[i].resolve) {
			*walk_flags |= map[i].walk;
			resolve &= ~map[i].resolve;
		}
	if (resolve & ~(u64)RESOLVE_CACHED)
		return -EINVAL;
	if ((*walk_flags & WALK_BENEATH) && (*walk_flags & WALK_IN_ROOT))
		return -EINVAL;
	/* 'Not at hand' is always an allowed answer. */
	return resolve ? -EAGAIN : 0;
}

s64 sys_openat2(struct task *t, const struct syscall_args *a)
{
	struct open_how h;
	struct open_how_args how;
	u64 size = arg_u64(a, 3);
	int err;

	if (size < sizeof(h))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	err = copy_in_extensible(&h, sizeof(h), arg_ptr(a, 2), size);
	if (err)
		return err;
	if (h.flags & ~(u64)OPEN_FLAGS_KNOWN)
		return -EINVAL;
	if (h.mode & ~07777ULL)
		return -EINVAL;
	if (h.mode && !(h.flags & O_CREAT) && (h.flags & O_TMPFILE) != O_TMPFILE)
		return -EINVAL;
	if ((h.flags & O_PATH) && (h.flags & ~(u64)(O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)))
		return -EINVAL;
	err = resolve_to_walk(h.resolve, &how.walk);
	if (err)
		return err;
	how.flags = (u32)h.flags;
	how.mode = (u32)h.mode;
	return open_at(t, arg_int(a, 0), arg_ptr(a, 1), &how);
}

s64 sys_close(struct task *t, const struct syscall_args *a)
{
	return fdtable_close(t->caller.files, arg_int(a, 0));
}

s64 sys_close_range(struct task *t, const struct syscall_args *a)
{
	u32 first = arg_u32(a, 0), last = arg_u32(a, 1), flags = arg_u32(a, 2);
	struct fdtable *copy;

	if (flags & ~(u32)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last)
		return -EINVAL;
	if ((flags & CLOSE_RANGE_UNSHARE) && ref_count(&t->caller.files->ref) > 1) {
		copy = fdtable_copy(t->caller.files, FDTABLE_MAX);
		if (!copy)
			return -ENOMEM;
		task_set_files(t, copy);
	}
	return fdtable_close_range(t->caller.files, first, last, flags & CLOSE_RANGE_CLOEXEC);
}

s64 sys_dup(struct task *t unused_arg, const struct syscall_args *a)
{
	struct file *f;
	int err = fd_get_any(arg_int(a, 0), &f);

	return err ? err : fd_install(f, false);
}

static s64 dup_at(struct task *t, int oldfd, int newfd, bool cloexec)
{
	struct file *f;
	int err = fd_get_any(oldfd, &f);

	if (err)
		return err;
	err = fdtable_install_at(t->caller.files, f, newfd, t->caller.nofile_limit, cloexec);
	return err < 0 ? err : newfd;
}

s64 sys_dup2(struct task *t, const struct syscall_args *a)
{
	int oldfd = arg_int(a, 0), newfd = arg_int(a, 1);
	struct file *f;

	if (oldfd != newfd)
		return dup_at(t, oldfd, newfd, false);
	if (fd_get_any(oldfd, &f))
		return -EBADF;
	file_put(f);
	return newfd;
}

s64 sys_dup3(struct task *t, const struct syscall_args *a)
{
	int oldfd = arg_int(a, 0), newfd = arg_int(a, 1), flags = arg_int(a, 2);

	if ((flags & ~O_CLOEXEC) || oldfd == newfd)
		return -EINVAL;
	return dup_at(t, oldfd, newfd, flags & O_CLOEXEC);
}
