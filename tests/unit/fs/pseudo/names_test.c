/* Names of objects that end: what the cache knows of them, and what holds them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/census.h"
#include "fs/pseudo/pseudo.h"
#include "fs/vfs/dentry.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/super.h"
#include "fs/vfs/walk.h"

/* /1 and /1/below/1 are names of one object: the first, or its successor. */
static struct pseudo_names names[2];
static unsigned now;
static int held;
static bool ends_meanwhile; /* the object, while it is being found */

static void hold(struct pseudo_ref *ref unused_arg)
{
	held++;
}

static void drop(struct pseudo_ref *ref unused_arg)
{
	held--;
}

static struct pseudo_names *names_of(const struct pseudo_ref *ref)
{
	return ref->object;
}

static void first_path(const struct pseudo_ref *ref unused_arg, char *buf, size_t size)
{
	snprintf(buf, size, "1");
}

static void second_path(const struct pseudo_ref *ref unused_arg, char *buf, size_t size)
{
	snprintf(buf, size, "1/below/1");
}

static int find_first(const struct pseudo_ref *dir, const char *name,
                      const struct pseudo_node **node, struct pseudo_ref *ref);
static int find_second(const struct pseudo_ref *dir, const char *name,
                       const struct pseudo_node **node, struct pseudo_ref *ref);

static const struct pseudo_node root_node = {.mode = S_IFDIR | 0555, .find = find_first};
static const struct pseudo_node first_children[] = {
    {.name = "below", .mode = S_IFDIR | 0555, .find = find_second}, {0}};
static const struct pseudo_node first_node = {.mode = S_IFDIR | 0555,
                                              .children = first_children,
                                              .hold = hold,
                                              .drop = drop,
                                              .names = names_of,
                                              .path = first_path};
static const struct pseudo_node second_node = {
    .mode = S_IFDIR | 0555, .hold = hold, .drop = drop, .names = names_of, .path = second_path};

static int find(const struct pseudo_node *what, const char *name, const struct pseudo_node **node,
                struct pseudo_ref *ref)
{
	if (strcmp(name, "1"))
		return -ENOENT;
	*node = what;
	*ref = (struct pseudo_ref){.object = &names[now]};
	hold(ref);
	if (ends_meanwhile)
		cr_assert_not(pseudo_names_end(&names[now]));
	return 0;
}

static int find_first(const struct pseudo_ref *dir unused_arg, const char *name,
                      const struct pseudo_node **node, struct pseudo_ref *ref)
{
	return find(&first_node, name, node, ref);
}

static int find_second(const struct pseudo_ref *dir unused_arg, const char *name,
                       const struct pseudo_node **node, struct pseudo_ref *ref)
{
	return find(&second_node, name, node, ref);
}

static struct super *sb;
static struct dentry *root;

static struct super *mounted(struct dentry **top)
{
	struct super *fresh;

	cr_assert_eq(pseudo_mount(&root_node, "test", "test", 1, SB_NO_NEGATIVE, &fresh), 0);
	*top = super_root_dentry(fresh);
	return fresh;
}

static void setup(void)
{
	pseudo_names_init(&names[0]);
	pseudo_names_init(&names[1]);
	sb = mounted(&root);
}

static void nothing_left(const struct census *c, void *arg unused_arg)
{
	if (!strcmp(c->name, "inode") || !strcmp(c->name, "dentry") ||
	    !strcmp(c->name, "super block"))
		cr_assert_eq(atomic_load(&c->live), 0, "%s", c->name);
}

static void teardown(void)
{
	dentry_put(root);
	super_put(sb);
	cr_assert_eq(held, 0);
	census_each(nothing_left, NULL);
}

TestSuite(pseudo_names, .init = setup, .fini = teardown);

static int look(struct dentry *dir, const char *name, struct dentry **out)
{
	return walk_child((struct path){NULL, dir}, name, false, out);
}

static struct dentry *found(struct dentry *dir, const char *name)
{
	struct dentry *d = NULL;

	cr_assert_eq(look(dir, name, &d), 0, "%s", name);
	return d;
}

/* As a walk of the whole path leaves them: in the cache, and held by nobody else. */
static void find_all(struct dentry *top)
{
	struct dentry *a = found(top, "1"), *b = found(a, "below"), *c = found(b, "1");

	dentry_put(a);
	dentry_put(b);
	dentry_put(c);
}

static void gone(struct dentry *top)
{
	struct dentry *d = NULL;

	cr_assert_eq(look(top, "1", &d), -ENOENT);
	cr_assert_null(d);
}

Test(pseudo_names, go_with_their_object)
{
	size_t before = dentry_cache_count();

	find_all(root);
	cr_assert_eq(dentry_cache_count(), before + 3);
	cr_assert_eq(held, 3);
	cr_assert(pseudo_names_end(&names[0]));
	pseudo_names_forget(&names[0]);
	cr_assert_eq(dentry_cache_count(), before);
	cr_assert_eq(held, 0);
	gone(root);
}

Test(pseudo_names, go_from_every_file_system)
{
	size_t before = dentry_cache_count();
	struct dentry *other_root, *unused_root;
	struct super *other = mounted(&other_root), *unused = mounted(&unused_root);
	struct dentry *d = found(unused_root, "1");
	struct inode *watched = inode_get(dentry_inode(d));

	find_all(root);
	find_all(other_root);
	/* One that has been unmounted: it has no names any more, but somebody holds an inode. */
	dentry_put(d);
	dentry_put(unused_root);
	super_put(unused);
	cr_assert(pseudo_names_end(&names[0]));
	pseudo_names_forget(&names[0]);
	cr_assert_eq(dentry_cache_count(), before);
	cr_assert_eq(held, 1);
	inode_put(watched);
	cr_assert_eq(held, 0);
	dentry_put(other_root);
	super_put(other);
}

Test(pseudo_names, that_somebody_holds_are_found_no_more)
{
	struct dentry *a = found(root, "1"), *b = found(a, "below"), *c = found(b, "1");

	cr_assert(pseudo_names_end(&names[0]));
	pseudo_names_forget(&names[0]);
	gone(root);
	gone(b);
	cr_assert_eq(held, 3);
	dentry_put(a);
	dentry_put(b);
	dentry_put(c);
	cr_assert_eq(held, 0);
}

Test(pseudo_names, a_successor_keeps_its_own)
{
	struct dentry *d = found(root, "1"), *next, *again;

	cr_assert(pseudo_names_end(&names[0]));
	/* Its number is given to another before anybody comes to forget it. */
	dentry_unhash(d);
	now = 1;
	next = found(root, "1");
	cr_assert_neq(d, next);
	pseudo_names_forget(&names[0]);
	again = dentry_find(root, "1", 1);
	cr_assert_eq(again, next);
	dentry_put(again);
	dentry_put(next);
	dentry_put(d);
}

Test(pseudo_names, of_what_has_ended_are_not_found)
{
	/* After the object was found, and before the name is cached. */
	ends_meanwhile = true;
	gone(root);
	cr_assert_eq(held, 0);
}

Test(pseudo_names, none_is_nothing_to_forget)
{
	cr_assert_not(pseudo_names_end(&names[0]));
	pseudo_names_forget(&names[0]);
}
