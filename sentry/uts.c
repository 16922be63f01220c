/* UTS namespaces: see uts.h. */
#include "sentry/uts.h"
#include "base/bug.h"
#include "platform/platform.h"
#include "sentry/kernel.h"
#include <errno.h>
#include <linux/utsname.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(UTS_LEN == __NEW_UTS_LEN, "the same names");

/* Whose names the platform has; it lives as long as the sandbox. */
static struct uts_ns *published;

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

void uts_fill(const struct uts *u, struct new_utsname *out)
{
	memset(out, 0, sizeof(*out));
	strcpy(out->sysname, "Linux");
	strcpy(out->release, KERNEL_RELEASE);
	strcpy(out->version, KERNEL_VERSION);
	strcpy(out->machine, "x86_64");
	memcpy(out->nodename, u->nodename, sizeof(out->nodename));
	memcpy(out->domainname, u->domainname, sizeof(out->domainname));
}

/* ns->lock held, so that the platform hears of changes in their order. */
static void publish_locked(struct uts_ns *ns)
{
	struct new_utsname names;

	uts_fill(&ns->uts, &names);
	platform_set_names(&names);
}

void uts_publish(struct uts_ns *ns)
{
	lock_guard(&ns->lock);
	published = ns;
	publish_locked(ns);
}

bool uts_is_published(const struct uts_ns *ns)
{
	return ns == published;
}

void uts_set(struct uts_ns *ns, char *field, const char name[UTS_LEN + 1])
{
	lock_guard(&ns->lock);
	memcpy(field, name, UTS_LEN + 1);
	if (uts_is_published(ns))
		publish_locked(ns);
}

void uts_get(struct uts_ns *ns, struct uts *out)
{
	lock_guard(&ns->lock);
	*out = ns->uts;
}
