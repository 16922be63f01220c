/*
 * splice(2), tee(2), vmsplice(2), sendfile(2). Bytes are copied within the
 * sentry once: what a guest saves is the way through its own memory.
 *
 * Nothing here waits for a guest while it holds a pipe's read side. The other
 * file is asked through its ops, which do not block; when it says -EAGAIN
 * the read side is let go, and the wait starts over from the top.
 */
#include "fs/pipe/splice.h"
#include "fs/pipe/pipe.h"
#include "fs/pipe/pipe_internal.h"
#include "base/fiber.h"
#include "base/uspace.h"
#include "fs/vfs/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define SPLICE_FLAGS (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)
/* Slots handled before the pipe is looked at again. */
#define BATCH          16
#define SENDFILE_CHUNK 65536

static struct pipe *pipe_of(struct file *f)
{
	return file_is_pipe(f) ? ((struct pipe_end *)f->priv)->pipe : NULL;
}

/* A file whose readiness changes is a stream: it may say -EAGAIN and has no position. */
static bool is_stream(const struct file *f)
{
	return f->ops->waitq != NULL;
}

/* One non-blocking write of sentry memory to the file that is not a pipe. */
static ssize_t put_bytes(struct file *out, u64 *outpos, void *data, size_t n)
{
	struct uio u;
	ssize_t done;

	uio_init_kernel(&u, data, n);
	if (is_stream(out))
		done = out->ops->write ? out->ops->write(out, &u, &out->pos) : -EINVAL;
	else if (outpos)
		done = file_pwrite(out, &u, *outpos, 0);
	else
		done = file_write(out, &u);
	uio_destroy(&u);
	if (done > 0 && outpos)
		*outpos += done;
	return done;
}

static ssize_t get_bytes(struct file *in, u64 *inpos, void *data, size_t n)
{
	struct uio u;
	ssize_t done;

	uio_init_kernel(&u, data, n);
	if (is_stream(in))
		done = in->ops->read ? in->ops->read(in, &u, &in->pos) : -EINVAL;
	else if (inpos)
		done = file_pread(in, &u, *inpos, 0);
	else
		done = file_read(in, &u);
	uio_destroy(&u);
	if (done > 0 && inpos)
		*inpos += done;
	return done;
}

/*
 * Waits for events on f. Non-blocking: -EAGAIN instead.
 */
static int wait_or_again(struct file *f, u32 events, bool nonblock)
{
	return nonblock ? -EAGAIN : file_wait(f, events, NO_DEADLINE);
}

static bool pipe_at_end(struct pipe *p)
{
	lock_guard(&p->lock);
	return p->bytes == 0 && p->writers == 0;
}

/* ---- pipe to file --------------------------------------------------------- */

/* What the pipe holds now, up to n bytes, to out. *err: why it stopped short of both. */
static size_t drain(struct pipe *p, struct file *out, u64 *outpos, size_t n, int *err)
{
	struct pipe_slot s;
	size_t done = 0;

	*err = 0;
	pipe_read_begin(p);
	while (done < n && pipe_peek(p, 0, &s)) {
		u32 want = min_of((size_t)s.len, n - done);
		ssize_t k = put_bytes(out, outpos, s.page + s.off, want);
		if (k <= 0) {
			*err = k < 0 ? (int)k : -EAGAIN;
			break;
		}
		pipe_consume(p, k);
		done += k;
		if ((u32)k < want)
			break;
	}
	pipe_read_end(p);
	return done;
}

static ssize_t splice_from_pipe(struct file *in, struct file *out, u64 *outpos, size_t n, u32 flags)
{
	struct pipe *p = pipe_of(in);
	bool pipe_nb = flags & SPLICE_F_NONBLOCK || file_nonblock(in);
	int err;

	for (;;) {
		size_t done = drain(p, out, outpos, n, &err);
		if (done)
			return done;
		if (err == -EAGAIN) {
			err = wait_or_again(out, EPOLLOUT, file_nonblock(out));
		} else if (!err) {
			if (pipe_at_end(p))
				return 0;
			err = wait_or_again(in, EPOLLIN, pipe_nb);
		}
		if (err)
			return err;
	}
}

