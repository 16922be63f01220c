/*
 * Network namespaces. The defaults of the sysctls are those of a Linux host.
 */
#include "net/net.h"
#include "base/bug.h"
#include "base/caller.h"
#include "base/census.h"
#include "net/unix/unix.h"
#include <errno.h>
#include <stdlib.h>

#define SOMAXCONN_DEFAULT 4096
#define MAX_DGRAM_QLEN    10
#define BUFFER_DEFAULT    212992

static CENSUS(net_census, "net");
static _Atomic(struct net *) initial;

int net_create(struct net **out)
{
	struct net *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->unix_names = unix_names_create();
	if (!n->unix_names) {
		free(n);
		return -ENOMEM;
	}
	ref_init(&n->ref);
	n->max_dgram_qlen = MAX_DGRAM_QLEN;
	n->somaxconn = SOMAXCONN_DEFAULT;
	n->rmem_default = n->wmem_default = n->rmem_max = n->wmem_max = BUFFER_DEFAULT;
	census_add(&net_census, 1);
	*out = n;
	return 0;
}

struct net *net_get(struct net *n)
{
	ref_get(&n->ref);
	return n;
}

void net_put(struct net *n)
{
	if (!n || !ref_put(&n->ref))
		return;
	unix_names_free(n->unix_names);
	census_add(&net_census, -1);
	free(n);
}

/* Made by the first who asks; it lives as long as the sandbox. */
static struct net *initial_net(void)
{
	struct net *n = atomic_load_explicit(&initial, memory_order_acquire), *none = NULL;

	if (n)
		return n;
	BUG_ON(net_create(&n) != 0);
	if (atomic_compare_exchange_strong(&initial, &none, n))
		return n;
	net_put(n);
	return none;
}

struct net *net_current(void)
{
	struct net *n = caller()->net;

	return n ? n : initial_net();
}
