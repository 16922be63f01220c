/* Who has been told of an inode's attributes, or of a file's flags, hears of each change. */
#include "vfs_fixture.h"
#include "fs/pseudo/pseudo.h"
#include "fs/vfs/told_word.h"
#include <sys/mman.h>
#include <unistd.h>

static _Atomic u32 words[8];

static void begin(void)
{
	told_words_keep(words, array_size(words));
	world_begin();
}

static void end(void)
{
	world_end();
	told_words_keep(NULL, 1);
}

TestSuite(told_word, .init = begin, .fini = end);

static struct told told_of(struct file *f)
{
	struct attr a, now;
	struct told t;

	cr_assert(inode_attr_tell(f->inode, &a, &t));
	cr_assert_eq(atomic_load(&words[t.word]), t.seen);
	inode_attr(f->inode, &now);
	cr_assert_eq(memcmp(&a, &now, sizeof(a)), 0);
	return t;
}

/* Of f, each time anew. */
#define MOVES_ON(f, call)                                                                          \
	do {                                                                                       \
		struct told t_ = told_of(f);                                                       \
		cr_assert_geq((s64)(call), 0, #call);                                              \
		cr_assert_neq(atomic_load(&words[t_.word]), t_.seen, #call);                       \
	} while (0)
#define STAYS(f, call)                                                                             \
	do {                                                                                       \
		struct told t_ = told_of(f);                                                       \
		(void)!(call);                                                                     \
		cr_assert_eq(atomic_load(&words[t_.word]), t_.seen, #call);                        \
	} while (0)

static int utimes_of(struct file *f, time_t atime)
{
	struct timespec ts[2] = {{.tv_sec = atime}, {.tv_sec = 5000}};

	return vfs_utimes(f->path, ts);
}

static bool emit(struct dir_sink *s unused_arg, const char *name unused_arg, size_t len unused_arg,
                 u64 ino unused_arg, u8 type unused_arg, u64 next_pos unused_arg)
{
	return true;
}

Test(told_word, moves_on_with_a_file)
{
	struct file *f, *g;
	char buf[8];

	touch("f");
	f = must_open("f", O_RDWR);
	MOVES_ON(f, pwrite_buf(f, "abc", 3, 0));
	MOVES_ON(f, pwrite_buf(f, "x", 1, 0));
	MOVES_ON(f, vfs_ftruncate(f, 100));
	MOVES_ON(f, vfs_ftruncate(f, 10));
	MOVES_ON(f, vfs_truncate(f->path, 20));
	MOVES_ON(f, try_open("f", O_WRONLY | O_TRUNC));
	MOVES_ON(f, file_fallocate(f, 0, 0, 9000));
	MOVES_ON(f, file_fallocate(f, FALLOC_FL_KEEP_SIZE, 20000, 9000));
	MOVES_ON(f, file_fallocate(f, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 4096));
	MOVES_ON(f, chmod_name("f", 04755));
	MOVES_ON(f, chown_name("f", 1, 1));
	MOVES_ON(f, utimes_of(f, 100));
	MOVES_ON(f, pread_buf(f, buf, 1, 0));
	MOVES_ON(f, vfs_setxattr(f->path, "user.x", "1", 1, 0));
	MOVES_ON(f, vfs_removexattr(f->path, "user.x"));
	MOVES_ON(f, vfs_link(f->path, HERE, "g"));
	MOVES_ON(f, vfs_rename(HERE, "g", HERE, "h", 0));
	MOVES_ON(f, vfs_unlink(HERE, "h"));
	touch("other");
	MOVES_ON(f, vfs_rename(HERE, "other", HERE, "f", 0));
	/* It has no name any more, and changes like any other. */
	MOVES_ON(f, pwrite_buf(f, "y", 1, 0));
	file_put(f);
	g = must_open("f", O_RDONLY);
	MOVES_ON(g, chmod_name("f", 0600));
	file_put(g);
}

Test(told_word, moves_on_with_a_directory)
{
	struct dir_sink sink = {.emit = emit};
	struct file *d;

	ok(vfs_mkdir(HERE, "d", 0755));
	d = must_open("d", O_RDONLY | O_DIRECTORY);
	MOVES_ON(d, vfs_mkdir(HERE, "d/e", 0755));
	MOVES_ON(d, vfs_rmdir(HERE, "d/e"));
	MOVES_ON(d, try_open("d/f", O_CREAT | O_WRONLY));
	MOVES_ON(d, vfs_symlink("x", HERE, "d/l"));
	MOVES_ON(d, vfs_rename(HERE, "d/f", HERE, "f", 0));
	MOVES_ON(d, vfs_rename(HERE, "f", HERE, "d/f", 0));
	MOVES_ON(d, vfs_rename(HERE, "d/f", HERE, "d/l", RENAME_EXCHANGE));
	MOVES_ON(d, vfs_unlink(HERE, "d/l"));
	MOVES_ON(d, vfs_unlink(HERE, "d/f"));
	MOVES_ON(d, utimes_of(d, 100));
	MOVES_ON(d, file_readdir(d, &sink));
	MOVES_ON(d, vfs_rmdir(HERE, "d"));
	file_put(d);
}

/* What is written by a mapping, and moved to the host for its sake. */
Test(told_word, moves_on_with_what_mappings_are_made_of)
{
	struct map_backing b;
	struct file *f;

	ok(tmpfs_memfd_create("x", 0, &f));
	MOVES_ON(f, vfs_ftruncate(f, 8192));
	MOVES_ON(f, file_fallocate(f, FALLOC_FL_KEEP_SIZE, 20000, 4096));
	MOVES_ON(f, f->ops->map(f, PROT_READ | PROT_WRITE, true, &b));
	cr_assert_eq(pwrite(b.fd, "z", 1, 4096), 1);
	MOVES_ON(f, f->ops->fsync(f, false));
	MOVES_ON(f, pwrite_buf(f, "y", 1, 0));
	MOVES_ON(f, vfs_ftruncate(f, 0));
	f->ops->unmapped(f, PROT_READ | PROT_WRITE, true);
	file_put(f);
}

Test(told_word, stays_while_nothing_changes)
{
	struct file *f, *other;
	struct told a, b;
	char buf[4];

	touch("f");
	touch("other");
	f = must_open("f", O_RDWR | O_NOATIME);
	other = must_open("other", O_RDWR);
	STAYS(f, pread_buf(f, buf, 4, 0));
	STAYS(f, try_open("f", O_RDONLY));
	STAYS(f, try_walk("f", 0));
	STAYS(f, vfs_unlink(HERE, "none"));
	a = told_of(f);
	b = told_of(other);
	ok(vfs_ftruncate(other, 3));
	if (a.word != b.word)
		cr_assert_eq(atomic_load(&words[a.word]), a.seen);
	/* Nobody has been told since. */
	b.seen = atomic_load(&words[b.word]);
	ok(vfs_ftruncate(other, 4));
	cr_assert_eq(atomic_load(&words[b.word]), b.seen);
	file_put(f);
	file_put(other);
}

static const struct pseudo_node proc_root = {.mode = S_IFDIR | 0555};

Test(told_word, is_told_of_files_and_directories_that_tell)
{
	struct super *sb;
	struct told t;
	struct attr a;
	struct path p;

	ok(vfs_mkdir(HERE, "d", 0755));
	ok(vfs_symlink("x", HERE, "l"));
	ok(vfs_mknod(HERE, "fifo", S_IFIFO | 0644, 0));
	touch("f");
	p = must_walk("l", 0);
	cr_assert(!inode_attr_tell(dentry_inode(p.dentry), &a, &t));
	path_put(p);
	p = must_walk("fifo", 0);
	cr_assert(!inode_attr_tell(dentry_inode(p.dentry), &a, &t));
	path_put(p);
	ok(pseudo_mount(&proc_root, "proc", "proc", 0x1234, 0, &sb));
	cr_assert(!inode_attr_tell(sb->root, &a, &t));
	super_put(sb);
	p = must_walk("d", 0);
	cr_assert(inode_attr_tell(dentry_inode(p.dentry), &a, &t));
	told_words_keep(NULL, 1);
	cr_assert(!inode_attr_tell(dentry_inode(p.dentry), &a, &t));
	told_words_keep(words, array_size(words));
	path_put(p);
}

/* Whoever shows the same object from then on could have another word. */
Test(told_word, moves_on_with_the_end_of_an_inode)
{
	struct file *f = must_open("f", O_CREAT | O_RDWR);
	struct told t;

	ok(vfs_unlink(HERE, "f"));
	t = told_of(f);
	file_put(f);
	cr_assert_neq(atomic_load(&words[t.word]), t.seen);
}

Test(told_word, moves_on_with_the_flags_of_a_file)
{
	struct file *f;
	struct told t;

	touch("f");
	f = must_open("f", O_RDWR);
	for (int i = 0; i < 3; i++) {
		u32 flags = i % 2 ? O_RDWR : O_RDWR | O_APPEND;

		(void)file_tell_flags(f, &t);
		cr_assert_eq(atomic_load(&words[t.word]), t.seen);
		file_set_flags(f, flags);
		cr_assert_neq(atomic_load(&words[t.word]), t.seen);
		cr_assert_eq(file_tell_flags(f, &t), flags);
	}
	file_put(f);
}