/* ---- file to pipe --------------------------------------------------------- */

/*
 * Reads into slots that are promised beforehand, so that bytes taken from a
 * stream always have a place.
 */
static ssize_t fill(struct file *in, u64 *inpos, struct pipe *p, size_t n)
{
	struct pipe_slot slots[BATCH];
	ssize_t done = 0, k = 0;
	u32 used = 0;
	int room = pipe_reserve(p, min_of((n + PAGE_SIZE - 1) / PAGE_SIZE, (size_t)BATCH));

	if (room < 0)
		return room;
	while (used < (u32)room && (size_t)done < n) {
		u8 *page = pipe_page_get(p);
		size_t want = min_of(n - done, PAGE_SIZE);

		k = page ? get_bytes(in, inpos, page, want) : -ENOMEM;
		if (k <= 0) {
			if (page)
				pipe_page_put(p, page);
			break;
		}
		slots[used++] = (struct pipe_slot){.page = page, .len = k};
		done += k;
		if ((size_t)k < want)
			break;
	}
	pipe_fill(p, slots, used, room);
	return done ? done : k;
}

static ssize_t splice_to_pipe(struct file *in, u64 *inpos, struct file *out, size_t n, u32 flags)
{
	struct pipe *p = pipe_of(out);
	bool pipe_nb = flags & SPLICE_F_NONBLOCK || file_nonblock(out);
	bool in_nb = flags & SPLICE_F_NONBLOCK || file_nonblock(in);

	for (;;) {
		ssize_t done = fill(in, inpos, p, n);
		if (done == -EPIPE)
			return pipe_broken();
		if (done != -EAGAIN)
			return done;
		/* Which of the two was it? The pipe's room is looked at first, as Linux does. */
		int err = file_ready(out) & (EPOLLOUT | EPOLLERR)
		              ? wait_or_again(in, EPOLLIN, in_nb)
		              : wait_or_again(out, EPOLLOUT, pipe_nb);
		if (err)
			return err;
	}
}

/* ---- pipe to pipe --------------------------------------------------------- */

/*
 * Copies up to n bytes of what `from` holds into `to`, and takes them off if
 * consume is set. -EAGAIN when there is nothing or no room, -EPIPE.
 */
static ssize_t copy_slots(struct pipe *from, struct pipe *to, size_t n, bool consume)
{
	struct pipe_slot fresh[BATCH], s;
	ssize_t done = 0;
	u32 used = 0;
	bool no_memory = false;
	int room = pipe_reserve(to, BATCH);

	if (room < 0)
		return room;
	pipe_read_begin(from);
	while (used < (u32)room && (size_t)done < n && pipe_peek(from, consume ? 0 : used, &s)) {
		u32 want = min_of((size_t)s.len, n - done);
		u8 *page = pipe_page_get(to);

		no_memory = !page;
		if (no_memory)
			break;
		memcpy(page, s.page + s.off, want);
		fresh[used++] = (struct pipe_slot){.page = page, .len = want, .packet = s.packet};
		if (consume)
			pipe_consume(from, want);
		done += want;
	}
	pipe_read_end(from);
	pipe_fill(to, fresh, used, room);
	if (done)
		return done;
	return no_memory ? -ENOMEM : -EAGAIN;
}

static ssize_t pipe_to_pipe(struct file *in, struct file *out, size_t n, u32 flags, bool consume)
{
	struct pipe *from = pipe_of(in), *to = pipe_of(out);
	bool nonblock = flags & SPLICE_F_NONBLOCK || file_nonblock(in) || file_nonblock(out);

	if (from == to)
		return -EINVAL;
	for (;;) {
		ssize_t done = copy_slots(from, to, n, consume);
		if (done == -EPIPE)
			return pipe_broken();
		if (done != -EAGAIN)
			return done;
		int err;
		if (!(file_ready(in) & EPOLLIN)) {
			if (pipe_at_end(from))
				return 0;
			err = wait_or_again(in, EPOLLIN, nonblock);
		} else {
			err = wait_or_again(out, EPOLLOUT, nonblock);
		}
		if (err)
			return err;
	}
}

