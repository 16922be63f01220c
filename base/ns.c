/* What namespaces of all kinds have in common: see ns.h. */
#include "base/ns.h"
#include "base/user_ns.h"
#include <errno.h>
#include <linux/sched.h>

static _Atomic u32 next_ino = 4026532000u; /* above all of the initial ones */
static _Atomic bool have_initial[NS_KINDS];
static _Atomic u32 live[NS_KINDS];

static const struct {
	const char *name;
	u32 flag;
	u32 initial; /* number of the first one */
} kinds[NS_KINDS] = {
    [NS_CGROUP] = {"cgroup", CLONE_NEWCGROUP, 4026531835u},
    [NS_IPC] = {"ipc", CLONE_NEWIPC, 4026531839u},
    [NS_MNT] = {"mnt", CLONE_NEWNS, 4026531841u},
    [NS_NET] = {"net", CLONE_NEWNET, 4026531840u},
    [NS_PID] = {"pid", CLONE_NEWPID, 4026531836u},
    [NS_USER] = {"user", CLONE_NEWUSER, NS_INO_USER},
    [NS_UTS] = {"uts", CLONE_NEWUTS, 4026531838u},
};

int ns_init(struct ns *n, enum ns_kind kind, struct user_ns *owner, void (*free)(struct ns *n))
{
	bool later = kind == NS_USER || atomic_exchange(&have_initial[kind], true);

	if (atomic_fetch_add(&live[kind], 1) >= NS_MAX) {
		atomic_fetch_sub(&live[kind], 1);
		return -ENOSPC;
	}
	ref_init(&n->ref);
	n->kind = kind;
	n->ino = later ? atomic_fetch_add(&next_ino, 1) : kinds[kind].initial;
	n->owner = user_ns_get(owner);
	n->free = free;
	return 0;
}

void ns_destroy(struct ns *n)
{
	user_ns_put(n->owner);
	atomic_fetch_sub(&live[n->kind], 1);
}

struct ns *ns_get(struct ns *n)
{
	ref_get(&n->ref);
	return n;
}

void ns_put(struct ns *n)
{
	if (n && ref_put(&n->ref))
		n->free(n);
}

const char *ns_kind_name(enum ns_kind kind)
{
	return kinds[kind].name;
}

u32 ns_kind_flag(enum ns_kind kind)
{
	return kinds[kind].flag;
}
