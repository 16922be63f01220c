/* proc(5) and sysfs(5): the sentry's own state as files. */
#pragma once
#include "base/types.h"

struct fs_type;
extern const struct fs_type proc_fs_type, sysfs_type;

struct file;
struct task;
/* f is open on a directory /proc/PID: the process's leader, +1, or NULL. */
struct task *proc_task_of_dir(struct file *f);

/* t is released: names of it are not found any more. tasks_lock held. */
void proc_task_ended_locked(struct task *t);
/* Then, on a fiber and without a lock: takes those that were found out of the cache. */
void proc_forget_ended(void);

/*
 * Opens what of the host these file systems show: the processor's description
 * and the machine's memory. Before lock-down; absent files are done without.
 */
void proc_open_host_files(void);
