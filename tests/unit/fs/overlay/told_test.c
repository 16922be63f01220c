/*
 * Attributes that an overlay shows and others have been told of: they change with the layer that
 * has the object today, and with the layer's becoming another. Over two lower directories of the
 * host, with a tmpfs above.
 */
#include "tests/unit/fs/view.h"
#include "fs/hostfs/hostfs.h"
#include "fs/overlay/overlay.h"
#include "fs/tmpfs/tmpfs.h"
#include "fs/vfs/told_word.h"

static _Atomic u32 words[8];
static char lo[64], mid[64];
static struct view v;

static struct super *layer(const char *dir)
{
	struct hostfs_options o = {
	    .readonly = true, .layer = true, .cache = HOSTFS_ALWAYS, .source = dir};
	struct super *sb;

	cr_assert_eq(hostfs_mount(host_open_dir(dir), &o, &sb), 0);
	return sb;
}

static void setup(void)
{
	struct super *lower[2], *upper, *sb;

	told_words_keep(words, array_size(words));
	host_dir_make(lo);
	host_dir_make(mid);
	host_write_file(lo, "a", "lower a");
	host_write_file(lo, "b", "lower b");
	cr_assert_eq(link(host_path(lo, "b"), host_path(lo, "b2")), 0);
	host_mkdir(lo, "d");
	host_mkdir(mid, "d");
	host_write_file(lo, "d/f", "d/f");
	host_mkdir(lo, "e");
	lower[0] = layer(mid);
	lower[1] = layer(lo);
	cr_assert_eq(tmpfs_type.mount(&tmpfs_type, "tmpfs", SB_LOWER, "mode=755", &upper), 0);
	cr_assert_eq(overlay_mount(lower, 2, upper, &sb), 0);
	super_put(lower[0]);
	super_put(lower[1]);
	super_put(upper);
	view_open(&v, sb);
}

static void teardown(void)
{
	view_close(&v);
	host_dir_remove(lo);
	host_dir_remove(mid);
	told_words_keep(NULL, 1);
}

TestSuite(overlay_told, .init = setup, .fini = teardown, .timeout = 60);

/* Every file that is told of is looked at; what has changed must have been announced. */
struct listener {
	struct file *f;
	struct attr a;
	struct told t;
};

static void hear(struct listener *l, const char *name)
{
	if (!l->f)
		l->f = view_open_file(&v, name, O_RDONLY);
	cr_assert(inode_attr_tell(l->f->inode, &l->a, &l->t));
}

static bool announced(const struct listener *l)
{
	return atomic_load(&words[l->t.word]) != l->t.seen;
}

static bool changed(const struct listener *l)
{
	struct attr now;

	cr_assert_eq(inode_getattr(l->f->inode, &now), 0);
	return memcmp(&now, &l->a, sizeof(now)) != 0;
}

