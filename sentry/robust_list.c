/*
 * Robust futexes: when a thread ends, the locks that it holds are marked, and
 * one waiter for each woken (get_robust_list(2); Documentation/locking/robust-futexes,
 * kernel/futex/core.c exit_robust_list). The list is the guest's own, in its
 * memory: it may be anything, and nothing may go wrong but for the guest.
 */
#include "base/bug.h"
#include "base/fiber.h"
#include "base/uspace.h"
#include "sentry/syscall.h"
#include "sentry/task_access.h"
#include "sentry/task_internal.h"
#include <errno.h>
#include <linux/futex.h>

/* include/linux/futex.h: a list may be circular. */
#define ROBUST_LIST_MAX 2048

struct robust_head {
	u64 first;
	s64 futex_offset;
	u64 pending;
};

/* The lowest bit of an entry's address says that the lock is a PI futex. */
static u64 entry_addr(u64 e)
{
	return e & ~1ULL;
}

static void wake_one(struct task *t, u64 addr)
{
	struct hostop wake = {.kind = HOSTOP_FUTEX,
	                      .fd = -1,
	                      .flags = FUTEX_WAKE,
	                      .addr = addr,
	                      .val = 1,
	                      .deadline = NO_DEADLINE};
	if (platform_thread_queue(t->thread, &wake) == 0) {
		s64 ignored = platform_thread_sync(t->thread);
		(void)ignored;
	}
}

/* False: the list cannot be trusted any further. */
static bool lock_died(struct task *t, u64 addr, bool pi, bool pending)
{
	struct uspace *u = t->caller.uspace;
	u32 word, old;
	if (addr % sizeof(u32))
		return false;
	if (get_user(&word, uptr_make(addr)) != 0)
		return false;
	for (;;) {
		/*
		 * Death came between the release of a lock and its removal from the list, or
		 * before it was taken: a waiter may have been woken for nothing (or by us).
		 */
		if (pending && !pi && (word & FUTEX_TID_MASK) == 0) {
			wake_one(t, addr);
			return true;
		}
		if ((word & FUTEX_TID_MASK) != (u32)t->own_tid)
			return true;
		u32 dead = (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
		if (u->ops->cmpxchg32(u, addr, word, dead, &old) != 0)
			return false;
		if (old == word)
			break;
		word = old;
	}
	/* Waiters of a PI futex are the sentry's: futex_pi_exit, which comes next, hands it on. */
	if (!pi && (word & FUTEX_WAITERS))
		wake_one(t, addr);
	return true;
}

void robust_list_exit(struct task *t)
{
	struct robust_head head;
	u64 list = t->robust_list.addr, entry, next;
	if (!list || get_user(&head, t->robust_list) != 0)
		return;
	entry = head.first;
	for (int i = 0; i < ROBUST_LIST_MAX && entry_addr(entry) != list; i++) {
		/* Read on first: the waiter that is woken may free what it was in. */
		bool more = get_user(&next, uptr_make(entry_addr(entry))) == 0;
		if (entry_addr(entry) != entry_addr(head.pending) &&
		    !lock_died(t, entry_addr(entry) + (u64)head.futex_offset, entry & 1, false))
			return;
		if (!more)
			return;
		entry = next;
	}
	if (entry_addr(head.pending))
		(void)lock_died(t, entry_addr(head.pending) + (u64)head.futex_offset,
		                head.pending & 1, true);
}

s64 sys_set_robust_list(struct task *t, const struct syscall_args *a)
{
	if (arg_u64(a, 1) != sizeof(struct robust_head))
		return -EINVAL;
	t->robust_list = arg_ptr(a, 0);
	return 0;
}

s64 sys_get_robust_list(struct task *t, const struct syscall_args *a)
{
	s32 pid = arg_int(a, 0);
	u64 list = t->robust_list.addr, len = sizeof(struct robust_head);
	if (pid) {
		struct task *other = task_find(pid);
		if (!other)
			return -ESRCH;
		int err = task_access(t, other);
		list = other->robust_list.addr;
		task_put(other);
		if (err)
			return err;
	}
	if (put_user(arg_ptr(a, 2), &len) != 0 || put_user(arg_ptr(a, 1), &list) != 0)
		return -EFAULT;
	return 0;
}
