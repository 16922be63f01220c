/* User namespaces: see user_ns.h, and in Linux kernel/user_namespace.c. */
#include "base/user_ns.h"
#include "base/cred.h"
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

/* Static: its count starts at one that nobody puts. */
struct user_ns initial_user_ns = {
    .ns = {.ref = {.count = 1}, .kind = NS_USER, .ino = NS_INO_USER},
    .may_setfcap = true,
    .lock = LOCK_INIT(RANK_OBJECT),
};

static void user_ns_free(struct ns *n)
{
	struct user_ns *u = container_of(n, struct user_ns, ns);

	free(atomic_load(&u->uid_map));
	free(atomic_load(&u->gid_map));
	ns_destroy(n);
	free(u);
}

int user_ns_create(const struct cred *c, struct user_ns **out)
{
	struct user_ns *parent = c->user_ns, *u;
	int err;

	if (parent->level >= USER_NS_NESTING)
		return -ENOSPC;
	/* Its owner must mean something to the parent, who is to judge by it. */
	if (!user_ns_has_ids(parent, c->euid, c->egid))
		return -EPERM;
	u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	err = ns_init(&u->ns, NS_USER, parent, user_ns_free);
	if (err) {
		free(u);
		return err;
	}
	u->level = parent->level + 1;
	u->uid = c->euid;
	u->gid = c->egid;
	u->may_setfcap = c->cap_effective >> CAP_SETFCAP & 1;
	u->no_setgroups = atomic_load(&parent->no_setgroups);
	lock_init(&u->lock, RANK_OBJECT);
	*out = u;
	return 0;
}

/* ---- maps ------------------------------------------------------------------- */

static u32 map_in(const struct id_map *m, u32 id)
{
	for (u32 i = 0; m && i < m->n; i++) {
		const struct id_extent *e = &m->extent[i];
		if (id - e->first < e->count)
			return e->base + (id - e->first);
	}
	return NO_ID;
}

static u32 map_out(const struct id_map *m, u32 id)
{
	for (u32 i = 0; m && i < m->n; i++) {
		const struct id_extent *e = &m->extent[i];
		if (id - e->base < e->count)
			return e->first + (id - e->base);
	}
	return NO_ID;
}

u32 user_ns_uid_in(const struct user_ns *u, u32 uid)
{
	return u == &initial_user_ns ? uid : map_in(atomic_load(&u->uid_map), uid);
}

u32 user_ns_gid_in(const struct user_ns *u, u32 gid)
{
	return u == &initial_user_ns ? gid : map_in(atomic_load(&u->gid_map), gid);
}

u32 user_ns_uid_out(const struct user_ns *u, u32 uid)
{
	return u == &initial_user_ns ? uid : map_out(atomic_load(&u->uid_map), uid);
}

u32 user_ns_gid_out(const struct user_ns *u, u32 gid)
{
	return u == &initial_user_ns ? gid : map_out(atomic_load(&u->gid_map), gid);
}

bool user_ns_has_ids(const struct user_ns *u, u32 uid, u32 gid)
{
	return user_ns_uid_out(u, uid) != NO_ID && user_ns_gid_out(u, gid) != NO_ID;
}

bool user_ns_contains(const struct user_ns *u, const struct user_ns *ns)
{
	while (ns && ns->level > u->level)
		ns = ns->ns.owner;
	return ns == u;
}

/* Ranges that are not empty, do not wrap and do not touch each other, on both sides. */
static int check_extents(const struct id_map *m)
{
	if (m->n == 0 || m->n > ID_EXTENTS_MAX)
		return -EINVAL;
	for (u32 i = 0; i < m->n; i++) {
		const struct id_extent *a = &m->extent[i];

		if (a->first == NO_ID || a->base == NO_ID || a->count == 0 ||
		    a->first + a->count <= a->first || a->base + a->count <= a->base)
			return -EINVAL;
		for (u32 k = 0; k < i; k++) {
			const struct id_extent *b = &m->extent[k];
			bool apart =
			    a->first + a->count <= b->first || b->first + b->count <= a->first;
			bool base_apart =
			    a->base + a->count <= b->base || b->base + b->count <= a->base;

			if (!apart || !base_apart)
				return -EINVAL;
		}
	}
	return 0;
}

/* The range of the parent's ids in the initial namespace, if one extent of it has all. */
static int resolve_base(const struct user_ns *parent, bool groups, struct id_extent *e)
{
	const struct id_map *m = atomic_load(groups ? &parent->gid_map : &parent->uid_map);

	if (parent == &initial_user_ns)
		return 0;
	for (u32 i = 0; m && i < m->n; i++) {
		const struct id_extent *p = &m->extent[i];
		if (e->base - p->first < p->count &&
		    (u64)e->base - p->first + e->count <= p->count) {
			e->base = p->base + (e->base - p->first);
			return 0;
		}
	}
	return -EPERM;
}

int user_ns_set_map(struct user_ns *u, bool groups, const struct id_map *map)
{
	_Atomic(struct id_map *) *place = groups ? &u->gid_map : &u->uid_map;
	size_t size = sizeof(*map) + map->n * sizeof(map->extent[0]);
	struct id_map *m;
	int err = check_extents(map);

	if (err)
		return err;
	m = malloc(size);
	if (!m)
		return -ENOMEM;
	memcpy(m, map, size);
	for (u32 i = 0; !err && i < m->n; i++)
		err = resolve_base(u->ns.owner, groups, &m->extent[i]);
	lock_acquire(&u->lock);
	if (!err && atomic_load(place))
		err = -EPERM;
	if (!err)
		atomic_store(place, m);
	lock_release(&u->lock);
	if (err)
		free(m);
	return err;
}
