/*
 * An inotify instance: a file from which queued events are read.
 *
 * The queue is bounded: behind max_queued_events there is one IN_Q_OVERFLOW
 * and then nothing until somebody reads. An event that repeats the last one in the
 * queue is dropped, as inotify(7) says.
 */
#include "fs/notify/inotify.h"
#include "fs/notify/notify_internal.h"
#include "base/caller.h"
#include "base/census.h"
#include "base/uspace.h"
#include "base/account.h"
#include "fs/vfs/dentry.h"
#include "fs/vfs/file.h"
#include <errno.h>
#include <sys/inotify.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#define MAX_QUEUED_EVENTS  16384 /* fs.inotify.max_queued_events */
#define MAX_USER_INSTANCES 128   /* fs.inotify.max_user_instances */

#define RECORD_MAX (sizeof(struct inotify_event) + NAME_LEN_MAX + 1)

static CENSUS(inotify_census, "inotify");
static const struct file_ops inotify_ops;

struct inotify *inotify_of(const struct file *f)
{
	return f->ops == &inotify_ops ? f->priv : NULL;
}

/* The name's place in the record: NUL-padded to a multiple of the header. */
static size_t padded_name(const struct queued_event *e)
{
	size_t unit = sizeof(struct inotify_event);

	return e->name_len ? (e->name_len + 1 + unit - 1) / unit * unit : 0;
}

static size_t record_size(const struct queued_event *e)
{
	return sizeof(struct inotify_event) + padded_name(e);
}

static bool repeats(const struct queued_event *e, int wd, u32 mask, const char *name, size_t len)
{
	return e && !(mask & IN_IGNORED) && e->wd == wd && e->mask == mask && e->name_len == len &&
	       (len == 0 || memcmp(e->name, name, len) == 0);
}

static struct queued_event *event_alloc(int wd, u32 mask, u32 cookie, const char *name, size_t len)
{
	struct queued_event *e = malloc(sizeof(*e) + len);

	if (!e)
		return NULL;
	e->wd = wd;
	e->mask = mask;
	e->cookie = cookie;
	e->name_len = len;
	if (len)
		memcpy(e->name, name, len);
	return e;
}

void inotify_queue(struct inotify *in, int wd, u32 mask, u32 cookie, const char *name, size_t len)
{
	lock_acquire(&in->lock);
	struct queued_event *last = TAILQ_LAST(&in->events, event_list), *e;
	bool lost = last && last->mask & IN_Q_OVERFLOW && in->nevents > MAX_QUEUED_EVENTS;
	if (lost || repeats(last, wd, mask, name, len)) {
		lock_release(&in->lock);
		return;
	}
	/* An event that there is no memory for is lost like one too many. */
	e = in->nevents < MAX_QUEUED_EVENTS ? event_alloc(wd, mask, cookie, name, len) : NULL;
	if (!e)
		e = event_alloc(-1, IN_Q_OVERFLOW, 0, NULL, 0);
	if (e) {
		TAILQ_INSERT_TAIL(&in->events, e, link);
		in->nevents++;
		in->bytes += record_size(e);
	}
	lock_release(&in->lock);
	waitq_wake(&in->waitq, EPOLLIN | EPOLLRDNORM);
}

/* The first event, off the queue, if its record fits in room. *err: -EAGAIN or -EINVAL. */
static struct queued_event *take(struct inotify *in, size_t room, int *err)
{
	lock_guard(&in->lock);
	struct queued_event *e = TAILQ_FIRST(&in->events);

	*err = !e ? -EAGAIN : record_size(e) > room ? -EINVAL : 0;
	if (*err)
		return NULL;
	TAILQ_REMOVE(&in->events, e, link);
	in->nevents--;
	in->bytes -= record_size(e);
	return e;
}

static ssize_t inotify_read(struct file *f, struct uio *dst, u64 *pos unused_arg)
{
	struct inotify *in = f->priv;
	ssize_t done = 0;
	int err = 0;

	while (!err) {
		struct queued_event *e = take(in, dst->resid, &err);
		if (!e)
			break;
		/* Room for the longest name with its padding. */
		_Alignas(struct inotify_event) u8 record[RECORD_MAX] = {0};
		size_t size = record_size(e);
		*(struct inotify_event *)record = (struct inotify_event){
		    .wd = e->wd, .mask = e->mask, .cookie = e->cookie, .len = padded_name(e)};
		memcpy(record + sizeof(struct inotify_event), e->name, e->name_len);
		free(e);
		ssize_t n = uio_write(dst, record, size);
		if (n < (ssize_t)size)
			err = -EFAULT;
		else
			done += n;
	}
	return done && err != -EFAULT ? done : err;
}

static u32 inotify_ready(struct file *f)
{
	struct inotify *in = f->priv;

	lock_guard(&in->lock);
	return in->nevents ? EPOLLIN | EPOLLRDNORM : 0;
}

static struct waitq *inotify_waitq(struct file *f)
{
	return &((struct inotify *)f->priv)->waitq;
}

static s64 inotify_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct inotify *in = f->priv;
	int n;

	if (cmd != FIONREAD)
		return -ENOTTY;
	lock_acquire(&in->lock);
	n = in->bytes;
	lock_release(&in->lock);
	return put_user(uptr_make(arg), &n);
}

static void inotify_free(struct inotify *in)
{
	struct queued_event *e;

	while ((e = TAILQ_FIRST(&in->events)) != NULL) {
		TAILQ_REMOVE(&in->events, e, link);
		free(e);
	}
	waitq_destroy(&in->waitq);
	account_uncharge(&in->account->inotify_instances, 1);
	account_put(in->account);
	census_add(&inotify_census, -1);
	free(in);
}

static void inotify_release(struct file *f)
{
	watches_drop(f->priv);
	inotify_free(f->priv);
}

static const struct file_ops inotify_ops = {
    .name = "anon_inode:inotify",
    .read = inotify_read,
    .ready = inotify_ready,
    .waitq = inotify_waitq,
    .async = true,
    .fdinfo = watches_show,
    .ioctl = inotify_ioctl,
    .release = inotify_release,
};

int inotify_create(u32 flags, struct file **out)
{
	if (flags & ~(u32)(IN_CLOEXEC | IN_NONBLOCK))
		return -EINVAL;
	struct inotify *in = calloc(1, sizeof(*in));
	struct account *account = account_get(caller_cred()->uid);
	int err = -ENOMEM;
	if (!in || !account)
		goto fail;
	err = -EMFILE;
	if (!account_charge(&account->inotify_instances, 1, MAX_USER_INSTANCES))
		goto fail;
	in->account = account;
	RB_INIT(&in->watches);
	TAILQ_INIT(&in->events);
	lock_init(&in->lock, RANK_OBJECT);
	waitq_init(&in->waitq);
	census_add(&inotify_census, 1);
	err = file_create_anon(&inotify_ops, in, O_RDONLY | (flags & O_NONBLOCK), 0600, out);
	if (err)
		inotify_free(in);
	return err;
fail:
	account_put(account);
	free(in);
	return err;
}
