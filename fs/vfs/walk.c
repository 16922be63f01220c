/*
 * Path resolution: path_resolution(7), openat2(2), fs/namei.c.
 *
 * Known names are walked under the dentry cache's read lock, without a
 * reference or another lock per component (walk_cached). What that cannot
 * decide (a name not seen yet, a mountpoint, a link, "..", a file system that
 * wants to be asked) takes one step of the slow way, and then the fast one
 * goes on.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include "base/caller.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/name_epoch.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/super.h"
#include "fs/vfs/walk_internal.h"

#define LINKS_MAX 40
/* How many names one hold of the read lock may look up. */
#define CACHED_MAX 32

/* The values that distributions set; /proc/sys/fs/protected_*. */
struct vfs_protection vfs_protection = {.hardlinks = 1, .symlinks = 1, .regular = 2, .fifos = 1};

static bool scoped(const struct walker *w)
{
	return w->flags & (WALK_BENEATH | WALK_IN_ROOT);
}

static int walker_need_root(struct walker *w)
{
	struct fs_context *fs = caller()->fs;

	if (w->root.dentry)
		return 0;
	if (fs)
		w->root = fs_context_root(fs);
	else
		/* The sentry's own work: what it starts from is all there is. */
		w->root = path_get(w->cur);
	return w->root.dentry ? 0 : -ENOENT;
}

static void walker_move(struct walker *w, struct path to)
{
	path_put(w->cur);
	w->cur = to;
}

static int walker_to_root(struct walker *w)
{
	int err = walker_need_root(w);

	if (!err)
		walker_move(w, path_get(w->root));
	return err;
}

/* What leads on from here is decided by more than what the name epoch tells of. */
static void lasts_not(struct walker *w)
{
	atomic_store_explicit(&w->caller->walk_lasts, false, memory_order_relaxed);
}

static void lasts_if_told(struct walker *w)
{
	const struct super *sb = dentry_inode(w->cur.dentry)->sb;

	if (!(__atomic_load_n(&sb->flags, __ATOMIC_RELAXED) & SB_LASTS))
		lasts_not(w);
}

int walker_init(struct walker *w, struct path base, const char *name, int flags)
{
	struct caller *c = caller();
	struct fs_context *fs = c->fs;

	*w = (struct walker){.rest = name, .flags = flags, .caller = c, .cred = c->cred};
	atomic_store_explicit(&c->walk_epoch, name_epoch(), memory_order_relaxed);
	atomic_store_explicit(&c->walk_lasts, *name == '/', memory_order_relaxed);
	if (!*name && !(flags & WALK_EMPTY))
		return -ENOENT;
	if (*name == '/' && fs && !scoped(w)) {
		/* The usual case touches no count but the root's. */
		w->cur = fs_context_root(fs);
		return 0;
	}
	if (base.mnt || base.dentry)
		w->cur = path_get(base);
	else if (fs)
		w->cur = fs_context_cwd(fs);
	else
		return -ENOENT;
	if (scoped(w))
		w->root = path_get(w->cur);
	if (*name != '/')
		return 0;
	if (flags & WALK_BENEATH)
		return -EXDEV;
	return walker_to_root(w);
}

/* The result goes to the caller with the walker's own reference. */
static struct path walker_take(struct walker *w)
{
	struct path p = w->cur;

	w->cur = (struct path){NULL, NULL};
	return p;
}

void walker_destroy(struct walker *w)
{
	path_put(w->cur);
	path_put(w->root);
	free(w->heap);
}

/* The slow half of walk_child: asks the file system. The directory's mutex is held. */
static int lookup_locked(struct dentry *dir, const char *name, size_t len, struct dentry *stale,
                         struct dentry **out)
{
	struct inode *i = dentry_inode(dir), *found = NULL;
	char copy[NAME_LEN_MAX + 1];
	int err;

	if (!i->ops->lookup)
		return -ENOTDIR;
	/* A name cached below it would hold it, and no prune would come this way. */
	if (atomic_load(&i->dead))
		return -ENOENT;
	memcpy(copy, name, len);
	copy[len] = 0;
	err = i->ops->lookup(i, copy, len, &found);
	if (err && err != -ENOENT)
		return err;
	if (stale) {
		/* Still the same object: those who work in it keep their name. */
		if (dentry_inode(stale) == found && found) {
			inode_put(found);
			*out = dentry_get(stale);
			return 0;
		}
		dentry_unhash(stale);
		/* What is cached below would keep it, and itself, for ever. */
		dentry_prune(stale);
	}
	*out = dentry_add(dir, name, len, found);
	inode_put(found);
	return *out ? 0 : -ENOMEM;
}

