/*
 * /dev/pts, /dev/tty and /dev/ptmx. devpts is a pseudo file system whose
 * children are the terminals that exist; there is one table for the sandbox.
 */
#include "base/caller.h"
#include "fs/dev/chrdev.h"
#include "fs/pseudo/pseudo.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/super.h"
#include "sentry/task.h"
#include "sentry/tty/tty.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#define DEVPTS_MAGIC  0x1cd1
#define PTS_MAJOR     136
#define TTYAUX_MAJOR  5
#define PTS_PER_MAJOR 256

static int pts_open(const struct pseudo_ref *ref, struct file *f)
{
	return tty_open_slave(ref->object, f);
}

static int ptmx_open(const struct pseudo_ref *ref unused_arg, struct file *f)
{
	return tty_open_master(f);
}

static void pts_hold(struct pseudo_ref *ref)
{
	tty_get(ref->object);
}

static void pts_drop(struct pseudo_ref *ref)
{
	tty_put(ref->object);
}

static bool pts_alive(const struct pseudo_ref *ref)
{
	return ((struct tty *)ref->object)->has_master;
}

static void pts_getattr(const struct pseudo_ref *ref, struct attr *a)
{
	struct tty *t = ref->object;

	a->uid = t->uid;
	a->gid = 5; /* "tty", as distributions mount it */
	a->mode = (a->mode & S_IFMT) | 0620;
	a->rdev = makedev(PTS_MAJOR + t->index / PTS_PER_MAJOR, t->index % PTS_PER_MAJOR);
}

static const struct pseudo_node pts_node = {.mode = S_IFCHR | 0620,
                                            .open = pts_open,
                                            .hold = pts_hold,
                                            .drop = pts_drop,
                                            .alive = pts_alive,
                                            .getattr = pts_getattr};

static int pts_find(const struct pseudo_ref *dir unused_arg, const char *name,
                    const struct pseudo_node **node, struct pseudo_ref *ref)
{
	char *end;
	unsigned long n = strtoul(name, &end, 10);
	char again[24];
	struct tty *t;

	snprintf(again, sizeof(again), "%lu", n);
	/* "007" is no name of terminal 7. */
	if (*end || n > UINT32_MAX || __builtin_strcmp(again, name))
		return -ENOENT;
	t = tty_find((u32)n);
	if (!t)
		return -ENOENT;
	*node = &pts_node;
	*ref = (struct pseudo_ref){.object = t, .key = n};
	return 0;
}

static bool pts_next(const struct pseudo_ref *dir unused_arg, u64 from, struct pseudo_child *out)
{
	struct tty *t = from <= UINT32_MAX ? tty_next((u32)from) : NULL;

	if (!t)
		return false;
	out->key = t->index;
	out->type = DT_CHR;
	snprintf(out->name, sizeof(out->name), "%u", t->index);
	tty_put(t);
	return true;
}

static void ptmx_getattr(const struct pseudo_ref *ref unused_arg, struct attr *a)
{
	a->rdev = makedev(TTYAUX_MAJOR, 2);
}

static const struct pseudo_node pts_children[] = {
    {.name = "ptmx", .mode = S_IFCHR | 0666, .open = ptmx_open, .getattr = ptmx_getattr}, {0}};
static const struct pseudo_node pts_root = {
    .mode = S_IFDIR | 0755, .children = pts_children, .find = pts_find, .next = pts_next};

static int devpts_mount(const struct fs_type *type unused_arg, const char *source, u64 flags,
                        const char *data unused_arg, struct super **out)
{
	return pseudo_mount(&pts_root, "devpts", source, DEVPTS_MAGIC, flags, out);
}

const struct fs_type devpts_type = {.name = "devpts", .mount = devpts_mount, .nodev = true};

int tty_open_by_index(u32 index, u32 flags, struct file **out)
{
	char name[32];
	struct open_how_args how = {.flags = flags};

	/* By its name where it has one, so that ttyname(3) finds it. */
	snprintf(name, sizeof(name), "/dev/pts/%u", index);
	return vfs_open((struct path){0}, name, &how, out);
}

/* ---- device numbers -------------------------------------------------------- */

static int tty_aux_open(struct inode *i, struct file *f)
{
	struct attr a;
	struct tty *t;
	int err;

	inode_attr(i, &a);
	if (minor(a.rdev) == 2)
		return tty_open_master(f);
	t = caller()->uspace ? tty_controlling(task_self()) : NULL;
	if (!t)
		return -ENXIO;
	err = tty_open_slave(t, f);
	tty_put(t);
	return err;
}

/* A device node of a slave outside devpts. */
static int pts_dev_open(struct inode *i, struct file *f)
{
	struct attr a;
	struct tty *t;
	int err;

	inode_attr(i, &a);
	t = tty_find((major(a.rdev) - PTS_MAJOR) * PTS_PER_MAJOR + minor(a.rdev));
	if (!t)
		return -ENXIO;
	err = tty_open_slave(t, f);
	tty_put(t);
	return err;
}

static const struct chrdev tty_devices[] = {
    {TTYAUX_MAJOR, 0, 1, tty_aux_open, "tty", 0666},
    {TTYAUX_MAJOR, 2, 1, tty_aux_open, NULL, 0},
    {PTS_MAJOR, 0, PTS_PER_MAJOR, pts_dev_open, NULL, 0},
    {PTS_MAJOR + 1, 0, PTS_PER_MAJOR, pts_dev_open, NULL, 0},
};

void tty_devices_register(void)
{
	for (size_t i = 0; i < array_size(tty_devices); i++)
		chrdev_register(&tty_devices[i]);
}
