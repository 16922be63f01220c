/*
 * Listing directories. Where only one real directory shows through, its own
 * listing is passed on, numbers translated. A merged one is read as a whole, from the
 * top layer down, each name once; the list is shared by all who read the directory until it
 * changes, and a position in it is an index.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "fs/overlay/overlay_internal.h"

struct list_entry {
	u64 ino;
	u32 name; /* offset in names */
	u8 len, type;
	bool white;  /* covers the name in lower layers, and is not listed */
	bool ask;    /* may be one of those */
	bool shared; /* an upper directory whose lower one has given it its number */
};

struct overlay_list {
	struct ref ref;
	u64 version; /* of the directory, when it was begun */
	struct list_entry *entries;
	char *names;
	size_t n, room, names_len, names_room;
};

struct overlay_dir {
	/* Guarded by the file's pos_mutex. */
	struct file *real;         /* passing on, or NULL */
	struct overlay_list *list; /* merged, or NULL */
	bool begun;                /* something was listed since that was chosen */
};

void overlay_list_put(struct overlay_list *l)
{
	if (!l || !ref_put(&l->ref))
		return;
	free(l->entries);
	free(l->names);
	free(l);
}

/* --- building a merged list ------------------------------------------------------------------- */

struct builder {
	struct overlay *ov;
	struct overlay_list *list;
	struct inode *layer; /* the real directory being read */
	u32 *hash;           /* entry index + 1; a power of two of slots, less than half full */
	size_t slots;
};

static u32 name_hash(const char *name, size_t len)
{
	u32 h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (u8)name[i]) * 16777619u;
	return h ^ h >> 15;
}

static u32 *builder_slot(const struct builder *b, const char *name, size_t len)
{
	for (size_t i = name_hash(name, len);; i++) {
		u32 *slot = &b->hash[i & (b->slots - 1)];
		const struct list_entry *e;

		if (!*slot)
			return slot;
		e = &b->list->entries[*slot - 1];
		if (e->len == len && !memcmp(b->list->names + e->name, name, len))
			return slot;
	}
}

static int builder_grow(struct builder *b)
{
	struct overlay_list *l = b->list;
	u32 *old = b->hash;

	b->slots = b->slots ? 2 * b->slots : 128;
	b->hash = calloc(b->slots, sizeof(*b->hash));
	if (!b->hash) {
		b->hash = old;
		return -ENOMEM;
	}
	for (size_t i = 0; i < l->n; i++)
		*builder_slot(b, l->names + l->entries[i].name, l->entries[i].len) = (u32)i + 1;
	free(old);
	return 0;
}

static int list_append(struct overlay_list *l, const char *name, size_t len)
{
	void *more;

	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		more = realloc(l->entries, l->room * sizeof(*l->entries));
		if (!more)
			return -ENOMEM;
		l->entries = more;
	}
	while (l->names_len + len + 1 > l->names_room) {
		l->names_room = l->names_room ? 2 * l->names_room : 1024;
		more = realloc(l->names, l->names_room);
		if (!more)
			return -ENOMEM;
		l->names = more;
	}
	l->entries[l->n] = (struct list_entry){.name = (u32)l->names_len, .len = (u8)len};
	memcpy(l->names + l->names_len, name, len);
	l->names[l->names_len + len] = '\0';
	l->names_len += len + 1;
	l->n++;
	return 0;
}

static int entry_is_whiteout(struct inode *dir, const char *name, bool *white)
{
	struct inode *i;
	int err = layer_lookup(dir, name, &i);

	*white = false;
	if (err)
		return err == -ENOENT ? 0 : err;
	*white = layer_is_whiteout(i);
	inode_put(i);
	return 0;
}

static int builder_add(void *arg, const char *name, size_t len, u64 ino, u8 type)
{
	struct builder *b = arg;
	struct overlay_list *l = b->list;
	const struct super *layer = b->layer->sb;
	struct list_entry *e;
	u32 *slot;
	int err;

	if (2 * (l->n + 1) > b->slots && (err = builder_grow(b)) != 0)
		return err;
	slot = builder_slot(b, name, len);
	if (*slot) {
		/* A merged directory has the number of its topmost lower one. */
		e = &l->entries[*slot - 1];
		if (e->type == DT_DIR && type == DT_DIR && !e->shared) {
			e->ino = overlay_ino(b->ov, layer, ino);
			e->shared = true;
		}
		return 0;
	}
	err = list_append(l, name, len);
	if (err)
		return err;
	*slot = (u32)l->n;
	e = &l->entries[l->n - 1];
	e->type = type;
	e->ino = overlay_entry_ino(b->ov, layer, ino);
	/* A known copy has its number already, and so has whatever is not in the upper layer. */
	e->shared = layer != b->ov->upper || e->ino != overlay_ino(b->ov, layer, ino);
	e->ask = type == DT_CHR || type == DT_UNKNOWN;
	return 0;
}

