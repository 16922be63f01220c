/* Mounts: covering, binding, moving, detaching, namespaces, and names across them. */
#include "vfs_fixture.h"

TestSuite(mount, .init = world_begin, .fini = world_end);

static void name_is(const char *name, const char *expect)
{
	struct path p = must_walk(name, 0), root = fs_context_root(caller()->fs);
	char buf[256], *got;
	bool reachable;

	got = path_name(p, root, buf, sizeof(buf), &reachable);
	cr_assert_str_eq(got, expect);
	path_put(p);
	path_put(root);
}

Test(mount, covers_and_uncovers)
{
	struct file *f;
	struct path p;

	ok(vfs_mkdir(HERE, "m", 0755));
	touch("m/below");
	ok(mount_tmpfs("m", "", 0));
	fails(ENOENT, try_walk("m/below", 0));
	touch("m/above");
	ok(vfs_mkdir(HERE, "m/sub", 0755));
	cr_assert_eq(ino_of("m/sub/../.."), ino_of("/"));
	name_is("m/sub", "/m/sub");
	/* A second one on top. */
	ok(mount_tmpfs("m", "", 0));
	fails(ENOENT, try_walk("m/above", 0));
	ok(umount_name("m", 0));
	ok(try_walk("m/above", 0));
	fails(EBUSY, vfs_rmdir(HERE, "m"));
	fails(EBUSY, vfs_rename(HERE, "m", HERE, "n", 0));
	fails(EINVAL, umount_name("m/sub", 0));
	f = must_open("m/above", O_RDONLY);
	fails(EBUSY, umount_name("m", 0));
	ok(umount_name("m", MNT_DETACH));
	ok(try_walk("m/below", 0));
	/* The open file goes on in the detached tree. */
	p = path_get(f->path);
	{
		char buf[64];
		bool reachable;
		struct path root = fs_context_root(caller()->fs);

		cr_assert_str_eq(path_name(p, root, buf, sizeof(buf), &reachable),
		                 "(unreachable)/above");
		cr_assert_not(reachable);
		path_put(root);
	}
	path_put(p);
	file_put(f);
	fails(EINVAL, umount_name("/", 0));
}

Test(mount, kinds_must_agree)
{
	struct path d, f;
	struct mount_ns *ns = caller()->fs->ns;

	ok(vfs_mkdir(HERE, "d", 0755));
	touch("f");
	d = must_walk("d", 0);
	f = must_walk("f", 0);
	fails(ENOTDIR, mount_bind(ns, d, f, 0, false));
	fails(ENOTDIR, mount_bind(ns, f, d, 0, false));
	path_put(d);
	path_put(f);
}

Test(mount, bind_shows_a_subtree)
{
	struct path src, at;
	struct mount_ns *ns = caller()->fs->ns;

	ok(vfs_mkdir(HERE, "src", 0755));
	ok(vfs_mkdir(HERE, "src/deep", 0755));
	ok(vfs_mkdir(HERE, "src/deep/m", 0755));
	ok(vfs_mkdir(HERE, "at", 0755));
	ok(mount_tmpfs("src/deep/m", "", 0));
	touch("src/deep/m/inner");
	src = must_walk("src/deep", 0);
	at = must_walk("at", 0);
	ok(mount_bind(ns, at, src, MS_RDONLY, false));
	ok(try_walk("at/m", 0));
	fails(ENOENT, try_walk("at/m/inner", 0));
	name_is("at/m", "/at/m");
	cr_assert_eq(ino_of("at/.."), ino_of("/"));
	/* Read-only is the mount, not the file system. */
	fails(EROFS, try_open("at/new", O_CREAT | O_WRONLY));
	fails(EROFS, vfs_mkdir(HERE, "at/new", 0755));
	ok(try_open("src/deep/new", O_CREAT | O_WRONLY));
	ok(try_open("at/new", O_RDONLY));
	fails(EROFS, try_open("at/new", O_RDWR));
	fails(EXDEV, vfs_rename(HERE, "at/new", HERE, "src/deep/new2", 0));
	ok(umount_name("at", 0));
	ok(mount_bind(ns, at, src, 0, true));
	ok(try_walk("at/m/inner", 0));
	ok(umount_name("at", MNT_DETACH));
	/* Binding a file, and a directory on itself. */
	path_put(at);
	path_put(src);
	touch("file");
	at = must_walk("file", 0);
	src = must_walk("src/deep/new", 0);
	ok(mount_bind(ns, at, src, 0, false));
	cr_assert_eq(ino_of("file"), ino_of("src/deep/new"));
	fails(EBUSY, vfs_unlink(HERE, "file"));
	ok(umount_name("file", 0));
	path_put(at);
	path_put(src);
	src = must_walk("src", 0);
	ok(mount_bind(ns, src, src, 0, false));
	ok(umount_name("src", 0));
	path_put(src);
}

