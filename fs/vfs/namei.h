/*
 * The namespace operations behind the system calls: names are sentry copies,
 * base as in walk(). Each checks permissions, read-only mounts and sticky bits,
 * calls the file system's op, keeps the dentry cache true and notifies inotify.
 * All return 0 or -errno as the manual page of the call says.
 */
#pragma once
#include "fs/vfs/inode.h"
#include "fs/vfs/mount.h"

struct file;
struct statfs;
struct open_how_args {
	u32 flags; /* O_* */
	u32 mode;  /* for O_CREAT and O_TMPFILE, umask not yet applied */
	int walk;  /* WALK_* from openat2's resolve */
};

must_check int vfs_open(struct path base, const char *name, const struct open_how_args *how,
                        struct file **out);
/*
 * Internal flag for vfs_open_path and vfs_open: for exec. Asks for execute instead of read
 * permission, refuses what cannot be executed (-EACCES: not regular, noexec mount).
 */
#define OPEN_EXEC 0x20
/* Opens what path names already (exec, /proc/PID/fd links). */
must_check int vfs_open_path(struct path path, u32 flags, struct file **out);
/* In what follows, mode has the umask not yet applied. */
must_check int vfs_mknod(struct path base, const char *name, u32 mode, u64 rdev);
/* As vfs_mknod(S_IFSOCK), and gives the new inode: bind(2). */
must_check int vfs_mksocket(struct path base, const char *name, u32 mode, struct path *out);
must_check int vfs_mkdir(struct path base, const char *name, u32 mode);
must_check int vfs_symlink(const char *target, struct path base, const char *name);
must_check int vfs_link(struct path old, struct path base, const char *name);
must_check int vfs_unlink(struct path base, const char *name);
must_check int vfs_rmdir(struct path base, const char *name);
must_check int vfs_rename(struct path oldbase, const char *oldname, struct path newbase,
                          const char *newname, u32 flags);
must_check ssize_t vfs_readlink(struct path path, char *buf, size_t size);
/* chmod, chown, utimensat, truncate: ownership rules, setuid-bit clearing and ctime are done here.
 */
must_check int vfs_chmod(struct path path, u32 mode);
must_check int vfs_chown(struct path path, u32 uid, u32 gid);
must_check int vfs_truncate(struct path path, u64 size);
must_check int vfs_ftruncate(struct file *f, u64 size);
/* ts NULL: now. tv_nsec UTIME_NOW / UTIME_OMIT. */
must_check int vfs_utimes(struct path path, const struct timespec ts[2]);
/*
 * access(2) asks for the real user: with his ids, and with root's capabilities only if he is root.
 * +1, NULL: no memory. The caller works under it from the look-up of the name on (fs/open.c
 * access_override_creds).
 */
struct cred *vfs_access_cred(struct cred *c);
must_check int vfs_access(struct path path, int mode);
must_check int vfs_statfs(struct path path, struct statfs *out);
must_check ssize_t vfs_getxattr(struct path path, const char *name, void *buf, size_t n);
must_check int vfs_setxattr(struct path path, const char *name, const void *v, size_t n, int flags);
must_check ssize_t vfs_listxattr(struct path path, char *buf, size_t n);
must_check int vfs_removexattr(struct path path, const char *name);
/* -EROFS if the mount or its super block is read-only. */
must_check int vfs_want_write(struct path path);

/* fs.protected_* of /proc/sys/fs, with the values that distributions set. */
struct vfs_protection {
	_Atomic int hardlinks, symlinks, regular, fifos;
};
extern struct vfs_protection vfs_protection;

/*
 * Who opens the special files of every file system: fifo_open for S_IFIFO, the device registry
 * for S_IFCHR and S_IFBLK. May wait (a FIFO for its other end). Startup only.
 */
typedef int special_open_fn(struct inode *i, struct file *f);
void vfs_set_special_open(u32 ifmt, special_open_fn *fn);
/* For file systems whose inode_ops.open serves all types. -ENXIO if nobody opens them. */
must_check int vfs_open_special(struct inode *i, struct file *f);
