/*
 * What others ask about a process while it changes: its name, its user ids, its nice value, what it
 * has mapped, its stops and its children's end. Each answer is one of those that there can be.
 */
#include "compat.h"
#include <pthread.h>
#include <sys/syscall.h>

#define ROUNDS 300

static _Atomic bool over;

/* Renames itself, takes new credentials of the same ids, maps and unmaps, has children. */
static void *change(void *arg)
{
	for (unsigned i = 0; !over; i++) {
		void *p;

		prctl(PR_SET_NAME, i % 2 ? "aaaaaaaaaaaaaaa" : "bbbbbbbbbbbbbbb");
		setresuid(-1, geteuid(), -1);
		setpriority(PRIO_PROCESS, 0, 19);
		umask(i % 2 ? 077 : 022);
		p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		munmap(p, 65536);
		if (i % 16 == 0) {
			pid_t pid = fork();

			if (pid == 0)
				_exit(0);
			waitpid(pid, NULL, 0);
		}
	}
	return arg;
}

static void child_begin(int ready)
{
	pthread_t t;

	signal(SIGTERM, SIG_DFL);
	pthread_create(&t, NULL, change, NULL);
	if (write(ready, "x", 1) == 1)
		change(NULL);
	_exit(1);
}

static bool one_letter(const char *name, char letter)
{
	return strspn(name, (char[]){letter, 0}) == 15;
}

static bool good_name(const char *name)
{
	return one_letter(name, 'a') || one_letter(name, 'b') || !strncmp(name, "looked_at", 9);
}

static void read_file(pid_t pid, const char *which, char *text, size_t n)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, which);
	fd = open(path, O_RDONLY);
	n = (size_t)read(fd, text, n - 1);
	text[n < 4096 ? n : 0] = 0;
	close(fd);
}

static unsigned bad;

static void look_at_files(pid_t pid)
{
	char text[4096], *name;

	read_file(pid, "comm", text, sizeof(text));
	bad += !good_name(text);
	read_file(pid, "stat", text, sizeof(text));
	name = strchr(text, '(');
	bad += !name || !good_name(name + 1);
	read_file(pid, "status", text, sizeof(text));
	bad += !good_name(text + strlen("Name:\t"));
	read_file(pid, "statm", text, sizeof(text));
	bad += strtoul(text, NULL, 10) == 0;
}

static void look(pid_t pid)
{
	siginfo_t info;
	int nice;

	look_at_files(pid);
	errno = 0;
	nice = getpriority(PRIO_PROCESS, (id_t)pid);
	bad += errno || nice < -20 || nice > 19;
	bad += setpriority(PRIO_PROCESS, (id_t)pid, 19) != 0;
	getpriority(PRIO_USER, 0);
	/* IOPRIO_WHO_PROCESS, best effort 4 */
	bad += syscall(SYS_ioprio_set, 1, pid, 2 << 13 | 4) != 0;
	bad += syscall(SYS_ioprio_get, 1, pid) != (2 << 13 | 4);
	bad += kill(pid, SIGSTOP) != 0;
	memset(&info, 0, sizeof(info));
	bad += waitid(P_PID, (id_t)pid, &info, WSTOPPED) != 0 || info.si_uid != getuid() ||
	       info.si_code != CLD_STOPPED;
	bad += kill(pid, SIGCONT) != 0;
	memset(&info, 0, sizeof(info));
	bad += waitid(P_PID, (id_t)pid, &info, WCONTINUED) != 0 || info.si_uid != getuid() ||
	       info.si_code != CLD_CONTINUED;
}

int main(void)
{
	int p[2], status;
	pid_t pid;
	char c;

	pipe(p);
	pid = fork_child();
	if (pid == 0)
		child_begin(p[1]);
	YES(read(p[0], &c, 1) == 1);
	for (unsigned i = 0; i < ROUNDS; i++)
		look(pid);
	NUM(bad);
	RES(kill(pid, SIGTERM));
	YES(waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGTERM);
	return 0;
}
