/*
 * overlay, over two lower directories of the host (`lo` below `mid`). Every test
 * runs twice: with a third directory as the upper layer, and with a tmpfs.
 */
#include "tests/unit/fs/view.h"
#include "fs/hostfs/fd_cache.h"
#include "fs/hostfs/hostfs.h"
#include "fs/overlay/overlay.h"
#include "fs/tmpfs/tmpfs.h"
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static char lo[64], mid[64], up[64];
static struct super *upper; /* outlives the overlay, for those that mount it again */
static struct view v;

#define OVERLAY_TEST(name)                                                                         \
	static void name(void);                                                                    \
	Test(overlay_dir, name)                                                                    \
	{                                                                                          \
		upper = layer(up, false);                                                          \
		name();                                                                            \
	}                                                                                          \
	Test(overlay_tmpfs, name)                                                                  \
	{                                                                                          \
		cr_assert_eq(tmpfs_type.mount(&tmpfs_type, "tmpfs", SB_LOWER, "mode=755", &upper), \
		             0);                                                                   \
		name();                                                                            \
	}                                                                                          \
	static void name(void)

static struct super *layer(const char *dir, bool readonly)
{
	struct hostfs_options o = {
	    .readonly = readonly, .layer = true, .cache = HOSTFS_ALWAYS, .source = dir};
	struct super *sb;

	cr_assert_eq(hostfs_mount(host_open_dir(dir), &o, &sb), 0);
	return sb;
}

static void mount_it(void)
{
	struct super *lower[2] = {layer(mid, true), layer(lo, true)};
	struct super *sb;

	cr_assert_eq(overlay_mount(lower, 2, upper, &sb), 0);
	super_put(lower[0]);
	super_put(lower[1]);
	view_open(&v, sb);
}

/* As a later sandbox would find it, on the same upper layer. */
static void mount_again(void)
{
	view_end(&v);
	mount_it();
}

/* What the upper layer has under a path; false: nothing. */
static bool up_attr(const char *path, struct attr *a)
{
	struct inode *at = inode_get(upper->root), *next;
	int err = 0;

	while (!err && *path) {
		size_t len = strcspn(path, "/");

		mutex_acquire(&at->mutex);
		err = at->ops->lookup ? at->ops->lookup(at, path, len, &next) : -ENOTDIR;
		mutex_release(&at->mutex);
		inode_put(at);
		at = err ? NULL : next;
		path += len + (path[len] == '/');
	}
	if (!err)
		err = inode_getattr(at, a);
	inode_put(at);
	return !err;
}

static bool up_has(const char *path)
{
	return up_attr(path, &(struct attr){0});
}

static void setup(void)
{
	host_dir_make(lo);
	host_dir_make(mid);
	host_dir_make(up);
	host_write_file(lo, "a", "lower a");
	host_write_file(lo, "both", "lower");
	host_write_file(mid, "both", "middle");
	host_mkdir(lo, "d");
	host_mkdir(mid, "d");
	host_write_file(lo, "d/lo", "d/lo");
	host_write_file(mid, "d/mid", "d/mid");
	host_mkdir(lo, "tree");
	host_mkdir(lo, "tree/sub");
	host_write_file(lo, "tree/sub/leaf", "leaf");
	host_write_file(lo, "tree/file", "file");
}

static void teardown(void)
{
	view_end(&v);
	super_put(upper);
	census_each(census_check, NULL);
	cr_assert_eq(fd_cache_count(), 0);
	host_dir_remove(lo);
	host_dir_remove(mid);
	host_dir_remove(up);
}

TestSuite(overlay_dir, .init = setup, .fini = teardown, .timeout = 60);
TestSuite(overlay_tmpfs, .init = setup, .fini = teardown, .timeout = 60);

static void count_inodes(const struct census *c, void *arg)
{
	if (!strcmp(c->name, "inode"))
		*(s64 *)arg = atomic_load(&c->live);
}

