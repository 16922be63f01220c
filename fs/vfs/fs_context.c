/*
 * Root, current directory and umask of a group of tasks.
 */
#include <errno.h>
#include <stdlib.h>
#include "base/census.h"
#include "fs/vfs/fs_context.h"

static CENSUS(fs_context_census, "fs context");

struct fs_context *fs_context_create(struct mount_ns *ns, struct path root, struct path cwd,
                                     u32 umask)
{
	struct fs_context *fs = calloc(1, sizeof(*fs));

	if (!fs)
		return NULL;
	ref_init(&fs->ref);
	lock_init(&fs->lock, RANK_FSCTX);
	fs->root = path_get(root);
	fs->cwd = path_get(cwd);
	fs->umask = umask;
	fs->ns = mount_ns_get(ns);
	census_add(&fs_context_census, 1);
	return fs;
}

struct fs_context *fs_context_copy(struct fs_context *fs)
{
	struct path root, cwd;
	struct fs_context *copy;
	u32 umask;

	lock_acquire(&fs->lock);
	root = path_get(fs->root);
	cwd = path_get(fs->cwd);
	umask = fs->umask;
	lock_release(&fs->lock);
	copy = fs_context_create(fs->ns, root, cwd, umask);
	path_put(root);
	path_put(cwd);
	return copy;
}

int fs_context_unshare(struct fs_context *fs, struct user_ns *owner, struct fs_context **out)
{
	struct path root = fs_context_root(fs), cwd = fs_context_cwd(fs);
	struct mount_ns *ns;
	int err = mount_ns_clone(fs->ns, owner, &ns, &root, &cwd);

	if (!err) {
		lock_acquire(&fs->lock);
		u32 umask = fs->umask;
		lock_release(&fs->lock);
		*out = fs_context_create(ns, root, cwd, umask);
		mount_ns_put(ns);
		err = *out ? 0 : -ENOMEM;
	}
	path_put(root);
	path_put(cwd);
	return err;
}

struct fs_context *fs_context_get(struct fs_context *fs)
{
	ref_get(&fs->ref);
	return fs;
}

void fs_context_put(struct fs_context *fs)
{
	if (!fs || !ref_put(&fs->ref))
		return;
	path_put(fs->root);
	path_put(fs->cwd);
	mount_ns_put(fs->ns);
	free(fs);
	census_add(&fs_context_census, -1);
}

struct path fs_context_root(struct fs_context *fs)
{
	lock_guard(&fs->lock);
	return path_get(fs->root);
}

struct path fs_context_cwd(struct fs_context *fs)
{
	lock_guard(&fs->lock);
	return path_get(fs->cwd);
}
