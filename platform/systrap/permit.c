/*
 * Checked memory (--mm=checked): the host asks the sentry about every call by which a stub changes
 * its memory or multiplies, and the sentry allows those that it has told that very thread to
 * make, in their order, each once, with just these arguments. So a guest that owns its stub
 * cannot map, protect or fork what it likes; without this it can, in its own address space.
 *
 * The question is a seccomp notification: a third filter of stubs, for these calls only, has a
 * listener, and a thread of the sentry answers it. All that counts of such a call is in registers,
 * which nobody can change between answer and execution: what is told to go on is what was
 * looked at. A file to be mapped is not sent beforehand but put in place with the answer, at
 * a number that only this thread's operations use: so no stub has a file in store.
 *
 * A call must come no second time: a question that has been read can only be cut short by
 * the end of its process (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV). A fork is the exception, as the
 * host begins it again when a signal is pending.
 *
 * Threads are known by the host's number for them. Numbers of processes are sure (attach.c);
 * that of a further thread comes from its maker, and the host must confirm that it is one
 * of this process. One that is not known may do no more than what every newborn does, perhaps
 * before its birth is known: map its context.
 *
 * Host calls: ioctl, fcntl, tgkill, close; recvmsg and seccomp before lock-down.
 */
#include "base/host_thread.h"
#include "base/log.h"
#include "platform/systrap/systrap.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Since Linux 6.6: answer and question take place on one CPU, which is faster. */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS      SECCOMP_IOW(4, u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP 1UL
#endif

/* The host may begin a fork anew for each signal; more than one of them is nothing but spite. */
#define CLONE_TRIES 4
#define BUCKETS     256

struct permit {
	s32 nr;
	s32 fd;     /* to be put in place; owned; -1: none */
	u32 places; /* bit i: argument i counts */
	u64 arg[6];
};

struct permits {
	LIST_ENTRY(permits) link; /* if tid is set */
	s32 tid;
	const struct platform_space *space;
	u32 next, count;
	_Atomic bool open; /* some of them have not been made use of */
	struct permit call[2 * HOSTOPS_MAX];
	u32 clones_left;
	u64 clone_flags, clone_tid;
};

static struct lock permits_lock = LOCK_INIT(RANK_PLATFORM);
static LIST_HEAD(, permits) known[BUCKETS]; /* by tid; all of struct permits too is guarded */
static int listener = -1;

/* ---- what a thread may do ---------------------------------------------- */

int permits_create(struct systrap_thread *t)
{
	if (!systrap.config->mm_checked)
		return 0;
	t->permits = calloc(1, sizeof(*t->permits));
	if (!t->permits)
		return -ENOMEM;
	t->permits->space = t->base.space;
	return 0;
}

static void drop_locked(struct permits *p)
{
	for (; p->next < p->count; p->next++)
		if (p->call[p->next].fd >= 0)
			close(p->call[p->next].fd);
	p->next = p->count = 0;
	atomic_store_explicit(&p->open, false, memory_order_release);
}

static void forget_locked(struct permits *p)
{
	if (p->tid)
		LIST_REMOVE(p, link);
	p->tid = 0;
}

void permits_free(struct systrap_thread *t)
{
	struct permits *p = t->permits;

	if (!p)
		return;
	lock_acquire(&permits_lock);
	drop_locked(p);
	forget_locked(p);
	lock_release(&permits_lock);
	free(p);
	t->permits = NULL;
}

static struct permits *find_locked(s32 tid)
{
	struct permits *p;

	LIST_FOREACH (p, &known[(u32)tid % BUCKETS], link)
		if (p->tid == tid)
			return p;
	return NULL;
}

int permits_know(struct systrap_thread *t)
{
	struct permits *p = t->permits, *other;

	if (!p)
		return 0;
	/* An interrupt for nothing does no harm, and is refused if the thread is another process's.
	 */
	if (t->tid != (s32)t->base.space->pid &&
	    syscall(SYS_tgkill, t->base.space->pid, t->tid, STUB_INTERRUPT_SIGNAL) < 0)
		return -errno;
	lock_guard(&permits_lock);
	other = find_locked(t->tid);
	if (other && other->space == p->space)
		return -EEXIST;
	/* The number has been another's, who is gone without a word. */
	if (other)
		forget_locked(other);
	p->tid = t->tid;
	LIST_INSERT_HEAD(&known[(u32)p->tid % BUCKETS], p, link);
	return 0;
}

