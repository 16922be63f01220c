/* Inodes and super blocks of pseudo file systems. */
#include "fs/pseudo/pseudo.h"
#include "base/caller.h"
#include "base/cred.h"
#include "fs/pseudo/pseudo_internal.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/mount.h"
#include "fs/vfs/super.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>

static const struct inode_ops pseudo_ops, magic_ops;

/* FNV-1a over the directory's number and the name. */
u64 pseudo_ino(u64 dir, const char *name, size_t len)
{
	u64 h = 0xcbf29ce484222325ULL ^ dir;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (u8)name[i]) * 0x100000001b3ULL;
	/* 32 bits and never 0: old programs keep inode numbers in 32 bits. */
	h = (h ^ (h >> 32)) & 0xffffffff;
	return h ? h : 1;
}

const struct pseudo_ref *pseudo_inode_ref(struct inode *i)
{
	return &pseudo_of(i)->ref;
}

bool pseudo_is(const struct inode *i, const struct pseudo_node *node)
{
	return i->ops == &pseudo_ops && container_of(i, struct pseudo_inode, inode)->node == node;
}

/* Takes over ref (already held). */
static struct inode *inode_make(struct super *sb, const struct pseudo_node *node,
                                const struct pseudo_node *about, struct pseudo_ref ref, u64 ino)
{
	struct pseudo_inode *pi = calloc(1, sizeof(*pi));

	if (!pi) {
		if (about && about->drop)
			about->drop(&ref);
		return NULL;
	}
	inode_init(&pi->inode, sb, node->get_link ? &magic_ops : &pseudo_ops, ino, node->mode);
	inode_set_nlink(&pi->inode, S_ISDIR(node->mode) ? 2 : 1);
	pi->node = node;
	pi->about = about;
	pi->ref = ref;
	return &pi->inode;
}

static const struct pseudo_node *fixed_child(const struct pseudo_node *dir, const char *name,
                                             size_t len)
{
	for (const struct pseudo_node *c = dir->children; c && c->name; c++)
		if (strlen(c->name) == len && !memcmp(c->name, name, len))
			return c;
	return NULL;
}

bool pseudo_alive(const struct pseudo_inode *pi)
{
	return !pi->about || !pi->about->alive || pi->about->alive(&pi->ref);
}

static int pseudo_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct pseudo_inode *pd = pseudo_of(dir);
	const struct pseudo_node *node = fixed_child(pd->node, name, len), *about = pd->about;
	struct pseudo_ref ref = pd->ref;
	char z[NAME_MAX + 1];
	int err;

	if (!pseudo_alive(pd))
		return -ESRCH;
	if (node) {
		/* A node that brings its own hold is about the same object, more narrowly. */
		if (node->drop)
			about = node;
		if (about && about->hold)
			about->hold(&ref);
	} else {
		if (!pd->node->find || len > NAME_MAX)
			return -ENOENT;
		memcpy(z, name, len);
		z[len] = 0;
		err = pd->node->find(&pd->ref, z, &node, &ref);
		if (err)
			return err;
		about = node;
	}
	ref.view = pd->ref.view;
	*out = inode_make(dir->sb, node, about, ref, pseudo_ino(dir->ino, name, len));
	if (*out && node->names && !pseudo_names_add(pseudo_of(*out))) {
		inode_put(*out);
		*out = NULL;
		return -ENOENT;
	}
	return *out ? 0 : -ENOMEM;
}

static bool pseudo_revalidate(struct inode *dir, const char *name unused_arg, struct inode *i)
{
	/* A name that was not there may be by now, where names come and go. */
	if (!i)
		return !pseudo_of(dir)->node->find;
	return pseudo_alive(pseudo_of(i));
}

static int pseudo_getattr(struct inode *i)
{
	struct pseudo_inode *pi = pseudo_of(i);
	struct attr a, *shown;

	inode_attr(i, &a);
	if (pi->about && pi->about->getattr)
		pi->about->getattr(&pi->ref, &a);
	if (pi->node != pi->about && pi->node->getattr)
		pi->node->getattr(&pi->ref, &a);
	shown = inode_attr_change(i);
	shown->uid = a.uid;
	shown->gid = a.gid;
	shown->mode = (shown->mode & S_IFMT) | (a.mode & 07777);
	shown->size = a.size;
	shown->rdev = a.rdev;
	inode_attr_changed(i);
	return 0;
}

