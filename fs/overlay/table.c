/*
 * Overlay inodes and what is remembered of them.
 *
 * A real inode leads to at most one overlay inode (inode->view), so that hard links of a lower
 * file meet in one object, and a copy is the same object as its original. That
 * holds no reference; origins hold real inodes only, so nothing here
 * keeps the overlay itself alive.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/census.h"
#include "fs/overlay/overlay_internal.h"

static CENSUS(origin_census, "overlay origin");

static const struct inode_ops overlay_dir_ops, overlay_file_ops, overlay_link_ops,
    overlay_special_ops;

static u32 real_hash(const struct inode *real)
{
	return hash_u64((uintptr_t)real);
}

/* By number and not by address: a listing knows no more of an entry. */
static u32 ino_hash(u64 ino)
{
	return hash_u64(ino);
}

void overlay_tables_init(struct overlay *ov)
{
	hash_table_init(&ov->by_upper);
	hash_table_init(&ov->by_lower);
}

/* one: where a single one is kept without an array. */
static void lowers_put(struct inode **lowers, unsigned n, struct inode **one)
{
	for (unsigned i = 0; i < n; i++)
		inode_put(lowers[i]);
	if (lowers != one)
		free(lowers);
}

int overlay_stack_push(struct overlay_stack *st, struct inode *lower)
{
	struct inode **more;

	if (st->n == 0) {
		st->one = lower;
		st->lowers = &st->one;
		st->n = 1;
		return 0;
	}
	more = realloc(st->lowers == &st->one ? NULL : st->lowers, (st->n + 1) * sizeof(*more));
	if (!more) {
		inode_put(lower);
		return -ENOMEM;
	}
	if (st->lowers == &st->one)
		more[0] = st->one;
	st->lowers = more;
	st->lowers[st->n++] = lower;
	return 0;
}

void overlay_stack_drop(struct overlay_stack *st)
{
	inode_put(st->upper);
	lowers_put(st->lowers, st->n, &st->one);
	*st = (struct overlay_stack){0};
}

/* --- numbers and attributes ----------------------------------------------------------- */

/* Layers number their inodes independently: each but the first lower one gets a mark. */
u64 overlay_ino(const struct overlay *ov, const struct super *layer, u64 ino)
{
	u64 mark = ov->nlower;

	for (unsigned i = 0; i < ov->nlower; i++)
		if (ov->lower[i] == layer)
			mark = i;
	return ino ^ mark << 52;
}

u64 overlay_entry_ino(struct overlay *ov, const struct super *layer, u64 ino)
{
	const struct hash_node *n;

	if (layer == ov->upper) {
		lock_guard(&ov->lock);
		HASH_TABLE_FOREACH (n, &ov->by_upper, ino_hash(ino)) {
			const struct overlay_origin *r =
			    container_of(n, struct overlay_origin, upper_link);

			if (r->upper->ino == ino)
				return overlay_ino(ov, r->lower->sb, r->lower->ino);
		}
	}
	return overlay_ino(ov, layer, ino);
}

/* As in Linux: a count of subdirectories would have to read every layer. */
static void count_links(struct attr *a, bool merged)
{
	if (S_ISDIR(a->mode) && merged && a->nlink)
		a->nlink = 1;
}

void overlay_sync_attr(struct overlay_inode *o)
{
	struct overlay *ov = overlay_of(&o->inode);
	struct attr a;

	/* Over both steps, or a slow copy could undo a later one. */
	lock_guard(&o->sync);
	inode_attr_for(overlay_real(o), &o->inode, &a);
	count_links(&a, overlay_is_merged(o));
	lock_acquire(&ov->lock);
	if (o->origin && (!S_ISDIR(a.mode) || o->origin->nlink == 0))
		a.nlink = o->origin->nlink;
	lock_release(&ov->lock);
	lock_acquire(&o->inode.attr_lock);
	inode_replace_attr_locked(&o->inode, &a);
	lock_release(&o->inode.attr_lock);
}

/* --- which inode shows a real one -------------------------------------------------------- */

static void unshow_locked(struct inode *real, const struct overlay_inode *o)
{
	if (real && real->view == &o->inode)
		real->view = NULL;
}

