/*
 * Changing and asking for attributes: chmod, chown, truncate, utimes, access,
 * statfs. Rules of fs/attr.c and fs/open.c.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "base/caller.h"
#include "fs/notify/inotify.h"
#include "fs/vfs/name_epoch.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/super.h"
#include "fs/vfs/vfs_internal.h"

/* d: its name, for who watches it; NULL for a file that has none. */
static int do_setattr(struct inode *i, struct dentry *d, struct setattr *s, u32 event)
{
	int err;

	if (!i->ops->setattr)
		return -EPERM;
	s->valid |= SET_CTIME;
	s->ctime = inode_now();
	err = i->ops->setattr(i, s);
	if (err)
		return err;
	if (s->valid & (SET_MODE | SET_UID | SET_GID))
		name_epoch_end_in(i->sb);
	notify_event(i, d, event);
	return 0;
}

int vfs_chmod(struct path path, u32 mode)
{
	struct inode *i = dentry_inode(path.dentry);
	const struct cred *c = caller_cred();
	struct setattr s = {.valid = SET_MODE, .mode = mode & 07777};
	struct attr a;
	int err = vfs_want_write(path);

	if (err)
		return err;
	if (inode_is_link(i))
		return -EOPNOTSUPP;
	err = inode_getattr(i, &a);
	if (err)
		return err;
	if (a.uid != c->fsuid && !cred_has_cap_over(c, a.uid, a.gid, CAP_FOWNER))
		return -EPERM;
	/* Nobody gives a program a group that is not his own. */
	if (!cred_in_group(c, a.gid) && !cred_has_cap_over(c, a.uid, a.gid, CAP_FSETID))
		s.mode &= ~(u32)S_ISGID;
	return do_setattr(i, path.dentry, &s, IN_ATTRIB);
}

int vfs_chown(struct path path, u32 uid, u32 gid)
{
	struct inode *i = dentry_inode(path.dentry);
	const struct cred *c = caller_cred();
	struct setattr s = {.uid = uid, .gid = gid};
	struct attr a;
	u32 mode;
	bool may;
	int err = vfs_want_write(path);

	if (!err)
		err = inode_getattr(i, &a);
	if (err)
		return err;
	may = cred_has_cap_over(c, a.uid, a.gid, CAP_CHOWN);
	if (uid != (u32)-1) {
		if (!may && (a.uid != c->fsuid || uid != a.uid))
			return -EPERM;
		s.valid |= SET_UID;
	}
	if (gid != (u32)-1) {
		if (!may && (a.uid != c->fsuid || (gid != a.gid && !cred_in_group(c, gid))))
			return -EPERM;
		s.valid |= SET_GID;
	}
	/* chown(2): set-ID bits go, even for root, unless S_ISGID means mandatory locking. */
	mode = S_ISDIR(a.mode) ? a.mode : mode_without_privilege(&a, c);
	if (mode != a.mode) {
		s.valid |= SET_MODE;
		s.mode = mode & 07777;
	}
	return do_setattr(i, path.dentry, &s, IN_ATTRIB);
}

/* The file is open for writing, or as good as that, from here on. */
static int truncate_to(struct inode *i, struct dentry *d, u64 size, struct file *f)
{
	struct setattr s = {.valid = SET_SIZE | SET_MTIME, .size = size, .file = f};
	int err = 0;

	if (size > inode_size(i))
		err = file_size_check(size);
	if (!err)
		err = inode_remove_privs(i);
	if (err)
		return err;
	s.mtime = inode_now();
	return do_setattr(i, d, &s, IN_MODIFY);
}

int vfs_truncate(struct path path, u64 size)
{
	struct inode *i = dentry_inode(path.dentry);
	int err;

	if (inode_is_dir(i))
		return -EISDIR;
	if (size > FILE_SIZE_MAX || !inode_is_reg(i))
		return -EINVAL;
	err = vfs_want_write(path);
	if (!err)
		err = inode_permission(i, caller_cred(), MAY_WRITE);
	if (!err)
		err = inode_get_write(i);
	if (err)
		return err;
	err = truncate_to(i, path.dentry, size, NULL);
	inode_put_write(i);
	return err;
}

int vfs_ftruncate(struct file *f, u64 size)
{
	if (atomic_load(&f->flags) & O_PATH)
		return -EBADF;
	if (size > FILE_SIZE_MAX || !inode_is_reg(f->inode) || !file_writable(f))
		return -EINVAL;
	return truncate_to(f->inode, f->path.dentry, size, f);
}

