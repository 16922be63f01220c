/*
 * The table below is the document and the check. Each row is a host call, or a
 * further form of the call above it (no reason given): when it is allowed, with
 * which arguments, who makes it and why. Where a call can be constrained by a
 * scalar argument it is. Not in the table: whatever executes programs, opens
 * sockets, makes memory executable, changes identity, or looks at other processes
 * than stubs (process_vm_readv is held to those by the host: they are the
 * sentry's children, in no other Landlock domain than its own).
 *
 * Rows of base/ stand for the gateway base/host.h. Host calls: prctl, seccomp.
 */
#include "platform/filter/sentry_filter.h"
#include "base/host.h"
#include "base/host_thread.h"
#include "platform/filter/filter_print.h"
#include "platform/filter/filter_program.h"
#include "platform/filter/stub_filter.h"
#include "platform/stub/abi.h"
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

enum when {
	ALWAYS = 0,
	HOST_FILES = 1,
	WRITABLE = 2,
	TERMINAL = 4,
	CONTROL = 8,
	NET_LINK = 16,
	NET_HOST = 32,
	READ_ONLY = 64, /* host files, but none to be written */
	SYSTRAP = 128,
	PTRACE = 256,
	CHECKED = 512,
};

struct sentry_rule {
	int nr;
	unsigned when; /* any of these */
	const char *why;
	unsigned args;
	struct scmp_arg_cmp arg[3];
};

#define ARG_EQ(n, value)                                                                           \
	{                                                                                          \
		(n), SCMP_CMP_EQ, (value), 0                                                       \
	}
#define ARG_MASK(n, mask, val)                                                                     \
	{                                                                                          \
		(n), SCMP_CMP_MASKED_EQ, (mask), (val)                                             \
	}
/* A descriptor, hence not negative: AT_FDCWD is refused. */
#define ARG_DIR(n) ARG_MASK(n, 1UL << 31, 0)
#define NO_ARG                                                                                     \
	{                                                                                          \
		0, _SCMP_CMP_MIN, 0, 0                                                             \
	}
#define NO_ARGS                                                                                    \
	0,                                                                                         \
	{                                                                                          \
		{                                                                                  \
			0, _SCMP_CMP_MIN, 0, 0                                                     \
		}                                                                                  \
	}

/* A file opened so can neither be written nor created, and is no symbolic link. */
#define OPEN_WRITING (O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))
#define OPEN_ALWAYS  (O_NOFOLLOW | O_CLOEXEC)

/* Instructions of the sentry's filter, at most. */
#define PROGRAM_MAX 1000

