/* Credentials: see cred.h. Immutable once published, so they need no lock. */
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include "base/census.h"
#include "base/cred.h"

#define ALL_CAPS ((1ULL << (CAP_LAST_CAP + 1)) - 1)

static CENSUS(cred_census, "cred");

static struct cred *cred_alloc(u32 ngroups)
{
	struct cred *c;

	if (ngroups > CRED_MAX_GROUPS)
		return NULL;
	c = calloc(1, sizeof(*c) + ngroups * sizeof(c->groups[0]));
	if (!c)
		return NULL;
	ref_init(&c->ref);
	c->ngroups = ngroups;
	c->user_ns = user_ns_get(&initial_user_ns);
	census_add(&cred_census, 1);
	return c;
}

/* Lets v[i] sink in the heap of n. */
static void sift(u32 *v, size_t i, size_t n)
{
	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		u32 x = v[i];

		if (child + 1 < n && v[child] < v[child + 1])
			child++;
		if (x >= v[child])
			return;
		v[i] = v[child];
		v[child] = x;
	}
}

void cred_sort_groups(struct cred *c)
{
	u32 *v = c->groups;

	for (size_t i = c->ngroups / 2; i-- > 0;)
		sift(v, i, c->ngroups);
	for (size_t n = c->ngroups; n-- > 1;) {
		u32 largest = v[0];

		v[0] = v[n];
		v[n] = largest;
		sift(v, 0, n);
	}
}

struct cred *cred_create(u32 uid, u32 gid, const u32 *groups, u32 ngroups)
{
	struct cred *c = cred_alloc(ngroups);

	if (!c)
		return NULL;
	c->uid = c->euid = c->suid = c->fsuid = uid;
	c->gid = c->egid = c->sgid = c->fsgid = gid;
	/* A user without capabilities may still gain them from a set-user-ID
	 * program: the bounding set is what could ever be gained. */
	c->cap_bounding = ALL_CAPS;
	if (uid == 0)
		c->cap_permitted = c->cap_effective = ALL_CAPS;
	if (ngroups) {
		memcpy(c->groups, groups, ngroups * sizeof(groups[0]));
		cred_sort_groups(c);
	}
	return c;
}

struct cred *cred_create_root(void)
{
	return cred_create(0, 0, NULL, 0);
}

/* All between the count of references, which others change meanwhile, and the groups. */
static void copy_fixed_part(struct cred *to, const struct cred *from)
{
	size_t start = offsetof(struct cred, ref) + sizeof(from->ref);

	memcpy((char *)to + start, (const char *)from + start,
	       offsetof(struct cred, groups) - start);
}

struct cred *cred_clone(const struct cred *c, u32 ngroups)
{
	struct cred *n = cred_alloc(ngroups);
	u32 kept = min_of(c->ngroups, ngroups);

	if (!n)
		return NULL;
	user_ns_put(n->user_ns);
	copy_fixed_part(n, c);
	user_ns_get(n->user_ns);
	n->ngroups = ngroups;
	memcpy(n->groups, c->groups, kept * sizeof(c->groups[0]));
	return n;
}

struct cred *cred_get(struct cred *c)
{
	ref_get(&c->ref);
	return c;
}

void cred_put(struct cred *c)
{
	if (!c || !ref_put(&c->ref))
		return;
	census_add(&cred_census, -1);
	user_ns_put(c->user_ns);
	free(c);
}

void cred_enter_user_ns(struct cred *c, struct user_ns *u)
{
	user_ns_put(c->user_ns);
	c->user_ns = u;
	c->securebits = 0;
	c->cap_inheritable = c->cap_ambient = 0;
	c->cap_permitted = c->cap_effective = c->cap_bounding = ALL_CAPS;
}

static bool effective(const struct cred *c, int cap)
{
	return cap >= 0 && cap <= CAP_LAST_CAP && (c->cap_effective >> cap & 1);
}

bool cred_has_cap(const struct cred *c, int cap)
{
	return c->user_ns == &initial_user_ns && effective(c, cap);
}

bool cred_has_cap_in(const struct cred *c, const struct user_ns *ns, int cap)
{
	for (; ns != c->user_ns; ns = ns->ns.owner) {
		if (ns->level <= c->user_ns->level)
			return false;
		/* Who made a namespace has every capability in it, from its parent. */
		if (ns->ns.owner == c->user_ns && ns->uid == c->euid)
			return true;
	}
	return effective(c, cap);
}

bool cred_has_cap_over(const struct cred *c, u32 uid, u32 gid, int cap)
{
	return effective(c, cap) && user_ns_has_ids(c->user_ns, uid, gid);
}

bool cred_in_group(const struct cred *c, u32 gid)
{
	u32 lo = 0, hi = c->ngroups;

	if (c->fsgid == gid)
		return true;
	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (c->groups[mid] == gid)
			return true;
		if (c->groups[mid] < gid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}
