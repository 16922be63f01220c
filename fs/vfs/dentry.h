/*
 * The dentry cache: names seen so far, positive or negative, each with a
 * reference to its parent, so that a path walk of known names asks no file system.
 *
 * The cache itself holds one reference to every hashed dentry; one that nobody
 * else holds stays up to a bound and is dropped oldest first, unless it was used
 * since the last look (second chance). Unhashing drops the cache's reference, so a
 * removed name lives as long as an open file or a working directory needs it.
 *
 * Names, parents, the hash and the inode of a negative dentry change only under
 * the write side of the cache's lock (RANK_DCACHE); readers take one of a few
 * read locks, so that walks on different workers do not meet.
 */
#pragma once
#include "base/hash_table.h"
#include "base/ref.h"
#include "base/types.h"
#include <sys/queue.h>

struct inode;

#define NAME_LEN_MAX 255

struct dentry {
	struct ref ref;
	struct inode *inode;   /* NULL: negative; changed under the dcache lock */
	struct dentry *parent; /* self for a root; held */
	u16 name_len;
	_Atomic bool unhashed; /* removed or renamed over: 'deleted' */
	_Atomic u32 mounts;    /* something is mounted here in some mount tree */
	_Atomic bool used;     /* found since the LRU last came by */
	bool visited;          /* dentry_prune passed on its way down */
	char *name;            /* inline_name, or owned heap */
	char inline_name[40];
	struct hash_node
	    hash_link; /* in the parent's names, then on its list and the LRU one, too */
	LIST_ENTRY(dentry) sibling;
	LIST_HEAD(, dentry) children; /* the hashed ones */
	struct hash_table *names;     /* of the children; NULL: there have been none */
	TAILQ_ENTRY(dentry) lru_link;
};

/* The dcache lock held, either side. */
static inline bool dentry_is_hashed(const struct dentry *d)
{
	return hash_node_is_in(&d->hash_link);
}

/* NULL: negative. For a holder, a positive dentry stays so. */
static inline struct inode *dentry_inode(const struct dentry *d)
{
	return __atomic_load_n(&d->inode, __ATOMIC_ACQUIRE);
}

/* The root dentry of a super block's tree; takes its own reference to the inode. NULL: no memory.
 */
struct dentry *dentry_create_root(struct inode *root);
struct dentry *dentry_get(struct dentry *d);
void dentry_put(struct dentry *d);

/* The cached child with +1, or NULL when it must be looked up. */
struct dentry *dentry_find(struct dentry *parent, const char *name, size_t len);
/*
 * Adds a child (inode NULL: negative; else the dentry takes its own reference). If another
 * came first that one is returned, with the inode if it was negative. +1. NULL: no memory.
 */
struct dentry *dentry_add(struct dentry *parent, const char *name, size_t len, struct inode *inode);
/*
 * A dentry that no lookup finds: an O_TMPFILE file, a memfd, the end of a /proc/PID/fd link.
 * parent NULL: a root of its own. +1. NULL: no memory.
 */
struct dentry *dentry_create_unhashed(struct dentry *parent, const char *name, size_t len,
                                      struct inode *inode);
/* The parent now, +1 (a root's is itself). */
struct dentry *dentry_parent(struct dentry *d);
/* A copy of the name now; buf has room for NAME_LEN_MAX + 1. Its length. */
size_t dentry_name(struct dentry *d, char *buf);
/* A negative dentry gets its inode (create, link, mkdir); it takes its own reference. */
void dentry_instantiate(struct dentry *d, struct inode *inode);
/* unlink, rmdir: the name is gone; holders keep the inode. */
void dentry_unhash(struct dentry *d);
/*
 * rename: moves d to (newparent, name), where nothing may be cached any more; exchange swaps
 * the two places. -ENOMEM: nothing has changed.
 */
must_check int dentry_move(struct dentry *d, struct dentry *newparent, const char *name,
                           size_t len);
void dentry_exchange(struct dentry *a, struct dentry *b);
/* True if d is anc or below it. */
bool dentry_is_below(struct dentry *d, struct dentry *anc);
/* Drops all cached, unheld dentries below d. */
void dentry_prune(struct dentry *d);

/* A keyed hash of a name that a guest chose; salt: what the name belongs to. High bits are best. */
u32 dentry_name_hash(const void *salt, const char *name, size_t len);

/* How many dentries may stay cached; file systems whose inodes cost a host fd lower it. */
void dentry_cache_set_limit(size_t limit);
/* Drops up to n unheld dentries, oldest first; how many went. For a host that is out of fds. */
size_t dentry_cache_shrink(size_t n);
size_t dentry_cache_count(void);
