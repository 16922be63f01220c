/* Making, removing and renaming names; attributes. Results as observed on Linux. */
#include <linux/limits.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "vfs_fixture.h"

TestSuite(namei, .init = world_begin, .fini = world_end);

static int link_name(const char *old, const char *new)
{
	struct path p = must_walk(old, 0);
	int err = vfs_link(p, HERE, new);

	path_put(p);
	return err;
}

Test(namei, making)
{
	touch("f");
	ok(vfs_mkdir(HERE, "d", 0777));
	cr_assert_eq(stat_of("d").mode, S_IFDIR | 0755);
	cr_assert_eq(stat_of("d").nlink, 2);
	fails(EEXIST, vfs_mkdir(HERE, "d", 0777));
	fails(EEXIST, vfs_mkdir(HERE, "d/", 0777));
	fails(EEXIST, vfs_mkdir(HERE, ".", 0777));
	fails(EEXIST, vfs_mkdir(HERE, "/", 0777));
	ok(vfs_mkdir(HERE, "slash/", 0777));
	fails(ENOENT, vfs_mkdir(HERE, "no/x", 0777));
	fails(ENOTDIR, vfs_mkdir(HERE, "f/x", 0777));
	fails(ENOENT, vfs_mknod(HERE, "q/", S_IFREG, 0));
	fails(EPERM, vfs_mknod(HERE, "d", S_IFDIR, 0));
	fails(EPERM, vfs_mknod(HERE, "q", S_IFDIR, 0));
	fails(EINVAL, vfs_mknod(HERE, "q", S_IFLNK, 0));
	fails(ENOENT, vfs_symlink("", HERE, "q"));
	fails(ENOENT, vfs_symlink("a", HERE, "q/"));
	fails(EEXIST, vfs_symlink("a", HERE, "f/"));
	ok(vfs_mknod(HERE, "fifo", S_IFIFO | 0666, 5));
	cr_assert_eq(stat_of("fifo").mode, S_IFIFO | 0644);
	cr_assert_eq(stat_of("fifo").rdev, 0);
	become(1000, 1000);
	fails(EACCES, vfs_mkdir(HERE, "x", 0777));
	fails(EEXIST, vfs_mkdir(HERE, "d", 0777));
	become_root();
	ok(chmod_name("d", 0777));
	become(1000, 1000);
	fails(EPERM, vfs_mknod(HERE, "d/dev", S_IFCHR, 0x103));
	ok(vfs_mknod(HERE, "d/whiteout", S_IFCHR, 0));
	become_root();
	ok(vfs_symlink("nowhere", HERE, "dangling"));
	fails(EEXIST, vfs_mkdir(HERE, "dangling", 0755));
	cr_assert_eq(stat_of("dangling").mode, S_IFLNK | 0777);
	cr_assert_eq(stat_of("dangling").size, 7);
}

Test(namei, links)
{
	ok(vfs_mkdir(HERE, "d", 0777));
	touch("f");
	ok(link_name("f", "g"));
	cr_assert_eq(stat_of("f").nlink, 2);
	cr_assert_eq(ino_of("f"), ino_of("g"));
	fails(EPERM, link_name("d", "q"));
	fails(ENOENT, link_name("f", "q/"));
	fails(EEXIST, link_name("f", "f"));
	ok(vfs_unlink(HERE, "f"));
	cr_assert_eq(stat_of("g").nlink, 1);
	/* Other people's files that one cannot even write. */
	ok(chmod_name(".", 0777));
	ok(chmod_name("g", 0644));
	become(1000, 1000);
	fails(EPERM, link_name("g", "mine"));
	become_root();
	ok(chmod_name("g", 0666));
	become(1000, 1000);
	ok(link_name("g", "mine"));
	become_root();
	ok(mount_tmpfs("d", "", 0));
	fails(EXDEV, link_name("g", "d/g"));
	{
		struct file *f = must_open("g", O_RDONLY);

		ok(vfs_unlink(HERE, "g"));
		ok(vfs_unlink(HERE, "mine"));
		fails(ENOENT, vfs_link(f->path, HERE, "back"));
		file_put(f);
	}
}

