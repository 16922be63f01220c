/* Open files of pseudo file systems: generated texts and directory listings. */
#include "fs/pseudo/pseudo_internal.h"
#include "base/uspace.h"
#include "fs/vfs/dentry.h"
#include "fs/vfs/file.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- texts ------------------------------------------------------------ */

struct pseudo_text {
	struct mutex mutex; /* makes the text once for two readers */
	struct text text;
	bool made;
};

static int text_make(struct pseudo_inode *pi, struct pseudo_text *pt)
{
	int err;

	if (!pseudo_alive(pi))
		return -ESRCH;
	pt->text.len = 0;
	pt->text.failed = false;
	err = pi->node->show(&pi->ref, &pt->text);
	if (!err && pt->text.failed)
		err = -ENOMEM;
	pt->made = !err;
	return err;
}

static ssize_t text_read(struct file *f, struct uio *dst, u64 *pos)
{
	struct pseudo_inode *pi = pseudo_of(f->inode);
	struct pseudo_text *pt = f->priv;
	ssize_t n = 0;

	if (!pi->node->show)
		return -EINVAL;
	mutex_acquire(&pt->mutex);
	if (*pos == 0 || !pt->made)
		n = text_make(pi, pt);
	if (!n && *pos < pt->text.len)
		n = uio_write(dst, pt->text.s + *pos, min_of(pt->text.len - *pos, dst->resid));
	mutex_release(&pt->mutex);
	if (n > 0)
		*pos += (u64)n;
	return n;
}

static ssize_t text_write(struct file *f, struct uio *src, u64 *pos)
{
	struct pseudo_inode *pi = pseudo_of(f->inode);
	size_t n = min_of(src->resid, PAGE_SIZE - 1);
	char *buf;
	ssize_t got;
	int err;

	if (!pi->node->store && !pi->node->write)
		return -EIO;
	buf = malloc(n + 1);
	if (!buf)
		return -ENOMEM;
	got = uio_read(src, buf, n);
	if (got >= 0) {
		struct pseudo_write w = {
		    .buf = buf, .n = (size_t)got, .pos = *pos, .opener = f->cred};

		buf[got] = 0;
		err = pi->node->write ? pi->node->write(&pi->ref, &w)
		                      : pi->node->store(&pi->ref, buf, (size_t)got);
		if (err)
			got = err;
		else if (*pos != FILE_POS_APPEND)
			*pos += (u64)got;
	}
	free(buf);
	return got;
}

/* What is made up while it is read has no end to count from (fs/seq_file.c seq_lseek). */
static s64 pseudo_seek(struct file *f, s64 off, int whence)
{
	if (whence != SEEK_SET && whence != SEEK_CUR)
		return -EINVAL;
	return file_seek_generic(f, off, whence, 0);
}

/* proc_reg_mmap */
static int text_map(struct file *f unused_arg, int prot unused_arg, bool shared unused_arg,
                    struct map_backing *out unused_arg)
{
	return -EIO;
}

static void text_release(struct file *f)
{
	struct pseudo_text *pt = f->priv;

	mutex_destroy(&pt->mutex);
	free(pt->text.s);
	free(pt);
}

static const struct file_ops text_ops = {.read = text_read,
                                         .write = text_write,
                                         .seek = pseudo_seek,
                                         .map = text_map,
                                         .release = text_release};

/* ---- directories ------------------------------------------------------- */

/*
 * Positions: 0 ".", 1 "..", 2 + i the i-th fixed child, DYNAMIC + key the
 * first dynamic child with at least that key.
 */
#define DYNAMIC (1ULL << 40)

static u8 dirent_type(const struct pseudo_node *n)
{
	return (u8)((n->mode & S_IFMT) >> 12);
}

static bool emit_dots(struct file *f, struct dir_sink *sink)
{
	struct dentry *d = f->path.dentry;

	if (f->pos == 0) {
		if (!sink->emit(sink, ".", 1, f->inode->ino, DT_DIR, 1))
			return false;
		f->pos = 1;
	}
	if (f->pos == 1) {
		u64 up = d && d->parent->inode ? d->parent->inode->ino : f->inode->ino;
		if (!sink->emit(sink, "..", 2, up, DT_DIR, 2))
			return false;
		f->pos = 2;
	}
	return true;
}

static bool emit_fixed(struct file *f, struct dir_sink *sink)
{
	struct pseudo_inode *pi = pseudo_of(f->inode);
	const struct pseudo_node *c = pi->node->children;
	u64 i = 2;

	for (; c && c->name; c++, i++) {
		u64 next = c[1].name ? i + 1 : DYNAMIC;

		if (f->pos > i)
			continue;
		if (!sink->emit(sink, c->name, strlen(c->name),
		                pseudo_ino(f->inode->ino, c->name, strlen(c->name)), dirent_type(c),
		                next))
			return false;
		f->pos = next;
	}
	f->pos = max_of(f->pos, DYNAMIC);
	return true;
}

static void emit_dynamic(struct file *f, struct dir_sink *sink)
{
	struct pseudo_inode *pi = pseudo_of(f->inode);
	struct pseudo_child c;

	while (pi->node->next && pi->node->next(&pi->ref, f->pos - DYNAMIC, &c)) {
		size_t len = strlen(c.name);

		if (!sink->emit(sink, c.name, len, pseudo_ino(f->inode->ino, c.name, len), c.type,
		                DYNAMIC + c.key + 1))
			return;
		f->pos = DYNAMIC + c.key + 1;
	}
}

static int dir_readdir(struct file *f, struct dir_sink *sink)
{
	if (emit_dots(f, sink) && emit_fixed(f, sink))
		emit_dynamic(f, sink);
	return 0;
}

static const struct file_ops dir_ops = {.readdir = dir_readdir, .seek = pseudo_seek};

int pseudo_open(struct inode *i, struct file *f)
{
	const struct pseudo_node *n = pseudo_of(i)->node;
	struct pseudo_text *pt;

	if (S_ISDIR(n->mode)) {
		f->ops = &dir_ops;
		return 0;
	}
	if (!pseudo_alive(pseudo_of(i)))
		return -ESRCH;
	if (n->open)
		return n->open(&pseudo_of(i)->ref, f);
	pt = calloc(1, sizeof(*pt));
	if (!pt)
		return -ENOMEM;
	mutex_init(&pt->mutex, RANK_PSEUDO);
	f->ops = &text_ops;
	f->priv = pt;
	return 0;
}
