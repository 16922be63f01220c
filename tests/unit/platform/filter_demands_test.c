/*
 * What the two lists demand of arguments, said a second time and in other words than in the tables
 * from which the filters are made: a demand that is dropped or loosened there is missed here.
 * Every form of every rule is taken as it is, then with each bit of each argument flipped, and
 * the program must allow just what may pass.
 */
#include <criterion/criterion.h>
#include "platform/filter/filter_program.h"
#include "platform/filter/sentry_filter.h"
#include "platform/filter/stub_filter.h"
#include "platform/stub/abi.h"
#include "base/host.h"
#include "tests/unit/platform/filter_verdict.h"
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

#define PROGRAM_MAX         2000
#define GUEST_END           0x7ff000000000UL /* where the stub begins */
#define CONTEXTS            0x7ff020000000UL
#define NO_BUT(bits, value) (((value) & ~(u64)(bits)) == 0)
#define HAS(bits, value)    (((value) & (u64)(bits)) == (u64)(bits))
#define ONE_OF(value, ...)                                                                         \
	is_one_of((value), (const u64[]){__VA_ARGS__}, sizeof((const u64[]){__VA_ARGS__}) / 8)

static bool is_one_of(u64 value, const u64 *some, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (some[i] == value)
			return true;
	return false;
}

/* ---- stubs ------------------------------------------------------------------ */

static bool may_futex(const u64 *a)
{
	bool first = a[0] < GUEST_END, second = a[4] < GUEST_END;

	/* What the clock is and whose the futex is are flags of no weight. */
	switch ((u32)a[1] & ~(u32)(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)) {
	case FUTEX_WAIT:
		return first || (a[0] >= CONTEXTS && a[0] < CONTEXTS + 0x20000000);
	case FUTEX_WAKE:
		return true;
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
	case FUTEX_WAKE_OP:
		return first && second;
	case FUTEX_WAIT_BITSET:
	case FUTEX_WAKE_BITSET:
		return first;
	default:
		return false;
	}
}

static bool stub_may(int nr, const u64 *a)
{
	switch (nr) {
	case SYS_rt_sigreturn:
	case SYS_munmap:
	case SYS_exit:
	case SYS_close:
		return true;
	case SYS_futex:
		return may_futex(a);
	case SYS_mmap: /* where it says, of the plain kinds */
		return NO_BUT(7, a[2]) && HAS(MAP_FIXED, a[3]) &&
		       NO_BUT(MAP_FIXED | MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
		                  MAP_POPULATE,
		              a[3]);
	case SYS_mprotect:
		return a[0] < GUEST_END && NO_BUT(7, a[2]);
	case SYS_mremap:
		return a[0] < GUEST_END && NO_BUT(7, a[3]);
	case SYS_mincore:
		return a[0] < GUEST_END && a[2] < GUEST_END;
	case SYS_madvise:
		return ONE_OF(a[2], 0, 1, 2, 3, 4, 8, 9, 10, 11, 14, 15, 18, 19, 20, 22, 23);
	case SYS_clone:
		return ONE_OF(a[0], CLONE_PARENT | CLONE_CHILD_CLEARTID,
		              CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
		                  CLONE_SYSVSEM | CLONE_CHILD_CLEARTID);
	case SYS_recvmsg:
		return NO_BUT(MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_PEEK, a[2]);
	case SYS_getrusage:
		return a[0] == 1; /* its own thread's */
	case SYS_prctl:
		return a[0] == 1 && a[1] == SIGKILL; /* PR_SET_PDEATHSIG */
	default:
		return false;
	}
}

/* ---- the sentry --------------------------------------------------------------- */

