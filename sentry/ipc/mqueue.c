/*
 * POSIX message queues: ipc/mqueue.c without its file system. A queue lives
 * while it has a name or an open description. Messages are kept highest priority first, and in
 * order of arrival within one.
 */
#include "sentry/ipc/mqueue.h"
#include "base/caller.h"
#include "base/census.h"
#include "base/fiber.h"
#include "base/timer.h"
#include "base/uspace.h"
#include "fs/vfs/file.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/inode.h"
#include "sentry/ipc/ipc_ids.h"
#include "sentry/pid_ns.h"
#include "sentry/signal.h"
#include "sentry/task.h"
#include <bsd/sys/queue.h>
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

/* /proc/sys/fs/mqueue and ipc/mqueue.c: defaults, and what CAP_SYS_RESOURCE may ask for. */
#define QUEUES_MAX       256u
#define MESSAGES_DEFAULT 10
#define MESSAGES_MAX     10
#define MESSAGES_HARD    65536
#define SIZE_DEFAULT     8192
#define SIZE_MAX_        8192
#define SIZE_HARD        (16 << 20)
/* What Linux charges for a message's bookkeeping: struct msg_msg and a tree node. */
#define MESSAGE_COST 48

static CENSUS(mqueue_census, "mqueue");

struct mq_message {
	TAILQ_ENTRY(mq_message) link;
	u32 priority;
	size_t size;
	u8 text[];
};

TAILQ_HEAD(mq_messages, mq_message);

struct mqueue {
	struct ref ref; /* the table's, and the open files' */
	struct mutex mutex;
	struct waitq waitq;
	s64 max, size; /* messages; bytes of each */
	u32 mode, uid, gid;
	u64 cost; /* for RLIMIT_MSGQUEUE */

	/* mutex; count is read without it too */
	struct mq_messages messages;
	_Atomic u32 count;
	u64 bytes;
	u32 receivers;  /* that wait: a message for them is no news for notify */
	s32 notify_pid; /* 0: nobody */
	struct sigevent notify;

	/* table_mutex */
	TAILQ_ENTRY(mqueue) link;
	struct ipc_ns *ns; /* whose name it has; NULL: unlinked */
	char name[NAME_MAX + 1];
};

/* Those that have names, of all namespaces: a user's limit counts them together. */
static TAILQ_HEAD(, mqueue) table = TAILQ_HEAD_INITIALIZER(table);
static struct mutex table_mutex = MUTEX_INIT(table_mutex, RANK_IPC);

static void mqueue_put(struct mqueue *q)
{
	struct mq_message *m;

	if (!ref_put(&q->ref))
		return;
	while ((m = TAILQ_FIRST(&q->messages))) {
		TAILQ_REMOVE(&q->messages, m, link);
		free(m);
	}
	waitq_destroy(&q->waitq);
	mutex_destroy(&q->mutex);
	free(q);
	census_add(&mqueue_census, -1);
}

/* ---- the file -------------------------------------------------------------------- */

static u32 mq_ready(struct file *f)
{
	const struct mqueue *q = f->priv;
	u32 n = atomic_load_explicit(&q->count, memory_order_relaxed);

	return (n ? EPOLLIN | EPOLLRDNORM : 0) | (n < (u64)q->max ? EPOLLOUT | EPOLLWRNORM : 0);
}

static struct waitq *mq_waitq(struct file *f)
{
	return &((struct mqueue *)f->priv)->waitq;
}

static ssize_t mq_read(struct file *f, struct uio *dst, u64 *pos)
{
	struct mqueue *q = f->priv;
	char text[128];
	ssize_t n;
	{
		mutex_guard(&q->mutex);
		n = snprintf(
		    text, sizeof(text), "QSIZE:%-10lu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n",
		    q->bytes, q->notify_pid ? q->notify.sigev_notify : 0,
		    q->notify_pid && q->notify.sigev_notify == SIGEV_SIGNAL ? q->notify.sigev_signo
		                                                            : 0,
		    q->notify_pid);
	}
	if (*pos >= (u64)n)
		return 0;
	n = uio_write(dst, text + *pos, min_of((size_t)n - *pos, dst->resid));
	if (n > 0)
		*pos += (u64)n;
	return n;
}

