/* /proc/PID and /proc/PID/task/TID: their tables, and the small files in them. */
#include "base/uspace.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/inode.h"
#include "sentry/mm.h"
#include "sentry/ns_set.h"
#include "sentry/nsfs.h"
#include "sentry/pid_ns.h"
#include "sentry/proc/proc_internal.h"
#include "sentry/syscall.h"
#include "sentry/task.h"
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int ref_mm(const struct pseudo_ref *ref, struct mm **out)
{
	*out = task_mm_get(ref_task(ref));
	return *out ? 0 : -ESRCH;
}

/* ptrace(2), "Ptrace access mode checking": same ids, or CAP_SYS_PTRACE; and dumpable. */
int ref_may_read(const struct pseudo_ref *ref)
{
	struct task *t = ref_task(ref);
	const struct cred *me = caller_cred();
	struct cred *c;
	bool same;

	if (t->group->pid == caller()->pid)
		return 0;
	c = task_cred_get(t);
	if (!c)
		return -ESRCH;
	same = cred_has_cap_in(me, c->user_ns, CAP_SYS_PTRACE);
	same |= me->fsuid == c->uid && me->fsuid == c->euid && me->fsuid == c->suid &&
	        me->fsgid == c->gid && me->fsgid == c->egid && me->fsgid == c->sgid &&
	        atomic_load(&t->group->dumpable);
	cred_put(c);
	return same ? 0 : -EACCES;
}

/* ---- strings of the program --------------------------------------------- */

/* Copies [start, end) of the task's memory, at most max bytes. */
static int add_memory(const struct pseudo_ref *ref, struct text *t, bool env, size_t max)
{
	char buf[1024];
	struct mm *mm;
	u64 at, end;

	if (ref_mm(ref, &mm))
		return 0;
	at = env ? mm->env_start : mm->arg_start;
	end = env ? mm->env_end : mm->arg_end;
	if (end > at && end - at > max)
		end = at + max;
	while (at < end) {
		size_t n = mm_read(mm, buf, at, min_of(end - at, sizeof(buf)));

		if (!n)
			break;
		text_add_bytes(t, buf, n);
		at += n;
	}
	mm_put(mm);
	return 0;
}

#define STRINGS_MAX (2UL << 20)

static int show_cmdline(const struct pseudo_ref *ref, struct text *t)
{
	return add_memory(ref, t, false, STRINGS_MAX);
}

static int show_environ(const struct pseudo_ref *ref, struct text *t)
{
	int err = ref_may_read(ref);

	return err ? err : add_memory(ref, t, true, STRINGS_MAX);
}

static int show_auxv(const struct pseudo_ref *ref, struct text *t)
{
	struct mm *mm;
	int err = ref_may_read(ref);

	if (err || ref_mm(ref, &mm))
		return err;
	text_add_bytes(t, mm->auxv, mm->auxv_len);
	mm_put(mm);
	return 0;
}

static int show_comm(const struct pseudo_ref *ref, struct text *t)
{
	char comm[COMM_LEN];

	task_comm(ref_task(ref), comm);
	text_add(t, "%.*s\n", COMM_LEN, comm);
	return 0;
}

static int store_comm(const struct pseudo_ref *ref, char *buf, size_t n)
{
	if (ref_task(ref)->group->pid != caller()->pid)
		return -EINVAL;
	if (n && buf[n - 1] == '\n')
		buf[n - 1] = 0;
	task_set_comm(ref_task(ref), buf);
	return 0;
}

/* ---- links ----------------------------------------------------------------- */

static int get_exe(const struct pseudo_ref *ref, struct path *out)
{
	struct mm *mm;
	int err = ref_may_read(ref);

	if (err)
		return err;
	if (ref_mm(ref, &mm))
		return -ENOENT;
	if (mm->exe && mm->exe->path.mnt)
		*out = path_get(mm->exe->path);
	else
		err = -ENOENT;
	mm_put(mm);
	return err;
}

static int get_fs_path(const struct pseudo_ref *ref, bool root, struct path *out)
{
	struct fs_context *fs;
	int err = ref_may_read(ref);

	if (err)
		return err;
	fs = task_fs_get(ref_task(ref));
	if (!fs)
		return -ENOENT;
	*out = root ? fs_context_root(fs) : fs_context_cwd(fs);
	fs_context_put(fs);
	return 0;
}

static int get_cwd(const struct pseudo_ref *ref, struct path *out)
{
	return get_fs_path(ref, false, out);
}

