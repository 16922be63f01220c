/*
 * System V message queues: msgget(2), msgsnd(2), msgrcv(2), msgctl(2);
 * ipc/msg.c. A sender waits for room, a receiver for a message of its type; both look again
 * when the queue has changed.
 */
#include "sentry/ipc/ipc.h"
#include "sentry/ipc/ipc_ids.h"
#include "base/caller.h"
#include "base/fiber.h"
#include "base/uspace.h"
#include "base/waitq.h"
#include "fs/pseudo/pseudo.h"
#include "fs/vfs/file.h"
#include "sentry/pid_ns.h"
#include "sentry/syscall.h"
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/stat.h>

/* include/uapi/linux/msg.h. */
#define MSG_QUEUES_MAX 32000u
#define MSG_SIZE_MAX   8192u
#define MSG_BYTES_MAX  16384u
#define MSG_STAT_ANY_  13
#define MSG_COPY_      040000
#define MAY_READ_ALL   (S_IRUSR | S_IRGRP | S_IROTH)
#define MAY_WRITE_ALL  (S_IWUSR | S_IWGRP | S_IWOTH)

struct message {
	TAILQ_ENTRY(message) link;
	s64 type;
	size_t size;
	u8 text[];
};

struct msg_queue {
	struct ipc_object base;
	TAILQ_HEAD(, message) messages;
	struct waitq waitq; /* EPOLLIN: a message came; EPOLLOUT: room */
	u64 bytes, limit;
	u32 count;
	s32 lspid, lrpid;
	s64 stime, rtime, ctime;
};

static struct ipc_ids *msg_ids(void)
{
	return ipc_ids_of_caller(IPC_MSG);
}

static void queue_free(struct ipc_object *o)
{
	struct msg_queue *q = container_of(o, struct msg_queue, base);
	struct message *m;

	while ((m = TAILQ_FIRST(&q->messages))) {
		TAILQ_REMOVE(&q->messages, m, link);
		free(m);
	}
	waitq_destroy(&q->waitq);
	free(q);
}

static void queue_remove(struct ipc_object *o)
{
	struct msg_queue *q = container_of(o, struct msg_queue, base);

	ref_get(&o->ref);
	ipc_remove(o);
	waitq_wake(&q->waitq, EPOLLIN | EPOLLOUT);
	ipc_object_put(o);
}

const struct ipc_kind_ops msg_kind = {MSG_QUEUES_MAX, queue_free, queue_remove};

static int queue_create(void *arg unused_arg, struct ipc_object **out)
{
	struct msg_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	TAILQ_INIT(&q->messages);
	waitq_init(&q->waitq);
	q->limit = MSG_BYTES_MAX;
	q->ctime = ipc_now();
	*out = &q->base;
	return 0;
}

s64 sys_msgget(struct task *t unused_arg, const struct syscall_args *a)
{
	static const struct ipc_maker maker = {queue_create, NULL};

	mutex_guard(&ipc_mutex[IPC_MSG]);
	return ipc_get(msg_ids(), arg_int(a, 0), arg_int(a, 1), &maker, NULL);
}

static int queue_find(s32 id, u32 want, struct msg_queue **out)
{
	struct ipc_object *o;
	int err = ipc_find(msg_ids(), id, &o);

	if (!err && want)
		err = ipc_permission(o, want);
	if (!err)
		*out = container_of(o, struct msg_queue, base);
	return err;
}

/*
 * The loop of both directions: tries attempt() on the queue until it is not
 * -EAGAIN, or a signal comes. wait false: once.
 */
struct attempt {
	int (*fn)(struct msg_queue *q, struct attempt *a);
	u32 want; /* permission, asked for anew each time, as in Linux */
	u32 events;
	bool wait;
	struct message *message;
	/* msgrcv: */
	s64 type;
	int flags;
	size_t size;
};

static int queue_attempt(s32 id, struct attempt *a)
{
	struct wait_fiber w;
	struct msg_queue *q = NULL;
	int err;
	{
		mutex_guard(&ipc_mutex[IPC_MSG]);
		err = queue_find(id, a->want, &q);
		if (!err)
			err = a->fn(q, a);
		if (err != -EAGAIN || !a->wait)
			return err;
		ref_get(&q->base.ref);
	}
	wait_fiber_init(&w);
	waitq_add(&q->waitq, &w.waiter, a->events);
	for (;;) {
		{
			mutex_guard(&ipc_mutex[IPC_MSG]);
			err = q->base.removed ? -EIDRM : ipc_permission(&q->base, a->want);
			if (!err)
				err = a->fn(q, a);
		}
		if (err != -EAGAIN)
			break;
		err = fiber_sleep(NO_DEADLINE);
		if (err) {
			err = -ERESTARTNOHAND;
			break;
		}
	}
	waitq_remove(&q->waitq, &w.waiter);
	ipc_object_put(&q->base);
	return err;
}

