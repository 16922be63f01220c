/*
 * Inodes: the objects that have names. A file system embeds struct inode in
 * its own object and supplies an inode_ops table; the VFS above it does path
 * walking, permission checks, name caching, mounts and notification, so an op
 * is called only when it is allowed and its arguments are sane.
 *
 * Life: created by the file system with inode_init (one reference), found
 * again through its own tables, freed by sb ops->inode_free when the last
 * reference goes. nlink and the rest of the attributes live in the inode; a
 * file system whose truth is elsewhere (hostfs) refreshes them in ops->getattr.
 *
 * Operations never wait for a guest. They run on the calling fiber and may
 * park only in mutexes and the blocking pool. An absent op means the errno
 * in its comment.
 */
#pragma once
#include "base/cred.h"
#include "base/lock.h"
#include "base/mutex.h"
#include "base/ref.h"
#include "base/types.h"
#include <sys/stat.h>
#include <time.h>

struct super;
struct told;
struct file;
struct path;
struct inode;
struct dentry;
struct file_locks;
struct notify_marks;
struct pipe;
struct unix_socket;

/* What stat reports; times in struct timespec, as the ABI has them. */
struct attr {
	u32 mode; /* type and permission bits */
	u32 nlink;
	u32 uid, gid;
	u64 rdev;
	u64 size;   /* bytes */
	u64 blocks; /* of 512 bytes */
	u32 blksize;
	struct timespec atime, mtime, ctime, btime;
};

enum setattr_valid {
	SET_MODE = 1,
	SET_UID = 2,
	SET_GID = 4,
	SET_SIZE = 8,
	SET_ATIME = 16,
	SET_MTIME = 32,
	SET_CTIME = 64,
};
struct setattr {
	u32 valid;
	u32 mode, uid, gid;
	u64 size;
	struct timespec atime, mtime, ctime;
	struct file *file; /* the open file of ftruncate(2), or NULL */
};

/* A new directory entry, of any type. */
struct create {
	u32 mode; /* type and permissions, umask already applied */
	u32 uid, gid;
	u64 rdev;           /* S_IFCHR, S_IFBLK */
	const char *target; /* S_IFLNK */
};

struct inode_ops {
	/* Names in a directory. The directory's dir mutex is held (shared use is the fs's own
	 * affair). */
	/* Returns *out with a reference of its own, or -ENOENT. Absent: -ENOTDIR. */
	int (*lookup)(struct inode *dir, const char *name, size_t len, struct inode **out);
	/* The name does not exist. Makes any type of file. *out with a reference. Absent: -EPERM.
	 */
	int (*create)(struct inode *dir, const char *name, const struct create *c,
	              struct inode **out);
	int (*link)(struct inode *dir, const char *name, struct inode *target);   /* -EPERM */
	int (*unlink)(struct inode *dir, const char *name, struct inode *victim); /* -EPERM */
	/* -ENOTEMPTY is the file system's to find. Absent: -EPERM. */
	int (*rmdir)(struct inode *dir, const char *name, struct inode *victim);
	/*
	 * Both directories' mutexes are held. replaced: what newname names now, or
	 * NULL; types are already known to be compatible, a directory's emptiness is
	 * the fs's to check. flags: RENAME_NOREPLACE is done above; RENAME_EXCHANGE,
	 * RENAME_WHITEOUT reach here (-EINVAL if not known). Absent: -EPERM.
	 */
	int (*rename)(struct inode *olddir, const char *oldname, struct inode *victim,
	              struct inode *newdir, const char *newname, struct inode *replaced, u32 flags);
	/* An unnamed regular file in dir's file system (O_TMPFILE). Absent: -EOPNOTSUPP. */
	int (*tmpfile)(struct inode *dir, const struct create *c, struct inode **out);

	/* The object itself. */
	/* The target of a symbolic link, NUL-terminated; length or -errno. Absent: -EINVAL. */
	ssize_t (*readlink)(struct inode *i, char *buf, size_t size);
	/* A link that leads to an object, not a name (/proc/PID/fd/N). *out with references.
	 * Absent: use readlink. */
	int (*get_link)(struct inode *i, struct path *out);
	/* Brings inode->attr up to date. Absent: it always is. */
	int (*getattr)(struct inode *i);
	/*
	 * Permission has been checked; s->valid says what to change (SET_CTIME is always among
	 * it). The inode's mutex is not held. Absent: -EPERM.
	 */
	int (*setattr)(struct inode *i, const struct setattr *s);
	/*
	 * Decides alone (proc); it may ask inode_permission_mode. mask: MAY_*. Absent: the mode
	 * bits decide.
	 */
	int (*permission)(struct inode *i, const struct cred *c, int mask);
	/*
	 * Makes a file for open(2): sets file->ops and file->priv. No lock is held. Absent: for
	 * FIFOs and devices the opener of their type (vfs_open_special), else -ENXIO.
	 */
	int (*open)(struct inode *i, struct file *f);
	/*
	 * May the cached dentry (name -> i, or negative when i is NULL) still be used? false: look
	 * up again. Absent: always.
	 */
	bool (*revalidate)(struct inode *dir, const char *name, struct inode *i);
	/* Length of the value or -errno; size 0 asks for the length. Absent: -EOPNOTSUPP. */
	ssize_t (*getxattr)(struct inode *i, const char *name, void *buf, size_t size);
	int (*setxattr)(struct inode *i, const char *name, const void *value, size_t size,
	                int flags);
	ssize_t (*listxattr)(struct inode *i, char *buf, size_t size);
	int (*removexattr)(struct inode *i, const char *name);
};

