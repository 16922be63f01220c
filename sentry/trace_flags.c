/* Tables of names for the tracer; a set's first table is an enumeration, its second are bits. */
#include "sentry/trace_flags.h"
#include "sentry/syscall.h"
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/memfd.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct flag_name {
	u64 value;
	const char *name;
};
struct flag_table {
	u64 enum_mask;                  /* bits that hold one of `values` */
	const struct flag_name *values; /* ended by a NULL name */
	const struct flag_name *bits;
};

#define N(x)                                                                                       \
	{                                                                                          \
		(u64)(x), #x                                                                       \
	}
#define END                                                                                        \
	{                                                                                          \
		0, NULL                                                                            \
	}
#define NAMES(id, ...) static const struct flag_name id[] = {__VA_ARGS__, END}

NAMES(open_mode, N(O_RDONLY), N(O_WRONLY), N(O_RDWR));
NAMES(open_bits, N(O_TMPFILE), N(O_CREAT), N(O_EXCL), N(O_NOCTTY), N(O_TRUNC), N(O_APPEND),
      N(O_NONBLOCK), N(O_SYNC), N(O_DSYNC), N(O_ASYNC), N(O_DIRECT), N(O_DIRECTORY), N(O_NOFOLLOW),
      N(O_NOATIME), N(O_CLOEXEC), N(O_PATH));
NAMES(at_bits, N(AT_SYMLINK_NOFOLLOW), N(AT_REMOVEDIR), N(AT_SYMLINK_FOLLOW), N(AT_NO_AUTOMOUNT),
      N(AT_EMPTY_PATH));
NAMES(prot_bits, N(PROT_READ), N(PROT_WRITE), N(PROT_EXEC), N(PROT_GROWSDOWN));
NAMES(map_kind, N(MAP_SHARED), N(MAP_PRIVATE), N(MAP_SHARED_VALIDATE));
NAMES(map_bits, N(MAP_FIXED), N(MAP_ANONYMOUS), N(MAP_32BIT), N(MAP_GROWSDOWN), N(MAP_DENYWRITE),
      N(MAP_LOCKED), N(MAP_NORESERVE), N(MAP_POPULATE), N(MAP_NONBLOCK), N(MAP_STACK),
      N(MAP_HUGETLB), N(MAP_SYNC), N(MAP_FIXED_NOREPLACE));
NAMES(clone_signal, {0, ""}, N(SIGCHLD));
NAMES(clone_bits, N(CLONE_VM), N(CLONE_FS), N(CLONE_FILES), N(CLONE_SIGHAND), N(CLONE_PIDFD),
      N(CLONE_PTRACE), N(CLONE_VFORK), N(CLONE_PARENT), N(CLONE_THREAD), N(CLONE_NEWNS),
      N(CLONE_SYSVSEM), N(CLONE_SETTLS), N(CLONE_PARENT_SETTID), N(CLONE_CHILD_CLEARTID),
      N(CLONE_DETACHED), N(CLONE_UNTRACED), N(CLONE_CHILD_SETTID), N(CLONE_NEWCGROUP),
      N(CLONE_NEWUTS), N(CLONE_NEWIPC), N(CLONE_NEWUSER), N(CLONE_NEWPID), N(CLONE_NEWNET),
      N(CLONE_IO));
NAMES(wait_bits, N(WNOHANG), N(WUNTRACED), N(WEXITED), N(WCONTINUED), N(WNOWAIT), N(__WNOTHREAD),
      N(__WALL), N(__WCLONE));
NAMES(msg_bits, N(MSG_OOB), N(MSG_PEEK), N(MSG_DONTROUTE), N(MSG_CTRUNC), N(MSG_TRUNC),
      N(MSG_DONTWAIT), N(MSG_EOR), N(MSG_WAITALL), N(MSG_NOSIGNAL), N(MSG_MORE), N(MSG_WAITFORONE),
      N(MSG_CMSG_CLOEXEC));
NAMES(families, N(AF_UNSPEC), N(AF_UNIX), N(AF_INET), N(AF_INET6), N(AF_NETLINK), N(AF_PACKET),
      N(AF_VSOCK), N(AF_ALG));