/* ---- msgsnd -------------------------------------------------------------------- */

static int send_attempt(struct msg_queue *q, struct attempt *a)
{
	struct message *m = a->message;

	if (m->size + q->bytes > q->limit || q->count + 1u > q->limit)
		return -EAGAIN;
	TAILQ_INSERT_TAIL(&q->messages, m, link);
	a->message = NULL;
	q->bytes += m->size;
	q->count++;
	q->lspid = caller()->pid;
	q->stime = ipc_now();
	waitq_wake(&q->waitq, EPOLLIN);
	return 0;
}

s64 sys_msgsnd(struct task *t unused_arg, const struct syscall_args *a)
{
	struct attempt at = {.fn = send_attempt,
	                     .want = MAY_WRITE_ALL,
	                     .events = EPOLLOUT,
	                     .wait = !(arg_int(a, 3) & IPC_NOWAIT)};
	struct uptr buf = arg_ptr(a, 1);
	s64 type, size = arg_s64(a, 2);
	int err;

	if (get_user(&type, buf))
		return -EFAULT;
	if (size < 0 || size > MSG_SIZE_MAX || arg_int(a, 0) < 0 || type < 1)
		return -EINVAL;
	at.message = malloc(sizeof(*at.message) + (size_t)size);
	if (!at.message)
		return -ENOMEM;
	at.message->type = type;
	at.message->size = (size_t)size;
	err = copy_in(at.message->text, uptr_add(buf, sizeof(type)), (size_t)size);
	if (!err)
		err = queue_attempt(arg_int(a, 0), &at);
	free(at.message);
	return err;
}

/* ---- msgrcv -------------------------------------------------------------------- */

static bool type_matches(const struct message *m, s64 type, int flags)
{
	if (type == 0)
		return true;
	return flags & MSG_EXCEPT ? m->type != type : m->type == type;
}

/* The message to receive, or NULL (ipc/msg.c find_msg). */
static struct message *find_message(struct msg_queue *q, s64 type, int flags)
{
	struct message *m, *lowest = NULL;
	s64 n = 0;

	if (flags & MSG_COPY_) {
		TAILQ_FOREACH (m, &q->messages, link)
			if (n++ == type)
				return m;
		return NULL;
	}
	TAILQ_FOREACH (m, &q->messages, link) {
		if (type >= 0) {
			if (type_matches(m, type, flags))
				return m;
		} else if (m->type <= (type == LONG_MIN ? LONG_MAX : -type) &&
		           (!lowest || m->type < lowest->type)) {
			lowest = m;
		}
	}
	return lowest;
}

static int receive_attempt(struct msg_queue *q, struct attempt *a)
{
	struct message *m = find_message(q, a->type, a->flags);

	if (!m)
		return a->wait ? -EAGAIN : -ENOMSG;
	if (a->size < m->size && !(a->flags & MSG_NOERROR))
		return -E2BIG;
	if (a->flags & MSG_COPY_) {
		a->message = malloc(sizeof(*m) + m->size);
		if (!a->message)
			return -ENOMEM;
		memcpy(a->message, m, sizeof(*m) + m->size);
		return 0;
	}
	TAILQ_REMOVE(&q->messages, m, link);
	a->message = m;
	q->bytes -= m->size;
	q->count--;
	q->lrpid = caller()->pid;
	q->rtime = ipc_now();
	waitq_wake(&q->waitq, EPOLLOUT);
	return 0;
}

s64 sys_msgrcv(struct task *t unused_arg, const struct syscall_args *a)
{
	int flags = arg_int(a, 4), err;
	struct attempt at = {.fn = receive_attempt,
	                     .want = MAY_READ_ALL,
	                     .events = EPOLLIN,
	                     .wait = !(flags & IPC_NOWAIT),
	                     .type = arg_s64(a, 3),
	                     .flags = flags,
	                     .size = arg_u64(a, 2)};
	struct uptr buf = arg_ptr(a, 1);
	size_t n;

	if (arg_s64(a, 2) < 0 || arg_int(a, 0) < 0)
		return -EINVAL;
	if ((flags & MSG_COPY_) && ((flags & MSG_EXCEPT) || !(flags & IPC_NOWAIT)))
		return -EINVAL;
	err = queue_attempt(arg_int(a, 0), &at);
	if (err)
		return err;
	n = min_of(at.size, at.message->size);
	err = put_user(buf, &at.message->type);
	if (!err)
		err = copy_out(uptr_add(buf, sizeof(s64)), at.message->text, n);
	free(at.message);
	return err ? err : (s64)n;
}

/* ---- msgctl -------------------------------------------------------------------- */

