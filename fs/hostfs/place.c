/*
 * Places: how an object without a descriptor is opened again. A chain of
 * parents leads up to a directory whose descriptor is there (at the latest the
 * root's); from it the names are opened downwards, one by one, each compared
 * with what was known of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "base/host.h"
#include "fs/hostfs/hostfs_internal.h"

/* What is closed when the host has no descriptor left for the one that is wanted. */
#define SHRINK_BATCH 32

bool hostfs_name_ok(const char *name)
{
	return name[0] && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..");
}

int hostfs_openat(int dirfd, const char *name, u32 flags, u32 mode)
{
	int fd = host_openat(dirfd, name, flags, mode);

	if ((fd == -EMFILE || fd == -ENFILE) && fd_cache_shrink(SHRINK_BATCH))
		fd = host_openat(dirfd, name, flags, mode);
	return fd;
}

/* --- the list of places ----------------------------------------------------------- */

static void place_free(struct hostfs_inode *h, struct hostfs_place *p)
{
	if (!p)
		return;
	inode_put(&p->parent->inode);
	if (p != &h->first)
		free(p);
}

/* Unlinks the place from the list: the one named, or the last of a list that is too long. */
static struct hostfs_place *place_take_locked(struct hostfs_inode *h,
                                              const struct hostfs_inode *parent, const char *name)
{
	struct hostfs_place **at = &h->places, *p;

	while ((p = *at) && (p->parent != parent || strcmp(p->name, name)))
		at = &p->next;
	if (p)
		*at = p->next;
	return p;
}

static struct hostfs_place *place_oldest_locked(struct hostfs_inode *h, unsigned keep)
{
	struct hostfs_place **at = &h->places, *p;

	while (*at && keep--)
		at = &(*at)->next;
	p = *at;
	if (p)
		*at = p->next;
	return p;
}

void hostfs_place_first(struct hostfs_inode *h, struct hostfs_inode *parent, const char *name)
{
	strcpy(h->first.name, name);
	inode_get(&parent->inode);
	h->first.parent = parent;
	h->places = &h->first;
}

int hostfs_place_add(struct hostfs_inode *h, struct hostfs_inode *parent, const char *name)
{
	struct hostfs *hs = hostfs_of(&h->inode);
	struct hostfs_place *p, *old;
	/* A directory has one name: a new one means that the host has moved it. */
	unsigned keep = inode_is_dir(&h->inode) ? 0 : HOSTFS_PLACES_MAX - 1;
	size_t len = strlen(name);

	lock_acquire(&hs->lock);
	p = h->places;
	if (p && p->parent == parent && !strcmp(p->name, name)) {
		lock_release(&hs->lock);
		return 0;
	}
	lock_release(&hs->lock);

	p = malloc(sizeof(*p) + len + 1);
	if (!p)
		return -ENOMEM;
	p->parent = parent;
	memcpy(p->name, name, len + 1);
	inode_get(&parent->inode);
	atomic_fetch_and_explicit(&h->state, ~(u32)HOSTFS_GONE, memory_order_relaxed);
	lock_acquire(&hs->lock);
	old = place_take_locked(h, parent, name);
	if (!old)
		old = place_oldest_locked(h, keep);
	p->next = h->places;
	h->places = p;
	lock_release(&hs->lock);
	place_free(h, old);
	return 0;
}

void hostfs_place_remove(struct hostfs_inode *h, struct hostfs_inode *parent, const char *name)
{
	struct hostfs *hs = hostfs_of(&h->inode);
	struct hostfs_place *p;
	bool last;

	lock_acquire(&hs->lock);
	p = place_take_locked(h, parent, name);
	last = !h->places;
	lock_release(&hs->lock);
	if (last)
		hostfs_mark(h, HOSTFS_GONE);
	place_free(h, p);
}

void hostfs_places_free(struct hostfs_inode *h)
{
	struct hostfs_place *p;

	while ((p = h->places)) {
		h->places = p->next;
		place_free(h, p);
	}
}

bool hostfs_place_get(struct hostfs_inode *h, unsigned nth, struct hostfs_inode **parent,
                      char name[NAME_LEN_MAX + 1])
{
	const struct hostfs_place *p;

	lock_guard(&hostfs_of(&h->inode)->lock);
	for (p = h->places; p && nth; p = p->next)
		nth--;
	if (!p)
		return false;
	*parent = p->parent;
	inode_get(&p->parent->inode);
	strcpy(name, p->name);
	return true;
}

/* --- opening again ------------------------------------------------------------------ */

