/*
 * File change notification within the sandbox (inotify(7)). The VFS calls
 * notify_* after a successful operation; the call is one load when nobody watches.
 *
 * A watch holds its inode, so that a directory dropped from the caches keeps its
 * watchers. The inode's end is told when its last name and link are gone.
 */
#pragma once
#include "base/types.h"

struct inode;
struct dentry;
struct notify_marks;
struct file;
struct super;

/*
 * An event on an object and, with its name, on its parent. mask: IN_*, without IN_ISDIR, which is
 * added here; dentry may be NULL.
 */
void notify_event(struct inode *inode, struct dentry *dentry, u32 mask);
/* Is there any watch at all? */
bool notify_anybody(void);
/* An event in a directory about one of its names. cookie: rename pairs, else 0. */
void notify_name(struct inode *dir, const char *name, u32 mask, u32 cookie, struct inode *child);
u32 notify_cookie(void);
/* The inode goes away: IN_DELETE_SELF and IN_IGNORED to its watchers. */
void notify_inode_gone(struct inode *inode);
/* The super block is mounted nowhere any more: IN_UNMOUNT and IN_IGNORED; lets go of its inodes. */
void notify_super_unmounted(struct super *sb);
void notify_marks_free(struct notify_marks *m);

/* flags: IN_NONBLOCK, IN_CLOEXEC (the descriptor's affair). -EINVAL, -EMFILE, -ENOMEM. */
must_check int inotify_create(u32 flags, struct file **out);
/*
 * A watch descriptor (> 0). Checks that the caller may read the inode. -EINVAL, -EACCES, -ENOTDIR
 * (IN_ONLYDIR), -EEXIST (IN_MASK_CREATE), -ENOSPC, -ENOMEM. IN_DONT_FOLLOW is the walk's affair.
 */
must_check int inotify_watch_add(struct file *f, struct inode *inode, u32 mask);
must_check int inotify_watch_remove(struct file *f, int wd);
