/*
 * What the three kinds of System V IPC have in common: tables of objects by
 * identifier and key, permissions, removal (ipc/util.c).
 *
 * A namespace has a table of each kind. One mutex per kind guards its tables and all
 * of its objects, so that what links them (a process's SEM_UNDO) may cross namespaces.
 * An identifier is an index into the table and a sequence number, so that one of a removed
 * object is not taken for that of its successor.
 */
#pragma once
#include "base/mutex.h"
#include "base/ns.h"
#include "base/ref.h"
#include "base/types.h"
#include <sys/ipc.h>

struct text;

#define IPC_INDEX_BITS 15
#define IPC_INDEX_MASK ((1 << IPC_INDEX_BITS) - 1)

enum ipc_kind { IPC_SHM, IPC_SEM, IPC_MSG, IPC_KINDS };
struct ipc_object;

/* What differs between the kinds. */
struct ipc_kind_ops {
	u32 limit;                            /* most objects of a namespace */
	void (*free)(struct ipc_object *o);   /* the last reference is gone */
	void (*remove)(struct ipc_object *o); /* its namespace ends; mutex held */
};
extern const struct ipc_kind_ops shm_kind, sem_kind, msg_kind;
extern struct mutex ipc_mutex[IPC_KINDS];

struct ipc_object {
	struct ref ref;      /* the table's, and of those who sleep on it */
	struct ipc_ids *ids; /* the table; valid until it is removed */
	void (*free)(struct ipc_object *o);
	/* The rest: the table's mutex. */
	s32 key, id;
	u32 uid, gid, cuid, cgid;
	u32 mode; /* permissions and the kind's own flags */
	u16 seq;
	bool removed; /* the identifier is gone: EIDRM to those who slept */
};

struct ipc_ids {
	const struct ipc_kind_ops *kind;
	struct ipc_object **slot;
	u32 size; /* slots allocated */
	u32 used; /* objects */
	u32 next; /* where the search for a free slot begins */
	u16 seq;
	u64 pages; /* of all shared memory segments */
};

struct ipc_ns {
	struct ns ns;
	struct ipc_ids ids[IPC_KINDS];
	u32 mqueues; /* POSIX message queues that have names in it */
};
struct ipc_ns *ipc_ns_of_caller(void); /* of the calling task; borrowed */

/* The table of the calling task's namespace. */
struct ipc_ids *ipc_ids_of_caller(enum ipc_kind kind);

/* All of these with the kind's mutex held. */

/* How shmget, semget and msgget make or find an object: arg is theirs. */
struct ipc_maker {
	int (*create)(void *arg, struct ipc_object **out);
	int (*check)(void *arg, const struct ipc_object *found); /* NULL: nothing to check */
};
/* The identifier, or -ENOENT, -EEXIST, -EACCES, -ENOSPC, -ENOMEM, or the maker's error. */
s64 ipc_get(struct ipc_ids *ids, s32 key, int flags, const struct ipc_maker *maker, void *arg);
/* Borrowed. -EINVAL: there is none; -EIDRM: another has its place. */
must_check int ipc_find(struct ipc_ids *ids, s32 id, struct ipc_object **out);
/* By index, for the *_STAT commands; NULL: none. */
struct ipc_object *ipc_at(struct ipc_ids *ids, s32 index);
/* The highest index in use, 0 if there is none: what *_INFO returns. */
int ipc_last_index(const struct ipc_ids *ids);
void ipc_remove(struct ipc_object *o);
/* An object that is to go cannot be found by its key any more. */
void ipc_forget_key(struct ipc_object *o);
void ipc_object_put(struct ipc_object *o);

/* want: S_IRUGO and S_IWUGO bits. 0 or -EACCES. */
must_check int ipc_permission(const struct ipc_object *o, u32 want);
/* IPC_SET, IPC_RMID: 0 or -EPERM. */
must_check int ipc_owner(const struct ipc_object *o);
void ipc_perm_get(const struct ipc_object *o, struct ipc_perm *out);
/* IPC_SET: -EINVAL for the ids -1. */
must_check int ipc_perm_set(struct ipc_object *o, const struct ipc_perm *in);
/* Seconds since the epoch. */
s64 ipc_now(void);
