/*
 * Guest address spaces: the VMA tree, which mirrors what the host has mapped in
 * the stub. A call changes the tree and queues the host operation that makes it
 * true on its own thread (platform.h); the mm mutex is held until the calling task has said so
 * or, between tasks, until platform_thread_ops_done.
 */
#pragma once
#include "base/mutex.h"
#include "base/ref.h"
#include "base/types.h"
#include "platform/platform.h"
#include <bsd/sys/tree.h>
#include <sys/queue.h>

struct file;
struct task;
struct path;

struct vma {
	RB_ENTRY(vma) node;
	u64 start, end; /* bytes, page aligned */
	u32 prot;       /* PROT_* now */
	u32 max_prot; /* what mprotect may grant: a shared file opened read-only lacks PROT_WRITE */
	u32 flags;    /* MAP_SHARED/PRIVATE, VMA_* */
	struct file *file; /* held; NULL: anonymous */
	u64 off;           /* file offset of start, bytes */
	const char *name;  /* "[heap]", "[stack]", "[vdso]" or NULL; static */
};
enum {
	VMA_GROWSDOWN = 1 << 24,
	VMA_LOCKED = 1 << 25,
	VMA_DONTFORK = 1 << 26,
	VMA_WIPEONFORK = 1 << 27,
	VMA_NORESERVE = 1 << 28,
	VMA_SHM = 1 << 29,
	VMA_DONTDUMP = 1 << 30
};
RB_HEAD(vma_tree, vma);

struct mm {
	struct ref ref; /* tasks that share it and lookers from /proc */
	struct mutex mutex;
	struct platform_space
	    *space; /* borrowed from the tasks' threads; NULL once the last is gone */
	struct vma_tree vmas;
	u32 nvmas;
	u64 total_vm, locked_vm, data_vm, stack_vm; /* bytes */
	u64 brk_start, brk;
	u64 mmap_base; /* top-down */
	u64 stack_top, arg_start, arg_end, env_start, env_end;
	u64 code_start, code_end, data_start, data_end;
	struct file *exe; /* held; /proc/PID/exe */
	u64 auxv[64];     /* as given to the program */
	u32 auxv_len;     /* bytes */
	u32 def_flags;    /* mlockall(MCL_FUTURE) */
	_Atomic u64 peak_vm;
};

struct mm *mm_create(void);
struct mm *mm_get(struct mm *m);
void mm_put(struct mm *m);
/* fork: a copy of the tree (the host copies the memory). *out +1. */
must_check int mm_fork(struct mm *parent, struct mm **out);
/* Takes the mutex and waits for other threads' host operations. -EINTR if the task is being killed.
 */
must_check int mm_lock(struct mm *m);
void mm_unlock(struct mm *m);

/* The bodies; flags as in mmap(2). Address or -errno. f borrowed. t: the caller, whose thread does
 * the work. */
s64 mm_map(struct task *t, u64 addr, u64 len, u32 prot, u32 flags, struct file *f, u64 off);
s64 mm_unmap(struct task *t, u64 addr, u64 len);
s64 mm_protect(struct task *t, u64 addr, u64 len, u32 prot);
s64 mm_remap(struct task *t, u64 old, u64 oldlen, u64 newlen, u32 flags, u64 newaddr);
s64 mm_brk(struct task *t, u64 brk);
s64 mm_advise(struct task *t, u64 addr, u64 len, int advice);

/*
 * A fault in the guest: grows a stack and returns true if the access may be
 * tried again; otherwise false, with the si_code (SEGV_MAPERR, SEGV_ACCERR) in *code.
 */
bool mm_fault(struct task *t, u64 addr, u64 error_code, int *code);

/* execve: new image. See sentry/exec.h. */
struct vma *mm_find_locked(struct mm *m, u64 addr); /* first with end > addr */
/* For /proc/PID/maps: calls fn in order; stops when it returns false. */
void mm_each_vma(struct mm *m, bool (*fn)(const struct vma *v, void *arg), void *arg);
