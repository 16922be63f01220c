/*
 * As file_asked_again, of who asks: a thread whose descriptors are its own, a child, a process that
 * sees other users' numbers, a program that has been executed with the descriptors.
 */
#include "compat.h"
#include "compat_files.h"
#include <pthread.h>

static void *parts(void *arg)
{
	char bad[500];

	(void)arg;
	learn();
	RES(unshare(CLONE_FILES));
	RES(dup2(DIR_FD, FILE_FD));
	check(bad);
	printf("its own:%s\n", bad);
	learn();
	return NULL;
}

static void of_tables(void)
{
	pthread_t thread;
	char bad[500];
	int status;

	learn();
	pthread_create(&thread, NULL, parts, NULL);
	pthread_join(thread, NULL);
	check(bad);
	printf("ours:%s\n", bad);
	/* A child knows what its parent was told, and is not to use it for files of its own. */
	learn();
	if (fork() == 0) {
		dup2(SELF_FD, FILE_FD);
		close(DIR_FD);
		check(bad);
		printf("a child's:%s\n", bad);
		exit(0);
	}
	wait(&status);
	check(bad);
	printf("ours:%s\n", bad);
	if (vfork() == 0) {
		dup2(SELF_FD, FILE_FD);
		check(bad);
		printf("a vforked child's:%s\n", bad);
		_exit(0);
	}
	wait(&status);
	check(bad);
	printf("ours:%s\n", bad);
}

__attribute__((format(printf, 2, 3))) static void put_line(const char *path, const char *fmt, ...)
{
	FILE *f = fopen(path, "w");
	va_list ap;

	va_start(ap, fmt);
	if (f) {
		vfprintf(f, fmt, ap);
		fclose(f);
	}
	va_end(ap);
}

static void in_namespaces(void)
{
	char bad[500];

	learn();
	if (fork() == 0) {
		uid_t uid = getuid();
		gid_t gid = getgid();

		learn();
		/* Natively not everyone may; then nothing has changed. */
		unshare(CLONE_NEWUSER);
		check(bad);
		printf("in a user namespace:%s\n", bad);
		learn();
		put_line("/proc/self/setgroups", "deny");
		put_line("/proc/self/uid_map", "5 %d 1", (int)uid);
		put_line("/proc/self/gid_map", "6 %d 1", (int)gid);
		check(bad);
		printf("with names of its own:%s\n", bad);
		/* Now it is settled who it is. */
		prctl(PR_SET_DUMPABLE, 1);
		if (getuid() == 5)
			setresuid(5, 5, 5);
		check(bad);
		printf("as one of these:%s\n", bad);
		learn();
		check(bad);
		printf("as one of these:%s\n", bad);
		exit(0);
	}
	wait(NULL);
}

static void after_exec(void)
{
	char bad[500];

	fcntl(DIR_FD, F_SETFD, FD_CLOEXEC);
	learn();
	if (fork() == 0) {
		learn();
		execl(own, own, "kept", NULL);
		die("exec");
	}
	wait(NULL);
	check(bad);
	printf("ours:%s\n", bad);
}

static void kept(void)
{
	char bad[500];

	check(bad);
	printf("after execve:%s\n", bad);
	learn();
	check(bad);
	printf("after execve:%s\n", bad);
	RES(fcntl(DIR_FD, F_GETFD));
	RES(fcntl(FILE_FD, F_GETFD));
}

static void change_asker(void)
{
	in_namespaces();
	of_tables();
	after_exec();
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		own = realpath(argv[0], NULL);
		kept();
	} else {
		in_places(argv[0], change_asker);
	}
	return 0;
}
