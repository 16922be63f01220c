/*
 * Guest memory, all of it by way of the host: what is written is there at once. Every access of a
 * guest address is cut off at GUEST_MAX.
 */
#include "platform/process_memory.h"
#include "platform/ptrace/ptrace.h"
#include <errno.h>

size_t ptrace_space_read(struct platform_space *s, void *dst, u64 src, size_t n)
{
	return vm_read(s->pid, dst, src, guest_limit(src, n));
}

size_t ptrace_space_write(struct platform_space *s, u64 dst, const void *src, size_t n)
{
	return vm_write(s->pid, dst, src, guest_limit(dst, n));
}

bool scratch_read(struct ptrace_thread *t, void *dst, u64 offset, size_t n)
{
	return vm_read(t->base.space->pid, dst, SCRATCH + offset, n) == n;
}

bool scratch_write(struct ptrace_thread *t, u64 offset, const void *src, size_t n)
{
	return vm_write(t->base.space->pid, SCRATCH + offset, src, n) == n;
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

static size_t guest_read_str(struct uspace *u, char *dst, u64 src, size_t n)
{
	return vm_read_str(uspace_thread(u)->base.space->pid, dst, src, guest_limit(src, n));
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
