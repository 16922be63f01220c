/* semget(2), semop(2), semtimedop(2), semctl(2). */
#include "sentry/ipc/ipc.h"
#include "sentry/ipc/sem.h"
#include "base/caller.h"
#include "base/timer.h"
#include "base/uspace.h"
#include "fs/pseudo/pseudo.h"
#include "sentry/pid_ns.h"
#include "sentry/syscall.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SEM_STAT_ANY_ 20
#define MAY_READ_ALL  (S_IRUSR | S_IRGRP | S_IROTH)
#define MAY_WRITE_ALL (S_IWUSR | S_IWGRP | S_IWOTH)

/* ---- semget -------------------------------------------------------------------- */

static int sem_create(void *arg, struct ipc_object **out)
{
	int n = *(const int *)arg;
	struct sem_set *s;

	/* A new set needs at least one. */
	if (n == 0)
		return -EINVAL;
	s = sem_set_create((u32)n);
	if (!s)
		return -ENOMEM;
	*out = &s->base;
	return 0;
}

static int sem_check(void *arg, const struct ipc_object *found)
{
	int n = *(const int *)arg;

	return (u32)n > container_of(found, struct sem_set, base)->n ? -EINVAL : 0;
}

s64 sys_semget(struct task *t unused_arg, const struct syscall_args *a)
{
	static const struct ipc_maker maker = {sem_create, sem_check};
	int n = arg_int(a, 1);

	if (n < 0 || n > (int)SEM_PER_SET_MAX)
		return -EINVAL;
	mutex_guard(&ipc_mutex[IPC_SEM]);
	return ipc_get(sem_ids(), arg_int(a, 0), arg_int(a, 2), &maker, &n);
}

static int sem_find(s32 id, u32 want, struct sem_set **out)
{
	struct ipc_object *o;
	int err = ipc_find(sem_ids(), id, &o);

	if (!err && want)
		err = ipc_permission(o, want);
	if (!err)
		*out = container_of(o, struct sem_set, base);
	return err;
}

/* ---- semop --------------------------------------------------------------------- */

/* The set with a reference, and the operations done or queued (sem_ops_begin). */
static int semop_begin(struct task *t, s32 id, struct sem_waiter *w, struct sem_set **out)
{
	bool undo = false;
	u32 max = 0;
	struct sem_set *s;
	int err;

	for (u32 i = 0; i < w->nops; i++) {
		max = max_of(max, (u32)w->op[i].sem_num);
		w->alters |= w->op[i].sem_op != 0;
		undo |= (w->op[i].sem_flg & SEM_UNDO) != 0;
	}
	mutex_guard(&ipc_mutex[IPC_SEM]);
	err = sem_find(id, 0, &s);
	if (err)
		return err;
	if (max >= s->n)
		return -EFBIG;
	err = ipc_permission(&s->base, w->alters ? MAY_WRITE_ALL : MAY_READ_ALL);
	if (err)
		return err;
	if (undo && !(w->undo = sem_undo_get(t->group, s)))
		return -ENOMEM;
	ref_get(&s->base.ref);
	*out = s;
	return sem_ops_begin(s, w);
}

static int semop_wait(struct sem_set *s, struct sem_waiter *w, u64 deadline)
{
	int err, result;

	for (;;) {
		err = fiber_sleep(deadline);
		mutex_guard(&ipc_mutex[IPC_SEM]);
		result = w->result;
		if (result != 1) {
			if (!result)
				s->otime = ipc_now();
			return result;
		}
		if (err) {
			sem_ops_cancel(s, w);
			/* Never restarted: signal(7). */
			return err == -ETIMEDOUT ? -EAGAIN : err;
		}
	}
}

static s64 semop_do(struct task *t, s32 id, struct uptr ops, u64 nops, u64 deadline)
{
	struct sem_waiter w = {.fiber = fiber_self(), .nops = (u32)nops, .pid = t->caller.pid};
	struct sembuf few[8], *op = few;
	struct sem_set *s = NULL;
	int err;

	if (nops < 1 || id < 0)
		return -EINVAL;
	if (nops > SEM_OPS_MAX)
		return -E2BIG;
	if (nops > array_size(few)) {
		op = malloc(nops * sizeof(*op));
		if (!op)
			return -ENOMEM;
	}
	err = copy_in(op, ops, nops * sizeof(*op));
	if (!err) {
		w.op = op;
		err = semop_begin(t, id, &w, &s);
	}
	if (err == 1)
		err = semop_wait(s, &w, deadline);
	if (s)
		ipc_object_put(&s->base);
	if (op != few)
		free(op);
	return err;
}

