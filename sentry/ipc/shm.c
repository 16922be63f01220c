/*
 * System V shared memory: shmget(2), shmat(2), shmdt(2), shmctl(2); ipc/shm.c.
 *
 * A segment is a tmpfs file without a name. Its attachments are counted by the
 * areas that map it: each shmat, and each fork of one that has them, holds one; the
 * last area of it to go ends it, be it by shmdt, munmap, exec or exit.
 */
#include "sentry/ipc/ipc.h"
#include "sentry/ipc/ipc_ids.h"
#include "base/caller.h"
#include "base/uspace.h"
#include "fs/pseudo/pseudo.h"
#include "fs/tmpfs/tmpfs.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "sentry/mm_internal.h"
#include "sentry/pid_ns.h"
#include "sentry/syscall.h"
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/shm.h>
#include <sys/stat.h>

/* include/uapi/linux/shm.h. */
#define SHM_COUNT_MAX 4096u
#define SHM_SIZE_MAX  (UINT64_MAX - (1UL << 24))
#define SHM_SIZE_MIN  1
#define SHM_DEST_FLAG 01000u /* goes with its last attachment */
#define SHM_LOCK_FLAG 02000u
#define SHM_EXEC_FLAG 0100000
#define SHM_STAT_ANY_ 15

struct shm {
	struct ipc_object base;
	struct file *file; /* held */
	u64 size;
	/* Forks count under the mutex of an address space, which comes after the kind's. */
	_Atomic u64 attached;
	s32 cpid, lpid;
	s64 atime, dtime, ctime;
};

static struct ipc_ids *shm_ids(void)
{
	return ipc_ids_of_caller(IPC_SHM);
}

static void shm_free(struct ipc_object *o)
{
	struct shm *s = container_of(o, struct shm, base);

	file_put(s->file);
	free(s);
}

/* The identifier is gone for good. A reference is held, so that it is not freed here. */
static void shm_destroy(struct shm *s)
{
	s->base.ids->pages -= PAGE_ALIGN(s->size) / PAGE_SIZE;
	ipc_remove(&s->base);
}

static void shm_remove(struct ipc_object *o)
{
	shm_destroy(container_of(o, struct shm, base));
}

const struct ipc_kind_ops shm_kind = {SHM_COUNT_MAX, shm_free, shm_remove};

/* ---- shmget ------------------------------------------------------------------ */

struct shm_request {
	s32 key;
	u64 size;
	u32 flags;
	struct file *file; /* for a new segment: made outside the mutex */
};

static int shm_create(void *arg, struct ipc_object **out)
{
	struct shm_request *r = arg;
	struct shm *s;

	if (r->size < SHM_SIZE_MIN || r->size > SHM_SIZE_MAX)
		return -EINVAL;
	/* No huge pages are reserved, as in sys_mmap. */
	if (r->flags & SHM_HUGETLB)
		return -ENOMEM;
	if (PAGE_ALIGN(r->size) > GUEST_MAX)
		return -ENOMEM;
	if (!r->file)
		return -EAGAIN;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->file = r->file;
	r->file = NULL;
	s->size = r->size;
	s->cpid = caller()->pid;
	s->ctime = ipc_now();
	shm_ids()->pages += PAGE_ALIGN(s->size) / PAGE_SIZE;
	*out = &s->base;
	return 0;
}

static int shm_check(void *arg, const struct ipc_object *found)
{
	const struct shm_request *r = arg;

	return container_of(found, struct shm, base)->size < r->size ? -EINVAL : 0;
}

s64 sys_shmget(struct task *t unused_arg, const struct syscall_args *a)
{
	static const struct ipc_maker maker = {shm_create, shm_check};
	struct shm_request r = {
	    .key = arg_int(a, 0), .size = arg_u64(a, 1), .flags = arg_u32(a, 2)};
	char name[32];
	s64 result;

	for (;;) {
		{
			mutex_guard(&ipc_mutex[IPC_SHM]);
			result = ipc_get(shm_ids(), r.key, (int)r.flags, &maker, &r);
		}
		if (result != -EAGAIN)
			break;
		/* It takes a file, and files have locks that come before RANK_IPC. */
		snprintf(name, sizeof(name), "SYSV%08x", (u32)r.key);
		result = tmpfs_shm_create(name, r.size, r.flags & 0777, &r.file);
		if (result)
			return result;
	}
	if (r.file)
		file_put(r.file);
	return result;
}

/* ---- attachments ---------------------------------------------------------------- */

static void shm_added(void *arg)
{
	struct shm *s = arg;

	ref_get(&s->base.ref);
	atomic_fetch_add(&s->attached, 1);
}

