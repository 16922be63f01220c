/*
 * read(2), write(2) and the rest that moves bytes through descriptors: the
 * vectored and positioned forms, lseek, sendfile, splice, copy_file_range, and what
 * flushes or advises.
 */
#include "base/caller.h"
#include "base/fd_answer.h"
#include "base/uspace.h"
#include "fs/notify/inotify.h"
#include "fs/pipe/splice.h"
#include "fs/vfs/copy_range.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "sentry/syscall.h"
#include "sentry/user_path.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>

/* The descriptor's file if it is open for reading (or writing): -EBADF otherwise. */
static int fd_get_for(int fd, bool write, struct file **out)
{
	int err = fd_get(fd, out);

	if (err)
		return err;
	if (write ? file_writable(*out) : file_readable(*out))
		return 0;
	file_put(*out);
	return -EBADF;
}

/*
 * Nobody but the caller sees what the next such call does, either, so the platform may answer it.
 * Unless somebody watches accesses: that is looked at after what a new watch changes.
 */
static void tell_platform(struct task *t, int fd, struct file *f)
{
	struct fdtable_told told;
	u32 answers = f->ops->answers;

	if (!file_readable(f))
		answers &= ~(u32)(FD_READS_NOTHING | FD_READS_ZEROS);
	if (!file_writable(f))
		answers &= ~(u32)FD_TAKES_ALL;
	if (fd < PLATFORM_FD_ANSWERS && fdtable_tell(t->caller.files, fd, f, &told) &&
	    !notify_anybody())
		platform_thread_answer_fd(t->thread, (unsigned)fd, answers, told.at.word,
		                          told.at.seen);
}

/* What access_ok() refuses, before anything else is looked at (fs/read_write.c vfs_read). */
static bool beyond_user_space(u64 addr, u64 n)
{
	return addr + n < addr || addr + n > USER_END;
}

s64 sys_read(struct task *t, const struct syscall_args *a)
{
	struct file *f;
	struct uio u;
	s64 n = fd_get_for(arg_int(a, 0), false, &f);

	if (n)
		return n;
	uio_init_user(&u, arg_ptr(a, 1), min_of(arg_u64(a, 2), MAX_RW_COUNT));
	n = beyond_user_space(arg_u64(a, 1), arg_u64(a, 2)) ? -EFAULT : file_read(f, &u);
	if (f->ops->answers)
		tell_platform(t, arg_int(a, 0), f);
	file_put(f);
	return n;
}

s64 sys_write(struct task *t, const struct syscall_args *a)
{
	struct file *f;
	struct uio u;
	s64 n = fd_get_for(arg_int(a, 0), true, &f);

	if (n)
		return n;
	uio_init_user(&u, arg_ptr(a, 1), min_of(arg_u64(a, 2), MAX_RW_COUNT));
	n = beyond_user_space(arg_u64(a, 1), arg_u64(a, 2)) ? -EFAULT : file_write(f, &u);
	if (f->ops->answers)
		tell_platform(t, arg_int(a, 0), f);
	file_put(f);
	return n;
}

static s64 positioned(int fd, struct uio *u, bool write, s64 pos)
{
	struct file *f;
	s64 n;

	if (pos < 0)
		return -EINVAL;
	n = fd_get_for(fd, write, &f);
	if (n)
		return n;
	n = !file_seekable(f) ? -ESPIPE
	    : write           ? file_pwrite(f, u, (u64)pos, 0)
	                      : file_pread(f, u, (u64)pos, 0);
	file_put(f);
	return n;
}

s64 sys_pread64(struct task *t unused_arg, const struct syscall_args *a)
{
	struct uio u;

	if ((s64)arg_u64(a, 2) < 0)
		return -EINVAL;
	uio_init_user(&u, arg_ptr(a, 1), min_of(arg_u64(a, 2), MAX_RW_COUNT));
	return positioned(arg_int(a, 0), &u, false, arg_s64(a, 3));
}

s64 sys_pwrite64(struct task *t unused_arg, const struct syscall_args *a)
{
	struct uio u;

	if ((s64)arg_u64(a, 2) < 0)
		return -EINVAL;
	uio_init_user(&u, arg_ptr(a, 1), min_of(arg_u64(a, 2), MAX_RW_COUNT));
	return positioned(arg_int(a, 0), &u, true, arg_s64(a, 3));
}

