/* The list of file system types and devices. A new one is a line here. */
#include "sentry/file_systems.h"
#include "base/types.h"
#include "fs/dev/chrdev.h"
#include "fs/pipe/pipe.h"
#include "fs/tmpfs/tmpfs.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/super.h"
#include "sentry/proc/proc.h"
#include "sentry/tty/tty.h"
#include <sys/stat.h>

static const struct fs_type *const types[] = {
    &tmpfs_type, &proc_fs_type, &sysfs_type, &devtmpfs_type, &devpts_type,
};

void file_systems_register(void)
{
	for (size_t i = 0; i < array_size(types); i++)
		fs_type_register(types[i]);
	mem_devices_register();
	tty_devices_register();
	vfs_set_special_open(S_IFIFO, fifo_open);
	vfs_set_special_open(S_IFCHR, chrdev_open);
	vfs_set_special_open(S_IFBLK, chrdev_open);
}