static bool may_control(const struct sentry_filter_config *c, u64 request)
{
	if (ONE_OF(request, TCGETS, TCGETS2, TIOCGWINSZ, FIONREAD))
		return true;
	if (c->terminal && ONE_OF(request, TCSETS, TCSETSW, TCSETSF))
		return true;
	return c->mm_checked && ONE_OF(request, SECCOMP_IOCTL_NOTIF_RECV, SECCOMP_IOCTL_NOTIF_SEND,
	                               SECCOMP_IOCTL_NOTIF_ADDFD);
}

static bool may_trace(const u64 *a)
{
	if (ONE_OF(a[0], PTRACE_GETREGSET, PTRACE_SETREGSET))
		return a[2] == 0x202; /* NT_X86_XSTATE */
	return ONE_OF(a[0], PTRACE_SYSEMU, PTRACE_CONT, PTRACE_GETREGS, PTRACE_SETREGS,
	              PTRACE_GETSIGINFO, PTRACE_SEIZE, PTRACE_INTERRUPT);
}

static bool is_dir(u64 fd)
{
	return !(fd & 1UL << 31);
}

static bool may_open(const struct sentry_filter_config *c, const u64 *a)
{
	/* An own file again, for reading only. */
	if (a[0] == HOST_SELF_FDS && a[2] == (O_RDONLY | O_CLOEXEC | O_NONBLOCK))
		return true;
	if (!is_dir(a[0]) || !HAS(O_NOFOLLOW | O_CLOEXEC, a[2]))
		return false;
	if (c->writable)
		return true;
	return c->host_files && (a[2] & O_ACCMODE) == O_RDONLY &&
	       !(a[2] & (O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY)));
}

static bool may_change(int nr, const u64 *a)
{
	switch (nr) {
	case SYS_mkdirat:
	case SYS_mknodat:
	case SYS_unlinkat:
	case SYS_fchmodat2:
	case SYS_fchownat:
	case SYS_utimensat:
		return is_dir(a[0]);
	case SYS_symlinkat:
		return is_dir(a[1]);
	case SYS_linkat:
	case SYS_renameat2:
		return is_dir(a[0]) && is_dir(a[2]);
	default:
		return ONE_OF((u64)nr, SYS_fchmod, SYS_fchown, SYS_fdatasync, SYS_fsetxattr,
		              SYS_fremovexattr);
	}
}

static bool may_look(int nr, const u64 *a)
{
	if (nr == SYS_statx || nr == SYS_readlinkat)
		return is_dir(a[0]);
	return ONE_OF((u64)nr, SYS_fstatfs, SYS_getdents64, SYS_fgetxattr, SYS_flistxattr);
}

/* Those that every sentry makes, with a demand or without. */
static bool may_always(const struct sentry_filter_config *c, int nr, const u64 *a)
{
	switch (nr) {
	case SYS_mmap:
	case SYS_mprotect:
		return !(a[2] & PROT_EXEC);
	case SYS_fcntl:
		return ONE_OF(a[1], F_DUPFD_CLOEXEC, F_ADD_SEALS, F_GETFL);
	case SYS_process_vm_readv:
	case SYS_process_vm_writev:
		return a[5] == 0;
	case SYS_pidfd_send_signal:
		return a[1] == SIGKILL;
	case SYS_tgkill:
		return a[2] == SIGURG;
	case SYS_ioctl:
		return may_control(c, a[1]);
	case SYS_openat:
		return may_open(c, a);
	default:
		return ONE_OF((u64)nr, SYS_futex, SYS_epoll_wait, SYS_epoll_ctl, SYS_poll,
		              SYS_restart_syscall, SYS_clock_gettime, SYS_munmap, SYS_madvise,
		              SYS_memfd_create, SYS_ftruncate, SYS_fallocate, SYS_sendmsg,
		              SYS_pidfd_open, SYS_read, SYS_write, SYS_preadv2, SYS_pwritev2,
		              SYS_close, SYS_fstat, SYS_lseek, SYS_fsync, SYS_getrandom,
		              SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_exit, SYS_exit_group);
	}
}

