/*
 * A world for tests of the VFS: a tmpfs as root, a caller with a root
 * directory, a descriptor table and root's rights; and a teardown that proves
 * that nothing was left behind.
 */
#pragma once
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "base/caller.h"
#include "base/census.h"
#include "fs/tmpfs/tmpfs.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/super.h"
#include "fs/vfs/walk.h"

#define HERE ((struct path){NULL, NULL})
#define ok(call)                                                                                   \
	do {                                                                                       \
		s64 result_ = (s64)(call);                                                         \
		cr_assert_eq(result_, 0, #call " = %lld", (long long)result_);                     \
	} while (0)
#define fails(err, call)                                                                           \
	do {                                                                                       \
		s64 result_ = (s64)(call);                                                         \
		cr_assert_eq(result_, -(err), #call " = %lld, not -" #err, (long long)result_);    \
	} while (0)

static struct cred *root_cred_;

static unused_arg struct super *new_tmpfs(const char *options)
{
	struct super *sb = NULL;

	ok(tmpfs_type.mount(&tmpfs_type, "tmpfs", 0, options, &sb));
	return sb;
}

static unused_arg void world_begin(void)
{
	struct super *sb = new_tmpfs("mode=755");
	struct mount_ns *ns = NULL;
	struct path root;

	ok(mount_ns_create(sb, 0, &initial_user_ns, &ns));
	super_put(sb);
	root = mount_ns_root(ns);
	root_cred_ = caller()->cred;
	caller()->fs = fs_context_create(ns, root, root, 022);
	caller()->files = fdtable_create();
	path_put(root);
	mount_ns_put(ns);
}

static void world_count(const struct census *c, void *arg)
{
	if (c->live) {
		fprintf(stderr, "%lld left of type %s\n", (long long)c->live, c->name);
		*(bool *)arg = true;
	}
}

static unused_arg void world_end(void)
{
	struct caller *c = caller();
	bool left = false;

	c->cred = root_cred_;
	c->fsize_limit = ~0ULL;
	fdtable_put(c->files);
	fs_context_put(c->fs);
	c->files = NULL;
	c->fs = NULL;
	if (tmpfs_global_used())
		fprintf(stderr, "%llu bytes left\n", (unsigned long long)tmpfs_global_used());
	census_each(world_count, &left);
	/* An assertion that fails in a teardown does not count; a crash does. */
	if (left || tmpfs_global_used())
		abort();
}

/* Acts as an ordinary user until world_end or become_root. */
static unused_arg void become(u32 uid, u32 gid)
{
	caller()->cred = cred_create(uid, gid, NULL, 0);
}

static unused_arg void become_root(void)
{
	if (caller()->cred != root_cred_)
		cred_put(caller()->cred);
	caller()->cred = root_cred_;
}

static unused_arg int open_at(const char *name, u32 flags, u32 mode, struct file **out)
{
	struct open_how_args how = {.flags = flags, .mode = mode};

	return vfs_open(HERE, name, &how, out);
}

/* open and forget: 0 or -errno. */
static unused_arg int try_open(const char *name, u32 flags)
{
	struct file *f;
	int err = open_at(name, flags, 0644, &f);

	if (!err)
		file_put(f);
	return err;
}

static unused_arg struct file *must_open(const char *name, u32 flags)
{
	struct file *f = NULL;

	ok(open_at(name, flags, 0644, &f));
	return f;
}

static unused_arg void touch(const char *name)
{
	file_put(must_open(name, O_CREAT | O_WRONLY));
}

static unused_arg struct path must_walk(const char *name, int flags)
{
	struct path p = {NULL, NULL};

	ok(walk(HERE, name, flags, &p));
	return p;
}

static unused_arg int try_walk(const char *name, int flags)
{
	struct path p;
	int err = walk(HERE, name, flags, &p);

	if (!err)
		path_put(p);
	return err;
}

static unused_arg struct attr stat_of(const char *name)
{
	struct path p = must_walk(name, 0);
	struct attr a;

	ok(inode_getattr(dentry_inode(p.dentry), &a));
	path_put(p);
	return a;
}

static unused_arg u64 ino_of(const char *name)
{
	struct path p = must_walk(name, WALK_FOLLOW);
	u64 ino = dentry_inode(p.dentry)->ino;

	path_put(p);
	return ino;
}

static unused_arg ssize_t write_str(struct file *f, const char *s)
{
	struct uio u;
	ssize_t n;

	uio_init_kernel(&u, (void *)(uintptr_t)s, strlen(s));
	n = file_write(f, &u);
	uio_destroy(&u);
	return n;
}

static unused_arg ssize_t pwrite_buf(struct file *f, const void *buf, size_t n, u64 pos)
{
	struct uio u;
	ssize_t r;

	uio_init_kernel(&u, (void *)(uintptr_t)buf, n);
	r = file_pwrite(f, &u, pos, 0);
	uio_destroy(&u);
	return r;
}

static unused_arg ssize_t pread_buf(struct file *f, void *buf, size_t n, u64 pos)
{
	struct uio u;
	ssize_t r;

	uio_init_kernel(&u, buf, n);
	r = file_pread(f, &u, pos, 0);
	uio_destroy(&u);
	return r;
}

static unused_arg int chmod_name(const char *name, u32 mode)
{
	struct path p = must_walk(name, WALK_FOLLOW);
	int err = vfs_chmod(p, mode);

	path_put(p);
	return err;
}

static unused_arg int chown_name(const char *name, u32 uid, u32 gid)
{
	struct path p = must_walk(name, 0);
	int err = vfs_chown(p, uid, gid);

	path_put(p);
	return err;
}

static unused_arg int mount_tmpfs(const char *name, const char *options, u64 flags)
{
	struct path p = must_walk(name, WALK_FOLLOW);
	struct super *sb = new_tmpfs(options);
	int err = mount_attach(caller()->fs->ns, p, sb, flags);

	super_put(sb);
	path_put(p);
	return err;
}

static unused_arg int umount_name(const char *name, int flags)
{
	struct path p = must_walk(name, WALK_FOLLOW);
	int err = mount_detach(caller()->fs->ns, p, flags);

	path_put(p);
	return err;
}
