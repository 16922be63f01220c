/*
 * hostfs: a directory (or one file) of the host as a file system.
 *
 * The launcher hands in a descriptor; everything below it is opened by single
 * names relative to directories that were opened the same way, and symbolic
 * links are only ever read, never followed, so nothing leads out.
 */
#pragma once
#include "base/types.h"

struct super;

enum hostfs_cache {
	/* The tree is taken as unchanging: what has been seen is never asked for again. */
	HOSTFS_ALWAYS,
	/* Others change the tree too: names and attributes are checked on every use. */
	HOSTFS_REVALIDATE,
};

struct hostfs_options {
	bool readonly;
	bool layer; /* serves an overlay: SB_LOWER */
	enum hostfs_cache cache;
	/* All files appear to belong to uid:gid, and cannot be given to anyone else. */
	bool squash;
	u32 uid, gid;
	const char *source; /* device column of /proc/mounts; NULL: "host" */
};

/*
 * fd: a directory, O_PATH or open, or a regular file opened as it may be used
 * (O_RDWR unless readonly). Taken over, also on failure. *out with one reference.
 */
must_check int hostfs_mount(int fd, const struct hostfs_options *o, struct super **out);

/*
 * How many host descriptors all hostfs mounts together keep open for files that
 * nobody is using at the moment; 1024 by default. Files beyond it are opened again when needed.
 */
void hostfs_set_fd_limit(unsigned limit);
