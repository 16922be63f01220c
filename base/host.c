/*
 * Raw host calls. They bypass libc's wrappers on purpose: a wrapper writes
 * errno, which lives in thread-local storage, and a fiber may look at it from
 * another host thread than the one that made the call. Mapping calls are the
 * exception: the sanitizers must see them to keep their shadow memory right.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/host.h"

/* Younger than the C library's list. */
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/* Room for 8192 CPUs, the most that Linux can be built for on x86-64. */
#define CPU_MASK_WORDS (8192 / (8 * sizeof(unsigned long)))

/* Relaxed, and on a line of its own: it is only ever summed up for people. */
static _Alignas(64) _Atomic u64 host_calls;

/* The kernel reads only as many argument registers as the call takes. */
static inline s64 host_call(long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	/* First: a sanitizer makes a function call of it, which the registers would not survive. */
	u64 made = atomic_fetch_add_explicit(&host_calls, 1, memory_order_relaxed);
	register u64 r10 asm("r10") = d;
	register u64 r8 asm("r8") = e;
	register u64 r9 asm("r9") = f;
	s64 ret;

	(void)made;
	asm volatile("syscall"
	             : "=a"(ret)
	             : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
	             : "rcx", "r11", "memory");
	return ret;
}

/* Narrows every argument the way the kernel's own ABI does: to a 64-bit register. */
#define ARG(x)                   ((u64)(x))
#define HOST0(nr)                host_call(nr, 0, 0, 0, 0, 0, 0)
#define HOST1(nr, a)             host_call(nr, ARG(a), 0, 0, 0, 0, 0)
#define HOST2(nr, a, b)          host_call(nr, ARG(a), ARG(b), 0, 0, 0, 0)
#define HOST3(nr, a, b, c)       host_call(nr, ARG(a), ARG(b), ARG(c), 0, 0, 0)
#define HOST4(nr, a, b, c, d)    host_call(nr, ARG(a), ARG(b), ARG(c), ARG(d), 0, 0)
#define HOST5(nr, a, b, c, d, e) host_call(nr, ARG(a), ARG(b), ARG(c), ARG(d), ARG(e), 0)

/* --- files ----------------------------------------------------------------- */

int host_openat2(int dirfd, const char *name, u64 flags, u64 mode, u64 resolve)
{
	struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};

	return (int)HOST4(SYS_openat2, dirfd, name, &how, sizeof(how));
}

int host_openat(int dirfd, const char *name, u32 flags, u32 mode)
{
	flags |= O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	return (int)HOST4(SYS_openat, dirfd, name, flags, mode);
}

int host_close(int fd)
{
	return (int)HOST1(SYS_close, fd);
}

ssize_t host_pread(int fd, void *buf, size_t n, u64 pos)
{
	/* By the one call that takes flags as well: two fewer in the allowlist. To it -1 is no
	 * place. */
	return (s64)pos < 0 ? -EINVAL : host_preadv2(fd, buf, n, (s64)pos, 0);
}

ssize_t host_pwrite(int fd, const void *buf, size_t n, u64 pos)
{
	return (s64)pos < 0 ? -EINVAL : host_pwritev2(fd, buf, n, (s64)pos, 0);
}

ssize_t host_preadv2(int fd, void *buf, size_t n, s64 pos, int rwf)
{
	struct iovec iov = {.iov_base = buf, .iov_len = n};

	/* The position comes in two halves for the sake of 32-bit hosts; here the low one is all.
	 */
	return host_call(SYS_preadv2, ARG(fd), ARG(&iov), 1, ARG(pos), 0, ARG(rwf));
}

ssize_t host_pwritev2(int fd, const void *buf, size_t n, s64 pos, int rwf)
{
	struct iovec iov = {.iov_base = (void *)buf, .iov_len = n};

	return host_call(SYS_pwritev2, ARG(fd), ARG(&iov), 1, ARG(pos), 0, ARG(rwf));
}

ssize_t host_read(int fd, void *buf, size_t n)
{
	return HOST3(SYS_read, fd, buf, n);
}

ssize_t host_write(int fd, const void *buf, size_t n)
{
	return HOST3(SYS_write, fd, buf, n);
}

ssize_t host_getdents(int fd, void *buf, size_t n)
{
	return HOST3(SYS_getdents64, fd, buf, n);
}

s64 host_lseek(int fd, s64 off, int whence)
{
	return HOST3(SYS_lseek, fd, off, whence);
}

int host_fstat(int fd, struct stat *st)
{
	return (int)HOST2(SYS_fstat, fd, st);
}

int host_statx(int dirfd, const char *name, u32 mask, struct statx *out)
{
	int flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;

	return (int)HOST5(SYS_statx, dirfd, name, flags, mask, out);
}