Test(mount, move_and_loops)
{
	struct path a, b, inside;
	struct mount_ns *ns = caller()->fs->ns;

	ok(vfs_mkdir(HERE, "a", 0755));
	ok(vfs_mkdir(HERE, "b", 0755));
	ok(mount_tmpfs("a", "", 0));
	ok(vfs_mkdir(HERE, "a/in", 0755));
	a = must_walk("a", 0);
	b = must_walk("b", 0);
	inside = must_walk("a/in", 0);
	fails(ELOOP, mount_move(ns, a, inside));
	fails(EINVAL, mount_move(ns, inside, b));
	ok(mount_move(ns, a, b));
	fails(ENOENT, try_walk("a/in", 0));
	ok(try_walk("b/in", 0));
	path_put(a);
	path_put(b);
	path_put(inside);
}

Test(mount, namespaces_are_copies)
{
	struct fs_context *fs = caller()->fs;
	struct mount_ns *copy;
	struct path root, cwd;
	struct fs_context *other;

	ok(vfs_mkdir(HERE, "m", 0755));
	ok(vfs_mkdir(HERE, "n", 0755));
	ok(mount_tmpfs("m", "", 0));
	touch("m/f");
	root = fs_context_root(fs);
	cwd = must_walk("m", 0);
	ok(mount_ns_clone(fs->ns, &initial_user_ns, &copy, &root, &cwd));
	cr_assert_eq(cwd.mnt->ns, copy);
	cr_assert_eq(root.mnt->ns, copy);
	other = fs_context_create(copy, root, cwd, 0);
	caller()->fs = other;
	ok(try_walk("f", 0));
	ok(mount_tmpfs("/n", "", 0));
	touch("/n/x");
	caller()->fs = fs;
	fails(ENOENT, try_walk("n/x", 0));
	/* A mountpoint of another namespace does not keep a directory from going. */
	ok(vfs_rmdir(HERE, "n"));
	caller()->fs = other;
	fails(ENOENT, try_walk("/n/x", 0));
	caller()->fs = fs;
	path_put(root);
	path_put(cwd);
	mount_ns_put(copy);
	fs_context_put(other);
}

Test(mount, pivot_root)
{
	struct fs_context *fs = caller()->fs;
	struct path root, fresh, old;

	ok(vfs_mkdir(HERE, "new", 0755));
	touch("outer");
	ok(mount_tmpfs("new", "", 0));
	ok(vfs_mkdir(HERE, "new/old", 0755));
	root = fs_context_root(fs);
	fresh = must_walk("new", 0);
	old = must_walk("new/old", 0);
	fails(EBUSY, mount_pivot_root(fs->ns, root, root, old));
	ok(mount_pivot_root(fs->ns, root, fresh, old));
	/* The caller's root moves, as the system call does it. */
	path_put(fs->root);
	path_put(fs->cwd);
	fs->root = path_get(fresh);
	fs->cwd = path_get(fresh);
	ok(try_walk("/old/outer", 0));
	name_is("/old/outer", "/old/outer");
	cr_assert_eq(ino_of("/old/.."), ino_of("/"));
	path_put(root);
	path_put(fresh);
	path_put(old);
	ok(umount_name("/old", MNT_DETACH));
	fails(ENOENT, try_walk("/old/outer", 0));
}

Test(mount, remount_and_expire)
{
	struct mount_ns *ns = caller()->fs->ns;
	struct file *f;
	struct path p;

	ok(vfs_mkdir(HERE, "m", 0755));
	ok(mount_tmpfs("m", "size=1m", 0));
	p = must_walk("m", 0);
	f = must_open("m/f", O_CREAT | O_RDWR);
	fails(EBUSY, mount_remount(ns, p, MS_RDONLY, true, NULL));
	file_put(f);
	ok(mount_remount(ns, p, MS_RDONLY, true, NULL));
	fails(EROFS, try_open("m/f", O_RDWR));
	ok(mount_remount(ns, p, 0, false, "size=2m"));
	ok(try_open("m/f", O_RDWR));
	fails(EINVAL, mount_remount(ns, p, 0, false, "nonsense=1"));
	path_put(p);
	fails(EAGAIN, umount_name("m", MNT_EXPIRE));
	ok(umount_name("m", MNT_EXPIRE));
}

static bool count_one(struct mount *m unused_arg, void *arg)
{
	++*(int *)arg;
	return true;
}

Test(mount, listing)
{
	int n = 0;

	ok(vfs_mkdir(HERE, "m", 0755));
	for (int i = 0; i < 5; i++)
		ok(mount_tmpfs("m", "", 0));
	mount_ns_each(caller()->fs->ns, count_one, &n);
	cr_assert_eq(n, 6);
}
