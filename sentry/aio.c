/*
 * Asynchronous input and output, the old kind (io_setup(2); fs/aio.c). As with
 * Linux's buffered files, an operation is done by the time io_submit(2) returns; what remains is
 * the queue of completions. A context is known by an address, as there: of a page of the
 * guest's that stays zero. Libraries that would read completions from it see by its first word
 * that they have to ask.
 *
 * Locks: the address space's mutex guards its list of contexts; a context's lock its queue.
 */
#include "sentry/aio.h"
#include "base/bug.h"
#include "base/fiber.h"
#include "base/timer.h"
#include "base/uspace.h"
#include "fs/anon/eventfd.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "sentry/clock.h"
#include "sentry/mm.h"
#include "sentry/syscall.h"
#include <errno.h>
#include <linux/aio_abi.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define AIO_ABSURD     (0x10000000 / sizeof(struct io_event)) /* as Linux has it (ioctx_alloc) */
#define AIO_MAX_EVENTS 65536 /* of all contexts together: /proc/sys/fs/aio-max-nr */

struct aio_context {
	struct ref ref;
	struct aio_context *next; /* the mm's mutex */
	u64 id;
	struct waitq waitq;
	struct lock lock;
	bool dead;
	u32 size, head, count; /* of the ring */
	u32 promised;          /* places of operations that are being carried out */
	struct io_event ring[];
};

static _Atomic u32 reserved;

/* ---- contexts ------------------------------------------------------------------------ */

static void context_put(struct aio_context *c)
{
	if (!ref_put(&c->ref))
		return;
	waitq_destroy(&c->waitq);
	atomic_fetch_sub(&reserved, c->size);
	free(c);
}

static int context_create(u32 n, struct aio_context **out)
{
	struct aio_context *c;

	if (n > AIO_MAX_EVENTS || atomic_fetch_add(&reserved, n) + n > AIO_MAX_EVENTS) {
		if (n <= AIO_MAX_EVENTS)
			atomic_fetch_sub(&reserved, n);
		return -EAGAIN;
	}
	c = calloc(1, sizeof(*c) + n * sizeof(c->ring[0]));
	if (!c) {
		atomic_fetch_sub(&reserved, n);
		return -ENOMEM;
	}
	ref_init(&c->ref);
	waitq_init(&c->waitq);
	lock_init(&c->lock, RANK_OBJECT);
	c->size = n;
	*out = c;
	return 0;
}

/* The caller's context of that id, +1, or NULL; unlink: it is no longer one of them. */
static struct aio_context *context_find(struct task *t, u64 id, bool unlink)
{
	struct aio_context **p, *c;

	mutex_acquire(&t->mm->mutex);
	for (p = &t->mm->aio; (c = *p); p = &c->next)
		if (c->id == id)
			break;
	if (c && unlink)
		*p = c->next;
	else if (c)
		ref_get(&c->ref);
	mutex_release(&t->mm->mutex);
	return c;
}

void aio_free_all(struct mm *m)
{
	struct aio_context *c;

	while ((c = m->aio)) {
		m->aio = c->next;
		context_put(c);
	}
}

s64 sys_io_setup(struct task *t, const struct syscall_args *a)
{
	u64 id;
	struct aio_context *c;
	s64 page;
	int err;

	if (get_user(&id, arg_ptr(a, 1)) != 0)
		return -EFAULT;
	if (id || arg_u32(a, 0) == 0 || arg_u32(a, 0) > AIO_ABSURD)
		return -EINVAL;
	err = context_create(arg_u32(a, 0), &c);
	if (err)
		return err;
	page = mm_map(t, 0, PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, NULL, 0);
	if (page < 0) {
		context_put(c);
		return page;
	}
	c->id = id = (u64)page;
	mutex_acquire(&t->mm->mutex);
	c->next = t->mm->aio;
	t->mm->aio = c;
	mutex_release(&t->mm->mutex);
	return put_user(arg_ptr(a, 1), &id) != 0 ? -EFAULT : 0;
}

s64 sys_io_destroy(struct task *t, const struct syscall_args *a)
{
	struct aio_context *c = context_find(t, arg_u64(a, 0), true);

	if (!c)
		return -EINVAL;
	lock_acquire(&c->lock);
	c->dead = true;
	lock_release(&c->lock);
	waitq_wake(&c->waitq, EPOLLIN);
	mm_unmap(t, c->id, PAGE_SIZE);
	context_put(c);
	return 0;
}

