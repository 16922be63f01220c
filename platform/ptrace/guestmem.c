/*
 * Guest memory by way of the host: process_vm_readv and process_vm_writev, which respect
 * the guest's own protections and stop at the first fault. What is written is there at once.
 *
 * Every access of a guest address is cut off at GUEST_MAX.
 *
 * Host calls: process_vm_readv, process_vm_writev.
 */
#include "platform/ptrace/ptrace.h"
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

static size_t guest_limit(u64 addr, size_t n)
{
	return addr >= GUEST_MAX ? 0 : min_of(n, GUEST_MAX - addr);
}

static size_t host_read(u32 pid, void *dst, u64 src, size_t n)
{
	struct iovec local = {dst, n}, remote = {(void *)src, n};
	ssize_t got = n ? process_vm_readv((pid_t)pid, &local, 1, &remote, 1, 0) : 0;

	return got < 0 ? 0 : (size_t)got;
}

static size_t host_write(u32 pid, u64 dst, const void *src, size_t n)
{
	struct iovec local = {(void *)src, n}, remote = {(void *)dst, n};
	ssize_t got = n ? process_vm_writev((pid_t)pid, &local, 1, &remote, 1, 0) : 0;

	return got < 0 ? 0 : (size_t)got;
}

size_t ptrace_space_read(struct platform_space *s, void *dst, u64 src, size_t n)
{
	return host_read(s->pid, dst, src, guest_limit(src, n));
}

size_t ptrace_space_write(struct platform_space *s, u64 dst, const void *src, size_t n)
{
	return host_write(s->pid, dst, src, guest_limit(dst, n));
}

bool scratch_read(struct ptrace_thread *t, void *dst, u64 offset, size_t n)
{
	return host_read(t->base.space->pid, dst, SCRATCH + offset, n) == n;
}

bool scratch_write(struct ptrace_thread *t, u64 offset, const void *src, size_t n)
{
	return host_write(t->base.space->pid, SCRATCH + offset, src, n) == n;
}

static struct ptrace_thread *uspace_thread(struct uspace *u)
{
	return container_of(u, struct ptrace_thread, base.uspace);
}

static size_t guest_read(struct uspace *u, void *dst, u64 src, size_t n)
{
	return ptrace_space_read(uspace_thread(u)->base.space, dst, src, n);
}

static size_t guest_write(struct uspace *u, u64 dst, const void *src, size_t n)
{
	return ptrace_space_write(uspace_thread(u)->base.space, dst, src, n);
}

/* Page by page, as the string may end just before memory that is not there. */
static size_t guest_read_str(struct uspace *u, char *dst, u64 src, size_t n)
{
	size_t done = 0;

	n = guest_limit(src, n);
	while (done < n) {
		size_t piece = min_of(n - done, PAGE_SIZE - ((src + done) & (PAGE_SIZE - 1)));
		size_t got = guest_read(u, dst + done, src + done, piece);
		size_t len = strnlen(dst + done, got);

		if (len < got)
			return done + len + 1;
		done += got;
		if (got < piece)
			break;
	}
	return done;
}

static int guest_cmpxchg32(struct uspace *u, u64 addr, u32 expect, u32 value, u32 *old)
{
	if (guest_limit(addr, 4) != 4)
		return -EFAULT;
	return inject_cmpxchg(uspace_thread(u), addr, expect, value, old) == 0 ? 0 : -EFAULT;
}

/* No reserve, and so no commit: nothing goes with the reply. */
const struct uspace_ops ptrace_guestmem_ops = {
    .read = guest_read,
    .write = guest_write,
    .read_str = guest_read_str,
    .cmpxchg32 = guest_cmpxchg32,
};