/* Who looks at ever more files, and for what is not there, does not make the cache grow. */
OVERLAY_TEST(walking_on_and_on_is_bounded)
{
	enum { LIMIT = 100, FILES = 3000 };
	char name[32];
	s64 inodes = 0;

	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "%s%d", i % 50 ? "tree/f" : "tree/d", i);
		if (i % 50)
			host_write_file(lo, name, "");
		else
			host_mkdir(lo, name);
	}
	mount_it();
	dentry_cache_set_limit(LIMIT);
	for (int i = 0; i < FILES; i++) {
		struct attr a;

		snprintf(name, sizeof(name), "%s%d", i % 50 ? "tree/f" : "tree/d", i);
		cr_assert_eq(view_lstat(&v, name, &a, NULL), 0);
		snprintf(name, sizeof(name), "tree/%s%d%s", i % 50 ? "none" : "d", i,
		         i % 50 ? "" : "/none");
		cr_assert_eq(view_lstat(&v, name, &a, NULL), -ENOENT);
	}
	cr_assert_leq(dentry_cache_count(), LIMIT + 10);
	census_each(count_inodes, &inodes);
	/* The view's, those of its layers, and the directories that they are in. */
	cr_assert_leq(inodes, 4 * LIMIT);
	cr_assert_gt(inodes, 0);
	dentry_cache_set_limit(65536);
}

OVERLAY_TEST(layers_show_through)
{
	struct name_sink n = {0};

	mount_it();
	view_expect(&v, "a", "lower a");
	view_expect(&v, "both", "middle");
	view_expect(&v, "d/lo", "d/lo");
	view_expect(&v, "d/mid", "d/mid");
	cr_assert_eq(view_list(&v, ".", &n), 4, "%s", n.all);
	memset(&n, 0, sizeof(n));
	cr_assert_eq(view_list(&v, "d", &n), 2, "%s", n.all);
	cr_assert_eq(view_attr(&v, "d").nlink, 1);
	cr_assert_eq(view_attr(&v, "tree").nlink, 3);
	cr_assert_eq(view_file(&v, "none", O_RDONLY, &(struct file *){0}), -ENOENT);
}

OVERLAY_TEST(needs_layers_that_were_mounted_for_it)
{
	struct hostfs_options o = {.readonly = true};
	struct super *sb, *plain;

	mount_it();
	cr_assert_eq(hostfs_mount(host_open_dir(lo), &o, &plain), 0);
	cr_assert_eq(overlay_mount(&plain, 1, NULL, &sb), -EINVAL);
	cr_assert_eq(overlay_mount(&plain, 0, NULL, &sb), -EINVAL);
	super_put(plain);
}

OVERLAY_TEST(writing_copies_up)
{
	struct attr a;
	struct stat st;
	struct path p;

	cr_assert_eq(chmod(host_path(lo, "tree/sub/leaf"), 04751), 0);
	cr_assert_eq(utimensat(AT_FDCWD, host_path(lo, "tree/sub"),
	                       (struct timespec[2]){{11, 0}, {22, 0}}, 0),
	             0);
	mount_it();
	cr_assert_eq(walk(v.root, "tree/sub/leaf", 0, &p), 0);
	cr_assert_eq(vfs_utimes(p, (struct timespec[2]){{5, 0}, {6, 7}}), 0);
	path_put(p);
	view_expect(&v, "tree/sub/leaf", "leaf");
	cr_assert(up_attr("tree/sub/leaf", &a));
	cr_assert_eq(a.mode & 07777, 04751);
	cr_assert_eq(a.mtime.tv_nsec, 7);
	/* Its directory has not changed for the guest. */
	cr_assert_eq(view_attr(&v, "tree/sub").mtime.tv_sec, 22);
	cr_assert_eq(stat(host_path(lo, "tree/sub/leaf"), &st), 0);
	cr_assert_neq(st.st_mtim.tv_sec, 6);

	view_write(&v, "both", "mine");
	view_expect(&v, "both", "mine");
	view_write(&v, "d/new", "new");
	cr_assert(view_lists(&v, "d", "new"));
	cr_assert(view_lists(&v, "d", "lo"));
	cr_assert(view_lists(&v, "d", "mid"));
	cr_assert(up_has("d/new"));
	cr_assert(!up_has("d/lo"));
	mount_again();
	view_expect(&v, "both", "mine");
	view_expect(&v, "d/new", "new");
	view_expect(&v, "d/lo", "d/lo");
}

