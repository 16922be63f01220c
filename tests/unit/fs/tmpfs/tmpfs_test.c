/* tmpfs: names, listings, limits, options. */
#include "../vfs/vfs_fixture.h"
#include <sys/vfs.h>

TestSuite(tmpfs, .init = world_begin, .fini = world_end);

/* A sink that takes `room` names and remembers the last. */
struct names {
	struct dir_sink sink;
	int room, count;
	char last[NAME_LEN_MAX + 1];
	bool seen[2000];
};

static bool take(struct dir_sink *s, const char *name, size_t len, u64 ino, u8 type unused_arg,
                 u64 next_pos unused_arg)
{
	struct names *n = container_of(s, struct names, sink);
	int number;

	if (n->room == 0)
		return false;
	n->room--;
	n->count++;
	cr_assert_neq(ino, 0);
	memcpy(n->last, name, len);
	n->last[len] = 0;
	if (sscanf(n->last, "n%d", &number) == 1 && number < 2000) {
		cr_assert_not(n->seen[number], "%s twice", n->last);
		n->seen[number] = true;
	}
	return true;
}

static void numbered(char *buf, int i)
{
	sprintf(buf, "d/n%d", i);
}

Test(tmpfs, listings_survive_changes)
{
	struct names n = {.sink.emit = take};
	char name[32];
	struct file *d;
	int extra = 1000;

	ok(vfs_mkdir(HERE, "d", 0755));
	for (int i = 0; i < 500; i++) {
		numbered(name, i);
		touch(name);
	}
	d = must_open("d", O_RDONLY);
	n.room = 1;
	ok(file_readdir(d, &n.sink));
	cr_assert_str_eq(n.last, ".");
	n.room = 1;
	ok(file_readdir(d, &n.sink));
	cr_assert_str_eq(n.last, "..");
	for (int i = 0; i < 500; i += 10) {
		n.room = 10;
		ok(file_readdir(d, &n.sink));
		/* Names that were given go, others come: none of the old ones may be lost. */
		numbered(name, i);
		ok(vfs_unlink(HERE, name));
		numbered(name, extra++);
		touch(name);
	}
	for (int i = 0; i < 500; i++)
		cr_assert(n.seen[i], "%d lost", i);
	n.room = 1000;
	ok(file_readdir(d, &n.sink));
	n.room = 1000;
	n.count = 0;
	ok(file_readdir(d, &n.sink));
	cr_assert_eq(n.count, 0);
	memset(n.seen, 0, sizeof(n.seen));
	cr_assert_eq(file_seek(d, 0, SEEK_SET), 0);
	ok(file_readdir(d, &n.sink));
	cr_assert_eq(n.count, 502);
	fails(EINVAL, file_seek(d, 0, SEEK_END));
	file_put(d);
}

Test(tmpfs, many_names)
{
	char name[32];

	ok(vfs_mkdir(HERE, "d", 0755));
	for (int i = 0; i < 100000; i++) {
		numbered(name, i);
		ok(vfs_mknod(HERE, name, S_IFREG | 0600, 0));
	}
	cr_assert_eq(stat_of("d").size, 100002 * 20);
	dentry_cache_shrink(1 << 20);
	for (int i = 0; i < 100000; i += 7) {
		numbered(name, i);
		ok(try_walk(name, 0));
	}
	for (int i = 0; i < 100000; i++) {
		numbered(name, i);
		ok(vfs_unlink(HERE, name));
	}
	ok(vfs_rmdir(HERE, "d"));
}

Test(tmpfs, deep_trees_are_freed)
{
	struct path dir = fs_context_cwd(caller()->fs), next;

	for (int i = 0; i < 20000; i++) {
		ok(vfs_mkdir(dir, "d", 0755));
		ok(walk(dir, "d", 0, &next));
		path_put(dir);
		dir = next;
	}
	path_put(dir);
}

