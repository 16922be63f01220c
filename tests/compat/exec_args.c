/*
 * execve(2): argv and envp arrive unchanged, an empty argv becomes one empty string, the auxiliary
 * vector makes sense.
 */
#include "compat.h"
#include <elf.h>
#include <sys/auxv.h>

extern char **environ;

static int report(int argc, char **argv)
{
	int n = 0;

	NUM(argc);
	for (int i = 0; i < argc; i++)
		printf("argv[%d] length %zu \"%.40s\"\n", i, strlen(argv[i]), argv[i]);
	for (char **e = environ; *e; e++)
		if (n++ < 4)
			printf("env \"%s\"\n", *e);
	NUM(n);
	YES(argv[argc] == NULL);
	NUM(getauxval(AT_PAGESZ));
	YES(getauxval(AT_UID) == getuid());
	YES(getauxval(AT_EUID) == geteuid());
	YES(getauxval(AT_GID) == getgid());
	NUM(getauxval(AT_SECURE));
	NUM(getauxval(AT_CLKTCK));
	YES(getauxval(AT_ENTRY) != 0 && getauxval(AT_PHDR) != 0);
	NUM(getauxval(AT_PHENT));
	YES(getauxval(AT_RANDOM) != 0);
	STR((const char *)getauxval(AT_PLATFORM));
	YES(getauxval(AT_SYSINFO_EHDR) != 0);
	YES(((uintptr_t)argv & 7) == 0);
	STR(strrchr((const char *)getauxval(AT_EXECFN), '/'));
	return 5;
}

static void again(char *const argv[], char *const envp[])
{
	char path[512];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	pid_t pid = fork_child();

	if (pid == 0) {
		path[n > 0 ? n : 0] = 0;
		execve(path, argv, envp);
		_exit(99);
	}
	reap("exec", pid);
}

int main(int argc, char **argv)
{
	char *empty[] = {NULL};
	char big[100001];

	if (argc > 1 && !strcmp(argv[1], "report"))
		return report(argc, argv);
	if (argc == 1 && argv[0][0] == 0) {
		printf("argc %d, argv[0] is empty\n", argc);
		return 6;
	}
	memset(big, 'b', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	again((char *[]){"x", "report", NULL}, empty);
	again((char *[]){"", "report", "", "a b\tc\n", "\xff\xfe", big, NULL},
	      (char *[]){"A=1", "B=", "=C", "noequals", "A=2", NULL});
	again((char *[]){argv[0], "report", NULL}, NULL);
	again(empty, empty);
	return 0;
}
