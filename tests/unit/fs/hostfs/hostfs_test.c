/* hostfs: what a directory of the host looks like to a guest. */
#include "tests/unit/fs/view.h"
#include "fs/hostfs/fd_cache.h"
#include "fs/hostfs/hostfs.h"
#include "fs/hostfs/read_cache.h"
#include <dirent.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

static char dir[64], outside[64];
static struct view v;

static void mount_it(bool readonly, enum hostfs_cache cache)
{
	struct hostfs_options o = {.readonly = readonly, .cache = cache};
	struct super *sb;

	cr_assert_eq(hostfs_mount(host_open_dir(dir), &o, &sb), 0);
	view_open(&v, sb);
}

static void setup(void)
{
	host_dir_make(dir);
	host_dir_make(outside);
	host_write_file(outside, "secret", "secret");
}

static void teardown(void)
{
	if (v.ns)
		view_close(&v);
	cr_assert_eq(fd_cache_count(), 0);
	host_dir_remove(dir);
	host_dir_remove(outside);
}

TestSuite(hostfs, .init = setup, .fini = teardown, .timeout = 60);

Test(hostfs, reads_files_and_attributes)
{
	struct attr a;
	struct stat st;

	host_write_file(dir, "a", "hello");
	cr_assert_eq(chmod(host_path(dir, "a"), 0640), 0);
	mount_it(true, HOSTFS_ALWAYS);
	view_expect(&v, "a", "hello");
	a = view_attr(&v, "a");
	cr_assert_eq(stat(host_path(dir, "a"), &st), 0);
	cr_assert_eq(a.mode, S_IFREG | 0640);
	cr_assert_eq(a.size, 5);
	cr_assert_eq(a.mtime.tv_sec, st.st_mtim.tv_sec);
	cr_assert_eq(view_ino(&v, "a"), st.st_ino);
	cr_assert_eq(view_read(&v, "none", (char[8]){0}, 8), -ENOENT);
	cr_assert_eq(view_read(&v, "a/b", (char[8]){0}, 8), -ENOTDIR);
}

Test(hostfs, what_was_seen_needs_no_host_call)
{
	char buf[64], target[64];
	struct file *f;
	struct path p;
	u64 calls;

	host_mkdir(dir, "d");
	host_write_file(dir, "d/a", "hello");
	cr_assert_eq(symlink("d/a", host_path(dir, "l")), 0);
	mount_it(true, HOSTFS_ALWAYS);
	for (int round = 0; round < 2; round++) {
		calls = host_call_count();
		view_attr(&v, "d/a");
		view_expect(&v, "l", "hello");
		cr_assert_eq(view_file(&v, "d/none", O_RDONLY, &f), -ENOENT);
		f = view_open_file(&v, "d/a", O_RDONLY);
		cr_assert_eq(file_read_text(f, buf, 3, 1), 2);
		file_put(f);
		cr_assert_eq(walk(v.root, "l", 0, &p), 0);
		cr_assert_eq(vfs_readlink(p, target, sizeof(target)), 3);
		path_put(p);
		cr_assert_eq(vfs_getxattr(v.root, "user.x", buf, sizeof(buf)), -ENODATA);
		if (round)
			cr_assert_eq(host_call_count(), calls);
	}
}

/* Some file systems number what comes last so high that nothing can follow. */
static bool host_numbers_the_end(const char *path)
{
	struct dirent *e;
	bool last = false;
	DIR *d = opendir(path);

	cr_assert(d);
	while ((e = readdir(d)))
		last = e->d_off == INT64_MAX;
	closedir(d);
	return last;
}

