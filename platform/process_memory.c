/* See process_memory.h. Host calls: process_vm_readv, process_vm_writev. */
#include "platform/process_memory.h"
#include <string.h>
#include <sys/uio.h>

_Atomic u64 vm_copies;

static size_t copied(ssize_t got)
{
	atomic_fetch_add_explicit(&vm_copies, 1, memory_order_relaxed);
	return got < 0 ? 0 : (size_t)got;
}

size_t vm_read(u32 pid, void *dst, u64 src, size_t n)
{
	struct iovec local = {dst, n}, remote = {(void *)src, n};

	return n ? copied(process_vm_readv((pid_t)pid, &local, 1, &remote, 1, 0)) : 0;
}

size_t vm_write(u32 pid, u64 dst, const void *src, size_t n)
{
	struct iovec local = {(void *)src, n}, remote = {(void *)dst, n};

	return n ? copied(process_vm_writev((pid_t)pid, &local, 1, &remote, 1, 0)) : 0;
}

/* Page by page, as the string may end just before memory that is not there. */
size_t vm_read_str(u32 pid, char *dst, u64 src, size_t n)
{
	size_t done = 0;

	while (done < n) {
		size_t piece = min_of(n - done, PAGE_SIZE - ((src + done) & (PAGE_SIZE - 1)));
		size_t got = vm_read(pid, dst + done, src + done, piece);
		size_t len = strnlen(dst + done, got);

		if (len < got)
			return done + len + 1;
		done += got;
		if (got < piece)
			break;
	}
	return done;
}
