/*
 * Old questions about file systems: their types by number (sysfs(2)), and what is
 * mounted from a device (ustat(2)). statfs(2) is in sys_stat.c.
 */
#include "base/uspace.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/mount.h"
#include "fs/vfs/super.h"
#include "sentry/syscall.h"
#include <errno.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

/* ---- sysfs ------------------------------------------------------------------------ */

struct search {
	const char *name; /* wanted, or NULL: the one of that index */
	s64 index;
	s64 at;
	const struct fs_type *found;
};

static void look_at(const struct fs_type *type, void *arg)
{
	struct search *s = arg;

	if (!s->found && (s->name ? strcmp(s->name, type->name) == 0 : s->index == s->at)) {
		s->found = type;
		s->index = s->at;
	}
	s->at++;
}

static s64 type_index(struct uptr name)
{
	char buf[64];
	struct search s = {.name = buf};
	ssize_t n = copy_in_str(buf, name, sizeof(buf));

	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : n;
	fs_type_each(look_at, &s);
	return s.found ? s.index : -EINVAL;
}

static s64 type_name(u64 index, struct uptr buf)
{
	struct search s = {.index = (s64)index};

	fs_type_each(look_at, &s);
	if (!s.found)
		return -EINVAL;
	return copy_out(buf, s.found->name, strlen(s.found->name) + 1);
}

s64 sys_sysfs(struct task *t unused_arg, const struct syscall_args *a)
{
	struct search s = {.index = -1};

	switch (arg_int(a, 0)) {
	case 1:
		return type_index(arg_ptr(a, 1));
	case 2:
		return type_name(arg_u32(a, 1), arg_ptr(a, 2));
	case 3:
		fs_type_each(look_at, &s);
		return s.at;
	}
	return -EINVAL;
}

/* ---- ustat ------------------------------------------------------------------------- */

struct ustat {
	s32 tfree;
	u64 tinode;
	char fname[6], fpack[6];
};

struct on_device {
	u32 dev;
	struct super *sb; /* held */
};

static bool is_on_device(struct mount *m, void *arg)
{
	struct on_device *d = arg;

	if (m->sb->dev != d->dev)
		return true;
	d->sb = super_get(m->sb);
	return false;
}

s64 sys_ustat(struct task *t, const struct syscall_args *a)
{
	struct on_device d = {.dev = arg_u32(a, 0)};
	struct statfs fs;
	struct ustat out;
	int err;

	mount_ns_each(t->caller.fs->ns, is_on_device, &d);
	if (!d.sb)
		return -EINVAL;
	memset(&fs, 0, sizeof(fs));
	err = d.sb->ops->statfs ? d.sb->ops->statfs(d.sb, &fs) : -ENOSYS;
	super_put(d.sb);
	if (err)
		return err;
	memset(&out, 0, sizeof(out));
	out.tfree = (s32)fs.f_bfree;
	out.tinode = fs.f_ffree;
	return put_user(arg_ptr(a, 1), &out);
}
