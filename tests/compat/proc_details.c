/*
 * Smaller things that /proc shows: inotify watches, locked memory, System V IPC, the state of a
 * thread that waits for a futex; and a directory of it as a pidfd.
 */
#include "compat.h"
#include <linux/futex.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/sem.h>

static void watches(void)
{
	char path[64], *s;
	unsigned int mask = 0;
	int in = inotify_init(), n = 0;

	RES(inotify_add_watch(in, ".", IN_MODIFY));
	/* Nobody else opens this one, which would end its watch. */
	RES(mkdir("watched", 0700));
	RES(inotify_add_watch(in, "watched", IN_OPEN | IN_ONESHOT));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", in);
	for (s = (char *)get_file(path); (s = strstr(s, "inotify wd:")); s++, n++)
		if (sscanf(s, "inotify wd:1 ino:%*x sdev:%*x mask:%x", &mask) == 1)
			HEX(mask);
	NUM(n);
	close(in);
}

static void locked(void)
{
	char line[256], *p = mmap(NULL, 65536, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long from;
	bool here = false;
	FILE *f;

	RES(mlock(p, 65536));
	f = fopen("/proc/self/smaps", "r");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-", &from) == 1 && strchr(line, '-'))
			here = from <= (unsigned long)p && from + 65536 > (unsigned long)p;
		if (here && !strncmp(line, "Locked:", 7))
			YES(atoi(line + 7) >= 64);
	}
	fclose(f);
	munlock(p, 65536);
}

static void ipc_files(void)
{
	int id = semget(IPC_PRIVATE, 3, 0600);

	YES(strstr(get_file("/proc/sysvipc/sem"), "semid") != NULL);
	YES(strstr(get_file("/proc/sysvipc/shm"), "shmid") != NULL);
	YES(strstr(get_file("/proc/sysvipc/msg"), "msqid") != NULL);
	semctl(id, 0, IPC_RMID);
}

static void waiting(void)
{
	static int word;
	char path[64], state = 'R';
	struct timespec ts = {10, 0};
	pid_t pid = fork_child();

	if (pid == 0) {
		syscall(SYS_futex, &word, FUTEX_WAIT, 0, &ts, NULL, 0);
		_exit(0);
	}
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (int i = 0; i < 500 && state != 'S'; i++) {
		msleep(10);
		sscanf(get_file(path), "%*d %*s %c", &state);
	}
	printf("state %c\n", state);
	snprintf(path, sizeof(path), "/proc/%d", pid);
	int dir = open(path, O_RDONLY | O_DIRECTORY), status = open("/proc/self/status", O_RDONLY);
	RES(syscall(SYS_pidfd_send_signal, dir, 0, NULL, 0));
	RES(syscall(SYS_pidfd_send_signal, status, 0, NULL, 0));
	RES(syscall(SYS_pidfd_send_signal, dir, SIGKILL, NULL, 0));
	reap("waiter", pid);
	RES(syscall(SYS_pidfd_send_signal, dir, 0, NULL, 0));
}

int main(void)
{
	tmp_enter();
	watches();
	locked();
	ipc_files();
	waiting();
	return 0;
}
