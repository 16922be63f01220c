/*
 * Blocks of files that never change, kept so that small reads (the C library's
 * 4 KiB at a time, the loader's look at an ELF header) seldom go to the host.
 * One bounded cache for all mounts. Contents belong to a host object, not to an
 * inode in memory, so they outlive it.
 */
#pragma once
#include "base/ref.h"
#include "base/types.h"
#include <sys/queue.h>

struct hostfs_inode;

#define READ_BLOCK 16384u

struct read_block {
	struct ref ref;
	u64 dev, ino, index;
	s64 born_sec;
	u32 born_nsec;
	u32 len; /* less than READ_BLOCK: the file ends here */
	_Atomic bool recent;
	TAILQ_ENTRY(read_block) hash_link, clock_link;
	char data[READ_BLOCK];
};

/* The index-th block of h's content with a reference, or NULL. */
struct read_block *read_cache_find(const struct hostfs_inode *h, u64 index);
/* An empty one for the caller to fill; NULL: no memory. */
struct read_block *read_block_create(const struct hostfs_inode *h, u64 index);
/* b is filled: others may find it. The caller keeps its reference. */
void read_cache_add(struct read_block *b);
void read_block_put(struct read_block *b);
/* Forgets everything, for tests. */
void read_cache_drop(void);
