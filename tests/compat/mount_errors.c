/*
 * mount(2), umount2(2), pivot_root(2), sync calls: errors that need no privilege to see; swapon,
 * acct, reboot refused.
 */
#include "compat.h"
#include <sys/mount.h>

int main(void)
{
	char name[32];
	int fd, p[2];

	tmp_enter();
	chmod(".", 0755);
	mkdir("m", 0755);
	put_file("f", "x");
	IN_CHILD("as nobody", become_nobody(); RES(mount("none", "m", "tmpfs", 0, NULL));
	         RES(umount2("m", 0)); RES(umount2("m", 0x4000));
	         RES(syscall(SYS_pivot_root, ".", ".")); RES(syscall(SYS_swapon, "f", 0));
	         RES(syscall(SYS_reboot, 0, 0, 0, 0)); RES(syscall(SYS_sethostname, "x", 1));
	         RES(syscall(SYS_setdomainname, "x", 1)); RES(syscall(SYS_vhangup));
	         RES(syscall(SYS_quotactl, 0x800002 << 8, "/dev/null", 0, NULL) < 0);
	         RES(chroot(".")));
	fd = open("f", O_RDWR);
	RES(pipe(p));
	/* What is in no mount that one could change. */
	RES(mount(NULL, "/proc/self/ns/uts", NULL, MS_PRIVATE, NULL));
	snprintf(name, sizeof(name), "/proc/self/fd/%d", p[0]);
	RES(mount(NULL, name, NULL, MS_PRIVATE, NULL));
	RES(mount(NULL, name, NULL, MS_REMOUNT, NULL));
	RES(umount2(name, MNT_DETACH));
	sync();
	RES(fsync(fd));
	RES(fdatasync(fd));
	RES(syncfs(fd));
	RES(fsync(p[0]));
	RES(fsync(999));
	RES(fdatasync(p[1]));
	RES(syncfs(999));
	RES(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	RES(sync_file_range(fd, 0, 0, 0x100));
	RES(sync_file_range(fd, -1, 0, 0));
	RES(sync_file_range(fd, INT64_MAX, 1, 0));
	RES(sync_file_range(fd, 1, INT64_MAX, 0));
	RES(sync_file_range(fd, 0, INT64_MAX, 0));
	RES(sync_file_range(p[0], 0, 0, SYNC_FILE_RANGE_WRITE));
	RES(fsync(open(".", O_RDONLY)));
	RES(fsync(open("/dev/null", O_RDWR)));
	return 0;
}