/* ---- operations ------------------------------------------------------------------------ */

static s64 transfer(struct file *f, const struct iocb *cb, bool write, bool vector)
{
	struct uio u;
	s64 n = 0;

	if (write ? !file_writable(f) : !file_readable(f))
		return -EBADF;
	if (write ? !f->ops->write : !f->ops->read)
		return -EINVAL;
	if (vector)
		n = uio_init_iovec(&u, uptr_make(cb->aio_buf), cb->aio_nbytes);
	else
		uio_init_user(&u, uptr_make(cb->aio_buf), min_of(cb->aio_nbytes, MAX_RW_COUNT));
	if (n)
		return n;
	if (!file_seekable(f) && (cb->aio_rw_flags & RWF_NOWAIT))
		n = write ? f->ops->write(f, &u, &f->pos) : f->ops->read(f, &u, &f->pos);
	else if (!file_seekable(f))
		n = write ? file_write(f, &u) : file_read(f, &u);
	else if (cb->aio_offset < 0)
		n = -EINVAL;
	else
		n = write ? file_pwrite(f, &u, (u64)cb->aio_offset, (int)cb->aio_rw_flags)
		          : file_pread(f, &u, (u64)cb->aio_offset, (int)cb->aio_rw_flags);
	uio_destroy(&u);
	return n;
}

/* What the operation comes to; *refused: it is io_submit that fails, not the operation. */
static s64 carry_out(struct file *f, const struct iocb *cb, bool *refused)
{
	bool write =
	    cb->aio_lio_opcode == IOCB_CMD_PWRITE || cb->aio_lio_opcode == IOCB_CMD_PWRITEV;
	bool vector =
	    cb->aio_lio_opcode == IOCB_CMD_PREADV || cb->aio_lio_opcode == IOCB_CMD_PWRITEV;
	s64 n;

	*refused = true;
	switch (cb->aio_lio_opcode) {
	case IOCB_CMD_PREAD:
	case IOCB_CMD_PWRITE:
	case IOCB_CMD_PREADV:
	case IOCB_CMD_PWRITEV:
		n = transfer(f, cb, write, vector);
		/* Found out before the file has been asked (aio_setup_rw, import_iovec). */
		*refused =
		    n == -EBADF || (n == -EINVAL && cb->aio_offset < 0) || (vector && n == -EFAULT);
		return n;
	case IOCB_CMD_FSYNC:
	case IOCB_CMD_FDSYNC:
		if (cb->aio_buf || cb->aio_offset || cb->aio_nbytes || cb->aio_rw_flags ||
		    !f->ops->fsync)
			return -EINVAL;
		*refused = false;
		return f->ops->fsync(f, cb->aio_lio_opcode == IOCB_CMD_FDSYNC);
	}
	return -EINVAL;
}

/* A place for one more completion is the caller's until complete() or give_back(). */
static bool take_place(struct aio_context *c)
{
	lock_guard(&c->lock);
	if (c->dead || c->count + c->promised >= c->size)
		return false;
	c->promised++;
	return true;
}

static void give_back(struct aio_context *c)
{
	lock_guard(&c->lock);
	c->promised--;
}

static void complete(struct aio_context *c, const struct iocb *cb, u64 where, s64 result)
{
	lock_acquire(&c->lock);
	c->promised--;
	c->ring[(c->head + c->count++) % c->size] =
	    (struct io_event){.data = cb->aio_data, .obj = where, .res = result};
	lock_release(&c->lock);
	waitq_wake(&c->waitq, EPOLLIN);
}

static void tell_eventfd(struct file *f)
{
	u64 one = 1;
	struct uio u;

	uio_init_kernel(&u, &one, sizeof(one));
	/* A counter at its end stays there; that it is not 0 is all that matters. */
	(void)!f->ops->write(f, &u, &f->pos);
	uio_destroy(&u);
}

static int files_of(const struct iocb *cb, struct file **f, struct file **event)
{
	int err = fd_get((int)cb->aio_fildes, f);

	*event = NULL;
	if (err || !(cb->aio_flags & IOCB_FLAG_RESFD))
		return err;
	err = fd_get((int)cb->aio_resfd, event);
	if (!err && !file_is_eventfd(*event)) {
		file_put(*event);
		err = -EINVAL;
	}
	if (err)
		file_put(*f);
	return err;
}

