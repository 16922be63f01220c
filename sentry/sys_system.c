/*
 * System calls about the system as a whole: its names, its size, random numbers,
 * comparisons of what processes share.
 */
#include "base/cred.h"
#include "base/fiber.h"
#include "base/host.h"
#include "base/uspace.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "sentry/ns_set.h"
#include "sentry/syscall.h"
#include "sentry/task_access.h"
#include "sentry/uts.h"
#include <sys/personality.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <linux/utsname.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sysinfo.h>

#ifndef GRND_INSECURE
#define GRND_INSECURE 4
#endif

/* ---- the kernel's log ----------------------------------------------------------------- */

/* Bytes that a log of a distribution's kernel has room for. */
#define LOG_SIZE (1 << 18)

/* klogctl(3)'s types; kernel/printk/printk.c do_syslog. The guest's kernel has nothing to say. */
s64 sys_syslog(struct task *t, const struct syscall_args *a)
{
	enum { CLOSE, OPEN, READ, READ_ALL, READ_CLEAR, CLEAR, OFF, ON, LEVEL, UNREAD, SIZE };
	int type = arg_int(a, 0), len = arg_int(a, 2);
	bool reads = type == READ || type == READ_ALL || type == READ_CLEAR;

	if (!task_capable(t, CAP_SYSLOG))
		return -EPERM;
	if (type < CLOSE || type > SIZE || (reads && (uptr_is_null(arg_ptr(a, 1)) || len < 0)))
		return -EINVAL;
	if (reads && arg_u64(a, 1) + (u64)len > GUEST_MAX)
		return -EFAULT;
	if (type == LEVEL)
		return len < 1 || len > 8 ? -EINVAL : 0;
	/* Until there is a message: it is a signal that ends it. */
	if (type == READ && len)
		return fiber_sleep(NO_DEADLINE) ? -ERESTARTSYS : 0;
	return type == SIZE ? LOG_SIZE : 0;
}

/* ---- names ------------------------------------------------------------------------ */

s64 sys_uname(struct task *t, const struct syscall_args *a)
{
	struct new_utsname u;
	struct uts names;
	uts_get(t->ns->uts, &names);
	uts_fill(&names, &u);
	/* override_architecture() of arch/x86/include/asm/syscall.h */
	if ((atomic_load(&t->group->personality) & PER_MASK) == PER_LINUX32)
		strcpy(u.machine, "i686");
	return put_user(arg_ptr(a, 0), &u);
}

static s64 set_name(struct task *t, const struct syscall_args *a, char *name)
{
	char fresh[UTS_LEN + 1] = {0};
	struct uts_ns *ns = t->ns->uts;
	if (!cred_has_cap_in(t->caller.cred, ns->ns.owner, CAP_SYS_ADMIN))
		return -EPERM;
	if (arg_u64(a, 1) > UTS_LEN)
		return -EINVAL;
	if (copy_in(fresh, arg_ptr(a, 0), arg_u64(a, 1)) != 0)
		return -EFAULT;
	uts_set(ns, name, fresh);
	return 0;
}

s64 sys_sethostname(struct task *t, const struct syscall_args *a)
{
	return set_name(t, a, t->ns->uts->uts.nodename);
}

s64 sys_setdomainname(struct task *t, const struct syscall_args *a)
{
	return set_name(t, a, t->ns->uts->uts.domainname);
}

/* ---- size ------------------------------------------------------------------------- */

s64 sys_sysinfo(struct task *t unused_arg, const struct syscall_args *a)
{
	struct sysinfo s;
	struct timespec up;
	memset(&s, 0, sizeof(s));
	clock_gettime(CLOCK_BOOTTIME, &up);
	s.uptime = up.tv_sec + (up.tv_nsec != 0);
	s.totalram = kernel.memory_total;
	s.freeram = kernel.memory_free;
	{
		lock_guard(&kernel.tasks_lock);
		s.procs = (u16)min_of(kernel.ntasks, 0xffffU);
	}
	s.mem_unit = 1;
	return put_user(arg_ptr(a, 0), &s);
}

/* ---- random numbers ------------------------------------------------------------------ */

s64 sys_getrandom(struct task *t, const struct syscall_args *a)
{
	u32 flags = arg_u32(a, 2);
	size_t left = min_of(arg_u64(a, 1), MAX_RW_COUNT), done = 0;
	struct uptr p = arg_ptr(a, 0);
	u8 buf[256];
	if (flags & ~(u32)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	if ((flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	while (done < left) {
		size_t n = min_of(left - done, sizeof(buf));
		int err = host_getrandom(buf, n);
		if (err < 0)
			return err;
		if (copy_out(uptr_add(p, done), buf, n) != 0)
			return done ? (s64)done : -EFAULT;
		done += n;
		/* Up to a page is never cut short (getrandom(2), 'Interruption by a signal
		 * handler'). */
		if (done >= PAGE_SIZE && fiber_interrupted(t->fiber))
			break;
	}
	return (s64)done;
}

/* ---- kcmp ------------------------------------------------------------------------------- */

static s64 order(const void *x, const void *y)
{
	return x == y ? 0 : x < y ? 1 : 2;
}

static int file_of(struct task *t, u64 fd, struct file **out)
{
	struct fdtable *files = task_files_get(t);
	*out = NULL;
	if (!files)
		return -ESRCH;
	if (fd <= INT32_MAX)
		*out = fdtable_lookup_any(files, (int)fd);
	fdtable_put(files);
	return *out ? 0 : -EBADF;
}

static s64 compare_files(struct task *x, struct task *y, u64 fd1, u64 fd2)
{
	struct file *f, *g;
	if (file_of(x, fd1, &f) != 0)
		return -EBADF;
	if (file_of(y, fd2, &g) != 0) {
		file_put(f);
		return -EBADF;
	}
	s64 result = order(f, g);
	file_put(f);
	file_put(g);
	return result;
}

static s64 compare(struct task *x, struct task *y, const struct syscall_args *a)
{
	switch (arg_int(a, 2)) {
	case KCMP_FILE:
		return compare_files(x, y, arg_u64(a, 3), arg_u64(a, 4));
	/* Addresses are compared, never followed: the objects may go at any time. */
	case KCMP_VM:
		return order(x->mm, y->mm);
	case KCMP_FILES:
		return order(x->caller.files, y->caller.files);
	case KCMP_FS:
		return order(x->caller.fs, y->caller.fs);
	case KCMP_SIGHAND:
		return order(x->group->sighand, y->group->sighand);
	case KCMP_SYSVSEM:
		return order(x->group->ipc, y->group->ipc);
	case KCMP_IO:
		return order(NULL, NULL);
	}
	return -EINVAL;
}

s64 sys_kcmp(struct task *t, const struct syscall_args *a)
{
	struct task *x = task_find(arg_int(a, 0)), *y = task_find(arg_int(a, 1));
	s64 result = -ESRCH;
	if (x && y) {
		result = task_access(t, x);
		if (!result)
			result = task_access(t, y);
		if (!result)
			result = compare(x, y, a);
	}
	if (x)
		task_put(x);
	if (y)
		task_put(y);
	return result;
}
