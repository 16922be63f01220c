/*
 * /proc/PID/uid_map, gid_map and setgroups: what ids mean in the user namespace
 * of a process (user_namespaces(7); kernel/user_namespace.c map_write). A map is
 * written once, by one who is trusted with the ids that it names outside.
 */
#include "base/cred.h"
#include "fs/vfs/file.h"
#include "sentry/ns_set.h"
#include "sentry/proc/proc_internal.h"
#include "sentry/task.h"
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the process, +1, or NULL once it has ended. */
static struct user_ns *ns_of(const struct pseudo_ref *ref)
{
	struct ns *n = task_ns_get(ref_task(ref), NS_USER);

	return n ? container_of(n, struct user_ns, ns) : NULL;
}

/* ---- reading -------------------------------------------------------------------- */

/* The outside is the reader's namespace, or the parent for a reader who is inside. */
static int show_map(const struct pseudo_ref *ref, struct text *t, bool groups)
{
	struct user_ns *u = ns_of(ref);
	const struct user_ns *outside = caller_cred()->user_ns;
	const struct id_map *m;

	if (!u)
		return -ESRCH;
	if (outside == u && u->ns.owner)
		outside = u->ns.owner;
	m = atomic_load(groups ? &u->gid_map : &u->uid_map);
	if (!u->ns.owner)
		text_add(t, "%10u %10u %10u\n", 0u, 0u, NO_ID);
	for (u32 i = 0; m && i < m->n; i++) {
		const struct id_extent *e = &m->extent[i];
		u32 base =
		    groups ? user_ns_gid_out(outside, e->base) : user_ns_uid_out(outside, e->base);

		text_add(t, "%10u %10u %10u\n", e->first, base, e->count);
	}
	user_ns_put(u);
	return 0;
}

int show_uid_map(const struct pseudo_ref *ref, struct text *t)
{
	return show_map(ref, t, false);
}

int show_gid_map(const struct pseudo_ref *ref, struct text *t)
{
	return show_map(ref, t, true);
}

int show_setgroups(const struct pseudo_ref *ref, struct text *t)
{
	struct user_ns *u = ns_of(ref);

	if (!u)
		return -ESRCH;
	text_add(t, atomic_load(&u->no_setgroups) ? "deny\n" : "allow\n");
	user_ns_put(u);
	return 0;
}

/* ---- writing a map ---------------------------------------------------------------- */

/* A number of a line, blanks before it skipped. */
static bool take_number(const char **s, u32 *out)
{
	char *end;
	unsigned long n;

	*s += strspn(*s, " \t");
	if (**s < '0' || **s > '9')
		return false;
	errno = 0;
	n = strtoul(*s, &end, 10);
	*s = end;
	*out = (u32)n;
	return !errno && n <= 0xffffffffUL;
}

/* Lines of 'inside outside count'; whether they overlap is the namespace's to judge. */
static int parse_map(const char *s, struct id_map *m)
{
	while (*s) {
		struct id_extent *e = &m->extent[m->n];

		if (m->n == ID_EXTENTS_MAX || !take_number(&s, &e->first) ||
		    !take_number(&s, &e->base) || !take_number(&s, &e->count))
			return -EINVAL;
		s += strspn(s, " \t");
		if (*s && *s != '\n')
			return -EINVAL;
		s += *s == '\n';
		m->n++;
	}
	return m->n ? 0 : -EINVAL;
}

/* Who opened the file and who writes to it may both do so: neither lends the other its rights. */
static bool both_capable(const struct cred *opener, const struct user_ns *u, int cap)
{
	return cred_has_cap_in(caller_cred(), u, cap) && cred_has_cap_in(opener, u, cap);
}

/* The superuser outside is given away only by one who could have set file capabilities. */
static bool may_map_root(const struct user_ns *u, const struct cred *opener, const struct id_map *m)
{
	const struct user_ns *parent = u->ns.owner;
	bool named = false;

	for (u32 i = 0; i < m->n; i++)
		named |= m->extent[i].base == 0;
	if (!named)
		return true;
	/* From inside, it is the maker's right that counts. */
	if (opener->user_ns == u)
		return u->may_setfcap;
	return cred_has_cap_in(opener, parent, CAP_SETFCAP);
}

