/*
 * A tmpfs as the guest's root, for tests of what has names.
 */
#pragma once
#include "tests/unit/fibers.h"
#include "fs/tmpfs/tmpfs.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/mount.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/walk.h"

static struct mount_ns *tree_ns;

static inline void tree_init(void)
{
	struct super *sb;

	guest_init();
	cr_assert_eq(tmpfs_type.mount(&tmpfs_type, "none", 0, "", &sb), 0);
	cr_assert_eq(mount_ns_create(sb, 0, &initial_user_ns, &tree_ns), 0);
	super_put(sb);
	struct path root = mount_ns_root(tree_ns);
	guest.fs = fs_context_create(tree_ns, root, root, 022);
	cr_assert_not_null(guest.fs);
	path_put(root);
}

static inline void tree_fini(void)
{
	fs_context_put(guest.fs);
	mount_ns_put(tree_ns);
	guest_fini();
}

static inline int open_name(const char *name, u32 flags, struct file **out)
{
	struct open_how_args how = {.flags = flags, .mode = 0644};

	return vfs_open((struct path){0}, name, &how, out);
}

static inline struct file *must_open(const char *name, u32 flags)
{
	struct file *f = NULL;

	check(open_name(name, flags, &f) == 0);
	return f;
}
