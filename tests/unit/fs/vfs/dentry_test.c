/* The dentry cache: hits, bound, names after removal and renaming, pruning. */
#include <pthread.h>
#include "vfs_fixture.h"

TestSuite(dentry, .init = world_begin, .fini = world_end);

static void name_of(struct path p, const char *expect)
{
	struct path root = fs_context_root(caller()->fs);
	char buf[512];

	cr_assert_str_eq(path_name(p, root, buf, sizeof(buf), NULL), expect);
	path_put(root);
}

Test(dentry, same_object_while_cached)
{
	struct path a, b;

	touch("f");
	a = must_walk("f", 0);
	b = must_walk("f", 0);
	cr_assert_eq(a.dentry, b.dentry);
	path_put(b);
	ok(vfs_unlink(HERE, "f"));
	name_of(a, "/f (deleted)");
	touch("f");
	b = must_walk("f", 0);
	cr_assert_neq(a.dentry, b.dentry);
	path_put(a);
	path_put(b);
}

Test(dentry, negative_names_become_positive)
{
	fails(ENOENT, try_walk("f", 0));
	fails(ENOENT, try_walk("f", 0));
	touch("f");
	ok(try_walk("f", 0));
	ok(vfs_unlink(HERE, "f"));
	fails(ENOENT, try_walk("f", 0));
}

Test(dentry, follows_renames)
{
	char longname[120];
	struct path d, f;

	memset(longname, 'x', sizeof(longname));
	longname[sizeof(longname) - 1] = 0;
	ok(vfs_mkdir(HERE, "d", 0755));
	touch("d/f");
	d = must_walk("d", 0);
	f = must_walk("d/f", 0);
	ok(vfs_rename(HERE, "d", HERE, longname, 0));
	{
		char expect[130];

		snprintf(expect, sizeof(expect), "/%s/f", longname);
		name_of(f, expect);
	}
	ok(vfs_rename(HERE, longname, HERE, "e", 0));
	name_of(f, "/e/f");
	ok(vfs_mkdir(HERE, longname, 0755));
	ok(vfs_rename(HERE, "e", HERE, longname, RENAME_EXCHANGE));
	ok(try_walk("e", 0));
	ok(vfs_rename(HERE, longname, HERE, "e", RENAME_EXCHANGE));
	name_of(f, "/e/f");
	path_put(d);
	path_put(f);
}

Test(dentry, bound_holds)
{
	char name[32];
	struct path kept;

	dentry_cache_set_limit(100);
	touch("kept");
	kept = must_walk("kept", 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		touch(name);
	}
	cr_assert_leq(dentry_cache_count(), 110);
	/* What was dropped is found again. */
	ok(try_walk("n0", 0));
	cr_assert_eq(must_walk("kept", 0).dentry, kept.dentry);
	dentry_put(kept.dentry);
	mount_put(kept.mnt);
	path_put(kept);
	dentry_cache_shrink(1000);
	cr_assert_leq(dentry_cache_count(), 1);
	dentry_cache_set_limit(65536);
}

Test(dentry, pruning_deep_and_held)
{
	char name[4096] = "";
	struct path held, top;
	size_t before;

	for (int i = 0; i < 1000; i++) {
		strcat(name, "d/");
		ok(vfs_mkdir(HERE, name, 0755));
	}
	held = must_walk("d/d/d", 0);
	top = must_walk("d", 0);
	before = dentry_cache_count();
	dentry_prune(top.dentry);
	cr_assert_eq(before - dentry_cache_count(), 997);
	name_of(held, "/d/d/d");
	path_put(held);
	path_put(top);
	ok(try_walk(name, 0));
}

/* Walks and changes at once, on threads of their own. */
static _Atomic bool stop;

static void *walker_thread(void *arg)
{
	struct path root = *(struct path *)arg, p;

	while (!stop) {
		if (walk(root, "a/b/f", 0, &p) == 0)
			path_put(p);
		if (walk(root, "x/b/f", 0, &p) == 0)
			path_put(p);
	}
	return NULL;
}

Test(dentry, walks_race_with_renames)
{
	struct path root = fs_context_root(caller()->fs);
	pthread_t t[2];

	ok(vfs_mkdir(HERE, "a", 0755));
	ok(vfs_mkdir(HERE, "a/b", 0755));
	touch("a/b/f");
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, walker_thread, &root);
	for (int i = 0; i < 2000; i++) {
		ok(vfs_rename(HERE, "a", HERE, "x", 0));
		ok(vfs_unlink(HERE, "x/b/f"));
		touch("x/b/f");
		ok(vfs_rename(HERE, "x", HERE, "a", 0));
		if (i % 100 == 0)
			dentry_cache_shrink(100);
	}
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	path_put(root);
}