/* With a reference. */
static struct overlay_inode *find_locked(struct inode *real)
{
	struct inode *view = real->view;

	return view && ref_get_unless_zero(&view->ref) ? to_overlay(view) : NULL;
}

static struct overlay_origin *origin_of_lower_locked(struct overlay *ov, const struct inode *lower)
{
	struct hash_node *n;

	HASH_TABLE_FOREACH (n, &ov->by_lower, real_hash(lower)) {
		struct overlay_origin *r = container_of(n, struct overlay_origin, lower_link);

		if (r->lower == lower)
			return r;
	}
	return NULL;
}

static struct overlay_origin *origin_of_upper_locked(struct overlay *ov, const struct inode *upper)
{
	struct hash_node *n;

	HASH_TABLE_FOREACH (n, &ov->by_upper, ino_hash(upper->ino)) {
		struct overlay_origin *r = container_of(n, struct overlay_origin, upper_link);

		if (r->upper == upper)
			return r;
	}
	return NULL;
}

static const struct inode_ops *ops_for(u32 mode)
{
	if (S_ISDIR(mode))
		return &overlay_dir_ops;
	if (S_ISREG(mode))
		return &overlay_file_ops;
	return S_ISLNK(mode) ? &overlay_link_ops : &overlay_special_ops;
}

/* Takes over the stack's references, unless there is no memory (NULL). name: its place, or NULL. */
static struct overlay_inode *inode_create(struct overlay *ov, struct overlay_stack *st,
                                          struct overlay_inode *parent, const char *name)
{
	size_t room = parent ? strlen(name) + 1 : 0;
	struct overlay_inode *o = calloc(1, sizeof(*o) + room);
	struct inode *first = st->n ? st->lowers[0] : st->upper;
	struct attr a;

	if (!o)
		return NULL;
	inode_attr(first, &a);
	count_links(&a, st->n + (st->upper != NULL) > 1);
	atomic_init(&o->upper, st->upper);
	o->lower = st->n ? st->lowers[0] : NULL;
	o->lowers = st->n > 1 ? st->lowers : &o->lower;
	o->nlowers = st->n;
	if (st->n <= 1 && st->lowers != &st->one)
		free(st->lowers);
	*st = (struct overlay_stack){0};
	mutex_init(&o->copy, RANK_OVERLAY_COPY);
	lock_init(&o->sync, RANK_OVERLAY_ATTR);
	inode_init_attr(&o->inode, &ov->sb, ops_for(a.mode), overlay_ino(ov, first->sb, first->ino),
	                &a);
	/* Nobody else sees it yet: its place needs no lock. */
	if (parent) {
		o->name = memcpy(o->first_name, name, room);
		o->parent = parent;
		inode_get(&parent->inode);
	}
	return o;
}

/* A file's copy may have been made under another name: its origin knows. */
static void attach_origin_locked(struct overlay *ov, struct overlay_inode *o)
{
	struct inode *u = overlay_upper(o);

	if (!o->lower)
		return;
	o->origin = u ? origin_of_upper_locked(ov, u) : origin_of_lower_locked(ov, o->lower);
	if (o->origin && !u && o->origin->upper)
		atomic_store_explicit(&o->upper, inode_get(o->origin->upper), memory_order_release);
}

static void insert_locked(struct overlay *ov, struct overlay_inode *o)
{
	struct inode *u;

	attach_origin_locked(ov, o);
	u = overlay_upper(o);
	if (u)
		u->view = &o->inode;
	if (o->lower)
		o->lower->view = &o->inode;
}

/* A name for an inode that had lost all that were known. */
static int give_place(struct overlay *ov, struct overlay_inode *o, struct overlay_inode *parent,
                      const char *name)
{
	mutex_guard(&ov->commit);
	return o->parent ? 0 : overlay_set_place(o, parent, name);
}

