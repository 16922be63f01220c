/*
 * Super blocks: their two counts and their one dentry tree.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include "base/census.h"
#include "fs/notify/inotify.h"
#include "fs/vfs/dentry.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/super.h"
#include "fs/vfs/vfs_internal.h"

static CENSUS(super_census, "super block");

/* Like Linux's anonymous block devices: major 0, minors counted up. */
static _Atomic u32 next_minor = 1;

int super_init(struct super *sb, const struct super_ops *ops, const char *type, const char *source,
               u32 magic, u64 flags)
{
	char *copy = strdup(source ? source : "none");

	if (!copy)
		return -ENOMEM;
	*sb = (struct super){
	    .ops = ops, .type = type, .source = copy, .magic = magic, .flags = flags};
	ref_init(&sb->ref);
	atomic_init(&sb->inodes, 1);
	/* 1 is left to the root of those that number it themselves. */
	atomic_init(&sb->next_ino, 2);
	mutex_init(&sb->rename_mutex, RANK_RENAME);
	sb->dev = (u32)makedev(0, atomic_fetch_add(&next_minor, 1));
	census_add(&super_census, 1);
	return 0;
}

struct super *super_get(struct super *sb)
{
	ref_get(&sb->ref);
	return sb;
}

void super_inode_new(struct super *sb)
{
	BUG_ON(atomic_fetch_add_explicit(&sb->inodes, 1, memory_order_relaxed) == 0);
}

void super_inode_gone(struct super *sb)
{
	if (atomic_fetch_sub_explicit(&sb->inodes, 1, memory_order_acq_rel) != 1)
		return;
	if (sb->ops->release)
		sb->ops->release(sb);
	mutex_destroy(&sb->rename_mutex);
	free((void *)sb->source);
	free(sb);
	census_add(&super_census, -1);
}

void super_put(struct super *sb)
{
	struct dentry *d;

	if (!sb || !ref_put(&sb->ref))
		return;
	/* Watches hold inodes, and would keep the super block's memory for ever. */
	notify_super_unmounted(sb);
	d = atomic_exchange(&sb->root_dentry, NULL);
	if (d) {
		dentry_prune(d);
		dentry_put(d);
	}
	inode_put(sb->root);
	super_inode_gone(sb);
}

struct dentry *super_root_dentry(struct super *sb)
{
	struct dentry *d = atomic_load_explicit(&sb->root_dentry, memory_order_acquire), *fresh;

	if (d)
		return dentry_get(d);
	fresh = dentry_create_root(sb->root);
	if (!fresh)
		return NULL;
	if (atomic_compare_exchange_strong(&sb->root_dentry, &d, fresh))
		return dentry_get(fresh);
	dentry_put(fresh);
	return dentry_get(d);
}
