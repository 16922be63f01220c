/*
 * File change notification within the sandbox (inotify(7)). The VFS calls
 * notify_* after a successful operation; the call is one load when nobody watches.
 */
#pragma once
#include "base/types.h"

struct inode;
struct dentry;
struct notify_marks;
struct file;

/* An event on an object and, with its name, on its parent. mask: IN_*; dentry may be NULL. */
void notify_event(struct inode *inode, struct dentry *dentry, u32 mask);
/* An event in a directory about one of its names. cookie: rename pairs, else 0. */
void notify_name(struct inode *dir, const char *name, u32 mask, u32 cookie, struct inode *child);
u32 notify_cookie(void);
/* The inode goes away: IN_DELETE_SELF and IN_IGNORED to its watchers. */
void notify_inode_gone(struct inode *inode);
void notify_marks_free(struct notify_marks *m);

must_check int inotify_create(u32 flags, struct file **out);
must_check int inotify_add_watch(struct file *f, struct inode *inode, u32 mask);
must_check int inotify_rm_watch(struct file *f, int wd);