#define MOVES_ON(l, name, call)                                                                    \
	do {                                                                                       \
		hear(&(l), name);                                                                  \
		cr_assert_geq((s64)(call), 0, #call);                                              \
		cr_assert(announced(&(l)), #call);                                                 \
	} while (0)
/* Before whoever makes the change goes on to anything else: without a look in between. */
#define TOLD_OR_SAME(l, name, call)                                                                \
	do {                                                                                       \
		bool heard_;                                                                       \
		hear(&(l), name);                                                                  \
		cr_assert_geq((s64)(call), 0, #call);                                              \
		heard_ = announced(&(l));                                                          \
		cr_assert(heard_ || !changed(&(l)), #call);                                        \
	} while (0)

static int chmod_of(const char *name, u32 mode)
{
	struct path p;
	int err = walk(v.root, name, 0, &p);

	if (err)
		return err;
	err = vfs_chmod(p, mode);
	path_put(p);
	return err;
}

static int times_of(const char *name)
{
	struct timespec ts[2] = {{.tv_sec = 1000}, {.tv_sec = 5000}};
	struct path p;
	int err = walk(v.root, name, 0, &p);

	if (err)
		return err;
	err = vfs_utimes(p, ts);
	path_put(p);
	return err;
}

static int link_of(const char *name, const char *to)
{
	struct path p;
	int err = walk(v.root, name, 0, &p);

	if (err)
		return err;
	err = vfs_link(p, v.root, to);
	path_put(p);
	return err;
}

static int write_to(const char *name, const char *text)
{
	struct file *f;
	int err = view_file(&v, name, O_WRONLY | O_CREAT, &f);

	if (err)
		return err;
	err = (int)file_write_text(f, text);
	file_put(f);
	return err;
}

Test(overlay_told, moves_on_at_a_copy_up_and_after_it)
{
	struct listener a = {0};
	char buf[8];

	MOVES_ON(a, "a", chmod_of("a", 0600));
	MOVES_ON(a, "a", write_to("a", "upper"));
	MOVES_ON(a, "a", times_of("a"));
	/* The access is the layer's file's. */
	MOVES_ON(a, "a", file_read_text(a.f, buf, sizeof(buf), 0));
	MOVES_ON(a, "a", link_of("a", "a2"));
	MOVES_ON(a, "a", vfs_unlink(v.root, "a2"));
	MOVES_ON(a, "a", vfs_rename(v.root, "a", v.root, "moved", 0));
	MOVES_ON(a, "moved", vfs_unlink(v.root, "moved"));
	file_put(a.f);
}

/* Opened to be written, and told of, before there is a copy. */
Test(overlay_told, moves_on_with_the_first_write)
{
	struct listener a = {.f = view_open_file(&v, "a", O_WRONLY)};

	MOVES_ON(a, NULL, file_write_text(a.f, "x"));
	MOVES_ON(a, NULL, file_write_text(a.f, "y"));
	MOVES_ON(a, NULL, vfs_ftruncate(a.f, 0));
	file_put(a.f);
}

/* The copy's first change is announced though nobody has asked since it was made. */
Test(overlay_told, a_copy_is_known_before_it_is_seen)
{
	struct listener a = {0};
	struct file *w;

	hear(&a, "a");
	w = view_open_file(&v, "a", O_RDWR);
	cr_assert(announced(&a) || !changed(&a));
	a.t.seen = atomic_load(&words[a.t.word]);
	cr_assert_eq(file_write_text(w, "x"), 1);
	cr_assert(announced(&a));
	file_put(w);
	file_put(a.f);
}

Test(overlay_told, moves_on_with_links_of_a_lower_file)
{
	struct listener b = {0}, b2 = {0};

	hear(&b2, "b2");
	MOVES_ON(b, "b", vfs_unlink(v.root, "b2"));
	cr_assert(announced(&b2));
	MOVES_ON(b, "b", write_to("b", "upper"));
	cr_assert(announced(&b2));
	MOVES_ON(b, "b", vfs_unlink(v.root, "b"));
	file_put(b.f);
	file_put(b2.f);
}

Test(overlay_told, moves_on_with_directories)
{
	struct listener d = {0}, e = {0}, root = {0};

	/* Merged of two, and of one. */
	MOVES_ON(d, "d", write_to("d/new", "x"));
	MOVES_ON(d, "d", vfs_unlink(v.root, "d/f"));
	MOVES_ON(d, "d", vfs_mkdir(v.root, "d/sub", 0755));
	MOVES_ON(d, "d", vfs_rmdir(v.root, "d/sub"));
	MOVES_ON(d, "d", chmod_of("d", 0700));
	hear(&e, "e");
	MOVES_ON(d, "d", vfs_rename(v.root, "d/new", v.root, "e/new", 0));
	cr_assert(announced(&e));
	MOVES_ON(e, "e", vfs_unlink(v.root, "e/new"));
	hear(&root, ".");
	MOVES_ON(e, "e", vfs_rmdir(v.root, "e"));
	cr_assert(announced(&root));
	file_put(d.f);
	file_put(e.f);
	file_put(root.f);
}

/* Parents are copied for the sake of what is in them: their own attributes may stay the same. */
Test(overlay_told, says_so_if_a_parent_s_copy_differs)
{
	struct listener d = {0}, f = {0};

	hear(&f, "d/f");
	TOLD_OR_SAME(d, "d", write_to("d/f", "x"));
	cr_assert(announced(&f));
	file_put(d.f);
	file_put(f.f);
}
