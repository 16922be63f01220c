/* open(2): what its flags mean and refuse, as observed on Linux. */
#include "vfs_fixture.h"

TestSuite(open, .init = world_begin, .fini = world_end);

Test(open, create_rules)
{
	ok(vfs_mkdir(HERE, "d", 0755));
	touch("f");
	ok(vfs_symlink("new", HERE, "dangling"));
	fails(EEXIST, try_open("f", O_CREAT | O_EXCL | O_RDWR));
	fails(EEXIST, try_open("dangling", O_CREAT | O_EXCL | O_RDWR));
	fails(EEXIST, try_open("/", O_CREAT | O_EXCL | O_RDONLY));
	fails(EISDIR, try_open("d", O_CREAT | O_RDONLY));
	fails(EISDIR, try_open(".", O_CREAT | O_RDONLY));
	fails(EISDIR, try_open("..", O_CREAT | O_RDWR));
	fails(EISDIR, try_open("x/", O_CREAT | O_RDWR));
	fails(EISDIR, try_open("f/", O_CREAT | O_RDONLY));
	fails(EINVAL, try_open("f", O_CREAT | O_DIRECTORY));
	fails(ENOENT, try_open("no/x", O_CREAT | O_RDWR));
	fails(ENOTDIR, try_open("f/x", O_CREAT | O_RDWR));
	fails(ELOOP, try_open("dangling", O_CREAT | O_NOFOLLOW | O_RDWR));
	ok(try_open("dangling", O_CREAT | O_RDWR));
	ok(try_walk("new", 0));
	cr_assert_eq(stat_of("new").mode, S_IFREG | 0644);
}

Test(open, other_flags)
{
	struct file *f;

	ok(vfs_mkdir(HERE, "d", 0755));
	touch("f");
	ok(vfs_symlink("f", HERE, "link"));
	fails(ENOTDIR, try_open("f", O_DIRECTORY));
	fails(ENOTDIR, try_open("f/", O_RDONLY));
	fails(EISDIR, try_open("d", O_WRONLY));
	fails(EISDIR, try_open("d", O_RDONLY | O_TRUNC));
	fails(ELOOP, try_open("link", O_NOFOLLOW));
	fails(ENOTDIR, try_open("link", O_NOFOLLOW | O_DIRECTORY));
	fails(ENOTDIR, try_open("link", O_NOFOLLOW | O_DIRECTORY | O_PATH));
	f = must_open("link", O_NOFOLLOW | O_PATH | O_RDWR | O_CLOEXEC);
	cr_assert_eq(atomic_load(&f->flags), O_PATH | O_NOFOLLOW);
	cr_assert(inode_is_link(f->inode));
	file_put(f);
	f = must_open("f", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND);
	cr_assert_eq(atomic_load(&f->flags), O_RDWR | O_APPEND | 0100000);
	file_put(f);
	/* Mode 3 needs both rights and gives neither. */
	f = must_open("f", 3);
	cr_assert_not(file_readable(f));
	cr_assert_not(file_writable(f));
	file_put(f);
	ok(vfs_mknod(HERE, "dev", S_IFCHR | 0666, 0x999));
	fails(ENXIO, try_open("dev", O_RDWR));
	ok(vfs_mknod(HERE, "sock", S_IFSOCK | 0666, 0));
	fails(ENXIO, try_open("sock", O_RDWR));
	ok(try_open("sock", O_PATH));
}

Test(open, truncates)
{
	struct file *f = must_open("f", O_CREAT | O_RDWR);

	cr_assert_eq(write_str(f, "hello"), 5);
	file_put(f);
	cr_assert_eq(stat_of("f").size, 5);
	ok(try_open("f", O_WRONLY | O_TRUNC));
	cr_assert_eq(stat_of("f").size, 0);
	/* A new file is made with its bits, whatever they forbid to open. */
	{
		struct file *g;

		become(1000, 1000);
		become_root();
		ok(chmod_name(".", 0777));
		become(1000, 1000);
		ok(open_at("own", O_CREAT | O_RDWR | O_TRUNC, 0, &g));
		file_put(g);
		fails(EACCES, try_open("own", O_RDONLY));
		become_root();
	}
}