Test(namei, removing)
{
	ok(vfs_mkdir(HERE, "d", 0777));
	ok(vfs_mkdir(HERE, "d/e", 0777));
	touch("f");
	fails(ENOTEMPTY, vfs_rmdir(HERE, "d"));
	fails(EINVAL, vfs_rmdir(HERE, "d/."));
	fails(ENOTEMPTY, vfs_rmdir(HERE, "d/.."));
	fails(EBUSY, vfs_rmdir(HERE, "/"));
	fails(ENOTDIR, vfs_rmdir(HERE, "f"));
	fails(ENOTDIR, vfs_rmdir(HERE, "f/"));
	fails(ENOENT, vfs_rmdir(HERE, "no"));
	fails(EISDIR, vfs_unlink(HERE, "d"));
	fails(EISDIR, vfs_unlink(HERE, "d/"));
	fails(EISDIR, vfs_unlink(HERE, "."));
	fails(ENOTDIR, vfs_unlink(HERE, "f/"));
	fails(ENOENT, vfs_unlink(HERE, "no/"));
	cr_assert_eq(stat_of("d").nlink, 3);
	ok(vfs_rmdir(HERE, "d/e"));
	cr_assert_eq(stat_of("d").nlink, 2);
	ok(vfs_rmdir(HERE, "d/"));
	become(1000, 1000);
	fails(EACCES, vfs_unlink(HERE, "f"));
	become_root();
}

Test(namei, a_removed_directory_is_dead)
{
	struct path d;
	struct file *f;

	ok(vfs_mkdir(HERE, "d", 0777));
	d = must_walk("d", 0);
	f = must_open("d", O_RDONLY | O_DIRECTORY);
	ok(vfs_rmdir(HERE, "d"));
	fails(ENOENT, vfs_mkdir(d, "x", 0777));
	{
		struct open_how_args how = {.flags = O_CREAT | O_RDWR, .mode = 0600};
		struct file *g;
		struct dir_sink sink = {NULL};

		fails(ENOENT, vfs_open(d, "x", &how, &g));
		fails(ENOENT, file_readdir(f, &sink));
	}
	file_put(f);
	path_put(d);
}

static int rename_to(const char *from, const char *to, u32 flags)
{
	return vfs_rename(HERE, from, HERE, to, flags);
}

Test(namei, renaming)
{
	ok(vfs_mkdir(HERE, "d", 0777));
	ok(vfs_mkdir(HERE, "e", 0777));
	touch("f");
	touch("g");
	touch("d/a");
	fails(EINVAL, rename_to("d", "d/x", 0));
	fails(ENOTEMPTY, rename_to("d/a", "d", 0));
	fails(ENOTDIR, rename_to("f", "x/", 0));
	fails(ENOTDIR, rename_to("f/", "x", 0));
	fails(ENOENT, rename_to("no/", "x", 0));
	fails(ENOTDIR, rename_to("d", "f", 0));
	fails(EISDIR, rename_to("f", "d", 0));
	fails(ENOTEMPTY, rename_to("e", "d", 0));
	ok(rename_to("d", "d", 0));
	fails(EBUSY, rename_to("d/.", "q", 0));
	fails(EBUSY, rename_to("d", "..", 0));
	fails(EEXIST, rename_to("d", "..", RENAME_NOREPLACE));
	fails(ENOENT, rename_to("d", "no", RENAME_EXCHANGE));
	fails(EEXIST, rename_to("d", "f", RENAME_NOREPLACE));
	fails(EINVAL, rename_to("d", "f", RENAME_NOREPLACE | RENAME_EXCHANGE));
	fails(EINVAL, rename_to("d/a", "d", RENAME_EXCHANGE));
	fails(EINVAL, rename_to("d", "d/a", RENAME_EXCHANGE));
	fails(EINVAL, rename_to("d", "x", 8));
	ok(rename_to("f", "g", 0));
	fails(ENOENT, try_walk("f", 0));
	ok(rename_to("g", "d/f", 0));
	ok(rename_to("d", "e", 0));
	ok(try_walk("e/f", 0));
	ok(link_name("e/f", "e/l"));
	ok(rename_to("e/f", "e/l", 0));
	cr_assert_eq(stat_of("e/l").nlink, 2);
}