static s64 vectored(const struct syscall_args *a, bool write)
{
	struct file *f;
	struct uio u;
	s64 n = fd_get_for(arg_int(a, 0), write, &f);

	if (n)
		return n;
	n = uio_init_iovec(&u, arg_ptr(a, 1), arg_u64(a, 2));
	if (!n) {
		n = write ? file_write(f, &u) : file_read(f, &u);
		uio_destroy(&u);
	}
	file_put(f);
	return n;
}

s64 sys_readv(struct task *t unused_arg, const struct syscall_args *a)
{
	return vectored(a, false);
}

s64 sys_writev(struct task *t unused_arg, const struct syscall_args *a)
{
	return vectored(a, true);
}

/* pos -1 is allowed for the calls that take it as the file's own position. */
static s64 vectored_at(const struct syscall_args *a, bool write, int rwf, bool own_pos)
{
	u64 pos = own_pos ? FILE_POS_CURRENT : arg_u64(a, 3);
	struct uio u;
	struct file *f;
	s64 n;

	if (!own_pos && (s64)pos < 0)
		return -EINVAL;
	n = fd_get(arg_int(a, 0), &f);
	if (n)
		return n;
	/* That it cannot be done by position comes before how the file is open (do_pwritev). */
	if (!own_pos && !file_seekable(f))
		n = -ESPIPE;
	else if (write ? !file_writable(f) : !file_readable(f))
		n = -EBADF;
	else
		n = uio_init_iovec(&u, arg_ptr(a, 1), arg_u64(a, 2));
	if (!n) {
		n = write ? file_pwrite(f, &u, pos, rwf) : file_pread(f, &u, pos, rwf);
		uio_destroy(&u);
	}
	file_put(f);
	return n;
}

s64 sys_preadv(struct task *t unused_arg, const struct syscall_args *a)
{
	return vectored_at(a, false, 0, false);
}

s64 sys_pwritev(struct task *t unused_arg, const struct syscall_args *a)
{
	return vectored_at(a, true, 0, false);
}

s64 sys_preadv2(struct task *t unused_arg, const struct syscall_args *a)
{
	return vectored_at(a, false, arg_int(a, 5), arg_s64(a, 3) == -1);
}

s64 sys_pwritev2(struct task *t unused_arg, const struct syscall_args *a)
{
	return vectored_at(a, true, arg_int(a, 5), arg_s64(a, 3) == -1);
}

s64 sys_lseek(struct task *t unused_arg, const struct syscall_args *a)
{
	struct file *f;
	s64 n = fd_get(arg_int(a, 0), &f);

	if (n)
		return n;
	n = arg_u32(a, 2) > SEEK_HOLE ? -EINVAL : file_seek(f, arg_s64(a, 1), arg_int(a, 2));
	file_put(f);
	return n;
}

/* ---- file to file --------------------------------------------------- */

/* Two descriptors, one to read and one to write. */
struct fd_pair {
	struct file *in, *out;
};

static int fd_pair_get(int in, int out, struct fd_pair *p)
{
	int err = fd_get_for(in, false, &p->in);

	if (err)
		return err;
	err = fd_get_for(out, true, &p->out);
	if (err)
		file_put(p->in);
	return err;
}

static void fd_pair_put(struct fd_pair *p)
{
	file_put(p->in);
	file_put(p->out);
}

/* An optional position in guest memory. *p is NULL when there is none. */
static int pos_in(struct uptr src, u64 *value, u64 **p)
{
	*p = NULL;
	if (uptr_is_null(src))
		return 0;
	if (get_user(value, src))
		return -EFAULT;
	if ((s64)*value < 0)
		return -EINVAL;
	*p = value;
	return 0;
}

static s64 pos_out(struct uptr dst, u64 *p, s64 n)
{
	if (p && n >= 0 && put_user(dst, p))
		return -EFAULT;
	return n;
}