static int pseudo_permission(struct inode *i, const struct cred *c, int mask)
{
	struct pseudo_inode *pi = pseudo_of(i);
	int err = pseudo_getattr(i);

	if (err)
		return err;
	err = inode_permission_mode(i, c, mask);
	return err && pi->node->permission ? pi->node->permission(&pi->ref) : err;
}

/* The text of a link that leads to an object: its name as seen from the caller's root. */
static ssize_t magic_readlink(struct pseudo_inode *pi, char *buf, size_t size)
{
	char full[PATH_MAX + 32], *name;
	struct path to, root = {0};
	bool reachable;
	int err = pi->node->get_link(&pi->ref, &to);

	if (err)
		return err;
	if (caller()->fs)
		root = fs_context_root(caller()->fs);
	name = path_name(to, root, full, sizeof(full), &reachable);
	path_put(to);
	if (root.mnt)
		path_put(root);
	return name ? snprintf(buf, size, "%s", name) : -ENAMETOOLONG;
}

static ssize_t pseudo_readlink(struct inode *i, char *buf, size_t size)
{
	struct pseudo_inode *pi = pseudo_of(i);

	if (pi->node->get_link && !pi->node->readlink)
		return magic_readlink(pi, buf, size);
	return pi->node->readlink ? pi->node->readlink(&pi->ref, buf, size) : -EINVAL;
}

static int pseudo_get_link(struct inode *i, struct path *out)
{
	struct pseudo_inode *pi = pseudo_of(i);

	return pi->node->get_link ? pi->node->get_link(&pi->ref, out) : -EINVAL;
}

/*
 * chmod and chown do nothing that lasts on Linux either (proc_setattr), except
 * in sysctl files; writes with O_TRUNC set the size.
 */
static int pseudo_setattr(struct inode *i unused_arg, const struct setattr *s)
{
	return s->valid & (SET_MODE | SET_UID | SET_GID) ? -EPERM : 0;
}

/* Nobody makes names here: no create, link, rename. */
#define PSEUDO_OPS                                                                                 \
	.lookup = pseudo_lookup, .readlink = pseudo_readlink, .getattr = pseudo_getattr,           \
	.setattr = pseudo_setattr, .permission = pseudo_permission, .open = pseudo_open,           \
	.revalidate = pseudo_revalidate

static const struct inode_ops pseudo_ops = {PSEUDO_OPS};
/* The VFS takes the presence of get_link as 'follow it instead of a text'. */
static const struct inode_ops magic_ops = {PSEUDO_OPS, .get_link = pseudo_get_link};

static void pseudo_inode_free(struct inode *i)
{
	struct pseudo_inode *pi = pseudo_of(i);

	if (pi->node->names)
		pseudo_names_drop(pi);
	if (pi->about && pi->about->drop)
		pi->about->drop(&pi->ref);
	free(pi);
}

static int pseudo_statfs(struct super *sb, struct statfs *out)
{
	out->f_type = sb->magic;
	out->f_bsize = (__fsword_t)PAGE_SIZE;
	out->f_namelen = NAME_MAX;
	return 0;
}

struct view {
	void *view;
	void (*drop)(void *view);
};

static void pseudo_release(struct super *sb)
{
	struct view *v = sb->priv;

	if (!v)
		return;
	v->drop(v->view);
	free(v);
}

int pseudo_set_view(struct super *sb, void *view, void (*drop)(void *view))
{
	struct view *v = malloc(sizeof(*v));

	if (!v)
		return -ENOMEM;
	*v = (struct view){view, drop};
	sb->priv = v;
	pseudo_of(sb->root)->ref.view = view;
	return 0;
}

static const struct super_ops pseudo_super_ops = {
    .inode_free = pseudo_inode_free, .statfs = pseudo_statfs, .release = pseudo_release};

int pseudo_mount(const struct pseudo_node *root, const char *type, const char *source, u32 magic,
                 u64 flags, struct super **out)
{
	struct super *sb = calloc(1, sizeof(*sb));
	int err;

	if (!sb)
		return -ENOMEM;
	err = super_init(sb, &pseudo_super_ops, type, source, magic, flags);
	if (err) {
		free(sb);
		return err;
	}
	sb->root = inode_make(sb, root, NULL, (struct pseudo_ref){0}, 1);
	if (!sb->root) {
		super_put(sb);
		return -ENOMEM;
	}
	*out = sb;
	return 0;
}