int vfs_utimes(struct path path, const struct timespec ts[2])
{
	struct inode *i = dentry_inode(path.dentry);
	const struct cred *c = caller_cred();
	struct timespec now = inode_now();
	bool both_now = !ts || (ts[0].tv_nsec == UTIME_NOW && ts[1].tv_nsec == UTIME_NOW);
	struct setattr s = {.valid = SET_ATIME | SET_MTIME, .atime = now, .mtime = now};
	struct attr a;
	int err;

	for (int n = 0; ts && n < 2; n++) {
		bool special = ts[n].tv_nsec == UTIME_NOW || ts[n].tv_nsec == UTIME_OMIT;

		if (!special && (ts[n].tv_nsec < 0 || ts[n].tv_nsec > 999999999))
			return -EINVAL;
	}
	if (ts && ts[0].tv_nsec == UTIME_OMIT && ts[1].tv_nsec == UTIME_OMIT)
		return 0;
	err = vfs_want_write(path);
	if (!err)
		err = inode_getattr(i, &a);
	if (err)
		return err;
	if (a.uid != c->fsuid && !cred_has_cap_over(c, a.uid, a.gid, CAP_FOWNER)) {
		/* 'Now' is what a write would set, so the right to write is enough. */
		if (!both_now)
			return -EPERM;
		err = inode_permission(i, c, MAY_WRITE);
		if (err)
			return err;
	}
	if (!both_now) {
		if (ts[0].tv_nsec == UTIME_OMIT)
			s.valid &= ~(u32)SET_ATIME;
		else if (ts[0].tv_nsec != UTIME_NOW)
			s.atime = ts[0];
		if (ts[1].tv_nsec == UTIME_OMIT)
			s.valid &= ~(u32)SET_MTIME;
		else if (ts[1].tv_nsec != UTIME_NOW)
			s.mtime = ts[1];
	}
	return do_setattr(i, path.dentry, &s, IN_ATTRIB);
}

struct cred *vfs_access_cred(struct cred *c)
{
	struct cred *r;

	bool root = cred_is_root_uid(c, c->uid);

	if (c->fsuid == c->uid && c->fsgid == c->gid && (root || c->cap_effective == 0) &&
	    (!root || c->cap_effective == c->cap_permitted))
		return cred_get(c);
	r = cred_clone(c, c->ngroups);
	if (!r)
		return NULL;
	r->fsuid = c->uid;
	r->fsgid = c->gid;
	if (!(c->securebits & SECBIT_NO_SETUID_FIXUP))
		r->cap_effective = root ? c->cap_permitted : 0;
	return r;
}

int vfs_access(struct path path, int mode)
{
	struct inode *i = dentry_inode(path.dentry);
	u32 type = inode_mode(i);
	int err;

	if (mode & ~(R_OK | W_OK | X_OK))
		return -EINVAL;
	if ((mode & X_OK) && S_ISREG(type) && (mount_flags(path.mnt) & MS_NOEXEC))
		return -EACCES;
	/* R_OK, W_OK and X_OK are MAY_READ, MAY_WRITE and MAY_EXEC. */
	err = mode ? inode_permission(i, caller_cred(), mode) : 0;
	if (!err && (mode & W_OK) && (S_ISREG(type) || S_ISDIR(type) || S_ISLNK(type)))
		err = vfs_want_write(path);
	return err;
}

/* MS_* of mount(2) and ST_* of statfs(2) have the same values but for two. */
static long statfs_flags(u64 flags)
{
	static const struct {
		u64 ms;
		long st;
	} map[] = {
	    {MS_RDONLY, ST_RDONLY},     {MS_NOSUID, ST_NOSUID},
	    {MS_NODEV, ST_NODEV},       {MS_NOEXEC, ST_NOEXEC},
	    {MS_NOATIME, ST_NOATIME},   {MS_NODIRATIME, ST_NODIRATIME},
	    {MS_RELATIME, ST_RELATIME}, {MS_SYNCHRONOUS, ST_SYNCHRONOUS},
	    {MS_NOSYMFOLLOW, 0x2000},
	};
	long st = 0x20; /* ST_VALID: the field is filled in */

	for (size_t n = 0; n < array_size(map); n++) {
		if (flags & map[n].ms)
			st |= map[n].st;
	}
	return st;
}

int vfs_statfs(struct path path, struct statfs *out)
{
	struct super *sb = dentry_inode(path.dentry)->sb;
	int err;

	memset(out, 0, sizeof(*out));
	out->f_type = sb->magic;
	out->f_bsize = out->f_frsize = PAGE_SIZE;
	out->f_namelen = NAME_LEN_MAX;
	out->f_fsid.__val[0] = (int)sb->dev;
	err = sb->ops->statfs ? sb->ops->statfs(sb, out) : -ENOSYS;
	if (!err)
		out->f_flags = statfs_flags(mount_flags(path.mnt) |
		                            __atomic_load_n(&sb->flags, __ATOMIC_RELAXED));
	return err;
}