OVERLAY_TEST(identity_survives_copy_up)
{
	u64 a, d, sub;
	struct path p;
	struct name_sink n = {.want = "a"}, m = {.want = "d"};

	mount_it();
	a = view_ino(&v, "a");
	d = view_ino(&v, "d");
	sub = view_ino(&v, "tree/sub");
	cr_assert_eq(walk(v.root, "a", 0, &p), 0);
	cr_assert_eq(vfs_chmod(p, 0600), 0);
	cr_assert_eq(p.dentry->inode->ino, a);
	path_put(p);
	view_write(&v, "d/x", "x");
	view_write(&v, "tree/sub/x", "x");
	/* Not only while the inode is in memory. */
	dentry_prune(v.root.dentry);
	cr_assert_eq(view_ino(&v, "a"), a);
	cr_assert_eq(view_ino(&v, "d"), d);
	cr_assert_eq(view_ino(&v, "tree/sub"), sub);
	view_list(&v, ".", &n);
	cr_assert(n.found);
	cr_assert_eq(n.ino, a);
	view_list(&v, ".", &m);
	cr_assert_eq(m.ino, d);
}

/* An inode that is made anew has the attributes of what it shows at once: the copy's, too. */
OVERLAY_TEST(attributes_are_there_from_the_first_look)
{
	struct attr a;
	struct stat st;
	struct path p;

	cr_assert_eq(link(host_path(lo, "a"), host_path(lo, "twin")), 0);
	cr_assert_eq(stat(host_path(lo, "a"), &st), 0);
	mount_it();
	cr_assert_eq(walk(v.root, "a", 0, &p), 0);
	inode_attr(dentry_inode(p.dentry), &a);
	cr_assert_eq(a.mode, st.st_mode);
	cr_assert_eq(a.nlink, 2);
	cr_assert_eq(a.size, (u64)st.st_size);
	cr_assert_eq(a.mtime.tv_nsec, st.st_mtim.tv_nsec);
	cr_assert_eq(a.ctime.tv_nsec, st.st_ctim.tv_nsec);
	cr_assert_eq(vfs_chmod(p, 0600), 0);
	path_put(p);
	dentry_prune(v.root.dentry);
	cr_assert_eq(walk(v.root, "twin", 0, &p), 0);
	inode_attr(dentry_inode(p.dentry), &a);
	cr_assert_eq(a.mode, S_IFREG | 0600);
	cr_assert_eq(a.nlink, 2);
	path_put(p);
	cr_assert_eq(walk(v.root, "d", 0, &p), 0);
	inode_attr(dentry_inode(p.dentry), &a);
	cr_assert_eq(a.nlink, 1);
	path_put(p);
}

OVERLAY_TEST(open_files_see_later_writes)
{
	struct file *r, *w;
	char buf[64];

	mount_it();
	r = view_open_file(&v, "a", O_RDONLY);
	cr_assert_eq(file_read_text(r, buf, sizeof(buf), 0), 7);
	w = view_open_file(&v, "a", O_RDWR);
	cr_assert_eq(file_write_text(w, "UPPER"), 5);
	cr_assert_eq(file_read_text(r, buf, sizeof(buf), 0), 7);
	cr_assert_str_eq(buf, "UPPER a");
	cr_assert_eq(r->inode, w->inode);
	file_put(r);
	file_put(w);
}

OVERLAY_TEST(truncation_copies_no_more_than_stays)
{
	struct file *f;
	struct path p;
	struct attr a;

	cr_assert_eq(truncate(host_path(lo, "a"), 1 << 20), 0);
	mount_it();
	f = view_open_file(&v, "a", O_WRONLY | O_TRUNC);
	cr_assert_eq(file_seek(f, 0, SEEK_END), 0);
	file_put(f);
	view_expect(&v, "a", "");
	cr_assert_eq(walk(v.root, "tree/file", 0, &p), 0);
	cr_assert_eq(vfs_truncate(p, 2), 0);
	path_put(p);
	view_expect(&v, "tree/file", "fi");
	a = view_attr(&v, "tree/file");
	cr_assert_eq(a.size, 2);
}

