/* The allowlists: how long they are, and that they hold. */
#include "base/sanitizer.h"
#include <criterion/criterion.h>
#include "platform/filter/landlock.h"
#include "platform/filter/sentry_filter.h"
#include "platform/filter/stub_filter.h"
#include "platform/stub/abi.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* These may fall; a change that raises one needs a better reason than this test. */
Test(filter, lists_stay_short)
{
	const struct sentry_filter_config memory_only = {0},
	                                  standard = {.host_files = true, .terminal = true},
	                                  checked = {.host_files = true,
	                                             .terminal = true,
	                                             .mm_checked = true};
	const struct sentry_filter_config writable = {
	    .host_files = true, .writable = true, .terminal = true};
	cr_expect_leq(stub_filter_count(), 14);
	cr_expect_leq(sentry_filter_count(&memory_only), 39);
	cr_expect_leq(sentry_filter_count(&standard), 45);
	cr_expect_leq(sentry_filter_count(&checked), 45);
	cr_expect_leq(sentry_filter_count(&writable), 59);
}

/* Either platform has what it needs and nothing of the other's. */
Test(filter, lists_differ_by_platform)
{
	const struct sentry_filter_config systrap = {.host_files = true, .control = true},
	                                  ptrace = {
	                                      .host_files = true, .control = true, .tracer = true};

	cr_expect_leq(sentry_filter_count(&ptrace), sentry_filter_count(&systrap));
}

Test(filter, lists_are_printed)
{
	char *text = NULL;
	size_t n = 0;
	const struct sentry_filter_config config = {.host_files = true};
	FILE *out = open_memstream(&text, &n);
	filter_print_allowlists(out, &config);
	fclose(out);
	cr_expect(strstr(text, "openat"));
	cr_expect(strstr(text, "rt_sigreturn"));
	cr_expect_not(strstr(text, "unlinkat"));
	/* Of an openat: what is demanded of its arguments. */
	cr_expect(strstr(text, "argument 1 has none of 0x80000000, and argument 3 has of"));
	free(text);
}

Test(filter, stub_programs_fit)
{
	struct stub_params *params = calloc(1, sizeof(*params));
	cr_assert_eq(stub_filter_build(params, 0x4000, false), 0);
	cr_expect_eq(params->notify_len, 0);
	cr_assert_eq(stub_filter_build(params, 0x4000, true), 0);
	cr_expect_eq(params->notify_len, 9);
	cr_expect_eq(params->gate_len, 9);
	cr_expect_gt(params->call_len, 14);
	cr_expect_lt(params->call_len, 300);
	free(params);
}

