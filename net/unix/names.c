/*
 * Addresses of AF_UNIX sockets: a path in the file system, or an abstract name
 * in the network namespace.
 *
 * A path leads to its socket through the inode; the inode's pointer holds no reference and
 * is cleared when the socket is released. Abstract names are in a hash.
 */
#include "net/unix/unix_internal.h"
#include "base/census.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/walk.h"
#include "net/net.h"
#include "net/unix/unix.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define BUCKETS     256
#define PATH_OFFSET offsetof(struct sockaddr_un, sun_path)
#define AUTO_NAMES  (1U << 20) /* five hexadecimal digits */

LIST_HEAD(unix_list, unix_socket);

struct unix_names {
	struct lock lock;
	struct unix_list all; /* lock, as is the rest */
	u32 count;
	u32 next_auto;
	struct unix_list abstract[BUCKETS];
};

static CENSUS(addr_census, "unix address");

/* ---- addresses ------------------------------------------------------------ */

struct unix_addr *unix_addr_get(struct unix_addr *a)
{
	if (a)
		ref_get(&a->ref);
	return a;
}

void unix_addr_put(struct unix_addr *a)
{
	if (!a || !ref_put(&a->ref))
		return;
	census_add(&addr_census, -1);
	free(a);
}

static struct unix_addr *addr_create(const struct sockaddr_un *name, u32 len)
{
	struct unix_addr *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	ref_init(&a->ref);
	a->len = len;
	memcpy(&a->name, name, min_of((size_t)len, sizeof(a->name)));
	census_add(&addr_census, 1);
	return a;
}

/* An unbound socket's name is its family alone. */
void unix_addr_report(const struct unix_addr *a, struct sock_addr *out)
{
	if (!a) {
		out->len = sizeof(sa_family_t);
		out->sa.sa_family = AF_UNIX;
		return;
	}
	/* A path that fills sun_path has its NUL behind it, and a length that says so. */
	out->len = a->len;
	memset(&out->ss, 0, sizeof(out->ss));
	memcpy(&out->un, &a->name, min_of((size_t)a->len, sizeof(a->name)));
}

static bool addr_valid(const struct sock_addr *a)
{
	return a->len > PATH_OFFSET && a->len <= sizeof(struct sockaddr_un) &&
	       a->un.sun_family == AF_UNIX;
}

static bool addr_is_abstract(const struct sock_addr *a)
{
	return a->un.sun_path[0] == '\0';
}

/* The path as a string; it need not end within sun_path. */
static void addr_path(const struct sock_addr *a, char path[sizeof(a->un.sun_path) + 1])
{
	size_t n = a->len - PATH_OFFSET;

	memcpy(path, a->un.sun_path, n);
	path[n] = '\0';
}

/* ---- the tables ----------------------------------------------------------- */

struct unix_names *unix_names_create(void)
{
	struct unix_names *n = calloc(1, sizeof(*n));

	if (n)
		lock_init(&n->lock, RANK_UNIX_NAMES);
	return n;
}

void unix_names_free(struct unix_names *n)
{
	free(n);
}

static struct unix_names *names_of(const struct unix_socket *u)
{
	return u->base.net->unix_names;
}

void unix_names_add(struct unix_socket *u)
{
	struct unix_names *n = names_of(u);

	lock_guard(&n->lock);
	LIST_INSERT_HEAD(&n->all, u, all_link);
	u->listed = true;
	n->count++;
}

void unix_names_remove(struct unix_socket *u)
{
	struct unix_names *n = names_of(u);

	lock_guard(&n->lock);
	if (u->listed) {
		LIST_REMOVE(u, all_link);
		n->count--;
	}
	if (u->hashed)
		LIST_REMOVE(u, hash_link);
	u->listed = u->hashed = false;
}

static struct unix_list *bucket(struct unix_names *n, int type, const char *name, size_t len)
{
	u32 h = 2166136261U ^ type;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (u8)name[i]) * 16777619U;
	return &n->abstract[h % BUCKETS];
}

/* Names of different types do not meet, as in Linux. */
static struct unix_socket *abstract_find_locked(struct unix_names *n, int type,
                                                const struct sockaddr_un *name, u32 len)
{
	struct unix_socket *u;

	LIST_FOREACH (u, bucket(n, type, name->sun_path, len - PATH_OFFSET), hash_link)
		if (u->base.type == type && u->addr->len == len &&
		    memcmp(u->addr->name.sun_path, name->sun_path, len - PATH_OFFSET) == 0)
			return u;
	return NULL;
}