static s64 mq_seek(struct file *f, s64 off, int whence)
{
	return file_seek_generic(f, off, whence, 0);
}

/* A process that closes a descriptor of the queue is notified no more (mq_close(3)). */
static int mq_flush(struct file *f, void *owner unused_arg)
{
	struct mqueue *q = f->priv;

	mutex_guard(&q->mutex);
	if (q->notify_pid == caller()->pid)
		q->notify_pid = 0;
	return 0;
}

static void mq_release(struct file *f)
{
	mqueue_put(f->priv);
}

static const struct file_ops mq_ops = {.read = mq_read,
                                       .seek = mq_seek,
                                       .ready = mq_ready,
                                       .waitq = mq_waitq,
                                       .flush = mq_flush,
                                       .release = mq_release};

static struct mqueue *mqueue_of(struct file *f)
{
	return f->ops == &mq_ops ? f->priv : NULL;
}

/* ---- names ----------------------------------------------------------------------- */

/* One component; the C library has taken the slash in front away. */
static int name_check(const char *name)
{
	size_t n = strlen(name);

	if (n == 0)
		return -ENOENT;
	if (n > NAME_MAX)
		return -ENAMETOOLONG;
	return strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, "..") ? -EACCES : 0;
}

static struct mqueue *find(const char *name)
{
	const struct ipc_ns *ns = ipc_ns_of_caller();
	struct mqueue *q;

	TAILQ_FOREACH (q, &table, link)
		if (q->ns == ns && !strcmp(q->name, name))
			return q;
	return NULL;
}

static int open_permission(const struct mqueue *q, int flags)
{
	const struct cred *c = caller_cred();
	u32 want, mode = q->mode;

	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		want = 4;
		break;
	case O_WRONLY:
		want = 2;
		break;
	case O_RDWR:
		want = 6;
		break;
	default:
		return -EINVAL;
	}
	if (c->fsuid == q->uid)
		mode >>= 6;
	else if (cred_in_group(c, q->gid))
		mode >>= 3;
	return (want & ~mode & 7) && !cred_has_cap(c, CAP_DAC_OVERRIDE) ? -EACCES : 0;
}

/* ipc/mqueue.c mq_attr_ok. */
static int attr_check(const struct mq_attr *a, bool privileged)
{
	s64 max = privileged ? MESSAGES_HARD : MESSAGES_MAX;
	s64 size = privileged ? SIZE_HARD : SIZE_MAX_;

	return a->mq_maxmsg <= 0 || a->mq_msgsize <= 0 || a->mq_maxmsg > max || a->mq_msgsize > size
	           ? -EINVAL
	           : 0;
}

/* Bytes that the queues of one user hold: table_mutex held. */
static u64 cost_of_user(u32 uid)
{
	const struct mqueue *q;
	u64 n = 0;

	TAILQ_FOREACH (q, &table, link)
		if (q->uid == uid)
			n += q->cost;
	return n;
}

/* table_mutex held. */
static int create_locked(struct task *t, const char *name, u32 mode, const struct mq_attr *attr,
                         struct mqueue **out)
{
	struct mq_attr a = {.mq_maxmsg = MESSAGES_DEFAULT, .mq_msgsize = SIZE_DEFAULT};
	bool privileged = task_capable(t, CAP_SYS_RESOURCE);
	const struct cred *c = caller_cred();
	struct ipc_ns *ns = ipc_ns_of_caller();
	struct mqueue *q;
	u64 cost;
	int err;

