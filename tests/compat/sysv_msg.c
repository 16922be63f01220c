/*
 * System V message queues: types, MSG_EXCEPT, MSG_NOERROR, full queues, limits, removal, errors.
 * msgop(2).
 */
#include "compat.h"
#include <sys/ipc.h>
#include <sys/msg.h>

struct msg {
	long type;
	char text[64];
};

static int id;

static int snd(long type, const char *text, int flags)
{
	struct msg m = {.type = type};

	strcpy(m.text, text);
	return msgsnd(id, &m, strlen(text), flags);
}

static void rcv(long type, size_t size, int flags)
{
	struct msg m;
	ssize_t n;

	memset(&m, 0, sizeof(m));
	n = msgrcv(id, &m, size, type, flags);
	if (n < 0)
		printf("rcv %ld: %s\n", type, err_name(errno));
	else
		printf("rcv %ld: %zd type %ld \"%s\"\n", type, n, m.type, m.text);
}

int main(void)
{
	struct msqid_ds ds;
	pid_t pid;
	int n = 0;

	id = (int)OKAY(msgget(IPC_PRIVATE, 0600));
	RES(snd(3, "three", 0));
	RES(snd(1, "one", 0));
	RES(snd(2, "two", 0));
	RES(snd(1, "again one", 0));
	RES(snd(5, "", 0));
	RES(msgctl(id, IPC_STAT, &ds));
	printf("messages %ld sender %d mode %o\n", (long)ds.msg_qnum, ds.msg_lspid == getpid(),
	       ds.msg_perm.mode);
	rcv(2, 64, 0);
	rcv(-3, 64, 0); /* the lowest type up to 3 */
	rcv(3, 64, MSG_EXCEPT);
	rcv(0, 3, 0); /* too big: stays */
	rcv(0, 3, MSG_NOERROR);
	rcv(7, 64, IPC_NOWAIT);
	rcv(0, 64, 0);
	rcv(0, 64, IPC_NOWAIT);
	RES(snd(0, "x", 0));
	RES(snd(-1, "x", 0));
	RES(msgsnd(id, bad_ptr(), 1, 0));
	RES(msgsnd(id, &(struct msg){.type = 1}, (size_t)-1, 0));
	RES(msgsnd(id, &(struct msg){.type = 1}, 100000, 0));
	RES(msgsnd(999999, &(struct msg){.type = 1}, 1, 0));

	ds.msg_qbytes = 100;
	RES(msgctl(id, IPC_SET, &ds));
	while (snd(1, "0123456789", IPC_NOWAIT) == 0)
		n++;
	printf("fitted %d, then %s\n", n, err_name(errno));
	pid = fork_child();
	if (pid == 0)
		_exit(snd(2, "0123456789", 0) == 0 ? 3 : 4);
	msleep(40);
	rcv(0, 64, 0);
	reap("blocked sender", pid);
	rcv(2, 64, 0);
	pid = fork_child();
	if (pid == 0) {
		struct msg m;

		_exit(msgrcv(id, &m, 64, 99, 0) == -1 && errno == EIDRM ? 5 : 6);
	}
	msleep(40);
	if (geteuid() == 0)
		IN_CHILD("as nobody", become_nobody(); RES(snd(1, "x", IPC_NOWAIT));
		         rcv(0, 64, IPC_NOWAIT));
	RES(msgctl(id, IPC_RMID, NULL));
	reap("blocked receiver", pid);
	RES(snd(1, "x", 0));
	RES(msgget(0x45000000 + getpid(), 0600));
	RES(msgctl(id, IPC_STAT, &ds));
	return 0;
}
