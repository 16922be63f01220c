/*
 * Directories: a hash of names for lookups, and a tree by cookie for listings.
 * A cookie is given once, rising, so a listing that was interrupted goes on
 * behind the last name it gave, whatever came and went meanwhile.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "fs/tmpfs/tmpfs_internal.h"
#include "fs/vfs/dentry.h"

#define FIRST_COOKIE 2 /* 0 and 1 are "." and ".." */

static int cookie_cmp(const struct dirent_node *a, const struct dirent_node *b)
{
	return a->cookie < b->cookie ? -1 : a->cookie > b->cookie;
}

RB_GENERATE_INTERNAL(cookie_tree, dirent_node, by_cookie, cookie_cmp, static unused_arg)

void dir_init(struct tmpfs_dir *d)
{
	RB_INIT(&d->listing);
	hash_table_init(&d->names);
	d->next_cookie = FIRST_COOKIE;
}

struct dirent_node *dir_find(struct tmpfs_dir *d, const char *name, size_t len)
{
	struct hash_node *n;

	HASH_TABLE_FOREACH (n, &d->names, dentry_name_hash(d, name, len)) {
		struct dirent_node *e = container_of(n, struct dirent_node, by_name);

		if (e->len == len && memcmp(e->name, name, len) == 0)
			return e;
	}
	return NULL;
}

int dir_add(struct tmpfs_dir *d, const char *name, struct inode *inode)
{
	size_t len = strlen(name);
	struct dirent_node *e = malloc(sizeof(*e) + len + 1);

	if (!e)
		return -ENOMEM;
	memcpy(e->name, name, len + 1);
	e->len = (u16)len;
	e->inode = inode_get(inode);
	e->cookie = d->next_cookie++;
	RB_INSERT(cookie_tree, &d->listing, e);
	hash_table_insert(&d->names, &e->by_name, dentry_name_hash(d, name, len));
	return 0;
}

void dir_remove(struct tmpfs_dir *d, struct dirent_node *e)
{
	hash_table_remove(&d->names, &e->by_name);
	RB_REMOVE(cookie_tree, &d->listing, e);
	inode_put(e->inode);
	free(e);
}

/* Moves all entries of d to the chain, leaving d empty. */
static void empty_into(struct tmpfs_dir *d, struct hash_node **chain)
{
	struct hash_node *n, *next;

	for (n = hash_table_take_all(&d->names); n; n = next) {
		next = n->next;
		n->next = *chain;
		*chain = n;
	}
	hash_table_destroy(&d->names);
	dir_init(d);
}

/*
 * A guest can nest directories deeper than any stack. So a directory that is
 * about to be freed with its last reference here gives its entries up first.
 */
void dir_free_tree(struct tmpfs_dir *d)
{
	struct hash_node *doomed = NULL;

	empty_into(d, &doomed);
	while (doomed) {
		struct dirent_node *e = container_of(doomed, struct dirent_node, by_name);

		doomed = doomed->next;
		if (inode_is_dir(e->inode) && ref_count(&e->inode->ref) == 1)
			empty_into(&node_of(e->inode)->dir, &doomed);
		inode_put(e->inode);
		free(e);
	}
}

static struct dirent_node *first_from(struct tmpfs_dir *d, u64 cookie)
{
	struct dirent_node key = {.cookie = cookie};

	return RB_NFIND(cookie_tree, &d->listing, &key);
}

static u64 parent_ino(struct file *f)
{
	struct dentry *parent;
	u64 ino;

	if (!f->path.dentry)
		return f->inode->ino;
	parent = dentry_parent(f->path.dentry);
	ino = dentry_inode(parent)->ino;
	dentry_put(parent);
	return ino;
}

static int dir_readdir(struct file *f, struct dir_sink *sink)
{
	struct tmpfs_dir *d = &node_of(f->inode)->dir;
	struct dirent_node *e;

	if (f->pos == 0) {
		if (!sink->emit(sink, ".", 1, f->inode->ino, DT_DIR, 1))
			return 0;
		f->pos = 1;
	}
	if (f->pos == 1) {
		if (!sink->emit(sink, "..", 2, parent_ino(f), DT_DIR, FIRST_COOKIE))
			return 0;
		f->pos = FIRST_COOKIE;
	}
	mutex_acquire(&f->inode->mutex);
	for (e = first_from(d, f->pos); e; e = RB_NEXT(cookie_tree, &d->listing, e)) {
		u8 type = (u8)IFTODT(inode_mode(e->inode));

		if (!sink->emit(sink, e->name, e->len, e->inode->ino, type, e->cookie + 1))
			break;
		f->pos = e->cookie + 1;
	}
	mutex_release(&f->inode->mutex);
	return 0;
}

static s64 dir_seek(struct file *f, s64 off, int whence)
{
	/* fs/libfs.c:offset_dir_llseek: a directory has no end to count from. */
	if (whence != SEEK_SET && whence != SEEK_CUR)
		return -EINVAL;
	return file_seek_generic(f, off, whence, 0);
}

static int dir_fsync(struct file *f unused_arg, bool datasync unused_arg)
{
	return 0;
}

const struct file_ops tmpfs_dir_file_ops = {
    .readdir = dir_readdir,
    .seek = dir_seek,
    .fsync = dir_fsync,
};