static int open_verified(struct hostfs_inode *h, int dirfd, const char *name, u32 flags)
{
	struct statx stx;
	int fd, err;

	if (!hostfs_name_ok(name))
		return -EINVAL;
	fd = hostfs_openat(dirfd, name, flags, 0);
	/* Gone, or a link, a socket or something else than it was. */
	if (fd == -ENOENT || fd == -ELOOP || fd == -ENOTDIR || fd == -ENXIO || fd == -EISDIR)
		return -ESTALE;
	if (fd < 0)
		return fd;
	err = host_statx(fd, "", STATX_TYPE | STATX_INO | STATX_BTIME, &stx);
	if (!err && !hostfs_same(h, &stx))
		err = -ESTALE;
	if (err)
		host_close(fd);
	return err ? err : fd;
}

struct chain {
	struct hostfs_inode **dirs; /* held; from the wanted one upwards */
	size_t n, room;
};

static int chain_push(struct chain *c, struct hostfs_inode *dir)
{
	if (c->n == c->room) {
		size_t room = c->room ? 2 * c->room : 16;
		struct hostfs_inode **dirs = realloc(c->dirs, room * sizeof(*dirs));

		if (!dirs)
			return -ENOMEM;
		c->dirs = dirs;
		c->room = room;
	}
	c->dirs[c->n++] = dir;
	return 0;
}

/*
 * Up: collects dir and its parents until one of them has a descriptor, which
 * is returned with a use; its directory is the chain's last.
 */
static int chain_climb(struct chain *c, struct hostfs_inode *dir)
{
	char name[NAME_LEN_MAX + 1];
	int fd, err;

	inode_get(&dir->inode);
	for (;;) {
		err = chain_push(c, dir);
		if (err) {
			inode_put(&dir->inode);
			return err;
		}
		fd = fd_slot_try(&dir->rd);
		if (fd >= 0)
			return fd;
		if (!hostfs_place_get(dir, 0, &dir, name))
			return hostfs_has(dir, HOSTFS_GONE) ? -ENOENT : -ESTALE;
	}
}

/* One step down. It may have moved since the climb: then its name is not for this parent. */
static int chain_descend(struct hostfs_inode *at, int fd, struct hostfs_inode *next)
{
	char name[NAME_LEN_MAX + 1];
	struct hostfs_inode *parent;
	int below = -ESTALE;

	if (!hostfs_place_get(next, 0, &parent, name))
		return below;
	if (parent == at)
		below = open_verified(next, fd, name, O_PATH | O_DIRECTORY);
	inode_put(&parent->inode);
	return below < 0 ? below : fd_slot_install(&next->rd, below);
}

static int try_dir_fd(struct hostfs_inode *dir)
{
	struct chain c = {0};
	int fd = chain_climb(&c, dir);

	for (size_t i = c.n; fd >= 0 && i > 1; i--) {
		int below = chain_descend(c.dirs[i - 1], fd, c.dirs[i - 2]);

		fd_slot_put(&c.dirs[i - 1]->rd);
		fd = below;
	}
	while (c.n)
		inode_put(&c.dirs[--c.n]->inode);
	free(c.dirs);
	return fd;
}

int hostfs_dir_fd(struct hostfs_inode *dir, bool locked)
{
	int fd = fd_slot_try(&dir->rd);

	if (fd >= 0)
		return fd;
	fd = try_dir_fd(dir);
	if (fd != -ESTALE || locked)
		return fd;
	/* The guest itself may have been moving things: once more while nobody can. */
	mutex_guard(&hostfs_of(&dir->inode)->tree_mutex);
	return try_dir_fd(dir);
}

/* Opens h by any of its names. */
static int try_open(struct hostfs_inode *h, u32 flags, bool locked)
{
	char name[NAME_LEN_MAX + 1];
	struct hostfs_inode *parent;
	int fd = hostfs_has(h, HOSTFS_GONE) ? -ENOENT : -ESTALE;

	for (unsigned nth = 0; hostfs_place_get(h, nth, &parent, name); nth++) {
		int dfd = hostfs_dir_fd(parent, locked);

		if (dfd >= 0) {
			fd = open_verified(h, dfd, name, flags);
			hostfs_dir_put(parent);
		} else {
			fd = dfd == -ENOENT ? -ESTALE : dfd;
		}
		inode_put(&parent->inode);
		if (fd != -ESTALE)
			break;
	}
	return fd;
}

int hostfs_list_fd(struct hostfs_inode *dir)
{
	int fd, got;

	if (fd_slot_is_open(&dir->rd))
		return -EBUSY;
	fd = try_open(dir, O_RDONLY | O_DIRECTORY, false);
	if (fd < 0)
		return fd;
	got = fd_slot_install(&dir->rd, fd);
	if (got == fd)
		return fd;
	fd_slot_put(&dir->rd);
	return -EBUSY;
}