OVERLAY_TEST(holes_stay_holes)
{
	enum { SIZE = 8 << 20 };
	struct attr a;
	struct path p;
	struct file *f;
	int fd = open(host_path(lo, "sparse"), O_CREAT | O_WRONLY, 0644);
	char buf[8];

	cr_assert_eq(pwrite(fd, "middle", 6, SIZE / 2), 6);
	cr_assert_eq(ftruncate(fd, SIZE), 0);
	close(fd);
	mount_it();
	cr_assert_eq(walk(v.root, "sparse", 0, &p), 0);
	cr_assert_eq(vfs_chmod(p, 0600), 0);
	path_put(p);
	cr_assert(up_attr("sparse", &a));
	cr_assert_eq(a.size, SIZE);
	cr_assert_lt(a.blocks * 512, SIZE / 4);
	f = view_open_file(&v, "sparse", O_RDONLY);
	cr_assert_eq(file_read_text(f, buf, 7, SIZE / 2), 6);
	cr_assert_str_eq(buf, "middle");
	file_put(f);
}

/* --- whiteouts and opaque directories ------------------------------------------------ */

OVERLAY_TEST(removal_covers_the_lower_name)
{
	struct attr a;

	mount_it();
	cr_assert_eq(vfs_unlink(v.root, "both"), 0);
	cr_assert_eq(view_lstat(&v, "both", &a, NULL), -ENOENT);
	cr_assert(!view_lists(&v, ".", "both"));
	cr_assert(up_attr("both", &a));
	cr_assert(S_ISCHR(a.mode) && a.rdev == 0);
	cr_assert_eq(vfs_rmdir(v.root, "d"), -ENOTEMPTY);
	cr_assert_eq(vfs_unlink(v.root, "d/lo"), 0);
	cr_assert_eq(vfs_unlink(v.root, "d/mid"), 0);
	cr_assert_eq(vfs_rmdir(v.root, "d"), 0);
	cr_assert_eq(view_lstat(&v, "d", &a, NULL), -ENOENT);
	mount_again();
	cr_assert_eq(view_lstat(&v, "both", &a, NULL), -ENOENT);
	cr_assert_eq(view_lstat(&v, "d", &a, NULL), -ENOENT);
	cr_assert(!view_lists(&v, ".", "d"));
	/* What is made in their place has nothing of theirs. */
	view_write(&v, "both", "again");
	cr_assert_eq(vfs_mkdir(v.root, "d", 0755), 0);
	view_expect(&v, "both", "again");
	cr_assert_eq(view_lstat(&v, "d/lo", &a, NULL), -ENOENT);
	cr_assert_eq(view_list(&v, "d", &(struct name_sink){0}), 0);
	mount_again();
	cr_assert_eq(view_lstat(&v, "d/lo", &a, NULL), -ENOENT);
	view_expect(&v, "both", "again");
	/* And can go again. */
	cr_assert_eq(vfs_unlink(v.root, "both"), 0);
	cr_assert_eq(vfs_rmdir(v.root, "d"), 0);
	cr_assert_eq(view_lstat(&v, "both", &a, NULL), -ENOENT);
	cr_assert_eq(view_lstat(&v, "d", &a, NULL), -ENOENT);
}

OVERLAY_TEST(upper_only_names_leave_no_whiteout)
{
	mount_it();
	view_write(&v, "fresh", "x");
	cr_assert_eq(vfs_mkdir(v.root, "freshdir", 0755), 0);
	cr_assert_eq(vfs_unlink(v.root, "fresh"), 0);
	cr_assert_eq(vfs_rmdir(v.root, "freshdir"), 0);
	cr_assert(!up_has("fresh"));
	cr_assert(!up_has("freshdir"));
}

