/*
 * System V semaphores: semop's all-or-nothing, waiting for zero, SEM_UNDO, IPC_NOWAIT, semtimedop,
 * removal wakes, EINTR.
 */
#include "compat.h"
#include <sys/ipc.h>
#include <sys/sem.h>

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
};

static int id;

static int op(unsigned short num, short n, short flags)
{
	struct sembuf b = {num, n, flags};

	return semop(id, &b, 1);
}

static int val(int num)
{
	return semctl(id, num, GETVAL);
}

int main(void)
{
	struct sembuf two[2] = {{0, -1, IPC_NOWAIT}, {1, -5, IPC_NOWAIT}};
	struct timespec ts = {0, 30000000};
	unsigned short all[3] = {9, 9, 9};
	struct semid_ds ds;
	union semun u;
	pid_t pid;

	id = (int)OKAY(semget(IPC_PRIVATE, 3, IPC_CREAT | 0600));
	RES(semget(IPC_PRIVATE, 0, 0600));
	RES(semget(IPC_PRIVATE, -1, 0600));
	RES(semget(0x44000000 + getpid(), 1, 0600));
	u.array = (unsigned short[]){1, 2, 3};
	RES(semctl(id, 0, SETALL, u));
	u.array = all;
	RES(semctl(id, 0, GETALL, u));
	printf("%d %d %d\n", all[0], all[1], all[2]);
	RES(semop(id, two, 2)); /* the second fails, so the first is not done */
	NUM(val(0));
	two[1].sem_op = -2;
	RES(semop(id, two, 2));
	printf("%d %d\n", val(0), val(1));
	RES(op(0, -1, IPC_NOWAIT));
	RES(op(0, 0, 0)); /* it is zero */
	RES(op(2, 0, IPC_NOWAIT));
	YES(semctl(id, 0, GETPID) == getpid());
	RES(semtimedop(id, &(struct sembuf){0, -1, 0}, 1, &ts));
	pid = fork_child();
	if (pid == 0)
		_exit(op(0, -3, 0) == 0 ? 5 : 6);
	while (semctl(id, 0, GETNCNT) != 1)
		msleep(1);
	RES(op(0, 2, 0));
	msleep(20);
	RES(semctl(id, 0, GETNCNT));
	RES(op(0, 2, 0));
	reap("waiter", pid);
	NUM(val(0));
	pid = fork_child();
	if (pid == 0)
		_exit(op(2, 0, 0) == 0 ? 5 : 6);
	while (semctl(id, 2, GETZCNT) != 1)
		msleep(1);
	RES(op(2, -3, 0));
	reap("zero waiter", pid);

	IN_CHILD("undo", RES(op(1, 10, SEM_UNDO)); NUM(val(1)));
	NUM(val(1));
	u.val = 40000;
	RES(semctl(id, 0, SETVAL, u));
	u.val = 32767;
	RES(semctl(id, 0, SETVAL, u));
	RES(op(0, 1, 0));
	RES(op(7, 1, 0));
	RES(semop(id, two, 0));
	RES(semop(id, two, 100000));
	RES(semop(999999, two, 1));
	RES(semop(id, bad_ptr(), 1));
	u.buf = &ds;
	RES(semctl(id, 0, IPC_STAT, u));
	printf("nsems %lu mode %o\n", ds.sem_nsems, ds.sem_perm.mode);
	RES(semctl(id, 9, GETVAL));
	RES(semctl(id, 0, 999));
	if (geteuid() == 0)
		IN_CHILD("as nobody", become_nobody(); RES(op(0, 1, 0)); RES(val(0));
		         RES(semctl(id, 0, IPC_RMID)));
	pid = fork_child();
	if (pid == 0)
		_exit(op(1, -100, 0) == -1 && errno == EIDRM ? 7 : 8);
	while (semctl(id, 1, GETNCNT) != 1)
		msleep(1);
	RES(semctl(id, 0, IPC_RMID));
	reap("woken by removal", pid);
	RES(val(0));
	return 0;
}
