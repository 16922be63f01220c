/*
 * Namespaces (namespaces(7)): what those of all kinds have in common. A kind
 * embeds struct ns in its own object, which lives as long as a process uses it,
 * a descriptor or a mount names it, or (pid and user namespaces) a descendant exists.
 */
#pragma once
#include "base/ref.h"
#include "base/types.h"

struct user_ns;

/* In the order of the names in /proc/PID/ns. */
enum ns_kind { NS_CGROUP, NS_IPC, NS_MNT, NS_NET, NS_PID, NS_USER, NS_UTS, NS_KINDS };

struct ns {
	struct ref ref;
	enum ns_kind kind;
	u32 ino;               /* tells it from all others: st_ino of /proc/PID/ns/KIND */
	struct user_ns *owner; /* whose capabilities govern it; held. A user namespace's parent,
	                          NULL for the initial one's */
	void (*free)(struct ns *n); /* the last reference is gone; ns_destroy has not been called */
};

/* Numbers of initial ones that never change (include/linux/proc_ns.h). */
#define NS_INO_USER 4026531837u
#define NS_INO_TIME 4026531834u /* there is no other */

/* How many of each kind there may be at once; /proc/sys/user/max_*_namespaces. */
#define NS_MAX 4096

/*
 * One reference; takes its own to owner. The first of its kind gets the initial
 * number. -ENOSPC: too many.
 */
must_check int ns_init(struct ns *n, enum ns_kind kind, struct user_ns *owner,
                       void (*free)(struct ns *n));
/* Undoes ns_init; for the kind's free. */
void ns_destroy(struct ns *n);
struct ns *ns_get(struct ns *n);
void ns_put(struct ns *n);                   /* NULL: nothing */
const char *ns_kind_name(enum ns_kind kind); /* "uts" */
u32 ns_kind_flag(enum ns_kind kind);         /* CLONE_NEWUTS */