/* As cat(1) and ls(1) do: until there is no more. */
Test(hostfs, an_end_is_told_once)
{
	bool known = host_numbers_the_end(dir);
	struct name_sink n = {0};
	char buf[64];
	struct file *f;
	u64 calls;

	host_write_file(dir, "a", "hello");
	mount_it(true, HOSTFS_ALWAYS);
	f = view_open_file(&v, "a", O_RDONLY);
	calls = host_call_count();
	cr_assert_eq(file_read_text(f, buf, sizeof(buf), 0), 5);
	cr_assert_eq(file_read_text(f, buf, sizeof(buf), 5), 0);
	cr_assert_eq(host_call_count() - calls, 1);
	file_put(f);

	f = view_open_file(&v, ".", O_RDONLY | O_DIRECTORY);
	calls = host_call_count();
	n.sink.emit = name_sink_emit;
	cr_assert_eq(file_readdir(f, &n.sink), 0);
	cr_assert_eq(file_readdir(f, &n.sink), 0);
	cr_assert_eq(n.n, 1);
	cr_assert_eq(host_call_count() - calls, known ? 2 : 3);
	/* Who asks on may see what has come since. */
	cr_assert_eq(file_readdir(f, &n.sink), 0);
	cr_assert_eq(host_call_count() - calls, known ? 2 : 4);
	file_put(f);
}

/* Listing a directory and looking up its names take one descriptor. */
Test(hostfs, a_directory_is_opened_once)
{
	struct name_sink n = {0}, m = {0};
	struct file *f, *g;
	unsigned open;
	u64 calls;

	host_mkdir(dir, "d");
	host_write_file(dir, "d/a", "hello");
	mount_it(true, HOSTFS_ALWAYS);
	view_attr(&v, "d");
	open = fd_cache_count();
	calls = host_call_count();
	f = view_open_file(&v, "d", O_RDONLY | O_DIRECTORY);
	view_attr(&v, "d/a");
	/* Opened, compared with what was known of it; the name. */
	cr_assert_eq(host_call_count() - calls, 3);
	cr_assert_eq(fd_cache_count(), open + 1);
	/* Two listings have a place each. */
	g = view_open_file(&v, "d", O_RDONLY | O_DIRECTORY);
	n.sink.emit = m.sink.emit = name_sink_emit;
	cr_assert_eq(file_readdir(f, &n.sink), 0);
	cr_assert_eq(file_readdir(g, &m.sink), 0);
	cr_assert_eq(n.n, 1);
	cr_assert_eq(m.n, 1);
	file_put(g);
	/* It may be closed and opened again for names alone: that one is not listed by. */
	cr_assert_eq(file_seek(f, 0, SEEK_SET), 0);
	cr_assert_gt(fd_cache_shrink(100), 0);
	cr_assert_eq(view_read(&v, "d/none", (char[8]){0}, 8), -ENOENT);
	n.n = 0;
	cr_assert_eq(file_readdir(f, &n.sink), 0);
	cr_assert_eq(n.n, 1);
	file_put(f);
}

static ssize_t read_at(struct file *f, char *buf, size_t n, u64 pos)
{
	static char text[65536];
	ssize_t got = file_read_text(f, text, n + 1, pos);

	if (got > 0)
		memcpy(buf, text, (size_t)got);
	return got;
}

/* What is read for the first time goes past the read cache, whole or in parts. */
Test(hostfs, contents_are_cached_when_they_are_read_again)
{
	static char block[3 * 16384], got[sizeof(block)];
	struct file *f;
	u64 calls;
	int fd;

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)(i * 31 >> 3);
	fd = open(host_path(dir, "a"), O_WRONLY | O_CREAT, 0600);
	cr_assert_eq(write(fd, block, sizeof(block)), (ssize_t)sizeof(block));
	close(fd);
	mount_it(true, HOSTFS_ALWAYS);
	read_cache_drop();
	for (int round = 0; round < 3; round++) {
		f = view_open_file(&v, "a", O_RDONLY);
		memset(got, 0, sizeof(got));
		calls = host_call_count();
		/* 512 bytes first, as tar does; the rest of that block is at hand then. */
		cr_assert_eq(read_at(f, got, 512, 0), 512);
		if (round == 1)
			calls = host_call_count();
		for (size_t pos = 512; pos < sizeof(got); pos += 512)
			cr_assert_eq(read_at(f, got + pos, 512, pos), 512);
		cr_assert_eq(read_at(f, got, 512, sizeof(got)), 0);
		cr_assert_arr_eq(got, block, sizeof(block));
		if (round == 0)
			cr_assert_eq(read_cache_bytes(), 0);
		else
			cr_assert_geq(read_cache_bytes(), sizeof(block));
		/* Three blocks, each read once; then none. */
		cr_assert_leq(host_call_count() - calls, round == 2 ? 0 : 6);
		file_put(f);
	}
	read_cache_drop();
	/* All at once, into its place: no block is made. */
	f = view_open_file(&v, "a", O_RDONLY);
	cr_assert_eq(read_at(f, got, sizeof(got), 0), (ssize_t)sizeof(got));
	cr_assert_eq(read_cache_bytes(), 0);
	file_put(f);
}

