/*
 * What clone(CLONE_FS) shares: root, current directory, umask; and the mount
 * namespace that names are resolved in.
 */
#pragma once
#include "base/lock.h"
#include "base/ref.h"
#include "fs/vfs/mount.h"

struct fs_context {
	struct ref ref;
	struct lock lock;
	struct path root, cwd; /* guarded by lock; held */
	_Atomic u32 umask;
	struct mount_ns *ns; /* held */
};

/* Takes its own references. NULL: no memory. */
struct fs_context *fs_context_create(struct mount_ns *ns, struct path root, struct path cwd,
                                     u32 umask);
struct fs_context *fs_context_copy(struct fs_context *fs); /* for clone without CLONE_FS */
/* The same places in a copy of the mount namespace, which owner is to own. */
must_check int fs_context_unshare(struct fs_context *fs, struct user_ns *owner,
                                  struct fs_context **out);
struct fs_context *fs_context_get(struct fs_context *fs);
void fs_context_put(struct fs_context *fs);
struct path fs_context_root(struct fs_context *fs); /* +1 */
struct path fs_context_cwd(struct fs_context *fs);  /* +1 */
