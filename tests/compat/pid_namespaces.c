/*
 * Pid namespaces: numbers as seen from inside and outside, in siginfo, credentials, locks and
 * /proc; init ignores its own, is reaper, and takes all with it; set_tid; setns. pid_namespaces(7).
 */
#include "compat.h"
#include <linux/sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int to[2], from[2];

static pid_t fork_exit(void)
{
	pid_t pid = fork_child();

	if (pid == 0)
		_exit(0);
	return pid;
}

/* In a new pid namespace below the present one, as its init. */
static pid_t fork_init(void)
{
	struct clone_args a = {.flags = CLONE_NEWPID, .exit_signal = SIGCHLD};

	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

static pid_t fork_as(pid_t *tids, size_t n, unsigned long long flags)
{
	struct clone_args a = {
	    .flags = flags, .exit_signal = SIGCHLD, .set_tid = (uintptr_t)tids, .set_tid_size = n};
	pid_t pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));

	if (pid == 0)
		_exit(getpid() == tids[0] ? 7 : 8);
	return pid;
}

static volatile sig_atomic_t got_pid, got_code;

static void note(int sig, siginfo_t *info, void *c)
{
	(void)sig;
	(void)c;
	got_pid = info->si_pid;
	got_code = info->si_code;
}

static void note_signal(int sig)
{
	struct sigaction sa = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_RESTART};

	sigaction(sig, &sa, NULL);
}

static void numbers(void)
{
	int sv[2];
	struct ucred c = {0};
	socklen_t n = sizeof(c);
	struct flock fl = {.l_type = F_WRLCK};
	pid_t pid, tids[] = {50, 60};
	siginfo_t info;

	NUM(getpid());
	NUM(syscall(SYS_gettid));
	NUM(getppid());
	NUM(getpgrp());
	NUM(getsid(0));
	RES(setsid());
	NUM(getsid(0));
	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	getsockopt(sv[0], SOL_SOCKET, SO_PEERCRED, &c, &n);
	NUM(c.pid);
	int fd = open("lock", O_RDWR | O_CREAT, 0600);
	fcntl(fd, F_SETLK, &fl);
	pid = fork();
	if (pid == 0) {
		fl.l_type = F_WRLCK;
		fcntl(fd, F_GETLK, &fl);
		NUM(fl.l_pid);
		NUM(getpid());
		NUM(getppid());
		RES(setpgid(0, 0));
		NUM(getpgrp());
		raise(SIGSTOP);
		note_signal(SIGUSR1);
		kill(getppid(), SIGUSR1);
		_exit(3);
	}
	note_signal(SIGUSR1);
	NUM(waitpid(pid, NULL, WUNTRACED));
	NUM(getpgid(pid));
	RES(kill(pid, SIGCONT));
	RES(waitid(P_PID, pid, &info, WEXITED));
	NUM(info.si_pid);
	NUM(got_pid);
	RES(kill(999, 0));
	RES(kill(-1, SIGUSR2));
	NUM(waitpid(fork_as(tids, 1, 0), NULL, 0));
	RES(fork_as(tids, 33, 0));
	pid = fork_init();
	if (pid == 0) {
		NUM(getpid());
		_exit(0);
	}
	reap("nested", pid);
	NUM(pid);
}

static void init_is_special(void)
{
	int st;
	pid_t pid;

	signal(SIGUSR2, SIG_DFL);
	RES(kill(1, SIGUSR2));
	RES(kill(1, SIGKILL));
	RES(raise(SIGTERM));
	RES(kill(1, SIGSTOP));
	pid = fork();
	if (pid == 0) {
		RES(kill(1, SIGKILL));
		if (fork() == 0) {
			turn_await(to[0]);
			NUM(getppid());
			_exit(9);
		}
		_exit(4);
	}
	reap("child", pid);
	turn_pass(to[1]);
	pid = wait(&st);
	YES(pid > 1 && WIFEXITED(st) && WEXITSTATUS(st) == 9);
	/* What is left when init ends ends with it. */
	for (int i = 0; i < 5; i++)
		if (fork() == 0) {
			setsid();
			for (;;)
				pause();
		}
}

static void from_outside(void)
{
	char path[64];
	struct stat st;
	sigset_t none, usr1;
	int fd, status;

	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	pid_t pid = fork_init();

	if (pid == 0) {
		note_signal(SIGUSR1);
		turn_pass(from[1]);
		sigsuspend(&none);
		NUM(got_pid);
		YES(got_code == SI_USER);
		turn_pass(from[1]);
		for (;;)
			pause();
	}
	turn_await(from[0]);
	kill(pid, SIGUSR1);
	turn_await(from[0]);
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	fd = open(path, O_RDONLY);
	kill(pid, SIGTERM); /* has no handler */
	RES(kill(pid, 0));
	RES(setns(fd, CLONE_NEWPID));
	pid_t joined = fork();
	if (joined == 0) {
		YES(getpid() > 1);
		NUM(getppid());
		kill(getpid(), SIGSTOP);
		for (;;)
			pause();
	}
	waitpid(joined, &status, WUNTRACED);
	YES(WIFSTOPPED(status));
	kill(pid, SIGKILL);
	reap("joined", joined);
	reap("init", pid);
	RES(fork());
	snprintf(path, sizeof(path), "/proc/%d", joined);
	RES(stat(path, &st));
	fd = open("/proc/self/ns/pid", O_RDONLY);
	RES(setns(fd, CLONE_NEWPID));
	reap("own again", fork_exit());
}

static void own_proc(void)
{
	char line[128];
	DIR *d;
	int n = 0;

	RES(unshare(CLONE_NEWNS));
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	RES(readlink("/proc/self", line, sizeof(line)) > 1);
	RES(mount("proc", "/proc", "proc", 0, NULL));
	memset(line, 0, sizeof(line));
	RES(readlink("/proc/self", line, sizeof(line)));
	STR(line);
	FILE *f = fopen("/proc/self/status", "r");
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "Pid:", 4) || !strncmp(line, "PPid:", 5) ||
		    !strncmp(line, "NSpid:", 6))
			printf("%s", line);
	fclose(f);
	pid_t pid = fork();
	if (pid == 0) {
		for (;;)
			pause();
	}
	d = opendir("/proc");
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9')
			printf("process %s\n", e->d_name), n++;
	closedir(d);
	NUM(n);
	RES(access("/proc/1/task/1/stat", R_OK));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	RES(access("/proc/2", R_OK));
	sscanf(get_file("/proc/1/stat"), "%*d %*s %*c %d", &n);
	NUM(n);
}

static void in_new(const char *what, void (*fn)(void))
{
	pid_t pid = fork_init();

	if (pid == 0) {
		fn();
		_exit(0);
	}
	if (pid < 0)
		die("clone3");
	reap(what, pid);
}

int main(void)
{
	if (geteuid() != 0)
		skip("needs root");
	need_root_mount();
	tmp_enter();
	if (pipe(to) || pipe(from))
		die("pipe");
	in_new("numbers", numbers);
	in_new("init", init_is_special);
	in_new("proc", own_proc);
	IN_CHILD("outside", from_outside());
	IN_CHILD("unshare", RES(unshare(CLONE_NEWPID)); RES(unshare(CLONE_NEWPID));
	         reap("first", fork_exit()); RES(fork()));
	return 0;
}