NAMES(fd_bits, N(O_CLOEXEC), N(O_NONBLOCK), {1, "1"});
NAMES(epoll_ops, N(EPOLL_CTL_ADD), N(EPOLL_CTL_DEL), N(EPOLL_CTL_MOD));
NAMES(futex_ops, N(FUTEX_WAIT), N(FUTEX_WAKE), N(FUTEX_FD), N(FUTEX_REQUEUE), N(FUTEX_CMP_REQUEUE),
      N(FUTEX_WAKE_OP), N(FUTEX_LOCK_PI), N(FUTEX_UNLOCK_PI), N(FUTEX_TRYLOCK_PI),
      N(FUTEX_WAIT_BITSET), N(FUTEX_WAKE_BITSET), N(FUTEX_WAIT_REQUEUE_PI), N(FUTEX_CMP_REQUEUE_PI),
      N(FUTEX_LOCK_PI2));
NAMES(futex_bits, N(FUTEX_PRIVATE_FLAG), N(FUTEX_CLOCK_REALTIME));
NAMES(fcntl_cmds, N(F_DUPFD), N(F_GETFD), N(F_SETFD), N(F_GETFL), N(F_SETFL), N(F_GETLK),
      N(F_SETLK), N(F_SETLKW), N(F_SETOWN), N(F_GETOWN), N(F_SETSIG), N(F_GETSIG), N(F_OFD_GETLK),
      N(F_OFD_SETLK), N(F_OFD_SETLKW), N(F_SETLEASE), N(F_GETLEASE), N(F_NOTIFY),
      N(F_DUPFD_CLOEXEC), N(F_SETPIPE_SZ), N(F_GETPIPE_SZ), N(F_ADD_SEALS), N(F_GET_SEALS));
NAMES(madv_values, N(MADV_NORMAL), N(MADV_RANDOM), N(MADV_SEQUENTIAL), N(MADV_WILLNEED),
      N(MADV_DONTNEED), N(MADV_FREE), N(MADV_REMOVE), N(MADV_DONTFORK), N(MADV_DOFORK),
      N(MADV_MERGEABLE), N(MADV_UNMERGEABLE), N(MADV_HUGEPAGE), N(MADV_NOHUGEPAGE),
      N(MADV_DONTDUMP), N(MADV_DODUMP), N(MADV_WIPEONFORK), N(MADV_KEEPONFORK));
NAMES(mount_bits, N(MS_RDONLY), N(MS_NOSUID), N(MS_NODEV), N(MS_NOEXEC), N(MS_REMOUNT),
      N(MS_NOATIME), N(MS_BIND), N(MS_MOVE), N(MS_REC), N(MS_PRIVATE), N(MS_SLAVE), N(MS_SHARED),
      N(MS_RELATIME));
NAMES(rename_bits, N(RENAME_NOREPLACE), N(RENAME_EXCHANGE), N(RENAME_WHITEOUT));
NAMES(access_bits, N(R_OK), N(W_OK), N(X_OK));
NAMES(access_none, N(F_OK));
NAMES(seek_values, N(SEEK_SET), N(SEEK_CUR), N(SEEK_END), N(SEEK_DATA), N(SEEK_HOLE));
NAMES(sig_how, N(SIG_BLOCK), N(SIG_UNBLOCK), N(SIG_SETMASK));
NAMES(prctl_values, N(PR_SET_PDEATHSIG), N(PR_GET_PDEATHSIG), N(PR_GET_DUMPABLE),
      N(PR_SET_DUMPABLE), N(PR_SET_NAME), N(PR_GET_NAME), N(PR_SET_SECCOMP), N(PR_CAPBSET_READ),
      N(PR_CAPBSET_DROP), N(PR_SET_KEEPCAPS), N(PR_SET_CHILD_SUBREAPER), N(PR_SET_NO_NEW_PRIVS),
      N(PR_GET_NO_NEW_PRIVS), N(PR_SET_VMA), N(PR_CAP_AMBIENT), N(PR_SET_TIMERSLACK));
NAMES(rlimit_values, N(RLIMIT_CPU), N(RLIMIT_FSIZE), N(RLIMIT_DATA), N(RLIMIT_STACK),
      N(RLIMIT_CORE), N(RLIMIT_RSS), N(RLIMIT_NPROC), N(RLIMIT_NOFILE), N(RLIMIT_MEMLOCK),
      N(RLIMIT_AS), N(RLIMIT_LOCKS), N(RLIMIT_SIGPENDING), N(RLIMIT_MSGQUEUE), N(RLIMIT_NICE),
      N(RLIMIT_RTPRIO), N(RLIMIT_RTTIME));
