/*
 * process_vm_readv(2), process_vm_writev(2): memory of another process, by way
 * of the sentry (mm/process_vm_access.c). Both lists of buffers are copied in first; the bytes go
 * through a bounce buffer, as the two ends are in different address spaces.
 */
#include "base/caller.h"
#include "base/uspace.h"
#include "sentry/mm.h"
#include "sentry/syscall.h"
#include "sentry/task_access.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#define BOUNCE (64UL << 10)

/* Up to n bytes at the front of local to or from addr in m; what was moved, or -EFAULT for nothing.
 */
static ssize_t move_piece(struct mm *m, u64 addr, struct uio *local, void *bounce, size_t n,
                          bool write)
{
	ssize_t got;
	size_t done;

	if (!write) {
		done = mm_read(m, bounce, addr, n);
		return done ? uio_write(local, bounce, done) : -EFAULT;
	}
	got = uio_read(local, bounce, n);
	if (got <= 0)
		return got;
	done = mm_write(m, addr, bounce, (size_t)got);
	uio_revert(local, (size_t)got - done);
	return done ? (ssize_t)done : -EFAULT;
}

static s64 move_all(struct mm *m, struct uio *local, const struct uio *remote, bool write)
{
	void *bounce = malloc(BOUNCE);
	s64 total = 0;
	ssize_t n = 1;

	if (!bounce)
		return -ENOMEM;
	for (size_t i = 0; i < remote->iovcnt && local->resid && n > 0; i++) {
		u64 addr = (u64)remote->iov[i].iov_base;
		size_t left = remote->iov[i].iov_len;
		while (left && local->resid) {
			size_t want = min_of(min_of(left, BOUNCE), local->resid);
			n = move_piece(m, addr, local, bounce, want, write);
			if (n <= 0)
				break;
			total += n;
			addr += (u64)n;
			left -= (size_t)n;
			if ((size_t)n < want && local->faulted)
				break;
		}
	}
	free(bounce);
	return total ? total : min_of(n, 0L);
}

/* Whose memory it is: -ESRCH, -EPERM. *out +1. */
static int target_mm(struct task *t, s32 pid, struct mm **out)
{
	struct task *target = task_find(pid);
	int err;

	if (!target)
		return -ESRCH;
	err = task_access(t, target);
	if (!err) {
		*out = task_mm_get(target);
		err = *out ? 0 : -ESRCH;
	}
	task_put(target);
	return err;
}

static s64 process_vm(struct task *t, const struct syscall_args *a, bool write)
{
	struct uio local, remote;
	struct mm *m = NULL;
	s64 result;
	int err;

	if (arg_u64(a, 5))
		return -EINVAL;
	err = uio_init_iovec(&local, arg_ptr(a, 1), arg_u64(a, 2));
	if (err)
		return err;
	if (!local.resid) {
		uio_destroy(&local);
		return 0;
	}
	err = uio_init_iovec(&remote, arg_ptr(a, 3), arg_u64(a, 4));
	if (err) {
		uio_destroy(&local);
		return err;
	}
	result = remote.resid ? target_mm(t, arg_int(a, 0), &m) : 0;
	if (!result && remote.resid) {
		result = move_all(m, &local, &remote, write);
		mm_put(m);
	}
	uio_destroy(&remote);
	uio_destroy(&local);
	return result;
}

s64 sys_process_vm_readv(struct task *t, const struct syscall_args *a)
{
	return process_vm(t, a, false);
}

s64 sys_process_vm_writev(struct task *t, const struct syscall_args *a)
{
	return process_vm(t, a, true);
}
