/*
 * /proc/sys: what programs ask of it. Values that a guest may change belong to a
 * variable of the sentry that something reads; all others are read-only.
 */
#include "base/caller.h"
#include "base/host.h"
#include "fs/vfs/file.h"
#include "fs/vfs/namei.h"
#include "net/net.h"
#include "sentry/kernel.h"
#include "sentry/ns_set.h"
#include "sentry/pid.h"
#include "sentry/proc/proc_internal.h"
#include "sentry/task.h"
#include "sentry/tty/tty.h"
#include "sentry/uts.h"
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A constant. */
#define CONST(id, value)                                                                           \
	static int show_##id(const struct pseudo_ref *ref unused_arg, struct text *t)              \
	{                                                                                          \
		text_add(t, "%s\n", value);                                                        \
		return 0;                                                                          \
	}
/* An int that root may set within bounds. */
#define TUNABLE(id, place, low, high)                                                              \
	static int show_##id(const struct pseudo_ref *ref unused_arg, struct text *t)              \
	{                                                                                          \
		text_add(t, "%d\n", atomic_load(place));                                           \
		return 0;                                                                          \
	}                                                                                          \
	static int store_##id(const struct pseudo_ref *ref unused_arg, char *buf, size_t n)        \
	{                                                                                          \
		return store_int(place, buf, n, low, high);                                        \
	}

static int store_int(_Atomic s32 *place, char *buf, size_t n unused_arg, long low, long high)
{
	char *end;
	long v = strtol(buf, &end, 10);

	if (end == buf || v < low || v > high)
		return -EINVAL;
	atomic_store(place, (s32)v);
	return 0;
}

/* Of the reader's namespace, as all of /proc/sys is. */
static struct uts_ns *uts(void)
{
	return task_self()->ns->uts;
}

static int show_hostname(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	struct uts u;

	uts_get(uts(), &u);
	text_add(t, "%s\n", u.nodename);
	return 0;
}

static int show_domainname(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	struct uts u;

	uts_get(uts(), &u);
	text_add(t, "%s\n", u.domainname);
	return 0;
}

static int store_name(char *place, char *buf)
{
	if (!cred_has_cap_in(caller_cred(), uts()->ns.owner, CAP_SYS_ADMIN))
		return -EPERM;
	buf[strcspn(buf, "\n")] = 0;
	lock_guard(&uts()->lock);
	snprintf(place, UTS_LEN + 1, "%s", buf);
	return 0;
}

static int store_hostname(const struct pseudo_ref *ref unused_arg, char *buf, size_t n unused_arg)
{
	return store_name(uts()->uts.nodename, buf);
}

static int store_domainname(const struct pseudo_ref *ref unused_arg, char *buf, size_t n unused_arg)
{
	return store_name(uts()->uts.domainname, buf);
}

static void add_uuid(struct text *t, const u8 id[16])
{
	for (int i = 0; i < 16; i++)
		text_add(t, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
	text_add(t, "\n");
}

static int random_id(u8 id[16])
{
	int err = host_getrandom(id, 16);

	/* Version 4, variant 1 (RFC 4122). */
	id[6] = (id[6] & 0x0f) | 0x40;
	id[8] = (id[8] & 0x3f) | 0x80;
	return err < 0 ? err : 0;
}

static int show_uuid(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	u8 id[16];
	int err = random_id(id);

	if (!err)
		add_uuid(t, id);
	return err;
}

static int show_boot_id(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	static struct lock lock = LOCK_INIT(RANK_OBJECT);
	static u8 id[16];
	int err = 0;

	lock_acquire(&lock);
	if (!id[6])
		err = random_id(id);
	lock_release(&lock);
	if (!err)
		add_uuid(t, id);
	return err;
}

static int show_threads_max(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "%u\n", kernel.max_tasks);
	return 0;
}

static int show_pid_max(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "%d\n", PID_MAX);
	return 0;
}

static int show_file_max(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "%llu\n", (unsigned long long)file_limit());
	return 0;
}

static int show_file_nr(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "%llu\t0\t%llu\n", (unsigned long long)file_count(),
	         (unsigned long long)file_limit());
	return 0;
}

static int show_nr_open(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "%llu\n", (unsigned long long)file_nr_open());
	return 0;
}

CONST(ostype, "Linux")
CONST(osrelease, KERNEL_RELEASE)
CONST(kversion, KERNEL_VERSION)
CONST(cap_last_cap, "40")
CONST(ngroups_max, "65536")
CONST(overflow_id, "65534")
CONST(core_pattern, "core")
CONST(zero, "0")
CONST(one, "1")
CONST(two, "2")
CONST(msgmax, "8192")
CONST(msgmnb, "16384")
CONST(msgmni, "32000")
CONST(shm_limit, "18446744073692774399")
CONST(shmmni, "4096")
CONST(sem, "32000\t1024000000\t500\t32000")
CONST(pty_max, "4096")
CONST(entropy, "256")
CONST(printk, "4\t4\t1\t7")
CONST(pipe_max_size, "1048576")
CONST(pipe_pages_soft, "16384")
CONST(inotify_events, "16384")
CONST(inotify_instances, "128")
CONST(watches, "65536")
CONST(mq_queues, "256")
CONST(mq_msg, "10")
CONST(mq_msgsize, "8192")
CONST(aio_max, "65536")
CONST(max_map_count, "65530")
CONST(mmap_min_addr, "65536")
CONST(swappiness, "60")
CONST(overcommit_ratio, "50")
CONST(actions_avail, "kill_process kill_thread trap errno trace log allow")
TUNABLE(hardlinks, &vfs_protection.hardlinks, 0, 1)
TUNABLE(symlinks, &vfs_protection.symlinks, 0, 1)
TUNABLE(regular, &vfs_protection.regular, 0, 2)
TUNABLE(fifos, &vfs_protection.fifos, 0, 2)
TUNABLE(legacy_tiocsti, &tty_legacy_tiocsti, 0, 1)
TUNABLE(somaxconn, &net_current()->somaxconn, 0, INT32_MAX)
TUNABLE(dgram_qlen, &net_current()->max_dgram_qlen, 0, INT32_MAX)
TUNABLE(rmem_default, &net_current()->rmem_default, 2304, INT32_MAX)
TUNABLE(wmem_default, &net_current()->wmem_default, 4608, INT32_MAX)
TUNABLE(rmem_max, &net_current()->rmem_max, 2304, INT32_MAX)
TUNABLE(wmem_max, &net_current()->wmem_max, 4608, INT32_MAX)

