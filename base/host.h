/*
 * The gateway to the host kernel for sentry code below platform/. Every call
 * returns a value >= 0 or -errno (never errno itself: a fiber may change host
 * thread between a call and a look at it). The sentry's allowlist is built
 * from what stands here and in the gateway files listed in
 * platform/filter/sentry_filter.c: a new call needs a line there that says who
 * needs it and why.
 */
#pragma once
#include "base/types.h"
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

struct statfs;
struct statx;

must_check int host_openat2(int dirfd, const char *name, u64 flags, u64 mode, u64 resolve);
/*
 * One name in dirfd. Adds O_NOFOLLOW, O_CLOEXEC, O_NOCTTY and O_NONBLOCK (which a regular file
 * ignores). Its flags are a scalar, so that, unlike openat2's, a filter can hold them to reading.
 */
must_check int host_openat(int dirfd, const char *name, u32 flags, u32 mode);
int host_close(int fd);
ssize_t host_pread(int fd, void *buf, size_t n, u64 pos);
ssize_t host_pwrite(int fd, const void *buf, size_t n, u64 pos);
/* rwf: RWF_*; -EAGAIN with RWF_NOWAIT when it would wait. pos -1: the host's own file position. */
ssize_t host_preadv2(int fd, void *buf, size_t n, s64 pos, int rwf);
ssize_t host_pwritev2(int fd, const void *buf, size_t n, s64 pos, int rwf);
ssize_t host_read(int fd, void *buf, size_t n);
ssize_t host_write(int fd, const void *buf, size_t n);
ssize_t host_getdents(int fd, void *buf, size_t n);
s64 host_lseek(int fd, s64 off, int whence);
int host_fstat(int fd, struct stat *st);
/* name may be "" (the fd itself); never follows a symbolic link. */
int host_statx(int dirfd, const char *name, u32 mask, struct statx *out);
int host_fstatfs(int fd, struct statfs *out);
ssize_t host_readlinkat(int dirfd, const char *name, char *buf, size_t n);
int host_mkdirat(int dirfd, const char *name, u32 mode);
int host_mknodat(int dirfd, const char *name, u32 mode, u64 dev);
int host_symlinkat(const char *target, int dirfd, const char *name);
int host_linkat(int olddir, const char *oldname, int newdir, const char *newname, int flags);
int host_unlinkat(int dirfd, const char *name, int flags);
int host_renameat2(int olddir, const char *oldname, int newdir, const char *newname, u32 flags);
int host_fchmod(int fd, u32 mode);
/* Needs no open file: fchmodat2(2), which never follows a symbolic link. -ENOSYS before Linux 6.6.
 */
int host_fchmodat(int dirfd, const char *name, u32 mode);
int host_fchown(int fd, u32 uid, u32 gid);
int host_fchownat(int dirfd, const char *name, u32 uid, u32 gid);
int host_utimensat(int dirfd, const char *name, const struct timespec ts[2]);
int host_ftruncate(int fd, u64 size);
int host_fallocate(int fd, int mode, u64 off, u64 len);
int host_fsync(int fd, bool datasync);
ssize_t host_fgetxattr(int fd, const char *name, void *buf, size_t n);
int host_fsetxattr(int fd, const char *name, const void *buf, size_t n, int flags);
ssize_t host_flistxattr(int fd, char *buf, size_t n);
int host_fremovexattr(int fd, const char *name);
int host_poll(struct pollfd *fds, unsigned n, int timeout_ms);
must_check int host_memfd(const char *name, u32 flags);
/*
 * The same file again, open for reading only whatever fd is open for: what a guest is sent
 * of a file that it may only read must not be good for more. By /proc/self/fd, which is kept open
 * under a number of its own so that the allowlist can name it.
 */
#define HOST_SELF_FDS    240
#define HOST_REOPEN_MODE (O_RDONLY | O_CLOEXEC | O_NONBLOCK)
must_check int host_reopen_readonly(int fd);
/* Makes it ready for use: before lock-down. */
must_check int host_reopen_prepare(void);
/* A duplicate above the standard descriptors, which are the guest's. */
int host_dup(int fd);
/* O_*, as fcntl(F_GETFL) has them. Before lock-down only. */
int host_status_flags(int fd);
int host_ioctl(int fd, unsigned long cmd, void *arg);
/* Maps fd (or anonymous memory for -1) shared, readable and, if asked, writable; never executable.
 */
void *host_map(int fd, u64 off, size_t n, bool writable, int *err);
void host_unmap(void *p, size_t n);
/* timeout: relative, on CLOCK_MONOTONIC; NULL waits for ever. */
int host_futex_wait(_Atomic u32 *word, u32 expect, const struct timespec *timeout, bool shared);
int host_futex_wake(_Atomic u32 *word, int n, bool shared);
/* Moves the first who waits on from (shared), asleep, to the end of those on to. 1, 0 (nobody), or
 * -errno. */
int host_futex_move(_Atomic u32 *from, _Atomic u32 *to);
int host_getrandom(void *buf, size_t n);
noreturn void host_exit_group(int status);

/* CPUs that the sandbox may run on, counted at the first call (before lock-down). */
unsigned host_cpu_count(void);
/* Lets others run who wait for the caller's CPU; returns at once if nobody does. */
void host_yield(void);
/* The CPU that the caller runs on, by the time it looks perhaps no more. */
unsigned host_cpu(void);
/*
 * Moves the calling host thread to another CPU of those that host_cpu_count has counted, and keeps
 * it off cpu until host_cpu_any. False if there is no other.
 */
bool host_cpu_leave(unsigned cpu);
void host_cpu_any(void);
/*
 * Has a process that the caller has just made begin on another CPU, if that has not been its place
 * from the start: the host often queues it behind its maker although another CPU is idle. If it
 * changes its identity it must call host_cpu_any after that, as only half of this may succeed then;
 * for that, host_cpu_count must have been called before it was made.
 */
void host_cpu_part(pid_t child);

/* How many host calls were made through here, for `--stats`. */
u64 host_call_count(void);
