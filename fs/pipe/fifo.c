/*
 * Opening and closing pipes: pipe(2), and fifo(7) with its waiting for a peer.
 *
 * An inode's pipe is made by the first open and freed by the last close, both
 * under the inode's attr_lock, which guards inode->pipe and pipe->files.
 */
#include "fs/pipe/pipe.h"
#include "fs/pipe/pipe_internal.h"
#include "base/fiber.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/namei.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define EVERYTHING (EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLHUP | EPOLLERR)

/* The inode's pipe, made if need be, with one more file. NULL: no memory. */
static struct pipe *pipe_attach(struct inode *i)
{
	struct pipe *p, *fresh = NULL;

	for (;;) {
		lock_acquire(&i->attr_lock);
		if (!i->pipe && fresh) {
			i->pipe = fresh;
			fresh = NULL;
		}
		p = i->pipe;
		if (p)
			p->files++;
		lock_release(&i->attr_lock);
		if (p)
			break;
		fresh = pipe_alloc(false);
		if (!fresh)
			return NULL;
	}
	if (fresh)
		pipe_free(fresh);
	return p;
}

static void pipe_detach(struct inode *i, struct pipe *p)
{
	lock_acquire(&i->attr_lock);
	bool last = --p->files == 0;
	if (last)
		i->pipe = NULL;
	lock_release(&i->attr_lock);
	if (last)
		pipe_free(p);
}

/*
 * Counts this open in. 1 if it has no peer yet: then *counter has to move past
 * *peers. -ENXIO for a writer that must not wait and has no reader.
 */
static int open_enter(struct pipe *p, struct file *f, u32 **counter, u32 *peers)
{
	bool rd = file_readable(f), wr = file_writable(f);

	lock_guard(&p->lock);
	if (wr && !rd && p->readers == 0 && !p->anonymous && file_nonblock(f))
		return -ENXIO;
	if (rd) {
		p->readers++;
		p->reader_opens++;
	}
	if (wr) {
		p->writers++;
		p->writer_opens++;
	}
	*counter = rd ? &p->writer_opens : &p->reader_opens;
	*peers = **counter;
	if (p->anonymous || (rd && wr))
		return 0;
	return rd ? p->writers == 0 : p->readers == 0;
}

static void open_leave(struct pipe *p, bool rd, bool wr)
{
	bool alone;
	{
		lock_guard(&p->lock);
		p->readers -= rd;
		p->writers -= wr;
		alone = !p->readers != !p->writers;
	}
	if (alone)
		waitq_wake(&p->waitq, EVERYTHING);
}

/*
 * Waits until one more peer has opened than peers. A count of opens, not the
 * number of peers now: one that has come and gone lets the open through, too.
 */
static int wait_for_peer(struct pipe *p, const u32 *counter, u32 peers)
{
	struct wait_fiber w;
	int err = 0;

	wait_fiber_init(&w);
	waitq_add(&p->waitq, &w.waiter, PIPE_PEER);
	while (!err) {
		{
			lock_guard(&p->lock);
			if (*counter != peers)
				break;
		}
		err = fiber_sleep(NO_DEADLINE);
	}
	waitq_remove(&p->waitq, &w.waiter);
	return err ? -ERESTARTSYS : 0;
}

int fifo_open(struct inode *i, struct file *f)
{
	struct pipe_end *end = calloc(1, sizeof(*end));
	struct pipe *p = end ? pipe_attach(i) : NULL;
	u32 *counter, peers;
	int err = -ENOMEM;

	if (!p)
		goto fail;
	end->pipe = p;
	err = open_enter(p, f, &counter, &peers);
	if (err < 0)
		goto fail_detach;
	waitq_wake(&p->waitq, PIPE_PEER);
	if (err > 0 && file_nonblock(f)) {
		/* A reader that has never had a writer is not hung up. */
		end->writers_seen = peers;
	} else if (err > 0) {
		err = wait_for_peer(p, counter, peers);
		if (err) {
			open_leave(p, file_readable(f), file_writable(f));
			goto fail_detach;
		}
	}
	f->ops = &pipe_file_ops;
	f->priv = end;
	return 0;
fail_detach:
	pipe_detach(i, p);
fail:
	free(end);
	return err;
}

void pipe_release(struct file *f)
{
	struct pipe_end *end = f->priv;

	open_leave(end->pipe, file_readable(f), file_writable(f));
	pipe_detach(f->inode, end->pipe);
	free(end);
}

void pipe_init(void)
{
	vfs_set_special_open(S_IFIFO, fifo_open);
}

int pipe_create(u32 flags, struct file *out[2])
{
	u32 status = flags & (O_NONBLOCK | O_DIRECT);
	struct pipe_end *rend, *wend;
	struct pipe *p;
	int err;

	if (flags & ~(O_NONBLOCK | O_DIRECT | O_CLOEXEC))
		return -EINVAL;
	rend = calloc(1, sizeof(*rend));
	wend = calloc(1, sizeof(*wend));
	p = rend && wend ? pipe_alloc(true) : NULL;
	err = -ENOMEM;
	if (!p)
		goto fail;
	p->readers = p->writers = p->files = 1;
	p->reader_opens = p->writer_opens = 1;
	rend->pipe = wend->pipe = p;

	err = file_create_anon(&pipe_file_ops, rend, O_RDONLY | status, S_IFIFO | 0600, &out[0]);
	if (err) {
		pipe_free(p);
		goto fail;
	}
	/* Both ends are files of one inode, by which either may be opened again. */
	struct inode *i = out[0]->inode;
	lock_acquire(&i->attr_lock);
	i->pipe = p;
	lock_release(&i->attr_lock);
	err = file_create(out[0]->path, i, O_WRONLY | status, &out[1]);
	if (err) {
		p->writers = 0;
		free(wend);
		file_put(out[0]); /* frees rend and the pipe */
		return err;
	}
	lock_acquire(&i->attr_lock);
	p->files++;
	lock_release(&i->attr_lock);
	out[1]->ops = &pipe_file_ops;
	out[1]->priv = wend;
	return 0;
fail:
	free(rend);
	free(wend);
	return err;
}