s64 sys_semop(struct task *t, const struct syscall_args *a)
{
	return semop_do(t, arg_int(a, 0), arg_ptr(a, 1), arg_u32(a, 2), NO_DEADLINE);
}

s64 sys_semtimedop(struct task *t, const struct syscall_args *a)
{
	struct uptr p = arg_ptr(a, 3);
	u64 deadline = NO_DEADLINE;
	struct timespec ts;

	if (!uptr_is_null(p)) {
		if (get_user(&ts, p))
			return -EFAULT;
		if (ts.tv_sec < 0 || (u64)ts.tv_nsec >= 1000000000)
			return -EINVAL;
		/* Far enough away to be never. */
		if (ts.tv_sec < 1L << 32)
			deadline = time_monotonic() + (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
	}
	return semop_do(t, arg_int(a, 0), arg_ptr(a, 1), arg_u32(a, 2), deadline);
}

/* ---- semctl -------------------------------------------------------------------- */

static s64 sem_info(int cmd, struct uptr buf)
{
	struct seminfo info = {
	    .semmni = SEM_SETS_MAX,
	    .semmns = SEM_TOTAL_MAX,
	    .semmsl = SEM_PER_SET_MAX,
	    .semopm = SEM_OPS_MAX,
	    .semvmx = SEM_VALUE_LIMIT,
	    .semmnu = SEM_TOTAL_MAX,
	    .semmap = SEM_TOTAL_MAX,
	    .semume = SEM_OPS_MAX,
	    .semusz = 20,
	    .semaem = SEM_ADJUST_LIMIT,
	};
	int last;
	{
		mutex_guard(&ipc_mutex[IPC_SEM]);
		last = ipc_last_index(sem_ids());
		if (cmd == SEM_INFO) {
			info.semusz = (int)sem_ids()->used;
			info.semaem = 0;
			for (u32 i = 0; i < sem_ids()->size; i++)
				if (sem_ids()->slot[i])
					info.semaem += (int)container_of(sem_ids()->slot[i],
					                                 struct sem_set, base)
					                   ->n;
		}
	}
	return put_user(buf, &info) ? -EFAULT : last;
}

static void sem_describe(const struct sem_set *s, struct semid_ds *ds)
{
	memset(ds, 0, sizeof(*ds));
	ipc_perm_get(&s->base, &ds->sem_perm);
	ds->sem_otime = s->otime;
	ds->sem_ctime = s->ctime;
	ds->sem_nsems = s->n;
}

static s64 sem_stat(s32 id, int cmd, struct uptr buf)
{
	struct semid_ds ds;
	struct ipc_object *o;
	s64 result = 0;
	{
		mutex_guard(&ipc_mutex[IPC_SEM]);
		if (cmd == IPC_STAT)
			result = ipc_find(sem_ids(), id, &o);
		else if (!(o = ipc_at(sem_ids(), id)))
			result = -EINVAL;
		if (!result && cmd != SEM_STAT_ANY_)
			result = ipc_permission(o, MAY_READ_ALL);
		if (result)
			return result;
		sem_describe(container_of(o, struct sem_set, base), &ds);
		result = cmd == IPC_STAT ? 0 : o->id;
	}
	return put_user(buf, &ds) ? -EFAULT : result;
}

/* GETALL: how many there are is not known before, and guest memory is not written under the mutex.
 */
static s64 sem_get_all(s32 id, struct uptr buf)
{
	struct sem_set *s;
	u16 *value;
	s64 err;
	u32 n;
	{
		mutex_guard(&ipc_mutex[IPC_SEM]);
		err = sem_find(id, MAY_READ_ALL, &s);
		if (err)
			return err;
		n = s->n;
		value = malloc(n * sizeof(*value));
		if (!value)
			return -ENOMEM;
		for (u32 i = 0; i < n; i++)
			value[i] = (u16)s->sem[i].value;
	}
	err = copy_out(buf, value, n * sizeof(*value));
	free(value);
	return err;
}

static s64 sem_set_all(struct task *t, s32 id, struct uptr buf)
{
	struct sem_set *s;
	u16 *value;
	s64 err;
	u32 n;
	{
		mutex_guard(&ipc_mutex[IPC_SEM]);
		err = sem_find(id, MAY_WRITE_ALL, &s);
		if (err)
			return err;
		n = s->n;
	}
	value = malloc(n * sizeof(*value));
	if (!value)
		return -ENOMEM;
	err = copy_in(value, buf, n * sizeof(*value));
	for (u32 i = 0; i < n && !err; i++)
		if (value[i] > SEM_VALUE_LIMIT)
			err = -ERANGE;
	if (!err) {
		mutex_guard(&ipc_mutex[IPC_SEM]);
		/* It may have been removed meanwhile; its size never changes. */
		err = sem_find(id, MAY_WRITE_ALL, &s);
		if (err == -EINVAL)
			err = -EIDRM;
		for (u32 i = 0; i < n && !err; i++) {
			s->sem[i].value = value[i];
			s->sem[i].pid = t->caller.pid;
		}
		if (!err) {
			sem_undo_forget(s, 0, n);
			s->ctime = ipc_now();
			sem_set_changed(s);
		}
	}
	free(value);
	return err;
}

/* The commands about one semaphore. */
static s64 sem_one(struct task *t, s32 id, int n, int cmd, u64 arg)
{
	struct sem_set *s;
	int value = (int)arg, err;

	if (cmd == SETVAL && (value < 0 || value > SEM_VALUE_LIMIT))
		return -ERANGE;
	mutex_guard(&ipc_mutex[IPC_SEM]);
	err = sem_find(id, 0, &s);
	if (!err && cmd == SETVAL && (n < 0 || (u32)n >= s->n))
		err = -EINVAL;
	if (!err)
		err = ipc_permission(&s->base, cmd == SETVAL ? MAY_WRITE_ALL : MAY_READ_ALL);
	if (!err && (n < 0 || (u32)n >= s->n))
		err = -EINVAL;
	if (err)
		return err;
	switch (cmd) {
	case GETVAL:
		return s->sem[n].value;
	case GETPID:
		return pid_shown(s->sem[n].pid);
	case GETNCNT:
		return sem_count_waiting(s, (u32)n, false);
	case GETZCNT:
		return sem_count_waiting(s, (u32)n, true);
	}
	s->sem[n].value = value;
	s->sem[n].pid = t->caller.pid;
	s->ctime = ipc_now();
	sem_undo_forget(s, (u32)n, 1);
	sem_set_changed(s);
	return 0;
}

static s64 sem_change(s32 id, int cmd, const struct semid_ds *ds)
{
	struct sem_set *s;
	int err;

	mutex_guard(&ipc_mutex[IPC_SEM]);
	err = sem_find(id, 0, &s);
	if (!err)
		err = ipc_owner(&s->base);
	if (err)
		return err;
	if (cmd == IPC_RMID) {
		sem_set_remove(s);
		return 0;
	}
	err = ipc_perm_set(&s->base, &ds->sem_perm);
	if (!err)
		s->ctime = ipc_now();
	return err;
}

s64 sys_semctl(struct task *t, const struct syscall_args *a)
{
	s32 id = arg_int(a, 0);
	int cmd = arg_int(a, 2);
	struct uptr p = arg_ptr(a, 3);
	struct semid_ds ds = {0};

	if (id < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case SEM_INFO:
		return sem_info(cmd, p);
	case IPC_STAT:
	case SEM_STAT:
	case SEM_STAT_ANY_:
		return sem_stat(id, cmd, p);
	case GETALL:
		return sem_get_all(id, p);
	case SETALL:
		return sem_set_all(t, id, p);
	case GETVAL:
	case GETPID:
	case GETNCNT:
	case GETZCNT:
	case SETVAL:
		return sem_one(t, id, arg_int(a, 1), cmd, arg_u64(a, 3));
	case IPC_SET:
		if (get_user(&ds, p))
			return -EFAULT;
		return sem_change(id, cmd, &ds);
	case IPC_RMID:
		return sem_change(id, cmd, &ds);
	default:
		return -EINVAL;
	}
}

int ipc_show_sem(const struct pseudo_ref *ref unused_arg, struct text *t)
{
	text_add(t, "       key      semid perms      nsems   uid   gid  cuid  cgid      otime"
	            "      ctime\n");
	mutex_guard(&ipc_mutex[IPC_SEM]);
	for (u32 i = 0; i < sem_ids()->size; i++) {
		const struct ipc_object *o = sem_ids()->slot[i];
		const struct sem_set *s;
		if (!o)
			continue;
		s = container_of(o, struct sem_set, base);
		text_add(t, "%10d %10d  %4o %10u %5u %5u %5u %5u %10ld %10ld\n", o->key, o->id,
		         o->mode, s->n, o->uid, o->gid, o->cuid, o->cgid, s->otime, s->ctime);
	}
	return 0;
}