/* Gives u the abstract address a, and takes over its reference on success. -EADDRINUSE. */
static int abstract_take(struct unix_socket *u, struct unix_addr *a)
{
	struct unix_names *n = names_of(u);

	lock_guard(&n->lock);
	if (abstract_find_locked(n, u->base.type, &a->name, a->len))
		return -EADDRINUSE;
	lock_acquire(&u->lock);
	u->addr = a;
	lock_release(&u->lock);
	LIST_INSERT_HEAD(bucket(n, u->base.type, a->name.sun_path, a->len - PATH_OFFSET), u,
	                 hash_link);
	u->hashed = true;
	return 0;
}

/* ---- bind ----------------------------------------------------------------- */

/* One bind at a time, and only one that succeeds. */
static int bind_begin(struct unix_socket *u)
{
	lock_guard(&u->lock);
	if (u->addr || u->binding)
		return -EINVAL;
	u->binding = true;
	return 0;
}

static void bind_end(struct unix_socket *u)
{
	lock_guard(&u->lock);
	u->binding = false;
}

static int autobind(struct unix_socket *u)
{
	struct unix_names *n = names_of(u);
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int err = -ENOSPC;

	struct unix_addr *a = addr_create(&name, PATH_OFFSET + 6);
	if (!a)
		return -ENOMEM;
	for (u32 tries = 0; tries < AUTO_NAMES; tries++) {
		u32 number;
		{
			lock_guard(&n->lock);
			number = n->next_auto++ % AUTO_NAMES;
		}
		/* The name is no string: NUL, then five digits. */
		char digits[8];
		snprintf(digits, sizeof(digits), "%05x", number);
		memcpy(a->name.sun_path + 1, digits, 5);
		err = abstract_take(u, a);
		if (err != -EADDRINUSE)
			break;
		err = -ENOSPC;
	}
	if (err)
		unix_addr_put(a);
	return err;
}

static int bind_abstract(struct unix_socket *u, const struct sock_addr *to)
{
	struct unix_addr *a = addr_create(&to->un, to->len);

	if (!a)
		return -ENOMEM;
	int err = abstract_take(u, a);
	if (err)
		unix_addr_put(a);
	return err;
}

static int bind_path(struct unix_socket *u, const struct sock_addr *to)
{
	char name[sizeof(to->un.sun_path) + 1];
	struct path path;

	addr_path(to, name);
	struct unix_addr *a = addr_create(&to->un, PATH_OFFSET + strlen(name) + 1);
	if (!a)
		return -ENOMEM;
	/* Behind the path's end there is nothing to see. */
	memset(a->name.sun_path, 0, sizeof(a->name.sun_path));
	memcpy(a->name.sun_path, name, min_of(strlen(name), sizeof(a->name.sun_path)));
	int err = vfs_mksocket((struct path){0}, name, S_IFSOCK | 0777, &path);
	if (err) {
		unix_addr_put(a);
		return err == -EEXIST ? -EADDRINUSE : err;
	}
	lock_acquire(&u->lock);
	u->addr = a;
	u->path = path;
	struct inode *i = path.dentry->inode;
	lock_acquire(&i->attr_lock);
	i->socket = u;
	lock_release(&i->attr_lock);
	lock_release(&u->lock);
	return 0;
}

static bool path_exists(const struct sock_addr *a)
{
	char name[sizeof(a->un.sun_path) + 1];
	struct path path;

	addr_path(a, name);
	if (walk((struct path){0}, name, 0, &path) != 0)
		return false;
	path_put(path);
	return true;
}

int unix_bind(struct socket *s, const struct sock_addr *a)
{
	struct unix_socket *u = unix_of(s);
	bool automatic = a->len == sizeof(sa_family_t) && a->sa.sa_family == AF_UNIX;

	if (!automatic && !addr_valid(a))
		return -EINVAL;
	int err = bind_begin(u);
	if (err) {
		/* Binding to no name in particular is content with the name there is. */
		if (automatic)
			return 0;
		/* Linux makes the name first, and looks at the socket then. */
		return !addr_is_abstract(a) && path_exists(a) ? -EADDRINUSE : err;
	}
	if (automatic)
		err = autobind(u);
	else if (addr_is_abstract(a))
		err = bind_abstract(u, a);
	else
		err = bind_path(u, a);
	bind_end(u);
	return err;
}

int unix_autobind_if_needed(struct unix_socket *u)
{
	struct sock_addr none = {.len = sizeof(sa_family_t), .sa.sa_family = AF_UNIX};

	if (!(u->base.flags & SOCKET_PASSCRED))
		return 0;
	{
		lock_guard(&u->lock);
		if (u->addr)
			return 0;
	}
	return unix_bind(&u->base, &none);
}