Test(tmpfs, directory_links_and_sizes)
{
	ok(vfs_mkdir(HERE, "d", 0755));
	cr_assert_eq(stat_of("d").size, 40);
	cr_assert_eq(stat_of("/").nlink, 3);
	touch("d/f");
	ok(vfs_mkdir(HERE, "d/e", 0755));
	cr_assert_eq(stat_of("d").size, 80);
	cr_assert_eq(stat_of("d").nlink, 3);
	ok(vfs_rename(HERE, "d/e", HERE, "e", 0));
	cr_assert_eq(stat_of("d").nlink, 2);
	cr_assert_eq(stat_of("/").nlink, 4);
	ok(vfs_rename(HERE, "d", HERE, "e", 0));
	cr_assert_eq(stat_of("/").nlink, 3);
	ok(try_walk("e/f", 0));
}

Test(tmpfs, inode_limit)
{
	ok(vfs_mkdir(HERE, "m", 0755));
	ok(mount_tmpfs("m", "nr_inodes=4", 0));
	touch("m/a");
	touch("m/b");
	{
		struct path p = must_walk("m/a", 0);

		ok(vfs_link(p, HERE, "m/c"));
		fails(ENOSPC, vfs_link(p, HERE, "m/d"));
		path_put(p);
	}
	fails(ENOSPC, try_open("m/d", O_CREAT | O_RDWR));
	fails(ENOSPC, vfs_mkdir(HERE, "m/d", 0755));
	ok(vfs_unlink(HERE, "m/a"));
	ok(vfs_mkdir(HERE, "m/d", 0755));
	ok(vfs_rmdir(HERE, "m/d"));
	ok(vfs_unlink(HERE, "m/b"));
	ok(vfs_unlink(HERE, "m/c"));
	touch("m/a");
	touch("m/b");
	touch("m/c");
	fails(ENOSPC, try_open("m/d", O_CREAT | O_RDWR));
}

Test(tmpfs, size_limit)
{
	char buf[3 * 4096];
	struct file *f;
	struct statfs st;
	struct path p;

	memset(buf, 'x', sizeof(buf));
	ok(vfs_mkdir(HERE, "m", 0755));
	ok(mount_tmpfs("m", "size=10k", 0));
	f = must_open("m/f", O_CREAT | O_RDWR);
	cr_assert_eq(pwrite_buf(f, buf, sizeof(buf), 4096), 3 * 4096);
	fails(ENOSPC, pwrite_buf(f, buf, 1, 0));
	cr_assert_eq(pwrite_buf(f, buf, 4096, 4096), 4096);
	fails(ENOSPC, file_fallocate(f, 0, 1 << 20, 4096));
	fails(ENOSPC, file_fallocate(f, 0, 0, 1 << 20));
	p = must_walk("m", 0);
	ok(vfs_statfs(p, &st));
	cr_assert_eq(st.f_type, 0x01021994);
	cr_assert_eq(st.f_blocks, 3);
	cr_assert_eq(st.f_bfree, 0);
	path_put(p);
	ok(vfs_ftruncate(f, 8192));
	cr_assert_eq(pwrite_buf(f, buf, sizeof(buf), 8192), 2 * 4096);
	ok(vfs_unlink(HERE, "m/f"));
	file_put(f);
	f = must_open("m/g", O_CREAT | O_RDWR);
	cr_assert_eq(pwrite_buf(f, buf, sizeof(buf), 0), sizeof(buf));
	file_put(f);
	tmpfs_set_global_limit(16384);
	f = must_open("g", O_CREAT | O_RDWR);
	cr_assert_eq(pwrite_buf(f, buf, sizeof(buf), 0), 4096);
	fails(ENOSPC, pwrite_buf(f, buf, 1, 4096));
	file_put(f);
	tmpfs_set_global_limit(~0ULL);
}

/* What a file of this name can still have, in pages: it is made as large as goes, and removed. */
static u64 room_at(const char *name)
{
	static char page[4096];
	struct file *f = must_open(name, O_CREAT | O_RDWR);
	u64 n = 0;

	while (n < 1000 && pwrite_buf(f, page, sizeof(page), n * 4096) == 4096)
		n++;
	fails(ENOSPC, pwrite_buf(f, page, 1, n * 4096));
	file_put(f);
	ok(vfs_unlink(HERE, name));
	return n;
}