/* Layers of images that were made for Linux's overlayfs. */
OVERLAY_TEST(marks_in_lower_layers_count)
{
	struct attr a;

	if (mknod(host_path(mid, "a"), S_IFCHR, 0) != 0 ||
	    setxattr(host_path(mid, "d"), "user.overlay.opaque", "y", 1, 0) != 0) {
		mount_it();
		return;
	}
	mount_it();
	cr_assert_eq(view_lstat(&v, "a", &a, NULL), -ENOENT);
	cr_assert(!view_lists(&v, ".", "a"));
	cr_assert_eq(view_lstat(&v, "d/lo", &a, NULL), -ENOENT);
	view_expect(&v, "d/mid", "d/mid");
	/* Which are not the guest's to make. */
	cr_assert_eq(vfs_mknod(v.root, "w", S_IFCHR, 0), -EPERM);
	cr_assert_eq(vfs_setxattr(v.root, "user.overlay.opaque", "y", 1, 0), -EOPNOTSUPP);
}

static void leave_in_work(const char *name)
{
	struct create c = {.mode = S_IFREG | 0600};
	struct inode *root = upper->root, *work, *i;

	cr_assert_eq(root->ops->lookup(root, ".moat-work", 10, &work), 0);
	mutex_acquire(&work->mutex);
	cr_assert_eq(work->ops->create(work, name, &c, &i), 0);
	mutex_release(&work->mutex);
	inode_put(i);
	inode_put(work);
}

OVERLAY_TEST(the_work_directory_is_not_there)
{
	struct attr a;

	mount_it();
	view_write(&v, "a", "x");
	cr_assert(up_has(".moat-work"));
	cr_assert_eq(view_lstat(&v, ".moat-work", &a, NULL), -ENOENT);
	cr_assert(!view_lists(&v, ".", ".moat-work"));
	cr_assert_eq(vfs_mkdir(v.root, ".moat-work", 0755), -EPERM);
	cr_assert_eq(vfs_rename(v.root, "a", v.root, ".moat-work", 0), -EPERM);
	/* What a killed sandbox left in it goes. */
	leave_in_work("#1");
	mount_again();
	cr_assert(!up_has(".moat-work/#1"));
}

/* --- renaming ------------------------------------------------------------------------- */

OVERLAY_TEST(rename_of_lower_files)
{
	struct attr a;
	u64 ino;

	mount_it();
	ino = view_ino(&v, "a");
	cr_assert_eq(vfs_rename(v.root, "a", v.root, "d/moved", 0), 0);
	cr_assert_eq(view_lstat(&v, "a", &a, NULL), -ENOENT);
	view_expect(&v, "d/moved", "lower a");
	cr_assert_eq(view_ino(&v, "d/moved"), ino);
	cr_assert_eq(vfs_rename(v.root, "d/moved", v.root, "both", 0), 0);
	view_expect(&v, "both", "lower a");
	cr_assert(!up_has("d/moved"));
	/* Over a whiteout. */
	cr_assert_eq(vfs_rename(v.root, "both", v.root, "a", 0), 0);
	view_expect(&v, "a", "lower a");
	cr_assert_eq(view_lstat(&v, "both", &a, NULL), -ENOENT);
	mount_again();
	view_expect(&v, "a", "lower a");
	cr_assert_eq(view_lstat(&v, "both", &a, NULL), -ENOENT);
	cr_assert_eq(vfs_rename(v.root, "a", v.root, "b", RENAME_WHITEOUT), -EINVAL);
}

static void check_renamed_tree(void)
{
	struct attr a;

	view_expect(&v, "moved/file", "file");
	view_expect(&v, "moved/sub/leaf", "leaf");
	cr_assert_eq(view_lstat(&v, "tree", &a, NULL), -ENOENT);
	cr_assert(view_lists(&v, "moved", "file"));
	cr_assert(view_lists(&v, ".", "moved"));
	cr_assert(!view_lists(&v, ".", "tree"));
}

