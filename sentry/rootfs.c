/*
 * Builds the mount tree of a new sandbox. Runs on the sentry's main thread,
 * before there are guests, with the rights of the kernel's own caller.
 */
#include "sentry/rootfs.h"
#include "base/caller.h"
#include "base/user_ns.h"
#include "fs/hostfs/hostfs.h"
#include "fs/overlay/overlay.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/super.h"
#include "fs/vfs/walk.h"
#include "sentry/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#define WHY_SIZE 256

static int failed(char *why, const char *what, const char *on, int err)
{
	snprintf(why, WHY_SIZE, "cannot %s %s: %s", what, on, strerror(-err));
	return err;
}

/* flags: of the super block. */
static int type_mount(const char *type, const char *source, const char *data, u64 flags,
                      struct super **out)
{
	const struct fs_type *ft = fs_type_find(type);

	return ft ? ft->mount(ft, source, flags, data, out) : -ENODEV;
}

/* The host directory fd, readable, with a layer in memory above it for writes. */
static int host_copy(int fd, const char *source, struct super **out)
{
	struct hostfs_options o = {
	    .readonly = true, .cache = HOSTFS_ALWAYS, .layer = true, .source = source};
	struct super *lower, *upper;
	int err = hostfs_mount(fd, &o, &lower);

	if (err)
		return err;
	err = type_mount("tmpfs", "overlay", NULL, SB_LOWER, &upper);
	if (!err) {
		err = overlay_mount(&lower, 1, upper, out);
		super_put(upper);
	}
	super_put(lower);
	return err;
}

/* Makes every directory of name, and name itself as a directory or an empty file. */
static int make_target(const char *name, bool dir)
{
	char part[PATH_MAX];
	size_t len = strlen(name);
	int err;

	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, name, len + 1);
	for (size_t i = 1; i <= len; i++) {
		bool last = i == len;

		if (!last && part[i] != '/')
			continue;
		part[i] = 0;
		if (last && !dir)
			err = vfs_mknod((struct path){0}, part, S_IFREG | 0644, 0);
		else
			err = vfs_mkdir((struct path){0}, part, 0755);
		if (err && err != -EEXIST)
			return err;
		if (!last)
			part[i] = '/';
	}
	return 0;
}

static int attach(struct fs_context *fs, const char *target, bool dir, struct super *sb, u64 flags)
{
	struct path at;
	int err = strcmp(target, "/") ? make_target(target, dir) : 0;

	if (!err)
		err = walk((struct path){0}, target, WALK_FOLLOW, &at);
	if (err)
		return err;
	err = mount_attach(fs->ns, at, sb, flags);
	path_put(at);
	return err;
}

/* The file systems that every sandbox has. */
static const struct {
	const char *type, *target, *data;
	u64 flags;
} standard[] = {
    {"proc", "/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC},
    {"sysfs", "/sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC},
    {"devtmpfs", "/dev", NULL, MS_NOSUID},
    {"devpts", "/dev/pts", NULL, MS_NOSUID | MS_NOEXEC},
    {"tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV},
    {"tmpfs", "/tmp", "mode=1777", 0},
};

static int attach_standard(struct fs_context *fs, char *why)
{
	struct super *sb;

	for (size_t i = 0; i < array_size(standard); i++) {
		int err = type_mount(standard[i].type, standard[i].type, standard[i].data, 0, &sb);

		if (!err) {
			err = attach(fs, standard[i].target, true, sb, standard[i].flags);
			super_put(sb);
		}
		if (err)
			return failed(why, "mount", standard[i].target, err);
	}
	return 0;
}

static int attach_spec(struct fs_context *fs, const struct mount_spec *m, char *why)
{
	struct hostfs_options o = {
	    .readonly = m->readonly, .cache = HOSTFS_REVALIDATE, .source = m->source};
	char size[40];
	struct super *sb;
	int err;

	switch (m->kind) {
	case MOUNT_HOST_DIR:
		err = hostfs_mount(m->fd, &o, &sb);
		break;
	case MOUNT_HOST_COPY:
		err = host_copy(m->fd, m->source, &sb);
		break;
	default:
		snprintf(size, sizeof(size), "mode=1777,size=%llu", (unsigned long long)m->size);
		err = type_mount("tmpfs", "tmpfs", m->size ? size : "mode=1777", 0, &sb);
	}
	if (!err) {
		err = attach(fs, m->target, m->is_dir, sb, m->readonly ? MS_RDONLY : 0);
		super_put(sb);
	}
	return err ? failed(why, "mount on", m->target, err) : 0;
}

static int enter_cwd(struct fs_context *fs, const struct sandbox_config *config, char *why)
{
	struct path p, old;
	int err = walk((struct path){0}, config->cwd, WALK_FOLLOW | WALK_DIRECTORY, &p);

	if (err)
		return config->cwd_or_root ? 0
		                           : failed(why, "enter the directory", config->cwd, err);
	old = fs->cwd;
	fs->cwd = p;
	path_put(old);
	return 0;
}

/* A namespace with root at its top; whoever has no cwd yet stands there. */
static int context_create(struct super *root, struct fs_context **out)
{
	struct mount_ns *ns;
	struct path top;
	int err = mount_ns_create(root, 0, &initial_user_ns, &ns);

	if (err)
		return err;
	top = mount_ns_root(ns);
	*out = fs_context_create(ns, top, top, 022);
	path_put(top);
	mount_ns_put(ns);
	return *out ? 0 : -ENOMEM;
}

int rootfs_build(const struct sandbox_config *config, struct fs_context **out, char *why)
{
	struct fs_context *fs;
	struct super *root;
	int err = host_copy(config->root_fd, config->root_name, &root);

	if (err)
		return failed(why, "use as the root", config->root_name, err);
	err = context_create(root, &fs);
	super_put(root);
	if (err)
		return failed(why, "mount", config->root_name, err);
	fs->umask = 0;
	caller()->fs = fs;
	err = attach_standard(fs, why);
	for (unsigned i = 0; !err && i < config->nmounts; i++)
		err = attach_spec(fs, &config->mounts[i], why);
	if (!err)
		err = enter_cwd(fs, config, why);
	fs->umask = 022;
	caller()->fs = NULL;
	if (err)
		fs_context_put(fs);
	else
		*out = fs;
	return err;
}