/* More half-read files than may keep a block. */
Test(hostfs, half_read_files_go_on_right)
{
	struct file *files[200];
	char name[32], text[3000], got[1000];

	mount_it(true, HOSTFS_ALWAYS);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "h%d", i);
		for (size_t k = 0; k < sizeof(text) - 1; k++)
			text[k] = (char)('a' + (k + (size_t)i) % 26);
		text[sizeof(text) - 1] = 0;
		host_write_file(dir, name, text);
		files[i] = view_open_file(&v, name, O_RDONLY);
	}
	for (u64 pos = 0; pos < sizeof(text) - 1; pos += 1000)
		for (int i = 0; i < 200; i++) {
			ssize_t want = (ssize_t)min_of(1000UL, sizeof(text) - 1 - pos);

			cr_assert_eq(read_at(files[i], got, 1000, pos), want);
			for (ssize_t k = 0; k < want; k++)
				cr_assert_eq(got[k], (char)('a' + (pos + (u64)k + (u64)i) % 26));
		}
	for (int i = 0; i < 200; i++)
		file_put(files[i]);
}

/* Small files take little room in the read cache; large ones push each other out of it. */
Test(hostfs, contents_of_many_small_files_are_kept)
{
	static char block[16384];
	char name[32];
	struct file *f;
	u64 calls = 0;
	int fd;

	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		host_write_file(dir, name, name);
	}
	fd = open(host_path(dir, "large"), O_WRONLY | O_CREAT, 0600);
	for (int i = 0; i < 2000; i++)
		cr_assert_eq(write(fd, block, sizeof(block)), (ssize_t)sizeof(block));
	close(fd);
	mount_it(true, HOSTFS_ALWAYS);
	for (int round = 0; round < 3; round++) {
		calls = host_call_count();
		for (int i = 0; i < 2000; i++) {
			snprintf(name, sizeof(name), "f%d", i);
			view_expect(&v, name, name);
		}
	}
	cr_assert_eq(host_call_count(), calls);
	f = view_open_file(&v, "large", O_RDONLY);
	for (int round = 0; round < 2; round++)
		for (u64 pos = 0; pos < 2000 * sizeof(block); pos += 4095)
			cr_assert_gt(file_read_text(f, block, 4096, pos), 0);
	file_put(f);
	cr_assert_leq(read_cache_bytes(), 17UL << 20);
	cr_assert_geq(read_cache_bytes(), 15UL << 20);
	read_cache_drop();
	cr_assert_eq(read_cache_bytes(), 0);
}

Test(hostfs, cannot_be_left)
{
	struct super *sb;
	struct inode *i;
	char buf[64];

	host_mkdir(dir, "d");
	cr_assert_eq(symlink(host_path(outside, "secret"), host_path(dir, "absolute")), 0);
	cr_assert_eq(symlink("../../../../../../../../etc/passwd", host_path(dir, "d/up")), 0);
	cr_assert_eq(symlink(outside, host_path(dir, "door")), 0);
	mount_it(false, HOSTFS_REVALIDATE);
	cr_assert_eq(view_read(&v, "absolute", buf, sizeof(buf)), -ENOENT);
	cr_assert_eq(view_read(&v, "d/up", buf, sizeof(buf)), -ENOENT);
	cr_assert_eq(view_read(&v, "door/secret", buf, sizeof(buf)), -ENOENT);
	cr_assert_eq(view_ino(&v, ".."), view_ino(&v, "."));
	/* Names that the VFS never passes on are refused all the same. */
	sb = v.root.mnt->sb;
	cr_assert_lt(sb->root->ops->lookup(sb->root, "..", 2, &i), 0);
	cr_assert_lt(sb->root->ops->lookup(sb->root, "d/up", 4, &i), 0);
	cr_assert_lt(sb->root->ops->lookup(sb->root, ".", 1, &i), 0);
	cr_assert_lt(sb->root->ops->lookup(sb->root, "", 0, &i), 0);
	cr_assert_lt(
	    sb->root->ops->create(sb->root, "../x", &(struct create){.mode = S_IFREG | 0644}, &i),
	    0);
}

