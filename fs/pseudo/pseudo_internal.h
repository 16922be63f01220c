/* Private to fs/pseudo. */
#pragma once
#include "fs/pseudo/pseudo.h"
#include "fs/vfs/inode.h"

struct pseudo_inode {
	struct inode inode;
	const struct pseudo_node *node;
	const struct pseudo_node *about; /* whose hold, drop, alive and getattr apply; or NULL */
	struct pseudo_ref ref;
	LIST_ENTRY(pseudo_inode) names_link; /* of the object's names, by whose lock */
	bool listed;
};

static inline struct pseudo_inode *pseudo_of(struct inode *i)
{
	return container_of(i, struct pseudo_inode, inode);
}

/* names.c: a name of the object is found: false if it has ended. Its inode goes. */
must_check bool pseudo_names_add(struct pseudo_inode *pi);
void pseudo_names_drop(struct pseudo_inode *pi);
/* The inode number of a name in a directory: the same each time it is looked up. */
u64 pseudo_ino(u64 dir, const char *name, size_t len);
/* Is what the inode is about still there? */
bool pseudo_alive(const struct pseudo_inode *pi);
int pseudo_open(struct inode *i, struct file *f);