int host_fstatfs(int fd, struct statfs *out)
{
	return (int)HOST2(SYS_fstatfs, fd, out);
}

ssize_t host_readlinkat(int dirfd, const char *name, char *buf, size_t n)
{
	return HOST4(SYS_readlinkat, dirfd, name, buf, n);
}

int host_mkdirat(int dirfd, const char *name, u32 mode)
{
	return (int)HOST3(SYS_mkdirat, dirfd, name, mode);
}

int host_mknodat(int dirfd, const char *name, u32 mode, u64 dev)
{
	return (int)HOST4(SYS_mknodat, dirfd, name, mode, dev);
}

int host_symlinkat(const char *target, int dirfd, const char *name)
{
	return (int)HOST3(SYS_symlinkat, target, dirfd, name);
}

int host_linkat(int olddir, const char *oldname, int newdir, const char *newname, int flags)
{
	return (int)HOST5(SYS_linkat, olddir, oldname, newdir, newname, flags);
}

int host_unlinkat(int dirfd, const char *name, int flags)
{
	return (int)HOST3(SYS_unlinkat, dirfd, name, flags);
}

int host_renameat2(int olddir, const char *oldname, int newdir, const char *newname, u32 flags)
{
	return (int)HOST5(SYS_renameat2, olddir, oldname, newdir, newname, flags);
}

/* --- attributes ------------------------------------------------------------- */

int host_fchmod(int fd, u32 mode)
{
	return (int)HOST2(SYS_fchmod, fd, mode);
}

int host_fchmodat(int dirfd, const char *name, u32 mode)
{
	return (int)HOST4(SYS_fchmodat2, dirfd, name, mode, AT_SYMLINK_NOFOLLOW);
}

int host_fchown(int fd, u32 uid, u32 gid)
{
	return (int)HOST3(SYS_fchown, fd, uid, gid);
}

int host_fchownat(int dirfd, const char *name, u32 uid, u32 gid)
{
	int flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW;

	return (int)HOST5(SYS_fchownat, dirfd, name, uid, gid, flags);
}

int host_utimensat(int dirfd, const char *name, const struct timespec ts[2])
{
	/* Not a null path for dirfd itself: that form refuses O_PATH descriptors. */
	int flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW;

	return (int)HOST4(SYS_utimensat, dirfd, name, ts, flags);
}

int host_ftruncate(int fd, u64 size)
{
	return (int)HOST2(SYS_ftruncate, fd, size);
}

int host_fallocate(int fd, int mode, u64 off, u64 len)
{
	return (int)HOST4(SYS_fallocate, fd, mode, off, len);
}

int host_fsync(int fd, bool datasync)
{
	return (int)HOST1(datasync ? SYS_fdatasync : SYS_fsync, fd);
}

ssize_t host_fgetxattr(int fd, const char *name, void *buf, size_t n)
{
	return HOST4(SYS_fgetxattr, fd, name, buf, n);
}

int host_fsetxattr(int fd, const char *name, const void *buf, size_t n, int flags)
{
	return (int)HOST5(SYS_fsetxattr, fd, name, buf, n, flags);
}

ssize_t host_flistxattr(int fd, char *buf, size_t n)
{
	return HOST3(SYS_flistxattr, fd, buf, n);
}

int host_fremovexattr(int fd, const char *name)
{
	return (int)HOST2(SYS_fremovexattr, fd, name);
}

/* --- descriptors and memory ------------------------------------------------- */

int host_poll(struct pollfd *fds, unsigned n, int timeout_ms)
{
	return (int)HOST3(SYS_poll, fds, n, timeout_ms);
}

static bool reopen_ready;

int host_reopen_prepare(void)
{
	int fd =
	    (int)HOST4(SYS_openat, AT_FDCWD, "/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	int at;

	if (fd < 0)
		return fd;
	at = (int)HOST3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, HOST_SELF_FDS);
	host_close(fd);
	reopen_ready = at == HOST_SELF_FDS;
	if (reopen_ready)
		return 0;
	if (at >= 0)
		host_close(at);
	return at < 0 ? at : -EBUSY;
}

int host_reopen_readonly(int fd)
{
	int err = reopen_ready ? 0 : host_reopen_prepare();
	char name[16];

	if (err)
		return err;
	snprintf(name, sizeof(name), "%d", fd);
	return (int)HOST4(SYS_openat, HOST_SELF_FDS, name, HOST_REOPEN_MODE, 0);
}

int host_memfd(const char *name, u32 flags)
{
	return (int)HOST2(SYS_memfd_create, name, flags);
}

int host_dup(int fd)
{
	return (int)HOST3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
}

