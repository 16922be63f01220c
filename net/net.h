/*
 * A network namespace: everything the network stack knows hangs off one. A
 * caller without one (kernel fibers, unit tests) works in the initial one.
 */
#pragma once
#include "base/lock.h"
#include "base/ns.h"
#include "base/types.h"

struct unix_names;

struct net {
	struct ns ns;
	struct unix_names *unix_names; /* AF_UNIX: all sockets, abstract names; owned */
	_Atomic s32 max_dgram_qlen;    /* net.unix.max_dgram_qlen */
	_Atomic s32 somaxconn;         /* net.core.somaxconn */
	_Atomic s32 rmem_default, wmem_default, rmem_max, wmem_max; /* net.core.* */
};

/* A fresh namespace, for CLONE_NEWNET. -ENOMEM, -ENOSPC. */
must_check int net_create(struct user_ns *owner, struct net **out);
struct net *net_get(struct net *n);
void net_put(struct net *n);
struct net *net_of_ns(struct ns *n); /* of kind NS_NET */
/* The namespace of who has none of its own, borrowed. */
struct net *net_initial(void);
/* The caller's namespace, borrowed; never NULL. */
struct net *net_current(void);