/* A name that is swapped for a link after it was seen leads nowhere. */
Test(hostfs, swapped_for_a_link)
{
	struct path d, a;
	struct file *f;
	char buf[64];

	host_mkdir(dir, "d");
	host_write_file(dir, "d/secret", "harmless");
	host_write_file(dir, "a", "harmless");
	mount_it(false, HOSTFS_ALWAYS);
	cr_assert_eq(walk(v.root, "d/secret", 0, &d), 0);
	cr_assert_eq(walk(v.root, "a", 0, &a), 0);
	fd_cache_shrink(100);
	cr_assert_eq(rename(host_path(dir, "d"), host_path(dir, "old")), 0);
	cr_assert_eq(symlink(outside, host_path(dir, "d")), 0);
	cr_assert_eq(unlink(host_path(dir, "a")), 0);
	cr_assert_eq(symlink(host_path(outside, "secret"), host_path(dir, "a")), 0);
	cr_assert_eq(vfs_open_path(d, O_RDONLY, &f), -ESTALE);
	cr_assert_eq(vfs_open_path(a, O_RDWR, &f), -ESTALE);
	cr_assert_eq(vfs_truncate(a, 0), -ESTALE);
	/* A different file under the name is noticed as well. */
	cr_assert_eq(unlink(host_path(dir, "a")), 0);
	host_write_file(dir, "a", "another");
	cr_assert_eq(vfs_open_path(a, O_RDONLY, &f), -ESTALE);
	path_put(a);
	path_put(d);
	cr_assert_eq(view_read(&v, "a", buf, sizeof(buf)), -ESTALE);
}

Test(hostfs, revalidation_follows_the_host)
{
	host_mkdir(dir, "d");
	host_write_file(dir, "d/a", "one");
	mount_it(false, HOSTFS_REVALIDATE);
	view_expect(&v, "d/a", "one");
	host_write_file(dir, "d/new", "two!");
	cr_assert_eq(rename(host_path(dir, "d/new"), host_path(dir, "d/a")), 0);
	view_expect(&v, "d/a", "two!");
	cr_assert_eq(view_attr(&v, "d/a").size, 4);
	host_write_file(dir, "d/b", "seen?");
	view_expect(&v, "d/b", "seen?");
	cr_assert_eq(rename(host_path(dir, "d"), host_path(dir, "e")), 0);
	cr_assert_eq(view_read(&v, "d/a", (char[8]){0}, 8), -ENOENT);
	view_expect(&v, "e/a", "two!");
	cr_assert_eq(unlink(host_path(dir, "e/a")), 0);
	cr_assert_eq(view_read(&v, "e/a", (char[8]){0}, 8), -ENOENT);
}

/* Walks to name, and gets its attributes. The number of host calls that took. */
static u64 calls_for_attr(const char *name, struct attr *a)
{
	u64 calls = host_call_count();
	bool current;
	struct path p;

	cr_assert_eq(walk_for_attr(v.root, name, 0, &p, &current), 0);
	if (current)
		inode_attr(dentry_inode(p.dentry), a);
	else
		cr_assert_eq(inode_getattr(dentry_inode(p.dentry), a), 0);
	path_put(p);
	return host_call_count() - calls;
}

