/*
 * What the three kinds of System V IPC have in common: tables of objects by
 * identifier and key, permissions, removal (ipc/util.c).
 *
 * One mutex per kind guards its table and all of its objects. An identifier is
 * an index into the table and a sequence number, so that one of a removed
 * object is not taken for that of its successor.
 */
#pragma once
#include "base/mutex.h"
#include "base/ref.h"
#include "base/types.h"
#include <sys/ipc.h>

struct text;

#define IPC_INDEX_BITS 15
#define IPC_INDEX_MASK ((1 << IPC_INDEX_BITS) - 1)

struct ipc_object {
	struct ref ref; /* the table's, and of those who sleep on it */
	/* The rest: the table's mutex. */
	s32 key, id;
	u32 uid, gid, cuid, cgid;
	u32 mode; /* permissions and the kind's own flags */
	u16 seq;
	bool removed; /* the identifier is gone: EIDRM to those who slept */
};

struct ipc_ids {
	struct mutex mutex;
	struct ipc_object **slot;
	u32 size;  /* slots allocated */
	u32 used;  /* objects */
	u32 limit; /* most objects */
	u32 next;  /* where the search for a free slot begins */
	u16 seq;
	void (*free)(struct ipc_object *o); /* the last reference is gone */
};

void ipc_ids_init(struct ipc_ids *ids, u32 limit, void (*free)(struct ipc_object *o));

/* All of these with ids->mutex held. */

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
void ipc_remove(struct ipc_ids *ids, struct ipc_object *o);
/* An object that is to go cannot be found by its key any more. */
void ipc_forget_key(struct ipc_object *o);
void ipc_object_put(struct ipc_ids *ids, struct ipc_object *o);

/* want: S_IRUGO and S_IWUGO bits. 0 or -EACCES. */
must_check int ipc_permission(const struct ipc_object *o, u32 want);
/* IPC_SET, IPC_RMID: 0 or -EPERM. */
must_check int ipc_owner(const struct ipc_object *o);
void ipc_perm_get(const struct ipc_object *o, struct ipc_perm *out);
/* IPC_SET: -EINVAL for the ids -1. */
must_check int ipc_perm_set(struct ipc_object *o, const struct ipc_perm *in);
/* Seconds since the epoch. */
s64 ipc_now(void);
