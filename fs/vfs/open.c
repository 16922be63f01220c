/*
 * open(2): finding or making the file, checking the rights, making the struct
 * file. The rules are those of fs/namei.c (path_openat) and fs/open.c.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include "base/caller.h"
#include "fs/notify/inotify.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/super.h"
#include "fs/vfs/walk_internal.h"

/* The kernel's O_LARGEFILE, which 64-bit programs always have; libc's is 0. */
#define LARGEFILE    0100000
#define TMPFILE_BIT  (O_TMPFILE & ~O_DIRECTORY)
#define O_PATH_FLAGS (O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)

static special_open_fn *special_open[(S_IFMT >> 12) + 1];

void vfs_set_special_open(u32 ifmt, special_open_fn *fn)
{
	special_open[(ifmt & S_IFMT) >> 12] = fn;
}

int vfs_open_special(struct inode *i, struct file *f)
{
	special_open_fn *fn = special_open[(inode_mode(i) & S_IFMT) >> 12];

	return fn ? fn(i, f) : -ENXIO;
}

/* MAY_* that an open with these flags asks for. */
static int access_mask(u32 flags)
{
	/* Mode 3 opens for ioctl only, but asks for both rights: open(2). */
	static const int mask[4] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE,
	                            MAY_READ | MAY_WRITE};
	int m = flags & OPEN_EXEC ? MAY_EXEC : mask[flags & O_ACCMODE];

	return flags & O_TRUNC ? m | MAY_WRITE : m;
}

/* fs/namei.c:may_open */
static int may_open(struct path p, struct inode *i, int mask, u32 flags)
{
	u32 mode = inode_mode(i);
	int err;

	switch (mode & S_IFMT) {
	case S_IFLNK:
		return -ELOOP;
	case S_IFDIR:
		if (mask & MAY_WRITE)
			return -EISDIR;
		break;
	case S_IFCHR:
	case S_IFBLK:
		if (mount_flags(p.mnt) & MS_NODEV)
			return -EACCES;
		break;
	}
	if (flags & OPEN_EXEC) {
		if (!S_ISREG(mode) || (mount_flags(p.mnt) & MS_NOEXEC))
			return -EACCES;
	}
	if ((mask & MAY_WRITE) && (S_ISREG(mode) || S_ISDIR(mode)) &&
	    (err = vfs_want_write(p)) != 0)
		return err;
	err = mask ? inode_permission(i, caller_cred(), mask) : 0;
	if (err)
		return err;
	if ((flags & O_NOATIME) && !inode_owner_or_capable(i, caller_cred()))
		return -EPERM;
	return 0;
}

/*
 * proc_sys_fs(5), protected_regular and protected_fifos: with O_CREAT, not
 * into what somebody else has put ready in a sticky directory for all.
 */
static int may_create_in_sticky(struct inode *dir, struct inode *i)
{
	u32 dir_mode = inode_mode(dir), mode = inode_mode(i);
	int level;
	struct attr a, d;

	if (!(dir_mode & S_ISVTX) || (!S_ISREG(mode) && !S_ISFIFO(mode)))
		return 0;
	level = S_ISREG(mode) ? atomic_load(&vfs_protection.regular)
	                      : atomic_load(&vfs_protection.fifos);
	inode_attr(i, &a);
	inode_attr(dir, &d);
	if (level == 0 || a.uid == d.uid || a.uid == caller_cred()->fsuid)
		return 0;
	if ((dir_mode & S_IWOTH) || (level >= 2 && (dir_mode & S_IWGRP)))
		return -EACCES;
	return 0;
}

/* Truncation by O_TRUNC: rights have been checked, the file is being opened. */
static int open_truncate(struct inode *i, struct file *f)
{
	struct setattr s = {.valid = SET_SIZE | SET_MTIME | SET_CTIME, .file = f};
	int err = inode_remove_privs(i);

	if (err)
		return err;
	s.mtime = s.ctime = inode_now();
	err = i->ops->setattr ? i->ops->setattr(i, &s) : -EPERM;
	if (!err)
		notify_event(i, f->path.dentry, IN_MODIFY);
	return err;
}