OVERLAY_TEST(rename_of_lower_directories)
{
	struct attr a;
	u64 ino;

	mount_it();
	ino = view_ino(&v, "tree");
	cr_assert_eq(vfs_rename(v.root, "tree", v.root, "moved", 0), 0);
	cr_assert_eq(view_ino(&v, "moved"), ino);
	check_renamed_tree();
	dentry_prune(v.root.dentry);
	check_renamed_tree();
	cr_assert_eq(view_ino(&v, "moved"), ino);
	mount_again();
	check_renamed_tree();
	/* A piece of it goes elsewhere, and things below both change. */
	cr_assert_eq(vfs_mkdir(v.root, "new", 0755), 0);
	cr_assert_eq(vfs_rename(v.root, "moved/sub", v.root, "new/sub", 0), 0);
	view_write(&v, "new/sub/leaf", "changed");
	cr_assert_eq(vfs_unlink(v.root, "moved/file"), 0);
	cr_assert_eq(view_lstat(&v, "moved/sub", &a, NULL), -ENOENT);
	mount_again();
	view_expect(&v, "new/sub/leaf", "changed");
	cr_assert_eq(view_lstat(&v, "moved/file", &a, NULL), -ENOENT);
	cr_assert_eq(view_lstat(&v, "moved/sub", &a, NULL), -ENOENT);
	cr_assert_eq(view_list(&v, "moved", &(struct name_sink){0}), 0);
	cr_assert_eq(vfs_rmdir(v.root, "moved"), 0);
	/* The old name is free again, and what is made there is empty. */
	cr_assert_eq(vfs_mkdir(v.root, "tree", 0755), 0);
	cr_assert_eq(view_list(&v, "tree", &(struct name_sink){0}), 0);
}

OVERLAY_TEST(rename_over_directories)
{
	struct attr a;

	mount_it();
	cr_assert_eq(vfs_rename(v.root, "tree", v.root, "d", 0), -ENOTEMPTY);
	cr_assert_eq(vfs_unlink(v.root, "d/lo"), 0);
	cr_assert_eq(vfs_unlink(v.root, "d/mid"), 0);
	cr_assert_eq(vfs_rename(v.root, "a", v.root, "d", 0), -EISDIR);
	cr_assert_eq(vfs_rename(v.root, "d", v.root, "a", 0), -ENOTDIR);
	cr_assert_eq(vfs_rename(v.root, "tree", v.root, "d", 0), 0);
	view_expect(&v, "d/sub/leaf", "leaf");
	cr_assert_eq(view_lstat(&v, "d/lo", &a, NULL), -ENOENT);
	mount_again();
	view_expect(&v, "d/sub/leaf", "leaf");
	cr_assert_eq(view_lstat(&v, "d/lo", &a, NULL), -ENOENT);
	/* An upper directory over what a lower one is still called. */
	cr_assert_eq(vfs_mkdir(v.root, "fresh", 0755), 0);
	cr_assert_eq(vfs_rename(v.root, "fresh", v.root, "tree", 0), 0);
	cr_assert_eq(view_list(&v, "tree", &(struct name_sink){0}), 0);
	mount_again();
	cr_assert_eq(view_list(&v, "tree", &(struct name_sink){0}), 0);
}

OVERLAY_TEST(rename_exchange)
{
	mount_it();
	cr_assert_eq(vfs_rename(v.root, "tree", v.root, "a", RENAME_EXCHANGE), 0);
	view_expect(&v, "tree", "lower a");
	view_expect(&v, "a/sub/leaf", "leaf");
	cr_assert_eq(vfs_rename(v.root, "a", v.root, "d", RENAME_EXCHANGE), 0);
	view_expect(&v, "d/file", "file");
	view_expect(&v, "a/mid", "d/mid");
	view_expect(&v, "a/lo", "d/lo");
	mount_again();
	view_expect(&v, "tree", "lower a");
	view_expect(&v, "d/file", "file");
	view_expect(&v, "a/mid", "d/mid");
	view_expect(&v, "a/lo", "d/lo");
}

/* --- links ------------------------------------------------------------------------------- */