Test(hostfs, finding_a_name_tells_its_attributes)
{
	struct stat st;
	struct attr a;
	struct path p;

	host_mkdir(dir, "d");
	host_write_file(dir, "d/a", "one");
	mount_it(false, HOSTFS_REVALIDATE);
	calls_for_attr("d/a", &a);
	cr_assert_eq(a.size, 3);
	/* From here on a call for each name. */
	host_write_file(dir, "d/a", "three");
	cr_assert_eq(calls_for_attr("d/a", &a), 2);
	cr_assert_eq(a.size, 5);
	view_write(&v, "d/a", "by the guest");
	cr_assert_eq(calls_for_attr("d/a", &a), 2);
	cr_assert_eq(a.size, 12);
	cr_assert_eq(stat(host_path(dir, "d/a"), &st), 0);
	cr_assert_eq(a.mtime.tv_nsec, st.st_mtim.tv_nsec);
	/* Nothing was asked about these on the way. */
	cr_assert_eq(chmod(host_path(dir, "d"), 0700), 0);
	calls_for_attr("d/.", &a);
	cr_assert_eq(a.mode & 07777, 0700);
	cr_assert_eq(walk(v.root, "d", 0, &p), 0);
	cr_assert_eq(chmod(host_path(dir, "d"), 0711), 0);
	calls_for_attr("d/..", &a);
	cr_assert_eq(a.nlink, 3);
	path_put(p);
}

Test(hostfs, hard_links_are_one_inode)
{
	struct path a, b;

	host_write_file(dir, "a", "x");
	cr_assert_eq(link(host_path(dir, "a"), host_path(dir, "b")), 0);
	mount_it(false, HOSTFS_ALWAYS);
	cr_assert_eq(walk(v.root, "a", 0, &a), 0);
	cr_assert_eq(walk(v.root, "b", 0, &b), 0);
	cr_assert_eq(a.dentry->inode, b.dentry->inode);
	path_put(a);
	cr_assert_eq(vfs_unlink(v.root, "a"), 0);
	fd_cache_shrink(100);
	path_put(b);
	view_expect(&v, "b", "x");
	cr_assert_eq(view_attr(&v, "b").nlink, 1);
}

Test(hostfs, special_files_are_seen_but_not_opened)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	struct file *f;

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/s", dir);
	cr_assert_eq(bind(s, (void *)&un, sizeof(un)), 0);
	close(s);
	cr_assert_eq(mkfifo(host_path(dir, "p"), 0666), 0);
	mount_it(true, HOSTFS_ALWAYS);
	cr_assert(S_ISSOCK(view_attr(&v, "s").mode));
	cr_assert(S_ISFIFO(view_attr(&v, "p").mode));
	cr_assert_eq(view_file(&v, "s", O_RDONLY, &f), -ENXIO);
	if (geteuid() == 0 && mknod(host_path(dir, "n"), S_IFCHR | 0666, makedev(1, 3)) == 0)
		cr_assert_eq(view_file(&v, "n", O_RDONLY, &f), -EACCES);
}

Test(hostfs, readonly_is_readonly)
{
	struct super *sb;
	struct file *f;

	host_write_file(dir, "a", "x");
	mount_it(true, HOSTFS_ALWAYS);
	sb = v.root.mnt->sb;
	cr_assert_eq(view_file(&v, "a", O_RDWR, &f), -EROFS);
	cr_assert_eq(view_file(&v, "b", O_WRONLY | O_CREAT, &f), -EROFS);
	cr_assert_eq(vfs_unlink(v.root, "a"), -EROFS);
	cr_assert_eq(vfs_mkdir(v.root, "d", 0755), -EROFS);
	/* Not even with the VFS out of the way. */
	cr_assert_null(sb->root->ops->create);
	cr_assert_null(sb->root->ops->unlink);
	cr_assert_null(sb->root->ops->setattr);
}

