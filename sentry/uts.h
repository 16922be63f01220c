/* UTS namespaces (uts_namespaces(7)): the names that uname(2) shows. */
#pragma once
#include "base/lock.h"
#include "base/ns.h"

#define UTS_LEN 64
struct uts {
	char nodename[UTS_LEN + 1];
	char domainname[UTS_LEN + 1];
};

struct uts_ns {
	struct ns ns;
	struct lock lock;
	struct uts uts; /* guarded by lock */
};

/* With a copy of from's names, or default ones (NULL). One reference. -ENOMEM, -ENOSPC. */
must_check int uts_ns_create(struct user_ns *owner, struct uts_ns *from, struct uts_ns **out);
struct uts_ns *uts_ns_of(struct ns *n); /* of kind NS_UTS */
void uts_get(struct uts_ns *ns, struct uts *out);
struct new_utsname;
/* As uname(2) shows it on a 64-bit system. */
void uts_fill(const struct uts *u, struct new_utsname *out);
/* One name changes: a field of ns->uts. */
void uts_set(struct uts_ns *ns, char *field, const char name[UTS_LEN + 1]);
/* From now on the platform answers uname(2) to who is in ns: the sandbox's first. */
void uts_publish(struct uts_ns *ns);
bool uts_is_published(const struct uts_ns *ns);
