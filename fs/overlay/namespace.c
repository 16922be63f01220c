/*
 * Making and removing names. Each change copies up what it needs first, and then
 * takes ov->commit for the change itself.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include "fs/overlay/overlay_internal.h"

void overlay_dir_changed(struct overlay_inode *d)
{
	atomic_fetch_add(&d->version, 1);
	overlay_getattr(&d->inode);
}

/* The whiteout that covers name in an upper directory: 0 with *out NULL if there is none. */
static int find_whiteout(struct inode *ud, const char *name, struct inode **out)
{
	int err = layer_lookup(ud, name, out);

	if (err) {
		*out = NULL;
		return err == -ENOENT ? 0 : err;
	}
	if (layer_is_whiteout(*out))
		return 0;
	/* The view has no such name, and yet the layer does: someone else has put it there. */
	inode_put(*out);
	*out = NULL;
	return -EEXIST;
}

/* Puts what was made in the work directory in the place of a whiteout. */
static int uncover(struct overlay *ov, const char *work, struct inode *i, struct inode *ud,
                   const char *name, struct inode *white)
{
	int err;

	if (!inode_is_dir(i))
		return layer_rename(ov->work, work, i, ud, name, white, 0);
	err = layer_set_opaque(ov, i);
	if (!err)
		err = layer_remove(ud, name, white);
	return err ? err : layer_rename(ov->work, work, i, ud, name, NULL, 0);
}

static int create_upper(struct overlay *ov, struct inode *ud, const char *name,
                        const struct create *c, struct inode **out)
{
	struct inode *white;
	char work[24];
	int err = find_whiteout(ud, name, &white);

	if (err)
		return err;
	if (!white)
		return layer_create(ud, name, c, out);
	overlay_work_name(ov, work);
	err = layer_create(ov->work, work, c, out);
	if (!err) {
		err = uncover(ov, work, *out, ud, name, white);
		if (err && layer_remove(ov->work, work, *out) == 0)
			inode_put(*out);
	}
	inode_put(white);
	return err;
}

int overlay_create(struct inode *dir, const char *name, const struct create *c, struct inode **out)
{
	struct overlay *ov = overlay_of(dir);
	struct overlay_inode *d = to_overlay(dir), *o;
	struct overlay_stack st = {0};
	int err;

	/* fs/overlayfs/dir.c:ovl_mknod: nobody but the overlay makes whiteouts. */
	if (S_ISCHR(c->mode) && c->rdev == 0)
		return -EPERM;
	if (dir == ov->sb.root && !strcmp(name, OVERLAY_WORK))
		return -EPERM;
	err = overlay_copy_up(d, COPY_ALL);
	if (err)
		return err;
	mutex_acquire(&ov->commit);
	err = create_upper(ov, overlay_upper(d), name, c, &st.upper);
	mutex_release(&ov->commit);
	if (err)
		return err;
	overlay_dir_changed(d);
	err = overlay_obtain(ov, &st, d, name, &o);
	if (!err)
		*out = &o->inode;
	return err;
}

int overlay_tmpfile(struct inode *dir, const struct create *c, struct inode **out)
{
	struct overlay *ov = overlay_of(dir);
	struct overlay_stack st = {0};
	struct overlay_inode *o;
	int err;

	if (!ov->upper)
		return -EROFS;
	if (!ov->work->ops->tmpfile)
		return -EOPNOTSUPP;
	/* It has no name, so any directory of the layer will do. */
	mutex_acquire(&ov->work->mutex);
	err = ov->work->ops->tmpfile(ov->work, c, &st.upper);
	mutex_release(&ov->work->mutex);
	if (!err)
		err = overlay_obtain(ov, &st, NULL, NULL, &o);
	if (!err)
		*out = &o->inode;
	return err;
}

/* One more name in the view for o, whose upper inode has got it. */
static void name_won(struct overlay *ov, struct overlay_inode *o)
{
	lock_acquire(&ov->lock);
	if (o->origin)
		o->origin->nlink++;
	lock_release(&ov->lock);
}

static int link_upper(struct overlay *ov, struct inode *ud, const char *name, struct inode *target)
{
	struct inode *white;
	char work[24];
	int err = find_whiteout(ud, name, &white);

	if (err)
		return err;
	if (!white)
		return layer_link(ud, name, target);
	overlay_work_name(ov, work);
	err = layer_link(ov->work, work, target);
	if (!err) {
		err = layer_rename(ov->work, work, target, ud, name, white, 0);
		if (err && layer_remove(ov->work, work, target) < 0)
			err = -EIO;
	}
	inode_put(white);
	return err;
}

