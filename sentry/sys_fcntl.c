/* fcntl(2), ioctl(2), flock(2): what can be asked of an open descriptor. */
#include "base/caller.h"
#include "base/fiber.h"
#include "base/uspace.h"
#include "fs/pipe/pipe.h"
#include "fs/tmpfs/tmpfs.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "fs/vfs/file_lock.h"
#include "fs/vfs/inode.h"
#include "net/socket/socket.h"
#include "sentry/sigio.h"
#include "sentry/syscall.h"
#include "sentry/user_path.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

/* What F_SETFL may change besides O_ASYNC (fs/fcntl.c). */
#define SETFL_MASK (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)

static s64 dup_from(struct task *t, struct file *f, u64 min, bool cloexec)
{
	int fd;

	if (min >= t->caller.nofile_limit)
		return -EINVAL;
	fd = fdtable_install(t->caller.files, file_get(f), (u32)min, t->caller.nofile_limit,
	                     cloexec);
	if (fd < 0)
		file_put(f);
	return fd;
}

static s64 set_status_flags(struct task *t, struct file *f, int fd, u32 arg)
{
	u32 old = atomic_load(&f->flags), new;
	int err = 0;

	if (((arg ^ old) & O_NOATIME) && (arg & O_NOATIME)) {
		struct attr at;
		inode_attr(f->inode, &at);
		if (t->caller.cred->fsuid != at.uid && !task_capable(t, CAP_FOWNER))
			return -EPERM;
	}
	if ((arg ^ old) & O_ASYNC)
		err = sigio_switch(f, fd, arg & O_ASYNC);
	/* A file that has no such signals ignores the flag here (setfl). */
	if (err && err != -ENOTTY)
		return err;
	old = atomic_load(&f->flags);
	new = (old & ~(u32)SETFL_MASK) | (arg & SETFL_MASK);
	err = f->ops->set_flags ? f->ops->set_flags(f, new) : 0;
	if (!err)
		file_set_flags(f, new);
	return err;
}

static s64 record_lock(struct file *f, int cmd, struct uptr arg)
{
	struct flock fl;
	s64 err;

	if (get_user(&fl, arg))
		return -EFAULT;
	if (cmd != F_GETLK && cmd != F_OFD_GETLK)
		return file_lock_set(f, cmd, &fl, caller()->files);
	err = file_lock_get(f, cmd, &fl, caller()->files);
	return err ? err : put_user(arg, &fl);
}

static s64 owner_set_ex(struct file *f, struct uptr arg)
{
	struct f_owner_ex ex;

	if (get_user(&ex, arg))
		return -EFAULT;
	if (ex.type != F_OWNER_TID && ex.type != F_OWNER_PID && ex.type != F_OWNER_PGRP)
		return -EINVAL;
	return sigio_set_owner(f, ex.type, ex.pid);
}

static s64 owner_get_ex(struct file *f, struct uptr arg)
{
	struct f_owner_ex ex;
	int type;

	sigio_get_owner(f, &type, &ex.pid);
	ex.type = type;
	return put_user(arg, &ex);
}

static s64 fcntl_file(struct task *t, struct file *f, int fd, int cmd, u64 arg)
{
	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return dup_from(t, f, arg, cmd == F_DUPFD_CLOEXEC);
	case F_GETFD:
		return fdtable_get_cloexec(t->caller.files, fd) ? FD_CLOEXEC : 0;
	case F_SETFD:
		return fdtable_set_cloexec(t->caller.files, fd, arg & FD_CLOEXEC);
	case F_GETFL:
		return file_status_flags(f);
	case F_SETFL:
		return set_status_flags(t, f, fd, (u32)arg);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return record_lock(f, cmd, uptr_make(arg));
	case F_SETOWN:
		return sigio_set_owner_legacy(f, (s32)arg);
	case F_GETOWN:
		return sigio_get_owner_legacy(f);
	case F_SETOWN_EX:
		return owner_set_ex(f, uptr_make(arg));
	case F_GETOWN_EX:
		return owner_get_ex(f, uptr_make(arg));
	case F_SETSIG:
		return sigio_set_signal(f, arg);
	case F_GETSIG:
		return sigio_get_signal(f);
	case F_SETPIPE_SZ:
		return pipe_set_size(f, arg);
	case F_GETPIPE_SZ:
		return pipe_get_size(f);
	case F_ADD_SEALS:
		return tmpfs_seals_add(f, (u32)arg);
	case F_GET_SEALS:
		return tmpfs_seals_get(f);
	case F_SETLEASE:
		return file_lease_set(f, (int)arg);
	case F_GETLEASE:
		return file_lease_get(f);
	default:
		return -EINVAL;
	}
}

