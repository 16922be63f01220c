/*
 * Calls on the inodes of the layers, in the form that the VFS would make them:
 * the directory's mutex held, absent operations answered with their errno.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include "fs/overlay/overlay_internal.h"

/* The longest redirect that overlayfs writes: a path. */
#define REDIRECT_MAX 4096

/* --- names ------------------------------------------------------------------------------ */

int layer_lookup(struct inode *dir, const char *name, struct inode **out)
{
	if (!dir->ops->lookup)
		return -ENOTDIR;
	mutex_guard(&dir->mutex);
	return dir->ops->lookup(dir, name, strlen(name), out);
}

int layer_create(struct inode *dir, const char *name, const struct create *c, struct inode **out)
{
	if (!dir->ops->create)
		return -EPERM;
	mutex_guard(&dir->mutex);
	return dir->ops->create(dir, name, c, out);
}

int layer_link(struct inode *dir, const char *name, struct inode *target)
{
	if (!dir->ops->link)
		return -EPERM;
	mutex_guard(&dir->mutex);
	return dir->ops->link(dir, name, target);
}

/* A directory that goes is locked as well, as rmdir(2) does: nothing may appear in it. */
static void lock_victim(struct inode *i)
{
	if (i && inode_is_dir(i))
		mutex_acquire_nested(&i->mutex);
}

static void unlock_victim(struct inode *i, int err)
{
	if (!i || !inode_is_dir(i))
		return;
	if (!err)
		inode_set_nlink(i, 0);
	mutex_release(&i->mutex);
}

int layer_remove(struct inode *dir, const char *name, struct inode *victim)
{
	int (*op)(struct inode *, const char *, struct inode *) =
	    inode_is_dir(victim) ? dir->ops->rmdir : dir->ops->unlink;
	int err;

	if (!op)
		return -EPERM;
	mutex_guard(&dir->mutex);
	lock_victim(victim);
	err = op(dir, name, victim);
	unlock_victim(victim, err);
	return err;
}

int layer_rename(struct inode *od, const char *oldname, struct inode *victim, struct inode *nd,
                 const char *newname, struct inode *replaced, u32 flags)
{
	struct inode *goes = flags & RENAME_EXCHANGE ? NULL : replaced;
	int err;

	if (!od->ops->rename)
		return -EPERM;
	/* By address, as the tree does not matter here: nobody else holds two of them. */
	mutex_acquire(od < nd ? &od->mutex : &nd->mutex);
	if (nd != od)
		mutex_acquire_nested(od < nd ? &nd->mutex : &od->mutex);
	lock_victim(goes);
	err = od->ops->rename(od, oldname, victim, nd, newname, replaced, flags);
	unlock_victim(goes, err);
	if (nd != od)
		mutex_release(&nd->mutex);
	mutex_release(&od->mutex);
	return err;
}

int layer_setattr(struct inode *i, const struct setattr *s)
{
	return i->ops->setattr ? i->ops->setattr(i, s) : -EPERM;
}

bool layer_is_whiteout(struct inode *i)
{
	struct attr a;

	if (!S_ISCHR(inode_mode(i)))
		return false;
	inode_attr(i, &a);
	return a.rdev == 0;
}

int layer_whiteout(struct inode *dir, const char *name)
{
	struct create c = {.mode = S_IFCHR};
	struct inode *i;
	int err = layer_create(dir, name, &c, &i);

	if (!err)
		inode_put(i);
	return err;
}

/* --- open files of the layers ------------------------------------------------------------- */

int layer_open(struct inode *i, u32 flags, struct file **out)
{
	struct file *f;
	int err;

	if (!i->ops->open)
		return -ENXIO;
	err = file_create_uncounted((struct path){0}, i, flags, &f);
	if (err)
		return err;
	err = i->ops->open(i, f);
	if (err) {
		file_put(f);
		return err;
	}
	*out = f;
	return 0;
}

struct list_sink {
	struct dir_sink sink;
	struct file *file;
	layer_entry_fn *fn;
	void *arg;
	int err;
};

static bool list_emit(struct dir_sink *s, const char *name, size_t len, u64 ino, u8 type,
                      u64 next_pos unused_arg)
{
	struct list_sink *l = container_of(s, struct list_sink, sink);

	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return true;
	l->err = l->fn(l->arg, name, len, ino, type);
	return !l->err;
}