static bool still_valid(struct inode *dir, struct dentry *d, const char *name, size_t len)
{
	char copy[NAME_LEN_MAX + 1];

	if (!dir->ops->revalidate)
		return true;
	memcpy(copy, name, len);
	copy[len] = 0;
	return dir->ops->revalidate(dir, copy, dentry_inode(d));
}

/*
 * missed: the cache was asked a moment ago, in vain. *asked: the file system was asked, not only
 * the cache.
 */
static int find_child(struct dentry *parent, const char *name, size_t len, bool dir_locked,
                      bool missed, struct dentry **out, bool *asked)
{
	struct inode *dir = dentry_inode(parent);
	struct dentry *d = missed ? NULL : dentry_find(parent, name, len), *other;
	int err;

	*asked = true;
	if (d && still_valid(dir, d, name, len)) {
		*out = d;
		return 0;
	}
	if (!dir_locked)
		mutex_acquire(&dir->mutex);
	/* Another fiber may have looked it up while this one waited. */
	other = dentry_find(parent, name, len);
	if (other && other != d) {
		*out = other;
		*asked = false;
		err = 0;
	} else {
		err = lookup_locked(parent, name, len, d, out);
		dentry_put(other);
	}
	if (!dir_locked)
		mutex_release(&dir->mutex);
	dentry_put(d);
	return err;
}

int walk_child(struct path parent, const char *name, bool dir_locked, struct dentry **out)
{
	size_t len = strlen(name);
	bool asked;
	int err;

	if (len > NAME_LEN_MAX)
		return -ENAMETOOLONG;
	if (!inode_is_dir(dentry_inode(parent.dentry)))
		return -ENOTDIR;
	err = find_child(parent.dentry, name, len, dir_locked, false, out, &asked);
	if (!err && !dentry_inode(*out) &&
	    (dentry_inode(parent.dentry)->sb->flags & SB_NO_NEGATIVE)) {
		dentry_put(*out);
		*out = NULL;
		return -ENOENT;
	}
	return err;
}

int walker_child(struct walker *w, struct path *out)
{
	struct path p = {w->cur.mnt, NULL};
	bool asked;
	int err =
	    find_child(w->cur.dentry, w->last, w->last_len, false, w->missed, &p.dentry, &asked);

	w->missed = false;
	if (err)
		return err;
	/* Of what is mounted there, nothing was asked. */
	w->asked = asked && (dentry_inode(w->cur.dentry)->sb->flags & SB_ASKS) &&
	           !atomic_load_explicit(&p.dentry->mounts, memory_order_relaxed);
	if (!dentry_inode(p.dentry)) {
		dentry_put(p.dentry);
		return -ENOENT;
	}
	mount_get(p.mnt);
	if (mount_follow_down(&p) && (w->flags & WALK_NO_XDEV)) {
		path_put(p);
		return -EXDEV;
	}
	*out = p;
	return 0;
}

/*
 * A sticky directory that everybody may write to (/tmp) is no place to follow
 * other people's links: proc_sys_fs(5), protected_symlinks.
 */
static int check_link_owner(struct walker *w, struct inode *link)
{
	struct inode *dir = dentry_inode(w->cur.dentry);
	struct attr l, d;

	if (!atomic_load_explicit(&vfs_protection.symlinks, memory_order_relaxed))
		return 0;
	if ((inode_mode(dir) & (S_ISVTX | S_IWOTH)) != (S_ISVTX | S_IWOTH))
		return 0;
	inode_attr(link, &l);
	inode_attr(dir, &d);
	return l.uid == w->cred->fsuid || l.uid == d.uid ? 0 : -EACCES;
}

/* A link of /proc that leads to an object, whatever its name. */
static int jump(struct walker *w, struct inode *link)
{
	struct path to;
	int err;

	if (w->flags & WALK_NO_MAGICLINKS)
		return -ELOOP;
	/* It may lead anywhere: openat2(2). */
	if (scoped(w))
		return -EXDEV;
	err = link->ops->get_link(link, &to);
	if (err)
		return err;
	if ((w->flags & WALK_NO_XDEV) && to.mnt != w->cur.mnt) {
		path_put(to);
		return -EXDEV;
	}
	walker_move(w, to);
	return 0;
}

