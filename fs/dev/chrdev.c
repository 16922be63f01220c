/* The table of character devices. */
#include "fs/dev/chrdev.h"
#include "base/bug.h"
#include "fs/vfs/inode.h"
#include <errno.h>
#include <sys/sysmacros.h>

#define CHRDEV_MAX 32

static const struct chrdev *devices[CHRDEV_MAX];
static unsigned ndevices;

void chrdev_register(const struct chrdev *dev)
{
	BUG_ON(ndevices == CHRDEV_MAX);
	devices[ndevices++] = dev;
}

int chrdev_open(struct inode *i, struct file *f)
{
	struct attr a;
	u32 maj, min;

	inode_attr(i, &a);
	if (!S_ISCHR(a.mode))
		return -ENXIO;
	maj = major(a.rdev);
	min = minor(a.rdev);
	for (unsigned n = 0; n < ndevices; n++) {
		const struct chrdev *d = devices[n];
		if (d->major == maj && min >= d->minor && min - d->minor < d->count)
			return d->open(i, f);
	}
	return -ENXIO;
}

void chrdev_each(void (*fn)(const struct chrdev *dev, void *arg), void *arg)
{
	for (unsigned n = 0; n < ndevices; n++)
		fn(devices[n], arg);
}
