/*
 * Blocks of files that never change, kept so that small reads (the C library's
 * 4 KiB at a time, the loader's look at an ELF header) seldom go to the host.
 * One cache for all mounts, bounded by the memory that it takes: a small file's block is no
 * larger than the file, so thousands of them fit. Contents belong to a host object, not to an
 * inode in memory, so they outlive it.
 */
#pragma once
#include "base/hash_table.h"
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
	u32 size; /* of data: READ_BLOCK, or what was left of the file */
	u32 len;  /* less than READ_BLOCK: the file ends here */
	_Atomic bool recent;
	struct hash_node hash_link;
	TAILQ_ENTRY(read_block) clock_link;
	char data[];
};

/*
 * The index-th block of h's content with a reference, or NULL. *again: it has been looked for
 * before, so it is worth its place; most files are read once, and what is read once would only push
 * out what is not.
 */
struct read_block *read_cache_find(const struct hostfs_inode *h, u64 index, bool *again);
/* An empty one for the caller to fill, with room for size bytes; NULL: no memory. */
struct read_block *read_block_create(const struct hostfs_inode *h, u64 index, u32 size);
/* b is filled: others may find it. The caller keeps its reference. */
void read_cache_add(struct read_block *b);
void read_block_put(struct read_block *b);
/* The memory that it takes, in bytes. */
size_t read_cache_bytes(void);
/* Forgets everything, what was missed too; for tests. */
void read_cache_drop(void);
