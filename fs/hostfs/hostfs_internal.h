/*
 * The objects of hostfs.
 *
 * An inode stands for one host object, known by device, inode number, type and
 * birth time, whatever names lead to it. It remembers places (parent, name) where it
 * can be opened again, because it need not hold a descriptor: 100,000 files may be in
 * use while the host allows 1,024. After each re-opening the identity is compared;
 * a stranger under the old name is -ESTALE, and the names are looked at again.
 *
 * Locks: hs->lock guards the identity table and all places. hs->tree_mutex is held
 * while the guest's own renames and unlinks change the host's tree and the
 * places together, so that a re-opening that failed can try again in peace.
 * Attributes are guarded by the inode's attr_lock, as everywhere.
 */
#pragma once
#include <linux/stat.h>
#include "base/hash_table.h"
#include "base/mutex.h"
#include "fs/hostfs/fd_cache.h"
#include "fs/hostfs/hostfs.h"
#include "fs/vfs/dentry.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/super.h"

struct hostfs_inode;

struct hostfs {
	struct super sb;
	struct hostfs_options opt;
	u64 root_dev;
	struct mutex tree_mutex;
	struct lock lock;
	struct hash_table inodes;   /* by the host's numbers; guarded by lock, as are the next */
	struct hostfs_inode *dying; /* queue of hostfs_inode_free, linked by next_dying */
	bool burying;
};

struct hostfs_place {
	struct hostfs_place *next;
	struct hostfs_inode *parent; /* held */
	char name[];
};
/* More names than this of one file are forgotten, oldest first. */
#define HOSTFS_PLACES_MAX 16

enum hostfs_state {
	HOSTFS_STALE = 1,      /* we changed it: ask the host for its attributes */
	HOSTFS_VOLATILE = 2,   /* a shared mapping may change it at any time */
	HOSTFS_READABLE = 4,   /* the host has let us open it for reading */
	HOSTFS_WRITABLE = 8,   /* and for writing */
	HOSTFS_WRITEONLY = 16, /* slot `wr` cannot be read from */
	HOSTFS_NO_XATTR = 32,  /* it had no extended attribute (HOSTFS_ALWAYS) */
	HOSTFS_GONE = 64,      /* the guest removed its last known name */
};

struct hostfs_inode {
	struct inode inode;
	u64 dev, ino; /* on the host */
	struct statx_timestamp btime;
	struct timespec seen; /* ctime of the attributes stored last; guarded by attr_lock */
	_Atomic u32 state;
	/* Directories: O_PATH, or as opened by who lists it. Regular files: O_RDONLY. */
	struct fd_slot rd;
	struct fd_slot wr;           /* regular files: O_RDWR, or O_WRONLY */
	struct hostfs_place *places; /* guarded by hs->lock; the newest first */
	_Atomic(char *) target;      /* of a symbolic link, once read */
	struct hash_node hash_link;
	struct hostfs_inode *next_dying;
	struct hostfs_place first; /* in places until it is taken out, and not again; its name */
};

static inline struct hostfs *hostfs_of(const struct inode *i)
{
	return container_of(i->sb, struct hostfs, sb);
}
static inline struct hostfs_inode *to_hostfs(const struct inode *i)
{
	return container_of(i, struct hostfs_inode, inode);
}
static inline bool hostfs_has(const struct hostfs_inode *h, u32 bits)
{
	return atomic_load_explicit(&h->state, memory_order_relaxed) & bits;
}
static inline void hostfs_mark(struct hostfs_inode *h, u32 bits)
{
	if ((atomic_load_explicit(&h->state, memory_order_relaxed) & bits) != bits)
		atomic_fetch_or_explicit(&h->state, bits, memory_order_relaxed);
}
static inline bool hostfs_always(const struct hostfs *hs)
{
	return hs->opt.cache == HOSTFS_ALWAYS;
}
/* Neither the host nor the guest changes it. */
static inline bool hostfs_fixed(const struct hostfs *hs)
{
	return hostfs_always(hs) && hs->opt.readonly;
}

struct read_block;

/* An open regular file. */
struct hostfs_file {
	_Atomic u64 next;                   /* where a sequential reader goes on */
	_Atomic(struct read_block *) block; /* kept for what it reads next, or NULL: file_read.c */
	_Atomic u32 pins; /* mappings hold the slot for the life of the file: file.c */
	struct fd_slot *pinned[2];
};

#define HOSTFS_STATX_MASK (STATX_BASIC_STATS | STATX_BTIME)

/* --- inode.c: identity and attributes ---------------------------------------- */

/*
 * The inode of a host object, found or made, with a reference; parent and name
 * (NULL, NULL: none) become one of its places.
 */
must_check int hostfs_obtain(struct hostfs *hs, const struct statx *stx,
                             struct hostfs_inode *parent, const char *name,
                             struct hostfs_inode **out);