Test(hostfs, writes)
{
	char buf[64];
	struct stat st;
	struct file *f;
	struct path p;

	mount_it(false, HOSTFS_ALWAYS);
	view_write(&v, "a", "hello");
	view_expect(&v, "a", "hello");
	cr_assert_eq(view_attr(&v, "a").size, 5);
	cr_assert_eq(vfs_mkdir(v.root, "d", 0750), 0);
	cr_assert_eq(stat(host_path(dir, "d"), &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0750);
	cr_assert_eq(vfs_symlink("a", v.root, "l"), 0);
	cr_assert_eq(readlink(host_path(dir, "l"), buf, sizeof(buf)), 1);
	view_expect(&v, "l", "hello");
	cr_assert_eq(vfs_mknod(v.root, "p", S_IFIFO | 0644, 0), 0);
	cr_assert_eq(vfs_mknod(v.root, "n", S_IFCHR | 0644, makedev(1, 3)), -EPERM);

	f = view_open_file(&v, "a", O_WRONLY | O_APPEND);
	host_write_file(dir, "a", "host");
	cr_assert_eq(file_write_text(f, "+guest"), 6);
	cr_assert_eq(f->pos, 10);
	file_put(f);
	view_expect(&v, "a", "host+guest");

	cr_assert_eq(walk(v.root, "a", 0, &p), 0);
	cr_assert_eq(vfs_chmod(p, 0400), 0);
	cr_assert_eq(view_attr(&v, "a").mode & 07777, 0400);
	cr_assert_eq(vfs_truncate(p, 4), 0);
	cr_assert_eq(vfs_utimes(p, (struct timespec[2]){{1, 2}, {3, 4}}), 0);
	cr_assert_eq(vfs_link(p, v.root, "d/a2"), 0);
	path_put(p);
	cr_assert_eq(stat(host_path(dir, "a"), &st), 0);
	cr_assert_eq(st.st_mtim.tv_sec, 3);
	cr_assert_eq(st.st_atim.tv_nsec, 2);
	cr_assert_eq(st.st_nlink, 2);
	cr_assert_eq(view_attr(&v, "d/a2").nlink, 2);
	view_expect(&v, "d/a2", "host");
	cr_assert_eq(vfs_rmdir(v.root, "d"), -ENOTEMPTY);
	cr_assert_eq(vfs_rename(v.root, "d", v.root, "e", 0), 0);
	view_expect(&v, "e/a2", "host");
	cr_assert_eq(vfs_unlink(v.root, "e/a2"), 0);
	cr_assert_eq(vfs_rmdir(v.root, "e"), 0);
	cr_assert(!host_has(dir, "e"));
	cr_assert_eq(view_attr(&v, "a").nlink, 1);
}

/* What was unlinked stays open, even if its descriptor was closed for want of room before. */
Test(hostfs, unlinked_files_stay_open)
{
	char buf[64];
	struct file *f, *g;

	mount_it(false, HOSTFS_ALWAYS);
	view_write(&v, "a", "still here");
	view_write(&v, "b", "replaced");
	f = view_open_file(&v, "a", O_RDWR);
	g = view_open_file(&v, "b", O_RDONLY);
	fd_cache_shrink(100);
	cr_assert_eq(vfs_unlink(v.root, "a"), 0);
	view_write(&v, "c", "new");
	cr_assert_eq(vfs_rename(v.root, "c", v.root, "b", 0), 0);
	fd_cache_shrink(100);
	cr_assert_eq(file_read_text(f, buf, sizeof(buf), 0), 10);
	cr_assert_str_eq(buf, "still here");
	cr_assert_eq(file_read_text(g, buf, sizeof(buf), 0), 8);
	cr_assert_str_eq(buf, "replaced");
	cr_assert_eq(file_write_text(f, "STILL"), 5);
	cr_assert_eq(file_read_text(f, buf, sizeof(buf), 0), 10);
	cr_assert_str_eq(buf, "STILL here");
	view_expect(&v, "b", "new");
	file_put(f);
	file_put(g);
}

Test(hostfs, tmpfile)
{
	struct file *f = NULL;
	char buf[16];
	int err;

	mount_it(false, HOSTFS_ALWAYS);
	err = view_file(&v, ".", O_TMPFILE | O_RDWR, &f);
	if (err == -EOPNOTSUPP)
		return;
	cr_assert_eq(err, 0);
	cr_assert_eq(file_write_text(f, "nameless"), 8);
	fd_cache_shrink(100);
	cr_assert_eq(file_read_text(f, buf, sizeof(buf), 0), 8);
	cr_assert_eq(view_attr(&v, ".").nlink, 2);
	err = vfs_link(f->path, v.root, "named");
	file_put(f);
	/* Some hosts allow it only to root. */
	if (!err)
		view_expect(&v, "named", "nameless");
}

/* A thousand open files and deep directories with room for four descriptors. */
Test(hostfs, few_descriptors_serve_many_files)
{
	enum { FILES = 1000 };
	static struct file *files[FILES];
	char name[64], buf[16];

	hostfs_set_fd_limit(4);
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		host_mkdir(dir, name);
		snprintf(name, sizeof(name), "d%d/sub", i);
		host_mkdir(dir, name);
	}
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "d%d/sub/f%d", i % 10, i);
		host_write_file(dir, name, name + 6);
	}
	mount_it(false, HOSTFS_REVALIDATE);
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "d%d/sub/f%d", i % 10, i);
		files[i] = view_open_file(&v, name, i % 2 ? O_RDONLY : O_RDWR);
		/* The root's, which is pinned, and those in use come on top. */
		cr_assert_leq(fd_cache_count(), 8);
	}
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "d%d/sub/f%d", i % 10, i);
		cr_assert_gt(file_read_text(files[i], buf, sizeof(buf), 0), 0);
		cr_assert_str_eq(buf, name + 6);
		file_put(files[i]);
	}
}

