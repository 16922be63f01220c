/*
 * The walker: a path resolution in progress. walk() and open(2) drive it in
 * the same way: walker_parent goes as far as the directory of the last name,
 * the driver looks that name up, and if it is a link to be followed,
 * walker_follow puts the link's text in front of what is left and the driver
 * starts over.
 */
#pragma once
#include "fs/vfs/vfs_internal.h"
#include "fs/vfs/walk.h"

enum last_type {
	LAST_NAME,   /* last, last_len */
	LAST_DOT,    /* "." */
	LAST_DOTDOT, /* ".." */
	LAST_NONE,   /* nothing left: cur is the result ("/", or a link that led to an object) */
};

struct walker {
	struct path cur;  /* held */
	struct path root; /* held; looked up when first needed */
	const char *rest; /* what is still to be resolved */
	char *heap;       /* owned: where rest points after a link */
	int flags;        /* WALK_* */
	int links;        /* followed so far */
	bool whole; /* the driver wants the result, so the cache may take the last name, too */
	struct caller *caller;
	const struct cred *cred;
	enum last_type type;
	const char *last;
	size_t last_len;
	bool trailing; /* the last name has slashes behind it */
	bool missed;   /* the cache has just been seen not to know that name */
	bool asked;    /* the last walker_child has brought its result's attributes up to date */
};

must_check int walker_init(struct walker *w, struct path base, const char *name, int flags);
void walker_destroy(struct walker *w);
/* Sets type, last, trailing; cur is the directory (searchable, except for LAST_NONE). */
must_check int walker_parent(struct walker *w);
/* The path of the last name, mounts crossed, +1: -ENOENT when it does not exist. */
must_check int walker_child(struct walker *w, struct path *out);
/* cur = where the symbolic link at `link` leads, as far as its text is not in rest. */
must_check int walker_follow(struct walker *w, struct path link, bool last);
/* cur = its parent, not above the root. */
must_check int walker_dotdot(struct walker *w);
/* For LAST_DOT, LAST_DOTDOT and LAST_NONE: cur becomes the result itself. */
must_check int walker_finish(struct walker *w);
