/*
 * Integration tests of the platforms: real guests, real traps. Each test runs on every
 * platform, on systrap under one worker and under several; without arguments all of them,
 * else those named. --platform=NAME, as the first argument: on that one only.
 */
#include "base/host.h"
#include "base/sched_internal.h"
#include "base/timer.h"
#include "base/types.h"
#include "platform/systrap/systrap.h"
#include "tests/platform/mini_sentry.h"
#include "tests/platform/spare.h"
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int failures;

#define expect(cond)                                                                               \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			printf("%s:%d: expected %s\n", __FILE__, __LINE__, #cond);                 \
			failures++;                                                                \
		}                                                                                  \
	} while (0)

static void expect_reports(int line, const u64 *want, unsigned n)
{
	bool same = mini.reports == n;
	for (unsigned i = 0; same && i < n; i++)
		same = mini.report[i] == want[i];
	if (same)
		return;
	failures++;
	printf("%s:%d: reports:", __FILE__, line);
	for (unsigned i = 0; i < mini.reports && i < 30; i++)
		printf(" %lld", (long long)mini.report[i]);
	printf("\n  expected:");
	for (unsigned i = 0; i < n; i++)
		printf(" %lld", (long long)want[i]);
	printf("\n");
}
#define reports(...)                                                                               \
	expect_reports(__LINE__, (const u64[]){__VA_ARGS__},                                       \
	               sizeof((const u64[]){__VA_ARGS__}) / sizeof(u64))

static void test_exit(void)
{
	expect(mini_run(guest_exit, 0));
}

static void test_calls(void)
{
	expect(mini_run(guest_calls, 1000));
	reports(4711, (u64)-38);
}

static void test_registers(void)
{
	expect(mini_run(guest_registers, 0));
	reports(0);
}

static void test_faults(void)
{
	expect(mini_run(guest_faults, 0));
	reports(11, 4, 8, 5, 42);
}

static void test_fork(void)
{
	u64 sum = 0;
	expect(mini_run(guest_fork, 0));
	for (unsigned i = 0; i < mini.reports; i++)
		sum += mini.report[i];
	expect(mini.reports == 3 && sum == 401);
	expect(mini_run(guest_fork_tree, 5));
	expect(mini.reports == 32);
}

static void test_threads(void)
{
	expect(mini_run(guest_threads, 3));
	reports(6);
	expect(mini_run(guest_threads, 200));
	reports(20100);
	mini.no_identity = true; /* every futex call by way of the sentry */
	expect(mini_run(guest_threads, 200));
	reports(20100);
	mini.no_identity = false;
}

static void test_fork_threads(void)
{
	u64 sum = 0;
	expect(mini_run(guest_fork_threads, 20));
	for (unsigned i = 0; i < mini.reports; i++)
		sum += mini.report[i];
	expect(mini.reports == 21 && sum == 1210);
}

static void test_signals(void)
{
	expect(mini_run(guest_signals, 0));
	reports(10, 10, 99, 1);
	expect(mini_run(guest_avx, 0));
	reports(1, 2, 3);
}

static void test_bad_frames(void)
{
	for (u64 mode = 0; mode < 4; mode++) {
		expect(mini_run(guest_bad_frame, mode));
		expect(mini.faults >= 1);
	}
}

static void test_mappings(void)
{
	expect(mini_run(guest_mappings, 0));
	reports(1, 77, 0, 11, 77, 0, 11, 1, (u64)-22);
}

static void test_file(void)
{
	u64 word[2] = {31337, 0};
	mini.file = memfd_create("test", 0);
	expect(ftruncate(mini.file, 8192) == 0 && host_pwrite(mini.file, word, 8, 0) == 8);
	expect(mini_run(guest_file, 0));
	reports(1, 31337, 1, 4242);
	expect(host_pread(mini.file, word, 16, 0) == 16 && word[1] == 4242);
	close(mini.file);
}

static void test_unmap_all(void)
{
	expect(mini_run(guest_unmap_all, 321));
	reports(321, 11);
}

static void test_futexes(void)
{
	for (int direct = 0; direct < 2; direct++) {
		mini.no_identity = direct == 0;
		expect(mini_run(guest_futexes, 0));
		reports((u64)-11, 0, (u64)-110, (u64)-14, (u64)-14);
	}
}

static void test_strings(void)
{
	expect(mini_run(guest_strings, 0));
	reports(100, 100000, (u64)-14, (u64)-14, 100000, 300000, 1000, (u64)-14, (u64)-14, 2,
	        (u64)-14);
}

static void test_kill(void)
{
	mini_forget();
	mini_spawn(guest_spin, 0);
	while (mini.reports == 0)
		nap(100);
	nap(1000);
	mini_kill();
	expect(mini_wait());
	expect(mini.deaths == 1);
}

