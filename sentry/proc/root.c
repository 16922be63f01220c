/* /proc itself: the machine as a guest sees it, and the list of processes. */
#include "base/host.h"
#include "base/timer.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/super.h"
#include "fs/vfs/file_lock.h"
#include "sentry/ipc/ipc.h"
#include "sentry/pid.h"
#include "sentry/pid_ns.h"
#include "sentry/proc/proc.h"
#include "sentry/proc/proc_internal.h"
#include "sentry/task.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define PROC_MAGIC 0x9fa0

/* The host's own descriptions of the processor and of memory use: read anew each time. */
static int host_cpuinfo = -1, host_meminfo = -1;

static int open_high(const char *name)
{
	int fd = host_openat(AT_FDCWD, name, O_RDONLY, 0), high;

	if (fd < 0 || fd > 2)
		return fd;
	high = host_dup(fd);
	host_close(fd);
	return high;
}

void proc_open_host_files(void)
{
	host_cpuinfo = open_high("/proc/cpuinfo");
	host_meminfo = open_high("/proc/meminfo");
}

u64 proc_memory_total(void)
{
	if (kernel.memory_limit && kernel.memory_limit < kernel.memory_total)
		return kernel.memory_limit;
	return kernel.memory_total;
}

unsigned proc_cpus(void)
{
	return (unsigned)__builtin_popcountll(kernel.cpus_online);
}

static int show_host_file(int fd, struct text *t)
{
	char buf[4096];
	u64 pos = 0;
	ssize_t n;

	if (fd < 0)
		return 0;
	while ((n = host_pread(fd, buf, sizeof(buf), pos)) > 0) {
		text_add_bytes(t, buf, (size_t)n);
		pos += (u64)n;
	}
	return n < 0 ? (int)n : 0;
}

/* The host's text, of the CPUs that the sandbox has, which are counted from 0 in it. */
static int show_cpuinfo(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	struct text host = {0};
	int err = show_host_file(host_cpuinfo, &host), n = 0, behind;

	text_add_bytes(&host, "", 1);
	for (char *cpu = host.s, *end; !err && cpu && *cpu; cpu = end) {
		unsigned number;

		end = strstr(cpu, "\n\n");
		end = end ? end + 2 : cpu + strlen(cpu);
		if (sscanf(cpu, "processor : %u%n", &number, &behind) != 1) {
			text_add_bytes(t, cpu, (size_t)(end - cpu));
		} else if (number < 64 && kernel.cpus_online & (1ULL << number)) {
			text_add(t, "processor\t: %d", n++);
			text_add_bytes(t, cpu + behind, (size_t)(end - cpu - behind));
		}
	}
	free(host.s);
	return err;
}

/* The host's text, with its total and free memory cut to the sandbox's limit. */
static int show_meminfo(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	struct text host = {0};
	u64 limit = kernel.memory_limit >> 10;
	int err = show_host_file(host_meminfo, &host);

	text_add_bytes(&host, "", 1);
	for (char *line = host.s, *end; !err && line && *line; line = end + 1) {
		unsigned long long kb;
		char name[32];

		end = strchr(line, '\n');
		if (!end)
			break;
		*end = 0;
		if (limit && sscanf(line, "%31[^:]: %llu", name, &kb) == 2 && kb > limit &&
		    (!strcmp(name, "MemTotal") || !strcmp(name, "MemFree") ||
		     !strcmp(name, "MemAvailable")))
			text_add(t, "%s:%*llu kB\n", name, (int)(23 - strlen(name)),
			         (unsigned long long)limit);
		else
			text_add(t, "%s\n", line);
	}
	free(host.s);
	return err;
}

static int show_stat(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	u32 running = 0;
	u64 hz = 100, up = time_boottime() / (1000000000 / hz);

	lock_acquire(&kernel.tasks_lock);
	running = kernel.ntasks;
	lock_release(&kernel.tasks_lock);
	/* CPU time by kind is the host's affair: all of it is shown as idle. */
	text_add(t, "cpu  0 0 0 %llu 0 0 0 0 0 0\n", (unsigned long long)(up * proc_cpus()));
	for (unsigned i = 0, n = 0; i < 64; i++)
		if (kernel.cpus_online & (1ULL << i))
			text_add(t, "cpu%u 0 0 0 %llu 0 0 0 0 0 0\n", n++, (unsigned long long)up);
	text_add(t, "intr 0\nctxt %llu\nbtime %llu\nprocesses %llu\n",
	         (unsigned long long)atomic_load(&kernel.context_switches),
	         (unsigned long long)((time_realtime() - time_boottime()) / 1000000000),
	         (unsigned long long)atomic_load(&kernel.forks));
	text_add(t, "procs_running %u\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
	         running ? 1 : 0);
	return 0;
}

static int show_uptime(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	/* The clocks are the host's, and uptime is CLOCK_BOOTTIME. */
	u64 cs = time_boottime() / 10000000;

	text_add(t, "%llu.%02llu %llu.%02llu\n", (unsigned long long)cs / 100,
	         (unsigned long long)cs % 100, (unsigned long long)cs * proc_cpus() / 100,
	         (unsigned long long)cs * proc_cpus() % 100);
	return 0;
}