/* The calls that hostops.c makes of an operation. */
static void add(struct permits *p, s32 nr, s32 fd, u32 places, u64 a, u64 b, u64 c, u64 d, u64 e,
                u64 f)
{
	p->call[p->count++] =
	    (struct permit){.nr = nr, .fd = fd, .places = places, .arg = {a, b, c, d, e, f}};
}

static void add_unmap(struct permits *p, u64 addr, u64 len)
{
	u64 end = addr + len;

	if (!platform_reserved(addr, len)) {
		add(p, SYS_munmap, -1, 3, addr, len, 0, 0, 0, 0);
		return;
	}
	if (addr < PLATFORM_RESERVED)
		add(p, SYS_munmap, -1, 3, addr, PLATFORM_RESERVED - addr, 0, 0, 0, 0);
	if (end > PLATFORM_RESERVED_END)
		add(p, SYS_munmap, -1, 3, PLATFORM_RESERVED_END, end - PLATFORM_RESERVED_END, 0, 0,
		    0, 0);
}

static void add_remap(struct permits *p, const struct stub_op *op)
{
	bool moves = op->newaddr != op->addr;
	u64 flags = moves ? (u64)op->flags | MREMAP_MAYMOVE | MREMAP_FIXED : 0;

	add(p, SYS_mremap, -1, moves ? 31 : 15, op->addr, op->len, op->newlen, flags, op->newaddr,
	    0);
}

static void add_op_locked(struct permits *p, const struct stub_op *op, s32 fd)
{
	switch (op->kind) {
	case HOSTOP_MMAP:
		add(p, SYS_mmap, fd, op->has_fd ? 63 : 47, op->addr, op->len, (u64)op->prot,
		    (u64)op->flags | MAP_FIXED, (u64)op->placed, op->off);
		break;
	case HOSTOP_MUNMAP:
		add_unmap(p, op->addr, op->len);
		break;
	case HOSTOP_UNMAP_ALL:
		add(p, SYS_munmap, -1, 3, 0, PLATFORM_RESERVED, 0, 0, 0, 0);
		add(p, SYS_munmap, -1, 3, PATCH_TABLE, GUEST_MAX - PATCH_TABLE, 0, 0, 0, 0);
		break;
	case HOSTOP_MPROTECT:
		add(p, SYS_mprotect, -1, 7, op->addr, op->len, (u64)op->prot, 0, 0, 0);
		break;
	case HOSTOP_MREMAP:
		add_remap(p, op);
		break;
	case HOSTOP_MADVISE:
		add(p, SYS_madvise, -1, 7, op->addr, op->len, op->val ? op->val : (u64)op->flags, 0,
		    0, 0);
		break;
	default: /* not a change of memory */
		break;
	}
}

void permits_drop(struct systrap_thread *t)
{
	/* Only the caller, the thread's fiber, changes the count. */
	if (!t->permits || !t->permits->count)
		return;
	lock_guard(&permits_lock);
	drop_locked(t->permits);
}

bool permits_open(const struct systrap_thread *t)
{
	return t->permits && atomic_load_explicit(&t->permits->open, memory_order_acquire);
}

int permits_add(struct systrap_thread *t, const struct stub_op *op, s32 fd)
{
	int own = -1;

	if (!t->permits)
		return 0;
	/* The sentry may close its own while a stub that lies is still on its way to the call. */
	if (op->has_fd) {
		own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (own < 0)
			return -errno;
	}
	lock_guard(&permits_lock);
	add_op_locked(t->permits, op, own);
	atomic_store_explicit(&t->permits->open, t->permits->count > 0, memory_order_release);
	return 0;
}

s32 permits_place(const struct systrap_thread *t)
{
	return t->permits ? (s32)(STUB_PLACED_FDS + t->k) : 0;
}

void permits_clone(struct systrap_thread *t, u64 flags, u64 tid_word)
{
	struct permits *p = t->permits;

	if (!p)
		return;
	lock_guard(&permits_lock);
	p->clones_left = CLONE_TRIES;
	p->clone_flags = flags;
	p->clone_tid = tid_word;
}

void permits_clone_done(struct systrap_thread *t)
{
	if (!t->permits)
		return;
	lock_guard(&permits_lock);
	t->permits->clones_left = 0;
}

/* ---- questions and answers ---------------------------------------------- */

static bool same(const struct permit *p, const struct seccomp_data *d)
{
	for (unsigned i = 0; i < 6; i++)
		if (p->places & 1u << i && p->arg[i] != d->args[i])
			return false;
	return p->nr == d->nr;
}

