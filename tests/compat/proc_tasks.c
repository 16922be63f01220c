/*
 * /proc/PID of children and /proc/self/task: presence, children lists, comm of threads, ENOENT and
 * ESRCH after the end.
 */
#include "compat.h"
#include <pthread.h>

static volatile pid_t tid;
static int p[2];

static void *thread(void *arg)
{
	char c;

	(void)arg;
	prctl(PR_SET_NAME, "worker");
	tid = gettid();
	if (read(p[0], &c, 1) < 0)
		return (void *)1;
	return NULL;
}

static void *locker(void *arg)
{
	tid = gettid();
	pthread_mutex_lock(arg);
	pthread_mutex_unlock(arg);
	return NULL;
}

static bool state_becomes(const char *path, const char *state)
{
	for (int i = 0; i < 2000; i++) {
		if (strstr(get_file(path), state))
			return true;
		msleep(1);
	}
	return false;
}

/* A wait for a mutex has no timeout: nobody but the host need know of it. */
static void mutex_wait(void)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	char path[64];
	pthread_t t;

	tid = 0;
	pthread_mutex_lock(&mutex);
	pthread_create(&t, NULL, locker, &mutex);
	while (!tid)
		sched_yield();
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	YES(state_becomes(path, "State:\tS"));
	pthread_mutex_unlock(&mutex);
	pthread_join(t, NULL);
}

static int entries(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int n = 0;

	if (!d)
		return -1;
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static bool listed(pid_t pid)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	bool found = false;

	while (d && (e = readdir(d)))
		found |= atoi(e->d_name) == pid;
	if (d)
		closedir(d);
	return found;
}

int main(void)
{
	char path[64], buf[64];
	pthread_t t;
	pid_t pid;
	int fd, dir, status;

	RES(pipe(p));
	NUM(entries("/proc/self/task"));
	pthread_create(&t, NULL, thread, NULL);
	while (!tid)
		sched_yield();
	NUM(entries("/proc/self/task"));
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
	STR(get_file(path));
	snprintf(path, sizeof(path), "/proc/%d/comm",
	         tid); /* a thread answers, but is not listed */
	STR(get_file(path));
	YES(!listed(tid));
	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", getpid(), tid);
	YES(state_becomes(path, "State:\tS"));
	mutex_wait();
	RES(write(p[1], "x", 1));
	pthread_join(t, NULL);
	/* Who waits for a thread is told before the thread has gone. */
	for (int i = 0; i < 2000 && entries("/proc/self/task") > 1; i++)
		msleep(1);
	NUM(entries("/proc/self/task"));
	snprintf(path, sizeof(path), "/proc/self/task/%d", tid);
	RES(access(path, F_OK));

	pid = fork_child();
	if (pid == 0) {
		execl("/bin/sleep", "sleep", "15", NULL);
		_exit(1);
	}
	YES(listed(pid));
	/* Until both of what its execve changes have changed. */
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	YES(state_becomes(path, "sleep"));
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	YES(state_becomes(path, "sleep"));
	STR(get_file(path));
	fd = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d", pid);
	dir = open(path, O_RDONLY | O_DIRECTORY);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	YES(!memcmp(get_file(path),
	            "sleep\0"
	            "15",
	            9));
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	ssize_t n = readlink(path, buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = 0;
	YES(strstr(buf, "/sleep") || strstr(buf, "box"));
	struct stat st;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	RES(stat(path, &st));
	YES(st.st_uid == geteuid());
	printf("mode %o\n", st.st_mode);
	kill(pid, SIGKILL);
	waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED | WNOWAIT);
	YES(listed(pid)); /* a zombie is */
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	STR(get_file(path));
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	RES(readlink(path, buf, sizeof(buf)));
	waitpid(pid, &status, 0);
	YES(!listed(pid));
	RES(read(fd, buf, 10));
	OKAY(openat(dir, "comm", O_RDONLY));
	RES(access(path, F_OK));
	RES(access("/proc/4194304", F_OK));
	RES(access("/proc/0", F_OK));
	RES(access("/proc/007", F_OK));
	return 0;
}