/* False if it has been lost. */
static bool interrupt_once(void)
{
	atomic_store(&mini.pending, true);
	platform_thread_interrupt(mini.target);
	for (int waited = 0; mini.pending; waited++) {
		if (waited > 100000)
			nap(100);
		if (waited > 120000)
			return false;
	}
	return true;
}

/* Whatever instruction the guest or its stub is at, an interrupt brings it to the sentry. */
static void test_interrupts(void)
{
	for (u64 pace = 1; pace < 40; pace += 3) {
		mini_forget();
		mini_spawn(guest_interrupts, pace);
		while (!mini.target)
			nap(100);
		for (int i = 0; i < 2000; i++) {
			if (!interrupt_once()) {
				printf("interrupt %d at pace %d lost\n", i, (int)pace);
				failures++;
				break;
			}
			for (volatile int j = 0; j < (i * 37) % 4000; j++)
				;
		}
		mini_kill();
		expect(mini_wait());
	}
}

static bool is_systrap(void)
{
	return mini.ops == &systrap_platform;
}

static void test_identity(void)
{
	/* ptrace answers nothing itself. */
	mini.no_identity = !is_systrap();
	if (mini.no_identity)
		goto asked;
	/* Answered by the stub: the sentry of the tests would say 78 and knows no others. */
	expect(mini_run(guest_identity, 0));
	expect(mini.reports == 3 && mini.report[0] == 77 && mini.report[1] > 1000 &&
	       mini.report[2] == 55);
	mini.no_identity = true;
asked:
	expect(mini_run(guest_identity, 0));
	reports(78, (u64)-38, (u64)-38);
	mini.no_identity = false;
}

/* Where the host's vDSO has a function, relative to its start. */
static u64 vdso_offset(const char *name)
{
	const u8 *base = (const u8 *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)base;
	const Elf64_Shdr *sh = (const Elf64_Shdr *)(base + e->e_shoff);
	for (unsigned i = 0; base && i < e->e_shnum; i++) {
		if (sh[i].sh_type != SHT_DYNSYM)
			continue;
		const Elf64_Sym *sym = (const Elf64_Sym *)(base + sh[i].sh_offset);
		const char *str = (const char *)(base + sh[sh[i].sh_link].sh_offset);
		for (unsigned j = 0; j < sh[i].sh_size / sizeof(*sym); j++)
			if (strcmp(str + sym[j].st_name, name) == 0)
				return sym[j].st_value;
	}
	return 0;
}

static void test_vdso(void)
{
	u64 offset = vdso_offset("__vdso_clock_gettime");
	expect(offset != 0);
	expect(mini_run(guest_vdso, platform_auxval(AT_SYSINFO_EHDR) + offset));
	reports(0, 1);
}

static bool reported(u64 value)
{
	for (unsigned i = 0; i < mini.reports; i++)
		if (mini.report[i] == value)
			return true;
	return false;
}

/* Nothing that a guest does to its stub may hurt anybody but itself. */
static void test_hostile(void)
{
	for (u64 mode = 0; mode < 7; mode++) {
		mini_forget();
		mini_spawn(guest_scribble, mode);
		mini_spawn(guest_calls, 2000);
		for (int i = 0; i < 5000 && !reported(4711); i++)
			nap(1000);
		expect(reported(4711));
		/* Whoever hangs himself is killed, like any guest. */
		nap(20000);
		mini_kill();
		expect(mini_wait());
	}
}

static void test_many(void)
{
	mini_forget();
	for (int i = 0; i < 30; i++)
		mini_spawn(guest_calls, 100);
	expect(mini_wait());
	expect(mini.reports == 60);
}

/* Call sites that are rewritten while they are in use. */
static void test_sites(void)
{
	expect(mini_run(guest_sites, 2000));
	reports(0, 0);
	expect(mini_run(guest_sites_gs, 200));
	reports(0);
}

static void test_sites_threads(void)
{
	for (int i = 0; i < 5; i++) {
		expect(mini_run(guest_sites_threads, 200));
		reports(0, 0, 0, 0);
	}
}

/*
 * A frame names the guest's own code, which a jump has taken the place of: whoever went there would
 * fault each time, and be helped over.
 */
static void test_sites_signals(void)
{
	expect(mini_run(guest_sites_signals, 1000));
	reports(0);
	/* Such a fault shows as an interrupt for nothing; some come while the site is rewritten. */
	expect(mini.interrupts < 100);
}

static struct systrap_thread *asker;
static u64 rings_allowed; /* while it was held up */