OVERLAY_TEST(hard_links_stay_one_file)
{
	struct path p;

	cr_assert_eq(link(host_path(lo, "a"), host_path(lo, "d/a2")), 0);
	cr_assert_eq(link(host_path(lo, "a"), host_path(lo, "a3")), 0);
	mount_it();
	cr_assert_eq(view_attr(&v, "d/a2").nlink, 3);
	view_write(&v, "a", "written");
	view_expect(&v, "d/a2", "written");
	dentry_prune(v.root.dentry);
	view_expect(&v, "d/a2", "written");
	cr_assert_eq(view_ino(&v, "a"), view_ino(&v, "d/a2"));
	cr_assert_eq(view_attr(&v, "a").nlink, 3);
	cr_assert_eq(walk(v.root, "d/a2", 0, &p), 0);
	cr_assert_eq(vfs_link(p, v.root, "a4"), 0);
	path_put(p);
	cr_assert_eq(view_attr(&v, "a3").nlink, 4);
	/* The name under which it was copied goes; the others keep the copy. */
	cr_assert_eq(vfs_unlink(v.root, "a4"), 0);
	cr_assert_eq(vfs_unlink(v.root, "a"), 0);
	dentry_prune(v.root.dentry);
	view_expect(&v, "d/a2", "written");
	cr_assert_eq(view_attr(&v, "a3").nlink, 2);
	/* One that the upper layer has never heard of moves. */
	cr_assert_eq(vfs_rename(v.root, "a3", v.root, "a5", 0), 0);
	view_expect(&v, "a5", "written");
	cr_assert_eq(vfs_unlink(v.root, "d/a2"), 0);
	cr_assert_eq(view_attr(&v, "a5").nlink, 1);
	cr_assert_eq(vfs_unlink(v.root, "a5"), 0);
	cr_assert_eq(view_list(&v, "d", &(struct name_sink){0}), 2);
}

OVERLAY_TEST(removed_while_open)
{
	struct file *f, *g;
	char buf[64];

	mount_it();
	f = view_open_file(&v, "a", O_RDONLY);
	g = view_open_file(&v, "both", O_RDWR);
	cr_assert_eq(vfs_unlink(v.root, "a"), 0);
	cr_assert_eq(vfs_unlink(v.root, "both"), 0);
	cr_assert_eq(file_read_text(f, buf, sizeof(buf), 0), 7);
	cr_assert_str_eq(buf, "lower a");
	cr_assert_eq(f->inode->attr.nlink, 0);
	/* A change of one that is nameless by now: the copy has no place either. */
	cr_assert_eq(vfs_chmod(f->path, 0600), 0);
	cr_assert_eq(file_read_text(f, buf, sizeof(buf), 0), 7);
	cr_assert_eq(file_write_text(g, "gone"), 4);
	cr_assert_eq(file_read_text(g, buf, sizeof(buf), 0), 6);
	cr_assert_str_eq(buf, "gonele");
	file_put(f);
	file_put(g);
	cr_assert_eq(view_list(&v, ".", &(struct name_sink){0}), 2);
}

OVERLAY_TEST(symbolic_links_and_others)
{
	struct path p;
	char buf[64];

	cr_assert_eq(symlink("tree/file", host_path(lo, "link")), 0);
	mount_it();
	view_expect(&v, "link", "file");
	cr_assert_eq(vfs_rename(v.root, "link", v.root, "link2", 0), 0);
	view_expect(&v, "link2", "file");
	cr_assert_eq(walk(v.root, "link2", 0, &p), 0);
	cr_assert_eq(vfs_readlink(p, buf, sizeof(buf)), 9);
	path_put(p);
	cr_assert_eq(vfs_mknod(v.root, "fifo", S_IFIFO | 0600, 0), 0);
	cr_assert(S_ISFIFO(view_attr(&v, "fifo").mode));
}