/* clang-format off */
static const struct sentry_rule rules[] = {
	/* Waiting and scheduling. */
	{SYS_futex, ALWAYS, "base/lock, base/doorbell: sleep and wake; platform: wake stubs", NO_ARGS},
	{SYS_epoll_wait, ALWAYS, "base/reactor: wait for host files", NO_ARGS},
	{SYS_epoll_ctl, ALWAYS, "base/reactor: what to wait for", NO_ARGS},
	{SYS_poll, ALWAYS, "base/host: is a host file ready", NO_ARGS},
	{SYS_sched_yield, SYSTRAP, "base/worker_search: lets a guest run that it has woken on its CPU", NO_ARGS},
	{SYS_sched_setaffinity, SYSTRAP, "base/worker: off the CPU of the guest that it serves",
	 1, {ARG_EQ(0, 0)}},
	{SYS_restart_syscall, ALWAYS, "the host resumes timed waits by it after a stop", NO_ARGS},
	{SYS_clock_gettime, ALWAYS, "CPU clocks of guest threads; hosts whose vDSO has no clock", NO_ARGS},

	/* Memory: never executable. */
	{SYS_mmap, ALWAYS, "malloc, fiber stacks, contexts of stubs", 1, {ARG_MASK(2, PROT_EXEC, 0)}},
	{SYS_munmap, ALWAYS, "malloc, contexts of stubs", NO_ARGS},
	{SYS_mprotect, ALWAYS, "malloc, guard pages", 1, {ARG_MASK(2, PROT_EXEC, 0)}},
	{SYS_madvise, ALWAYS, "malloc, cold fiber stacks", NO_ARGS},
	{SYS_memfd_create, ALWAYS, "contexts of stubs; files that live in memory", NO_ARGS},
	{SYS_ftruncate, ALWAYS, "size of a file in memory, or of one granted for writing", NO_ARGS},
	{SYS_fallocate, ALWAYS, "holes in files in memory, or in one granted for writing", NO_ARGS},
	{SYS_fcntl, ALWAYS, "base/host: duplicates", 1, {ARG_EQ(1, F_DUPFD_CLOEXEC)}},
	{SYS_fcntl, ALWAYS, NULL, 1, {ARG_EQ(1, F_ADD_SEALS)}},
	{SYS_fcntl, ALWAYS, NULL, 1, {ARG_EQ(1, F_GETFL)}},

	/* Stubs. */
	{SYS_process_vm_readv, ALWAYS, "platform/guestmem: large copies; platform/attach: whose child it is", 1, {ARG_EQ(5, 0)}},
	{SYS_process_vm_writev, ALWAYS, "platform/guestmem: large copies", 1, {ARG_EQ(5, 0)}},
	{SYS_socketpair, SYSTRAP, "platform/space: by which a stub is sent files",
	 2, {ARG_EQ(0, AF_UNIX), ARG_EQ(1, SOCK_SEQPACKET | SOCK_CLOEXEC)}},
	{SYS_sendmsg, ALWAYS, "platform/exchange: files that a stub maps", NO_ARGS},
	{SYS_pidfd_open, ALWAYS, "platform/space: to learn of a stub's end", NO_ARGS},
	{SYS_pidfd_send_signal, ALWAYS, "platform/space: end a stub", 1, {ARG_EQ(1, SIGKILL)}},
	{SYS_tgkill, ALWAYS, "platform/exchange: interrupt a guest thread",
	 1, {ARG_EQ(2, STUB_INTERRUPT_SIGNAL)}},
	{SYS_waitid, SYSTRAP, "platform/space: reap a stub", 1, {ARG_EQ(0, P_PIDFD)}},
	{SYS_wait4, PTRACE, "platform/ptrace: what has stopped or ended",
	 2, {ARG_EQ(0, (u64)-1), ARG_EQ(2, WNOHANG | __WALL)}},
	{SYS_ptrace, PTRACE, "platform/ptrace: run guest code up to its next call", 1, {ARG_EQ(0, PTRACE_SYSEMU)}},
	{SYS_ptrace, PTRACE, NULL, 1, {ARG_EQ(0, PTRACE_CONT)}},
	{SYS_ptrace, PTRACE, NULL, 1, {ARG_EQ(0, PTRACE_GETREGS)}},
	{SYS_ptrace, PTRACE, NULL, 1, {ARG_EQ(0, PTRACE_SETREGS)}},
	{SYS_ptrace, PTRACE, NULL, 1, {ARG_EQ(0, PTRACE_GETSIGINFO)}},
	{SYS_ptrace, PTRACE, NULL, 2, {ARG_EQ(0, PTRACE_GETREGSET), ARG_EQ(2, NT_X86_XSTATE)}},
	{SYS_ptrace, PTRACE, NULL, 2, {ARG_EQ(0, PTRACE_SETREGSET), ARG_EQ(2, NT_X86_XSTATE)}},
	{SYS_ptrace, PTRACE, NULL, 1, {ARG_EQ(0, PTRACE_SEIZE)}},
	{SYS_ptrace, PTRACE, NULL, 1, {ARG_EQ(0, PTRACE_INTERRUPT)}},

	/* Files that are open: stdio, the log, files in memory, granted files. */
	{SYS_read, ALWAYS, "base/host: stdio and other streams", NO_ARGS},
	{SYS_write, ALWAYS, "base/host: stdio, the log", NO_ARGS},
	{SYS_preadv2, ALWAYS, "base/host: files at a place; reads that must not wait for a disk", NO_ARGS},
	{SYS_pwritev2, ALWAYS, "base/host: files in memory, granted files for writing; writes that must not wait", NO_ARGS},
	{SYS_close, ALWAYS, "everybody", NO_ARGS},
	{SYS_fstat, ALWAYS, "base/host: attributes of an open file", NO_ARGS},
	{SYS_lseek, ALWAYS, "base/host: data and holes of a file", NO_ARGS},
	{SYS_fsync, ALWAYS, "fs/hostfd: a guest's fsync of its output; fs/hostfs: fsync", NO_ARGS},
	{SYS_ioctl, ALWAYS, "fs/hostfd: is stdio a terminal, how large, how much is there to read; platform/permit",
	 1, {ARG_EQ(1, TCGETS)}},
	{SYS_ioctl, ALWAYS, NULL, 1, {ARG_EQ(1, TCGETS2)}},
	{SYS_ioctl, ALWAYS, NULL, 1, {ARG_EQ(1, TIOCGWINSZ)}},
	{SYS_ioctl, ALWAYS, NULL, 1, {ARG_EQ(1, FIONREAD)}},
	{SYS_ioctl, CHECKED, NULL, 1, {ARG_EQ(1, SECCOMP_IOCTL_NOTIF_RECV)}},
	{SYS_ioctl, CHECKED, NULL, 1, {ARG_EQ(1, SECCOMP_IOCTL_NOTIF_SEND)}},
	{SYS_ioctl, CHECKED, NULL, 1, {ARG_EQ(1, SECCOMP_IOCTL_NOTIF_ADDFD)}},
	{SYS_getrandom, ALWAYS, "base/host: the guest's randomness", NO_ARGS},

	{SYS_openat, ALWAYS, "fs/tmpfs: an own file again, for guests that may only read it",
	 2, {ARG_EQ(0, HOST_SELF_FDS), ARG_EQ(2, HOST_REOPEN_MODE)}},

	/* Names on the host, for reading. */
	{SYS_openat, READ_ONLY, "fs/hostfs: one name at a time, for reading, never a symbolic link",
	 2, {ARG_DIR(0), ARG_MASK(2, OPEN_WRITING | OPEN_ALWAYS, OPEN_ALWAYS)}},
	{SYS_openat, WRITABLE, "fs/hostfs: one name at a time, never a symbolic link",
	 2, {ARG_DIR(0), ARG_MASK(2, OPEN_ALWAYS, OPEN_ALWAYS)}},
	{SYS_statx, HOST_FILES, "fs/hostfs: attributes", 1, {ARG_DIR(0)}},
	{SYS_fstatfs, HOST_FILES, "fs/hostfs: statfs", NO_ARGS},
	{SYS_readlinkat, HOST_FILES, "fs/hostfs: symbolic links, which the sentry resolves", 1, {ARG_DIR(0)}},
	{SYS_getdents64, HOST_FILES, "fs/hostfs: directories", NO_ARGS},
	{SYS_fgetxattr, HOST_FILES, "fs/hostfs: extended attributes", NO_ARGS},
	{SYS_flistxattr, HOST_FILES, "fs/hostfs: extended attributes", NO_ARGS},

	/* Changes on the host. */
	{SYS_mkdirat, WRITABLE, "fs/hostfs: mkdir", 1, {ARG_DIR(0)}},
	{SYS_mknodat, WRITABLE, "fs/hostfs: mknod", 1, {ARG_DIR(0)}},
	{SYS_symlinkat, WRITABLE, "fs/hostfs: symlink", 1, {ARG_DIR(1)}},
	{SYS_linkat, WRITABLE, "fs/hostfs: link", 2, {ARG_DIR(0), ARG_DIR(2)}},
	{SYS_unlinkat, WRITABLE, "fs/hostfs: unlink, rmdir", 1, {ARG_DIR(0)}},
	{SYS_renameat2, WRITABLE, "fs/hostfs: rename", 2, {ARG_DIR(0), ARG_DIR(2)}},
	{SYS_fchmod, WRITABLE, "fs/hostfs: chmod", NO_ARGS},
	{SYS_fchmodat2, WRITABLE, "fs/hostfs: chmod", 1, {ARG_DIR(0)}},
	{SYS_fchown, WRITABLE, "fs/hostfs: chown", NO_ARGS},
	{SYS_fchownat, WRITABLE, "fs/hostfs: chown", 1, {ARG_DIR(0)}},
	{SYS_utimensat, WRITABLE, "fs/hostfs: times", 1, {ARG_DIR(0)}},
	{SYS_fdatasync, WRITABLE, "fs/hostfs: fdatasync", NO_ARGS},
	{SYS_fsetxattr, WRITABLE, "fs/hostfs: extended attributes", NO_ARGS},
	{SYS_fremovexattr, WRITABLE, "fs/hostfs: extended attributes", NO_ARGS},

	/* A terminal's modes. */
	{SYS_ioctl, TERMINAL, NULL, 1, {ARG_EQ(1, TCSETS)}},
	{SYS_ioctl, TERMINAL, NULL, 1, {ARG_EQ(1, TCSETSW)}},
	{SYS_ioctl, TERMINAL, NULL, 1, {ARG_EQ(1, TCSETSF)}},

	/* Sockets that are open already. */
	{SYS_accept4, CONTROL, "the control socket: a client", NO_ARGS},
	{SYS_recvmsg, CONTROL | NET_LINK | NET_HOST, "the control socket: requests with files", NO_ARGS},
	{SYS_writev, NET_LINK, "net/link: packets", NO_ARGS},
	{SYS_readv, NET_LINK, "net/link: packets", NO_ARGS},

	/* The host's network, where granted. */
	{SYS_socket, NET_HOST, "net: host sockets", 1, {ARG_EQ(0, AF_INET)}},
	{SYS_socket, NET_HOST, NULL, 1, {ARG_EQ(0, AF_INET6)}},
	{SYS_bind, NET_HOST, "net: host sockets", NO_ARGS},
	{SYS_listen, NET_HOST, "net: host sockets", NO_ARGS},
	{SYS_connect, NET_HOST, "net: host sockets", NO_ARGS},
	{SYS_accept4, NET_HOST, "net: host sockets", NO_ARGS},
	{SYS_getsockname, NET_HOST, "net: host sockets", NO_ARGS},
	{SYS_getpeername, NET_HOST, "net: host sockets", NO_ARGS},
	{SYS_getsockopt, NET_HOST, "net: host sockets", NO_ARGS},
	{SYS_setsockopt, NET_HOST, "net: host sockets", NO_ARGS},
	{SYS_shutdown, NET_HOST, "net: host sockets", NO_ARGS},

	/* The end. */
	{SYS_rt_sigprocmask, ALWAYS, "base/crash: the report", NO_ARGS},
	{SYS_rt_sigreturn, ALWAYS, "return from a signal handler", NO_ARGS},
	{SYS_exit, ALWAYS, "the end of a host thread", NO_ARGS},
	{SYS_exit_group, ALWAYS, "the end of the sandbox", NO_ARGS},
};
/* clang-format on */