static u64 used_at(const char *mount)
{
	struct path p = must_walk(mount, 0);
	struct statfs st;

	ok(vfs_statfs(p, &st));
	path_put(p);
	return st.f_blocks - st.f_bfree;
}

static struct file *with_pages(const char *name, u64 n)
{
	struct file *f = must_open(name, O_CREAT | O_RDWR);

	ok(file_fallocate(f, 0, 0, n * 4096));
	return f;
}

/* One limit for all mounts, each of which could have more than that by its own. */
Test(tmpfs, global_limit)
{
	struct file *f;

	ok(vfs_mkdir(HERE, "a", 0755));
	ok(vfs_mkdir(HERE, "b", 0755));
	ok(mount_tmpfs("a", "size=1m", 0));
	ok(mount_tmpfs("b", "size=1m", 0));
	tmpfs_set_global_limit(tmpfs_global_used() + 16 * 4096);
	cr_assert_eq(room_at("a/f"), 16);
	f = with_pages("a/f", 10);
	cr_assert_eq(room_at("b/f"), 6);
	cr_assert_eq(room_at("f"), 6);
	/* A failure takes nothing along, neither of all nor of the mount's own. */
	fails(ENOSPC, file_fallocate(f, 0, 0, 17 * 4096));
	cr_assert_eq(room_at("b/f"), 6);
	cr_assert_eq(used_at("a"), 10);
	cr_assert_eq(used_at("b"), 0);
	ok(vfs_ftruncate(f, 7 * 4096));
	cr_assert_eq(room_at("b/f"), 9);
	ok(file_fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 2 * 4096));
	cr_assert_eq(room_at("b/f"), 11);
	/* Removed and still open. */
	ok(vfs_unlink(HERE, "a/f"));
	cr_assert_eq(room_at("b/f"), 11);
	file_put(f);
	cr_assert_eq(room_at("b/f"), 16);
	file_put(with_pages("a/g", 12));
	cr_assert_eq(room_at("b/f"), 4);
	ok(umount_name("a", 0));
	cr_assert_eq(room_at("b/f"), 16);
	/* Files without a name, as of memfd_create(2), count, too. */
	ok(tmpfs_memfd_create("m", 0, &f));
	ok(file_fallocate(f, 0, 0, 5 * 4096));
	cr_assert_eq(room_at("b/f"), 11);
	file_put(f);
	tmpfs_set_global_limit(~0ULL);
}

Test(tmpfs, options)
{
	struct super *sb;
	char buf[128];
	static const char *const bad[] = {"size=",  "size=x", "size=1z",           "mode=9",
	                                  "uid=-1", "what=1", "size=99999999999p", "nr_inodes"};

	for (size_t i = 0; i < array_size(bad); i++)
		fails(EINVAL, tmpfs_type.mount(&tmpfs_type, "x", 0, bad[i], &sb));
	ok(tmpfs_type.mount(&tmpfs_type, "x", 0,
	                    "size=1M,nr_inodes=2k,mode=0750,uid=5,gid=6,huge=never,inode64", &sb));
	sb->ops->show_options(sb, buf, sizeof(buf));
	cr_assert_str_eq(buf, ",size=1024k,nr_inodes=2048,mode=750,uid=5,gid=6,inode64");
	cr_assert_eq(sb->root->attr.uid, 5);
	cr_assert_eq(inode_mode(sb->root), S_IFDIR | 0750);
	super_put(sb);
	tmpfs_set_global_limit(1 << 20);
	ok(tmpfs_type.mount(&tmpfs_type, "x", 0, NULL, &sb));
	sb->ops->show_options(sb, buf, sizeof(buf));
	cr_assert_str_eq(buf, ",inode64");
	cr_assert_eq(sb->ops->remount(sb, 0, "size=100k"), 0);
	sb->ops->show_options(sb, buf, sizeof(buf));
	cr_assert_str_eq(buf, ",size=100k,inode64");
	fails(EINVAL, sb->ops->remount(sb, 0, "nr_inodes=1x"));
	super_put(sb);
	tmpfs_set_global_limit(~0ULL);
}