int overlay_obtain(struct overlay *ov, struct overlay_stack *st, struct overlay_inode *parent,
                   const char *name, struct overlay_inode **out)
{
	struct inode *key = st->upper ? st->upper : st->lowers[0];
	struct overlay_inode *found, *fresh;
	bool copied;
	int err = 0;

	lock_acquire(&ov->lock);
	found = find_locked(key);
	lock_release(&ov->lock);
	if (found) {
		overlay_stack_drop(st);
		if (parent && !__atomic_load_n(&found->parent, __ATOMIC_RELAXED))
			err = give_place(ov, found, parent, name);
		if (err)
			inode_put(&found->inode);
		else
			*out = found;
		return err;
	}
	fresh = inode_create(ov, st, parent, name);
	if (!fresh) {
		overlay_stack_drop(st);
		return -ENOMEM;
	}
	lock_acquire(&ov->lock);
	found = find_locked(key);
	if (!found)
		insert_locked(ov, fresh);
	/* What only shows a lower object was born with its attributes. */
	copied = overlay_upper(fresh) || fresh->origin;
	lock_release(&ov->lock);
	if (found)
		inode_put(&fresh->inode);
	else if (copied)
		overlay_sync_attr(fresh);
	*out = found ? found : fresh;
	return 0;
}

static void origin_free(struct overlay_origin *r)
{
	if (!r)
		return;
	inode_put(r->upper);
	inode_put(r->lower);
	lowers_put(r->lowers, r->nlowers, NULL);
	free(r);
	census_add(&origin_census, -1);
}

static void name_free(struct overlay_inode *o)
{
	if (o->name != o->first_name)
		free(o->name);
	o->name = NULL;
}

/*
 * A parent may be held by nothing but its children's places. The dead are queued and
 * buried by whoever is at it already: no recursion on a fiber's small stack.
 */
void overlay_inode_free(struct inode *i)
{
	struct overlay *ov = overlay_of(i);
	struct overlay_inode *o = to_overlay(i);
	struct overlay_origin *over = NULL;

	lock_acquire(&ov->lock);
	unshow_locked(overlay_upper(o), o);
	unshow_locked(o->lower, o);
	if (o->origin && o->origin->nlink == 0) {
		over = o->origin;
		hash_table_remove(&ov->by_lower, &over->lower_link);
		if (over->upper)
			hash_table_remove(&ov->by_upper, &over->upper_link);
	}
	o->origin = over;
	o->next_dying = ov->dying;
	ov->dying = o;
	if (ov->burying) {
		lock_release(&ov->lock);
		return;
	}
	ov->burying = true;
	while ((o = ov->dying)) {
		ov->dying = o->next_dying;
		lock_release(&ov->lock);
		origin_free(o->origin);
		inode_put(overlay_upper(o));
		lowers_put(o->lowers, o->nlowers, &o->lower);
		overlay_list_put(o->list);
		mutex_destroy(&o->copy);
		name_free(o);
		if (o->parent)
			inode_put(&o->parent->inode);
		free(o);
		lock_acquire(&ov->lock);
	}
	ov->burying = false;
	lock_release(&ov->lock);
}

/* --- origins -------------------------------------------------------------------------------- */

static struct inode **lowers_get(struct inode *const *lowers, unsigned n)
{
	struct inode **copy = malloc(max_of(n, 1u) * sizeof(*copy));

	for (unsigned i = 0; copy && i < n; i++)
		copy[i] = inode_get(lowers[i]);
	return copy;
}

int overlay_recall(struct overlay *ov, struct overlay_stack *st)
{
	struct overlay_origin *r;

	lock_guard(&ov->lock);
	r = origin_of_upper_locked(ov, st->upper);
	if (!r)
		return -ENOENT;
	st->lowers = lowers_get(r->lowers, r->nlowers);
	st->n = st->lowers ? r->nlowers : 0;
	return st->lowers ? 0 : -ENOMEM;
}

static struct overlay_origin *origin_create(struct overlay_inode *o)
{
	struct overlay_origin *r = calloc(1, sizeof(*r));
	struct attr a;

	if (!r)
		return NULL;
	census_add(&origin_census, 1);
	inode_attr(&o->inode, &a);
	r->nlink = a.nlink;
	r->lower = inode_get(o->lower);
	r->lowers = lowers_get(o->lowers, o->nlowers);
	r->nlowers = r->lowers ? o->nlowers : 0;
	if (!r->lowers) {
		origin_free(r);
		return NULL;
	}
	return r;
}

