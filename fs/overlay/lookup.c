/*
 * Looking a name up through the layers, as overlayfs does: the topmost object
 * counts; directories merge with those below them until something opaque,
 * a whiteout or a non-directory ends it. An upper directory that was renamed
 * says where its lower ones are (redirect).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "fs/overlay/overlay_internal.h"

/*
 * Adds what one lower directory has under a name. 1: look on below; 0: this
 * layer ends the search.
 */
static int push_from(struct overlay_stack *st, struct inode *dir, const char *name, bool last)
{
	struct inode *i;
	int err = layer_lookup(dir, name, &i);

	if (err == -ENOENT || err == -ENOTDIR)
		return 1;
	if (err)
		return err;
	if (layer_is_whiteout(i)) {
		inode_put(i);
		return 0;
	}
	if (!inode_is_dir(i) && (st->upper || st->n)) {
		/* A file below a directory is covered by it. */
		inode_put(i);
		return 0;
	}
	err = overlay_stack_push(st, i);
	if (err)
		return err;
	return inode_is_dir(i) && !last && !layer_is_opaque(i);
}

/* Everything that d's lower directories have under a name. */
static int gather(struct overlay_stack *st, const struct overlay_inode *d, const char *name)
{
	int more = 1;

	for (unsigned n = 0; n < d->nlowers && more == 1; n++)
		more = push_from(st, d->lowers[n], name, n + 1 == d->nlowers);
	return min_of(more, 0);
}

/* path: from the root of each lower layer. What is no directory there does not count. */
static int gather_path(struct overlay *ov, struct overlay_stack *st, const char *path)
{
	for (unsigned n = 0; n < ov->nlower; n++) {
		struct inode *at = inode_get(ov->lower[n]->root), *next;
		char name[NAME_LEN_MAX + 1];
		const char *p = path;
		int err = 0;

		while (!err && *(p += strspn(p, "/"))) {
			size_t len = strcspn(p, "/");

			if (len > NAME_LEN_MAX ||
			    (p[0] == '.' && (len == 1 || (len == 2 && p[1] == '.')))) {
				err = -ENOENT;
				break;
			}
			memcpy(name, p, len);
			name[len] = '\0';
			p += len;
			err = layer_lookup(at, name, &next);
			inode_put(at);
			at = err ? NULL : next;
		}
		if (!err && !inode_is_dir(at))
			err = -ENOTDIR;
		if (!err) {
			err = overlay_stack_push(st, at);
			at = NULL;
			if (!err && layer_is_opaque(st->lowers[st->n - 1]))
				break;
		}
		inode_put(at);
		if (err && err != -ENOENT && err != -ENOTDIR)
			return err;
	}
	return 0;
}

/* The lower directories of an upper one. */
static int merge_below(struct overlay *ov, struct overlay_stack *st,
                       const struct overlay_inode *parent, const char *name)
{
	char *path;
	int err = overlay_recall(ov, st);

	if (err != -ENOENT)
		return err;
	if (!parent->nlowers && !ov->redirects)
		return 0;
	if (layer_is_opaque(st->upper))
		return 0;
	err = layer_redirect(st->upper, &path);
	if (err == -ENODATA)
		return gather(st, parent, name);
	if (err)
		return err;
	/* As in Linux, a name alone is one in the same directory. */
	err = path[0] == '/' ? gather_path(ov, st, path) : gather(st, parent, path);
	free(path);
	return err;
}

int overlay_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct overlay *ov = overlay_of(dir);
	struct overlay_inode *d = to_overlay(dir), *o;
	struct overlay_stack st = {0};
	struct inode *ud = overlay_upper(d);
	char copy[NAME_LEN_MAX + 1];
	int err = -ENOENT;

	if (len > NAME_LEN_MAX)
		return -ENAMETOOLONG;
	memcpy(copy, name, len);
	copy[len] = '\0';
	if (dir == ov->sb.root && !strcmp(copy, OVERLAY_WORK))
		return -ENOENT;
	if (ud) {
		err = layer_lookup(ud, copy, &st.upper);
		if (err && err != -ENOENT)
			return err;
	}
	if (!err && layer_is_whiteout(st.upper))
		err = -ENOENT;
	else if (err)
		err = gather(&st, d, copy);
	else if (inode_is_dir(st.upper))
		err = merge_below(ov, &st, d, copy);
	else if (overlay_recall(ov, &st) == -ENOMEM)
		err = -ENOMEM;
	if (!err && !st.upper && !st.n)
		err = -ENOENT;
	if (err) {
		overlay_stack_drop(&st);
		return err;
	}
	err = overlay_obtain(ov, &st, d, copy, &o);
	if (!err)
		*out = &o->inode;
	return err;
}

int overlay_lower_has(struct overlay_inode *d, const char *name)
{
	struct overlay_stack st = {0};
	int err = gather(&st, d, name), found = st.n > 0;

	overlay_stack_drop(&st);
	return err ? err : found;
}
