/*
 * Mounting: the layers, the work directory, the root.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include "fs/overlay/overlay.h"
#include "fs/overlay/overlay_internal.h"

#define OVERLAYFS_SUPER_MAGIC 0x794c7630

static int overlay_statfs(struct super *sb, struct statfs *out)
{
	struct overlay *ov = container_of(sb, struct overlay, sb);
	struct super *layer = ov->upper ? ov->upper : ov->lower[0];
	int err = layer->ops->statfs ? layer->ops->statfs(layer, out) : -ENOSYS;

	out->f_type = OVERLAYFS_SUPER_MAGIC;
	return err;
}

static void overlay_release_super(struct super *sb)
{
	struct overlay *ov = container_of(sb, struct overlay, sb);

	inode_put(ov->work);
	overlay_tables_destroy(ov);
	mutex_destroy(&ov->commit);
	for (unsigned i = 0; i < ov->nlower; i++)
		super_put(ov->lower[i]);
	free(ov->lower);
	super_put(ov->upper);
}

static const struct super_ops overlay_super_ops = {
    .inode_free = overlay_inode_free,
    .statfs = overlay_statfs,
    .release = overlay_release_super,
};

/* --- the work directory ------------------------------------------------------------------- */

/* An upper layer that has no work directory is new: its root is to look like the lower one. */
static int open_work(struct overlay *ov)
{
	struct create c = {.mode = S_IFDIR | 0700};
	struct inode *root = ov->upper->root;
	struct setattr s = {.valid = SET_UID | SET_GID | SET_CTIME};
	struct attr a;
	int err = layer_lookup(root, OVERLAY_WORK, &ov->work);

	if (!err) {
		/* What a sandbox that was killed left half done is of no use to anyone. */
		ov->redirects = true;
		return layer_clear(ov->work, false);
	}
	if (err != -ENOENT)
		return err;
	err = layer_create(root, OVERLAY_WORK, &c, &ov->work);
	if (err)
		return err;
	inode_attr(ov->lower[0]->root, &a);
	s.uid = a.uid;
	s.gid = a.gid;
	s.ctime = a.ctime;
	err = layer_setattr(root, &s);
	/* An ordinary user's directory stays the user's. */
	if (err == -EPERM || !err)
		err = overlay_copy_xattrs(ov->lower[0]->root, root);
	return err ? err : overlay_copy_attr(ov->lower[0]->root, root);
}

static int open_root(struct overlay *ov)
{
	struct overlay_stack st = {0};
	struct overlay_inode *root;
	int err;

	for (unsigned i = 0; i < ov->nlower; i++) {
		err = overlay_stack_push(&st, inode_get(ov->lower[i]->root));
		if (err) {
			overlay_stack_drop(&st);
			return err;
		}
	}
	if (ov->upper)
		st.upper = inode_get(ov->upper->root);
	err = overlay_obtain(ov, &st, NULL, NULL, &root);
	if (!err)
		ov->sb.root = &root->inode;
	return err;
}

/* An inode of a layer knows of one overlay only. */
static bool layer_ok(const struct super *layer)
{
	return (layer->flags & SB_LOWER) && !layer->root->view;
}

static bool layers_ok(struct super *const lower[], unsigned nlower, const struct super *upper)
{
	if (nlower == 0 || (upper && (!layer_ok(upper) || upper->flags & MS_RDONLY)))
		return false;
	for (unsigned i = 0; i < nlower; i++)
		if (!layer_ok(lower[i]) || !inode_is_dir(lower[i]->root))
			return false;
	return true;
}

/* SB_LASTS and SB_TELLS, if they are true of all layers. */
static u64 lasts(struct super *const lower[], unsigned nlower, const struct super *upper)
{
	u64 all = upper ? upper->flags : SB_LASTS | SB_TELLS;

	for (unsigned i = 0; i < nlower; i++)
		all &= lower[i]->flags;
	return all & (SB_LASTS | SB_TELLS);
}

int overlay_mount(struct super *const lower[], unsigned nlower, struct super *upper,
                  struct super **out)
{
	struct overlay *ov;
	int err;

	if (!layers_ok(lower, nlower, upper))
		return -EINVAL;
	ov = calloc(1, sizeof(*ov));
	if (!ov)
		return -ENOMEM;
	ov->lower = malloc(nlower * sizeof(*ov->lower));
	overlay_tables_init(ov);
	err = ov->lower ? 0 : -ENOMEM;
	if (!err) {
		err = super_init(&ov->sb, &overlay_super_ops, "overlay", "overlay",
		                 OVERLAYFS_SUPER_MAGIC,
		                 (upper ? 0 : MS_RDONLY) | lasts(lower, nlower, upper));
		if (err)
			overlay_tables_destroy(ov);
	}
	if (err) {
		free(ov->lower);
		free(ov);
		return err;
	}
	mutex_init(&ov->commit, RANK_OVERLAY_COMMIT);
	lock_init(&ov->lock, RANK_SUPER);
	atomic_init(&ov->work_next, 1);
	for (ov->nlower = 0; ov->nlower < nlower; ov->nlower++)
		ov->lower[ov->nlower] = super_get(lower[ov->nlower]);
	if (upper) {
		ov->upper = super_get(upper);
		err = open_work(ov);
	}
	if (!err)
		err = open_root(ov);
	if (err) {
		super_put(&ov->sb);
		return err;
	}
	*out = &ov->sb;
	return 0;
}