#define MAY_EXEC  1
#define MAY_WRITE 2
#define MAY_READ  4

struct inode {
	struct ref ref;
	const struct inode_ops *ops;
	struct super *sb; /* holds a reference to the super block */
	u64 ino;
	struct mutex mutex; /* directory contents, or file data and size; rank set by inode_init */
	struct lock attr_lock;
	/*
	 * The mark of who has been told of attr (fs/vfs/told_word.h), of this inode or of what
	 * shows it; changed under attr_lock.
	 */
	_Atomic u32 told;
	struct attr attr; /* guarded by attr_lock */
	/* Shared by all open files of this inode; made on first use, freed with it. */
	_Atomic(struct file_locks *) locks;   /* fs/vfs/file_lock.h */
	_Atomic(struct notify_marks *) marks; /* fs/notify/inotify.h */
	union {
		struct pipe *pipe;          /* FIFO: made by the first open */
		struct unix_socket *socket; /* bound AF_UNIX socket; guarded by attr_lock */
	};
	_Atomic s32 writers;   /* open for writing now; < 0: being executed (ETXTBSY) */
	_Atomic bool dead;     /* a removed directory: nothing is found or made in it */
	_Atomic bool linkable; /* O_TMPFILE without O_EXCL: link(2) may give it its first name */
	_Atomic u32 dentries;  /* cached names */
	/* Of a layer: what shows it in the overlay, whose lock guards this. Not held. */
	struct inode *view;
};

/* mode: with type bits. ino 0: the super block's next one. Takes a reference to sb. */
void inode_init(struct inode *i, struct super *sb, const struct inode_ops *ops, u64 ino, u32 mode);
/* The same with all attributes as they are elsewhere, on a host or in a layer. */
void inode_init_attr(struct inode *i, struct super *sb, const struct inode_ops *ops, u64 ino,
                     const struct attr *a);
struct inode *inode_get(struct inode *i);
/* No lock is held, mutexes aside: the end of a large file takes long, and lets others run. */
void inode_put(struct inode *i);

/* Consistent copies and changes of attributes. */
void inode_attr(struct inode *i, struct attr *out);
/*
 * Every change of an attribute is made between these two: the first takes attr_lock, and the second
 * releases it when whoever has been told of them will ask again.
 */
struct attr *inode_attr_change(struct inode *i);
void inode_attr_changed(struct inode *i);
/* All of them at once, from elsewhere (a host, a layer). attr_lock is held. */
void inode_replace_attr_locked(struct inode *i, const struct attr *a);
/*
 * The same as inode_getattr, for who may be told: what is in *out holds as long as *told says
 * (fs/vfs/told_word.h). False: of this inode nobody is told anything.
 */
must_check bool inode_attr_tell(struct inode *i, struct attr *out, struct told *told);
/* A copy for an inode that shows i's attributes: whoever has been told of those hears of changes of
 * i. */
void inode_attr_for(struct inode *i, const struct inode *view, struct attr *out);
/* The view is about to show i, which nobody else knows yet: the next change of i is the view's. */
void inode_attr_shown(struct inode *i, const struct inode *view);
void inode_set_nlink(struct inode *i, u32 nlink);
void inode_add_nlink(struct inode *i, s32 n);
u64 inode_size(struct inode *i);
void inode_set_size(struct inode *i, u64 size);
/* Changes whenever any file has become shorter: before that is visible to who has read this. */
u64 inode_shrinks(void);
/* CLOCK_REALTIME_COARSE, what new timestamps are made of. */
struct timespec inode_now(void);
/* Sets the named times to now (CLOCK_REALTIME_COARSE). */
enum { TOUCH_ATIME = 1, TOUCH_MTIME = 2, TOUCH_CTIME = 4 };
void inode_touch(struct inode *i, int which);
/* The generic setattr: stores what s->valid names; for file systems that live in memory. */
void inode_store_attr(struct inode *i, const struct setattr *s);

/* Refreshes (ops->getattr) and copies. */
must_check int inode_getattr(struct inode *i, struct attr *out);
/* Discretionary permission check as path_resolution(7) and capabilities(7) have it: 0 or -EACCES.
 */
must_check int inode_permission(struct inode *i, const struct cred *c, int mask);

/* The same by mode bits and capabilities only, without ops->permission. */
must_check int inode_permission_mode(struct inode *i, const struct cred *c, int mask);
/* The caller owns it or has CAP_FOWNER. */
bool inode_owner_or_capable(struct inode *i, const struct cred *c);

/*
 * A file is either written or executed: -ETXTBSY if it is the other. For exec and for open;
 * each success is undone by its counterpart.
 */
must_check int inode_deny_write(struct inode *i);
void inode_allow_write(struct inode *i);
must_check int inode_get_write(struct inode *i);
void inode_put_write(struct inode *i);

static inline u32 inode_mode(const struct inode *i)
{
	return __atomic_load_n(&i->attr.mode, __ATOMIC_RELAXED);
}
#define inode_is_dir(i)  S_ISDIR(inode_mode(i))
#define inode_is_reg(i)  S_ISREG(inode_mode(i))
#define inode_is_link(i) S_ISLNK(inode_mode(i))