static int get_root(const struct pseudo_ref *ref, struct path *out)
{
	return get_fs_path(ref, true, out);
}

/* ---- limits ------------------------------------------------------------------ */

static void add_limit(struct text *t, u64 v)
{
	if (v == ~0ULL)
		text_add(t, "%-20s ", "unlimited");
	else
		text_add(t, "%-20llu ", (unsigned long long)v);
}

static int show_limits(const struct pseudo_ref *ref, struct text *t)
{
	static const struct {
		int resource;
		const char *name, *unit;
	} rows[] = {{RLIMIT_CPU, "Max cpu time", "seconds"},
	            {RLIMIT_FSIZE, "Max file size", "bytes"},
	            {RLIMIT_DATA, "Max data size", "bytes"},
	            {RLIMIT_STACK, "Max stack size", "bytes"},
	            {RLIMIT_CORE, "Max core file size", "bytes"},
	            {RLIMIT_RSS, "Max resident set", "bytes"},
	            {RLIMIT_NPROC, "Max processes", "processes"},
	            {RLIMIT_NOFILE, "Max open files", "files"},
	            {RLIMIT_MEMLOCK, "Max locked memory", "bytes"},
	            {RLIMIT_AS, "Max address space", "bytes"},
	            {RLIMIT_LOCKS, "Max file locks", "locks"},
	            {RLIMIT_SIGPENDING, "Max pending signals", "signals"},
	            {RLIMIT_MSGQUEUE, "Max msgqueue size", "bytes"},
	            {RLIMIT_NICE, "Max nice priority", ""},
	            {RLIMIT_RTPRIO, "Max realtime priority", ""},
	            {RLIMIT_RTTIME, "Max realtime timeout", "us"}};
	struct thread_group *g = ref_task(ref)->group;
	struct rlimit64 limits[RLIM_NLIMITS];

	lock_acquire(&g->limits_lock);
	memcpy(limits, g->limits, sizeof(limits));
	lock_release(&g->limits_lock);
	text_add(t, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (size_t i = 0; i < array_size(rows); i++) {
		text_add(t, "%-25s ", rows[i].name);
		add_limit(t, limits[rows[i].resource].rlim_cur);
		add_limit(t, limits[rows[i].resource].rlim_max);
		text_add(t, "%-10s\n", rows[i].unit);
	}
	return 0;
}

/* ---- numbers ------------------------------------------------------------------- */

static int show_oom_adj(const struct pseudo_ref *ref, struct text *t)
{
	text_add(t, "%d\n", atomic_load(&ref_task(ref)->group->oom_score_adj));
	return 0;
}

static int store_oom_adj(const struct pseudo_ref *ref, char *buf, size_t n unused_arg)
{
	struct thread_group *g = ref_task(ref)->group;
	char *end;
	long v = strtol(buf, &end, 10);

	if (end == buf || v < -1000 || v > 1000)
		return -EINVAL;
	if (v < atomic_load(&g->oom_score_adj) && !cred_has_cap(caller_cred(), CAP_SYS_RESOURCE))
		return -EACCES;
	atomic_store(&g->oom_score_adj, (s32)v);
	return 0;
}

static int show_oom_score(const struct pseudo_ref *ref, struct text *t)
{
	text_add(t, "%d\n", 666 + atomic_load(&ref_task(ref)->group->oom_score_adj) * 2 / 3);
	return 0;
}

static int show_personality(const struct pseudo_ref *ref, struct text *t)
{
	text_add(t, "%08x\n", atomic_load(&ref_task(ref)->group->personality));
	return 0;
}

static int show_minus_one(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "4294967295");
	return 0;
}

static int show_cgroup(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "0::/\n");
	return 0;
}

static int show_wchan(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "0");
	return 0;
}

static int show_io(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\n"
	            "cancelled_write_bytes: 0\n");
	return 0;
}

static int show_coredump_filter(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "00000033\n");
	return 0;
}

static int store_ignored(const struct pseudo_ref *ref unused_arg, char *buf unused_arg,
                         size_t n unused_arg)
{
	return -EPERM;
}

static int show_syscall(const struct pseudo_ref *ref, struct text *t)
{
	u64 nr = ref_task(ref)->syscall_nr;
	int err = ref_may_read(ref);

	if (err)
		return err;
	text_add(t, nr == ~0ULL ? "running\n" : "%llu\n", (unsigned long long)nr);
	return 0;
}

/* ---- namespaces ------------------------------------------------------------------ */

