/* Private to sentry/proc. */
#pragma once
#include "fs/pseudo/pseudo.h"

struct mm;
struct pid_ns;
struct task;

/* Directories' tables. */
extern const struct pseudo_node proc_task_children[];  /* /proc/PID/task/TID */
extern const struct pseudo_node proc_group_children[]; /* /proc/PID */
extern const struct pseudo_node proc_sys_children[];   /* /proc/sys */
extern const struct pseudo_node proc_net_children[];   /* /proc/PID/net */

/* ref.object of everything below /proc/PID is a held struct task. */
static inline struct task *ref_task(const struct pseudo_ref *ref)
{
	return ref->object;
}
/* The pid namespace that this proc file system shows. */
static inline struct pid_ns *proc_ns(const struct pseudo_ref *ref)
{
	return ref->view;
}
void task_ref_hold(struct pseudo_ref *ref);
void task_ref_drop(struct pseudo_ref *ref);
bool task_ref_alive(const struct pseudo_ref *ref);
struct pseudo_names *task_ref_names(const struct pseudo_ref *ref);

/*
 * Of that task: +1, or -ESRCH when it has ended. May the caller look into it as with ptrace(2)'s
 * PTRACE_MODE_READ? -EACCES if not.
 */
must_check int ref_mm(const struct pseudo_ref *ref, struct mm **out);
must_check int ref_may_read(const struct pseudo_ref *ref);

/* Bodies of files, by the source file that has them. */
int show_task_stat(const struct pseudo_ref *ref, struct text *t);
int show_task_statm(const struct pseudo_ref *ref, struct text *t);
int show_task_status(const struct pseudo_ref *ref, struct text *t);
int show_task_maps(const struct pseudo_ref *ref, struct text *t);
int show_task_smaps(const struct pseudo_ref *ref, struct text *t);
int show_task_smaps_rollup(const struct pseudo_ref *ref, struct text *t);
int show_task_mounts(const struct pseudo_ref *ref, struct text *t);
int show_task_mountinfo(const struct pseudo_ref *ref, struct text *t);
int show_uid_map(const struct pseudo_ref *ref, struct text *t);
int show_gid_map(const struct pseudo_ref *ref, struct text *t);
int show_setgroups(const struct pseudo_ref *ref, struct text *t);
int write_uid_map(const struct pseudo_ref *ref, const struct pseudo_write *w);
int write_gid_map(const struct pseudo_ref *ref, const struct pseudo_write *w);
int write_setgroups(const struct pseudo_ref *ref, const struct pseudo_write *w);
int open_task_mem(const struct pseudo_ref *ref, struct file *f);

/* Descriptors: /proc/PID/fd and fdinfo. */
int task_fd_permission(const struct pseudo_ref *ref);
int find_task_fd(const struct pseudo_ref *dir, const char *name, const struct pseudo_node **node,
                 struct pseudo_ref *ref);
int find_task_fdinfo(const struct pseudo_ref *dir, const char *name,
                     const struct pseudo_node **node, struct pseudo_ref *ref);
bool next_task_fd(const struct pseudo_ref *dir, u64 from, struct pseudo_child *out);

/* A decimal name without leading zeros that fits: the number, or -1. */
s64 parse_index(const char *name);
/* Bytes of the machine's memory, and of it free: the limit of the sandbox applies. */
u64 proc_memory_total(void);
unsigned proc_cpus(void);
