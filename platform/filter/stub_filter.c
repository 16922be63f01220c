/*
 * Two filters, stacked, and with --mm=checked a third (notify_build). The host runs both for each
 * call and takes the stricter answer (seccomp(2)): killing before trapping before allowing.
 *
 * The gate, a few instructions by hand because libseccomp cannot compare the
 * instruction pointer: a call from anywhere but the stub's text is a guest's and
 * is trapped. That a guest can
 * jump into the stub's text is no hole: it decides only whose call it is, not what it may do.
 *
 * The call filter, of libseccomp's rules, is the wall: the stub's own calls, with every
 * argument constrained that a filter can constrain. What a guest can do with
 * them by jumping there is no more than it can ask of the sentry: change its own
 * memory, wait and wake on it, and multiply.
 */
#include "platform/filter/stub_filter.h"
#include "platform/filter/filter_print.h"
#include "platform/filter/filter_program.h"
#include "platform/stub/abi.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int gate_build(struct stub_params *params, u64 text_len)
{
#define FIELD(f) (u32) offsetof(struct seccomp_data, f)
	const struct sock_filter gate[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(arch)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(instruction_pointer) + 4),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (u32)(STUB_TEXT >> 32), 0, 3),
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(instruction_pointer)),
	    BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (u32)(STUB_TEXT + text_len), 1, 0),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	};
#undef FIELD
	_Static_assert((STUB_TEXT & 0xffffffff) == 0, "one comparison for the low half");
	_Static_assert(sizeof(gate[0]) == sizeof(params->gate[0]), "abi.h does not know the type");
	memcpy(params->gate, gate, sizeof(gate));
	params->gate_len = array_size(gate);
	return 0;
}

/* ---- the call filter ---------------------------------------------------- */

#define ARG(n, op, ...)                                                                            \
	{                                                                                          \
		(n), SCMP_CMP_##op, __VA_ARGS__                                                    \
	}
/* All bits but these must be zero. */
#define ARG_ONLY(n, bits)                                                                          \
	{                                                                                          \
		(n), SCMP_CMP_MASKED_EQ, ~(u64)(bits), 0                                           \
	}
/* The lower bits of a futex operation; what remains are flags. */
#define ARG_FUTEX(cmd) ARG(1, MASKED_EQ, FUTEX_CMD_MASK & 0xffffffff, (cmd))
/*
 * The guest's own futexes, and its threads' contexts: who could sleep on the doorbell, which all
 * spaces share, or on another mapping of it, would be woken in the place of the sentry's workers.
 */
#define ARG_GUEST(n)  ARG(n, LT, GUEST_MAX, 0)
#define ARG_CONTEXTS  ARG(0, MASKED_EQ, ~(u64)(CONTEXTS_SPAN - 1), STUB_CONTEXTS)
#define CONTEXTS_SPAN 0x20000000UL

#define ARG_NONE                                                                                   \
	{                                                                                          \
		0, _SCMP_CMP_MIN, 0, 0                                                             \
	}

#define PROT_ALL (PROT_READ | PROT_WRITE | PROT_EXEC)
/* With MAP_FIXED always; never MAP_GROWSDOWN or MAP_HUGETLB. */
#define MMAP_OPTIONAL (MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_POPULATE)

struct stub_rule {
	int nr;
	const char *why;
	unsigned args;
	struct scmp_arg_cmp arg[3];
};