static int build_layer(struct builder *b, struct inode *layer)
{
	struct overlay_list *l = b->list;
	size_t first = l->n;
	int err;

	b->layer = layer;
	err = layer_list(layer, builder_add, b);
	for (size_t i = first; !err && i < l->n; i++)
		if (l->entries[i].ask)
			err = entry_is_whiteout(layer, l->names + l->entries[i].name,
			                        &l->entries[i].white);
	return err;
}

static int build_layers(struct builder *b, struct overlay_inode *o)
{
	struct inode *u = overlay_upper(o);
	int err = u ? build_layer(b, u) : 0;

	for (unsigned i = 0; i < o->nlowers && !err; i++)
		err = build_layer(b, o->lowers[i]);
	return err;
}

/* Drops whiteouts, and in the root the work directory. */
static void list_finish(struct overlay_list *l, bool root)
{
	size_t to = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct list_entry *e = &l->entries[i];

		if (!e->white && !(root && !strcmp(l->names + e->name, OVERLAY_WORK)))
			l->entries[to++] = *e;
	}
	l->n = to;
}

static int list_build(struct overlay_inode *o, struct overlay_list **out)
{
	struct overlay *ov = overlay_of(&o->inode);
	struct builder b = {.ov = ov, .list = calloc(1, sizeof(*b.list))};
	int err;

	if (!b.list)
		return -ENOMEM;
	ref_init(&b.list->ref);
	/* Before the first look: what changes meanwhile makes the list outdated. */
	b.list->version = atomic_load(&o->version);
	err = build_layers(&b, o);
	free(b.hash);
	if (err) {
		overlay_list_put(b.list);
		return err;
	}
	list_finish(b.list, &o->inode == ov->sb.root);
	*out = b.list;
	return 0;
}

/* The current list of o with a reference: the one that is there, or a new one. */
static int list_get(struct overlay_inode *o, struct overlay_list **out)
{
	struct overlay *ov = overlay_of(&o->inode);
	struct overlay_list *l, *old = NULL;
	int err;

	lock_acquire(&ov->lock);
	l = o->list;
	if (l && l->version == atomic_load(&o->version)) {
		ref_get(&l->ref);
		lock_release(&ov->lock);
		*out = l;
		return 0;
	}
	lock_release(&ov->lock);
	err = list_build(o, &l);
	if (err)
		return err;
	ref_get(&l->ref);
	lock_acquire(&ov->lock);
	old = o->list;
	o->list = l;
	lock_release(&ov->lock);
	overlay_list_put(old);
	*out = l;
	return 0;
}

int overlay_dir_is_empty(struct overlay_inode *o)
{
	struct overlay_list *l;
	int err = list_get(o, &l), empty;

	if (err)
		return err;
	empty = l->n == 0;
	overlay_list_put(l);
	return empty;
}

/* --- open directories
 * ----------------------------------------------------------------------------- */

/* mutex: a parent moves only under ov->commit. */
static u64 parent_ino(struct overlay_inode *o)
{
	mutex_guard(&overlay_of(&o->inode)->commit);
	return o->parent ? o->parent->inode.ino : o->inode.ino;
}

static int emit_list(struct file *f, struct overlay_dir *d, struct dir_sink *sink)
{
	struct overlay_inode *o = to_overlay(f->inode);
	const struct overlay_list *l = d->list;

	/* 0 and 1 are "." and "..". */
	while (f->pos < l->n + 2) {
		const struct list_entry *e;
		bool taken;

		if (f->pos == 0)
			taken = sink->emit(sink, ".", 1, f->inode->ino, DT_DIR, 1);
		else if (f->pos == 1)
			taken = sink->emit(sink, "..", 2, parent_ino(o), DT_DIR, 2);
		else {
			e = &l->entries[f->pos - 2];
			taken = sink->emit(sink, l->names + e->name, e->len, e->ino, e->type,
			                   f->pos + 1);
		}
		if (!taken)
			break;
		f->pos++;
	}
	return 0;
}