NAMES(memfd_bits, N(MFD_CLOEXEC), N(MFD_ALLOW_SEALING), N(MFD_HUGETLB));
NAMES(splice_bits, {1, "SPLICE_F_MOVE"}, {2, "SPLICE_F_NONBLOCK"}, {4, "SPLICE_F_MORE"},
      {8, "SPLICE_F_GIFT"});
NAMES(mremap_bits, N(MREMAP_MAYMOVE), N(MREMAP_FIXED), {4, "MREMAP_DONTUNMAP"});
NAMES(msync_bits, N(MS_ASYNC), N(MS_INVALIDATE), N(MS_SYNC));
NAMES(falloc_bits, N(FALLOC_FL_KEEP_SIZE), N(FALLOC_FL_PUNCH_HOLE), N(FALLOC_FL_COLLAPSE_RANGE),
      N(FALLOC_FL_ZERO_RANGE), N(FALLOC_FL_INSERT_RANGE));
NAMES(inotify_bits, N(IN_ACCESS), N(IN_MODIFY), N(IN_ATTRIB), N(IN_CLOSE_WRITE),
      N(IN_CLOSE_NOWRITE), N(IN_OPEN), N(IN_MOVED_FROM), N(IN_MOVED_TO), N(IN_CREATE), N(IN_DELETE),
      N(IN_DELETE_SELF), N(IN_MOVE_SELF), N(IN_ONLYDIR), N(IN_DONT_FOLLOW), N(IN_EXCL_UNLINK),
      N(IN_MASK_ADD), N(IN_ONESHOT));
NAMES(shutdown_values, N(SHUT_RD), N(SHUT_WR), N(SHUT_RDWR));
NAMES(flock_bits, N(LOCK_SH), N(LOCK_EX), N(LOCK_NB), N(LOCK_UN));
NAMES(ioctl_values, N(TCGETS), N(TCSETS), N(TCSETSW), N(TCSETSF), N(TIOCGWINSZ), N(TIOCSWINSZ),
      N(TIOCGPGRP), N(TIOCSPGRP), N(TIOCSCTTY), N(TIOCNOTTY), N(TIOCGPTN), N(TIOCSPTLCK),
      N(FIONREAD), N(FIONBIO), N(FIOCLEX), N(FIONCLEX), N(FICLONE));
NAMES(advice_values, N(POSIX_FADV_NORMAL), N(POSIX_FADV_RANDOM), N(POSIX_FADV_SEQUENTIAL),
      N(POSIX_FADV_WILLNEED), N(POSIX_FADV_DONTNEED), N(POSIX_FADV_NOREUSE));
NAMES(sockopt_values, N(SO_DEBUG), N(SO_REUSEADDR), N(SO_TYPE), N(SO_ERROR), N(SO_DONTROUTE),
      N(SO_BROADCAST), N(SO_SNDBUF), N(SO_RCVBUF), N(SO_KEEPALIVE), N(SO_LINGER), N(SO_PASSCRED),
      N(SO_PEERCRED), N(SO_RCVTIMEO), N(SO_SNDTIMEO));
NAMES(clock_names, N(CLOCK_REALTIME), N(CLOCK_MONOTONIC), N(CLOCK_PROCESS_CPUTIME_ID),
      N(CLOCK_THREAD_CPUTIME_ID), N(CLOCK_MONOTONIC_RAW), N(CLOCK_REALTIME_COARSE),
      N(CLOCK_MONOTONIC_COARSE), N(CLOCK_BOOTTIME), N(CLOCK_TAI));

