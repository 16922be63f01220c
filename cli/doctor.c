/*
 * `moat doctor`: what of the host is there, and what moat does with it. It
 * asks the host, not moat's own beliefs.
 */
#include "cli/cgroup.h"
#include "cli/cli.h"
#include "cli/doctor_sandbox.h"
#include "platform/filter/landlock.h"
#include "platform/filter/sentry_filter.h"
#include "platform/platform.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static void row(bool there, const char *what, const char *meaning)
{
	printf("  %-4s %-26s %s\n", there ? "yes" : "no", what, meaning);
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

static bool yama_forbids(void)
{
	char text[16];

	first_line("/proc/sys/kernel/yama/ptrace_scope", text, sizeof(text));
	return text[0] == '3';
}

static long number_in(const char *path)
{
	char text[32];

	first_line(path, text, sizeof(text));
	return text[0] ? strtol(text, NULL, 10) : -1;
}

static bool can_make_memfd(void)
{
	int fd = memfd_create("moat-doctor", MFD_CLOEXEC);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool cgroup_delegated(void)
{
	int fd = cgroup_open_own();

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void print_platforms(void)
{
	const char *systrap = platform_unsupported(&systrap_platform);
	const char *ptrace = platform_unsupported(&ptrace_platform);
	struct platform_choice c = platform_choose(platforms, NULL);

	printf("How guests are run\n");
	row(!systrap, "systrap",
	    systrap ? systrap
	            : "Guest calls are trapped by seccomp and served through shared memory.");
	row(!ptrace, "ptrace",
	    ptrace ? ptrace : "Guest calls are stopped by PTRACE_SYSEMU: slower, needs less.");
	if (!c.ops)
		printf("  Neither can be had.\n\n");
	else
		printf("  moat run takes %s%s.\n\n", platform_ops_name(c.ops),
		       c.lacking ? ", and says so" : ", unless --platform says otherwise");
}

static void print_needed(void)
{
	bool memfd = can_make_memfd();

	printf("What moat needs\n");
	row(seccomp_action(SECCOMP_RET_TRAP), "seccomp trap", "It catches every guest call.");
	row(seccomp_action(SECCOMP_RET_KILL_PROCESS), "seccomp kill",
	    "It ends a sentry that makes a call outside its list.");
	row(memfd, "memfd_create", "Files that live in memory, and what stubs share, are such.");
}

static void print_speed(void)
{
	char text[160];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), maps = number_in("/proc/sys/vm/max_map_count");
	bool yama = yama_forbids();
	struct rlimit rl = {0};

	printf("\nWhat makes it fast, and how far it goes\n");
	row(getauxval(AT_HWCAP2) & 2, "FSGSBASE",
	    "With it guests set their thread pointers without a host call.");
	snprintf(text, sizeof(text),
	         cpus > 1 ? "%ld: the sentry answers on a core of its own while it is awake."
	                  : "%ld: the sentry and the guest take turns; calls are slower.",
	         cpus);
	row(cpus > 1, "more than one core", text);
	row(!yama, "process_vm_readv",
	    yama ? "Yama (ptrace_scope 3) forbids it: large copies go piecewise, and one process "
	           "cannot look at another's memory."
	         : "Large copies to and from guests are made by it.");
	getrlimit(RLIMIT_NOFILE, &rl);
	snprintf(text, sizeof(text),
	         "%llu: each host file in use takes one; moat raises its limit to that.",
	         (unsigned long long)rl.rlim_max);
	row(rl.rlim_max >= 4096, "4096 descriptors", text);
	snprintf(text, sizeof(text),
	         "vm.max_map_count is %ld; guests are told 65530, and get ENOMEM beyond the "
	         "host's.",
	         maps);
	row(maps >= 65530, "65530 mappings a process", text);
}

static void print_layers(void)
{
	char text[160];
	unsigned abi = landlock_host_version();
	const char *unchecked = platform_mm_checked_unsupported(&systrap_platform);
	bool root = geteuid() == 0;

	printf("\nDefence beyond that\n");
	row(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0, "no_new_privs",
	    "It is always set, for the sentry and for stubs.");
	snprintf(text, sizeof(text),
	         "ABI %u: the sentry and its stubs open only what was granted, and /proc%s.", abi,
	         abi >= 6 ? ",\n                                  and signal nobody else" : "");
	row(abi >= 2, "Landlock",
	    abi >= 2 ? text
	             : "The kernel has none that suits: seccomp and the granted descriptors alone "
	               "confine the sentry.");
	row(true, "no capabilities",
	    root ? "Stubs have none; of root's the sentry keeps what reading files as root takes, "
	           "and with a\n                                  writable directory what changing "
	           "them takes."
	         : "Stubs and sentry have none.");
	row(!unchecked, "--mm=checked",
	    unchecked ? unchecked
	              : "With it the host asks the sentry about each change of a stub's memory.");
	row(can_unshare(CLONE_NEWUSER), "user namespaces",
	    "Stubs have one of their own, in which the host bounds their number.");
	row(cgroup_delegated(), "cgroup v2 delegation",
	    "With --memory or --pids a sandbox has a group of its own, and its limits there.");
	row(!root, "not run as root",
	    root ? "Run as an ordinary user where you can: a sentry that is broken into then "
	           "has only that user's rights."
	         : "A sentry that is broken into has no more rights than you.");
}

static int print_host(void)
{
	bool able = platform_choose(platforms, NULL).ops &&
	            seccomp_action(SECCOMP_RET_KILL_PROCESS) && can_make_memfd();
	struct utsname u;

	uname(&u);
	printf("Host\n  Linux %s on %s\n\n", u.release, u.machine);
	print_platforms();
	print_needed();
	print_speed();
	print_layers();
	printf("\n%s\n", able ? "moat can run sandboxes on this host."
	                      : "moat cannot run sandboxes on this host: see above.");
	return able ? 0 : 1;
}

static int show_sandbox(const char *which)
{
	char *end = "";
	long id = which ? strtol(which, &end, 10) : 0;

	if (which && (id <= 0 || id > INT_MAX || *end)) {
		complain("--sandbox '%s': a process id is needed; without one it lists those that "
		         "run",
		         which);
		return 2;
	}
	return doctor_sandbox((pid_t)id);
}

int cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = {{"allowlist", no_argument, NULL, 'a'},
	                                        {"sandbox", optional_argument, NULL, 's'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {NULL, 0, NULL, 0}};
	const struct sentry_filter_config fc = {.host_files = true, .terminal = true},
	                                  traced = {
	                                      .host_files = true, .terminal = true, .tracer = true};
	bool allowlist = false, sandbox = false;
	const char *which = NULL;
	int id;

	while ((id = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (id) {
		case 'a':
			allowlist = true;
			break;
		case 's':
			sandbox = true;
			which = optarg;
			break;
		case 'h':
			printf(
			    "usage: moat doctor [--allowlist] [--sandbox [ID]]\n\n"
			    "Shows what this host offers and what moat does with it.\n\n"
			    "  --allowlist  print the host calls that each of moat's processes "
			    "may\n"
			    "               make, with who needs them, why, and which "
			    "arguments\n"
			    "  --sandbox    list the sandboxes that run, by the process ids of "
			    "their\n"
			    "               sentries and launchers; with one of these as ID, show "
			    "what\n"
			    "               the host says of its processes\n");
			return 0;
		default:
			return 2;
		}
	}
	/* An ID may stand apart, too, where getopt takes it for an argument. */
	if (sandbox && !which && optind < argc)
		which = argv[optind++];
	if (optind < argc) {
		complain("doctor takes no arguments, but was given '%s'", argv[optind]);
		return 2;
	}
	if (sandbox)
		return show_sandbox(which);
	if (allowlist) {
		printf("On systrap\n\n");
		filter_print_allowlists(stdout, &fc);
		printf("\nOn ptrace\n\n");
		filter_print_allowlists(stdout, &traced);
		return 0;
	}
	return print_host();
}
