/*
 * Network namespaces. The defaults of the sysctls are those of a Linux host.
 */
#include "net/net.h"
#include "base/bug.h"
#include "base/caller.h"
#include "base/census.h"
#include "base/user_ns.h"
#include "net/unix/unix.h"
#include <errno.h>
#include <stdlib.h>

#define SOMAXCONN_DEFAULT 4096
#define MAX_DGRAM_QLEN    10
#define BUFFER_DEFAULT    212992

static CENSUS(net_census, "net");
static _Atomic(struct net *) initial;

static void net_free(struct ns *ns)
{
	struct net *n = net_of_ns(ns);

	unix_names_free(n->unix_names);
	ns_destroy(ns);
	census_add(&net_census, -1);
	free(n);
}

int net_create(struct user_ns *owner, struct net **out)
{
	struct net *n = calloc(1, sizeof(*n));
	int err;

	if (!n)
		return -ENOMEM;
	n->unix_names = unix_names_create();
	err = n->unix_names ? ns_init(&n->ns, NS_NET, owner, net_free) : -ENOMEM;
	if (err) {
		if (n->unix_names)
			unix_names_free(n->unix_names);
		free(n);
		return err;
	}
	n->max_dgram_qlen = MAX_DGRAM_QLEN;
	n->somaxconn = SOMAXCONN_DEFAULT;
	n->rmem_default = n->wmem_default = n->rmem_max = n->wmem_max = BUFFER_DEFAULT;
	census_add(&net_census, 1);
	*out = n;
	return 0;
}

struct net *net_of_ns(struct ns *n)
{
	BUG_ON(n->kind != NS_NET);
	return container_of(n, struct net, ns);
}

struct net *net_get(struct net *n)
{
	ns_get(&n->ns);
	return n;
}

void net_put(struct net *n)
{
	if (n)
		ns_put(&n->ns);
}

/* Made by the first who asks; it lives as long as the sandbox. */
struct net *net_initial(void)
{
	struct net *n = atomic_load_explicit(&initial, memory_order_acquire), *none = NULL;

	if (n)
		return n;
	BUG_ON(net_create(&initial_user_ns, &n) != 0);
	if (atomic_compare_exchange_strong(&initial, &none, n))
		return n;
	net_put(n);
	return none;
}

struct net *net_current(void)
{
	struct net *n = caller()->net;

	return n ? n : net_initial();
}
