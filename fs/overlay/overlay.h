/*
 * overlay: a writable view of trees that are not written to, with the meaning
 * of Linux's overlayfs (Documentation/filesystems/overlayfs.rst).
 *
 * Lower layers are only read. What is changed is copied to the upper layer
 * first; a removed lower name is covered there by a whiteout (character device 0/0),
 * and a directory that must not merge is marked trusted.overlay.opaque, or
 * user.overlay.opaque where the upper file system keeps no trusted attributes. So a directory of
 * the host serves as an upper layer that persists, and an image made for Linux's overlayfs serves
 * as a lower one.
 *
 * Better than Linux's defaults: directories of a lower layer can be renamed; hard links
 * stay one file when one of them is changed; inode numbers never change; and a file
 * that was opened for reading sees what is written after its copy-up.
 */
#pragma once
#include "base/types.h"

struct super;

/*
 * lower: top first; at least one. upper: NULL makes a read-only view. All were mounted with
 * SB_LOWER and are layers of no other overlay (-EINVAL), and are changed through this one only.
 * Takes references of its own. *out with one reference.
 */
must_check int overlay_mount(struct super *const lower[], unsigned nlower, struct super *upper,
                             struct super **out);
