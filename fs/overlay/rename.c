/*
 * Renaming. What moves has an upper inode by then, so the upper layer's own
 * rename does it; around it the old name is covered if a lower layer has it, and a
 * directory is marked so that it takes its lower ones along, or none.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fs/overlay/overlay_internal.h"

struct move {
	struct overlay *ov;
	struct overlay_inode *od, *nd, *victim, *replaced; /* replaced may be NULL */
	const char *oldname, *newname;
	bool exchange;
};

/*
 * The upper inode of o under name in the upper directory ud, with a reference.
 * A hard link of a lower file that was copied up under another name gets its own name here.
 */
static int materialize(struct inode *ud, const char *name, struct overlay_inode *o,
                       struct inode **out)
{
	int err = layer_lookup(ud, name, out);

	if (err == -ENOENT) {
		err = layer_link(ud, name, overlay_upper(o));
		if (!err)
			*out = inode_get(overlay_upper(o));
	}
	return err;
}

/* --- the marks of a directory ----------------------------------------------------------------- */

/*
 * Where o's lower directories are, from the root of their layers: known by its place, unless it
 * or a parent has moved, and then by the mark it got. Into buf, from its end; NULL: unknown.
 */
static char *lower_path(struct overlay_inode *o, char *buf, size_t size)
{
	char *at = buf + size - 1;

	for (*at = '\0'; o->parent; o = o->parent) {
		struct inode *u = overlay_upper(o);
		char *moved = NULL;
		const char *part = o->name;
		size_t len;

		/* A mark is a path from the root, or another name in the same directory. */
		if (u && layer_redirect(u, &moved) == 0)
			part = moved;
		len = strlen(part);
		if (len + 1 > (size_t)(at - buf)) {
			free(moved);
			return NULL;
		}
		at = memcpy(at - len, part, len);
		free(moved);
		if (*at == '/')
			return at;
		*--at = '/';
	}
	return at;
}

/*
 * o, a directory, is about to be called otherwise. covers: the new name means something
 * in a lower layer. With marks the layer can be used again another day; today the
 * origin record is what counts, so only a failure to be opaque matters.
 */
static int mark_moved(struct overlay *ov, struct overlay_inode *o, bool covers)
{
	struct inode *u = overlay_upper(o);
	char *buf, *path;
	int err = 0;

	if (!inode_is_dir(&o->inode))
		return 0;
	if (o->nlowers == 0)
		return covers && !layer_is_opaque(u) ? layer_set_opaque(ov, u) : 0;
	if (!overlay_origin_get(ov, o))
		return -ENOMEM;
	buf = malloc(4096);
	path = buf ? lower_path(o, buf, 4096) : NULL;
	if (path)
		err = layer_set_redirect(ov, u, path);
	free(buf);
	return err == -ENOSPC || err == -EDQUOT || err == -EROFS ? err : 0;
}

/* --- the move ------------------------------------------------------------------------------------
 */

/* Clears what stands under the new name, if the layer's own rename could not replace it. */
static int clear_target(struct inode *ud, const char *name, bool dir, struct inode **nu)
{
	int err = layer_lookup(ud, name, nu);

	if (err) {
		*nu = NULL;
		return err == -ENOENT ? 0 : err;
	}
	if (inode_is_dir(*nu) == dir)
		return 0;
	/* A directory where a whiteout is, or a file where nothing but an empty shell was left. */
	err = layer_remove(ud, name, *nu);
	inode_put(*nu);
	*nu = NULL;
	return err;
}

static int move_upper(const struct move *m, struct inode *vu, bool cover)
{
	struct inode *oud = overlay_upper(m->od), *nud = overlay_upper(m->nd), *nu;
	int err = clear_target(nud, m->newname, inode_is_dir(vu), &nu);

	if (err)
		return err;
	err = layer_rename(oud, m->oldname, vu, nud, m->newname, nu, cover ? RENAME_WHITEOUT : 0);
	/* Not every file system has that flag. */
	if (err == -EINVAL && cover) {
		err = layer_rename(oud, m->oldname, vu, nud, m->newname, nu, 0);
		if (!err)
			err = layer_whiteout(oud, m->oldname);
	}
	inode_put(nu);
	return err;
}

