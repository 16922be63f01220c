/*
 * /sys: the few files that C libraries and language runtimes read to learn about
 * processors and memory.
 */
#include "fs/vfs/super.h"
#include "sentry/proc/proc.h"
#include "sentry/proc/proc_internal.h"
#include "sentry/kernel.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SYSFS_MAGIC 0x62656572

static int show_cpu_range(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	unsigned n = proc_cpus();

	text_add(t, n > 1 ? "0-%u\n" : "%u\n", n - 1);
	return 0;
}

/* A set of processors as bitmap_print_to_pagebuf() shows it: hexadecimal words of 32 bits. */
static void add_mask(struct text *t, u64 mask)
{
	if (mask >> 32)
		text_add(t, "%x,%08x\n", (unsigned)(mask >> 32), (unsigned)mask);
	else
		text_add(t, "%x\n", (unsigned)mask);
}

static int show_cpu_mask(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	add_mask(t, ~0ULL >> (64 - proc_cpus()));
	return 0;
}

/* A core has one thread: the processor itself. */
static int show_own_mask(const struct pseudo_ref *ref, struct text *t)
{
	add_mask(t, 1ULL << ref->key);
	return 0;
}

static int show_kernel_max(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "63\n");
	return 0;
}

static int show_zero(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "0\n");
	return 0;
}

static int show_one(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "1\n");
	return 0;
}

static int show_empty_line(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "\n");
	return 0;
}

static int show_never(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "always madvise [never]\n");
	return 0;
}

static int show_core_id(const struct pseudo_ref *ref, struct text *t)
{
	text_add(t, "%llu\n", (unsigned long long)ref->key);
	return 0;
}

static int show_distance(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "10\n");
	return 0;
}

static int show_node_meminfo(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	u64 total = proc_memory_total() >> 10, free = min_of(kernel.memory_free >> 10, total);

	text_add(
	    t, "Node 0 MemTotal: %14llu kB\nNode 0 MemFree: %15llu kB\nNode 0 MemUsed: %15llu kB\n",
	    (unsigned long long)total, (unsigned long long)free,
	    (unsigned long long)(total - free));
	return 0;
}

#define RO(label, id)                                                                              \
	{                                                                                          \
		.name = (label), .mode = S_IFREG | 0444, .show = show_##id                         \
	}
#define DIR(label, ch)                                                                             \
	{                                                                                          \
		.name = (label), .mode = S_IFDIR | 0755, .children = (ch)                          \
	}

static const struct pseudo_node topology_children[] = {RO("core_cpus", own_mask),
                                                       RO("core_cpus_list", core_id),
                                                       RO("core_id", core_id),
                                                       RO("core_siblings", cpu_mask),
                                                       RO("core_siblings_list", cpu_range),
                                                       RO("die_id", zero),
                                                       RO("package_cpus", cpu_mask),
                                                       RO("package_cpus_list", cpu_range),
                                                       RO("physical_package_id", zero),
                                                       RO("thread_siblings", own_mask),
                                                       RO("thread_siblings_list", core_id),
                                                       {0}};
static const struct pseudo_node cpu_n_children[] = {
    RO("online", one), DIR("topology", topology_children), {0}};
static const struct pseudo_node cpu_n_node = {.mode = S_IFDIR | 0755, .children = cpu_n_children};

static int cpu_find(const struct pseudo_ref *dir unused_arg, const char *name,
                    const struct pseudo_node **node, struct pseudo_ref *ref)
{
	s64 n = strncmp(name, "cpu", 3) ? -1 : parse_index(name + 3);

	if (n < 0 || n >= proc_cpus())
		return -ENOENT;
	*node = &cpu_n_node;
	*ref = (struct pseudo_ref){.key = (u64)n};
	return 0;
}

static bool cpu_next(const struct pseudo_ref *dir unused_arg, u64 from, struct pseudo_child *out)
{
	if (from >= proc_cpus())
		return false;
	out->key = from;
	out->type = DT_DIR;
	snprintf(out->name, sizeof(out->name), "cpu%u", (unsigned)from);
	return true;
}

static const struct pseudo_node cpu_children[] = {RO("isolated", empty_line),
                                                  RO("kernel_max", kernel_max),
                                                  RO("offline", empty_line),
                                                  RO("online", cpu_range),
                                                  RO("possible", cpu_range),
                                                  RO("present", cpu_range),
                                                  {0}};
static const struct pseudo_node node0_children[] = {RO("cpulist", cpu_range),
                                                    RO("cpumap", cpu_mask),
                                                    RO("distance", distance),
                                                    RO("meminfo", node_meminfo),
                                                    {0}};
static const struct pseudo_node node_children[] = {RO("has_cpu", zero),
                                                   RO("has_memory", zero),
                                                   RO("has_normal_memory", zero),
                                                   DIR("node0", node0_children),
                                                   RO("online", zero),
                                                   RO("possible", zero),
                                                   {0}};
static const struct pseudo_node system_children[] = {
    {.name = "cpu",
     .mode = S_IFDIR | 0755,
     .children = cpu_children,
     .find = cpu_find,
     .next = cpu_next},
    DIR("node", node_children),
    {0},
};
static const struct pseudo_node thp_children[] = {RO("defrag", never), RO("enabled", never), {0}};
static const struct pseudo_node mm_children[] = {
    DIR("hugepages", NULL), DIR("transparent_hugepage", thp_children), {0}};
static const struct pseudo_node kernel_children[] = {DIR("mm", mm_children), {0}};
static const struct pseudo_node class_children[] = {DIR("net", NULL), DIR("tty", NULL), {0}};
static const struct pseudo_node dev_children[] = {DIR("block", NULL), DIR("char", NULL), {0}};
static const struct pseudo_node devices_children[] = {DIR("system", system_children), {0}};
static const struct pseudo_node fs_children[] = {DIR("cgroup", NULL), {0}};
static const struct pseudo_node root_children[] = {DIR("block", NULL),
                                                   DIR("bus", NULL),
                                                   DIR("class", class_children),
                                                   DIR("dev", dev_children),
                                                   DIR("devices", devices_children),
                                                   DIR("fs", fs_children),
                                                   DIR("kernel", kernel_children),
                                                   {0}};
static const struct pseudo_node sys_root = {.mode = S_IFDIR | 0555, .children = root_children};

static int sysfs_mount(const struct fs_type *type unused_arg, const char *source, u64 flags,
                       const char *data unused_arg, struct super **out)
{
	return pseudo_mount(&sys_root, "sysfs", source, SYSFS_MAGIC, flags, out);
}

const struct fs_type sysfs_type = {.name = "sysfs", .mount = sysfs_mount, .nodev = true};
