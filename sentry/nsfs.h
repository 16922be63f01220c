/*
 * Files that name namespaces: what /proc/PID/ns/KIND leads to, setns(2) takes,
 * and a bind mount keeps alive (namespaces(7), ioctl_ns(2)).
 */
#pragma once
#include "base/ns.h"

struct file;
struct path;

/* At start-up, before any guest runs. */
void nsfs_init(void);
/* A path that leads to n, with references. -ENOMEM. */
must_check int nsfs_path(struct ns *n, struct path *out);
/* The namespace that f or p names, borrowed, or NULL. */
struct ns *nsfs_of_file(const struct file *f);
struct ns *nsfs_of_path(struct path p);