/* new_idmap_permitted */
static bool may_map(const struct user_ns *u, const struct cred *opener, const struct id_map *m,
                    bool groups)
{
	const struct user_ns *parent = u->ns.owner;
	const struct id_extent *e = &m->extent[0];
	const struct cred *me = caller_cred();

	if (!groups && !may_map_root(u, opener, m))
		return false;
	/* Anybody may map himself, but not leave groups by it that keep him out of something. */
	if (m->n == 1 && e->count == 1 && u->uid == opener->euid) {
		if (!groups && user_ns_uid_in(parent, e->base) == me->euid)
			return true;
		if (groups && user_ns_gid_in(parent, e->base) == me->egid &&
		    atomic_load(&u->no_setgroups))
			return true;
	}
	return both_capable(opener, parent, groups ? CAP_SETGID : CAP_SETUID);
}

static int set_map(struct user_ns *u, const struct cred *opener, const char *buf, bool groups)
{
	struct id_map *m;
	int err;

	if (!u->ns.owner || (opener->user_ns != u && opener->user_ns != u->ns.owner))
		return -EPERM;
	if (atomic_load(groups ? &u->gid_map : &u->uid_map) ||
	    !cred_has_cap_in(opener, u, CAP_SYS_ADMIN))
		return -EPERM;
	m = calloc(1, sizeof(*m) + ID_EXTENTS_MAX * sizeof(m->extent[0]));
	if (!m)
		return -ENOMEM;
	err = parse_map(buf, m);
	if (!err && !may_map(u, opener, m, groups))
		err = -EPERM;
	if (!err)
		err = user_ns_set_map(u, groups, m);
	free(m);
	return err;
}

static int write_map(const struct pseudo_ref *ref, const struct pseudo_write *w, bool groups)
{
	struct user_ns *u;
	int err;

	/* All of it in one write, or what is missing could never be added. */
	if (w->pos != 0 || w->n >= PAGE_SIZE - 1)
		return -EINVAL;
	u = ns_of(ref);
	if (!u)
		return -ESRCH;
	err = set_map(u, w->opener, w->buf, groups);
	user_ns_put(u);
	return err;
}

int write_uid_map(const struct pseudo_ref *ref, const struct pseudo_write *w)
{
	return write_map(ref, w, false);
}

int write_gid_map(const struct pseudo_ref *ref, const struct pseudo_write *w)
{
	return write_map(ref, w, true);
}

/* ---- setgroups ---------------------------------------------------------------------- */

/* Denying is final, and not possible once groups have been mapped under 'allow'. */
static int set_setgroups(struct user_ns *u, bool allow)
{
	int err = 0;

	lock_acquire(&u->lock);
	if (allow ? atomic_load(&u->no_setgroups) : !!atomic_load(&u->gid_map) || !u->ns.owner)
		err = -EPERM;
	else if (!allow)
		atomic_store(&u->no_setgroups, true);
	lock_release(&u->lock);
	return err;
}

int write_setgroups(const struct pseudo_ref *ref, const struct pseudo_write *w)
{
	size_t len = strcspn(w->buf, " \t\n");
	bool allow = len == 5 && memcmp(w->buf, "allow", 5) == 0;
	struct user_ns *u;
	int err;

	if (w->pos != 0 || w->n >= 8 || w->buf[len + strspn(w->buf + len, " \t\n")])
		return -EINVAL;
	if (!allow && !(len == 4 && memcmp(w->buf, "deny", 4) == 0))
		return -EINVAL;
	u = ns_of(ref);
	if (!u)
		return -ESRCH;
	err = cred_has_cap_in(w->opener, u, CAP_SYS_ADMIN) ? set_setgroups(u, allow) : -EACCES;
	user_ns_put(u);
	return err;
}