static int exchange_upper(const struct move *m, struct inode *vu)
{
	struct inode *ru;
	int err = materialize(overlay_upper(m->nd), m->newname, m->replaced, &ru);

	if (err)
		return err;
	err = layer_rename(overlay_upper(m->od), m->oldname, vu, overlay_upper(m->nd), m->newname,
	                   ru, RENAME_EXCHANGE);
	inode_put(ru);
	return err;
}

/* The moved ones are at their new places. Out of memory: they are found when looked up. */
static void follow_places(const struct move *m)
{
	overlay_clear_place(m->victim, m->od, m->oldname);
	if (m->exchange)
		overlay_clear_place(m->replaced, m->nd, m->newname);
	else if (m->replaced)
		overlay_name_lost(m->ov, m->replaced, m->nd, m->newname);
	if (!m->victim->parent && overlay_set_place(m->victim, m->nd, m->newname) == -ENOMEM)
		return;
	if (m->exchange && !m->replaced->parent &&
	    overlay_set_place(m->replaced, m->od, m->oldname) == -ENOMEM)
		return;
}

static int rename_committed(const struct move *m)
{
	int below_old = overlay_lower_has(m->od, m->oldname);
	int below_new = overlay_lower_has(m->nd, m->newname);
	struct inode *vu;
	int err;

	if (below_old < 0 || below_new < 0)
		return min_of(below_old, below_new);
	err = materialize(overlay_upper(m->od), m->oldname, m->victim, &vu);
	if (err)
		return err;
	err = mark_moved(m->ov, m->victim, below_new);
	if (!err && m->exchange)
		err = mark_moved(m->ov, m->replaced, below_old);
	if (!err)
		err = m->exchange ? exchange_upper(m, vu) : move_upper(m, vu, below_old);
	inode_put(vu);
	if (!err)
		follow_places(m);
	return err;
}

/* Whatever the change needs in the upper layer. */
static int prepare(const struct move *m)
{
	int err = overlay_copy_up(m->od, COPY_ALL);

	if (!err)
		err = overlay_copy_up(m->nd, COPY_ALL);
	if (!err)
		err = overlay_copy_up(m->victim, COPY_ALL);
	if (err || !m->replaced)
		return err;
	if (m->exchange)
		return overlay_copy_up(m->replaced, COPY_ALL);
	if (inode_is_dir(&m->replaced->inode))
		err = overlay_empty_dir(m->replaced);
	if (!err && m->replaced->lower && !overlay_origin_get(m->ov, m->replaced))
		err = -ENOMEM;
	return err;
}

int overlay_rename(struct inode *olddir, const char *oldname, struct inode *victim,
                   struct inode *newdir, const char *newname, struct inode *replaced, u32 flags)
{
	struct move m = {
	    .ov = overlay_of(olddir),
	    .od = to_overlay(olddir),
	    .nd = to_overlay(newdir),
	    .victim = to_overlay(victim),
	    .replaced = replaced ? to_overlay(replaced) : NULL,
	    .oldname = oldname,
	    .newname = newname,
	    .exchange = flags & RENAME_EXCHANGE,
	};
	int err;

	/* fs/overlayfs/dir.c:ovl_rename. */
	if (flags & ~(u32)RENAME_EXCHANGE)
		return -EINVAL;
	if (newdir == m.ov->sb.root && !strcmp(newname, OVERLAY_WORK))
		return -EPERM;
	err = prepare(&m);
	if (err)
		return err;
	mutex_acquire(&m.ov->commit);
	if (m.replaced && !m.exchange)
		err = overlay_keep_for_links(m.ov, m.replaced);
	if (!err)
		err = rename_committed(&m);
	mutex_release(&m.ov->commit);
	overlay_dir_changed(m.od);
	if (m.nd != m.od)
		overlay_dir_changed(m.nd);
	overlay_getattr(victim);
	return err;
}
