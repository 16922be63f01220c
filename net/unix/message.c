/*
 * Messages in receive queues.
 */
#include "net/unix/unix_internal.h"
#include "base/census.h"
#include <stdlib.h>
#include <sys/epoll.h>

static CENSUS(message_census, "unix message");

struct unix_msg *unix_msg_alloc(u32 cap)
{
	struct unix_msg *msg = malloc(sizeof(*msg) + cap);

	if (!msg)
		return NULL;
	*msg = (struct unix_msg){.cap = cap};
	ref_init(&msg->ref);
	census_add(&message_census, 1);
	return msg;
}

/* The sender may send as many bytes more; it is told when that makes it writable again. */
static void uncharge(struct unix_msg *msg)
{
	struct unix_socket *from = msg->from;
	u64 before = atomic_fetch_sub(&from->charged, msg->charge);

	if (!unix_below_mark(before, from->base.sndbuf) &&
	    unix_below_mark(before - msg->charge, from->base.sndbuf))
		unix_wake(from, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
	unix_put(from);
}

void unix_msg_put(struct unix_msg *msg)
{
	if (!ref_put(&msg->ref))
		return;
	if (msg->files)
		unix_drop_files(unix_detach_files(msg));
	if (msg->from)
		uncharge(msg);
	unix_addr_put(msg->addr);
	census_add(&message_census, -1);
	free(msg);
}

void unix_queue_free(struct unix_queue *q)
{
	struct unix_msg *msg;

	while ((msg = TAILQ_FIRST(q)) != NULL) {
		TAILQ_REMOVE(q, msg, link);
		unix_msg_put(msg);
	}
}

struct msg_cred unix_msg_cred(const struct msg *m, const struct unix_socket *u,
                              const struct unix_socket *other)
{
	u32 asked = u->base.flags | other->base.flags;

	if (m->has_cred)
		return m->cred;
	if (!(asked & SOCKET_PASSCRED))
		return (struct msg_cred){.pid = 0, .uid = OVERFLOW_ID, .gid = OVERFLOW_ID};
	const struct caller *c = caller();
	return (struct msg_cred){.pid = c->pid, .uid = c->cred->uid, .gid = c->cred->gid};
}