	if (ns->mqueues >= QUEUES_MAX && !privileged)
		return -ENOSPC;
	if (attr) {
		a = *attr;
		err = attr_check(&a, privileged);
		if (err)
			return err;
	}
	cost = (u64)a.mq_maxmsg * (u64)(a.mq_msgsize + MESSAGE_COST) +
	       min_of((u64)a.mq_maxmsg, (u64)MQ_PRIORITIES) * MESSAGE_COST;
	if (cost + cost_of_user(c->uid) > task_rlimit(t, RLIMIT_MSGQUEUE))
		return -EMFILE;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	census_add(&mqueue_census, 1);
	ref_init(&q->ref);
	mutex_init(&q->mutex, RANK_IPC);
	waitq_init(&q->waitq);
	TAILQ_INIT(&q->messages);
	q->max = a.mq_maxmsg;
	q->size = a.mq_msgsize;
	q->cost = cost;
	q->mode = mode & 0777;
	q->uid = c->fsuid;
	q->gid = c->fsgid;
	strcpy(q->name, name);
	q->ns = ns;
	TAILQ_INSERT_TAIL(&table, q, link);
	ns->mqueues++;
	*out = q;
	return 0;
}

static void forget_locked(struct mqueue *q)
{
	TAILQ_REMOVE(&table, q, link);
	q->ns->mqueues--;
	q->ns = NULL;
}

void mqueue_ns_end(struct ipc_ns *ns)
{
	struct mqueue *q, *next;

	mutex_guard(&table_mutex);
	TAILQ_FOREACH_SAFE (q, &table, link, next) {
		if (q->ns != ns)
			continue;
		forget_locked(q);
		mqueue_put(q);
	}
}

/* The queue with a reference. */
static int find_or_create(struct task *t, const char *name, int flags, u32 mode,
                          const struct mq_attr *attr, struct mqueue **out)
{
	int err = 0;

	mutex_guard(&table_mutex);
	*out = find(name);
	if (*out) {
		if ((flags & O_CREAT) && (flags & O_EXCL))
			return -EEXIST;
		err = open_permission(*out, flags);
	} else {
		if (!(flags & O_CREAT))
			return -ENOENT;
		err = create_locked(t, name, mode, attr, out);
	}
	if (!err)
		ref_get(&(*out)->ref);
	return err;
}

int mqueue_open(struct task *t, const char *name, int flags, u32 mode, const struct mq_attr *attr,
                struct file **out)
{
	struct mqueue *q;
	int err = name_check(name);

	if (!err) {
		struct fs_context *fs = t->caller.fs;
		lock_acquire(&fs->lock);
		mode &= ~fs->umask;
		lock_release(&fs->lock);
		err = find_or_create(t, name, flags, mode, attr, &q);
	}
	if (err)
		return err;
	err = file_create_anon(&mq_ops, q, (u32)flags & (O_ACCMODE | O_NONBLOCK), S_IFREG | q->mode,
	                       out);
	if (err)
		mqueue_put(q);
	return err;
}

int mqueue_unlink(const char *name)
{
	const struct cred *c = caller_cred();
	struct mqueue *q;
	int err = name_check(name);

	if (err)
		return err;
	{
		mutex_guard(&table_mutex);
		q = find(name);
		if (!q)
			return -ENOENT;
		/* The root of the file system has the sticky bit. */
		if (c->fsuid != q->uid && !cred_has_cap(c, CAP_FOWNER))
			return -EPERM;
		forget_locked(q);
	}
	mqueue_put(q);
	return 0;
}

/* ---- messages -------------------------------------------------------------------- */

static void notify_locked(struct mqueue *q)
{
	siginfo_t info = {.si_signo = q->notify.sigev_signo, .si_code = SI_MESGQ};
	struct thread_group *g;

	if (q->notify.sigev_notify == SIGEV_SIGNAL) {
		info.si_pid = caller()->pid;
		info.si_uid = caller_cred()->uid;
		info.si_value = q->notify.sigev_value;
		g = group_find(pid_shown(q->notify_pid));
		if (g) {
			(void)signal_send_group(g, &info);
			group_put(g);
		}
	}
	q->notify_pid = 0;
}