static int open_again(struct hostfs_inode *h, u32 flags, bool locked)
{
	int fd = try_open(h, flags, locked);

	if (fd != -ESTALE || locked)
		return fd;
	mutex_guard(&hostfs_of(&h->inode)->tree_mutex);
	return try_open(h, flags, true);
}

int hostfs_read_fd(struct hostfs_inode *h, struct fd_slot **slot, bool locked)
{
	int fd = fd_slot_try(*slot = &h->rd);

	if (fd >= 0)
		return fd;
	/* A descriptor for writing reads as well, if the host allowed both. */
	if (!hostfs_has(h, HOSTFS_WRITEONLY)) {
		fd = fd_slot_try(*slot = &h->wr);
		if (fd >= 0)
			return fd;
	}
	fd = open_again(h, O_RDONLY, locked);
	if (fd < 0)
		return fd;
	hostfs_mark(h, HOSTFS_READABLE);
	return fd_slot_install(*slot = &h->rd, fd);
}

int hostfs_write_fd(struct hostfs_inode *h, struct fd_slot **slot, bool locked)
{
	int fd = fd_slot_try(*slot = &h->wr);

	if (fd >= 0)
		return fd;
	if (hostfs_of(&h->inode)->opt.readonly)
		return -EROFS;
	fd = hostfs_has(h, HOSTFS_WRITEONLY) ? -EACCES : open_again(h, O_RDWR, locked);
	if (fd == -EACCES) {
		fd = open_again(h, O_WRONLY, locked);
		if (fd >= 0)
			hostfs_mark(h, HOSTFS_WRITEONLY);
	}
	if (fd < 0)
		return fd;
	hostfs_mark(h, HOSTFS_WRITABLE);
	return fd_slot_install(&h->wr, fd);
}

void hostfs_pin_open(struct hostfs_inode *h)
{
	struct fd_slot *s;

	/*
	 * The use is never put: it ends with the inode. Should the file be beyond reach already,
	 * its users will be told so (-ESTALE) when they come.
	 */
	if (atomic_load(&h->rd.keep) && hostfs_read_fd(h, &s, true) < 0)
		hostfs_mark(h, HOSTFS_STALE);
	if (atomic_load(&h->wr.keep) && hostfs_write_fd(h, &s, true) < 0)
		hostfs_mark(h, HOSTFS_STALE);
}

/* --- names for *at calls -------------------------------------------------------------- */

/* One of h's names. sure: tree_mutex is held, and the object is compared. */
static int ref_by_place(struct hostfs_inode *h, struct hostfs_ref *r, unsigned nth, bool sure)
{
	struct statx stx;
	int err;

	if (!hostfs_place_get(h, nth, &r->parent, r->name))
		return hostfs_has(h, HOSTFS_GONE) ? -ENOENT : -ESTALE;
	r->fd = hostfs_dir_fd(r->parent, sure);
	r->slot = &r->parent->rd;
	err = min_of(r->fd, 0);
	if (err == 0 && sure) {
		err = host_statx(r->fd, r->name, STATX_TYPE | STATX_INO | STATX_BTIME, &stx);
		if (err == -ENOENT || err == -ENOTDIR || (!err && !hostfs_same(h, &stx)))
			err = -EAGAIN;
		if (err)
			fd_slot_put(r->slot);
	}
	if (err)
		inode_put(&r->parent->inode);
	return err;
}

int hostfs_ref_get(struct hostfs_inode *h, struct hostfs_ref *r, bool sure)
{
	struct hostfs *hs = hostfs_of(&h->inode);
	unsigned nth = 0;
	int err;

	*r = (struct hostfs_ref){.fd = fd_slot_try(&h->rd), .slot = &h->rd};
	if (r->fd < 0)
		r->fd = fd_slot_try(r->slot = &h->wr);
	if (r->fd >= 0)
		return 0;
	if (inode_is_dir(&h->inode)) {
		r->fd = hostfs_dir_fd(h, false);
		r->slot = &h->rd;
		return min_of(r->fd, 0);
	}
	if (!sure)
		return ref_by_place(h, r, 0, false);
	mutex_acquire(&hs->tree_mutex);
	/* -EAGAIN: not by this name any more. */
	while ((err = ref_by_place(h, r, nth, true)) == -EAGAIN)
		nth++;
	if (err)
		mutex_release(&hs->tree_mutex);
	else
		r->locked = hs;
	return err;
}

void hostfs_ref_put(struct hostfs_ref *r)
{
	fd_slot_put(r->slot);
	if (r->parent)
		inode_put(&r->parent->inode);
	if (r->locked)
		mutex_release(&r->locked->tree_mutex);
}