static int submit(struct aio_context *c, u64 where)
{
	struct iocb cb;
	struct file *f, *event;
	bool refused;
	s64 n;
	int err;
	const u32 key = 0;

	if (get_user(&cb, uptr_make(where)) != 0)
		return -EFAULT;
	if (cb.aio_reserved2 || (s64)cb.aio_nbytes < 0)
		return -EINVAL;
	if (!take_place(c))
		return -EAGAIN;
	err = files_of(&cb, &f, &event);
	if (err) {
		give_back(c);
		return err;
	}
	n = put_user(uptr_make(where + offsetof(struct iocb, aio_key)), &key) ? -EFAULT : 0;
	refused = n;
	if (!n)
		n = carry_out(f, &cb, &refused);
	/* It cannot be made again: what a signal has cut short has failed. */
	if (n <= -ERESTARTSYS)
		n = -EINTR;
	if (refused) {
		give_back(c);
	} else {
		complete(c, &cb, where, n);
		if (event)
			tell_eventfd(event);
	}
	if (event)
		file_put(event);
	file_put(f);
	return refused ? (int)n : 0;
}

s64 sys_io_submit(struct task *t, const struct syscall_args *a)
{
	struct aio_context *c;
	s64 n = arg_s64(a, 1), done;
	u64 where;
	int err = 0;

	if (n < 0)
		return -EINVAL;
	c = context_find(t, arg_u64(a, 0), false);
	if (!c)
		return -EINVAL;
	n = min_of(n, (s64)c->size);
	for (done = 0; done < n && !err; done += !err) {
		err = get_user(&where, uptr_add(arg_ptr(a, 2), (u64)done * sizeof(where)))
		          ? -EFAULT
		          : submit(c, where);
	}
	context_put(c);
	return done ? done : err;
}

/* Nothing is ever under way: all there is to find is what is wrong. */
s64 sys_io_cancel(struct task *t, const struct syscall_args *a)
{
	struct aio_context *c;
	u32 key;

	if (get_user(&key, uptr_add(arg_ptr(a, 1), offsetof(struct iocb, aio_key))) != 0)
		return -EFAULT;
	if (key)
		return -EINVAL;
	c = context_find(t, arg_u64(a, 0), false);
	if (c)
		context_put(c);
	return -EINVAL;
}

/* ---- completions ------------------------------------------------------------------------ */

static bool take(struct aio_context *c, struct io_event *out)
{
	lock_guard(&c->lock);
	if (!c->count)
		return false;
	*out = c->ring[c->head];
	c->head = (c->head + 1) % c->size;
	c->count--;
	return true;
}

static s64 take_all(struct aio_context *c, s64 got, s64 max, struct uptr to)
{
	struct io_event e;

	for (; got < max && take(c, &e); got++)
		if (put_user(uptr_add(to, (u64)got * sizeof(e)), &e) != 0)
			return got ? got : -EFAULT;
	return got;
}

static bool is_over(struct aio_context *c)
{
	lock_guard(&c->lock);
	return c->dead;
}

static s64 wait_for(struct aio_context *c, s64 min, s64 max, struct uptr to, u64 deadline)
{
	struct wait_fiber w;
	s64 got = 0;
	int err = 0;

	wait_fiber_init(&w);
	waitq_add(&c->waitq, &w.waiter, EPOLLIN);
	while ((got = take_all(c, got, max, to)) >= 0 && got < min && !err && !is_over(c))
		err = fiber_sleep(deadline);
	waitq_remove(&c->waitq, &w.waiter);
	return got ? got : err == -ETIMEDOUT ? 0 : err ? -EINTR : 0;
}

s64 sys_io_getevents(struct task *t, const struct syscall_args *a)
{
	s64 min = arg_s64(a, 1), max = arg_s64(a, 2), n;
	u64 deadline = NO_DEADLINE, ns;
	struct aio_context *c;
	struct timespec ts;

	if (!uptr_is_null(arg_ptr(a, 4))) {
		if (get_user(&ts, arg_ptr(a, 4)) != 0)
			return -EFAULT;
		if (timespec_to_ns(&ts, &ns) != 0)
			return -EINVAL;
		deadline =
		    ns < NO_DEADLINE - time_monotonic() ? time_monotonic() + ns : NO_DEADLINE;
	}
	c = context_find(t, arg_u64(a, 0), false);
	if (!c)
		return -EINVAL;
	n = min > max || min < 0 ? -EINVAL : wait_for(c, min, max, arg_ptr(a, 3), deadline);
	context_put(c);
	return n;
}