static int show_loadavg(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	lock_guard(&kernel.tasks_lock);
	text_add(t, "0.00 0.00 0.00 1/%u %d\n", kernel.ntasks, pid_last(kernel.pids));
	return 0;
}

static int show_version(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "Linux version %s (moat) (gcc) %s\n", KERNEL_RELEASE, KERNEL_VERSION);
	return 0;
}

static int show_cmdline(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "quiet\n");
	return 0;
}

static void add_fs_type(const struct fs_type *ft, void *arg)
{
	text_add(arg, "%s\t%s\n", ft->nodev ? "nodev" : "", ft->name);
}

static int show_filesystems(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	fs_type_each(add_fs_type, t);
	return 0;
}

static int show_devices(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/ptmx\n136 pts\n"
	            "\nBlock devices:\n");
	return 0;
}

static int show_nothing(const struct pseudo_ref *ref unused_arg, struct text *t unused_arg)
{
	return 0;
}

static int show_vmstat(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	static const char *const zero[] = {"nr_dirty", "nr_writeback", "pgpgin",
	                                   "pgpgout",  "pswpin",       "pswpout",
	                                   "pgfault",  "pgmajfault",   "oom_kill"};
	text_add(t, "nr_free_pages %llu\n", (unsigned long long)(proc_memory_total() / PAGE_SIZE));
	for (size_t i = 0; i < array_size(zero); i++)
		text_add(t, "%s 0\n", zero[i]);
	return 0;
}

static int show_swaps(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	return 0;
}

static int show_cgroups(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "#subsys_name\thierarchy\tnum_cgroups\tenabled\n");
	return 0;
}

/* ---- /proc/locks ---------------------------------------------------------- */

struct lock_lines {
	struct file_lock_info info[256];
	unsigned n;
};

static void store_lock(const struct file_lock_info *info, void *arg)
{
	struct lock_lines *l = arg;

	if (l->n < array_size(l->info))
		l->info[l->n++] = *info;
}

static int show_locks(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	static const char *const kinds[] = {"FLOCK ", "POSIX ", "OFDLCK"};
	struct lock_lines *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	file_locks_each(store_lock, l);
	for (unsigned i = 0; i < l->n; i++) {
		struct file_lock_info *k = &l->info[i];

		text_add(t, "%u:%s %s ADVISORY  %s %d %02x:%02x:%llu %llu ", i + 1,
		         k->waiting ? " ->" : "", kinds[k->kind], k->write ? "WRITE" : "READ ",
		         k->pid, major(k->dev), minor(k->dev), (unsigned long long)k->ino,
		         (unsigned long long)k->start);
		if (k->end == FILE_LOCK_EOF)
			text_add(t, "EOF\n");
		else
			text_add(t, "%llu\n", (unsigned long long)k->end);
	}
	free(l);
	return 0;
}

/* ---- links ----------------------------------------------------------------- */

static ssize_t self_readlink(const struct pseudo_ref *ref, char *buf, size_t size)
{
	s32 pid = pid_ns_out(proc_ns(ref), caller()->pid);

	return pid ? snprintf(buf, size, "%d", pid) : -ENOENT;
}

static ssize_t thread_self_readlink(const struct pseudo_ref *ref, char *buf, size_t size)
{
	s32 pid = pid_ns_out(proc_ns(ref), caller()->pid);

	if (!pid)
		return -ENOENT;
	return snprintf(buf, size, "%d/task/%d", pid, pid_ns_out(proc_ns(ref), caller()->tid));
}

static ssize_t mounts_readlink(const struct pseudo_ref *ref unused_arg, char *buf, size_t size)
{
	return snprintf(buf, size, "self/mounts");
}

static ssize_t net_readlink(const struct pseudo_ref *ref unused_arg, char *buf, size_t size)
{
	return snprintf(buf, size, "self/net");
}

/* ---- processes ------------------------------------------------------------- */

s64 parse_index(const char *name)
{
	s64 n = 0;

	if (!*name || (name[0] == '0' && name[1]))
		return -1;
	for (; *name; name++) {
		if (*name < '0' || *name > '9' || n > INT32_MAX / 10)
			return -1;
		n = n * 10 + (*name - '0');
	}
	return n <= INT32_MAX ? n : -1;
}

void task_ref_hold(struct pseudo_ref *ref)
{
	task_get(ref->object);
}

void task_ref_drop(struct pseudo_ref *ref)
{
	task_put(ref->object);
}

/* A zombie's directory stays until it has been waited for. */
bool task_ref_alive(const struct pseudo_ref *ref)
{
	struct task *t = ref_task(ref);
	struct pid_entry *e;

	lock_guard(&kernel.tasks_lock);
	e = pid_lookup(kernel.pids, t->tid);
	return e && e->task == t;
}

static void task_ref_getattr(const struct pseudo_ref *ref, struct attr *a)
{
	struct cred *c = task_cred_get(ref_task(ref));

	a->uid = a->gid = 0;
	if (c && atomic_load(&ref_task(ref)->group->dumpable)) {
		a->uid = c->euid;
		a->gid = c->egid;
	}
	if (c)
		cred_put(c);
}