/*
 * What spawn.c's attach does, before or after the sentry knows whose child that is. At any
 * other time it gains nothing: what lies there is the stub's own word to the sentry, and no
 * file that is put in place can be meant.
 */
static bool is_birth(const struct seccomp_data *d)
{
	if (d->args[0] != STUB_CONTEXTS || d->args[1] != STUB_CONTEXTS_SIZE)
		return false;
	if (d->nr == SYS_madvise)
		return d->args[2] == MADV_DONTFORK;
	return d->nr == SYS_mmap && d->args[2] == (PROT_READ | PROT_WRITE) &&
	       d->args[3] == (MAP_SHARED | MAP_FIXED) && d->args[4] < STUB_PLACED_FDS &&
	       d->args[5] == 0;
}

/* May it go on? The file to be put in place first in *fd, or -1; the caller's then. */
static bool permitted(const struct seccomp_notif *n, s32 *fd)
{
	const struct seccomp_data *d = &n->data;
	struct permits *p;

	*fd = -1;
	if (is_birth(d))
		return true;
	lock_guard(&permits_lock);
	p = find_locked((s32)n->pid);
	if (!p)
		return false;
	if (d->nr == SYS_clone) {
		if (!p->clones_left || d->args[0] != p->clone_flags || d->args[3] != p->clone_tid)
			return false;
		p->clones_left--;
		return true;
	}
	if (p->next == p->count || !same(&p->call[p->next], d))
		return false;
	*fd = p->call[p->next++].fd;
	atomic_store_explicit(&p->open, p->next < p->count, memory_order_release);
	return true;
}

static int place(const struct seccomp_notif *n, s32 fd)
{
	struct seccomp_notif_addfd add_fd = {.id = n->id,
	                                     .flags = SECCOMP_ADDFD_FLAG_SETFD,
	                                     .srcfd = (u32)fd,
	                                     .newfd = (u32)n->data.args[4],
	                                     .newfd_flags = O_CLOEXEC};
	int err = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add_fd) < 0 ? -errno : 0;

	close(fd);
	return err;
}

static void answer(const struct seccomp_notif *n)
{
	struct seccomp_notif_resp resp = {.id = n->id};
	s32 fd;

	if (!permitted(n, &fd)) {
		resp.error = -EPERM;
		log_limited(LOG_DEBUG, "platform: host thread %u may not make call %d", n->pid,
		            n->data.nr);
	} else if (fd >= 0 && place(n, fd) < 0) {
		resp.error = -EMFILE;
	} else {
		resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	}
	/* ENOENT: it has been killed meanwhile. */
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

static void *listen_main(void *arg unused_arg)
{
	for (;;) {
		struct seccomp_notif n = {0};

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) == 0)
			answer(&n);
		else if (errno != ENOENT && errno != EINTR)
			return NULL; /* no stub is left */
	}
}

/* The zygote sends the listener, or why there is none, before it has its filters. */
static int receive_listener(void)
{
	union {
		struct cmsghdr header;
		u8 bytes[CMSG_SPACE(sizeof(s32))];
	} control;
	s64 result = -EIO;
	struct iovec iov = {&result, sizeof(result)};
	struct msghdr msg = {.msg_iov = &iov,
	                     .msg_iovlen = 1,
	                     .msg_control = &control,
	                     .msg_controllen = sizeof(control)};

	if (recvmsg(systrap.zygote_space->socket, &msg, MSG_CMSG_CLOEXEC) != sizeof(result))
		return -EIO;
	if (result < 0)
		return (int)result;
	if (msg.msg_controllen < CMSG_LEN(sizeof(s32)) || control.header.cmsg_type != SCM_RIGHTS)
		return -EIO;
	memcpy(&listener, CMSG_DATA(&control.header), sizeof(listener));
	return 0;
}

const char *permits_unsupported(void)
{
	const unsigned long flags =
	    SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;

	/* Flags that the host knows get as far as to the missing program. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, NULL) < 0 && errno == EFAULT)
		return NULL;
	return "needs seccomp notifications that wait killably (Linux 5.19)";
}

int permits_start(void)
{
	pthread_t thread;
	int err;

	if (!systrap.config->mm_checked)
		return 0;
	err = receive_listener();
	if (err) {
		log_error("--mm=checked: no notifications from stubs: %s", strerror(-err));
		return err;
	}
	/* A help only. */
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	return host_thread_start(&thread, "moat-permits", listen_main, NULL);
}
