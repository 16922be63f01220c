/*
 * Advisory locks: flock(2), and the record locks of fcntl(2), traditional
 * (POSIX) and per open file description (OFD).
 *
 * All locks of an inode hang off inode->locks, made by the first one. An owner is a
 * pointer that is only compared: the fdtable for POSIX locks (close(2) of any
 * descriptor of the file drops them), the open file for the others (they end with it).
 */
#pragma once
#include <fcntl.h>
#include "base/types.h"

struct file;
struct file_locks;

/* op: LOCK_SH, LOCK_EX, LOCK_UN, LOCK_NB. -EINVAL, -EBADF, -EAGAIN, -ERESTARTSYS, -ENOLCK. */
must_check int file_flock(struct file *f, int op);

/*
 * cmd: F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW; owner: the caller's fdtable (ignored for
 * OFD). -EINVAL, -EBADF, -EAGAIN, -EDEADLK, -EOVERFLOW, -ERESTARTSYS, -ENOLCK.
 */
must_check int file_lock_set(struct file *f, int cmd, const struct flock *fl, void *owner);
/* cmd: F_GETLK, F_OFD_GETLK: *fl becomes the first lock in the way, or gets F_UNLCK. */
must_check int file_lock_get(struct file *f, int cmd, struct flock *fl, void *owner);

/* F_SETLEASE: nobody grants leases here, with the errors of Linux for such a file system. */
must_check int file_lease_set(struct file *f, int type);
/* F_GETLEASE */
must_check int file_lease_get(struct file *f);

/* A descriptor of f in the fdtable `owner` was closed. */
void file_locks_release_posix(struct file *f, void *owner);
/* The last reference to f is gone. */
void file_locks_release_file(struct file *f);
/* The inode goes away; no lock is left. */
void file_locks_free(struct file_locks *l);

/* A line of /proc/locks. end is FILE_LOCK_EOF for "to the end of the file". */
#define FILE_LOCK_EOF ((u64)INT64_MAX)
struct file_lock_info {
	enum file_lock_kind { LOCK_KIND_FLOCK, LOCK_KIND_POSIX, LOCK_KIND_OFD } kind;
	bool write;
	bool waiting; /* a request that waits for such a lock, not one that is held */
	s32 pid;      /* -1 for OFD */
	u32 dev;
	u64 ino, start, end;
};
/* fn is called under a lock: it may only store. */
void file_locks_each(void (*fn)(const struct file_lock_info *info, void *arg), void *arg);