#define RO(label, id)                                                                              \
	{                                                                                          \
		.name = (label), .mode = S_IFREG | 0444, .show = show_##id                         \
	}
#define RW(label, id)                                                                              \
	{                                                                                          \
		.name = (label), .mode = S_IFREG | 0644, .show = show_##id, .store = store_##id    \
	}
#define DIR(label, ch)                                                                             \
	{                                                                                          \
		.name = (label), .mode = S_IFDIR | 0555, .children = (ch)                          \
	}

static const struct pseudo_node random_children[] = {RO("boot_id", boot_id),
                                                     RO("entropy_avail", entropy),
                                                     RO("poolsize", entropy),
                                                     RO("uuid", uuid),
                                                     {0}};
static const struct pseudo_node pty_children[] = {RO("max", pty_max), RO("nr", zero), {0}};
static const struct pseudo_node seccomp_children[] = {RO("actions_avail", actions_avail), {0}};
static const struct pseudo_node kernel_children[] = {
    RO("cap_last_cap", cap_last_cap),
    RO("core_pattern", core_pattern),
    RO("core_uses_pid", zero),
    RW("domainname", domainname),
    RW("hostname", hostname),
    RO("kptr_restrict", one),
    RO("msgmax", msgmax),
    RO("msgmnb", msgmnb),
    RO("msgmni", msgmni),
    RO("ngroups_max", ngroups_max),
    RO("osrelease", osrelease),
    RO("ostype", ostype),
    RO("overflowgid", overflow_id),
    RO("overflowuid", overflow_id),
    RO("panic", zero),
    RO("perf_event_paranoid", two),
    RO("pid_max", pid_max),
    RO("printk", printk),
    DIR("pty", pty_children),
    DIR("random", random_children),
    RO("randomize_va_space", two),
    DIR("seccomp", seccomp_children),
    RO("sem", sem),
    RO("shmall", shm_limit),
    RO("shmmax", shm_limit),
    RO("shmmni", shmmni),
    RO("tainted", zero),
    RO("threads-max", threads_max),
    RO("version", kversion),
    {0},
};
static const struct pseudo_node inotify_children[] = {RO("max_queued_events", inotify_events),
                                                      RO("max_user_instances", inotify_instances),
                                                      RO("max_user_watches", watches),
                                                      {0}};
static const struct pseudo_node epoll_children[] = {RO("max_user_watches", watches), {0}};
static const struct pseudo_node mqueue_children[] = {
    RO("msg_default", mq_msg),     RO("msg_max", mq_msg),       RO("msgsize_default", mq_msgsize),
    RO("msgsize_max", mq_msgsize), RO("queues_max", mq_queues), {0}};
static const struct pseudo_node fs_children[] = {
    RO("aio-max-nr", aio_max),
    RO("aio-nr", zero),
    DIR("epoll", epoll_children),
    RO("file-max", file_max),
    RO("file-nr", file_nr),
    DIR("inotify", inotify_children),
    DIR("mqueue", mqueue_children),
    RO("nr_open", nr_open),
    RO("overflowgid", overflow_id),
    RO("overflowuid", overflow_id),
    RO("pipe-max-size", pipe_max_size),
    RO("pipe-user-pages-hard", zero),
    RO("pipe-user-pages-soft", pipe_pages_soft),
    RW("protected_fifos", fifos),
    RW("protected_hardlinks", hardlinks),
    RW("protected_regular", regular),
    RW("protected_symlinks", symlinks),
    RO("suid_dumpable", zero),
    {0},
};
static const struct pseudo_node vm_children[] = {
    RO("max_map_count", max_map_count), RO("mmap_min_addr", mmap_min_addr),
    RO("overcommit_memory", zero),      RO("overcommit_ratio", overcommit_ratio),
    RO("panic_on_oom", zero),           RO("swappiness", swappiness),
    RO("nr_hugepages", zero),           {0},
};
static const struct pseudo_node core_children[] = {
    RW("rmem_default", rmem_default), RW("rmem_max", rmem_max), RW("somaxconn", somaxconn),
    RW("wmem_default", wmem_default), RW("wmem_max", wmem_max), {0}};
static const struct pseudo_node unix_children[] = {RW("max_dgram_qlen", dgram_qlen), {0}};
static const struct pseudo_node net_children[] = {
    DIR("core", core_children), DIR("unix", unix_children), {0}};

static const struct pseudo_node tty_children[] = {RW("legacy_tiocsti", legacy_tiocsti), {0}};
static const struct pseudo_node dev_children[] = {DIR("tty", tty_children), {0}};

const struct pseudo_node proc_sys_children[] = {
    DIR("dev", dev_children), DIR("fs", fs_children), DIR("kernel", kernel_children),
    DIR("net", net_children), DIR("vm", vm_children), {0}};
