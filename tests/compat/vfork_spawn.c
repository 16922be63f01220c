/*
 * vfork(2) suspends the parent and shares memory; posix_spawn with file actions and attributes;
 * system(), popen().
 */
#include "compat.h"
#include <spawn.h>

extern char **environ;

int main(void)
{
	volatile int shared = 1;
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	pid_t pid;
	int status, p[2];
	char buf[64] = "";
	FILE *f;
	long t0 = now_ms();

	pid = vfork();
	if (pid == 0) {
		shared = 2;
		usleep(50000);
		_exit(9);
	}
	YES(now_ms() - t0 >= 49);
	NUM(shared);
	reap("vfork", pid);
	pid = vfork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "exit 12", NULL);
		_exit(1);
	}
	reap("vfork exec", pid);
	pid = vfork();
	if (pid == 0) {
		execl("/nonexistent", "x", NULL);
		shared = errno;
		_exit(127);
	}
	STR(err_name(shared));
	reap("vfork failed exec", pid);
	pid = vfork();
	if (pid == 0)
		kill(getpid(), SIGKILL);
	reap("vfork killed", pid);

	RES(pipe(p));
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, p[1], 1);
	posix_spawn_file_actions_addclose(&fa, p[0]);
	posix_spawn_file_actions_addopen(&fa, 5, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addchdir_np(&fa, "/usr");
	ERR(posix_spawn(&pid, "/bin/sh", &fa, NULL, (char *[]){"sh", "-c", "pwd; exit 3", NULL},
	                environ));
	reap("spawn", pid);
	RES(read(p[0], buf, 63));
	STR(buf);
	ERR(posix_spawn(&pid, "/nonexistent", &fa, NULL, (char *[]){"x", NULL}, environ));
	ERR(posix_spawnp(&pid, "true", NULL, NULL, (char *[]){"true", NULL}, environ));
	reap("spawnp", pid);
	posix_spawn_file_actions_addclose(&fa, 99);
	posix_spawn_file_actions_adddup2(&fa, 98, 1);
	ERR(posix_spawn(&pid, "/bin/true", &fa, NULL, (char *[]){"x", NULL}, environ));

	posix_spawnattr_init(&at);
	sigset_t set = sigset_of(SIGTERM, 0), def = sigset_of(SIGPIPE, 0);
	signal(SIGPIPE, SIG_IGN);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
	                                  POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_USEVFORK);
	posix_spawnattr_setsigmask(&at, &set);
	posix_spawnattr_setsigdefault(&at, &def);
	posix_spawnattr_setpgroup(&at, 0);
	ERR(posix_spawn(&pid, "/bin/sh", NULL, &at,
	                (char *[]){"sh", "-c", "kill -TERM $$; kill -PIPE $$; exit 5", NULL},
	                environ));
	reap("attributes", pid);

	show_status("system", system("exit 7"));
	show_status("system", system("kill -9 $$"));
	f = popen("echo from popen; exit 4", "r");
	STR(fgets(buf, sizeof(buf), f));
	show_status("pclose", pclose(f));
	RES(waitpid(-1, &status, WNOHANG));
	return 0;
}
