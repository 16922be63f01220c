/* Semaphore sets: between sem.c and sys_sem.c. All with the kind's mutex held. */
#pragma once
#include "base/fiber.h"
#include "sentry/ipc/ipc_ids.h"
#include <sys/queue.h>
#include <sys/sem.h>

struct thread_group;

/* include/uapi/linux/sem.h. */
#define SEM_SETS_MAX     32000u
#define SEM_PER_SET_MAX  32000u
#define SEM_TOTAL_MAX    (SEM_SETS_MAX * SEM_PER_SET_MAX)
#define SEM_OPS_MAX      500u
#define SEM_VALUE_LIMIT  32767
#define SEM_ADJUST_LIMIT 32767

struct sem {
	s32 value;
	s32 pid; /* who changed it last */
};

/* What a process owes a set at its end (SEM_UNDO). */
struct sem_undo {
	LIST_ENTRY(sem_undo) group_link, set_link;
	struct sem_set *set; /* which lives while it is linked */
	s16 adjust[];
};
struct sem_undo_list {
	LIST_HEAD(, sem_undo) undos;
};

/* A semop that waits; on the stack of its fiber. */
struct sem_waiter {
	TAILQ_ENTRY(sem_waiter) link;
	struct fiber *fiber;
	const struct sembuf *op;
	u32 nops;
	bool alters;
	bool queued;
	s32 pid;
	struct sem_undo *undo; /* if any operation has SEM_UNDO */
	const struct sembuf *blocking;
	int result; /* 1: not yet */
};

struct sem_set {
	struct ipc_object base;
	u32 n;
	s64 otime, ctime;
	TAILQ_HEAD(, sem_waiter) waiting;
	LIST_HEAD(, sem_undo) undos;
	struct sem sem[];
};

static inline struct ipc_ids *sem_ids(void)
{
	return ipc_ids_of_caller(IPC_SEM);
}

struct sem_set *sem_set_create(u32 n);
/* Everyone who waits gets EIDRM. */
void sem_set_remove(struct sem_set *s);
/* Values have changed: carries out what has become possible. */
void sem_set_changed(struct sem_set *s);
/* 0 done; 1 queued: w->result tells when it is not 1 any more; -EAGAIN, -ERANGE. */
int sem_ops_begin(struct sem_set *s, struct sem_waiter *w);
void sem_ops_cancel(struct sem_set *s, struct sem_waiter *w);
u32 sem_count_waiting(const struct sem_set *s, u32 n, bool for_zero);
/* NULL: out of memory. */
struct sem_undo *sem_undo_get(struct thread_group *g, struct sem_set *s);
/* SETVAL, SETALL: nobody's adjustments of [first, first + n) hold any more. */
void sem_undo_forget(struct sem_set *s, u32 first, u32 n);