/* What may be done with an O_PATH descriptor (open(2)). */
static bool fcntl_for_path(int cmd)
{
	return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC || cmd == F_GETFD || cmd == F_SETFD ||
	       cmd == F_GETFL;
}

s64 sys_fcntl(struct task *t, const struct syscall_args *a)
{
	struct file *f;
	s64 n = fd_get_any(arg_int(a, 0), &f);

	if (n)
		return n;
	if ((atomic_load(&f->flags) & O_PATH) && !fcntl_for_path(arg_int(a, 1)))
		n = -EBADF;
	else
		n = fcntl_file(t, f, arg_int(a, 0), arg_int(a, 1), arg_u64(a, 2));
	file_put(f);
	return n;
}

s64 sys_flock(struct task *t unused_arg, const struct syscall_args *a)
{
	struct file *f;
	s64 err = fd_get(arg_int(a, 0), &f);

	if (err)
		return err;
	err = file_flock(f, arg_int(a, 1));
	file_put(f);
	return err;
}

/* ---- ioctl: the requests that every file understands ------------------ */

static s64 ioctl_nonblock(struct file *f, u64 arg)
{
	int on;
	u32 fl;
	int err;

	if (get_user(&on, uptr_make(arg)))
		return -EFAULT;
	fl = atomic_load(&f->flags);
	fl = on ? fl | O_NONBLOCK : fl & ~(u32)O_NONBLOCK;
	err = f->ops->set_flags ? f->ops->set_flags(f, fl) : 0;
	if (!err)
		file_set_flags(f, fl);
	return err;
}

static s64 ioctl_async(struct file *f, int fd, u64 arg)
{
	int on;

	if (get_user(&on, uptr_make(arg)))
		return -EFAULT;
	return !on == !(atomic_load(&f->flags) & O_ASYNC) ? 0 : sigio_switch(f, fd, on);
}

/* The owner by another name, of sockets only (net/socket.c sock_ioctl). */
static s64 ioctl_owner(struct file *f, u32 cmd, u64 arg)
{
	s32 who;

	if (cmd == FIOSETOWN || cmd == SIOCSPGRP)
		return get_user(&who, uptr_make(arg)) ? -EFAULT : sigio_set_owner_legacy(f, who);
	who = sigio_get_owner_legacy(f);
	return put_user(uptr_make(arg), &who);
}

/* FIONREAD of a regular file: bytes from the position to the end (fs/ioctl.c). */
static s64 ioctl_bytes_left(struct file *f, u64 arg)
{
	struct attr at;
	s64 pos;
	int n, err = inode_getattr(f->inode, &at);

	if (err)
		return err;
	pos = file_seek(f, 0, SEEK_CUR);
	n = (int)((s64)at.size - pos);
	return put_user(uptr_make(arg), &n);
}

static s64 ioctl_block_size(struct file *f, u64 arg)
{
	struct attr at;
	int n, err = inode_getattr(f->inode, &at);

	if (err)
		return err;
	n = (int)at.blksize;
	return put_user(uptr_make(arg), &n);
}

s64 sys_ioctl(struct task *t, const struct syscall_args *a)
{
	u32 cmd = arg_u32(a, 1);
	u64 arg = arg_u64(a, 2);
	struct file *f;
	s64 n = fd_get(arg_int(a, 0), &f);

	if (n)
		return n;
	switch (cmd) {
	case FIOCLEX:
	case FIONCLEX:
		n = fdtable_set_cloexec(t->caller.files, arg_int(a, 0), cmd == FIOCLEX);
		break;
	case FIONBIO:
		n = ioctl_nonblock(f, arg);
		break;
	case FIOASYNC:
		n = ioctl_async(f, arg_int(a, 0), arg);
		break;
	case FIGETBSZ:
		n = f->path.mnt ? ioctl_block_size(f, arg) : -ENOTTY;
		break;
	case FIOSETOWN:
	case SIOCSPGRP:
	case FIOGETOWN:
	case SIOCGPGRP:
		n = socket_of_file(f) ? ioctl_owner(f, cmd, arg) : -ENOTTY;
		break;
	case FICLONE:
	case FICLONERANGE:
		n = -EOPNOTSUPP;
		break;
	case FIONREAD:
		if (inode_is_reg(f->inode)) {
			n = ioctl_bytes_left(f, arg);
			break;
		}
		/* fall through */
	default:
		n = f->ops->ioctl ? f->ops->ioctl(f, cmd, arg) : -ENOTTY;
	}
	file_put(f);
	return n;
}