/* Deeper than a fiber's stack would take if the way up were climbed by recursion. */
Test(hostfs, deep_trees)
{
	enum { DEPTH = 600 };
	struct path at, next;
	char buf[16];
	struct file *f;
	int fd = open(dir, O_PATH);

	for (int i = 0; i < DEPTH; i++) {
		int below;

		cr_assert_eq(mkdirat(fd, "d", 0755), 0);
		below = openat(fd, "d", O_PATH);
		close(fd);
		fd = below;
	}
	close(openat(fd, "f", O_CREAT | O_WRONLY, 0644));
	close(fd);
	hostfs_set_fd_limit(8);
	mount_it(true, HOSTFS_ALWAYS);
	at = path_get(v.root);
	for (int i = 0; i < DEPTH; i++) {
		cr_assert_eq(walk(at, "d", 0, &next), 0);
		path_put(at);
		at = next;
	}
	fd_cache_shrink(100);
	cr_assert_eq(walk(at, "f", 0, &next), 0);
	cr_assert_eq(vfs_open_path(next, O_RDONLY, &f), 0);
	cr_assert_eq(file_read_text(f, buf, sizeof(buf), 0), 0);
	file_put(f);
	path_put(next);
	path_put(at);
}

Test(hostfs, listings_have_stable_positions)
{
	enum { FILES = 3000 };
	struct name_sink n = {.stop = 100}, rest = {0}, again = {0};
	struct file *f, *g;
	char name[64];
	u64 middle;

	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file-%05d", i);
		host_write_file(dir, name, "");
	}
	mount_it(true, HOSTFS_ALWAYS);
	f = view_open_file(&v, ".", O_RDONLY | O_DIRECTORY);
	g = view_open_file(&v, ".", O_RDONLY | O_DIRECTORY);
	list_all(f, &n);
	cr_assert_eq(n.n, 100);
	middle = f->pos;
	/* Another listing, and one that lost its descriptor, do not disturb it. */
	list_all(g, &again);
	cr_assert_eq(again.n, FILES);
	fd_cache_shrink(100);
	list_all(f, &rest);
	cr_assert_eq(rest.n, FILES - 100);
	memset(&rest, 0, sizeof(rest));
	cr_assert_eq(file_seek(f, (s64)middle, SEEK_SET), (s64)middle);
	list_all(f, &rest);
	cr_assert_eq(rest.n, FILES - 100);
	memset(&rest, 0, sizeof(rest));
	rest.want = "file-01234";
	cr_assert_eq(file_seek(f, 0, SEEK_SET), 0);
	list_all(f, &rest);
	cr_assert_eq(rest.n, FILES);
	cr_assert_eq(rest.ino, view_ino(&v, "file-01234"));
	file_put(f);
	file_put(g);
}