#define ALL (~0ULL)
static const struct flag_table tables[] = {
    [FLAGS_OPEN] = {O_ACCMODE, open_mode, open_bits},
    [FLAGS_AT] = {0, NULL, at_bits},
    [FLAGS_PROT] = {0, NULL, prot_bits},
    [FLAGS_MAP] = {MAP_TYPE, map_kind, map_bits},
    [FLAGS_CLONE] = {0xff, clone_signal, clone_bits},
    [FLAGS_WAIT] = {0, NULL, wait_bits},
    [FLAGS_MSG] = {0, NULL, msg_bits},
    [FLAGS_SOCKET] = {ALL, families, NULL},
    [FLAGS_FD] = {0, NULL, fd_bits},
    [FLAGS_EPOLL] = {ALL, epoll_ops, NULL},
    [FLAGS_FUTEX] = {127, futex_ops, futex_bits},
    [FLAGS_FCNTL] = {ALL, fcntl_cmds, NULL},
    [FLAGS_MADV] = {ALL, madv_values, NULL},
    [FLAGS_MOUNT] = {0, NULL, mount_bits},
    [FLAGS_RENAME] = {0, NULL, rename_bits},
    [FLAGS_ACCESS] = {0, NULL, access_bits},
    [FLAGS_SEEK] = {ALL, seek_values, NULL},
    [FLAGS_SIGHOW] = {ALL, sig_how, NULL},
    [FLAGS_PRCTL] = {ALL, prctl_values, NULL},
    [FLAGS_RLIMIT] = {ALL, rlimit_values, NULL},
    [FLAGS_MEMFD] = {0, NULL, memfd_bits},
    [FLAGS_SPLICE] = {0, NULL, splice_bits},
    [FLAGS_MREMAP] = {0, NULL, mremap_bits},
    [FLAGS_MSYNC] = {0, NULL, msync_bits},
    [FLAGS_FALLOC] = {0, NULL, falloc_bits},
    [FLAGS_INOTIFY] = {0, NULL, inotify_bits},
    [FLAGS_SHUTDOWN] = {ALL, shutdown_values, NULL},
    [FLAGS_FLOCK] = {0, NULL, flock_bits},
    [FLAGS_IOCTL] = {ALL, ioctl_values, NULL},
    [FLAGS_ADVICE] = {ALL, advice_values, NULL},
    [FLAGS_SOCKOPT] = {ALL, sockopt_values, NULL},
    [FLAGS_PIPE] = {0, NULL, open_bits},
};

static const char *value_name(const struct flag_name *t, u64 value)
{
	for (; t && t->name; t++)
		if (t->value == value)
			return t->name;
	return NULL;
}

/* Appends "|name" or "name" at *used. */
static void put(char *buf, size_t n, size_t *used, const char *name)
{
	if (*name && *used < n)
		*used += (size_t)snprintf(buf + *used, n - *used, "%s%s", *used ? "|" : "", name);
}

int trace_flags_print(char *buf, size_t n, int set, u64 value)
{
	const struct flag_table *t = set < (int)array_size(tables) ? &tables[set] : NULL;
	size_t used = 0;
	u64 rest = value;
	const char *name;
	char hex[24];

	buf[0] = 0;
	/* Flag words are 32 bits wide; what a register holds above is no one's. */
	if (set != FLAGS_CLONE)
		rest = value = (u32)value;
	if (set == FLAGS_ACCESS && !value)
		return snprintf(buf, n, "%s", access_none[0].name);
	if (t && t->values && (name = value_name(t->values, value & t->enum_mask))) {
		put(buf, n, &used, name);
		rest &= ~t->enum_mask;
	}
	for (const struct flag_name *b = t ? t->bits : NULL; b && b->name; b++)
		if (b->value && (rest & b->value) == b->value) {
			put(buf, n, &used, b->name);
			rest &= ~b->value;
		}
	if (rest || !used) {
		snprintf(hex, sizeof(hex), rest ? "0x%llx" : "%llu", (unsigned long long)rest);
		put(buf, n, &used, hex);
	}
	return (int)used;
}

const char *trace_signal_name(int sig)
{
	static const char *const names[] = {
	    NULL,       "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",  "SIGTRAP",   "SIGABRT",
	    "SIGBUS",   "SIGFPE",  "SIGKILL",   "SIGUSR1", "SIGSEGV", "SIGUSR2",   "SIGPIPE",
	    "SIGALRM",  "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP",   "SIGTSTP",
	    "SIGTTIN",  "SIGTTOU", "SIGURG",    "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF",
	    "SIGWINCH", "SIGIO",   "SIGPWR",    "SIGSYS"};

	return sig > 0 && sig < (int)array_size(names) ? names[sig] : NULL;
}

const char *trace_clock_name(int clock)
{
	return clock >= 0 ? value_name(clock_names, (u64)clock) : NULL;
}
