/*
 * From a guest's (dirfd, name) pair to places in the mount tree: what the
 * *at() system calls have in common.
 */
#pragma once
#include "base/types.h"
#include "fs/vfs/mount.h"
#include <limits.h>

struct attr;
struct file;
struct inode;

/* A name copied from the guest; lives on the fiber's stack. */
struct name_buf {
	char s[PATH_MAX];
};

/* Length or -EFAULT, -ENAMETOOLONG; -ENOENT for "" unless empty_ok. */
must_check int name_copy(struct name_buf *out, struct uptr src, bool empty_ok);

/*
 * Where a name relative to dirfd starts: a zero path for AT_FDCWD or an
 * absolute name. -EBADF, -ENOTDIR. *out with references (path_base_put).
 */
must_check int path_base(int dirfd, const char *name, struct path *out);
void path_base_put(struct path p);

/* name_copy + path_base + walk. walk_flags: WALK_*; with WALK_EMPTY "" means dirfd itself. */
must_check int user_path(int dirfd, struct uptr name, int walk_flags, struct path *out);

/*
 * An object for calls that also take a bare descriptor (fstat, AT_EMPTY_PATH):
 * the inode, with the path where there is one.
 */
struct object {
	struct inode *inode; /* held */
	struct path path;    /* held; mnt NULL for anonymous files */
	bool current;        /* finding it has brought its attributes up to date */
};
must_check int user_object(int dirfd, struct uptr name, int walk_flags, struct object *out);
must_check int fd_object(int fd, struct object *out);
void object_put(struct object *o);
/* inode_getattr(), unless the attributes are fresh. */
must_check int object_attr(const struct object *o, struct attr *out);

/* As fdtable_lookup_any for the caller: -EBADF; O_PATH files too. */
must_check int fd_get_any(int fd, struct file **out);

static inline void path_cleanup(struct path *p)
{
	if (p->dentry)
		path_put(*p);
}