/* One attachment less; detached: it was one that the guest has seen. */
static void shm_release(struct shm *s, bool detached)
{
	{
		mutex_guard(&ipc_mutex[IPC_SHM]);
		if (detached) {
			s->dtime = ipc_now();
			s->lpid = caller()->pid;
		}
		if (atomic_fetch_sub(&s->attached, 1) == 1 && (s->base.mode & SHM_DEST_FLAG) &&
		    !s->base.removed)
			shm_destroy(s);
	}
	ipc_object_put(&s->base);
}

static void shm_gone(void *arg)
{
	shm_release(arg, true);
}

static const struct vma_hold_owner shm_owner = {shm_added, shm_gone};

/* Counts an attachment that is about to be made. */
static int shm_attach_begin(s32 id, u32 want, struct shm **out)
{
	struct ipc_object *o;
	struct shm *s;
	int err;

	mutex_guard(&ipc_mutex[IPC_SHM]);
	err = ipc_find(shm_ids(), id, &o);
	if (!err)
		err = ipc_permission(o, want);
	if (err)
		return err;
	s = container_of(o, struct shm, base);
	ref_get(&o->ref);
	atomic_fetch_add(&s->attached, 1);
	s->atime = ipc_now();
	s->lpid = caller()->pid;
	*out = s;
	return 0;
}

s64 sys_shmat(struct task *t, const struct syscall_args *a)
{
	u64 addr = arg_u64(a, 1), low = addr & (SHMLBA - 1);
	u32 flags = arg_u32(a, 2), prot = PROT_READ, want = S_IRUSR | S_IRGRP | S_IROTH;
	u32 map_flags = 0;
	struct shm *s;
	s64 result;
	int err;

	if (arg_int(a, 0) < 0)
		return -EINVAL;
	if (addr) {
		if (low && !(flags & SHM_RND))
			return -EINVAL;
		addr -= low;
		if (!addr && (flags & SHM_REMAP))
			return -EINVAL;
		map_flags = MAP_FIXED | (flags & SHM_REMAP ? 0 : MAP_FIXED_NOREPLACE);
	} else if (flags & SHM_REMAP) {
		return -EINVAL;
	}
	if (!(flags & SHM_RDONLY)) {
		prot |= PROT_WRITE;
		want |= S_IWUSR | S_IWGRP | S_IWOTH;
	}
	if (flags & SHM_EXEC_FLAG) {
		prot |= PROT_EXEC;
		want |= S_IXUSR | S_IXGRP | S_IXOTH;
	}
	err = shm_attach_begin(arg_int(a, 0), want, &s);
	if (err)
		return err;
	/* The areas count for themselves; this attachment only kept the segment until they did. */
	result = mm_map_shm(t, addr, s->size, prot, map_flags, s->file, &shm_owner, s);
	shm_release(s, false);
	return result == -EEXIST ? -EINVAL : result;
}

s64 sys_shmdt(struct task *t, const struct syscall_args *a)
{
	u64 addr = arg_u64(a, 0);

	return addr & ~PAGE_MASK ? -EINVAL : mm_unmap_shm(t, addr);
}

/* ---- shmctl ---------------------------------------------------------------------- */

static void shm_describe(const struct shm *s, struct shmid_ds *ds)
{
	*ds = (struct shmid_ds){
	    .shm_segsz = s->size,
	    .shm_atime = s->atime,
	    .shm_dtime = s->dtime,
	    .shm_ctime = s->ctime,
	    .shm_cpid = pid_shown(s->cpid),
	    .shm_lpid = pid_shown(s->lpid),
	    .shm_nattch = atomic_load(&s->attached),
	};
	ipc_perm_get(&s->base, &ds->shm_perm);
}

static s64 shm_limits(struct uptr buf)
{
	struct shminfo info = {
	    .shmmax = SHM_SIZE_MAX,
	    .shmmin = SHM_SIZE_MIN,
	    .shmmni = SHM_COUNT_MAX,
	    .shmseg = SHM_COUNT_MAX,
	    .shmall = SHM_SIZE_MAX,
	};
	int last;
	{
		mutex_guard(&ipc_mutex[IPC_SHM]);
		last = ipc_last_index(shm_ids());
	}
	return put_user(buf, &info) ? -EFAULT : last;
}

static s64 shm_usage(struct uptr buf)
{
	struct shm_info info = {0};
	int last;
	{
		mutex_guard(&ipc_mutex[IPC_SHM]);
		info.used_ids = (int)shm_ids()->used;
		info.shm_tot = shm_ids()->pages;
		info.shm_rss = shm_ids()->pages;
		last = ipc_last_index(shm_ids());
	}
	return put_user(buf, &info) ? -EFAULT : last;
}

