/*
 * Character devices: who serves which device number. A device node of any file
 * system leads here (vfs_set_special_open), so a node that a guest makes with
 * mknod(2) works like the one in /dev.
 */
#pragma once
#include "base/types.h"

struct inode;
struct file;

struct chrdev {
	u32 major, minor, count; /* minors [minor, minor + count) */
	/* Sets f->ops and f->priv. i->attr.rdev says which minor. */
	int (*open)(struct inode *i, struct file *f);
	/* Name in /dev, or NULL when someone else makes the node. */
	const char *name;
	u32 mode;
};

/* Start-up only. dev lives for ever. */
void chrdev_register(const struct chrdev *dev);
/* For vfs_set_special_open. -ENXIO for a number that nobody serves, and for block devices. */
must_check int chrdev_open(struct inode *i, struct file *f);
void chrdev_each(void (*fn)(const struct chrdev *dev, void *arg), void *arg);

/* null, zero, full, random, urandom. */
void mem_devices_register(void);

struct fs_type;
/* A tmpfs with a node for every registered device, and the usual links. */
extern const struct fs_type devtmpfs_type;