int overlay_link(struct inode *dir, const char *name, struct inode *target)
{
	struct overlay *ov = overlay_of(dir);
	struct overlay_inode *d = to_overlay(dir), *t = to_overlay(target);
	int err;

	if (dir == ov->sb.root && !strcmp(name, OVERLAY_WORK))
		return -EPERM;
	err = overlay_copy_up(d, COPY_ALL);
	if (!err)
		err = overlay_copy_up(t, COPY_ALL);
	if (err)
		return err;
	mutex_acquire(&ov->commit);
	err = link_upper(ov, overlay_upper(d), name, overlay_upper(t));
	if (!err) {
		name_won(ov, t);
		/* Without a place it could still be found by this name. */
		if (!t->parent)
			err = overlay_set_place(t, d, name);
	}
	mutex_release(&ov->commit);
	overlay_dir_changed(d);
	overlay_getattr(target);
	return err;
}

/* --- removing ------------------------------------------------------------------------------ */

void overlay_name_lost(struct overlay *ov, struct overlay_inode *o, struct overlay_inode *d,
                       const char *name)
{
	struct overlay_origin *r;
	struct inode *kept;
	char work[24];
	u32 left = 0;

	overlay_clear_place(o, d, name);
	lock_acquire(&ov->lock);
	r = o->origin;
	if (r) {
		if (inode_is_dir(&o->inode))
			r->nlink = 0;
		else if (r->nlink)
			r->nlink--;
		left = r->nlink;
	}
	lock_release(&ov->lock);
	/* The last link is gone: the copy that waited for it goes, too. */
	if (r && r->kept && left == 0) {
		snprintf(work, sizeof(work), "#%llx", (unsigned long long)r->kept);
		if (layer_lookup(ov->work, work, &kept) == 0) {
			if (layer_remove(ov->work, work, kept) == 0)
				r->kept = 0;
			inode_put(kept);
		}
	}
	overlay_getattr(&o->inode);
	/* Of an unchanged lower object nothing but the count has changed. */
	overlay_sync_attr(o);
	if (inode_is_dir(&o->inode))
		inode_set_nlink(&o->inode, 0);
}

int overlay_cover(struct overlay *ov, struct inode *ud, const char *name, struct inode *u)
{
	struct create c = {.mode = S_IFCHR};
	struct inode *white;
	char work[24];
	int err;

	if (u && inode_is_dir(u)) {
		err = layer_remove(ud, name, u);
		if (err)
			return err;
		u = NULL;
	}
	if (!u)
		return layer_whiteout(ud, name);
	/* In one step: the lower name must not show through in between. */
	overlay_work_name(ov, work);
	err = layer_create(ov->work, work, &c, &white);
	if (err)
		return err;
	err = layer_rename(ov->work, work, white, ud, name, u, 0);
	if (err && layer_remove(ov->work, work, white) < 0)
		err = -EIO;
	inode_put(white);
	return err;
}

int overlay_keep_for_links(struct overlay *ov, struct overlay_inode *o)
{
	struct overlay_origin *r = o->origin;
	struct inode *u = overlay_upper(o);
	char work[24];
	struct attr a;
	u64 number;
	int err;

	if (!r || !u || r->kept || r->nlink <= 1 || inode_is_dir(u))
		return 0;
	inode_attr(u, &a);
	if (a.nlink > 1)
		return 0;
	number = overlay_work_name(ov, work);
	err = layer_link(ov->work, work, u);
	if (!err)
		r->kept = number;
	return err;
}

/* Takes name out of the upper directory ud, and covers what is below it. */
static int remove_upper(struct overlay *ov, struct inode *ud, const char *name, bool below)
{
	struct inode *u = NULL;
	int err = layer_lookup(ud, name, &u);

	if (err == -ENOENT)
		u = NULL;
	else if (err)
		return err;
	if (below)
		err = overlay_cover(ov, ud, name, u);
	else
		err = u ? layer_remove(ud, name, u) : 0;
	inode_put(u);
	return err;
}

static int remove_name(struct inode *dir, const char *name, struct inode *victim)
{
	struct overlay *ov = overlay_of(dir);
	struct overlay_inode *d = to_overlay(dir), *v = to_overlay(victim);
	int below, err = overlay_copy_up(d, COPY_ALL);

	if (err)
		return err;
	/* So that its link count can be told from now on. */
	if (v->lower && !overlay_origin_get(ov, v))
		return -ENOMEM;
	mutex_acquire(&ov->commit);
	below = overlay_lower_has(d, name);
	err = min_of(below, 0);
	if (!err)
		err = overlay_keep_for_links(ov, v);
	if (!err)
		err = remove_upper(ov, overlay_upper(d), name, below);
	if (!err)
		overlay_name_lost(ov, v, d, name);
	mutex_release(&ov->commit);
	overlay_dir_changed(d);
	return err;
}

int overlay_unlink(struct inode *dir, const char *name, struct inode *victim)
{
	return remove_name(dir, name, victim);
}

int overlay_empty_dir(struct overlay_inode *o)
{
	struct inode *u = overlay_upper(o);
	int err = overlay_dir_is_empty(o);

	if (err <= 0)
		return err ? err : -ENOTEMPTY;
	return u ? layer_clear(u, true) : 0;
}

int overlay_rmdir(struct inode *dir, const char *name, struct inode *victim)
{
	int err = overlay_empty_dir(to_overlay(victim));

	return err ? err : remove_name(dir, name, victim);
}
