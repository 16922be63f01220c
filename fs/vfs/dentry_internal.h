/*
 * The write side of the dentry cache's lock, and what it guards.
 */
#pragma once
#include "fs/vfs/dentry.h"

void dcache_write_lock(void);
void dcache_write_unlock(void);
/* Before that: makes sure that names can be hashed below parent. False: no memory. */
must_check bool dcache_prepare(struct dentry *parent);
/* Under it: into and out of the hash, by d's parent and name. The cache's reference is the
 * caller's affair. */
void dcache_hash(struct dentry *d);
void dcache_unhash(struct dentry *d);
