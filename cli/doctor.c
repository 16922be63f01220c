/*
 * `moat doctor`: what of the host is there, and what moat does with it. It
 * asks the host, not moat's own beliefs.
 */
#include "cli/cli.h"
#include "platform/filter/sentry_filter.h"
#include "platform/platform.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static void row(bool there, const char *what, const char *meaning)
{
	printf("  %-4s %-28s %s\n", there ? "yes" : "no", what, meaning);
}

/* The first line of a small file, or "" . */
static void first_line(const char *path, char *buf, size_t n)
{
	FILE *f = fopen(path, "re");

	buf[0] = 0;
	if (!f)
		return;
	if (!fgets(buf, (int)n, f))
		buf[0] = 0;
	buf[strcspn(buf, "\n")] = 0;
	fclose(f);
}

/* Tried in a child: it cannot be undone. */
static bool can_unshare(int flags)
{
	int st;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(flags) == 0 ? 0 : 1);
	return pid > 0 && waitpid(pid, &st, 0) == pid && WIFEXITED(st) && WEXITSTATUS(st) == 0;
}

static bool seccomp_action(u32 action)
{
	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

static int landlock_version(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static void print_platform(void)
{
	const char *lacking = platform_unsupported(&systrap_platform);

	printf("Platform\n");
	row(!lacking, "systrap",
	    lacking ? lacking
	            : "guest calls are trapped by seccomp and served "
	              "through shared memory");
	row(seccomp_action(SECCOMP_RET_TRAP), "seccomp trap", "catches every guest call");
	row(seccomp_action(SECCOMP_RET_USER_NOTIF), "seccomp user notification",
	    "attaches forked guests");
	row(getauxval(AT_HWCAP2) & 2, "FSGSBASE", "thread pointers without a host call");
}

static void print_layers(void)
{
	char text[128];
	int abi = landlock_version();

	printf("\nDefence beyond the platform\n");
	row(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0, "no_new_privs", "always set");
	row(seccomp_action(SECCOMP_RET_KILL_PROCESS), "seccomp kill",
	    "ends a sentry that makes a call outside its list");
	snprintf(text, sizeof(text), "ABI %d; not used yet", abi);
	row(abi > 0, "Landlock", abi > 0 ? text : "the kernel has none");
	row(can_unshare(CLONE_NEWUSER), "user namespaces", "not used yet");
	first_line("/proc/sys/kernel/yama/ptrace_scope", text, sizeof(text));
	row(text[0] != '3', "process_vm_readv",
	    text[0] == '3' ? "Yama forbids it: large copies will fail"
	                   : "large copies to and from guests");
}

static int print_host(void)
{
	const char *lacking = platform_unsupported(&systrap_platform);
	struct utsname u;

	uname(&u);
	printf("Host\n  Linux %s on %s, %ld processors\n\n", u.release, u.machine,
	       sysconf(_SC_NPROCESSORS_ONLN));
	print_platform();
	print_layers();
	printf("\n%s\n", lacking ? "moat cannot run sandboxes on this host: see above."
	                         : "moat can run sandboxes on this host.");
	return lacking ? 1 : 0;
}

int cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = {{"allowlist", no_argument, NULL, 'a'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {NULL, 0, NULL, 0}};
	const struct sentry_filter_config fc = {.host_files = true, .terminal = true};
	bool allowlist = false;
	int id;

	while ((id = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (id) {
		case 'a':
			allowlist = true;
			break;
		case 'h':
			printf("usage: moat doctor [--allowlist]\n\n"
			       "Shows what this host offers and what moat does with it.\n\n"
			       "  --allowlist  print the host calls that each of moat's processes "
			       "may\n"
			       "               make, with who needs them and why\n");
			return 0;
		default:
			return 2;
		}
	}
	if (allowlist) {
		filter_print_allowlists(stdout, &fc);
		return 0;
	}
	return print_host();
}
