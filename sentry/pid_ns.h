/*
 * Pid namespaces (pid_namespaces(7)): which numbers the processes of a part of
 * the tree have for each other, and who of them is their init.
 *
 * Inside the sentry every task, process group and session goes by one number, that of
 * the initial namespace (sentry/pid.h). A nested namespace keeps a table of the numbers
 * that it shows for those; they are translated where a guest gives or gets one. A task has
 * a number in its own namespace and in each of that one's ancestors.
 */
#pragma once
#include "base/lock.h"
#include "base/ns.h"
#include <sys/queue.h>

#define PID_NS_DEPTH   32 /* nested below the initial one */
#define PID_NS_BUCKETS 256
#define PID_LIST_LEN   ((PID_NS_DEPTH + 1) * 9) /* what pid_ns_list writes at most */

struct fiber;
struct pid_entry;
struct task;
struct thread_group;

struct pid_ns {
	struct ns ns;
	struct pid_ns *parent; /* held; NULL: the initial one, which translates nothing */
	u32 level;             /* 0: the initial one */
	struct lock lock;      /* the numbers, count and emptied */
	LIST_HEAD(pid_bucket, pid_number) by_nr[PID_NS_BUCKETS], by_global[PID_NS_BUCKETS];
	s32 last;                  /* given out last, but for what was asked for */
	u32 count;                 /* of numbers in use */
	struct fiber *emptied;     /* init, which waits until all others are gone; or NULL */
	struct thread_group *init; /* T; NULL before the first process and after its end */
	bool dead;                 /* T; init is ending: nobody joins any more */
};

/* The initial one of a sandbox. */
must_check int pid_ns_create_initial(struct pid_ns **out);
/* -ENOSPC: nested too deep or too many; -EINVAL: owner is no descendant of parent's; -ENOMEM. */
must_check int pid_ns_create(struct pid_ns *parent, struct user_ns *owner, struct pid_ns **out);
struct pid_ns *pid_ns_get(struct pid_ns *n); /* NULL: NULL */
void pid_ns_put(struct pid_ns *n);           /* NULL: nothing */
struct pid_ns *pid_ns_of(struct ns *n);      /* of kind NS_PID */
/* n is inner or an ancestor of it. */
bool pid_ns_contains(const struct pid_ns *n, const struct pid_ns *inner);

/*
 * Gives a fresh entry of kernel.pids its numbers in n and its ancestors; want: n asked-for
 * ones from n outwards, as clone3(set_tid) has them. -EAGAIN, -EEXIST, -EINVAL, -ENOMEM.
 */
must_check int pid_ns_enter(struct pid_ns *n, struct pid_entry *e, const s32 *want, u32 nwant);
/* The entry is about to be freed (sentry/pid.c). */
void pid_ns_leave(struct pid_ns *n, s32 global);

/* As n shows it: 0 if it cannot be seen from there. n may be NULL, the initial one. */
s32 pid_ns_out(struct pid_ns *n, s32 global);
/* What n shows as nr: 0 if there is no such. */
s32 pid_ns_in(struct pid_ns *n, s32 nr);
/* The smallest number in use that is at least nr, or 0. */
s32 pid_ns_next(struct pid_ns *n, s32 nr);
/* "\t5\t1": as outer and each namespace from there in to inner shows it; for NSpid. */
void pid_ns_list(struct pid_ns *outer, struct pid_ns *inner, s32 global, char *buf, size_t n);
/* The same for the caller's own namespace. */
s32 pid_shown(s32 global);
s32 pid_given(s32 nr);

/* Called by the last thread of n's init: ends all others in n, and returns when they are gone. */
void pid_ns_zap(struct pid_ns *n, struct task *t);