int host_status_flags(int fd)
{
	return (int)HOST2(SYS_fcntl, fd, F_GETFL);
}

int host_ioctl(int fd, unsigned long cmd, void *arg)
{
	return (int)HOST3(SYS_ioctl, fd, cmd, arg);
}

void *host_map(int fd, u64 off, size_t n, bool writable, int *err)
{
	int prot = PROT_READ | (writable ? PROT_WRITE : 0);
	int flags = MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0);
	void *p;

	atomic_fetch_add_explicit(&host_calls, 1, memory_order_relaxed);
	p = mmap(NULL, n, prot, flags, fd, (off_t)off);
	if (p == MAP_FAILED) {
		*err = -errno;
		return NULL;
	}
	*err = 0;
	return p;
}

void host_unmap(void *p, size_t n)
{
	atomic_fetch_add_explicit(&host_calls, 1, memory_order_relaxed);
	munmap(p, n);
}

/* --- waiting, randomness, the end -------------------------------------------- */

int host_futex_wait(_Atomic u32 *word, u32 expect, const struct timespec *timeout, bool shared)
{
	int op = FUTEX_WAIT | (shared ? 0 : FUTEX_PRIVATE_FLAG);

	return (int)HOST4(SYS_futex, word, op, expect, timeout);
}

int host_futex_wake(_Atomic u32 *word, int n, bool shared)
{
	int op = FUTEX_WAKE | (shared ? 0 : FUTEX_PRIVATE_FLAG);

	return (int)HOST3(SYS_futex, word, op, n);
}

int host_futex_move(_Atomic u32 *from, _Atomic u32 *to)
{
	return (int)HOST5(SYS_futex, from, FUTEX_REQUEUE, 0, 1, to);
}

int host_getrandom(void *buf, size_t n)
{
	char *p = buf;

	/* A large request may come back short when a signal interrupts it. */
	while (n) {
		s64 got = HOST3(SYS_getrandom, p, n, 0);

		if (got == -EINTR)
			continue;
		if (got < 0)
			return (int)got;
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

noreturn void host_exit_group(int status)
{
	for (;;)
		HOST1(SYS_exit_group, status);
}

/* Set by the first host_cpu_count: the CPUs that the sandbox may run on. */
static unsigned long cpu_mask[CPU_MASK_WORDS];
static size_t cpu_mask_bytes;

unsigned host_cpu_count(void)
{
	static _Atomic unsigned cached;
	unsigned n = atomic_load_explicit(&cached, memory_order_relaxed);
	s64 bytes;

	if (n)
		return n;
	bytes = HOST3(SYS_sched_getaffinity, 0, sizeof(cpu_mask), cpu_mask);
	cpu_mask_bytes = (size_t)max_of(bytes, (s64)0);
	for (size_t i = 0; i < cpu_mask_bytes / sizeof(cpu_mask[0]); i++)
		n += (unsigned)__builtin_popcountl(cpu_mask[i]);
	n = max_of(n, 1u);
	atomic_store_explicit(&cached, n, memory_order_relaxed);
	return n;
}

unsigned host_cpu(void)
{
	return (unsigned)sched_getcpu();
}

void host_yield(void)
{
	HOST0(SYS_sched_yield);
}

/* The CPUs that there are but this one; false if it is none of them. */
static bool cpus_but(unsigned cpu, unsigned long others[CPU_MASK_WORDS])
{
	size_t bits = 8 * sizeof(others[0]);

	if (cpu >= cpu_mask_bytes * 8)
		return false;
	memcpy(others, cpu_mask, cpu_mask_bytes);
	others[cpu / bits] &= ~(1UL << (cpu % bits));
	return true;
}

bool host_cpu_leave(unsigned cpu)
{
	unsigned long others[CPU_MASK_WORDS];

	/* Refused if there is no other, or none is online: then it stays. */
	return cpus_but(cpu, others) &&
	       HOST3(SYS_sched_setaffinity, 0, cpu_mask_bytes, others) == 0;
}

void host_cpu_any(void)
{
	HOST3(SYS_sched_setaffinity, 0, cpu_mask_bytes, cpu_mask);
}

void host_cpu_part(pid_t child)
{
	unsigned long others[CPU_MASK_WORDS];

	if (host_cpu_count() < 2 || !cpus_but(host_cpu(), others))
		return;
	if (HOST3(SYS_sched_setaffinity, child, cpu_mask_bytes, others) == 0)
		HOST3(SYS_sched_setaffinity, child, cpu_mask_bytes, cpu_mask);
}

u64 host_call_count(void)
{
	return atomic_load_explicit(&host_calls, memory_order_relaxed);
}