/* Calls that libc makes and can do without: it gets an error, and goes another way. */
static const struct {
	int nr, error;
	unsigned args;
	struct scmp_arg_cmp arg;
} refused[] = {
    /* Malloc then maps. A break of 0, which is less than what was asked for, is how this call
     * fails: the C library takes anything above that, -ENOMEM too, for the break that it now has.
     */
    {SYS_brk, 0, 0, NO_ARG},
    {SYS_mremap, ENOMEM, 0, NO_ARG},     /* realloc then copies */
    {SYS_clone3, ENOSYS, 0, NO_ARG},     /* no thread is started late ... */
    {SYS_clone, EAGAIN, 0, NO_ARG},      /* ... and a forgotten one fails cleanly */
    {SYS_newfstatat, ENOSYS, 0, NO_ARG}, /* stdio asks for its buffer size */
    /* free wants to know from /proc whether memory is overcommitted, and keeps it if it cannot. */
    {SYS_openat, EACCES, 1, ARG_EQ(2, O_RDONLY | O_CLOEXEC)},
};

static unsigned granted(const struct sentry_filter_config *c)
{
	return (c->host_files || c->writable ? HOST_FILES : 0) | (c->writable ? WRITABLE : 0) |
	       (c->host_files && !c->writable ? READ_ONLY : 0) | (c->terminal ? TERMINAL : 0) |
	       (c->control ? CONTROL : 0) | (c->net_link ? NET_LINK : 0) |
	       (c->net_host ? NET_HOST : 0) | (c->tracer ? PTRACE : SYSTRAP) |
	       (c->mm_checked && !c->tracer ? CHECKED : 0);
}

