/*
 * gettid, set_tid_address and its clearing, tgkill and tkill with their errors, set_robust_list,
 * get_robust_list.
 */
#include "compat.h"
#include <linux/futex.h>
#include <pthread.h>

static volatile sig_atomic_t hits;
static volatile pid_t hit_tid;
static pid_t other;
static int cleared = 1;

static void on_usr1(int sig)
{
	(void)sig;
	hits++;
	hit_tid = gettid();
}

static void *thread(void *arg)
{
	pid_t main_tid = *(pid_t *)arg;

	__atomic_store_n(&other, gettid(), __ATOMIC_SEQ_CST);
	YES(gettid() != main_tid && getpid() == main_tid);
	while (!hits)
		sched_yield();
	YES(hit_tid == gettid());
	return NULL;
}

struct shared {
	int word;
};

int main(void)
{
	struct robust_list_head head = {{&head.list}, 0, NULL}, *got;
	pid_t me = getpid();
	size_t len;
	pthread_t t;

	YES(gettid() == getpid());
	handle(SIGUSR1, on_usr1, 0);
	pthread_create(&t, NULL, thread, &me);
	while (!__atomic_load_n(&other, __ATOMIC_SEQ_CST))
		sched_yield();
	msleep(20);
	if (tgkill(getpid(), other, SIGUSR1))
		die("tgkill");
	pthread_join(t, NULL);
	NUM(hits);
	RES(tgkill(getpid(), 1 << 22, SIGUSR1));
	RES(tgkill(1 << 22, gettid(), SIGUSR1));
	RES(tgkill(-1, gettid(), SIGUSR1));
	RES(tgkill(getpid(), 0, SIGUSR1));
	RES(tgkill(getpid(), gettid(), 65));
	RES(tgkill(getpid(), gettid(), 0));
	RES(syscall(SYS_tkill, gettid(), SIGUSR1));
	NUM(hits);
	RES(syscall(SYS_tkill, 0, SIGUSR1));
	RES(syscall(SYS_tkill, -5, SIGUSR1));
	YES(syscall(SYS_set_tid_address, &cleared) == gettid());

	/* At the end of a thread the word is cleared and a futex waiter woken: seen by sharing
	 * memory. */
	struct shared *sh =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sh->word = 77;
	pid_t pid = fork_child();
	if (pid == 0) {
		msleep(30);
		syscall(SYS_set_tid_address, &sh->word);
		_exit(0);
	}
	reap("child", pid);
	NUM(sh->word); /* alone in its address space, nothing is cleared */

	RES(syscall(SYS_set_robust_list, &head, sizeof(head)));
	RES(syscall(SYS_set_robust_list, &head, 5));
	RES(syscall(SYS_get_robust_list, 0, &got, &len));
	YES(got == &head && len == sizeof(head));
	RES(syscall(SYS_get_robust_list, 1 << 22, &got, &len));
	RES(syscall(SYS_get_robust_list, 0, bad_ptr(), &len));
	return 0;
}