/* rest = the link's text and what was left behind it. */
static int prepend_target(struct walker *w, struct inode *link)
{
	size_t left = strlen(w->rest) + 1;
	char *text;
	ssize_t n;

	if (!link->ops->readlink)
		return -EINVAL;
	text = malloc(PATH_MAX + left);
	if (!text)
		return -ENOMEM;
	n = link->ops->readlink(link, text, PATH_MAX);
	if (n <= 0 || n >= PATH_MAX) {
		free(text);
		return n < 0 ? (int)n : n == 0 ? -ENOENT : -ENAMETOOLONG;
	}
	memcpy(text + n, w->rest, left);
	free(w->heap);
	w->heap = text;
	w->rest = text;
	return 0;
}

int walker_follow(struct walker *w, struct path link, bool last)
{
	struct inode *i = dentry_inode(link.dentry);
	int err;

	if (++w->links > LINKS_MAX || (w->flags & WALK_NO_SYMLINKS) ||
	    (mount_flags(link.mnt) & MS_NOSYMFOLLOW))
		return -ELOOP;
	err = last ? check_link_owner(w, i) : 0;
	if (err)
		return err;
	path_accessed(link, i);
	lasts_not(w);
	if (i->ops->get_link)
		return jump(w, i);
	err = prepend_target(w, i);
	if (err || w->rest[0] != '/')
		return err;
	if (w->flags & WALK_BENEATH)
		return -EXDEV;
	err = walker_need_root(w);
	if (!err && (w->flags & WALK_NO_XDEV) && w->cur.mnt != w->root.mnt)
		return -EXDEV;
	return err ? err : walker_to_root(w);
}

int walker_dotdot(struct walker *w)
{
	struct path from = path_get(w->cur);
	int err = walker_need_root(w);

	if (err || path_equal(w->cur, w->root)) {
		path_put(from);
		return err ? err : (w->flags & WALK_BENEATH) ? -EXDEV : 0;
	}
	while (mount_follow_up(&w->cur) && !path_equal(w->cur, w->root))
		;
	if (!path_equal(w->cur, w->root)) {
		struct dentry *parent = dentry_parent(w->cur.dentry);

		dentry_put(w->cur.dentry);
		w->cur.dentry = parent;
	}
	mount_follow_down(&w->cur);
	if ((w->flags & WALK_NO_XDEV) && w->cur.mnt != from.mnt)
		err = -EXDEV;
	/* A directory that was renamed meanwhile may have taken the walk out of its bounds. */
	else if (scoped(w) && !path_is_below(w->cur, w->root))
		err = -EAGAIN;
	path_put(from);
	return err;
}

int walker_finish(struct walker *w)
{
	return w->type == LAST_DOTDOT ? walker_dotdot(w) : 0;
}

static int may_search(struct inode *dir, const struct cred *c)
{
	u32 mode = inode_mode(dir);

	if (!S_ISDIR(mode))
		return -ENOTDIR;
	return inode_permission(dir, c, MAY_EXEC);
}

static enum last_type name_type(const char *name, size_t len)
{
	if (name[0] != '.' || len > 2)
		return LAST_NAME;
	if (len == 1)
		return LAST_DOT;
	return name[1] == '.' ? LAST_DOTDOT : LAST_NAME;
}

/* May the walk go through this cached child with nothing else to ask or to do? */
static bool plain_child(const struct dentry *child, bool last)
{
	struct inode *i = dentry_inode(child);

	if (!i || atomic_load_explicit(&child->mounts, memory_order_relaxed))
		return false;
	return last ? !inode_is_link(i) : inode_is_dir(i);
}

/*
 * Goes as far as the cache knows, with no reference taken but for where it
 * stops. The last name is left to the driver, unless it wants just the result:
 * -ENOENT then if the cache knows that there is none.
 */
