/*
 * The dentry cache: names seen so far, positive or negative, each with a
 * reference to its parent, so that a path walk of known names asks no file system.
 * Dentries that nobody holds stay cached up to a bound and are dropped oldest
 * first. All names, parents and the hash are guarded by RANK_DCACHE locks.
 */
#pragma once
#include "base/ref.h"
#include "base/types.h"
#include <sys/queue.h>

struct inode;

#define NAME_LEN_MAX 255

struct dentry {
	struct ref ref;
	struct inode *inode;   /* NULL: negative; changed under the dcache lock */
	struct dentry *parent; /* self for a root; held */
	u32 hash;
	u16 name_len;
	bool unhashed;      /* removed or renamed over: 'deleted' */
	_Atomic u32 mounts; /* something is mounted here in some mount tree */
	char *name;         /* inline_name, or owned heap */
	char inline_name[40];
	TAILQ_ENTRY(dentry) hash_link, lru_link;
	bool on_lru;
};

/* The root dentry of a super block's tree; takes its own reference to the inode. NULL: no memory.
 */
struct dentry *dentry_create_root(struct inode *root);
struct dentry *dentry_get(struct dentry *d);
void dentry_put(struct dentry *d);

/* The cached child with +1, or NULL when it must be looked up. */
struct dentry *dentry_find(struct dentry *parent, const char *name, size_t len);
/*
 * Adds a child (inode NULL: negative). If another came first that one is
 * returned. +1. NULL: no memory.
 */
struct dentry *dentry_add(struct dentry *parent, const char *name, size_t len, struct inode *inode);
/* A negative dentry gets its inode (create, link, mkdir). */
void dentry_instantiate(struct dentry *d, struct inode *inode);
/* unlink, rmdir: the name is gone; holders keep the inode. */
void dentry_unhash(struct dentry *d);
/* rename: moves d to (newparent, name); exchange swaps the two places. */
must_check int dentry_move(struct dentry *d, struct dentry *newparent, const char *name,
                           size_t len);
void dentry_exchange(struct dentry *a, struct dentry *b);
/* True if d is anc or below it. */
bool dentry_is_below(struct dentry *d, struct dentry *anc);
/* Drops all cached, unheld dentries below d. */
void dentry_prune(struct dentry *d);