struct pseudo_names *task_ref_names(const struct pseudo_ref *ref)
{
	return &ref_task(ref)->proc_names;
}

static void pid_path(const struct pseudo_ref *ref, char *buf, size_t size)
{
	snprintf(buf, size, "%u", (u32)ref->key);
}

static const struct pseudo_node pid_node = {.mode = S_IFDIR | 0555,
                                            .children = proc_group_children,
                                            .hold = task_ref_hold,
                                            .drop = task_ref_drop,
                                            .alive = task_ref_alive,
                                            .names = task_ref_names,
                                            .path = pid_path,
                                            .getattr = task_ref_getattr};

struct task *proc_task_of_dir(struct file *f)
{
	if (!pseudo_is(f->inode, &pid_node))
		return NULL;
	return task_get(ref_task(pseudo_inode_ref(f->inode)));
}

static int pid_find(const struct pseudo_ref *dir, const char *name, const struct pseudo_node **node,
                    struct pseudo_ref *ref)
{
	s64 pid = parse_index(name);
	struct task *t = pid > 0 ? task_find_in(proc_ns(dir), (s32)pid) : NULL;

	if (!t)
		return -ENOENT;
	*node = &pid_node;
	*ref = (struct pseudo_ref){.object = t, .key = (u64)pid};
	return 0;
}

/* The first number from `from` on that names a process, as n has them; or 0. tasks_lock held. */
static s32 next_process(struct pid_ns *n, s32 from)
{
	struct pid_entry *e;

	if (!n->parent) {
		e = pid_next_group(kernel.pids, from);
		return e ? e->nr : 0;
	}
	for (s32 nr = from; (nr = pid_ns_next(n, nr)); nr++) {
		e = pid_lookup(kernel.pids, pid_ns_in(n, nr));
		if (e && e->group)
			return nr;
	}
	return 0;
}

static bool pid_next(const struct pseudo_ref *dir, u64 from, struct pseudo_child *out)
{
	s32 nr;

	if (from > INT32_MAX)
		return false;
	lock_guard(&kernel.tasks_lock);
	nr = next_process(proc_ns(dir), (s32)from);
	if (!nr)
		return false;
	out->key = (u64)nr;
	out->type = DT_DIR;
	snprintf(out->name, sizeof(out->name), "%d", nr);
	return true;
}

#define LINK(label, fn)                                                                            \
	{                                                                                          \
		.name = (label), .mode = S_IFLNK | 0777, .readlink = (fn)                          \
	}
#define TEXT(label, fn)                                                                            \
	{                                                                                          \
		.name = (label), .mode = S_IFREG | 0444, .show = (fn)                              \
	}
static const struct pseudo_node sysvipc_children[] = {
    TEXT("msg", ipc_show_msg), TEXT("sem", ipc_show_sem), TEXT("shm", ipc_show_shm), {0}};
static const struct pseudo_node root_children[] = {
    LINK("self", self_readlink),
    LINK("thread-self", thread_self_readlink),
    LINK("mounts", mounts_readlink),
    LINK("net", net_readlink),
    {.name = "sysvipc", .mode = S_IFDIR | 0555, .children = sysvipc_children},
    TEXT("cgroups", show_cgroups),
    TEXT("cmdline", show_cmdline),
    TEXT("cpuinfo", show_cpuinfo),
    TEXT("devices", show_devices),
    TEXT("diskstats", show_nothing),
    TEXT("filesystems", show_filesystems),
    TEXT("loadavg", show_loadavg),
    TEXT("locks", show_locks),
    TEXT("meminfo", show_meminfo),
    TEXT("modules", show_nothing),
    TEXT("partitions", show_nothing),
    TEXT("stat", show_stat),
    TEXT("swaps", show_swaps),
    TEXT("uptime", show_uptime),
    TEXT("version", show_version),
    TEXT("vmstat", show_vmstat),
    {.name = "sys", .mode = S_IFDIR | 0555, .children = proc_sys_children},
    {0},
};
static const struct pseudo_node proc_root = {
    .mode = S_IFDIR | 0555, .children = root_children, .find = pid_find, .next = pid_next};

/* A proc shows the numbers of the namespace of who mounted it (proc(5)). */
static void drop_view(void *view)
{
	pid_ns_put(view);
}

static int proc_mount(const struct fs_type *type unused_arg, const char *source, u64 flags,
                      const char *data unused_arg, struct super **out)
{
	struct pid_ns *n = caller()->pid ? task_self()->group->pid_ns : kernel.pid_ns;
	int err = pseudo_mount(&proc_root, "proc", source, PROC_MAGIC, flags | SB_NO_NEGATIVE, out);

	if (err)
		return err;
	err = pseudo_set_view(*out, pid_ns_get(n), drop_view);
	if (err) {
		pid_ns_put(n);
		super_put(*out);
	}
	return err;
}

const struct fs_type proc_fs_type = {.name = "proc", .mount = proc_mount, .nodev = true};
