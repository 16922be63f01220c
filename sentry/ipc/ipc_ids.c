/* Tables of IPC objects; see ipc_ids.h. */
#include "sentry/ipc/ipc_ids.h"
#include "base/caller.h"
#include "base/timer.h"
#include "sentry/ipc/ipc.h"
#include "sentry/ns_set.h"
#include "sentry/task.h"
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SEQ_MAX 0xffff

s64 ipc_now(void)
{
	return (s64)(time_realtime() / 1000000000);
}

/* Over the caller's IPC namespace, which is where o is. */
static bool capable(const struct cred *c, int cap)
{
	return cred_has_cap_in(c, ipc_ns_base(task_self()->ns->ipc)->owner, cap);
}

int ipc_permission(const struct ipc_object *o, u32 want)
{
	const struct cred *c = caller_cred();
	u32 asked = (want >> 6) | (want >> 3) | want, granted = o->mode;

	if (c->euid == o->cuid || c->euid == o->uid)
		granted >>= 6;
	else if (cred_in_group(c, o->cgid) || cred_in_group(c, o->gid))
		granted >>= 3;
	if ((asked & ~granted & 7) && !capable(c, CAP_IPC_OWNER))
		return -EACCES;
	return 0;
}

int ipc_owner(const struct ipc_object *o)
{
	const struct cred *c = caller_cred();

	return c->euid == o->cuid || c->euid == o->uid || capable(c, CAP_SYS_ADMIN) ? 0 : -EPERM;
}

void ipc_perm_get(const struct ipc_object *o, struct ipc_perm *out)
{
	const struct user_ns *u = caller_cred()->user_ns;

	memset(out, 0, sizeof(*out));
	out->__key = o->key;
	out->uid = user_ns_uid_show(u, o->uid);
	out->gid = user_ns_gid_show(u, o->gid);
	out->cuid = user_ns_uid_show(u, o->cuid);
	out->cgid = user_ns_gid_show(u, o->cgid);
	out->mode = o->mode;
	out->__seq = o->seq;
}

int ipc_perm_set(struct ipc_object *o, const struct ipc_perm *in)
{
	const struct user_ns *u = caller_cred()->user_ns;
	u32 uid = user_ns_uid_in(u, in->uid), gid = user_ns_gid_in(u, in->gid);

	if (uid == NO_ID || gid == NO_ID)
		return -EINVAL;
	o->uid = uid;
	o->gid = gid;
	o->mode = (o->mode & ~(u32)0777) | (in->mode & 0777);
	return 0;
}

struct ipc_object *ipc_at(struct ipc_ids *ids, s32 index)
{
	return index >= 0 && (u32)index < ids->size ? ids->slot[index] : NULL;
}

int ipc_find(struct ipc_ids *ids, s32 id, struct ipc_object **out)
{
	struct ipc_object *o = id < 0 ? NULL : ipc_at(ids, id & IPC_INDEX_MASK);

	if (!o)
		return -EINVAL;
	if (o->id != id)
		return -EIDRM;
	*out = o;
	return 0;
}

int ipc_last_index(const struct ipc_ids *ids)
{
	for (u32 i = ids->size; i-- > 0;)
		if (ids->slot[i])
			return (int)i;
	return 0;
}

static struct ipc_object *find_key(struct ipc_ids *ids, s32 key)
{
	for (u32 i = 0; i < ids->size; i++)
		if (ids->slot[i] && ids->slot[i]->key == key)
			return ids->slot[i];
	return NULL;
}

/* A free slot, from where the last one was given out, as idr_alloc_cyclic. -1: no memory. */
static s64 free_slot(struct ipc_ids *ids)
{
	struct ipc_object **slot;
	u32 size;

	for (u32 k = 0; k < ids->size; k++) {
		u32 i = (ids->next + k) % ids->size;
		if (ids->slot[i])
			continue;
		/* Round once: identifiers given out before must not come again. */
		if (i < ids->next)
			ids->seq = ids->seq == SEQ_MAX ? 0 : (u16)(ids->seq + 1);
		return i;
	}
	size = min_of(ids->size ? ids->size * 2 : 64u, (u32)IPC_INDEX_MASK + 1);
	slot = realloc(ids->slot, size * sizeof(struct ipc_object *));
	if (!slot)
		return -1;
	memset(slot + ids->size, 0, (size - ids->size) * sizeof(struct ipc_object *));
	ids->slot = slot;
	ids->next = ids->size;
	ids->size = size;
	return ids->next;
}

static s64 ipc_add(struct ipc_ids *ids, s32 key, u32 mode, const struct ipc_maker *maker, void *arg)
{
	const struct cred *c = caller_cred();
	struct ipc_object *o;
	s64 i;
	int err;

	if (ids->used >= ids->kind->limit)
		return -ENOSPC;
	err = maker->create(arg, &o);
	if (err)
		return err;
	i = free_slot(ids);
	if (i < 0) {
		ids->kind->free(o);
		return -ENOMEM;
	}
	ref_init(&o->ref);
	o->ids = ids;
	o->free = ids->kind->free;
	o->key = key;
	o->uid = o->cuid = c->euid;
	o->gid = o->cgid = c->egid;
	o->mode = mode & 0777;
	/* 16 bits of sequence above 15 of index: the sign stays clear. */
	o->seq = ids->seq;
	o->id = (s32)((u32)o->seq << IPC_INDEX_BITS | (u32)i);
	ids->slot[i] = o;
	ids->used++;
	ids->next = (u32)i + 1 < ids->size ? (u32)i + 1 : 0;
	if (!ids->next)
		ids->seq = ids->seq == SEQ_MAX ? 0 : (u16)(ids->seq + 1);
	return o->id;
}

/* ipc/util.c ipcget. */
s64 ipc_get(struct ipc_ids *ids, s32 key, int flags, const struct ipc_maker *maker, void *arg)
{
	struct ipc_object *o = key == IPC_PRIVATE ? NULL : find_key(ids, key);
	int err = 0;

	if (!o) {
		if (key != IPC_PRIVATE && !(flags & IPC_CREAT))
			return -ENOENT;
		return ipc_add(ids, key, (u32)flags, maker, arg);
	}
	if ((flags & IPC_CREAT) && (flags & IPC_EXCL))
		return -EEXIST;
	if (maker->check)
		err = maker->check(arg, o);
	if (!err)
		err = ipc_permission(o, (u32)flags);
	return err ? err : o->id;
}

void ipc_forget_key(struct ipc_object *o)
{
	o->key = IPC_PRIVATE;
}

void ipc_remove(struct ipc_object *o)
{
	struct ipc_ids *ids = o->ids;

	ids->slot[o->id & IPC_INDEX_MASK] = NULL;
	ids->used--;
	o->removed = true;
	ipc_object_put(o);
}

void ipc_object_put(struct ipc_object *o)
{
	if (ref_put(&o->ref))
		o->free(o);
}
