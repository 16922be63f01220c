/* /proc/PID/mounts and mountinfo. */
#include "base/caller.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/mount.h"
#include "fs/vfs/super.h"
#include "sentry/proc/proc_internal.h"
#include "sentry/task.h"
#include <errno.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

struct mounts_text {
	struct text *t;
	struct path root;
	bool info;
};

static void add_flags(struct text *t, u64 flags, bool relatime_shown)
{
	text_add(t, flags & MS_RDONLY ? "ro" : "rw");
	if (flags & MS_NOSUID)
		text_add(t, ",nosuid");
	if (flags & MS_NODEV)
		text_add(t, ",nodev");
	if (flags & MS_NOEXEC)
		text_add(t, ",noexec");
	if (flags & MS_NOATIME)
		text_add(t, ",noatime");
	else if (relatime_shown)
		text_add(t, ",relatime");
}

static void add_super_options(struct text *t, struct super *sb)
{
	char opts[512] = "";

	if (sb->ops->show_options)
		sb->ops->show_options(sb, opts, sizeof(opts));
	text_add(t, "%s", opts);
}

static void add_source(struct text *t, const struct super *sb)
{
	text_add_mangled(t, sb->source && *sb->source ? sb->source : "none");
}

static bool add_mount(struct mount *m, void *arg)
{
	struct mounts_text *mt = arg;
	char buf[PATH_MAX + 32], rbuf[PATH_MAX + 32];
	bool reachable;
	char *where = path_name((struct path){m, m->root}, mt->root, buf, sizeof(buf), &reachable);
	char *root;

	/* What lies outside the process's root is not shown (fs/proc_namespace.c). */
	if (!where || !reachable)
		return true;
	if (!mt->info) {
		add_source(mt->t, m->sb);
		text_add(mt->t, " ");
		text_add_mangled(mt->t, where);
		text_add(mt->t, " %s ", m->sb->type);
		add_flags(mt->t, m->flags | m->sb->flags, true);
		add_super_options(mt->t, m->sb);
		text_add(mt->t, " 0 0\n");
		return true;
	}
	root = dentry_path(m->root, rbuf, sizeof(rbuf));
	text_add(mt->t, "%u %u %u:%u ", m->id, m->parent ? m->parent->id : 1, major(m->sb->dev),
	         minor(m->sb->dev));
	text_add_mangled(mt->t, root ? root : "/");
	text_add(mt->t, " ");
	text_add_mangled(mt->t, where);
	text_add(mt->t, " ");
	add_flags(mt->t, m->flags, true);
	text_add(mt->t, " - %s ", m->sb->type);
	add_source(mt->t, m->sb);
	text_add(mt->t, " ");
	add_flags(mt->t, m->sb->flags, false);
	add_super_options(mt->t, m->sb);
	text_add(mt->t, "\n");
	return true;
}

static int show(const struct pseudo_ref *ref, struct text *t, bool info)
{
	struct fs_context *fs = task_fs_get(ref_task(ref));
	struct mounts_text mt = {.t = t, .info = info};

	if (!fs)
		return -EINVAL;
	mt.root = fs_context_root(fs);
	mount_ns_each(fs->ns, add_mount, &mt);
	path_put(mt.root);
	fs_context_put(fs);
	return 0;
}

int show_task_mounts(const struct pseudo_ref *ref, struct text *t)
{
	return show(ref, t, false);
}

int show_task_mountinfo(const struct pseudo_ref *ref, struct text *t)
{
	return show(ref, t, true);
}