/* The name leads nowhere from now on. The address itself stays for those who ask. */
void unix_unbind(struct unix_socket *u)
{
	struct path path;

	unix_names_remove(u);
	lock_acquire(&u->lock);
	path = u->path;
	u->path = (struct path){0};
	lock_release(&u->lock);
	if (!path.dentry)
		return;
	struct inode *i = path.dentry->inode;
	lock_acquire(&i->attr_lock);
	if (i->socket == u)
		i->socket = NULL;
	lock_release(&i->attr_lock);
	path_put(path);
}

/* ---- lookup --------------------------------------------------------------- */

static int find_path(const struct sock_addr *a, struct unix_socket **out)
{
	char name[sizeof(a->un.sun_path) + 1];
	struct unix_socket *u = NULL;
	struct path path;

	addr_path(a, name);
	int err = walk((struct path){0}, name, WALK_FOLLOW, &path);
	if (err)
		return err;
	struct inode *i = path.dentry->inode;
	err = inode_permission(i, caller_cred(), MAY_WRITE);
	if (!err && !S_ISSOCK(inode_mode(i)))
		err = -ECONNREFUSED;
	if (!err) {
		/* Release clears the pointer before the last reference goes. */
		lock_acquire(&i->attr_lock);
		u = i->socket;
		if (u)
			unix_get(u);
		lock_release(&i->attr_lock);
		err = u ? 0 : -ECONNREFUSED;
	}
	path_put(path);
	*out = u;
	return err;
}

int unix_find(struct unix_socket *u, const struct sock_addr *a, struct unix_socket **out)
{
	*out = NULL;
	if (!addr_valid(a))
		return -EINVAL;
	if (!addr_is_abstract(a)) {
		int err = find_path(a, out);
		if (!err && (*out)->base.type != u->base.type) {
			unix_put(*out);
			*out = NULL;
			err = -EPROTOTYPE;
		}
		return err;
	}
	struct unix_names *n = names_of(u);
	lock_guard(&n->lock);
	*out = abstract_find_locked(n, u->base.type, &a->un, a->len);
	if (!*out)
		return -ECONNREFUSED;
	unix_get(*out);
	return 0;
}

int unix_getname(struct socket *s, struct sock_addr *out, bool peer)
{
	struct unix_socket *u = unix_of(s), *who = u;

	if (peer) {
		who = unix_peer_get(u);
		if (!who)
			return -ENOTCONN;
	}
	{
		lock_guard(&who->lock);
		unix_addr_report(who->addr, out);
	}
	if (peer)
		unix_put(who);
	return 0;
}

/* ---- /proc/net/unix ------------------------------------------------------- */

static void describe(struct unix_socket *u, struct unix_info *info)
{
	*info = (struct unix_info){
	    .refs = ref_count(&u->base.ref), .type = u->base.type, .ino = u->base.ino};
	lock_guard(&u->lock);
	if (u->state == UNIX_LISTENING)
		info->flags = 1 << 16; /* __SO_ACCEPTCON */
	if (u->base.ino)
		info->state = u->state == UNIX_CONNECTED ? 3 : 1; /* SS_CONNECTED, SS_UNCONNECTED */
	else
		info->state =
		    u->state == UNIX_CONNECTED ? 2 : 4; /* SS_CONNECTING, SS_DISCONNECTING */
	if (!u->addr)
		return;
	bool abstract = u->addr->name.sun_path[0] == '\0';
	u32 len = u->addr->len - PATH_OFFSET - !abstract;
	memcpy(info->path, u->addr->name.sun_path, len);
	info->path_len = len;
	for (u32 i = 0; i < len; i++)
		if (info->path[i] == '\0')
			info->path[i] = '@';
}

void unix_each(struct net *net, void (*fn)(const struct unix_info *info, void *arg), void *arg)
{
	struct unix_names *n = net->unix_names;
	struct unix_socket **held, *u;
	struct unix_info info;
	u32 room, k = 0;
	{
		lock_guard(&n->lock);
		room = n->count;
	}
	/* References first, so that fn may take its time. Sockets made meanwhile are not shown. */
	held = malloc((room + 1) * sizeof(struct unix_socket *));
	if (!held)
		return;
	lock_acquire(&n->lock);
	LIST_FOREACH (u, &n->all, all_link)
		if (k < room && ref_get_unless_zero(&u->base.ref))
			held[k++] = u;
	lock_release(&n->lock);
	for (u32 i = 0; i < k; i++) {
		describe(held[i], &info);
		fn(&info, arg);
		unix_put(held[i]);
	}
	free(held);
}