static bool applies(const struct sentry_rule *r, unsigned grants)
{
	return r->when == ALWAYS || (r->when & grants);
}

static void rule_add(struct filter_rules *out, int nr, u32 verdict, unsigned args,
                     const struct scmp_arg_cmp *arg)
{
	struct filter_rule *r = &out->rule[out->count++];

	*r = (struct filter_rule){.nr = nr, .verdict = verdict, .args = args};
	for (unsigned i = 0; i < args; i++)
		r->arg[i] = arg[i];
}

void sentry_filter_rules(const struct sentry_filter_config *config, struct filter_rules *out)
{
	/* What a busy sandbox calls most. */
	static const int hot[] = {SYS_futex, -1};
	unsigned grants = granted(config);

	*out = (struct filter_rules){
	    .otherwise = config->debug ? SECCOMP_RET_TRAP : SECCOMP_RET_KILL_PROCESS, .hot = hot};
	_Static_assert(array_size(rules) + array_size(refused) <= FILTER_RULES_MAX,
	               "the list has room");
	for (size_t i = 0; i < array_size(rules); i++)
		if (applies(&rules[i], grants))
			rule_add(out, rules[i].nr, SECCOMP_RET_ALLOW, rules[i].args, rules[i].arg);
	for (size_t i = 0; i < array_size(refused); i++)
		rule_add(out, refused[i].nr, SECCOMP_RET_ERRNO | (u32)refused[i].error,
		         refused[i].args, &refused[i].arg);
}