/* The only worker says that it sleeps, and for a while does not hear the bell. */
static u64 hold(void)
{
	u64 before, rings, since = time_monotonic();
	doorbell_sleep_begin();
	before = asker->ctx->rings;
	nap(100000);
	rings = asker->ctx->rings - before;
	doorbell_sleep_end();
	/* One every 10 ms in the end; a busy host may hold this thread up longer than it asked. */
	rings_allowed = 30 + (time_monotonic() - since) / 2000000;
	return rings;
}

/*
 * A worker that has been woken and has no CPU yet counts as asleep. Ringing for it on and on would
 * keep it waiting for the very one that rings.
 */
static void test_rings(void)
{
	if (sched_worker_count() != 1)
		return;
	mini_forget();
	mini.hold = hold;
	mini.held = 0;
	mini_spawn(guest_asks, ~0ULL);
	while (mini.reports == 0)
		nap(100);
	asker = systrap_thread(atomic_load(&mini.target));
	mini_spawn(guest_holds, 50);
	while (mini.tasks == 2)
		nap(1000);
	/* Where nobody may wait awake, the asker has rung before, each time. */
	expect(mini.held > 0 || !systrap.may_spin);
	expect(mini.held <= rings_allowed);
	mini.held += mini.held == 0;
	expect(mini_wait());
}

/* Interrupts at every instruction of the way in and out: at whatever moment they come. */
static void test_sites_interrupts(void)
{
	struct platform_thread *t;
	mini_forget();
	mini_spawn(guest_sites_for_ever, 1000);
	while (!(t = atomic_load(&mini.target)) || mini.reports == 0)
		nap(100);
	/* Some faster than they can be handled, some with time for the guest to get on. */
	for (int i = 0; mini.reports < 2 && mini.deaths + mini.faults == 0; i++) {
		platform_thread_interrupt(t);
		for (volatile int j = 0; j < (i % 2000 < 1000 ? 0 : 40000); j++)
			;
	}
	reports(1, 0);
	expect(mini.deaths == 0 && mini.faults == 0);
	mini_kill();
	expect(mini_wait());
	expect(mini.interrupts > 0);
}

/* A parent that says that a process is its child which is not. */
static void test_false_children(void)
{
	struct platform_space s = {.pidfd = -1};
	u32 warden;

	/* Whoever made a space has awaited the zygote, and knows the warden. */
	expect(mini_run(guest_exit, 0));
	warden = systrap.warden;
	expect(warden > 1);
	expect(attach(&s, 1, 1) == -ESRCH);
	expect(attach(&s, systrap.zygote_space->pid, 1) == -ESRCH);
	expect(attach(&s, warden, 1) == -ESRCH);
	/* Who belongs to another space already does so for good: its token may be known to it. */
	expect(attach(&s, systrap.zygote_space->pid, 0) == -ESRCH);
	expect(attach(&s, warden, 0) == -ESRCH);
	/* As if it were any child that nobody has claimed yet: it lacks the token. */
	systrap.warden = 0;
	expect(attach(&s, warden, 1) == -ESRCH);
	systrap.warden = warden;
	expect(s.pid == 0 && s.pidfd < 0);
}

static int spare_pidfd = -1;

static void test_spare(void)
{
	const char *fault = spare_fault();

	if (fault)
		printf("the stub made ahead: %s\n", fault);
	expect(!fault);
	spare_pidfd = spare_watch();
	expect(spare_pidfd >= 0);
}

/* When the sandbox has ended. */
static bool spare_left(void)
{
	bool left = spare_pidfd >= 0 && !spare_is_gone(spare_pidfd);

	if (left)
		printf("the stub made ahead has outlived the sandbox\n");
	return left;
}

static const struct test {
	const char *name;
	void (*fn)(void);
} tests[] = {
    {"exit", test_exit},
    {"calls", test_calls},
    {"registers", test_registers},
    {"faults", test_faults},
    {"fork", test_fork},
    {"false-children", test_false_children},
    {"threads", test_threads},
    {"fork-threads", test_fork_threads},
    {"signals", test_signals},
    {"bad-frames", test_bad_frames},
    {"mappings", test_mappings},
    {"file", test_file},
    {"unmap-all", test_unmap_all},
    {"futexes", test_futexes},
    {"strings", test_strings},
    {"kill", test_kill},
    {"interrupts", test_interrupts},
    {"identity", test_identity},
    {"vdso", test_vdso},
    {"hostile", test_hostile},
    {"many", test_many},
    {"sites", test_sites},
    {"sites-threads", test_sites_threads},
    {"sites-interrupts", test_sites_interrupts},
    {"sites-signals", test_sites_signals},
    {"rings", test_rings},
    {"spare", test_spare},
};