static bool sentry_may(const struct sentry_filter_config *c, int nr, const u64 *a)
{
	switch (nr) {
	case SYS_sched_yield:
		return !c->tracer;
	case SYS_sched_setaffinity:
		return !c->tracer && a[0] == 0;
	case SYS_socketpair:
		return !c->tracer && a[0] == AF_UNIX && a[1] == (SOCK_SEQPACKET | SOCK_CLOEXEC);
	case SYS_waitid:
		return !c->tracer && a[0] == 3; /* P_PIDFD */
	case SYS_wait4:
		return c->tracer && a[0] == ~0UL && a[2] == (WNOHANG | __WALL);
	case SYS_ptrace:
		return c->tracer && may_trace(a);
	default:
		break;
	}
	if ((c->host_files || c->writable) && may_look(nr, a))
		return true;
	if (c->writable && may_change(nr, a))
		return true;
	return may_always(c, nr, a);
}

/* ---- the comparison ------------------------------------------------------------- */

static struct sock_filter program[PROGRAM_MAX];
static unsigned allowed, refused;

static void expect(unsigned len, const struct seccomp_data *d, bool may)
{
	bool does = verdict(program, len, d) == SECCOMP_RET_ALLOW;

	cr_assert_eq(does, may, "call %d (%llx %llx %llx %llx %llx %llx): %s", d->nr, d->args[0],
	             d->args[1], d->args[2], d->args[3], d->args[4], d->args[5],
	             does ? "allowed" : "refused");
	*(does ? &allowed : &refused) += 1;
}

/* Arguments with which the rule matches. */
static struct seccomp_data matching(const struct filter_rule *r)
{
	struct seccomp_data d = {.nr = r->nr, .arch = AUDIT_ARCH_X86_64};

	for (unsigned i = 0; i < r->args; i++) {
		const struct scmp_arg_cmp *c = &r->arg[i];

		d.args[c->arg] = c->op == SCMP_CMP_MASKED_EQ ? c->datum_b
		                 : c->op == SCMP_CMP_LT      ? c->datum_a - 1
		                                             : c->datum_a;
	}
	return d;
}

static bool may(const struct sentry_filter_config *c, const struct seccomp_data *d)
{
	u64 a[6];

	memcpy(a, d->args, sizeof(a));
	return c ? sentry_may(c, d->nr, a) : stub_may(d->nr, a);
}

/* c: NULL for the stub's. */
static void hold(const struct filter_rules *rules, const struct sentry_filter_config *c)
{
	int len = filter_program_build(rules, program, PROGRAM_MAX);

	cr_assert_gt(len, 0);
	allowed = refused = 0;
	for (int nr = 0; nr < 600; nr++) {
		struct seccomp_data d = {.nr = nr, .arch = AUDIT_ARCH_X86_64};

		expect((unsigned)len, &d, may(c, &d));
	}
	for (unsigned i = 0; i < rules->count; i++)
		for (unsigned bit = 0; bit <= 6 * 64; bit++) {
			struct seccomp_data d = matching(&rules->rule[i]);

			if (bit < 6 * 64)
				d.args[bit / 64] ^= 1ULL << bit % 64;
			expect((unsigned)len, &d, may(c, &d));
		}
	cr_expect_gt(allowed, 1000);
	cr_expect_gt(refused, 1000);
}

Test(filter_demands, stub)
{
	static struct filter_rules rules;

	stub_filter_rules(&rules);
	hold(&rules, NULL);
}

/* In those configurations that there are. */
Test(filter_demands, sentry)
{
	static struct filter_rules rules;

	for (unsigned bits = 0; bits < 32; bits++) {
		const struct sentry_filter_config c = {.host_files = bits & 1,
		                                       .writable = bits & 2,
		                                       .terminal = bits & 4,
		                                       .tracer = bits & 8,
		                                       .mm_checked = (bits & 24) == 16};

		sentry_filter_rules(&c, &rules);
		hold(&rules, &c);
	}
}