int layer_list(struct inode *dir, layer_entry_fn *fn, void *arg)
{
	struct list_sink l = {.sink.emit = list_emit, .fn = fn, .arg = arg};
	u64 before;
	int err = layer_open(dir, O_RDONLY | O_DIRECTORY, &l.file);

	if (err)
		return err;
	if (!l.file->ops->readdir)
		err = -ENOTDIR;
	/* An operation may stop early; at the end it leaves the position alone. */
	for (before = ~0ULL; !err && !l.err && l.file->pos != before;) {
		before = l.file->pos;
		err = l.file->ops->readdir(l.file, &l.sink);
	}
	file_put(l.file);
	return err ? err : l.err;
}

/* --- emptying a directory ------------------------------------------------------------------------
 */

struct name_list {
	char *names; /* NUL-terminated, one after the other */
	size_t len, room;
};

static int name_collect(void *arg, const char *name, size_t len, u64 ino unused_arg,
                        u8 type unused_arg)
{
	struct name_list *l = arg;
	char *more;

	if (l->len + len + 1 > l->room) {
		l->room = max_of(2 * l->room, l->len + len + 1 + 1024);
		more = realloc(l->names, l->room);
		if (!more)
			return -ENOMEM;
		l->names = more;
	}
	memcpy(l->names + l->len, name, len);
	l->names[l->len + len] = '\0';
	l->len += len + 1;
	return 0;
}

static int remove_entry(struct inode *dir, const char *name, bool whiteouts_only)
{
	struct inode *i;
	int err = layer_lookup(dir, name, &i);

	if (err)
		return err == -ENOENT ? 0 : err;
	err = whiteouts_only && !layer_is_whiteout(i) ? -ENOTEMPTY : layer_remove(dir, name, i);
	inode_put(i);
	return err;
}

int layer_clear(struct inode *dir, bool whiteouts_only)
{
	struct name_list l = {0};
	int err = layer_list(dir, name_collect, &l);

	for (size_t at = 0; !err && at < l.len; at += strlen(l.names + at) + 1)
		err = remove_entry(dir, l.names + at, whiteouts_only);
	free(l.names);
	return err;
}

/* --- marks on directories -------------------------------------------------------------------- */

#define TRUSTED "trusted.overlay."
#define USER    "user.overlay."

bool overlay_is_private_xattr(const char *name)
{
	return !strncmp(name, TRUSTED, strlen(TRUSTED)) || !strncmp(name, USER, strlen(USER));
}

static ssize_t mark_get(struct inode *dir, const char *trusted, const char *user, char *buf,
                        size_t size)
{
	ssize_t n;

	if (!dir->ops->getxattr)
		return -ENODATA;
	n = dir->ops->getxattr(dir, trusted, buf, size);
	return n >= 0 ? n : dir->ops->getxattr(dir, user, buf, size);
}

/* A process without CAP_SYS_ADMIN on the host cannot set trusted attributes, but user ones. */
static int mark_set(struct overlay *ov, struct inode *dir, const char *trusted, const char *user,
                    const char *value)
{
	int err = -EPERM;

	if (!dir->ops->setxattr)
		return -EOPNOTSUPP;
	if (!ov->user_xattr) {
		err = dir->ops->setxattr(dir, trusted, value, strlen(value), 0);
		if (err != -EPERM && err != -EOPNOTSUPP)
			return err;
	}
	err = dir->ops->setxattr(dir, user, value, strlen(value), 0);
	if (!err)
		ov->user_xattr = true;
	return err;
}

bool layer_is_opaque(struct inode *dir)
{
	char v;

	return mark_get(dir, TRUSTED "opaque", USER "opaque", &v, 1) == 1 && v == 'y';
}

int layer_set_opaque(struct overlay *ov, struct inode *dir)
{
	return mark_set(ov, dir, TRUSTED "opaque", USER "opaque", "y");
}

int layer_redirect(struct inode *dir, char **out)
{
	char *buf = malloc(REDIRECT_MAX);
	ssize_t n = buf ? mark_get(dir, TRUSTED "redirect", USER "redirect", buf, REDIRECT_MAX - 1)
	                : -ENOMEM;

	if (n <= 0) {
		free(buf);
		return n == -ENOMEM ? -ENOMEM : -ENODATA;
	}
	buf[n] = '\0';
	*out = buf;
	return 0;
}

int layer_set_redirect(struct overlay *ov, struct inode *dir, const char *path)
{
	return mark_set(ov, dir, TRUSTED "redirect", USER "redirect", path);
}