/* The file for an object that may be opened. created: made by this call. */
static int open_file(struct path p, u32 flags, bool created, struct file **out)
{
	struct inode *i = dentry_inode(p.dentry);
	struct file *f;
	u32 mode = inode_mode(i);
	int err;

	err = file_create(p, i, flags & ~(u32)OPEN_EXEC, &f);
	if (err)
		return err;
	if (flags & O_PATH) {
		*out = f;
		return 0;
	}
	if (file_writable(f) || ((flags & O_TRUNC) && S_ISREG(mode)))
		err = file_get_write(f);
	if (!err) {
		if (i->ops->open)
			err = i->ops->open(i, f);
		else if (S_ISFIFO(mode) || S_ISCHR(mode) || S_ISBLK(mode))
			err = vfs_open_special(i, f);
		else
			err = -ENXIO;
		if (err)
			/* It was never open: neither release nor a close event. */
			file_unopen(f);
	}
	if (!err && (flags & O_TRUNC) && S_ISREG(mode) && !created)
		err = open_truncate(i, f);
	if (err) {
		file_put(f);
		return err;
	}
	/* O_RDONLY | O_TRUNC was a writer only while it truncated. */
	if (!file_writable(f))
		file_put_write(f);
	notify_event(i, p.dentry, IN_OPEN);
	*out = f;
	return 0;
}

int vfs_open_path(struct path path, u32 flags, struct file **out)
{
	struct inode *i = dentry_inode(path.dentry);
	u32 mode = inode_mode(i);
	int err;

	if (flags & O_PATH)
		flags &= O_PATH_FLAGS;
	else
		flags |= LARGEFILE;
	if ((flags & O_DIRECTORY) && !S_ISDIR(mode))
		return -ENOTDIR;
	/* O_TRUNC has no effect on other types than regular files: open(2). */
	if (!S_ISREG(mode) && !S_ISDIR(mode))
		flags &= ~(u32)O_TRUNC;
	err = flags & O_PATH ? 0 : may_open(path, i, access_mask(flags), flags);
	return err ? err : open_file(path, flags, false, out);
}

static int open_tmpfile(struct path base, const char *name, const struct open_how_args *how,
                        struct file **out)
{
	struct path dir, p;
	struct inode *d, *i = NULL;
	struct create c;
	char label[32];
	int err = walk(base, name, how->walk | WALK_DIRECTORY | WALK_FOLLOW, &dir);

	if (err)
		return err;
	d = dentry_inode(dir.dentry);
	err = vfs_want_write(dir);
	if (!err)
		err = may_create(d);
	if (!err) {
		create_init(&c, d, S_IFREG | (how->mode & 07777 & ~caller_umask()));
		mutex_acquire(&d->mutex);
		err = d->ops->tmpfile ? d->ops->tmpfile(d, &c, &i) : -EOPNOTSUPP;
		mutex_release(&d->mutex);
	}
	if (!err) {
		/* With O_EXCL it can never get a name: open(2). */
		atomic_store(&i->linkable, !(how->flags & O_EXCL));
		p.mnt = dir.mnt;
		p.dentry = dentry_create_unhashed(
		    dir.dentry, label,
		    (size_t)snprintf(label, sizeof(label), "#%llu", (unsigned long long)i->ino), i);
		inode_put(i);
		err = p.dentry ? open_file(p, how->flags | LARGEFILE, true, out) : -ENOMEM;
		dentry_put(p.dentry);
	}
	path_put(dir);
	return err;
}

/*
 * Makes the last name of w. 0: *out is the new file's path. 1: it exists by now.
 * The negative dentry may be old: the directory's mutex decides.
 */