/* Every kind has the functions of a link; what differs is the kind. */
static int ns_get_link(const struct pseudo_ref *ref, enum ns_kind kind, struct path *out)
{
	struct ns *n;
	int err = ref_may_read(ref);

	if (err)
		return err;
	n = task_ns_get(ref_task(ref), kind);
	err = n ? nsfs_path(n, out) : -ENOENT;
	ns_put(n);
	return err;
}

static ssize_t ns_name(const struct pseudo_ref *ref, enum ns_kind kind, char *buf, size_t size)
{
	struct ns *n;
	ssize_t len = ref_may_read(ref);

	if (len)
		return len;
	n = task_ns_get(ref_task(ref), kind);
	len = n ? snprintf(buf, size, "%s:[%u]", ns_kind_name(kind), n->ino) : -ENOENT;
	ns_put(n);
	return len;
}

#define NS(label, kind)                                                                            \
	static int link_##label(const struct pseudo_ref *ref, struct path *out)                    \
	{                                                                                          \
		return ns_get_link(ref, kind, out);                                                \
	}                                                                                          \
	static ssize_t name_##label(const struct pseudo_ref *ref, char *buf, size_t size)          \
	{                                                                                          \
		return ns_name(ref, kind, buf, size);                                              \
	}
NS(cgroup, NS_CGROUP)
NS(ipc, NS_IPC)
NS(mnt, NS_MNT)
NS(net, NS_NET)
NS(user, NS_USER)
NS(uts, NS_UTS)

NS(pid, NS_PID)

/* Where its next child will be; nobody can tell before there is a first process. */
static struct ns *children_ns(const struct pseudo_ref *ref)
{
	struct task *t = ref_task(ref);
	struct pid_ns *n;
	bool empty;
	{
		lock_guard(&t->group->siglock);
		n = pid_ns_get(t->child_pid_ns ? t->child_pid_ns : t->group->pid_ns);
	}
	lock_acquire(&kernel.tasks_lock);
	empty = n->parent && !n->init;
	lock_release(&kernel.tasks_lock);
	if (empty) {
		pid_ns_put(n);
		return NULL;
	}
	return &n->ns;
}

static int link_pid_for_children(const struct pseudo_ref *ref, struct path *out)
{
	struct ns *n;
	int err = ref_may_read(ref);

	if (err)
		return err;
	n = children_ns(ref);
	err = n ? nsfs_path(n, out) : -ENOENT;
	ns_put(n);
	return err;
}

static ssize_t name_pid_for_children(const struct pseudo_ref *ref, char *buf, size_t size)
{
	struct ns *n;
	ssize_t len = ref_may_read(ref);

	if (len)
		return len;
	n = children_ns(ref);
	len = n ? snprintf(buf, size, "pid:[%u]", n->ino) : -ENOENT;
	ns_put(n);
	return len;
}

/* There is but one. */
static ssize_t name_time(const struct pseudo_ref *ref unused_arg, char *buf, size_t size)
{
	return snprintf(buf, size, "time:[%u]", NS_INO_TIME);
}

#define NS_LINK(label)                                                                             \
	{                                                                                          \
		.name = #label, .mode = S_IFLNK | 0777, .get_link = link_##label,                  \
		.readlink = name_##label                                                           \
	}
#define LINK(label, fn)                                                                            \
	{                                                                                          \
		.name = (label), .mode = S_IFLNK | 0777, .readlink = (fn)                          \
	}
#define MAGIC(label, fn)                                                                           \
	{                                                                                          \
		.name = (label), .mode = S_IFLNK | 0777, .get_link = (fn)                          \
	}
#define TEXT(label, fn)                                                                            \
	{                                                                                          \
		.name = (label), .mode = S_IFREG | 0444, .show = (fn)                              \
	}
#define SECRET(label, fn)                                                                          \
	{                                                                                          \
		.name = (label), .mode = S_IFREG | 0400, .show = (fn)                              \
	}
#define WRITE(label, fn, put)                                                                      \
	{                                                                                          \
		.name = (label), .mode = S_IFREG | 0644, .show = (fn), .write = (put)              \
	}
#define EDIT(label, fn, set)                                                                       \
	{                                                                                          \
		.name = (label), .mode = S_IFREG | 0644, .show = (fn), .store = (set)              \
	}

static const struct pseudo_node ns_children[] = {
    NS_LINK(cgroup),
    NS_LINK(ipc),
    NS_LINK(mnt),
    NS_LINK(net),
    NS_LINK(pid),
    NS_LINK(pid_for_children),
    LINK("time", name_time),
    NS_LINK(user),
    NS_LINK(uts),
    {0},
};