static int walk_cached(struct walker *w)
{
	struct dentry *d = w->cur.dentry, *child;
	const char *rest = w->rest;
	struct lock *l = dcache_read_lock();
	int err = 0;

	w->missed = false;
	for (int n = 0; n < CACHED_MAX; n++) {
		const char *name = rest, *end, *next;
		struct inode *i = dentry_inode(d);

		while (*name == '/')
			name++;
		end = strchrnul(name, '/');
		for (next = end; *next == '/'; next++)
			;
		if ((!*next && !w->whole) || end == name || end - name > NAME_LEN_MAX ||
		    name_type(name, (size_t)(end - name)) != LAST_NAME)
			break;
		if (!inode_is_dir(i) || i->ops->permission || i->ops->revalidate ||
		    inode_permission_mode(i, w->cred, MAY_EXEC) != 0)
			break;
		child = dcache_peek(d, name, (size_t)(end - name));
		w->missed = !child;
		if (child && !*end && !dentry_inode(child))
			err = -ENOENT;
		if (!child || !plain_child(child, !*end))
			break;
		d = child;
		rest = end;
	}
	if (d != w->cur.dentry)
		dentry_get(d);
	lock_release(l);
	if (d != w->cur.dentry) {
		dentry_put(w->cur.dentry);
		w->cur.dentry = d;
		w->rest = rest;
	}
	return err;
}

/* One name in the middle of the path, the slow way. */
static int step(struct walker *w)
{
	struct path next;
	int err;

	if (w->type == LAST_DOT)
		return 0;
	if (w->type == LAST_DOTDOT)
		return walker_dotdot(w);
	err = walker_child(w, &next);
	if (err)
		return err;
	if (!inode_is_link(dentry_inode(next.dentry))) {
		walker_move(w, next);
		return 0;
	}
	err = walker_follow(w, next, false);
	path_put(next);
	return err;
}

int walker_parent(struct walker *w)
{
	for (;;) {
		const char *name, *end, *next;
		int err;

		lasts_if_told(w);
		err = walk_cached(w);
		if (err)
			return err;
		for (name = w->rest; *name == '/'; name++)
			;
		if (!*name) {
			w->type = LAST_NONE;
			w->trailing = name != w->rest;
			return 0;
		}
		err = may_search(dentry_inode(w->cur.dentry), w->cred);
		if (err)
			return err;
		end = strchrnul(name, '/');
		if (end - name > NAME_LEN_MAX)
			return -ENAMETOOLONG;
		for (next = end; *next == '/'; next++)
			;
		w->last = name;
		w->last_len = (size_t)(end - name);
		w->type = name_type(name, w->last_len);
		w->rest = end;
		w->trailing = next != end;
		if (!*next)
			return 0;
		err = step(w);
		if (err)
			return err;
	}
}

int walk(struct path base, const char *name, int flags, struct path *out)
{
	bool current;

	return walk_for_attr(base, name, flags, out, &current);
}

int walk_for_attr(struct path base, const char *name, int flags, struct path *out, bool *current)
{
	struct walker w;
	struct path child;
	bool must_be_dir = flags & WALK_DIRECTORY;
	int err = walker_init(&w, base, name, flags);

	w.whole = true;
	*current = false;
	while (!err) {
		err = walker_parent(&w);
		if (err)
			break;
		must_be_dir = must_be_dir || w.trailing;
		if (w.type != LAST_NAME) {
			err = walker_finish(&w);
			break;
		}
		err = walker_child(&w, &child);
		if (err)
			break;
		if (!inode_is_link(dentry_inode(child.dentry)) ||
		    !((flags & WALK_FOLLOW) || w.trailing)) {
			walker_move(&w, child);
			*current = w.asked;
			break;
		}
		err = walker_follow(&w, child, true);
		path_put(child);
	}
	if (!err)
		lasts_if_told(&w);
	if (!err && must_be_dir && !inode_is_dir(dentry_inode(w.cur.dentry)))
		err = -ENOTDIR;
	if (!err)
		*out = walker_take(&w);
	walker_destroy(&w);
	return err;
}

int walk_parent(struct path base, const char *name, int flags, struct path *parent, char *last,
                bool *trailing_slash)
{
	static const char *const special[] = {
	    [LAST_DOT] = ".", [LAST_DOTDOT] = "..", [LAST_NONE] = "/"};
	struct walker w;
	int err = walker_init(&w, base, name, flags);

	if (!err)
		err = walker_parent(&w);
	if (!err) {
		if (w.type == LAST_NAME) {
			memcpy(last, w.last, w.last_len);
			last[w.last_len] = 0;
		} else {
			strcpy(last, special[w.type]);
		}
		*trailing_slash = w.trailing;
		*parent = walker_take(&w);
	}
	walker_destroy(&w);
	return err;
}
