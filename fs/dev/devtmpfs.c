/*
 * devtmpfs: /dev. A tmpfs instance that starts with a node for each device
 * and with the links and directories that udev would make.
 */
#include "fs/dev/chrdev.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/super.h"
#include <errno.h>
#include <sys/sysmacros.h>

struct filling {
	struct inode *root;
	int err;
};

static void make(struct filling *fl, const char *name, struct create c)
{
	struct inode *made;

	if (fl->err)
		return;
	fl->err = fl->root->ops->create(fl->root, name, &c, &made);
	if (!fl->err)
		inode_put(made);
}

static void make_device(const struct chrdev *d, void *arg)
{
	if (d->name)
		make(arg, d->name,
		     (struct create){.mode = S_IFCHR | d->mode,
		                     .rdev = makedev(d->major, d->minor)});
}

static const struct {
	const char *name, *target;
} links[] = {{"fd", "/proc/self/fd"},
             {"stdin", "/proc/self/fd/0"},
             {"stdout", "/proc/self/fd/1"},
             {"stderr", "/proc/self/fd/2"},
             {"ptmx", "pts/ptmx"}};
static const char *const dirs[] = {"pts", "shm", "mqueue"};

static int devtmpfs_mount(const struct fs_type *type unused_arg, const char *source unused_arg,
                          u64 flags, const char *data unused_arg, struct super **out)
{
	const struct fs_type *tmpfs = fs_type_find("tmpfs");
	struct filling fl = {0};
	struct super *sb;
	int err = tmpfs ? tmpfs->mount(tmpfs, "devtmpfs", flags, "mode=0755", &sb) : -ENODEV;

	if (err)
		return err;
	fl.root = sb->root;
	mutex_acquire(&fl.root->mutex);
	chrdev_each(make_device, &fl);
	for (size_t i = 0; i < array_size(links); i++)
		make(&fl, links[i].name,
		     (struct create){.mode = S_IFLNK | 0777, .target = links[i].target});
	for (size_t i = 0; i < array_size(dirs); i++)
		make(&fl, dirs[i], (struct create){.mode = S_IFDIR | 0755});
	mutex_release(&fl.root->mutex);
	if (fl.err) {
		super_put(sb);
		return fl.err;
	}
	sb->type = "devtmpfs";
	*out = sb;
	return 0;
}

const struct fs_type devtmpfs_type = {
    .name = "devtmpfs", .mount = devtmpfs_mount, .nodev = true, .only_initial = true};
