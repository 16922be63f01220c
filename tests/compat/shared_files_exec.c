/*
 * A descriptor table shared by CLONE_FILES is copied at exec; threads share descriptors, cwd,
 * umask, and limits; raw setuid changes one thread only. clone(2), execve(2).
 */
#include "compat.h"
#include <pthread.h>

static char stack[65536] __attribute__((aligned(16)));
static int fd;

static int child(void *arg)
{
	(void)arg;
	execl("/bin/sh", "sh", "-c", "exit 7", NULL);
	return 1;
}

static int closer(void *arg)
{
	close(*(int *)arg);
	return 0;
}

static void *thread(void *arg)
{
	struct rlimit rl;

	if (chdir("/usr") || umask(077) != 022)
		return NULL;
	fd = open("/dev/null", O_RDONLY);
	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = 123;
	setrlimit(RLIMIT_NOFILE, &rl);
	if (geteuid() == 0)
		syscall(SYS_setresuid, -1, 4242, -1);
	*(long *)arg = (long)syscall(SYS_geteuid);
	setpriority(PRIO_PROCESS, 0, 17);
	prctl(PR_SET_NAME, "renamed");
	signal(SIGUSR1, SIG_IGN);
	return NULL;
}

int main(void)
{
	char cwd[64], name[16];
	struct rlimit rl;
	struct sigaction sa;
	pthread_t t;
	long euid = -1;
	int status, keep = open("/dev/null", O_RDONLY | O_CLOEXEC),
	            victim = open("/dev/null", O_RDONLY);

	pid_t pid = clone(child, stack + sizeof(stack), CLONE_FILES | SIGCHLD, NULL);
	waitpid(pid, &status, 0);
	show_status("exec in the sharer", status);
	YES(fd_open(keep)); /* its exec closed its own copy */
	pid = clone(closer, stack + sizeof(stack), CLONE_FILES | SIGCHLD, &victim);
	waitpid(pid, &status, 0);
	YES(!fd_open(victim));
	if (chdir("/"))
		die("chdir");
	setpriority(PRIO_PROCESS, 0, 15);
	prctl(PR_SET_NAME, "main");
	pthread_create(&t, NULL, thread, &euid);
	pthread_join(t, NULL);
	STR(getcwd(cwd, sizeof(cwd)));
	printf("umask %o\n", umask(022));
	YES(fd_open(fd));
	getrlimit(RLIMIT_NOFILE, &rl);
	NUM(rl.rlim_cur);
	YES(geteuid() == 0 ? euid == 4242 : euid == (long)geteuid());
	YES(syscall(SYS_geteuid) == (long)geteuid() && geteuid() == getuid());
	NUM(getpriority(PRIO_PROCESS, 0)); /* nice is each thread's own on Linux */
	prctl(PR_GET_NAME, name);
	STR(name);
	sigaction(SIGUSR1, NULL, &sa);
	YES(sa.sa_handler == SIG_IGN);
	return 0;
}