int sentry_filter_apply(const struct sentry_filter_config *config)
{
	struct sock_filter program[PROGRAM_MAX];
	struct filter_rules list;
	struct sock_fprog prog = {.filter = program};
	int len;

	sentry_filter_rules(config, &list);
	len = filter_program_build(&list, program, array_size(program));
	if (len < 0)
		return len;
	prog.len = (u16)len;
	/* A thread that is still starting makes calls that are not in the list. */
	host_threads_settle();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	/* All threads at once; ESRCH if one cannot be had, as its filters are others. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	            SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH, &prog) != 0)
		return -errno;
	return 0;
}

/* Rows of one call stand apart where its forms belong to different grants. */
static bool counted_before(size_t i, unsigned grants)
{
	for (size_t j = 0; j < i; j++)
		if (rules[j].nr == rules[i].nr && applies(&rules[j], grants))
			return true;
	return false;
}

unsigned sentry_filter_count(const struct sentry_filter_config *config)
{
	unsigned n = 0, grants = granted(config);
	for (size_t i = 0; i < array_size(rules); i++)
		n += applies(&rules[i], grants) && !counted_before(i, grants);
	return n;
}

void filter_print_allowlists(FILE *out, const struct sentry_filter_config *config)
{
	unsigned grants = granted(config);
	fprintf(out, "sentry: %u calls; any other kills the sandbox\n",
	        sentry_filter_count(config));
	for (size_t i = 0; i < array_size(rules); i++)
		if (applies(&rules[i], grants))
			filter_print_form(out, rules[i].nr, rules[i].why, rules[i].args,
			                  rules[i].arg);
	stub_filter_print(out);
	fprintf(out, "launcher, warden: no filter; no guest code runs in them\n");
}