/* What became of a locked-down child that does this: 0, or the signal that ended it. */
static int outcome(const struct sentry_filter_config *config, void (*fn)(void))
{
	int status;
	pid_t pid;
	/* Its run-time library makes calls of its own in the child, which are on no list. */
	if (MOAT_TSAN)
		cr_skip_test("ThreadSanitizer");
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		if (sentry_filter_apply(config) != 0)
			syscall(SYS_exit_group, 99);
		fn();
		syscall(SYS_exit_group, 0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void do_nothing(void)
{
}

static void do_execve(void)
{
	char *argv[] = {"true", NULL};
	execve("/bin/true", argv, argv);
}

static void do_socket(void)
{
	(void)socket(AF_UNIX, SOCK_STREAM, 0);
}

static void do_map_executable(void)
{
	(void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void do_map(void)
{
	if (mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		syscall(SYS_exit_group, 1);
}

static void do_open(void)
{
	/* Descriptor 2 is no directory; an absolute name does not look at it. */
	if (syscall(SYS_openat, 2, "/", O_RDONLY | O_NOFOLLOW | O_CLOEXEC) < 0)
		syscall(SYS_exit_group, 1);
}

static void do_open_following(void)
{
	syscall(SYS_openat, 2, "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void do_open_for_writing(void)
{
	syscall(SYS_openat, 2, "/nowhere", O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
}

static void do_open_in_cwd(void)
{
	syscall(SYS_openat, AT_FDCWD, ".", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

static void do_stat_in_cwd(void)
{
	char buf[256];
	syscall(SYS_statx, AT_FDCWD, ".", 0, 0, buf);
}

static void do_unlink(void)
{
	syscall(SYS_unlinkat, 2, "/nowhere/at/all", 0);
}

static void do_trace(void)
{
	syscall(SYS_ptrace, PTRACE_GETREGS, -1, 0, 0);
}

static void do_poke(void)
{
	syscall(SYS_ptrace, PTRACE_POKETEXT, -1, 0, 0);
}

static void do_wait_for_stops(void)
{
	syscall(SYS_wait4, -1L, NULL, WNOHANG | __WALL, NULL);
}

static void do_wait_for_one(void)
{
	syscall(SYS_wait4, 1L, NULL, WNOHANG | __WALL, NULL);
}

/* Whoever traces may do so by the requests of its table only; who does not, by none. */
Test(filter, tracing_is_for_the_tracer)
{
	const struct sentry_filter_config systrap = {.host_files = true},
	                                  ptrace = {.host_files = true, .tracer = true};

	cr_expect_eq(outcome(&systrap, do_trace), SIGSYS);
	cr_expect_eq(outcome(&systrap, do_wait_for_stops), SIGSYS);
	cr_expect_eq(outcome(&ptrace, do_trace), 0);
	cr_expect_eq(outcome(&ptrace, do_poke), SIGSYS);
	cr_expect_eq(outcome(&ptrace, do_wait_for_stops), 0);
	cr_expect_eq(outcome(&ptrace, do_wait_for_one), SIGSYS);
}

static void do_kill(void)
{
	syscall(SYS_pidfd_send_signal, -1, SIGTERM, NULL, 0);
}

static void do_i386(void)
{
	/* getpid by the 32-bit entry */
	__asm__ volatile("mov $20, %%eax\n int $0x80" ::: "rax", "memory");
}

Test(filter, sentry_is_held)
{
	const struct sentry_filter_config reading = {.host_files = true}, none = {0};
	cr_expect_eq(outcome(&reading, do_nothing), 0);
	cr_expect_eq(outcome(&reading, do_map), 0);
	cr_expect_eq(outcome(&reading, do_open), 0);
	cr_expect_eq(outcome(&none, do_open), SIGSYS);
	cr_expect_eq(outcome(&reading, do_open_following), SIGSYS);
	cr_expect_eq(outcome(&reading, do_open_for_writing), SIGSYS);
	cr_expect_eq(outcome(&reading, do_open_in_cwd), SIGSYS);
	cr_expect_eq(outcome(&reading, do_stat_in_cwd), SIGSYS);
	cr_expect_eq(outcome(&reading, do_unlink), SIGSYS);
	cr_expect_eq(outcome(&reading, do_execve), SIGSYS);
	cr_expect_eq(outcome(&reading, do_socket), SIGSYS);
	cr_expect_eq(outcome(&reading, do_map_executable), SIGSYS);
	cr_expect_eq(outcome(&reading, do_kill), SIGSYS);
	cr_expect_eq(outcome(&reading, do_i386), SIGSYS);
}

Test(filter, writable_grant_adds_writing)
{
	const struct sentry_filter_config writing = {.host_files = true, .writable = true};
	cr_expect_eq(outcome(&writing, do_unlink), 0);
	cr_expect_eq(outcome(&writing, do_open_for_writing), 0);
	cr_expect_eq(outcome(&writing, do_execve), SIGSYS);
}

/* In a child that may read below /usr and write below dir: a bit for each thing that goes wrong. */
static int confined(const char *dir)
{
	const struct landlock_grant grant[] = {
	    {.fd = open("/usr", O_PATH | O_DIRECTORY), .is_dir = true},
	    {.fd = open(dir, O_PATH | O_DIRECTORY), .is_dir = true, .writable = true}};
	char path[64];
	int status = landlock_confine(grant, 2) != 1;

	snprintf(path, sizeof(path), "%s/file", dir);
	status |= open("/usr/bin/env", O_RDONLY) < 0 ? 2 : 0;
	status |= open("/etc/passwd", O_RDONLY) < 0 ? 0 : 4;
	status |= open("/usr/moat-test", O_WRONLY | O_CREAT, 0600) < 0 ? 0 : 8;
	status |= open(path, O_RDWR | O_CREAT | O_TRUNC, 0600) < 0 ? 16 : 0;
	status |= open("/proc/self/maps", O_RDONLY) < 0 ? 32 : 0;
	status |= kill(getpid(), 0) != 0 ? 64 : 0;
	status |= landlock_host_version() >= 6 && kill(getppid(), 0) == 0 ? 128 : 0;
	return status;
}

Test(filter, landlock_holds_to_the_grants)
{
	char dir[] = "/tmp/moat-landlock.XXXXXX", path[64];
	int status;
	pid_t pid;

	if (landlock_host_version() < 2)
		cr_skip_test("this host has no Landlock that suits");
	cr_assert_not_null(mkdtemp(dir));
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0)
		_exit(confined(dir));
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
	snprintf(path, sizeof(path), "%s/file", dir);
	cr_expect_eq(unlink(path), 0);
	cr_expect_eq(rmdir(dir), 0);
}