static void queue_describe(const struct msg_queue *q, struct msqid_ds *ds)
{
	memset(ds, 0, sizeof(*ds));
	ipc_perm_get(&q->base, &ds->msg_perm);
	ds->msg_stime = q->stime;
	ds->msg_rtime = q->rtime;
	ds->msg_ctime = q->ctime;
	ds->__msg_cbytes = q->bytes;
	ds->msg_qnum = q->count;
	ds->msg_qbytes = q->limit;
	ds->msg_lspid = pid_shown(q->lspid);
	ds->msg_lrpid = pid_shown(q->lrpid);
}

static s64 msg_info(int cmd, struct uptr buf)
{
	struct msginfo info = {
	    .msgmni = MSG_QUEUES_MAX,
	    .msgmax = MSG_SIZE_MAX,
	    .msgmnb = MSG_BYTES_MAX,
	    .msgssz = 16,
	    .msgseg = 0xffff,
	    .msgpool = (int)(MSG_QUEUES_MAX * MSG_BYTES_MAX / 1024),
	    .msgmap = MSG_BYTES_MAX,
	    .msgtql = MSG_BYTES_MAX,
	};
	int last;
	{
		mutex_guard(&ipc_mutex[IPC_MSG]);
		last = ipc_last_index(msg_ids());
		if (cmd == MSG_INFO) {
			info.msgpool = (int)msg_ids()->used;
			info.msgmap = info.msgtql = 0;
			for (u32 i = 0; i < msg_ids()->size; i++) {
				const struct msg_queue *q;
				if (!msg_ids()->slot[i])
					continue;
				q = container_of(msg_ids()->slot[i], struct msg_queue, base);
				info.msgmap += (int)q->count;
				info.msgtql += (int)q->bytes;
			}
		}
	}
	return put_user(buf, &info) ? -EFAULT : last;
}

static s64 msg_stat(s32 id, int cmd, struct uptr buf)
{
	struct msqid_ds ds;
	struct ipc_object *o;
	s64 result = 0;
	{
		mutex_guard(&ipc_mutex[IPC_MSG]);
		if (cmd == IPC_STAT)
			result = ipc_find(msg_ids(), id, &o);
		else if (!(o = ipc_at(msg_ids(), id)))
			result = -EINVAL;
		if (!result && cmd != MSG_STAT_ANY_)
			result = ipc_permission(o, MAY_READ_ALL);
		if (result)
			return result;
		queue_describe(container_of(o, struct msg_queue, base), &ds);
		result = cmd == IPC_STAT ? 0 : o->id;
	}
	return put_user(buf, &ds) ? -EFAULT : result;
}

static s64 msg_change(struct task *t, s32 id, int cmd, const struct msqid_ds *ds)
{
	struct msg_queue *q;
	int err;

	mutex_guard(&ipc_mutex[IPC_MSG]);
	err = queue_find(id, 0, &q);
	if (!err)
		err = ipc_owner(&q->base);
	if (err)
		return err;
	if (cmd == IPC_RMID) {
		queue_remove(&q->base);
		return 0;
	}
	if (ds->msg_qbytes > MSG_BYTES_MAX && !task_capable(t, CAP_SYS_RESOURCE))
		return -EPERM;
	err = ipc_perm_set(&q->base, &ds->msg_perm);
	if (err)
		return err;
	q->limit = ds->msg_qbytes;
	q->ctime = ipc_now();
	/* Rights and room may have changed for those who wait. */
	waitq_wake(&q->waitq, EPOLLIN | EPOLLOUT);
	return 0;
}

s64 sys_msgctl(struct task *t, const struct syscall_args *a)
{
	s32 id = arg_int(a, 0);
	int cmd = arg_int(a, 1);
	struct uptr buf = arg_ptr(a, 2);
	struct msqid_ds ds = {0};

	if (id < 0 || cmd < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case MSG_INFO:
		return msg_info(cmd, buf);
	case IPC_STAT:
	case MSG_STAT:
	case MSG_STAT_ANY_:
		return msg_stat(id, cmd, buf);
	case IPC_SET:
		if (get_user(&ds, buf))
			return -EFAULT;
		return msg_change(t, id, cmd, &ds);
	case IPC_RMID:
		return msg_change(t, id, cmd, &ds);
	default:
		return -EINVAL;
	}
}

int ipc_show_msg(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid"
	            "  cuid  cgid      stime      rtime      ctime\n");
	mutex_guard(&ipc_mutex[IPC_MSG]);
	for (u32 i = 0; i < msg_ids()->size; i++) {
		const struct ipc_object *o = msg_ids()->slot[i];
		const struct msg_queue *q;
		if (!o)
			continue;
		q = container_of(o, struct msg_queue, base);
		text_add(t,
		         "%10d %10d  %4o  %10lu %10lu %5d %5d %5u %5u %5u %5u %10ld %10ld %10ld\n",
		         o->key, o->id, o->mode, q->bytes, (u64)q->count, q->lspid, q->lrpid,
		         o->uid, o->gid, o->cuid, o->cgid, q->stime, q->rtime, q->ctime);
	}
	return 0;
}
