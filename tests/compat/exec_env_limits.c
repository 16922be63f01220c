/*
 * Many arguments and environment strings through execve(2): thousands arrive, a quarter of the
 * stack limit is the limit.
 */
#include "compat.h"

extern char **environ;

int main(int argc, char **argv)
{
	static char *av[40004], *ev[2001];
	static char strings[40000][12];
	struct rlimit rl;
	long sum = 0;

	if (argc > 1) {
		for (int i = 0; i < argc; i++)
			sum += (long)strlen(argv[i]) * (i % 7 + 1);
		int n = 0;
		for (char **e = environ; *e; e++)
			n++;
		printf("argc %d sum %ld env %d last %s\n", argc, sum, n, argv[argc - 1]);
		return 0;
	}
	av[0] = "x";
	for (int i = 0; i < 40000; i++) {
		snprintf(strings[i], sizeof(strings[i]), "arg-%d", i);
		av[i + 1] = strings[i];
	}
	for (int i = 0; i < 2000; i++)
		ev[i] = "NAME=value";
	IN_CHILD("5000", av[5001] = NULL; execve("/proc/self/exe", av, ev));
	IN_CHILD("40000", execve("/proc/self/exe", av, ev); RES(-1));
	IN_CHILD("one small stack", getrlimit(RLIMIT_STACK, &rl); rl.rlim_cur = 1 << 20;
	         setrlimit(RLIMIT_STACK, &rl); RES(execve("/proc/self/exe", av, ev)));
	IN_CHILD("which is enough for fewer", getrlimit(RLIMIT_STACK, &rl); rl.rlim_cur = 1 << 20;
	         setrlimit(RLIMIT_STACK, &rl); av[3000] = NULL; execve("/proc/self/exe", av, ev);
	         RES(-1));
	IN_CHILD("NULL argv", RES(execve("/bin/true", NULL, NULL)));
	return 0;
}
