/* The namespaces of a task: see ns_set.h, and in Linux kernel/nsproxy.c. */
#include "sentry/ns_set.h"
#include "base/bug.h"
#include "base/census.h"
#include "base/cred.h"
#include "fs/vfs/fs_context.h"
#include "net/net.h"
#include "sentry/ipc/ipc.h"
#include "sentry/pid_ns.h"
#include "sentry/task.h"
#include "sentry/uts.h"
#include <errno.h>
#include <linux/sched.h>
#include <stdlib.h>

static CENSUS(ns_set_census, "ns_set");

static void cgroup_ns_free(struct ns *n)
{
	ns_destroy(n);
	free(n);
}

static int cgroup_ns_create(struct user_ns *owner, struct ns **out)
{
	struct ns *n = malloc(sizeof(*n));
	int err = n ? ns_init(n, NS_CGROUP, owner, cgroup_ns_free) : -ENOMEM;

	if (err)
		free(n);
	else
		*out = n;
	return err;
}

static struct ns_set *ns_set_alloc(void)
{
	struct ns_set *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	ref_init(&s->ref);
	census_add(&ns_set_census, 1);
	return s;
}

int ns_set_create(struct ns_set **out)
{
	struct user_ns *owner = &initial_user_ns;
	struct ns_set *s = ns_set_alloc();
	int err;

	if (!s)
		return -ENOMEM;
	s->net = net_get(net_initial());
	err = uts_ns_create(owner, NULL, &s->uts);
	if (!err)
		err = ipc_ns_create(owner, &s->ipc);
	if (!err)
		err = cgroup_ns_create(owner, &s->cgroup);
	if (err)
		ns_set_put(s);
	else
		*out = s;
	return err;
}

/* A copy that shares what is not in flags. */
static struct ns_set *ns_set_share(struct ns_set *from, u64 flags)
{
	struct ns_set *s = ns_set_alloc();

	if (!s)
		return NULL;
	if (!(flags & CLONE_NEWUTS)) {
		ns_get(&from->uts->ns);
		s->uts = from->uts;
	}
	if (!(flags & CLONE_NEWIPC)) {
		ns_get(ipc_ns_base(from->ipc));
		s->ipc = from->ipc;
	}
	if (!(flags & CLONE_NEWNET))
		s->net = net_get(from->net);
	if (!(flags & CLONE_NEWCGROUP))
		s->cgroup = ns_get(from->cgroup);
	return s;
}

int ns_set_derive(struct ns_set *from, u64 flags, struct user_ns *owner, struct ns_set **out)
{
	struct ns_set *s;
	int err = 0;

	if (!(flags & NS_SET_FLAGS)) {
		*out = ns_set_get(from);
		return 0;
	}
	s = ns_set_share(from, flags);
	if (!s)
		return -ENOMEM;
	if (flags & CLONE_NEWUTS)
		err = uts_ns_create(owner, from->uts, &s->uts);
	if (!err && (flags & CLONE_NEWIPC))
		err = ipc_ns_create(owner, &s->ipc);
	if (!err && (flags & CLONE_NEWNET))
		err = net_create(owner, &s->net);
	if (!err && (flags & CLONE_NEWCGROUP))
		err = cgroup_ns_create(owner, &s->cgroup);
	if (err)
		ns_set_put(s);
	else
		*out = s;
	return err;
}

int ns_set_replace(struct ns_set *from, struct ns *n, struct ns_set **out)
{
	struct ns_set *s = ns_set_share(from, ns_kind_flag(n->kind));

	if (!s)
		return -ENOMEM;
	ns_get(n);
	switch (n->kind) {
	case NS_UTS:
		s->uts = uts_ns_of(n);
		break;
	case NS_IPC:
		s->ipc = ipc_ns_of(n);
		break;
	case NS_NET:
		s->net = net_of_ns(n);
		break;
	case NS_CGROUP:
		s->cgroup = n;
		break;
	default:
		BUG("not a namespace of a set");
	}
	*out = s;
	return 0;
}

struct ns_set *ns_set_get(struct ns_set *s)
{
	ref_get(&s->ref);
	return s;
}

void ns_set_put(struct ns_set *s)
{
	if (!s || !ref_put(&s->ref))
		return;
	if (s->uts)
		ns_put(&s->uts->ns);
	if (s->ipc)
		ns_put(ipc_ns_base(s->ipc));
	net_put(s->net);
	ns_put(s->cgroup);
	census_add(&ns_set_census, -1);
	free(s);
}

void task_set_ns(struct task *t, struct ns_set *s)
{
	struct ns_set *old;
	{
		lock_guard(&t->group->siglock);
		old = t->ns;
		t->ns = s;
		t->caller.net = s ? s->net : NULL;
	}
	ns_set_put(old);
}

static struct ns *of_set(struct task *t, enum ns_kind kind)
{
	struct ns *n = NULL;

	lock_guard(&t->group->siglock);
	if (!t->ns)
		return NULL;
	switch (kind) {
	case NS_UTS:
		n = &t->ns->uts->ns;
		break;
	case NS_IPC:
		n = ipc_ns_base(t->ns->ipc);
		break;
	case NS_NET:
		n = &t->ns->net->ns;
		break;
	case NS_CGROUP:
		n = t->ns->cgroup;
		break;
	default:
		return NULL;
	}
	return ns_get(n);
}

struct ns *task_ns_get(struct task *t, enum ns_kind kind)
{
	struct ns *n = NULL;

	if (kind == NS_USER) {
		struct cred *c = task_cred_get(t);
		if (c) {
			n = ns_get(&c->user_ns->ns);
			cred_put(c);
		}
		return n;
	}
	if (kind == NS_PID) {
		/* A process that has ended is in none. */
		lock_guard(&t->group->siglock);
		return t->ns ? ns_get(&t->group->pid_ns->ns) : NULL;
	}
	if (kind == NS_MNT) {
		struct fs_context *fs = task_fs_get(t);
		if (fs) {
			n = ns_get(mount_ns_base(fs->ns));
			fs_context_put(fs);
		}
		return n;
	}
	return of_set(t, kind);
}