static int send_try(struct mqueue *q, struct mq_message *m)
{
	struct mq_message *at;

	mutex_guard(&q->mutex);
	if (q->count >= (u64)q->max)
		return -EAGAIN;
	/* Behind all of at least its priority. */
	at = TAILQ_LAST(&q->messages, mq_messages);
	while (at && at->priority < m->priority)
		at = TAILQ_PREV(at, mq_messages, link);
	if (at)
		TAILQ_INSERT_AFTER(&q->messages, at, m, link);
	else
		TAILQ_INSERT_HEAD(&q->messages, m, link);
	q->bytes += m->size;
	if (atomic_fetch_add(&q->count, 1) == 0 && q->notify_pid && !q->receivers)
		notify_locked(q);
	waitq_wake(&q->waitq, EPOLLIN | EPOLLRDNORM);
	return 0;
}

static int receive_try(struct mqueue *q, struct mq_message **out)
{
	struct mq_message *m;

	mutex_guard(&q->mutex);
	m = TAILQ_FIRST(&q->messages);
	if (!m)
		return -EAGAIN;
	TAILQ_REMOVE(&q->messages, m, link);
	atomic_fetch_sub(&q->count, 1);
	q->bytes -= m->size;
	waitq_wake(&q->waitq, EPOLLOUT | EPOLLWRNORM);
	*out = m;
	return 0;
}

static void receivers_add(struct mqueue *q, int n)
{
	mutex_guard(&q->mutex);
	q->receivers += (u32)n;
}

s64 mqueue_send(struct file *f, struct uptr src, size_t n, u32 priority, u64 deadline)
{
	struct mqueue *q = mqueue_of(f);
	struct mq_message *m;
	int err;

	if (!q || !file_writable(f))
		return -EBADF;
	if (n > (u64)q->size)
		return -EMSGSIZE;
	m = malloc(sizeof(*m) + n);
	if (!m)
		return -ENOMEM;
	m->priority = priority;
	m->size = n;
	err = copy_in(m->text, src, n);
	while (!err && (err = send_try(q, m)) == -EAGAIN && !file_nonblock(f))
		err = file_wait(f, EPOLLOUT, deadline);
	if (err)
		free(m);
	return err;
}

s64 mqueue_receive(struct file *f, struct uptr dst, size_t n, u32 *priority, u64 deadline)
{
	struct mqueue *q = mqueue_of(f);
	struct mq_message *m;
	int err = 0;
	s64 result;

	if (!q || !file_readable(f))
		return -EBADF;
	if (n < (u64)q->size)
		return -EMSGSIZE;
	while (!err && (err = receive_try(q, &m)) == -EAGAIN && !file_nonblock(f)) {
		receivers_add(q, 1);
		err = file_wait(f, EPOLLIN, deadline);
		receivers_add(q, -1);
	}
	if (err)
		return err;
	*priority = m->priority;
	result = copy_out(dst, m->text, m->size) ? -EFAULT : (s64)m->size;
	free(m);
	return result;
}

int mqueue_notify(struct file *f, const struct sigevent *ev)
{
	struct mqueue *q = mqueue_of(f);
	s32 me = caller()->pid;

	if (!q)
		return -EBADF;
	mutex_guard(&q->mutex);
	if (!ev) {
		if (q->notify_pid == me)
			q->notify_pid = 0;
		return 0;
	}
	if (q->notify_pid)
		return -EBUSY;
	q->notify = *ev;
	q->notify_pid = me;
	return 0;
}

int mqueue_attr(struct file *f, const struct mq_attr *set, struct mq_attr *out)
{
	struct mqueue *q = mqueue_of(f);

	if (!q)
		return -EBADF;
	memset(out, 0, sizeof(*out));
	out->mq_maxmsg = q->max;
	out->mq_msgsize = q->size;
	out->mq_curmsgs = atomic_load(&q->count);
	out->mq_flags = atomic_load(&f->flags) & O_NONBLOCK;
	if (set && (set->mq_flags & O_NONBLOCK))
		atomic_fetch_or(&f->flags, O_NONBLOCK);
	else if (set)
		atomic_fetch_and(&f->flags, ~(u32)O_NONBLOCK);
	return 0;
}
