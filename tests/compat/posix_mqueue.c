/*
 * POSIX message queues: priorities, attributes, blocking and timeouts, notification, unlink,
 * errors. mq_overview(7).
 */
#include "compat.h"
#include <mqueue.h>
#include <poll.h>

static volatile sig_atomic_t hits, code;

static void on_usr1(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)uc;
	hits++;
	code = si->si_code;
}

int main(void)
{
	struct mq_attr at = {.mq_maxmsg = 4, .mq_msgsize = 32}, got;
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	char name[64], buf[64] = "";
	struct timespec ts;
	unsigned int prio;
	mqd_t q, r;
	pid_t pid;

	snprintf(name, sizeof(name), "/compat-%d", getpid());
	q = (mqd_t)mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &at);
	if (q < 0 && errno == ENOSYS)
		skip("no message queues in this kernel");
	YES(q >= 0);
	RES(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &at));
	RES(mq_open("/compat-none", O_RDWR));
	RES(mq_open("noslash", O_RDWR));
	RES(mq_open("/a/b", O_RDWR | O_CREAT, 0600, NULL));
	RES(mq_open("/", O_RDWR | O_CREAT, 0600, NULL));
	at.mq_maxmsg = 0;
	RES(mq_open("/compat-bad", O_RDWR | O_CREAT, 0600, &at));
	RES(mq_send(q, "low", 3, 1));
	RES(mq_send(q, "high", 4, 9));
	RES(mq_send(q, "low too", 7, 1));
	RES(mq_getattr(q, &got));
	printf("flags %ld max %ld size %ld now %ld\n", got.mq_flags, got.mq_maxmsg, got.mq_msgsize,
	       got.mq_curmsgs);
	RES(mq_receive(q, buf, 10, &prio)); /* the buffer is smaller than mq_msgsize */
	for (int i = 0; i < 3; i++) {
		memset(buf, 0, sizeof(buf));
		RES(mq_receive(q, buf, 64, &prio));
		printf("%s %u\n", buf, prio);
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	RES(mq_timedreceive(q, buf, 64, &prio, &ts));
	ts.tv_nsec = -1;
	RES(mq_timedreceive(q, buf, 64, &prio, &ts));
	RES(mq_send(q, buf, 33, 0));
	RES(mq_send(q, buf, 1, 40000));
	got.mq_flags = O_NONBLOCK;
	RES(mq_setattr(q, &got, NULL));
	RES(mq_receive(q, buf, 64, &prio));
	for (int i = 0; i < 5; i++)
		RES(mq_send(q, "x", 1, 0));
	while (mq_receive(q, buf, 64, &prio) >= 0)
		;
	struct pollfd p = {q, POLLIN | POLLOUT, 0};
	RES(poll(&p, 1, 0));
	HEX(p.revents);

	handle_info(SIGUSR1, on_usr1, 0);
	RES(mq_notify(q, &ev));
	RES(mq_notify(q, &ev));
	IN_CHILD("registered already", RES(mq_notify(q, &ev)));
	RES(mq_send(q, "n", 1, 0));
	printf("hits %d code %d\n", hits, code == SI_MESGQ);
	RES(mq_send(q, "n", 1, 0)); /* once only */
	NUM(hits);
	RES(mq_notify(q, NULL));
	r = mq_open(name, O_RDONLY);
	RES(mq_send(r, "x", 1, 0));
	pid = fork_child();
	if (pid == 0)
		_exit(mq_receive(r, buf, 64, NULL) == 1 && mq_receive(r, buf, 64, NULL) == 1 &&
		              mq_receive(r, buf, 64, NULL) == 5
		          ? 4
		          : 5);
	msleep(30);
	RES(mq_send(q, "later", 5, 0));
	reap("receiver", pid);
	RES(mq_unlink(name));
	RES(mq_unlink(name));
	RES(mq_send(q, "alive", 5, 0));
	RES(mq_close(q));
	RES(mq_close(q));
	RES(mq_send(q, "x", 1, 0));
	RES(mq_getattr(0, &got));
	return 0;
}
