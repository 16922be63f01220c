/*
 * What an implementation of the platform provides. platform.c keeps what they
 * all have in common, the queue of host operations and the register image, and
 * passes the rest on. Contracts: platform.h.
 */
#pragma once
#include "base/types.h"
#include "platform/platform.h"

/* The head of every implementation's thread. Touched only by the thread's own fiber. */
struct platform_thread {
	struct uspace uspace;
	struct platform_space *space;
	struct user_regs_struct regs;
	bool regs_changed, reset_fpu;
	bool regs_late;       /* regs has only what the call is made of: late_regs gets the rest */
	u64 site;             /* platform_thread_site */
	bool ops_only;        /* the next run: platform_thread_ops_only; run resets it */
	_Atomic unsigned ops; /* queued; others look at it by platform_thread_ops_done */
	struct hostop op[HOSTOPS_MAX];
};

struct platform_ops {
	const char *name;
	unsigned workers; /* that it can do with; 0: any number */
	bool traces;      /* platform_traces */
	const char *(*unsupported)(void);
	const char *(*mm_checked_unsupported)(void); /* absent: it knows no other way */
	int (*init)(const struct platform_config *config);
	int (*start)(void);
	_Atomic u32 *(*doorbell)(void);
	void (*stats_print)(int fd);
	void (*shutdown)(void);
	u64 (*vdso)(void); /* where guests have it; 0: nowhere */
	int (*space_create)(struct platform_space **space, struct platform_thread **thread);
	int (*space_fork)(struct platform_thread *t, struct platform_space **space,
	                  struct platform_thread **child);
	int (*thread_clone)(struct platform_thread *t, struct platform_thread **child);
	unsigned (*space_threads)(struct platform_space *space);
	void (*thread_exit)(struct platform_thread *t);
	void (*space_kill)(struct platform_space *space);
	/* Up to stat_lasts: absent where nothing is answered without the sentry. */
	void (*set_identity)(struct platform_thread *t, const struct thread_identity *id);
	void (*set_parent)(struct platform_thread *t, s32 ppid);
	void (*set_any_cpu)(struct platform_thread *t, bool any);
	void (*set_names)(const struct new_utsname *names);
	_Atomic u32 *(*fd_words)(void);
	void (*answer_fd)(struct platform_thread *t, unsigned fd, u32 answers, u32 word, u32 seen);
	void (*forget_fds)(struct platform_thread *t);
	_Atomic u32 *(*told_words)(void);
	bool (*answers)(const struct platform_thread *t);
	void (*tell_file)(struct platform_thread *t, unsigned fd, const struct platform_file *f);
	bool (*told_used)(struct platform_thread *t);
	_Atomic u32 *(*name_word)(void);
	void (*answer_lasts)(struct platform_thread *t, u32 seen);
	void (*stat_lasts)(struct platform_thread *t, u32 seen, const struct told *attr);
	int (*usage)(struct platform_thread *t, struct rusage *out);
	u64 (*space_cpu_time)(struct platform_space *s);
	int (*run)(struct platform_thread *t, struct event *event, int *failed_op);
	s64 (*sync)(struct platform_thread *t);
	/* An operation is about to be queued: what has been written to guest memory comes first.
	 * Absent: it is there at once. */
	void (*settle)(struct platform_thread *t);
	bool (*ops_done)(const struct platform_thread *t);
	bool (*waits)(const struct platform_thread *t); /* absent: the sentry knows of all waits */
	void (*late_regs)(struct platform_thread *t);   /* of one that sets regs_late */
	void (*looks)(struct platform_thread *t);       /* may be absent */
	void (*interrupt)(struct platform_thread *t);
	/* Absent: no guest can keep its thread from ending. */
	void (*doom)(struct platform_thread *t);
	void (*prepare)(void); /* absent: nothing takes so long */
	/* Absent: no site is rewritten. Sites that it has never named are not asked for. */
	void (*patch)(struct platform_thread *t, u64 site, u64 low, u64 high);
	void (*unpatch)(struct platform_thread *t, u64 low,
	                u64 high); /* absent: rewrites nothing */
	size_t (*space_read)(struct platform_space *s, void *dst, u64 src, size_t n);
	size_t (*space_write)(struct platform_space *s, u64 dst, const void *src, size_t n);
	int (*frame_push)(struct platform_thread *t, const struct signal_frame *f);
	int (*frame_pop)(struct platform_thread *t, u64 *mask, stack_t *altstack);
	int (*xstate_get)(struct platform_thread *t, void *buf, size_t n);
	int (*xstate_set)(struct platform_thread *t, const void *buf, size_t n);
};