bool hostfs_same(const struct hostfs_inode *h, const struct statx *stx);
void hostfs_store_attr(struct hostfs_inode *h, const struct statx *stx);
/* The guest's inode number for a host one. */
u64 hostfs_guest_ino(const struct hostfs *hs, u64 dev, u64 ino);
int hostfs_getattr(struct inode *i);
bool hostfs_revalidate(struct inode *dir, const char *name, struct inode *i);
void hostfs_inode_free(struct inode *i);

/* --- place.c: where an object can be opened again ----------------------------- */

must_check int hostfs_place_add(struct hostfs_inode *h, struct hostfs_inode *parent,
                                const char *name);
/* The first one, of an inode that nobody else knows yet: in place, with room for the name. */
void hostfs_place_first(struct hostfs_inode *h, struct hostfs_inode *parent, const char *name);
void hostfs_place_remove(struct hostfs_inode *h, struct hostfs_inode *parent, const char *name);
void hostfs_places_free(struct hostfs_inode *h);
/* The nth place: *parent with a reference. False: there are not so many. */
bool hostfs_place_get(struct hostfs_inode *h, unsigned nth, struct hostfs_inode **parent,
                      char name[NAME_LEN_MAX + 1]);

/*
 * Descriptors with a use of *slot, which the caller puts. -ESTALE: another
 * object has taken its name; -ENOENT: its name was removed; or the host's
 * error. locked: tree_mutex is held.
 */
must_check int hostfs_dir_fd(struct hostfs_inode *dir, bool locked);
/*
 * Opens a directory that has no descriptor for being listed by it. -EBUSY: it has one, and who is
 * listing by that is not known.
 */
must_check int hostfs_list_fd(struct hostfs_inode *dir);
must_check int hostfs_read_fd(struct hostfs_inode *h, struct fd_slot **slot, bool locked);
must_check int hostfs_write_fd(struct hostfs_inode *h, struct fd_slot **slot, bool locked);
static inline void hostfs_dir_put(struct hostfs_inode *dir)
{
	fd_slot_put(&dir->rd);
}

/*
 * A name for calls of the *at kind that need no open file: a descriptor of the
 * object itself and "", or one of its parent and its name.
 */
struct hostfs_ref {
	int fd;
	struct fd_slot *slot;
	struct hostfs_inode *parent; /* held, or NULL */
	struct hostfs *locked;       /* whose tree_mutex is held until the put, or NULL */
	char name[NAME_LEN_MAX + 1];
};
/*
 * sure: the name is compared with the object first and cannot change until the
 * put, except by the host's own doing. Otherwise the caller compares what it gets.
 */
must_check int hostfs_ref_get(struct hostfs_inode *h, struct hostfs_ref *r, bool sure);
void hostfs_ref_put(struct hostfs_ref *r);
/*
 * Before the last known name goes: pins descriptors for the guest files that
 * are open, as nothing can be opened again afterwards. tree_mutex is held.
 */
void hostfs_pin_open(struct hostfs_inode *h);

/* host_openat, once more after closing idle descriptors if the host has none left. */
must_check int hostfs_openat(int dirfd, const char *name, u32 flags, u32 mode);
/* A single component that stays where it is: not empty, no slash, not "." or "..". */
bool hostfs_name_ok(const char *name);

/* --- file_read.c ---------------------------------------------------------------- */

ssize_t hostfs_read(struct file *f, struct uio *dst, u64 *pos);
/* At the end of the file: gives back what reading has left with it. */
void hostfs_read_end(struct hostfs_file *hf);

/* --- namespace.c, attr.c, file.c, dir.c -------------------------------------- */

int hostfs_lookup(struct inode *dir, const char *name, size_t len, struct inode **out);
int hostfs_create(struct inode *dir, const char *name, const struct create *c, struct inode **out);
int hostfs_tmpfile(struct inode *dir, const struct create *c, struct inode **out);
int hostfs_link(struct inode *dir, const char *name, struct inode *target);
int hostfs_unlink(struct inode *dir, const char *name, struct inode *victim);
int hostfs_rmdir(struct inode *dir, const char *name, struct inode *victim);
int hostfs_rename(struct inode *olddir, const char *oldname, struct inode *victim,
                  struct inode *newdir, const char *newname, struct inode *replaced, u32 flags);
ssize_t hostfs_readlink(struct inode *i, char *buf, size_t size);

int hostfs_setattr(struct inode *i, const struct setattr *s);
ssize_t hostfs_getxattr(struct inode *i, const char *name, void *buf, size_t size);
int hostfs_setxattr(struct inode *i, const char *name, const void *value, size_t size, int flags);
ssize_t hostfs_listxattr(struct inode *i, char *buf, size_t size);
int hostfs_removexattr(struct inode *i, const char *name);

int hostfs_open(struct inode *i, struct file *f);
int hostfs_open_dir(struct inode *i, struct file *f);
