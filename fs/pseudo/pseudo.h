/*
 * Pseudo file systems: trees whose nodes are made of tables and functions, not
 * of stored data. proc and sysfs are built of it.
 *
 * A node is described by a const struct pseudo_node. Directories name their
 * fixed children in a table and may add children that are found by a function
 * (pids, descriptors). A file's text is produced whole when it is first read at
 * position 0 and kept by the open file, so that reading in small pieces gives one
 * consistent text (fs/seq_file.c behaves alike for short files).
 */
#pragma once
#include "base/lock.h"
#include "base/types.h"
#include <sys/queue.h>

struct inode;
struct file;
struct path;
struct super;
struct cred;
struct attr;
struct pseudo_inode;

/* Growing text; memory errors are remembered and end in -ENOMEM of the read. */
struct text {
	char *s;
	size_t len, cap;
	bool failed;
};
void text_add(struct text *t, const char *fmt, ...) printf_like(2, 3);
void text_add_bytes(struct text *t, const void *p, size_t n);
/* As text_add("%s"), with blanks, tabs, newlines and backslashes as \ooo (mangle_path). */
void text_add_mangled(struct text *t, const char *s);

/* What a node is about: set when a dynamic child is made, inherited by what lies below. */
struct pseudo_ref {
	void *object; /* e.g. a task, with a reference dropped by node->drop */
	u64 key;      /* e.g. a descriptor's number */
	void *view;   /* of the whole file system: see pseudo_set_view */
};

/*
 * Names that have been found for one object, which it embeds. They are cached like any others, and
 * hold it: so they go when it ends (proc_flush_pid).
 */
struct pseudo_names {
	struct lock lock;
	LIST_HEAD(, pseudo_inode) inodes; /* guarded by lock, as is ended; not held */
	bool ended;
};
void pseudo_names_init(struct pseudo_names *n);
/* None is found any more. True: there are some to be forgotten. Under any lock. */
must_check bool pseudo_names_end(struct pseudo_names *n);
/* Takes them, and what lies below, out of the cache. On a fiber that holds no lock. */
void pseudo_names_forget(struct pseudo_names *n);

struct pseudo_child {
	char name[32];
	u64 key;
	u8 type; /* DT_* */
};

/* A write(2): what store gets, and more. */
struct pseudo_write {
	char *buf; /* NUL-terminated */
	size_t n;
	u64 pos;
	const struct cred *opener;
};

struct pseudo_node {
	const char *name; /* in its parent's table */
	u32 mode;         /* type and permissions */

	/* Directories. */
	const struct pseudo_node *children; /* ended by a NULL name */
	/*
	 * The dynamic child of that name: its node, and in *ref what it is about (a new
	 * reference). -ENOENT.
	 */
	int (*find)(const struct pseudo_ref *dir, const char *name, const struct pseudo_node **node,
	            struct pseudo_ref *ref);
	/*
	 * The first dynamic child with a key >= from, or false at the end. Keys are
	 * below 2^40.
	 */
	bool (*next)(const struct pseudo_ref *dir, u64 from, struct pseudo_child *out);

	/*
	 * Of a dynamic child whose object ends: where that keeps track of its names, and what this
	 * one is from the root on, "12/task/34". Both or neither.
	 */
	struct pseudo_names *(*names)(const struct pseudo_ref *ref);
	void (*path)(const struct pseudo_ref *ref, char *buf, size_t size);

	/* Regular files. */
	int (*show)(const struct pseudo_ref *ref, struct text *t);
	/* A write(2) of n bytes, NUL-terminated sentry copy (at most a page). 0 or -errno. */
	int (*store)(const struct pseudo_ref *ref, char *buf, size_t n);
	/* The same, where it matters who opened the file, and how far into it is written. */
	int (*write)(const struct pseudo_ref *ref, const struct pseudo_write *w);
	/* Files with ops of their own (/proc/PID/mem): sets f->ops. */
	int (*open)(const struct pseudo_ref *ref, struct file *f);

	/* Links: a text, or the object itself (whose name is the text unless there is one, too). */
	ssize_t (*readlink)(const struct pseudo_ref *ref, char *buf, size_t size);
	int (*get_link)(const struct pseudo_ref *ref, struct path *out);

	/* All: the reference of a dynamic child, dropped with its inode; copied for what lies
	 * below. */
	void (*hold)(struct pseudo_ref *ref);
	void (*drop)(struct pseudo_ref *ref);
	/* May a cached name still be used? Absent: always. */
	bool (*alive)(const struct pseudo_ref *ref);
	/* Owner and mode that change (task directories). */
	void (*getattr)(const struct pseudo_ref *ref, struct attr *a);
	/* Directories: asked if the mode does not allow it. 0, or -errno. */
	int (*permission)(const struct pseudo_ref *ref);
};

/*
 * A super block whose root is `root`. hold/drop/alive/getattr of a directory's node apply to
 * everything below it that does not bring its own.
 */
must_check int pseudo_mount(const struct pseudo_node *root, const char *type, const char *source,
                            u32 magic, u64 flags, struct super **out);
/*
 * What every node of sb gets as its ref.view, right after pseudo_mount; drop(view) is called
 * when the file system goes. -ENOMEM: not taken over.
 */
must_check int pseudo_set_view(struct super *sb, void *view, void (*drop)(void *view));
/* i is of a pseudo file system, and node describes it. */
bool pseudo_is(const struct inode *i, const struct pseudo_node *node);
/* What an inode of such a file system is about. */
const struct pseudo_ref *pseudo_inode_ref(struct inode *i);