Test(open, rights)
{
	touch("f");
	ok(chmod_name("f", 0640));
	ok(chown_name("f", 1000, 1000));
	become(1001, 1000);
	ok(try_open("f", O_RDONLY));
	fails(EACCES, try_open("f", O_WRONLY));
	fails(EACCES, try_open("f", O_RDONLY | O_TRUNC));
	fails(EACCES, try_open("new", O_CREAT | O_RDWR));
	fails(EPERM, try_open("f", O_RDONLY | O_NOATIME));
	become_root();
	become(1002, 1002);
	fails(EACCES, try_open("f", O_RDONLY));
	ok(try_open("f", O_PATH));
	become_root();
	ok(try_open("f", O_RDWR));
	fails(EACCES, try_open("f", OPEN_EXEC));
	ok(chmod_name("f", 0711));
	become(1002, 1002);
	fails(EACCES, try_open("f", O_RDONLY));
	ok(try_open("f", OPEN_EXEC));
	become_root();
}

Test(open, running_programs_are_busy)
{
	struct path p;
	struct file *f;

	f = must_open("prog", O_CREAT | O_RDWR);
	fails(ETXTBSY, inode_deny_write(f->inode));
	file_put(f);
	p = must_walk("prog", 0);
	ok(inode_deny_write(dentry_inode(p.dentry)));
	fails(ETXTBSY, try_open("prog", O_WRONLY));
	fails(ETXTBSY, vfs_truncate(p, 0));
	ok(try_open("prog", O_RDONLY));
	inode_allow_write(dentry_inode(p.dentry));
	ok(try_open("prog", O_WRONLY));
	path_put(p);
}

Test(open, tmpfile)
{
	struct file *f;
	struct open_how_args how = {.flags = O_TMPFILE | O_RDWR, .mode = 0600};

	touch("f");
	fails(EINVAL, try_open(".", O_TMPFILE | O_RDONLY));
	fails(EINVAL, try_open(".", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR));
	fails(ENOENT, try_open("no", O_TMPFILE | O_RDWR));
	fails(ENOTDIR, try_open("f", O_TMPFILE | O_RDWR));
	ok(vfs_open(HERE, ".", &how, &f));
	cr_assert_eq(write_str(f, "abc"), 3);
	ok(vfs_link(f->path, HERE, "named"));
	cr_assert_eq(stat_of("named").nlink, 1);
	cr_assert_eq(stat_of("named").size, 3);
	file_put(f);
	how.flags |= O_EXCL;
	ok(vfs_open(HERE, ".", &how, &f));
	fails(ENOENT, vfs_link(f->path, HERE, "never"));
	file_put(f);
}

Test(open, sticky_directories)
{
	ok(vfs_mkdir(HERE, "tmp", 0777));
	ok(chmod_name("tmp", 01777));
	become(1000, 1000);
	touch("tmp/f");
	become_root();
	ok(chmod_name("tmp/f", 0666));
	/* Not even root writes with O_CREAT to what another user has put ready. */
	fails(EACCES, try_open("tmp/f", O_CREAT | O_WRONLY));
	ok(try_open("tmp/f", O_WRONLY));
	become(1001, 1001);
	fails(EPERM, vfs_unlink(HERE, "tmp/f"));
	fails(EPERM, vfs_rename(HERE, "tmp/f", HERE, "tmp/g", 0));
	become_root();
	become(1000, 1000);
	ok(vfs_unlink(HERE, "tmp/f"));
	become_root();
}

Test(open, setgid_directories)
{
	ok(vfs_mkdir(HERE, "d", 0777));
	ok(chown_name("d", 0, 500));
	ok(chmod_name("d", 02777));
	become(1000, 1000);
	touch("d/f");
	ok(vfs_mkdir(HERE, "d/sub", 0755));
	cr_assert_eq(stat_of("d/f").gid, 500);
	cr_assert_eq(stat_of("d/sub").gid, 500);
	cr_assert_eq(stat_of("d/sub").mode, S_IFDIR | 02755);
	ok(vfs_mknod(HERE, "d/suid", S_IFREG | 06755, 0));
	cr_assert_eq(stat_of("d/suid").mode, S_IFREG | 04755);
	become_root();
}
