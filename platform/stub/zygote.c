/*
 * The first stub: what the boot script jumps to. It puts up the signal
 * handlers, locks itself in, and stands still in a trap like any guest thread;
 * from then on it does nothing but fork when told to.
 *
 * Host calls: munmap, sigaltstack, rt_sigaction, prctl, seccomp, sendmsg, close (and warden.c's);
 * the filters allow no more than the stub's list after that.
 */
#include "platform/stub/stub.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define SA_RESTORER 0x04000000

struct host_sigaction {
	void (*handler)(int, struct host_siginfo *, struct host_ucontext *);
	u64 flags;
	void (*restorer)(void);
	u64 mask;
};

static void must(s64 result)
{
	if (result < 0)
		stub_die();
}

static void handle_signals(void)
{
	static const u8 signals[] = {SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
	/*
	 * A handler may fault while it copies, and an interrupt must reach it while it sleeps, so
	 * these are never blocked. No SA_RESTART, so that sleeps end. The interrupt alone is
	 * blocked while it is handled: else many, sent faster than they are handled, would pile up
	 * frames without bound.
	 */
	struct host_sigaction action = {
	    trap_entry, SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTORER, stub_restorer, 0};
	const stack_t stack = {.ss_sp = (void *)STUB_STACKS, .ss_size = STUB_SIGNAL_STACK};
	must(host3(__NR_sigaltstack, &stack, 0, 0));
	for (unsigned i = 0; i < sizeof(signals); i++)
		must(host6(__NR_rt_sigaction, signals[i], (u64)&action, 0, 8, 0, 0));
	action.flags &= ~(u64)SA_NODEFER;
	must(host6(__NR_rt_sigaction, STUB_INTERRUPT_SIGNAL, (u64)&action, 0, 8, 0, 0));
}

static s64 seccomp_install(u64 *program, u32 len, u64 flags)
{
	struct sock_fprog prog = {(u16)len, (struct sock_filter *)program};
	return host3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

/* By which the sentry is asked goes to the sentry; or why there is none
 * (platform/systrap/permit.c).
 */
static void send_listener(const struct stub_params *params, s64 fd)
{
	union {
		struct cmsghdr header;
		u8 bytes[CMSG_SPACE(sizeof(s32))];
	} control = {
	    {.cmsg_len = CMSG_LEN(sizeof(s32)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct iovec iov = {&fd, sizeof(fd)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	s32 number = (s32)fd;

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &number, sizeof(number));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	must(host3(__NR_sendmsg, params->socket, &msg, 0));
	if (fd >= 0)
		host3(__NR_close, fd, 0, 0);
}

void zygote_main(void)
{
	struct stub_params *params = (struct stub_params *)STUB_PARAMS;
	s64 warden;
	must(host3(__NR_munmap, params->bounce, params->bounce_len, 0));
	warden = warden_start();
	must(warden);
	handle_signals();
	must(host6(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0));
	if (params->notify_len)
		send_listener(params, seccomp_install(params->notify, params->notify_len,
		                                      SECCOMP_FILTER_FLAG_NEW_LISTENER |
		                                          SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV));
	must(seccomp_install(params->gate, params->gate_len, 0));
	must(seccomp_install(params->call, params->call_len, 0));
	/* The sentry takes it from here, with the first trap. */
	stub_context_at(STUB_CONTEXTS, 0)->request.value = (u64)warden;
	__asm__ volatile("movabs $zygote_trap, %%rax; call *%%rax" ::: "rax", "memory");
	stub_die();
}