s64 sys_sendfile(struct task *t unused_arg, const struct syscall_args *a)
{
	struct fd_pair p;
	u64 value, *pos;
	s64 n = pos_in(arg_ptr(a, 2), &value, &pos);

	if (n)
		return n;
	n = fd_pair_get(arg_int(a, 1), arg_int(a, 0), &p);
	if (n)
		return n;
	if (pos && !file_seekable(p.in))
		n = -ESPIPE;
	else
		n = sendfile_files(p.out, p.in, pos, min_of(arg_u64(a, 3), MAX_RW_COUNT));
	fd_pair_put(&p);
	return pos_out(arg_ptr(a, 2), pos, n);
}

s64 sys_splice(struct task *t unused_arg, const struct syscall_args *a)
{
	struct fd_pair p;
	u64 in_value, out_value, *inpos, *outpos;
	s64 n;

	if (arg_u64(a, 4) == 0)
		return 0;
	n = fd_pair_get(arg_int(a, 0), arg_int(a, 2), &p);
	if (n)
		return n;
	n = pos_in(arg_ptr(a, 1), &in_value, &inpos);
	if (!n)
		n = pos_in(arg_ptr(a, 3), &out_value, &outpos);
	if (!n)
		n = splice_files(p.in, inpos, p.out, outpos, min_of(arg_u64(a, 4), MAX_RW_COUNT),
		                 arg_u32(a, 5));
	fd_pair_put(&p);
	if (n < 0)
		return n;
	n = pos_out(arg_ptr(a, 1), inpos, n);
	return pos_out(arg_ptr(a, 3), outpos, n);
}

s64 sys_tee(struct task *t unused_arg, const struct syscall_args *a)
{
	struct fd_pair p;
	s64 n;

	if (arg_u64(a, 2) == 0)
		return 0;
	n = fd_pair_get(arg_int(a, 0), arg_int(a, 1), &p);
	if (n)
		return n;
	n = tee_pipes(p.in, p.out, min_of(arg_u64(a, 2), MAX_RW_COUNT), arg_u32(a, 3));
	fd_pair_put(&p);
	return n;
}

s64 sys_vmsplice(struct task *t unused_arg, const struct syscall_args *a)
{
	struct file *f;
	struct uio u;
	s64 n = fd_get(arg_int(a, 0), &f);

	if (n)
		return n;
	n = uio_init_iovec(&u, arg_ptr(a, 1), arg_u64(a, 2));
	if (!n) {
		n = vmsplice_pipe(f, &u, arg_u32(a, 3));
		uio_destroy(&u);
	}
	file_put(f);
	return n;
}

static s64 copy_range_check(const struct fd_pair *p)
{
	if (inode_is_dir(p->in->inode) || inode_is_dir(p->out->inode))
		return -EISDIR;
	if (!inode_is_reg(p->in->inode) || !inode_is_reg(p->out->inode))
		return -EINVAL;
	return atomic_load(&p->out->flags) & O_APPEND ? -EBADF : 0;
}

/* Both positions of a copy within one file must not overlap (fs/read_write.c). */
static bool ranges_overlap(u64 a, u64 b, u64 n)
{
	return a < b + n && b < a + n;
}

/* *own: the file's position is meant, and to be moved by the copy. */
static s64 copy_pos_in(struct file *f, struct uptr src, u64 *pos, bool *own)
{
	u64 *given;
	s64 n = pos_in(src, pos, &given);

	*own = !given;
	/* A negative one counts as beyond the end (fs/read_write.c generic_copy_file_checks). */
	if (n == -EINVAL)
		return -EOVERFLOW;
	if (n || given)
		return n;
	n = file_seek(f, 0, SEEK_CUR);
	*pos = (u64)n;
	return min_of(n, 0);
}

static s64 copy_pos_out(struct file *f, struct uptr dst, const u64 *pos, bool own)
{
	if (own)
		return min_of(file_seek(f, (s64)*pos, SEEK_SET), 0);
	return put_user(dst, pos);
}