/* ---- threads ------------------------------------------------------------------- */

/* The key of a thread's directory has its process's, too: both numbers as this file system has
 * them.
 */
static u64 tid_key(u64 pid, u64 tid)
{
	return pid << 32 | tid;
}

static void tid_path(const struct pseudo_ref *ref, char *buf, size_t size)
{
	snprintf(buf, size, "%u/task/%u", (u32)(ref->key >> 32), (u32)ref->key);
}

static const struct pseudo_node tid_node = {.mode = S_IFDIR | 0555,
                                            .children = proc_task_children,
                                            .hold = task_ref_hold,
                                            .drop = task_ref_drop,
                                            .alive = task_ref_alive,
                                            .names = task_ref_names,
                                            .path = tid_path};

static int tid_find(const struct pseudo_ref *dir, const char *name, const struct pseudo_node **node,
                    struct pseudo_ref *ref)
{
	s64 tid = parse_index(name);
	struct task *t = tid > 0 ? task_find_in(proc_ns(dir), (s32)tid) : NULL;

	if (!t)
		return -ENOENT;
	if (t->group != ref_task(dir)->group) {
		task_put(t);
		return -ENOENT;
	}
	*node = &tid_node;
	*ref = (struct pseudo_ref){.object = t, .key = tid_key(dir->key, (u64)tid)};
	return 0;
}

static bool tid_next(const struct pseudo_ref *dir, u64 from, struct pseudo_child *out)
{
	struct task *t;
	s32 best = 0;

	lock_guard(&kernel.tasks_lock);
	TAILQ_FOREACH (t, &ref_task(dir)->group->threads, thread_link) {
		s32 nr = pid_ns_out(proc_ns(dir), t->tid);
		if (nr && (u64)nr >= from && (!best || nr < best))
			best = nr;
	}
	if (!best)
		return false;
	out->key = (u64)best;
	out->type = DT_DIR;
	snprintf(out->name, sizeof(out->name), "%d", best);
	return true;
}

#define COMMON_CHILDREN                                                                            \
	MAGIC("cwd", get_cwd), MAGIC("exe", get_exe), MAGIC("root", get_root),                     \
	    SECRET("auxv", show_auxv), TEXT("cgroup", show_cgroup), TEXT("cmdline", show_cmdline), \
	    EDIT("comm", show_comm, store_comm), SECRET("environ", show_environ),                  \
	    {.name = "fd",                                                                         \
	     .mode = S_IFDIR | 0500,                                                               \
	     .permission = task_fd_permission,                                                     \
	     .find = find_task_fd,                                                                 \
	     .next = next_task_fd},                                                                \
	    {.name = "fdinfo",                                                                     \
	     .mode = S_IFDIR | 0555,                                                               \
	     .find = find_task_fdinfo,                                                             \
	     .next = next_task_fd},                                                                \
	    WRITE("gid_map", show_gid_map, write_gid_map), SECRET("io", show_io),                  \
	    TEXT("limits", show_limits), TEXT("maps", show_task_maps),                             \
	    {.name = "mem", .mode = S_IFREG | 0600, .open = open_task_mem},                        \
	    TEXT("mountinfo", show_task_mountinfo), TEXT("mounts", show_task_mounts),              \
	    {.name = "net", .mode = S_IFDIR | 0555, .children = proc_net_children},                \
	    {.name = "ns", .mode = S_IFDIR | 0511, .children = ns_children},                       \
	    TEXT("oom_score", show_oom_score), EDIT("oom_score_adj", show_oom_adj, store_oom_adj), \
	    SECRET("personality", show_personality), TEXT("sessionid", show_minus_one),            \
	    EDIT("loginuid", show_minus_one, store_ignored),                                       \
	    WRITE("setgroups", show_setgroups, write_setgroups), TEXT("smaps", show_task_smaps),   \
	    TEXT("smaps_rollup", show_task_smaps_rollup), TEXT("stat", show_task_stat),            \
	    TEXT("statm", show_task_statm), TEXT("status", show_task_status),                      \
	    SECRET("syscall", show_syscall), WRITE("uid_map", show_uid_map, write_uid_map),        \
	    TEXT("wchan", show_wchan)

const struct pseudo_node proc_task_children[] = {COMMON_CHILDREN, {0}};

const struct pseudo_node proc_group_children[] = {
    COMMON_CHILDREN,
    EDIT("coredump_filter", show_coredump_filter, store_ignored),
    {.name = "task", .mode = S_IFDIR | 0555, .find = tid_find, .next = tid_next},
    {0},
};