struct pass_sink {
	struct dir_sink sink, *to;
	struct overlay_inode *dir;
	struct inode *real;
	u64 parent_ino;
};

static bool pass_emit(struct dir_sink *s, const char *name, size_t len, u64 ino, u8 type,
                      u64 next_pos)
{
	struct pass_sink *p = container_of(s, struct pass_sink, sink);
	struct overlay *ov = overlay_of(&p->dir->inode);
	bool dot = name[0] == '.' && len == 1, dotdot = len == 2 && !memcmp(name, "..", 2);

	if (dot)
		ino = p->dir->inode.ino;
	else if (dotdot)
		ino = p->parent_ino;
	else
		ino = overlay_entry_ino(ov, p->real->sb, ino);
	return p->to->emit(p->to, name, len, ino, type, next_pos);
}

static int pass_on(struct file *f, struct overlay_dir *d, struct dir_sink *sink)
{
	struct overlay_inode *o = to_overlay(f->inode);
	struct pass_sink p = {.sink.emit = pass_emit, .to = sink, .dir = o, .real = d->real->inode};
	int err;

	p.parent_ino = parent_ino(o);
	d->real->pos = f->pos;
	err = d->real->ops->readdir(d->real, &p.sink);
	f->pos = d->real->pos;
	return err;
}

static void forget(struct overlay_dir *d)
{
	file_put(d->real);
	overlay_list_put(d->list);
	d->real = NULL;
	d->list = NULL;
	d->begun = false;
}

/*
 * How to list, decided at the first look and at each rewinding. One lower directory alone is passed
 * on; an upper one only through a list, as it may hold whiteouts.
 */
static int choose(struct overlay_inode *o, struct overlay_dir *d)
{
	int err;

	forget(d);
	if (overlay_upper(o) || o->nlowers != 1)
		return list_get(o, &d->list);
	err = layer_open(o->lower, O_RDONLY | O_DIRECTORY, &d->real);
	if (!err && !d->real->ops->readdir)
		err = -ENOTDIR;
	return err;
}

static int overlay_readdir(struct file *f, struct dir_sink *sink)
{
	struct overlay_inode *o = to_overlay(f->inode);
	struct overlay_dir *d = f->priv;
	bool again = d->begun || overlay_upper(o);
	int err = 0;

	if ((f->pos == 0 && again) || (!d->real && !d->list))
		err = choose(o, d);
	if (err)
		return err;
	d->begun = true;
	return d->real ? pass_on(f, d, sink) : emit_list(f, d, sink);
}

static s64 overlay_dir_seek(struct file *f, s64 off, int whence)
{
	if (whence == SEEK_CUR && off == 0)
		return (s64)f->pos;
	return whence != SEEK_SET || off < 0 ? -EINVAL : off;
}

static int overlay_dir_fsync(struct file *f, bool datasync)
{
	struct inode *u = overlay_upper(to_overlay(f->inode));
	struct file *r;
	int err;

	if (!u)
		return 0;
	err = layer_open(u, O_RDONLY | O_DIRECTORY, &r);
	if (err)
		return err;
	err = r->ops->fsync ? r->ops->fsync(r, datasync) : 0;
	file_put(r);
	return err;
}

static void overlay_dir_release(struct file *f)
{
	forget(f->priv);
	free(f->priv);
}

static const struct file_ops overlay_dir_file_ops = {
    .readdir = overlay_readdir,
    .seek = overlay_dir_seek,
    .fsync = overlay_dir_fsync,
    .release = overlay_dir_release,
};

int overlay_open_dir(struct inode *i, struct file *f)
{
	struct overlay_inode *o = to_overlay(i);
	struct overlay_dir *d = calloc(1, sizeof(*d));
	int err = 0;

	if (!d)
		return -ENOMEM;
	/* A host directory that we may not read says so now. */
	if (!overlay_upper(o) && o->nlowers == 1)
		err = choose(o, d);
	if (err) {
		forget(d);
		free(d);
		return err;
	}
	f->ops = &overlay_dir_file_ops;
	f->priv = d;
	return 0;
}