/* ---- the calls ------------------------------------------------------------ */

ssize_t splice_files(struct file *in, u64 *inpos, struct file *out, u64 *outpos, size_t n,
                     u32 flags)
{
	bool from_pipe = file_is_pipe(in), to_pipe = file_is_pipe(out);

	if (flags & ~(u32)SPLICE_FLAGS)
		return -EINVAL;
	if (!file_readable(in) || !file_writable(out))
		return -EBADF;
	if (n == 0)
		return 0;
	if ((from_pipe && inpos) || (to_pipe && outpos))
		return -ESPIPE;
	if (from_pipe && to_pipe)
		return pipe_to_pipe(in, out, n, flags, true);
	if (from_pipe) {
		if (outpos && is_stream(out))
			return -EINVAL;
		if (atomic_load(&out->flags) & O_APPEND)
			return -EINVAL;
		return splice_from_pipe(in, out, outpos, n, flags);
	}
	if (to_pipe) {
		if (inpos && is_stream(in))
			return -EINVAL;
		if (!in->ops->read)
			return -EINVAL;
		return splice_to_pipe(in, inpos, out, n, flags);
	}
	return -EINVAL;
}

ssize_t tee_pipes(struct file *in, struct file *out, size_t n, u32 flags)
{
	if (flags & ~(u32)SPLICE_FLAGS)
		return -EINVAL;
	if (n == 0)
		return 0;
	if (!file_readable(in) || !file_writable(out))
		return -EBADF;
	if (!file_is_pipe(in) || !file_is_pipe(out))
		return -EINVAL;
	return pipe_to_pipe(in, out, n, flags, false);
}

ssize_t vmsplice_pipe(struct file *f, struct uio *u, u32 flags)
{
	bool write = file_writable(f);
	bool nonblock = flags & SPLICE_F_NONBLOCK;

	if (flags & ~(u32)SPLICE_FLAGS)
		return -EINVAL;
	if (!file_is_pipe(f))
		return -EBADF;
	if (u->resid == 0)
		return 0;
	if (!write)
		return nonblock ? f->ops->read(f, u, &f->pos) : file_read(f, u);
	/* Unlike write(2), it waits only for some room, and gives what has found place. */
	for (;;) {
		ssize_t n = f->ops->write(f, u, &f->pos);
		int err;

		if (n != -EAGAIN || nonblock || (atomic_load(&f->flags) & O_NONBLOCK))
			return n;
		err = file_wait(f, EPOLLOUT, NO_DEADLINE);
		if (err)
			return err;
	}
}

ssize_t sendfile_files(struct file *out, struct file *in, u64 *inpos, size_t n)
{
	u64 at = 0, *pos = inpos;
	size_t done = 0;
	ssize_t k = 0;

	if (!file_readable(in) || !file_writable(out))
		return -EBADF;
	if (is_stream(in) || !in->ops->read)
		return inpos ? -ESPIPE : -EINVAL;
	if (atomic_load(&out->flags) & O_APPEND)
		return -EINVAL;
	if (!inpos) {
		/* Read by position, so that what out did not take is read again next time. */
		s64 now = file_seek(in, 0, SEEK_CUR);
		if (now < 0)
			return now == -ESPIPE ? -EINVAL : now;
		at = now;
		pos = &at;
	}
	void *buf = malloc(SENDFILE_CHUNK);
	if (!buf)
		return -ENOMEM;
	n = min_of(n, MAX_RW_COUNT);
	while (done < n) {
		u64 from = *pos;
		struct uio u;

		k = get_bytes(in, &from, buf, min_of(n - done, (size_t)SENDFILE_CHUNK));
		if (k <= 0)
			break;
		size_t got = k;
		uio_init_kernel(&u, buf, got);
		k = file_write(out, &u);
		uio_destroy(&u);
		if (k <= 0)
			break;
		*pos += k;
		done += k;
		if ((size_t)k < got || !fiber_breathe())
			break;
	}
	free(buf);
	if (!inpos && done) {
		s64 err = file_seek(in, at, SEEK_SET);
		if (err < 0)
			return err;
	}
	return done ? (ssize_t)done : k;
}
