/* execve(2) and execveat(2): from the call's arguments to exec_run. */
#include "sentry/exec.h"
#include "sentry/syscall.h"
#include "sentry/user_path.h"
#include "base/caller.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

/* Since Linux 6.14: would it be executed? */
#define AT_EXECVE_CHECK 0x10000

/* Only the descriptor itself is named. */
static int open_descriptor(int fd, struct file **out)
{
	struct file *f;
	int err;

	if (fd == AT_FDCWD)
		return -EACCES;
	err = fd_get_any(fd, &f);
	if (err)
		return err;
	/* What is in no file system (a pipe, a socket, an eventfd) is no regular file either. */
	err = f->path.dentry ? exec_open(f->path, "", AT_EMPTY_PATH, out) : -EACCES;
	file_put(f);
	return err;
}

/*
 * What the program is told it is called: fs/exec.c alloc_bprm. A name relative to a descriptor is
 * one below /dev/fd. *hidden: an interpreter could not open that name after the exec.
 */
static int exec_name(int dirfd, const char *name, char **out, bool *hidden)
{
	int n;

	*hidden = false;
	if (dirfd == AT_FDCWD || name[0] == '/')
		n = asprintf(out, "%s", name);
	else
		n = asprintf(out, name[0] ? "/dev/fd/%d/%s" : "/dev/fd/%d", dirfd, name);
	if (n < 0)
		return -ENOMEM;
	if (dirfd != AT_FDCWD && name[0] != '/')
		*hidden = fdtable_get_cloexec(caller()->files, dirfd) == 1;
	return 0;
}

static s64 exec_at(struct task *t, int dirfd, struct uptr path, struct uptr argv, struct uptr envp,
                   int flags)
{
	struct name_buf *name = malloc(sizeof(*name));
	struct exec_args args;
	struct path base = {0};
	struct file *f = NULL;
	char *filename = NULL;
	int err;

	if (!name)
		return -ENOMEM;
	exec_args_init(&args);
	err = name_copy(name, path, flags & AT_EMPTY_PATH);
	if (err < 0)
		goto out;
	if (!name->s[0]) {
		err = open_descriptor(dirfd, &f);
	} else {
		err = path_base(dirfd, name->s, &base);
		if (!err)
			err = exec_open(base, name->s, flags & AT_SYMLINK_NOFOLLOW, &f);
		path_base_put(base);
	}
	if (err || (flags & AT_EXECVE_CHECK))
		goto out;
	err = exec_name(dirfd, name->s, &filename, &args.name_hidden);
	if (!err)
		err = exec_args_copy(&args, argv, envp);
	if (!err)
		err = exec_run(t, f, filename, &args);
out:
	exec_args_destroy(&args);
	free(filename);
	free(name);
	if (f)
		file_put(f);
	return err;
}

s64 sys_execve(struct task *t, const struct syscall_args *a)
{
	return exec_at(t, AT_FDCWD, arg_ptr(a, 0), arg_ptr(a, 1), arg_ptr(a, 2), 0);
}

s64 sys_execveat(struct task *t, const struct syscall_args *a)
{
	int flags = arg_int(a, 4);

	if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_EXECVE_CHECK))
		return -EINVAL;
	return exec_at(t, arg_int(a, 0), arg_ptr(a, 1), arg_ptr(a, 2), arg_ptr(a, 3), flags);
}
