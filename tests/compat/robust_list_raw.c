/*
 * Robust futexes by hand: at the death of their holder the kernel sets FUTEX_OWNER_DIED and wakes a
 * waiter; lists that are broken or circular do no harm. get_robust_list(2).
 */
#include "compat.h"
#include <linux/futex.h>
#include <pthread.h>
#include <stddef.h>

struct lock {
	struct robust_list list;
	unsigned int word;
};

static struct shared {
	struct robust_list_head head;
	struct lock a, b, other;
} * sh;

static void prepare(void)
{
	sh->head.list.next = &sh->a.list;
	sh->a.list.next = &sh->b.list;
	sh->b.list.next = &sh->head.list;
	sh->head.futex_offset =
	    (long)offsetof(struct lock, word) - (long)offsetof(struct lock, list);
	sh->head.list_op_pending = NULL;
	sh->a.word = (unsigned int)gettid();
	sh->b.word = (unsigned int)gettid() | FUTEX_WAITERS;
	sh->other.word = (unsigned int)gettid();
	syscall(SYS_set_robust_list, &sh->head, sizeof(sh->head));
}

static void show(const char *what)
{
	printf("%s: a %s%s b %s%s other %s\n", what,
	       sh->a.word & FUTEX_OWNER_DIED ? "died" : "held",
	       sh->a.word & FUTEX_TID_MASK ? "" : " free",
	       sh->b.word & FUTEX_OWNER_DIED ? "died" : "held",
	       sh->b.word & FUTEX_WAITERS ? " waiters" : "",
	       sh->other.word & FUTEX_OWNER_DIED ? "died" : "held");
}

static void *thread(void *arg)
{
	(void)arg;
	prepare();
	return NULL;
}

int main(void)
{
	struct timespec ts = {5, 0};
	pthread_t t;
	pid_t pid;

	sh = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	IN_CHILD("exit", prepare());
	show("exit");
	IN_CHILD("killed", prepare(); kill(getpid(), SIGKILL));
	show("killed");
	IN_CHILD("pending operation", prepare(); sh->head.list.next = &sh->head.list;
	         sh->head.list_op_pending = &sh->other.list);
	show("pending operation");
	IN_CHILD("another's lock", prepare(); sh->a.word = 1);
	show("another's lock");
	IN_CHILD("circular", prepare(); sh->b.list.next = &sh->a.list);
	show("circular");
	IN_CHILD("broken", prepare(); sh->a.list.next = bad_ptr());
	show("broken");
	IN_CHILD("exec", prepare(); execl("/bin/true", "true", NULL));
	show("exec");
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
	msleep(20);
	show("thread");
	/* A waiter is woken. */
	pid = fork_child();
	if (pid == 0) {
		prepare();
		sh->a.word |= FUTEX_WAITERS;
		sh->head.list_op_pending = NULL;
		msleep(60);
		_exit(0);
	}
	while (!(__atomic_load_n(&sh->a.word, __ATOMIC_SEQ_CST) & FUTEX_WAITERS))
		msleep(1);
	long t0 = now_ms();
	RES(syscall(SYS_futex, &sh->a.word, FUTEX_WAIT, sh->a.word, &ts, NULL, 0));
	YES(now_ms() - t0 < 3000);
	reap("holder", pid);
	show("woken");
	return 0;
}
