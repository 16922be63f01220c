/* UTS namespaces: see uts.h. */
#include "sentry/uts.h"
#include "base/bug.h"
#include <errno.h>
#include <stdlib.h>

static void uts_ns_free(struct ns *n)
{
	ns_destroy(n);
	free(uts_ns_of(n));
}

int uts_ns_create(struct user_ns *owner, struct uts_ns *from, struct uts_ns **out)
{
	struct uts_ns *u = calloc(1, sizeof(*u));
	int err = u ? ns_init(&u->ns, NS_UTS, owner, uts_ns_free) : -ENOMEM;

	if (err) {
		free(u);
		return err;
	}
	lock_init(&u->lock, RANK_OBJECT);
	if (from)
		uts_get(from, &u->uts);
	else
		u->uts = (struct uts){"moat", "(none)"};
	*out = u;
	return 0;
}

struct uts_ns *uts_ns_of(struct ns *n)
{
	BUG_ON(n->kind != NS_UTS);
	return container_of(n, struct uts_ns, ns);
}

void uts_get(struct uts_ns *ns, struct uts *out)
{
	lock_guard(&ns->lock);
	*out = ns->uts;
}