static int create_last(struct walker *w, const struct open_how_args *how, struct path *out)
{
	struct inode *dir = dentry_inode(w->cur.dentry), *i;
	char name[NAME_LEN_MAX + 1];
	struct dentry *d;
	struct create c;
	int err;

	memcpy(name, w->last, w->last_len);
	name[w->last_len] = 0;
	mutex_acquire(&dir->mutex);
	err = walk_child(w->cur, name, true, &d);
	if (err) {
		mutex_release(&dir->mutex);
		return err;
	}
	if (dentry_inode(d)) {
		err = 1;
	} else {
		err = vfs_want_write(w->cur);
		if (!err)
			err = may_create(dir);
		create_init(&c, dir, S_IFREG | (how->mode & 07777 & ~caller_umask()));
		if (!err)
			err = dir->ops->create ? dir->ops->create(dir, name, &c, &i) : -EPERM;
		if (!err) {
			dentry_instantiate(d, i);
			notify_name(dir, name, IN_CREATE, 0, i);
			inode_put(i);
		}
	}
	mutex_release(&dir->mutex);
	if (!err)
		*out = path_get((struct path){w->cur.mnt, d});
	dentry_put(d);
	return err;
}

/* An existing object at p, found for an open with O_CREAT. */
static int open_existing(struct walker *w, struct path p, u32 flags, struct file **out)
{
	struct inode *i = dentry_inode(p.dentry);
	int err;

	if (flags & O_EXCL)
		return -EEXIST;
	if (inode_is_dir(i))
		return -EISDIR;
	err = w->type == LAST_NAME ? may_create_in_sticky(dentry_inode(w->cur.dentry), i) : 0;
	return err ? err : vfs_open_path(p, flags, out);
}

static int open_create(struct path base, const char *name, const struct open_how_args *how,
                       struct file **out)
{
	struct walker w;
	struct path p;
	int err = walker_init(&w, base, name, how->walk);

	while (!err) {
		err = walker_parent(&w);
		if (err)
			break;
		if (w.type != LAST_NAME) {
			err = walker_finish(&w);
			if (!err)
				err = open_existing(&w, w.cur, how->flags, out);
			break;
		}
		/* A name to be made cannot have a slash behind it. */
		if (w.trailing) {
			err = -EISDIR;
			break;
		}
		err = walker_child(&w, &p);
		if (err == -ENOENT) {
			err = create_last(&w, how, &p);
			if (err == 1) {
				err = walker_child(&w, &p);
				if (err == -ENOENT) {
					/* Gone again: start over at this name. */
					w.rest = w.last;
					err = 0;
					continue;
				}
			} else if (!err) {
				err = open_file(p, how->flags | LARGEFILE, true, out);
				path_put(p);
				break;
			}
		}
		if (err)
			break;
		if (inode_is_link(dentry_inode(p.dentry)) &&
		    !(how->flags & (O_NOFOLLOW | O_EXCL))) {
			err = walker_follow(&w, p, true);
			path_put(p);
			continue;
		}
		err = open_existing(&w, p, how->flags, out);
		path_put(p);
		break;
	}
	walker_destroy(&w);
	return err;
}

int vfs_open(struct path base, const char *name, const struct open_how_args *how, struct file **out)
{
	u32 flags = how->flags;
	int walk_flags = how->walk;
	struct path p;
	int err;

	if (flags & O_PATH) {
		flags &= O_PATH_FLAGS;
	} else if (flags & TMPFILE_BIT) {
		/* An unnamed file that cannot be written would be of no use. */
		if ((flags & O_TMPFILE) != O_TMPFILE || (flags & O_CREAT) ||
		    !(access_mask(flags) & MAY_WRITE))
			return -EINVAL;
		return open_tmpfile(base, name, how, out);
	} else if (flags & O_CREAT) {
		if (flags & O_DIRECTORY)
			return -EINVAL;
		return open_create(base, name, how, out);
	}
	if (!(flags & O_NOFOLLOW))
		walk_flags |= WALK_FOLLOW;
	if (flags & O_DIRECTORY)
		walk_flags |= WALK_DIRECTORY;
	err = walk(base, name, walk_flags, &p);
	if (err)
		return err;
	err = vfs_open_path(p, flags, out);
	path_put(p);
	return err;
}
