/*
 * Credentials of a guest task: identity and capabilities as in credentials(7)
 * and capabilities(7). Immutable once published: a change makes a new one
 * (cred_clone), edits it, and swaps it in. These are the guest's; the host
 * never sees them. Ids are those of the initial user namespace.
 */
#pragma once
#include "base/ref.h"
#include "base/types.h"
#include "base/user_ns.h"

#define CRED_MAX_GROUPS 65536

struct cred {
	struct ref ref;
	u32 uid, euid, suid, fsuid;
	u32 gid, egid, sgid, fsgid;
	u64 cap_inheritable, cap_permitted, cap_effective, cap_bounding, cap_ambient;
	u32 securebits;
	struct user_ns *user_ns; /* where the capabilities count; held */
	u32 ngroups;
	u32 groups[]; /* sorted ascending */
};

/* Root with every capability; the caller owns the reference. NULL when out of memory. */
struct cred *cred_create_root(void);
/* uid and gid in all four slots; capabilities full for uid 0, none otherwise. */
struct cred *cred_create(u32 uid, u32 gid, const u32 *groups, u32 ngroups);
/* A private copy with room for ngroups groups (groups beyond the old count are zero). */
struct cred *cred_clone(const struct cred *c, u32 ngroups);
/*
 * For whoever has filled in the groups of such a copy. Not by qsort, which asks the host for its
 * memory's size if there is much to sort, and that ends a sentry that is locked down.
 */
void cred_sort_groups(struct cred *c);
struct cred *cred_get(struct cred *c);
void cred_put(struct cred *c);

/* Over the sandbox as a whole: the initial user namespace. */
bool cred_has_cap(const struct cred *c, int cap);
/* Over what ns governs (capabilities(7), user_namespaces(7); cap_capable). */
bool cred_has_cap_in(const struct cred *c, const struct user_ns *ns, int cap);
/* Over an object of these owners, if both mean something in c's namespace. */
bool cred_has_cap_over(const struct cred *c, u32 uid, u32 gid, int cap);
/* Over c's own user namespace, and with it over what lives in that (ns_capable). */
static inline bool cred_has_own_cap(const struct cred *c, int cap)
{
	return cred_has_cap_in(c, c->user_ns, cap);
}
/* uid is the superuser of c's user namespace. */
static inline bool cred_is_root_uid(const struct cred *c, u32 uid)
{
	return user_ns_uid_in(c->user_ns, 0) == uid && uid != NO_ID;
}
/* The credentials of one who makes u and enters it, or enters it later; takes u's reference. */
void cred_enter_user_ns(struct cred *c, struct user_ns *u);
/* gid is the fsgid or a supplementary group. */
bool cred_in_group(const struct cred *c, u32 gid);
