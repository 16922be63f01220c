/*
 * Guest address spaces: the VMA tree, which mirrors what the host has mapped in
 * the stub. A call changes the tree and queues the host operation that makes it
 * true on the caller's own thread (platform.h), which carries it out when it
 * resumes; until it has, no other task gets past mm_lock.
 *
 * Life: mm_create (execve) or mm_fork -> mm_join for each further task that
 * shares it -> mm_leave by each task; the last one drops the mappings. mm_get
 * and mm_put keep only the object, for lookers from /proc.
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
struct vma_hold;

struct vma {
	RB_ENTRY(vma) node;
	TAILQ_ENTRY(vma) link; /* neighbours by address */
	u64 start, end;        /* bytes, page aligned */
	u64 gap, max_gap;      /* free bytes below; the largest such in this subtree */
	u32 prot;              /* PROT_* now */
	u32 max_prot; /* what mprotect may grant: a shared file opened read-only lacks PROT_WRITE */
	u32 flags;    /* MAP_SHARED/PRIVATE, VMA_* */
	u32 undo_op;  /* on an undo list: the host operation that it undoes */
	struct file *file;     /* held; NULL: anonymous */
	struct vma_hold *hold; /* counted by the file (file_ops.unmapped), or NULL; held */
	u64 off;               /* file offset of start, bytes */
	u64 shared_id;         /* shared anonymous memory: which object (an inode number), else 0 */
	const char *name;      /* "[heap]", "[stack]", "[vdso]" or NULL; static */
};
enum {
	VMA_SHAREABLE = 1 << 22, /* a copy of the file's text may lie there (sentry/mm_text.c) */
	VMA_SEALED = 1 << 23,    /* mseal(2) */
	VMA_GROWSDOWN = 1 << 24,
	VMA_LOCKED = 1 << 25,
	VMA_DONTFORK = 1 << 26,
	VMA_WIPEONFORK = 1 << 27,
	VMA_NORESERVE = 1 << 28,
	VMA_SHM = 1 << 29,
	VMA_DONTDUMP = 1 << 30
};
RB_HEAD(vma_tree, vma);
TAILQ_HEAD(vma_list, vma);

/* A host operation under way: what is needed to take it back should the host refuse. */
struct mm_op {
	u8 kind;       /* enum hostop_kind */
	bool optional; /* its failure is nobody's business (read-ahead) */
	u64 addr, len;
	u64 newaddr, newlen; /* HOSTOP_MREMAP */
};
struct mm_pending {
	struct platform_thread *thread; /* whose operations may not be done yet; NULL: none */
	u32 nops;
	struct mm_op op[HOSTOPS_MAX];
	struct vma_list undo; /* areas as they were before */
	bool is_brk;
	u64 old_brk;
};

struct aio_context;

struct mm {
	struct ref ref; /* tasks that share it and lookers from /proc */
	struct mutex mutex;

	/* mutex */
	u32 users; /* tasks */
	struct platform_space
	    *space; /* borrowed from the tasks' threads; NULL once they are gone */
	struct vma_tree vmas;
	struct vma_list list;
	u32 nvmas;
	struct mm_pending pending;
	struct vma_list
	    dead; /* to be freed outside the mutex: their files have locks of their own */
	/* Bytes; /proc reads them without, too. */
	_Atomic u64 total_vm, locked_vm, data_vm, stack_vm, exec_vm;
	u64 brk_start, brk;
	u64 mmap_base; /* top-down */
	u64 stack_top, arg_start, arg_end, env_start, env_end;
	u64 code_start, code_end, data_start, data_end;
	struct file *exe;        /* held, and denied writing; /proc/PID/exe */
	u64 auxv[64];            /* as given to the program */
	u32 auxv_len;            /* bytes */
	u32 def_flags;           /* VMA_LOCKED after mlockall(MCL_FUTURE) */
	struct aio_context *aio; /* sentry/aio.c */

