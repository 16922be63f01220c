/* /proc/PID/fd and /proc/PID/fdinfo. ref.key of an entry is its descriptor. */
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/inode.h"
#include "sentry/nsfs.h"
#include "sentry/proc/proc_internal.h"
#include "sentry/task.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct file *ref_file(const struct pseudo_ref *ref)
{
	struct fdtable *files = task_files_get(ref_task(ref));
	struct file *f = NULL;

	if (files) {
		f = fdtable_lookup_any(files, (int)ref->key);
		fdtable_put(files);
	}
	return f;
}

static bool fd_alive(const struct pseudo_ref *ref)
{
	struct file *f = ref_file(ref);

	if (f)
		file_put(f);
	return f != NULL;
}

static int fd_get_link(const struct pseudo_ref *ref, struct path *out)
{
	struct file *f;
	int err = ref_may_read(ref);

	if (err)
		return err;
	f = ref_file(ref);
	if (!f)
		return -ENOENT;
	err = file_get_path(f, out);
	file_put(f);
	return err;
}

/* What has no name in a tree is called by what it is (proc(5)). */
static ssize_t fd_readlink(const struct pseudo_ref *ref, char *buf, size_t size)
{
	char full[PATH_MAX + 32], *name = NULL;
	struct path root = caller()->fs ? fs_context_root(caller()->fs) : (struct path){0};
	struct file *f;
	bool reachable;
	ssize_t n = ref_may_read(ref);

	f = n ? NULL : ref_file(ref);
	if (!n && !f)
		n = -ENOENT;
	struct ns *ns = f ? nsfs_of_file(f) : NULL;
	if (f && f->path.dentry && !ns)
		name = path_name(f->path, root, full, sizeof(full), &reachable);
	if (name)
		n = snprintf(buf, size, "%s", name);
	else if (ns)
		n = snprintf(buf, size, "%s:[%u]", ns_kind_name(ns->kind), ns->ino);
	else if (f && f->ops->name)
		n = snprintf(buf, size, "%s", f->ops->name);
	else if (f)
		n = snprintf(buf, size, "%s:[%llu]",
		             S_ISFIFO(inode_mode(f->inode)) ? "pipe" : "socket",
		             (unsigned long long)f->inode->ino);
	if (f)
		file_put(f);
	if (root.mnt)
		path_put(root);
	return n;
}

/* A link's mode says how the descriptor was opened (proc(5)). */
static void fd_getattr(const struct pseudo_ref *ref, struct attr *a)
{
	struct file *f = ref_file(ref);

	a->mode = S_IFLNK;
	if (!f)
		return;
	if (file_readable(f))
		a->mode |= 0500;
	if (file_writable(f))
		a->mode |= 0300;
	file_put(f);
}

static const struct pseudo_node fd_node = {.mode = S_IFLNK | 0700,
                                           .get_link = fd_get_link,
                                           .readlink = fd_readlink,
                                           .hold = task_ref_hold,
                                           .drop = task_ref_drop,
                                           .alive = fd_alive,
                                           .getattr = fd_getattr};

static int show_fdinfo(const struct pseudo_ref *ref, struct text *t)
{
	struct file *f = ref_file(ref);
	char extra[2048] = "";
	struct fdtable *files;
	u32 flags;

	if (!f)
		return -ENOENT;
	flags = atomic_load(&f->flags);
	files = task_files_get(ref_task(ref));
	if (files) {
		if (fdtable_get_cloexec(files, (int)ref->key) > 0)
			flags |= O_CLOEXEC;
		fdtable_put(files);
	}
	text_add(t, "pos:\t%llu\nflags:\t0%o\nmnt_id:\t%u\nino:\t%llu\n",
	         (unsigned long long)f->pos, flags, f->path.mnt ? f->path.mnt->id : 0,
	         (unsigned long long)f->inode->ino);
	if (f->ops->fdinfo) {
		f->ops->fdinfo(f, extra, sizeof(extra));
		text_add(t, "%s", extra);
	}
	file_put(f);
	return 0;
}

static const struct pseudo_node fdinfo_node = {.mode = S_IFREG | 0444,
                                               .show = show_fdinfo,
                                               .hold = task_ref_hold,
                                               .drop = task_ref_drop,
                                               .alive = fd_alive};

static int find_fd(const struct pseudo_ref *dir, const char *name, const struct pseudo_node *as,
                   const struct pseudo_node **node, struct pseudo_ref *ref)
{
	s64 fd = parse_index(name);
	int err = ref_may_read(dir);

	if (err)
		return err;
	*ref = (struct pseudo_ref){.object = dir->object, .key = (u64)fd};
	if (fd < 0 || !fd_alive(ref))
		return -ENOENT;
	task_ref_hold(ref);
	*node = as;
	return 0;
}

/* fs/proc/fd.c:proc_fd_permission: its own are a process's, whatever it has dropped since. */
int task_fd_permission(const struct pseudo_ref *ref)
{
	return ref_task(ref)->group->pid == caller()->pid ? 0 : -EACCES;
}

int find_task_fd(const struct pseudo_ref *dir, const char *name, const struct pseudo_node **node,
                 struct pseudo_ref *ref)
{
	return find_fd(dir, name, &fd_node, node, ref);
}

int find_task_fdinfo(const struct pseudo_ref *dir, const char *name,
                     const struct pseudo_node **node, struct pseudo_ref *ref)
{
	return find_fd(dir, name, &fdinfo_node, node, ref);
}

bool next_task_fd(const struct pseudo_ref *dir, u64 from, struct pseudo_child *out)
{
	struct fdtable *files;
	int fd = -1;

	if (from > INT32_MAX || ref_may_read(dir))
		return false;
	files = task_files_get(ref_task(dir));
	if (files) {
		fd = fdtable_next(files, (int)from);
		fdtable_put(files);
	}
	if (fd < 0)
		return false;
	out->key = (u64)fd;
	out->type = DT_LNK;
	snprintf(out->name, sizeof(out->name), "%d", fd);
	return true;
}