Test(hostfs, small_reads_are_read_ahead)
{
	char *text = malloc(200001), buf[1001], want[1001];
	struct file *f;
	u64 calls;
	size_t done = 0;

	for (int i = 0; i < 200000; i++)
		text[i] = (char)('a' + i % 23);
	text[200000] = 0;
	host_write_file(dir, "a", text);
	mount_it(true, HOSTFS_ALWAYS);
	f = view_open_file(&v, "a", O_RDONLY);
	calls = host_call_count();
	for (;;) {
		ssize_t n = file_read_text(f, buf, sizeof(buf), done);

		cr_assert_geq(n, 0);
		if (n == 0)
			break;
		memcpy(want, text + done, (size_t)n);
		want[n] = 0;
		cr_assert_str_eq(buf, want);
		done += (size_t)n;
	}
	cr_assert_eq(done, 200000);
	cr_assert_lt(host_call_count() - calls, 40);
	/* A large one crosses what is cached and what is not. */
	cr_assert_eq(file_read_kernel(f, text, 200000, 5), 199995);
	cr_assert_eq(text[0], 'a' + 5);
	cr_assert_eq(text[199994], 'a' + 199999 % 23);
	file_put(f);
	free(text);
}

Test(hostfs, mappings_borrow_the_right_descriptor)
{
	struct map_backing ro, rw;
	struct file *f;

	host_write_file(dir, "a", "x");
	mount_it(false, HOSTFS_ALWAYS);
	f = view_open_file(&v, "a", O_RDWR);
	fd_cache_shrink(100);
	cr_assert_eq(f->ops->map(f, PROT_READ, false, &ro), 0);
	cr_assert_eq(f->ops->map(f, PROT_READ | PROT_WRITE, true, &rw), 0);
	fd_cache_shrink(100);
	cr_assert_eq(fcntl(ro.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	cr_assert_eq(fcntl(rw.fd, F_GETFL) & O_ACCMODE, O_RDWR);
	file_put(f);
}

Test(hostfs, extended_attributes)
{
	struct path p;
	char buf[64];

	host_write_file(dir, "a", "x");
	if (setxattr(host_path(dir, "a"), "user.k", "v", 1, 0) != 0)
		return;
	mount_it(false, HOSTFS_ALWAYS);
	cr_assert_eq(walk(v.root, "a", 0, &p), 0);
	cr_assert_eq(vfs_getxattr(p, "user.k", buf, sizeof(buf)), 1);
	cr_assert_eq(buf[0], 'v');
	cr_assert_eq(vfs_setxattr(p, "user.k2", "w", 1, 0), 0);
	cr_assert_eq(getxattr(host_path(dir, "a"), "user.k2", buf, sizeof(buf)), 1);
	cr_assert_eq(vfs_removexattr(p, "user.k"), 0);
	cr_assert_eq(vfs_getxattr(p, "user.k", buf, sizeof(buf)), -ENODATA);
	path_put(p);
}

Test(hostfs, squashed_owners)
{
	struct hostfs_options o = {.squash = true, .uid = 7, .gid = 8};
	struct super *sb;
	struct path p;

	host_write_file(dir, "a", "x");
	cr_assert_eq(hostfs_mount(host_open_dir(dir), &o, &sb), 0);
	view_open(&v, sb);
	cr_assert_eq(view_attr(&v, "a").uid, 7);
	cr_assert_eq(view_attr(&v, "a").gid, 8);
	cr_assert_eq(walk(v.root, "a", 0, &p), 0);
	cr_assert_eq(vfs_chown(p, 7, 8), 0);
	cr_assert_eq(vfs_chown(p, 0, 0), -EPERM);
	path_put(p);
}

/* One file bound over another: the root is no directory. */
Test(hostfs, a_file_as_root)
{
	struct hostfs_options o = {.cache = HOSTFS_REVALIDATE};
	struct super *sb;
	struct file *f;
	char buf[16];

	host_write_file(dir, "a", "hosts");
	cr_assert_eq(hostfs_mount(open(host_path(dir, "a"), O_RDWR), &o, &sb), 0);
	cr_assert(inode_is_reg(sb->root));
	view_open(&v, sb);
	cr_assert_eq(vfs_open_path(v.root, O_RDWR, &f), 0);
	cr_assert_eq(file_read_text(f, buf, sizeof(buf), 0), 5);
	cr_assert_eq(file_write_text(f, "HOSTS"), 5);
	file_put(f);
	cr_assert_eq(view_attr(&v, "").size, 5);
}
