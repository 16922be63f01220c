/* Path resolution: what names lead to, and every way in which they do not. */
#include "vfs_fixture.h"

TestSuite(walk, .init = world_begin, .fini = world_end);

Test(walk, names_dots_and_slashes)
{
	ok(vfs_mkdir(HERE, "a", 0755));
	ok(vfs_mkdir(HERE, "a/b", 0755));
	touch("a/b/f");
	cr_assert_eq(ino_of("a/b/f"), ino_of("/a//b/./../b/f"));
	cr_assert_eq(ino_of("/"), ino_of("/../.."));
	cr_assert_eq(ino_of("a/b/"), ino_of("a/b"));
	cr_assert_eq(ino_of("a/b/.."), ino_of("a"));
	fails(ENOENT, try_walk("", 0));
	ok(try_walk("", WALK_EMPTY));
	fails(ENOENT, try_walk("a/x", 0));
	fails(ENOENT, try_walk("a/x/y", 0));
	fails(ENOTDIR, try_walk("a/b/f/", 0));
	fails(ENOTDIR, try_walk("a/b/f/.", 0));
	fails(ENOTDIR, try_walk("a/b/f/..", 0));
	fails(ENOTDIR, try_walk("a/b/f", WALK_DIRECTORY));
}

Test(walk, long_names)
{
	char name[300];

	memset(name, 'n', sizeof(name));
	name[255] = 0;
	touch(name);
	ok(try_walk(name, 0));
	name[255] = 'n';
	name[256] = 0;
	fails(ENAMETOOLONG, try_walk(name, 0));
	name[256] = '/';
	name[257] = 'x';
	name[258] = 0;
	fails(ENAMETOOLONG, try_walk(name, 0));
}

Test(walk, symbolic_links)
{
	char buf[16];
	struct path p;

	ok(vfs_mkdir(HERE, "d", 0755));
	touch("d/f");
	ok(vfs_symlink("d/f", HERE, "rel"));
	ok(vfs_symlink("/d", HERE, "abs"));
	ok(vfs_symlink("../rel", HERE, "d/up"));
	ok(vfs_symlink("nowhere", HERE, "dangling"));
	cr_assert_eq(ino_of("rel"), ino_of("d/f"));
	cr_assert_eq(ino_of("abs/f"), ino_of("d/f"));
	cr_assert_eq(ino_of("abs/up"), ino_of("d/f"));
	cr_assert(S_ISLNK(stat_of("abs").mode));
	/* A slash behind a link asks for what it leads to. */
	p = must_walk("abs/", 0);
	cr_assert(inode_is_dir(dentry_inode(p.dentry)));
	path_put(p);
	fails(ENOTDIR, try_walk("rel/", 0));
	fails(ENOENT, try_walk("dangling", WALK_FOLLOW));
	ok(try_walk("dangling", 0));
	p = must_walk("rel", 0);
	cr_assert_eq(vfs_readlink(p, buf, sizeof(buf)), 3);
	cr_assert_eq(memcmp(buf, "d/f", 3), 0);
	cr_assert_eq(vfs_readlink(p, buf, 2), 2);
	path_put(p);
}

Test(walk, loops_end)
{
	char from[16], to[16];

	ok(vfs_symlink("loop", HERE, "loop"));
	fails(ELOOP, try_walk("loop", WALK_FOLLOW));
	ok(vfs_symlink("b", HERE, "a"));
	ok(vfs_symlink("a", HERE, "b"));
	fails(ELOOP, try_walk("a/x", 0));
	/* 40 links are followed, 41 are not. */
	touch("l0");
	for (int i = 1; i <= 41; i++) {
		snprintf(from, sizeof(from), "l%d", i - 1);
		snprintf(to, sizeof(to), "l%d", i);
		ok(vfs_symlink(from, HERE, to));
	}
	ok(try_walk("l40", WALK_FOLLOW));
	fails(ELOOP, try_walk("l41", WALK_FOLLOW));
}

Test(walk, openat2_limits)
{
	struct path base, p;

	ok(vfs_mkdir(HERE, "jail", 0755));
	ok(vfs_mkdir(HERE, "jail/in", 0755));
	touch("outside");
	touch("jail/file");
	ok(vfs_symlink("../../outside", HERE, "jail/in/escape"));
	ok(vfs_symlink("/file", HERE, "jail/in/absolute"));
	base = must_walk("jail", 0);
	fails(EXDEV, walk(base, "..", WALK_BENEATH, &p));
	fails(EXDEV, walk(base, "/file", WALK_BENEATH, &p));
	fails(EXDEV, walk(base, "in/escape", WALK_BENEATH | WALK_FOLLOW, &p));
	fails(EXDEV, walk(base, "in/absolute", WALK_BENEATH | WALK_FOLLOW, &p));
	fails(ELOOP, walk(base, "in/absolute", WALK_NO_SYMLINKS | WALK_FOLLOW, &p));
	ok(walk(base, "in/../file", WALK_BENEATH, &p));
	path_put(p);
	/* In a root of its own, ".." stops there and absolute names start there. */
	fails(ENOENT, walk(base, "../../outside", WALK_IN_ROOT, &p));
	ok(walk(base, "/../in/absolute", WALK_IN_ROOT | WALK_FOLLOW, &p));
	cr_assert_eq(dentry_inode(p.dentry)->ino, ino_of("jail/file"));
	path_put(p);
	path_put(base);
	ok(vfs_mkdir(HERE, "m", 0755));
	ok(mount_tmpfs("m", "", 0));
	fails(EXDEV, try_walk("m", WALK_NO_XDEV));
	fails(EXDEV, try_walk("m/..", WALK_NO_XDEV));
}

Test(walk, search_permission)
{
	ok(vfs_mkdir(HERE, "closed", 0700));
	ok(vfs_mkdir(HERE, "closed/d", 0777));
	touch("closed/d/f");
	become(1000, 1000);
	ok(try_walk("closed", 0));
	fails(EACCES, try_walk("closed/d", 0));
	fails(EACCES, try_walk("closed/nothing", 0));
	fails(EACCES, try_walk("closed/d/f", 0));
	become_root();
	ok(try_walk("closed/d/f", 0));
}

Test(walk, sticky_links_of_others)
{
	ok(vfs_mkdir(HERE, "tmp", 0777));
	ok(chmod_name("tmp", 01777));
	touch("f");
	ok(vfs_symlink("/f", HERE, "tmp/roots"));
	become(1000, 1000);
	ok(vfs_symlink("/f", HERE, "tmp/mine"));
	ok(try_walk("tmp/mine", WALK_FOLLOW));
	/* The directory's owner is trusted by everybody. */
	ok(try_walk("tmp/roots", WALK_FOLLOW));
	become_root();
	fails(EACCES, try_walk("tmp/mine", WALK_FOLLOW));
	ok(try_walk("tmp/mine", 0));
}

Test(walk, parents)
{
	struct path parent;
	char last[NAME_LEN_MAX + 1];
	bool slash;

	ok(vfs_mkdir(HERE, "d", 0755));
	ok(walk_parent(HERE, "d/new/", 0, &parent, last, &slash));
	cr_assert_str_eq(last, "new");
	cr_assert(slash);
	path_put(parent);
	ok(walk_parent(HERE, "/", 0, &parent, last, &slash));
	cr_assert_str_eq(last, "/");
	path_put(parent);
	ok(walk_parent(HERE, "d/..", 0, &parent, last, &slash));
	cr_assert_str_eq(last, "..");
	path_put(parent);
}