s64 sys_copy_file_range(struct task *t unused_arg, const struct syscall_args *a)
{
	struct fd_pair p;
	u64 inpos, outpos;
	u64 len = min_of(arg_u64(a, 4), MAX_RW_COUNT);
	bool own_in = false, own_out = false;
	s64 n, err;

	if (arg_u32(a, 5))
		return -EINVAL;
	n = fd_pair_get(arg_int(a, 0), arg_int(a, 2), &p);
	if (n)
		return n;
	n = copy_range_check(&p);
	if (!n)
		n = copy_pos_in(p.in, arg_ptr(a, 1), &inpos, &own_in);
	if (!n)
		n = copy_pos_in(p.out, arg_ptr(a, 3), &outpos, &own_out);
	if (!n && ((s64)(inpos + len) < 0 || (s64)(outpos + len) < 0))
		n = -EOVERFLOW;
	if (!n && p.in->inode == p.out->inode && ranges_overlap(inpos, outpos, len))
		n = -EINVAL;
	if (!n)
		n = vfs_copy(p.in, &inpos, p.out, &outpos, len);
	if (n > 0) {
		err = copy_pos_out(p.in, arg_ptr(a, 1), &inpos, own_in);
		if (!err)
			err = copy_pos_out(p.out, arg_ptr(a, 3), &outpos, own_out);
		n = err ? err : n;
	}
	fd_pair_put(&p);
	return n;
}

/* ---- flushing, space and advice ------------------------------------- */

static s64 sync_fd(int fd, bool datasync)
{
	struct file *f;
	s64 err = fd_get(fd, &f);

	if (err)
		return err;
	err = f->ops->fsync ? f->ops->fsync(f, datasync) : -EINVAL;
	file_put(f);
	return err;
}

s64 sys_fsync(struct task *t unused_arg, const struct syscall_args *a)
{
	return sync_fd(arg_int(a, 0), false);
}

s64 sys_fdatasync(struct task *t unused_arg, const struct syscall_args *a)
{
	return sync_fd(arg_int(a, 0), true);
}

s64 sys_sync_file_range(struct task *t unused_arg, const struct syscall_args *a)
{
	struct file *f;
	s64 err;

	if (arg_s64(a, 1) < 0 || arg_s64(a, 2) < 0 || arg_s64(a, 1) > INT64_MAX - arg_s64(a, 2) ||
	    (arg_u32(a, 3) & ~7u))
		return -EINVAL;
	err = fd_get(arg_int(a, 0), &f);
	if (err)
		return err;
	if (S_ISFIFO(inode_mode(f->inode)) || S_ISSOCK(inode_mode(f->inode)) ||
	    S_ISCHR(inode_mode(f->inode)))
		err = -ESPIPE;
	file_put(f);
	return err;
}

/* What a guest wrote to a host directory is the host's as soon as it is written. */
s64 sys_sync(struct task *t unused_arg, const struct syscall_args *a unused_arg)
{
	return 0;
}

s64 sys_syncfs(struct task *t unused_arg, const struct syscall_args *a)
{
	struct file *f;
	int err = fd_get(arg_int(a, 0), &f);

	if (!err)
		file_put(f);
	return err;
}

s64 sys_fallocate(struct task *t unused_arg, const struct syscall_args *a)
{
	struct file *f;
	s64 off = arg_s64(a, 2), len = arg_s64(a, 3);
	s64 err;

	if (off < 0 || len <= 0)
		return -EINVAL;
	err = fd_get(arg_int(a, 0), &f);
	if (err)
		return err;
	err = file_fallocate(f, arg_int(a, 1), (u64)off, (u64)len);
	file_put(f);
	return err;
}

/* Advice changes nothing that a program could see; its arguments are checked all the same. */
s64 sys_fadvise64(struct task *t unused_arg, const struct syscall_args *a)
{
	struct file *f;
	s64 err = fd_get(arg_int(a, 0), &f);

	if (err)
		return err;
	if (S_ISFIFO(inode_mode(f->inode)))
		err = -ESPIPE;
	else if (arg_s64(a, 2) < 0 || arg_u32(a, 3) > POSIX_FADV_NOREUSE)
		err = -EINVAL;
	file_put(f);
	return err;
}

s64 sys_readahead(struct task *t unused_arg, const struct syscall_args *a)
{
	struct file *f;
	s64 err = fd_get_for(arg_int(a, 0), false, &f);

	if (err)
		return err;
	err = inode_is_reg(f->inode) ? 0 : -EINVAL;
	file_put(f);
	return err;
}