Test(namei, exchange_and_whiteout)
{
	u64 f, d;

	touch("f");
	ok(vfs_mkdir(HERE, "p", 0755));
	ok(vfs_mkdir(HERE, "p/d", 0755));
	f = ino_of("f");
	d = ino_of("p/d");
	ok(rename_to("f", "p/d", RENAME_EXCHANGE));
	cr_assert_eq(ino_of("f"), d);
	cr_assert_eq(ino_of("p/d"), f);
	cr_assert_eq(stat_of("p").nlink, 2);
	cr_assert_eq(stat_of("/").nlink, 4);
	cr_assert_eq(ino_of("f/.."), ino_of("/"));
	ok(rename_to("p/d", "moved", RENAME_WHITEOUT));
	cr_assert_eq(stat_of("p/d").mode & S_IFMT, S_IFCHR);
	cr_assert_eq(stat_of("p/d").rdev, 0);
	cr_assert_eq(ino_of("moved"), f);
}

Test(namei, chmod_and_chown)
{
	struct path p;

	touch("f");
	ok(chown_name("f", 1000, 1000));
	ok(chmod_name("f", 06755));
	become(1001, 1001);
	fails(EPERM, chmod_name("f", 0777));
	fails(EPERM, chown_name("f", 1001, (u32)-1));
	become_root();
	become(1000, 1001);
	/* Not in the file's group: the set-group-ID bit is not his to give. */
	ok(chmod_name("f", 06755));
	cr_assert_eq(stat_of("f").mode & 07777, 04755);
	ok(chown_name("f", 1000, 1001));
	fails(EPERM, chown_name("f", 1000, 55));
	fails(EPERM, chown_name("f", 1001, (u32)-1));
	become_root();
	ok(chmod_name("f", 06755));
	ok(chown_name("f", 0, 0));
	cr_assert_eq(stat_of("f").mode & 07777, 0755);
	ok(chmod_name("f", 02644));
	ok(chown_name("f", 1, 1));
	cr_assert_eq(stat_of("f").mode & 07777, 02644);
	ok(vfs_symlink("f", HERE, "l"));
	p = must_walk("l", 0);
	fails(EOPNOTSUPP, vfs_chmod(p, 0777));
	ok(vfs_chown(p, 7, 7));
	path_put(p);
	cr_assert_eq(stat_of("l").uid, 7);
	cr_assert_eq(stat_of("f").uid, 1);
}

Test(namei, writes_drop_set_id)
{
	struct file *f;

	touch("f");
	ok(chown_name("f", 1000, 1000));
	ok(chmod_name("f", 06777));
	f = must_open("f", O_WRONLY);
	cr_assert_eq(write_str(f, "x"), 1);
	cr_assert_eq(stat_of("f").mode & 07777, 06777);
	become(1001, 1001);
	cr_assert_eq(write_str(f, "x"), 1);
	become_root();
	cr_assert_eq(stat_of("f").mode & 07777, 0777);
	file_put(f);
}

Test(namei, times)
{
	struct timespec ts[2] = {{.tv_sec = 10, .tv_nsec = 5}, {.tv_nsec = UTIME_OMIT}};
	struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
	struct timespec bad[2] = {{.tv_nsec = -1}, {.tv_nsec = 0}};
	struct path p;

	touch("f");
	p = must_walk("f", 0);
	ok(vfs_utimes(p, ts));
	cr_assert_eq(stat_of("f").atime.tv_sec, 10);
	cr_assert_neq(stat_of("f").mtime.tv_sec, 10);
	fails(EINVAL, vfs_utimes(p, bad));
	become(1000, 1000);
	fails(EPERM, vfs_utimes(p, ts));
	fails(EACCES, vfs_utimes(p, NULL));
	become_root();
	ok(chmod_name("f", 0666));
	become(1000, 1000);
	ok(vfs_utimes(p, NULL));
	ok(vfs_utimes(p, now));
	fails(EPERM, vfs_utimes(p, ts));
	become_root();
	path_put(p);
}