static const struct stub_rule stub_rules[] = {
    {SYS_rt_sigreturn, "the way back to guest code", 0, {ARG_NONE}},
    {SYS_futex,
     "the guest's futexes (not PI), the hand-over",
     2,
     {ARG_FUTEX(FUTEX_WAIT), ARG_GUEST(0)}},
    {SYS_futex, NULL, 2, {ARG_FUTEX(FUTEX_WAIT), ARG_CONTEXTS}},
    {SYS_futex, NULL, 1, {ARG_FUTEX(FUTEX_WAKE)}},
    {SYS_futex, NULL, 3, {ARG_FUTEX(FUTEX_REQUEUE), ARG_GUEST(0), ARG_GUEST(4)}},
    {SYS_futex, NULL, 3, {ARG_FUTEX(FUTEX_CMP_REQUEUE), ARG_GUEST(0), ARG_GUEST(4)}},
    {SYS_futex, NULL, 3, {ARG_FUTEX(FUTEX_WAKE_OP), ARG_GUEST(0), ARG_GUEST(4)}},
    {SYS_futex, NULL, 2, {ARG_FUTEX(FUTEX_WAIT_BITSET), ARG_GUEST(0)}},
    {SYS_futex, NULL, 2, {ARG_FUTEX(FUTEX_WAKE_BITSET), ARG_GUEST(0)}},
    {SYS_mmap,
     "the guest's memory: at a fixed place, plain flags only",
     2,
     {ARG_ONLY(2, PROT_ALL), ARG(3, MASKED_EQ, ~(u64)MMAP_OPTIONAL, MAP_FIXED)}},
    {SYS_munmap, "the guest's memory", 0, {ARG_NONE}},
    {SYS_mprotect, "the guest's memory", 2, {ARG_GUEST(0), ARG_ONLY(2, PROT_ALL)}},
    {SYS_mremap,
     "the guest's memory",
     2,
     {ARG_GUEST(0), ARG_ONLY(3, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)}},
    {SYS_madvise,
     "the guest's memory: advice without privileges or side effects",
     1,
     {ARG(2, LE, MADV_DONTNEED, 0)}},
    {SYS_madvise, NULL, 1, {ARG(2, EQ, MADV_FREE, 0)}},
    {SYS_madvise, NULL, 1, {ARG(2, EQ, MADV_DONTFORK, 0)}},
    {SYS_madvise, NULL, 1, {ARG(2, EQ, MADV_DOFORK, 0)}},
    {SYS_madvise, NULL, 1, {ARG(2, EQ, MADV_HUGEPAGE, 0)}},
    {SYS_madvise, NULL, 1, {ARG(2, EQ, MADV_NOHUGEPAGE, 0)}},
    {SYS_madvise, NULL, 1, {ARG(2, EQ, MADV_WIPEONFORK, 0)}},
    {SYS_madvise, NULL, 1, {ARG(2, EQ, MADV_KEEPONFORK, 0)}},
    {SYS_madvise, NULL, 1, {ARG(2, EQ, MADV_COLD, 0)}},
    {SYS_madvise, NULL, 1, {ARG(2, EQ, MADV_POPULATE_READ, 0)}},
    {SYS_madvise, NULL, 1, {ARG(2, EQ, MADV_POPULATE_WRITE, 0)}},
    {SYS_madvise, NULL, 1, {ARG(2, EQ, MADV_REMOVE, 0)}},
    {SYS_mincore, "which of the guest's own pages are there", 2, {ARG_GUEST(0), ARG_GUEST(2)}},
    {SYS_clone, "a fork, or a thread: two exact flag words", 1, {ARG(0, EQ, STUB_FORK_FLAGS, 0)}},
    {SYS_clone, NULL, 1, {ARG(0, EQ, STUB_THREAD_FLAGS, 0)}},
    {SYS_exit, "the end of a thread", 0, {ARG_NONE}},
    {SYS_recvmsg,
     "files to map, from the sentry: a stub's only socket is its own",
     1,
     {ARG_ONLY(2, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_PEEK)}},
    {SYS_close, "files that have been mapped", 0, {ARG_NONE}},
    {SYS_getrusage, "CPU time of a guest thread", 1, {ARG(0, EQ, STUB_RUSAGE_THREAD, 0)}},
    {SYS_prctl,
     "death with the sentry",
     2,
     {ARG(0, EQ, PR_SET_PDEATHSIG, 0), ARG(1, EQ, SIGKILL, 0)}},
};

void stub_filter_rules(struct filter_rules *out)
{
	/* Called most, hence looked at first. */
	static const int hot[] = {SYS_rt_sigreturn, SYS_futex, -1};

	*out = (struct filter_rules){.otherwise = SECCOMP_RET_TRAP, .hot = hot};
	_Static_assert(array_size(stub_rules) <= FILTER_RULES_MAX, "the list has room");
	_Static_assert(STUB_CONTEXTS % CONTEXTS_SPAN == 0 && STUB_CONTEXTS_SIZE <= CONTEXTS_SPAN &&
	                   STUB_CONTEXTS + CONTEXTS_SPAN <= STUB_END,
	               "one comparison for all contexts");
	for (size_t i = 0; i < array_size(stub_rules); i++) {
		struct filter_rule *r = &out->rule[out->count++];

		*r = (struct filter_rule){.nr = stub_rules[i].nr,
		                          .verdict = SECCOMP_RET_ALLOW,
		                          .args = stub_rules[i].args};
		memcpy(r->arg, stub_rules[i].arg, sizeof(r->arg));
	}
}

/*
 * Of which the sentry is asked, by one who listens to this program alone. Both others weigh more:
 * what they trap nobody is asked about.
 */
static void notify_build(struct stub_params *params)
{
#define ASKED(nr, rest) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), (rest), 0)
	const struct sock_filter notify[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (u32)offsetof(struct seccomp_data, nr)),
	    ASKED(SYS_mmap, 6),
	    ASKED(SYS_munmap, 5),
	    ASKED(SYS_mprotect, 4),
	    ASKED(SYS_mremap, 3),
	    ASKED(SYS_madvise, 2),
	    ASKED(SYS_clone, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
#undef ASKED
	_Static_assert(sizeof(notify) <= sizeof(params->notify), "the list has room");
	memcpy(params->notify, notify, sizeof(notify));
	params->notify_len = array_size(notify);
}

int stub_filter_build(struct stub_params *params, u64 text_len, bool mm_checked)
{
	struct filter_rules rules;
	int len;

	stub_filter_rules(&rules);
	_Static_assert(sizeof(struct sock_filter) == sizeof(params->call[0]),
	               "abi.h does not know the type");
	len = filter_program_build(&rules, (struct sock_filter *)params->call, STUB_FILTER_MAX);
	if (len < 0)
		return len;
	params->call_len = (u32)len;
	if (mm_checked)
		notify_build(params);
	return gate_build(params, text_len);
}

unsigned stub_filter_count(void)
{
	unsigned n = 0;
	for (size_t i = 0; i < array_size(stub_rules); i++)
		n += stub_rules[i].why != NULL;
	return n;
}

void stub_filter_print(FILE *out)
{
	fprintf(out, "stub: %u calls, from the stub's own code only; all others trap\n",
	        stub_filter_count());
	for (size_t i = 0; i < array_size(stub_rules); i++)
		filter_print_form(out, stub_rules[i].nr, stub_rules[i].why, stub_rules[i].args,
		                  stub_rules[i].arg);
}
