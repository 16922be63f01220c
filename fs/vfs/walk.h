/*
 * Path resolution, as path_resolution(7), openat2(2) and fs/namei.c have it.
 * Names are the sentry's own copies (never guest memory).
 */
#pragma once
#include "fs/vfs/mount.h"

enum walk_flags {
	WALK_FOLLOW = 1,    /* follow a symbolic link in the last component */
	WALK_DIRECTORY = 2, /* the result must be a directory */
	WALK_EMPTY = 4,     /* AT_EMPTY_PATH: "" means the start */
	WALK_NO_XDEV = 8,   /* RESOLVE_NO_XDEV ... */
	WALK_NO_SYMLINKS = 16,
	WALK_NO_MAGICLINKS = 32,
	WALK_BENEATH = 64,
	WALK_IN_ROOT = 128,
};

/*
 * Where a relative name starts: base (borrowed) or, when base.mnt is NULL, the
 * caller's cwd. *out with references. -ENOENT, -ENOTDIR, -EACCES, -ELOOP,
 * -ENAMETOOLONG, -EXDEV.
 */
must_check int walk(struct path base, const char *name, int flags, struct path *out);
/*
 * The same for who wants the attributes next: *current says that finding the name has
 * brought them up to date, so that inode_getattr() would only ask again.
 */
must_check int walk_for_attr(struct path base, const char *name, int flags, struct path *out,
                             bool *current);

/*
 * Resolves all but the last component, for create, unlink, rename. last:
 * buffer of NAME_LEN_MAX + 1. *trailing_slash: the name ended in '/'. For names that
 * end in "." or "..", or are "/", last is "." / ".." / "/" and the caller has its errno.
 */
must_check int walk_parent(struct path base, const char *name, int flags, struct path *parent,
                           char *last, bool *trailing_slash);
/* The dentry (maybe negative) of one name in a directory, +1; takes the directory's mutex unless
 * locked. */
must_check int walk_child(struct path parent, const char *name, bool dir_locked,
                          struct dentry **out);