Test(namei, relatime)
{
	struct timespec old[2] = {{.tv_sec = 10}, {.tv_sec = 5}};
	struct file *f = must_open("f", O_CREAT | O_RDWR);
	struct path p = must_walk("f", 0);
	time_t first;
	char c;

	cr_assert_eq(write_str(f, "x"), 1);
	ok(vfs_utimes(p, old));
	cr_assert_eq(pread_buf(f, &c, 1, 0), 1);
	first = stat_of("f").atime.tv_sec;
	cr_assert_gt(first, 1000);
	/* Newer than mtime and ctime, and of today: left alone. */
	{
		struct setattr s = {.valid = SET_ATIME | SET_MTIME | SET_CTIME};

		s.atime = (struct timespec){.tv_sec = first - 3600};
		inode_store_attr(f->inode, &s);
	}
	cr_assert_eq(pread_buf(f, &c, 1, 0), 1);
	cr_assert_eq(stat_of("f").atime.tv_sec, first - 3600);
	path_put(p);
	file_put(f);
}

Test(namei, access)
{
	struct path p;

	touch("f");
	ok(chmod_name("f", 0600));
	p = must_walk("f", 0);
	ok(vfs_access(p, R_OK | W_OK));
	fails(EACCES, vfs_access(p, X_OK));
	fails(EINVAL, vfs_access(p, 8));
	/* A set-user-ID program asks for who runs it. */
	become_root();
	caller()->cred = cred_clone(root_cred_, 0);
	caller()->cred->uid = 1000;
	caller()->cred->gid = 1000;
	struct cred *mine = caller()->cred, *real = vfs_access_cred(mine);

	ok(vfs_access(p, R_OK));
	caller()->cred = real;
	fails(EACCES, vfs_access(p, R_OK));
	caller()->cred = mine;
	cred_put(real);
	become_root();
	path_put(p);
}

Test(namei, extended_attributes)
{
	char buf[64];
	struct path p;

	touch("f");
	p = must_walk("f", 0);
	ok(vfs_setxattr(p, "user.a", "abc", 3, 0));
	cr_assert_eq(vfs_getxattr(p, "user.a", buf, sizeof(buf)), 3);
	cr_assert_eq(vfs_getxattr(p, "user.a", buf, 0), 3);
	fails(ERANGE, vfs_getxattr(p, "user.a", buf, 2));
	fails(ENODATA, vfs_getxattr(p, "user.b", buf, 9));
	fails(EOPNOTSUPP, vfs_getxattr(p, "foo", buf, 9));
	fails(EINVAL, vfs_getxattr(p, "user.", buf, 0));
	fails(ERANGE, vfs_setxattr(p, "", "a", 1, 0));
	fails(EOPNOTSUPP, vfs_setxattr(p, "system.posix_acl_access", "a", 1, 0));
	fails(EEXIST, vfs_setxattr(p, "user.a", "x", 1, XATTR_CREATE));
	fails(ENODATA, vfs_setxattr(p, "user.z", "x", 1, XATTR_REPLACE));
	fails(EINVAL, vfs_setxattr(p, "user.z", "x", 1, 4));
	fails(E2BIG, vfs_setxattr(p, "user.z", "x", XATTR_SIZE_MAX + 1, 0));
	ok(vfs_setxattr(p, "trusted.t", "1", 1, 0));
	cr_assert_eq(vfs_listxattr(p, buf, sizeof(buf)), 7 + 10);
	fails(ERANGE, vfs_listxattr(p, buf, 3));
	ok(chmod_name("f", 0666));
	become(1000, 1000);
	cr_assert_eq(vfs_listxattr(p, buf, sizeof(buf)), 7);
	fails(ENODATA, vfs_getxattr(p, "trusted.t", buf, 9));
	fails(EPERM, vfs_setxattr(p, "trusted.t", "2", 1, 0));
	fails(EPERM, vfs_setxattr(p, "security.x", "2", 1, 0));
	ok(vfs_setxattr(p, "user.a", "new", 3, 0));
	become_root();
	ok(vfs_removexattr(p, "user.a"));
	fails(ENODATA, vfs_removexattr(p, "user.a"));
	path_put(p);
	ok(vfs_symlink("f", HERE, "l"));
	p = must_walk("l", 0);
	fails(EPERM, vfs_setxattr(p, "user.a", "a", 1, 0));
	ok(vfs_setxattr(p, "trusted.a", "a", 1, 0));
	path_put(p);
}
