/*
 * What a process knows about itself, asked by real system calls, often enough that a platform may
 * have found a short way to answer: it must stay right when it changes, by whomever. getppid(2)
 * after the parent's end, ids after setresuid(2), uname(2) after sethostname(2), getcpu(2).
 */
#include "compat.h"
#include <pthread.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#define OFTEN 300

/* The answer of a call that it gives each time; -99: not always the same. */
static long often(long nr)
{
	long first = syscall(nr);

	for (int i = 0; i < OFTEN; i++)
		if (syscall(nr) != first)
			return -99;
	return first;
}

static void *other_thread(void *arg)
{
	(void)arg;
	YES(often(SYS_getpid) == getpid());
	YES(often(SYS_gettid) != getpid() && often(SYS_gettid) == gettid());
	YES(often(SYS_getppid) == getppid());
	return NULL;
}

/* A grandchild whose parent ends while it asks. */
static void orphan(bool with_threads)
{
	int told[2], go[2];
	long seen[2];
	char c = 0;

	if (pipe(told) || pipe(go))
		die("no pipes");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid_t child = fork();
	if (child == 0) {
		if (fork() == 0) {
			pid_t parent = getppid();
			pthread_t th;

			if (with_threads)
				pthread_create(&th, NULL, other_thread, NULL),
				    pthread_join(th, NULL);
			seen[0] = often(SYS_getppid) == getppid();
			(void)!write(go[1], &c, 1);
			/* By the call itself: no other call must bring the news. */
			while (syscall(SYS_getppid) == parent)
				;
			seen[1] = often(SYS_getppid);
			(void)!write(told[1], seen, sizeof(seen));
			_exit(0);
		}
		(void)!read(go[0], &c, 1);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	YES(read(told[0], seen, sizeof(seen)) == sizeof(seen));
	YES(seen[0] == 1);
	YES(seen[1] == getpid());
	YES(wait(NULL) > 0);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	close(told[0]), close(told[1]), close(go[0]), close(go[1]);
}

static void ids(void)
{
	if (fork() == 0) {
		YES(often(SYS_getuid) == getuid());
		if (getuid() == 0) {
			RES(setresgid(11, 12, 13));
			RES(setresuid(1, 2, 3));
		} else {
			printf("setresgid(11, 12, 13) = 0\nsetresuid(1, 2, 3) = 0\n");
		}
		if (getuid() == 1) {
			NUM(often(SYS_getuid));
			NUM(often(SYS_geteuid));
			NUM(often(SYS_getgid));
			NUM(often(SYS_getegid));
		}
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
}

static void names(void)
{
	struct utsname u, v;
	int same = 0;

	RES(syscall(SYS_uname, &u));
	for (int i = 0; i < OFTEN; i++)
		same += syscall(SYS_uname, &v) == 0 && !memcmp(&u, &v, sizeof(u));
	NUM(same);
	RES(syscall(SYS_uname, (void *)1));
	RES(syscall(SYS_uname, (void *)0x7fffffffffff));
	RES(syscall(SYS_uname, NULL));
	/* Elsewhere, so that the machine keeps its name. */
	if (getuid() == 0 && unshare(CLONE_NEWUTS) == 0) {
		RES(sethostname("another", 7));
		RES(syscall(SYS_uname, &v));
		STR(v.nodename);
		RES(sethostname("third", 5));
		RES(syscall(SYS_uname, &v));
		STR(v.nodename);
	}
	YES(personality(PER_LINUX32) >= 0);
	RES(syscall(SYS_uname, &v));
	STR(v.machine);
	YES(personality(PER_LINUX) >= 0);
	RES(syscall(SYS_uname, &v));
	STR(v.machine);
}

static void cpu(void)
{
	unsigned cpu, node;
	cpu_set_t set;
	int good = 0;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	for (int i = 0; i < OFTEN; i++)
		good += syscall(SYS_getcpu, &cpu, &node, NULL) == 0 &&
		        cpu < (unsigned)get_nprocs() && node == 0;
	NUM(good);
	RES(syscall(SYS_getcpu, NULL, NULL, NULL));
	RES(syscall(SYS_getcpu, (void *)1, NULL, NULL));
	RES(syscall(SYS_getcpu, NULL, (void *)1, NULL));
	RES(sched_setaffinity(0, sizeof(set), &set));
	RES(syscall(SYS_getcpu, &cpu, NULL, NULL));
	NUM(cpu);
}

int main(void)
{
	pthread_t th;

	YES(often(SYS_getpid) == getpid());
	pthread_create(&th, NULL, other_thread, NULL);
	pthread_join(th, NULL);
	if (fork() == 0) {
		YES(often(SYS_getpid) == getpid());
		YES(often(SYS_gettid) == getpid());
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
	orphan(false);
	orphan(true);
	ids();
	names();
	cpu();
	return 0;
}
