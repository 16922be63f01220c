/*
 * For tests of file systems that have the host under them: a temporary
 * directory of the host, a mount namespace to look at a super block through, and
 * short forms of the calls that the tests make most.
 */
#pragma once
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/caller.h"
#include "base/census.h"
#include "base/host.h"
#include "base/uspace.h"
#include "fs/vfs/file.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/mount.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/super.h"
#include "fs/vfs/walk.h"

/* --- the host's side ---------------------------------------------------------- */

static inline void host_dir_make(char path[64])
{
	strcpy(path, "/tmp/moat-test-XXXXXX");
	cr_assert_not_null(mkdtemp(path));
}

static inline int host_dir_remove_one(const char *path, const struct stat *st, int type,
                                      struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void host_dir_remove(const char *path)
{
	nftw(path, host_dir_remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

static inline const char *host_path(const char *dir, const char *name)
{
	static char buf[8][4400];
	static int next;
	char *p = buf[next++ % 8];

	snprintf(p, sizeof(buf[0]), "%s/%s", dir, name);
	return p;
}

static inline void host_write_file(const char *dir, const char *name, const char *text)
{
	FILE *f = fopen(host_path(dir, name), "w");

	cr_assert_not_null(f, "%s/%s", dir, name);
	fputs(text, f);
	fclose(f);
}

static inline void host_mkdir(const char *dir, const char *name)
{
	cr_assert_eq(mkdir(host_path(dir, name), 0755), 0, "mkdir %s/%s", dir, name);
}

static inline bool host_has(const char *dir, const char *name)
{
	struct stat st;

	return lstat(host_path(dir, name), &st) == 0;
}

static inline int host_open_dir(const char *dir)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	return fd;
}

/* --- the guest's side ---------------------------------------------------------- */

struct view {
	struct mount_ns *ns;
	struct path root;
};

/* Takes over the reference to sb. */
static inline void view_open(struct view *v, struct super *sb)
{
	cr_assert_eq(mount_ns_create(sb, 0, &initial_user_ns, &v->ns), 0);
	super_put(sb);
	v->root = mount_ns_root(v->ns);
	caller()->fs = fs_context_create(v->ns, v->root, v->root, 022);
	cr_assert_not_null(caller()->fs);
}

static inline void census_check(const struct census *c, void *arg)
{
	(void)arg;
	cr_assert_eq(c->live, 0, "%ld of '%s' are left", (long)c->live, c->name);
}

static inline void view_end(struct view *v)
{
	fs_context_put(caller()->fs);
	caller()->fs = NULL;
	path_put(v->root);
	mount_ns_put(v->ns);
}

/* And nothing may be left of it. */
static inline void view_close(struct view *v)
{
	view_end(v);
	census_each(census_check, NULL);
}

static inline int view_file(struct view *v, const char *name, u32 flags, struct file **out)
{
	struct open_how_args how = {.flags = flags, .mode = 0644};

	return vfs_open(v->root, name, &how, out);
}

static inline struct file *view_open_file(struct view *v, const char *name, u32 flags)
{
	struct file *f = NULL;
	int err = view_file(v, name, flags, &f);

	cr_assert_eq(err, 0, "open %s: %d", name, err);
	return f;
}

static inline ssize_t file_read_text(struct file *f, char *buf, size_t n, u64 pos)
{
	struct uio u;
	ssize_t got;

	uio_init_kernel(&u, buf, n - 1);
	got = file_pread(f, &u, pos, 0);
	uio_destroy(&u);
	buf[got > 0 ? got : 0] = '\0';
	return got;
}

static inline ssize_t file_write_text(struct file *f, const char *text)
{
	struct uio u;
	ssize_t put;

	uio_init_kernel(&u, (void *)text, strlen(text));
	put = file_write(f, &u);
	uio_destroy(&u);
	return put;
}

static inline int view_read(struct view *v, const char *name, char *buf, size_t n)
{
	struct file *f;
	int err = view_file(v, name, O_RDONLY, &f);
	ssize_t got;

	if (err)
		return err;
	got = file_read_text(f, buf, n, 0);
	file_put(f);
	return (int)got;
}

static inline void view_expect(struct view *v, const char *name, const char *text)
{
	char buf[4096];
	int got = view_read(v, name, buf, sizeof(buf));

	cr_assert_geq(got, 0, "read %s: %d", name, got);
	cr_assert_str_eq(buf, text, "%s", name);
}

static inline void view_write(struct view *v, const char *name, const char *text)
{
	struct file *f = view_open_file(v, name, O_WRONLY | O_CREAT | O_TRUNC);

	cr_assert_eq(file_write_text(f, text), (ssize_t)strlen(text));
	file_put(f);
}

/* The attributes of what name is, a last symbolic link not followed; and its number. */
static inline int view_lstat(struct view *v, const char *name, struct attr *a, u64 *ino)
{
	struct path p;
	int err = walk(v->root, name, *name ? 0 : WALK_EMPTY, &p);

	if (err)
		return err;
	err = inode_getattr(p.dentry->inode, a);
	if (ino)
		*ino = p.dentry->inode->ino;
	path_put(p);
	return err;
}

static inline u64 view_ino(struct view *v, const char *name)
{
	struct attr a;
	u64 ino = 0;
	int err = view_lstat(v, name, &a, &ino);

	cr_assert_eq(err, 0, "%s: %d", name, err);
	return ino;
}

static inline struct attr view_attr(struct view *v, const char *name)
{
	struct attr a = {0};
	int err = view_lstat(v, name, &a, NULL);

	cr_assert_eq(err, 0, "%s: %d", name, err);
	return a;
}

/* --- listings --------------------------------------------------------------------- */

struct name_sink {
	struct dir_sink sink;
	unsigned n, stop;
	u64 last_pos, ino;
	const char *want; /* whose number is noted in ino */
	bool found;
	char all[4096]; /* names with a blank behind each, as far as they fit */
};

static inline bool name_sink_emit(struct dir_sink *s, const char *name, size_t len, u64 ino,
                                  u8 type, u64 next_pos)
{
	struct name_sink *n = container_of(s, struct name_sink, sink);
	size_t used = strlen(n->all);

	(void)type;
	if (n->stop && n->n == n->stop)
		return false;
	if ((len == 1 && name[0] == '.') || (len == 2 && !memcmp(name, "..", 2)))
		return true;
	n->n++;
	n->last_pos = next_pos;
	if (n->want && strlen(n->want) == len && !memcmp(n->want, name, len)) {
		n->ino = ino;
		n->found = true;
	}
	if (used + len + 2 < sizeof(n->all)) {
		memcpy(n->all + used, name, len);
		strcpy(n->all + used + len, " ");
	}
	return true;
}

static inline void list_all(struct file *f, struct name_sink *n)
{
	u64 before;

	n->sink.emit = name_sink_emit;
	do {
		before = f->pos;
		cr_assert_eq(file_readdir(f, &n->sink), 0);
	} while (f->pos != before && !(n->stop && n->n == n->stop));
}

/* Names in dir but "." and ".."; the number of `want` in *ino if it is there. */
static inline unsigned view_list(struct view *v, const char *dir, struct name_sink *n)
{
	struct file *f = view_open_file(v, dir, O_RDONLY | O_DIRECTORY);

	list_all(f, n);
	file_put(f);
	return n->n;
}

static inline bool view_lists(struct view *v, const char *dir, const char *name)
{
	struct name_sink n = {.want = name};

	view_list(v, dir, &n);
	return n.found;
}