OVERLAY_TEST(extended_attributes)
{
	struct path p;
	char buf[64];

	if (setxattr(host_path(lo, "a"), "user.k", "v", 1, 0) != 0) {
		mount_it();
		return;
	}
	mount_it();
	cr_assert_eq(walk(v.root, "a", 0, &p), 0);
	cr_assert_eq(vfs_removexattr(p, "user.none"), -ENODATA);
	cr_assert(!up_has("a"));
	cr_assert_eq(vfs_setxattr(p, "user.k2", "w", 1, 0), 0);
	cr_assert_eq(vfs_getxattr(p, "user.k", buf, sizeof(buf)), 1);
	cr_assert_eq(vfs_listxattr(p, buf, sizeof(buf)), 15);
	path_put(p);
	/* The overlay's own are not there. */
	cr_assert_eq(vfs_rename(v.root, "tree", v.root, "moved", 0), 0);
	cr_assert_eq(walk(v.root, "moved", 0, &p), 0);
	cr_assert_eq(vfs_listxattr(p, buf, sizeof(buf)), 0);
	cr_assert_eq(vfs_getxattr(p, "trusted.overlay.redirect", buf, sizeof(buf)), -EOPNOTSUPP);
	path_put(p);
}

OVERLAY_TEST(nameless_files)
{
	struct file *f = NULL;
	char buf[16];
	int err;

	mount_it();
	err = view_file(&v, "tree", O_TMPFILE | O_RDWR, &f);
	if (err == -EOPNOTSUPP)
		return;
	cr_assert_eq(err, 0);
	cr_assert_eq(file_write_text(f, "nameless"), 8);
	cr_assert_eq(file_read_text(f, buf, sizeof(buf), 0), 8);
	if (vfs_link(f->path, v.root, "named") == 0)
		view_expect(&v, "named", "nameless");
	file_put(f);
}

OVERLAY_TEST(readonly_without_an_upper_layer)
{
	struct super *lower[2] = {layer(mid, true), layer(lo, true)}, *sb;
	struct file *f;

	cr_assert_eq(overlay_mount(lower, 2, NULL, &sb), 0);
	super_put(lower[0]);
	super_put(lower[1]);
	view_open(&v, sb);
	view_expect(&v, "both", "middle");
	cr_assert_eq(view_file(&v, "a", O_RDWR, &f), -EROFS);
	cr_assert_eq(vfs_unlink(v.root, "a"), -EROFS);
	cr_assert_eq(vfs_mkdir(v.root, "x", 0755), -EROFS);
}

/* --- listings ------------------------------------------------------------------------------ */

OVERLAY_TEST(merged_listings_have_stable_positions)
{
	enum { FILES = 2000 };
	struct name_sink n = {.stop = 150}, rest = {0}, all = {0};
	struct file *f;
	char name[64];
	u64 middle;

	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "d/f%05d", i);
		host_write_file(i % 2 ? lo : mid, name, "");
	}
	mount_it();
	f = view_open_file(&v, "d", O_RDONLY | O_DIRECTORY);
	list_all(f, &n);
	middle = f->pos;
	/* Removing what was listed, as rm -r does, loses nothing of the rest. */
	for (int i = 0; i < FILES; i += 3) {
		snprintf(name, sizeof(name), "d/f%05d", i);
		cr_assert_eq(vfs_unlink(v.root, name), 0);
	}
	list_all(f, &rest);
	cr_assert_eq(n.n + rest.n, FILES + 2);
	memset(&rest, 0, sizeof(rest));
	cr_assert_eq(file_seek(f, (s64)middle, SEEK_SET), (s64)middle);
	list_all(f, &rest);
	cr_assert_eq(n.n + rest.n, FILES + 2);
	/* Rewinding takes a fresh look. */
	cr_assert_eq(file_seek(f, 0, SEEK_SET), 0);
	list_all(f, &all);
	cr_assert_eq(all.n, FILES + 2 - (FILES + 2) / 3);
	file_put(f);
}

OVERLAY_TEST(unchanged_files_cost_no_host_call)
{
	u64 calls;
	char buf[16];

	mount_it();
	/* Contents are kept when they are read for the second time. */
	for (int round = 0; round < 3; round++) {
		calls = host_call_count();
		view_attr(&v, "tree/sub/leaf");
		cr_assert_eq(view_read(&v, "tree/sub/leaf", buf, sizeof(buf)), 4);
		cr_assert_eq(view_file(&v, "tree/none", O_RDONLY, &(struct file *){0}), -ENOENT);
		if (round == 2)
			cr_assert_eq(host_call_count(), calls);
	}
}
