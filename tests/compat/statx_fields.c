/*
 * stat(2) and statx(2): types, sizes, links, device numbers, masks, flags and errors; statfs(2)
 * structure.
 */
#include "compat.h"
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

static void show(const char *path, int flags)
{
	struct statx sx;
	struct stat st;

	if (statx(AT_FDCWD, path, flags, STATX_BASIC_STATS, &sx) < 0 ||
	    fstatat(AT_FDCWD, path, &st, flags) < 0) {
		printf("%s: %s\n", path, err_name(errno));
		return;
	}
	printf("%s: mode %o nlink %u size %llu mask %d agree %d\n", path, sx.stx_mode,
	       S_ISDIR(sx.stx_mode) ? 0 : sx.stx_nlink, S_ISDIR(sx.stx_mode) ? 0 : sx.stx_size,
	       (sx.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS,
	       sx.stx_mode == st.st_mode && sx.stx_ino == st.st_ino && sx.stx_uid == st.st_uid &&
	           sx.stx_mtime.tv_sec == st.st_mtim.tv_sec &&
	           makedev(sx.stx_dev_major, sx.stx_dev_minor) == st.st_dev &&
	           sx.stx_blocks == (uint64_t)st.st_blocks);
	if (S_ISCHR(st.st_mode))
		printf("rdev %u:%u\n", sx.stx_rdev_major, sx.stx_rdev_minor);
}

int main(void)
{
	struct statx sx;
	struct statfs fs;
	struct statvfs vfs;
	int p[2];

	tmp_enter();
	put_file("file", "12345");
	RES(symlink("file", "link"));
	RES(mkfifo("fifo", 0640));
	RES(mkdir("dir", 0700));
	show("file", 0);
	show("link", 0);
	show("link", AT_SYMLINK_NOFOLLOW);
	show("fifo", 0);
	show("dir", 0);
	show("none", 0);
	show("/dev/null", 0);
	show("/dev/zero", 0);
	show("/dev/full", 0);
	show("/dev/urandom", 0);
	show("/dev/tty", 0);

	RES(statx(AT_FDCWD, "file", 0, STATX_SIZE, &sx));
	NUM(sx.stx_size);
	RES(statx(AT_FDCWD, "file", 0, 0x80000000u, &sx));
	RES(statx(AT_FDCWD, "file", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, STATX_SIZE, &sx));
	RES(statx(AT_FDCWD, "file", 0x100000, STATX_SIZE, &sx));
	RES(statx(AT_FDCWD, bad_ptr(), 0, STATX_SIZE, &sx));
	RES(statx(AT_FDCWD, "file", 0, STATX_SIZE, bad_ptr()));
	RES(statx(AT_FDCWD, "", 0, STATX_SIZE, &sx));
	RES(pipe(p));
	RES(statx(p[0], "", AT_EMPTY_PATH, STATX_TYPE, &sx));
	YES(S_ISFIFO(sx.stx_mode));
	RES(statx(999, "", AT_EMPTY_PATH, STATX_TYPE, &sx));
	RES(statx(AT_FDCWD, "", AT_EMPTY_PATH, STATX_TYPE, &sx));
	YES(S_ISDIR(sx.stx_mode));
	RES(stat(bad_ptr(), (struct stat *)&sx));
	RES(syscall(SYS_stat, "file", bad_ptr()));
	RES(syscall(SYS_fstat, p[0], bad_ptr()));

	RES(statfs("/proc", &fs));
	HEX(fs.f_type);
	RES(statfs(".", &fs));
	YES(fs.f_bsize > 0 && fs.f_blocks >= fs.f_bfree && fs.f_bfree >= fs.f_bavail);
	NUM(fs.f_namelen);
	RES(fstatfs(p[0], &fs));
	HEX(fs.f_type);
	RES(statfs("none", &fs));
	RES(fstatfs(999, &fs));
	RES(statfs(".", bad_ptr()));
	RES(statvfs(".", &vfs));
	YES(vfs.f_namemax == 255 && vfs.f_frsize > 0);
	RES(syscall(SYS_ustat, (long)12345678, &fs));
	return 0;
}
