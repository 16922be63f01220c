/*
 * The namespaces that a task is in, but for those that have a place of their own:
 * the user namespace is its credentials', the mount namespace its fs_context's.
 * Immutable and shared by tasks, as Linux's nsproxy; a change makes a new one.
 */
#pragma once
#include "base/ns.h"

struct ipc_ns;
struct net;
struct task;
struct uts_ns;

struct ns_set {
	struct ref ref;
	struct uts_ns *uts;
	struct ipc_ns *ipc;
	struct net *net;
	struct ns *cgroup; /* a label: no view of the one cgroup differs by it */
};

/* What NS_SET_FLAGS names is in a struct ns_set. */
#define NS_SET_FLAGS (CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP)

/* The initial one. -ENOMEM. */
must_check int ns_set_create(struct ns_set **out);
/*
 * A set like from, with fresh namespaces for CLONE_NEW* in flags, owned by owner; from itself
 * if there are none. One reference. -ENOMEM, -ENOSPC.
 */
must_check int ns_set_derive(struct ns_set *from, u64 flags, struct user_ns *owner,
                             struct ns_set **out);
/* As from, but for n instead of what it has of that kind. */
must_check int ns_set_replace(struct ns_set *from, struct ns *n, struct ns_set **out);
struct ns_set *ns_set_get(struct ns_set *s);
void ns_set_put(struct ns_set *s); /* NULL: nothing */

struct cred;
/*
 * Credentials of t in a user namespace of its own making (user_namespaces(7)): it has all
 * capabilities there. -EPERM: it is in a chroot, or its ids have no place in its present one.
 */
must_check int task_new_user_ns(struct task *t, struct cred **out);

/* Of the calling task; takes over s, which may be NULL at its end. */
void task_set_ns(struct task *t, struct ns_set *s);
/* Of any task: its namespace of that kind, +1, or NULL once it has let go of them. */
struct ns *task_ns_get(struct task *t, enum ns_kind kind);
