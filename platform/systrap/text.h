/*
 * Text of files with its call sites rewritten, for all stubs of the sandbox (text.c).
 */
#pragma once
#include "platform/systrap/patch_plan.h"
#include <sys/queue.h>
#include <time.h>

struct site {
	u64 begin; /* of the jump: in memory, or in the text of a copy */
	u8 before, after;
	bool cpuid;             /* not a call */
	u8 original[PATCH_MAX]; /* of what moves, and of all that the jump covers */
};

/* A part of a file, in one version of it. Without padding, as it is compared as a whole. */
struct text_key {
	u64 dev, ino, size;
	struct timespec mtime, ctime;
	u64 off, len; /* pages */
};

struct shared_site {
	struct site site;
	unsigned index; /* of its slot */
};

/* Does not change, nor does its file, which is sealed. */
struct text_copy {
	_Atomic u32 users;
	SLIST_ENTRY(text_copy) gone_link; /* of those to be freed */
	int fd;                           /* the text, from its beginning */
	u64 bytes;
	unsigned sites;
	struct shared_site site[]; /* by index */
};

/* memory: the sentry's mapping of the words of shared sites, and their slots behind them. */
void text_init(u8 *memory);
/* The key of what is mapped by an operation; false if it is not to be shared. */
must_check bool text_key_of(int fd, u64 off, u64 len, struct text_key *out);
/*
 * A call instruction at this offset of the text has trapped. *cached: NULL at first, then the
 * caller's short cut, which is right only as long as it leads to this key.
 */
struct text_file;
void text_note(const struct text_key *key, u32 call, struct text_file **cached);
/*
 * The text with its sites rewritten, +1; NULL: there is none, or none that would pay. fd: the file
 * that the key is of; loader: it is a program interpreter, whose CPUIDs are rewritten, too. May
 * park.
 */
struct text_copy *text_copy_get(const struct text_key *key, int fd, bool loader);
struct text_copy *text_copy_keep(struct text_copy *c);
void text_copy_put(struct text_copy *c);