struct overlay_origin *overlay_origin_get(struct overlay *ov, struct overlay_inode *o)
{
	struct overlay_origin *r, *surplus = NULL;

	if (!o->lower)
		return NULL;
	lock_acquire(&ov->lock);
	r = o->origin;
	lock_release(&ov->lock);
	if (r)
		return r;
	r = origin_create(o);
	if (!r)
		return NULL;
	lock_acquire(&ov->lock);
	if (o->origin) {
		surplus = r;
		r = o->origin;
	} else {
		/* An upper inode at this point was found merged, made on an earlier day. */
		r->upper = overlay_upper(o);
		if (r->upper) {
			inode_get(r->upper);
			hash_table_insert(&ov->by_upper, &r->upper_link, ino_hash(r->upper->ino));
		}
		hash_table_insert(&ov->by_lower, &r->lower_link, real_hash(r->lower));
		o->origin = r;
	}
	lock_release(&ov->lock);
	origin_free(surplus);
	return r;
}

void overlay_set_upper(struct overlay *ov, struct overlay_inode *o, struct inode *upper)
{
	struct overlay_origin *r = o->origin;

	lock_guard(&ov->lock);
	r->upper = inode_get(upper);
	hash_table_insert(&ov->by_upper, &r->upper_link, ino_hash(upper->ino));
	upper->view = &o->inode;
	/* Whoever has been told of o is to hear of the first change of what nobody else has yet. */
	inode_attr_shown(upper, &o->inode);
	atomic_store_explicit(&o->upper, upper, memory_order_release);
}

void overlay_tables_destroy(struct overlay *ov)
{
	struct hash_node *n, *next;

	/* The last inode is gone, and with it whatever else could come here. */
	hash_table_take_all(&ov->by_upper);
	for (n = hash_table_take_all(&ov->by_lower); n; n = next) {
		next = n->next;
		origin_free(container_of(n, struct overlay_origin, lower_link));
	}
	hash_table_destroy(&ov->by_upper);
	hash_table_destroy(&ov->by_lower);
}

/* --- places ------------------------------------------------------------------------------------
 */

int overlay_set_place(struct overlay_inode *o, struct overlay_inode *parent, const char *name)
{
	struct overlay_inode *old = o->parent;
	char *copy = NULL;

	if (name) {
		copy = strdup(name);
		if (!copy)
			return -ENOMEM;
		inode_get(&parent->inode);
	}
	name_free(o);
	o->name = copy;
	o->parent = name ? parent : NULL;
	if (old)
		inode_put(&old->inode);
	return 0;
}

void overlay_clear_place(struct overlay_inode *o, const struct overlay_inode *parent,
                         const char *name)
{
	struct overlay_inode *old = o->parent;

	if (old != parent || strcmp(o->name, name))
		return;
	name_free(o);
	o->parent = NULL;
	inode_put(&old->inode);
}

/* --- the tables of operations
 * ---------------------------------------------------------------------- */

/* Shared by all types. */
#define OVERLAY_COMMON                                                                             \
	.getattr = overlay_getattr, .setattr = overlay_setattr, .getxattr = overlay_getxattr,      \
	.setxattr = overlay_setxattr, .listxattr = overlay_listxattr,                              \
	.removexattr = overlay_removexattr

static const struct inode_ops overlay_dir_ops = {
    OVERLAY_COMMON,           .lookup = overlay_lookup,   .create = overlay_create,
    .link = overlay_link,     .unlink = overlay_unlink,   .rmdir = overlay_rmdir,
    .rename = overlay_rename, .tmpfile = overlay_tmpfile, .open = overlay_open_dir,
};

static const struct inode_ops overlay_file_ops = {OVERLAY_COMMON, .open = overlay_open};
static const struct inode_ops overlay_link_ops = {OVERLAY_COMMON, .readlink = overlay_readlink};
static const struct inode_ops overlay_special_ops = {OVERLAY_COMMON, .open = overlay_open};
