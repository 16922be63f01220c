/*
 * /proc/self/status: the lines programs read, ids, groups, threads, signal masks, no_new_privs,
 * sizes. proc(5).
 */
#include "compat.h"
#include <pthread.h>

static const char *field(const char *file, const char *name)
{
	static char out[256];
	char key[64], *p;

	snprintf(key, sizeof(key), "\n%s:", name);
	p = strstr((char *)get_file(file), key);
	if (!p)
		return "(missing)";
	p += strlen(key);
	snprintf(out, sizeof(out), "%.*s", (int)strcspn(p, "\n"), p);
	for (char *c = out; *c; c++)
		if (*c == '\t')
			*c = ' ';
	return out;
}

#define F(name) field("/proc/self/status", name)

static void *thread(void *arg)
{
	(void)arg;
	sleep(10);
	return NULL;
}

int main(void)
{
	const char *names[] = {"Umask",
	                       "State",
	                       "Tgid",
	                       "Ngid",
	                       "Pid",
	                       "PPid",
	                       "TracerPid",
	                       "Uid",
	                       "Gid",
	                       "FDSize",
	                       "Groups",
	                       "VmPeak",
	                       "VmSize",
	                       "VmLck",
	                       "VmHWM",
	                       "VmRSS",
	                       "RssAnon",
	                       "VmData",
	                       "VmStk",
	                       "VmExe",
	                       "VmLib",
	                       "Threads",
	                       "SigQ",
	                       "SigPnd",
	                       "ShdPnd",
	                       "SigBlk",
	                       "SigIgn",
	                       "SigCgt",
	                       "CapInh",
	                       "CapPrm",
	                       "CapEff",
	                       "CapBnd",
	                       "CapAmb",
	                       "NoNewPrivs",
	                       "Seccomp",
	                       "Cpus_allowed",
	                       "Cpus_allowed_list",
	                       "voluntary_ctxt_switches",
	                       "nonvoluntary_ctxt_switches"};
	int id[4] = {-1, -1, -1, -1};
	sigset_t set = sigset_of(SIGUSR1, SIGTERM);
	pthread_t t;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		printf("%s %s\n", names[i], strcmp(F(names[i]), "(missing)") ? "there" : "missing");
	YES(!strncmp(get_file("/proc/self/status"), "Name:\t", 6));
	prctl(PR_SET_NAME, "tab\tname\\x");
	char first[64];
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(get_file("/proc/self/status"), "\n"),
	         get_file("/proc/self/status"));
	STR(first);
	umask(0123);
	STR(F("Umask"));
	STR(F("State"));
	YES(atoi(F("Tgid")) == getpid() && atoi(F("Pid")) == getpid() &&
	    atoi(F("PPid")) == getppid());
	STR(F("TracerPid"));
	YES(sscanf(F("Uid"), "%d %d %d %d", &id[0], &id[1], &id[2], &id[3]) == 4 &&
	    id[0] == (int)getuid() && id[1] == (int)geteuid() && id[3] == (int)geteuid());
	STR(F("Threads"));
	sigprocmask(SIG_SETMASK, &set, NULL); /* before the thread, which inherits it */
	pthread_create(&t, NULL, thread, NULL);
	STR(F("Threads"));
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	STR(F("SigBlk"));
	STR(F("ShdPnd"));
	kill(getpid(), SIGUSR1);
	tgkill(getpid(), getpid(), SIGTERM);
	STR(F("SigPnd"));
	STR(F("ShdPnd"));
	/* Without 32, which the C library keeps for itself. */
	NUM(strtoul(F("SigIgn"), NULL, 16) & 0x7fffffff);
	STR(F("NoNewPrivs"));
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	STR(F("NoNewPrivs"));
	STR(F("Seccomp"));
	YES(atol(F("VmSize")) >= atol(F("VmRSS")) && atol(F("VmRSS")) > 0);
	YES(strstr(F("VmSize"), " kB") != NULL);
	if (geteuid() == 0)
		IN_CHILD("capabilities after setuid", if (setuid(7)) _exit(1); STR(F("Uid"));
		         STR(F("CapEff")); STR(F("CapPrm")));
	else
		STR(F("CapEff"));
	return 0;
}
