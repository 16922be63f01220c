/*
 * User namespaces (user_namespaces(7)): what user and group numbers mean to a
 * guest, and over which objects its capabilities reach.
 *
 * All numbers in the sentry (credentials, attributes, accounts) are those of the
 * initial namespace. They are translated where they come from a guest and where
 * they go to one: an id that is not mapped is NO_ID on the way in, and shows as the
 * overflow id on the way out.
 */
#pragma once
#include "base/lock.h"
#include "base/ns.h"

#define NO_ID           (~0u)
#define OVERFLOW_ID     65534u /* /proc/sys/kernel/overflowuid */
#define ID_EXTENTS_MAX  340
#define USER_NS_NESTING 32 /* below the initial one */

struct cred;

/* first.. in the namespace are base.. in the initial one. */
struct id_extent {
	u32 first, base, count;
};
/* Written once, then immutable. */
struct id_map {
	u32 n;
	struct id_extent extent[];
};

struct user_ns {
	struct ns ns;              /* owner: the parent */
	u32 level;                 /* 0: the initial one */
	u32 uid, gid;              /* effective ids of who made it, in the initial namespace */
	bool may_setfcap;          /* its maker had CAP_SETFCAP, which mapping the user 0 needs */
	_Atomic bool no_setgroups; /* /proc/PID/setgroups says deny */
	struct lock lock;          /* who writes a map, or setgroups */
	_Atomic(struct id_map *) uid_map, gid_map; /* NULL: not written yet */
};

extern struct user_ns initial_user_ns;

static inline struct user_ns *user_ns_get(struct user_ns *u)
{
	if (u)
		ref_get(&u->ns.ref);
	return u;
}
static inline void user_ns_put(struct user_ns *u)
{
	if (u)
		ns_put(&u->ns);
}

/*
 * A child of c's namespace, made by c; nothing is mapped in it yet. -ENOSPC: nested too
 * deep, or too many; -EPERM: c's own ids have no place in its parent; -ENOMEM.
 */
must_check int user_ns_create(const struct cred *c, struct user_ns **out);

/* Of the initial namespace, or NO_ID. */
u32 user_ns_uid_in(const struct user_ns *u, u32 uid);
u32 user_ns_gid_in(const struct user_ns *u, u32 gid);
/* As u shows it, or NO_ID. */
u32 user_ns_uid_out(const struct user_ns *u, u32 uid);
u32 user_ns_gid_out(const struct user_ns *u, u32 gid);

/* As u shows it to a guest: the overflow id if it has no number there (from_kuid_munged). */
static inline u32 user_ns_uid_show(const struct user_ns *u, u32 uid)
{
	u32 nr = user_ns_uid_out(u, uid);
	return nr == NO_ID ? OVERFLOW_ID : nr;
}
static inline u32 user_ns_gid_show(const struct user_ns *u, u32 gid)
{
	u32 nr = user_ns_gid_out(u, gid);
	return nr == NO_ID ? OVERFLOW_ID : nr;
}
/* One that makes its namespace no promise about groups may not drop any (userns_may_setgroups). */
static inline bool user_ns_may_setgroups(const struct user_ns *u)
{
	return !u->ns.owner || (atomic_load(&u->gid_map) && !atomic_load(&u->no_setgroups));
}

/* Both of an object's ids mean something in u (privileged_wrt_inode_uidgid). */
bool user_ns_has_ids(const struct user_ns *u, u32 uid, u32 gid);
/* u is ns or an ancestor of it. */
bool user_ns_contains(const struct user_ns *u, const struct user_ns *ns);

/*
 * Writing /proc/PID/uid_map and gid_map: the bases are as u's parent numbers them. Takes over
 * nothing. 0, -EPERM (written before; an id that is not mapped in the parent), -EINVAL, -ENOMEM.
 */
must_check int user_ns_set_map(struct user_ns *u, bool groups, const struct id_map *map);
