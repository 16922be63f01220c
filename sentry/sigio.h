/*
 * Signals about readiness (fcntl(2), 'Managing signals'): who owns an open file
 * (F_SETOWN, F_SETSIG), and SIGIO to the owner of one with O_ASYNC.
 */
#pragma once
#include "base/types.h"

struct file;

/* F_SETOWN_EX: type F_OWNER_*, pid 0: nobody. -ESRCH, -EINVAL, -ENOMEM. */
must_check int sigio_set_owner(struct file *f, int type, s32 pid);
/* F_GETOWN_EX; *pid 0 when there is none, or it has gone. */
void sigio_get_owner(struct file *f, int *type, s32 *pid);
/* F_SETOWN and FIOSETOWN: who < 0 is a process group. */
must_check int sigio_set_owner_legacy(struct file *f, s32 who);
s32 sigio_get_owner_legacy(struct file *f);
/* F_SETSIG: 0 stands for SIGIO without information. -EINVAL, -ENOMEM. */
must_check int sigio_set_signal(struct file *f, u64 sig);
int sigio_get_signal(struct file *f);
/*
 * O_ASYNC of f is set or cleared, if f's type knows it. fd: what si_fd will say.
 * -ENOTTY: it does not, and *f is as it was.
 */
must_check int sigio_switch(struct file *f, int fd, bool on);

/* Files whose readiness has been announced, and no signal sent yet. */
extern _Atomic u32 sigio_announced;
void sigio_send(void);

/* After each call: the signals that it has caused are sent before it returns. */
static inline void sigio_settle(void)
{
	if (__builtin_expect(atomic_load_explicit(&sigio_announced, memory_order_relaxed), 0))
		sigio_send();
}