	_Atomic u64 peak_vm;
	_Atomic u64 changes; /* of the tree: grows with every section under the mutex */
};

/* One user, the caller. NULL: out of memory. */
struct mm *mm_create(void);
struct mm *mm_get(struct mm *m);
void mm_put(struct mm *m);
/* clone(CLONE_VM): another task shares it. +1. */
struct mm *mm_join(struct mm *m);
/*
 * A task that has used m with thread th leaves it (exit, exec, a clone that failed): has its host
 * operations done, drops the mappings if it is the last user, ends th and puts the reference.
 */
void mm_leave(struct mm *m, struct platform_thread *th);
/*
 * fork: a copy of t's tree and, by t's own thread, of its memory, under one lock so that they
 * agree. *out (one user, +1) and *thread go to the child. -ENOMEM, -EAGAIN, -EINTR.
 */
must_check int mm_fork(struct task *t, struct mm **out, struct platform_thread **thread);
/*
 * Takes the mutex and waits for other threads' host operations. The caller is a task that uses m.
 * -EINTR if it is being killed.
 */
must_check int mm_lock(struct mm *m);
void mm_unlock(struct mm *m);

/*
 * For task_run: platform_thread_run has returned. Without a failed operation call mm_ops_done if
 * t->mm_queued is set; with one, mm_op_failed, which brings the tree in line with the host and
 * sets the call's result in rax. A task with t->mm_queued set that may be about to park for long (a
 * stop) has it done first.
 */
void mm_ops_done(struct task *t);
void mm_op_failed(struct task *t, int op_index, int err);

/* The bodies; flags as in mmap(2). Address or -errno. f borrowed. t: the caller, whose thread does
 * the work. */
s64 mm_map(struct task *t, u64 addr, u64 len, u32 prot, u32 flags, struct file *f, u64 off);
s64 mm_unmap(struct task *t, u64 addr, u64 len);
s64 mm_protect(struct task *t, u64 addr, u64 len, u32 prot);
s64 mm_remap(struct task *t, u64 old, u64 oldlen, u64 newlen, u32 flags, u64 newaddr);
s64 mm_brk(struct task *t, u64 brk);
s64 mm_advise(struct task *t, u64 addr, u64 len, int advice);
/* mlock, munlock (lock false) and mlockall (flags: MCL_*; 0 is munlockall). */
s64 mm_mlock(struct task *t, u64 addr, u64 len, bool lock);
s64 mm_mlockall(struct task *t, int flags);
/* mincore(2): vec gets a byte for each page. */
s64 mm_mincore(struct task *t, u64 addr, u64 len, u64 vec);
s64 mm_seal(struct task *t, u64 addr, u64 len);

/*
 * A fault in the guest: grows a stack and returns true if the access may be
 * tried again; otherwise false, with the si_code (SEGV_MAPERR, SEGV_ACCERR) in *code.
 */
bool mm_fault(struct task *t, u64 addr, u64 error_code, int *code);
/*
 * Arms u, t's view of its memory, so that the sentry's own accesses grow the
 * stack as the guest's do.
 */
void mm_watch_stack(struct mm *m, struct uspace *u, u64 stack_limit);
/* For what is written by other ways (a signal frame): grows a stack to addr if it is below one. */
bool mm_fault_user(struct task *t, u64 addr);

/* A system call of t's has come from `site`: rewrites that (platform_thread_patch) if it is text.
 */
void mm_patch_site(struct task *t, u64 site);

struct vma *mm_find_locked(struct mm *m, u64 addr); /* first with end > addr */
/* For /proc/PID/maps: calls fn in order, [vdso] included; stops when it returns false. */
void mm_each_vma(struct mm *m, bool (*fn)(const struct vma *v, void *arg), void *arg);
/* Another task's memory (process_vm_readv, /proc/PID/mem): bytes moved before the first fault. */
size_t mm_read(struct mm *m, void *dst, u64 src, size_t n);
size_t mm_write(struct mm *m, u64 dst, const void *src, size_t n);