/* Tests of what the other platform does not have. */
static bool is_for_systrap(const char *name)
{
	return !strncmp(name, "sites", 5) || !strcmp(name, "false-children") ||
	       !strcmp(name, "rings") || !strcmp(name, "spare");
}

static bool chosen(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return true;
	return argc < 2;
}

static int run(const struct platform_ops *ops, unsigned workers, bool lock_down, int argc,
               char **argv)
{
	mini.ops = ops;
	setvbuf(stdout, NULL, _IOLBF, 0);
	mini_start(workers, lock_down);
	for (size_t i = 0; i < array_size(tests); i++) {
		if (!chosen(argc, argv, tests[i].name) ||
		    (is_for_systrap(tests[i].name) && !is_systrap()))
			continue;
		int before = failures;
		tests[i].fn();
		printf("%-8s %-14s %u workers%s: %s\n", platform_name(), tests[i].name,
		       platform_workers(workers), lock_down ? ", locked down" : "",
		       failures == before ? "ok" : "FAILED");
	}
	platform_stats_print(1);
	mini_stop();
	return failures != 0 || spare_left();
}

/* A sentry that is killed takes all stubs with it, those in the middle of a fork, too. */
static int test_orphans(const struct platform_ops *ops)
{
	siginfo_t info;
	int status, killed = 0;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid_t sentry = fork();
	if (sentry == 0) {
		mini.ops = ops;
		mini_start(2, false);
		for (;;) {
			mini_spawn(guest_spin, 0);
			mini_spawn(guest_fork_tree, 4);
			nap(1000);
		}
	}
	nap(50000);
	kill(sentry, SIGKILL);
	waitpid(sentry, &status, 0);
	/* What is left has become this process's. */
	for (int i = 0; i < 2000; i++) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | __WALL) != 0)
			break;
		killed += info.si_pid != 0;
		if (info.si_pid == 0)
			nap(1000);
	}
	bool clean = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | __WALL) != 0;
	printf("%s: orphans: %d stubs went with their sentry: %s\n", platform_ops_name(ops), killed,
	       clean ? "ok" : "FAILED");
	return !clean || killed == 0;
}

/* All that were asked for are known; if not, says what is. */
static bool names_known(int argc, char **argv)
{
	int unknown = 0;

	for (int i = 1; i < argc; i++) {
		bool found = strcmp(argv[i], "orphans") == 0;

		for (size_t j = 0; j < array_size(tests); j++)
			found |= strcmp(argv[i], tests[j].name) == 0;
		if (!found)
			fprintf(stderr, "platform-tests: no test '%s'\n", argv[i]);
		unknown += !found;
	}
	if (!unknown)
		return true;
	fputs("there are:", stderr);
	for (size_t j = 0; j < array_size(tests); j++)
		fprintf(stderr, " %s", tests[j].name);
	fputs(" orphans\n", stderr);
	return false;
}

static void say_platforms(const char *unknown)
{
	fprintf(stderr, "platform-tests: no platform '%s'; there are:", unknown);
	for (size_t i = 0; platforms[i]; i++)
		fprintf(stderr, " %s", platform_ops_name(platforms[i]));
	fputc('\n', stderr);
}

int main(int argc, char **argv)
{
	static const struct {
		const struct platform_ops *ops;
		unsigned workers;
		bool lock_down;
	} runs[] = {{&systrap_platform, 1, false},
	            {&systrap_platform, 3, false},
	            {&systrap_platform, 2, true},
	            {&ptrace_platform, 1, true}};
	static const char option[] = "--platform=";
	const char *only = NULL;
	int status, result = 0;
	bool ran = false;

	if (argc > 1 && !strncmp(argv[1], option, sizeof(option) - 1)) {
		only = argv[1] + sizeof(option) - 1;
		argv++, argc--;
	}
	if (!names_known(argc, argv))
		return 2;
	/* A platform is for the life of a process. */
	for (size_t i = 0; i < array_size(runs); i++) {
		pid_t pid;
		if (only && strcmp(only, platform_ops_name(runs[i].ops)) != 0)
			continue;
		ran = true;
		pid = fork();
		if (pid == 0)
			return run(runs[i].ops, runs[i].workers, runs[i].lock_down, argc, argv);
		if (waitpid(pid, &status, 0) != pid || status != 0) {
			printf("run %zu: status %x\n", i, status);
			result = 1;
		}
	}
	for (size_t i = 0; platforms[i] && chosen(argc, argv, "orphans"); i++)
		if (!only || strcmp(only, platform_ops_name(platforms[i])) == 0)
			result |= test_orphans(platforms[i]);
	if (!ran)
		say_platforms(only);
	return ran ? result : 2;
}