static s64 shm_stat(s32 id, int cmd, struct uptr buf)
{
	struct shmid_ds ds;
	struct ipc_object *o;
	s64 result = 0;
	{
		mutex_guard(&ipc_mutex[IPC_SHM]);
		if (cmd == IPC_STAT)
			result = ipc_find(shm_ids(), id, &o);
		else if (!(o = ipc_at(shm_ids(), id)))
			result = -EINVAL;
		if (!result && cmd != SHM_STAT_ANY_)
			result = ipc_permission(o, S_IRUSR | S_IRGRP | S_IROTH);
		if (result)
			return result;
		shm_describe(container_of(o, struct shm, base), &ds);
		result = cmd == IPC_STAT ? 0 : o->id;
	}
	return put_user(buf, &ds) ? -EFAULT : result;
}

/* SHM_LOCK, SHM_UNLOCK: tmpfs pages are never swapped by the sentry, so only the mark remains. */
static int shm_lock(struct task *t, struct shm *s, bool lock)
{
	const struct cred *c = caller_cred();

	if (!cred_has_cap(c, CAP_IPC_LOCK)) {
		if (c->euid != s->base.uid && c->euid != s->base.cuid)
			return -EPERM;
		if (lock && !task_rlimit(t, RLIMIT_MEMLOCK))
			return -EPERM;
	}
	if (lock)
		s->base.mode |= SHM_LOCK_FLAG;
	else
		s->base.mode &= ~SHM_LOCK_FLAG;
	return 0;
}

static int shm_change_locked(struct task *t, struct shm *s, int cmd, const struct shmid_ds *ds)
{
	int err;

	if (cmd == SHM_LOCK || cmd == SHM_UNLOCK)
		return shm_lock(t, s, cmd == SHM_LOCK);
	err = ipc_owner(&s->base);
	if (err)
		return err;
	if (cmd == IPC_SET) {
		err = ipc_perm_set(&s->base, &ds->shm_perm);
		if (!err)
			s->ctime = ipc_now();
		return err;
	}
	if (atomic_load(&s->attached)) {
		s->base.mode |= SHM_DEST_FLAG;
		ipc_forget_key(&s->base);
	} else {
		shm_destroy(s);
	}
	return 0;
}

static s64 shm_change(struct task *t, s32 id, int cmd, const struct shmid_ds *ds)
{
	struct ipc_object *o;
	int err;
	{
		mutex_guard(&ipc_mutex[IPC_SHM]);
		err = ipc_find(shm_ids(), id, &o);
		if (err)
			return err;
		ref_get(&o->ref);
		err = shm_change_locked(t, container_of(o, struct shm, base), cmd, ds);
	}
	/* Its file goes outside the mutex. */
	ipc_object_put(o);
	return err;
}

s64 sys_shmctl(struct task *t, const struct syscall_args *a)
{
	s32 id = arg_int(a, 0);
	int cmd = arg_int(a, 1);
	struct uptr buf = arg_ptr(a, 2);
	struct shmid_ds ds = {0};

	if (cmd < 0 || id < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
		return shm_limits(buf);
	case SHM_INFO:
		return shm_usage(buf);
	case IPC_STAT:
	case SHM_STAT:
	case SHM_STAT_ANY_:
		return shm_stat(id, cmd, buf);
	case IPC_SET:
		if (get_user(&ds, buf))
			return -EFAULT;
		return shm_change(t, id, cmd, &ds);
	case IPC_RMID:
	case SHM_LOCK:
	case SHM_UNLOCK:
		return shm_change(t, id, cmd, &ds);
	default:
		return -EINVAL;
	}
}

int ipc_show_shm(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t,
	         "       key      shmid perms                  size  cpid  lpid nattch   uid   gid"
	         "  cuid  cgid      atime      dtime      ctime                   rss"
	         "                  swap\n");
	mutex_guard(&ipc_mutex[IPC_SHM]);
	for (u32 i = 0; i < shm_ids()->size; i++) {
		const struct ipc_object *o = shm_ids()->slot[i];
		struct shmid_ds ds;
		if (!o)
			continue;
		shm_describe(container_of(o, struct shm, base), &ds);
		text_add(t,
		         "%10d %10d  %4o %21zu %5u %5u  %5lu %5u %5u %5u %5u %10lu %10lu %10lu"
		         " %21lu %21lu\n",
		         o->key, o->id, o->mode, ds.shm_segsz, ds.shm_cpid, ds.shm_lpid,
		         ds.shm_nattch, o->uid, o->gid, o->cuid, o->cgid, ds.shm_atime,
		         ds.shm_dtime, ds.shm_ctime, PAGE_ALIGN(ds.shm_segsz), 0UL);
	}
	return 0;
}
