/*
 * seccomp(2) filters: ERRNO, TRAP with its siginfo, KILL_PROCESS, KILL_THREAD, precedence of
 * stacked filters, argument checks, inheritance, no_new_privs, bad programs.
 */
#include "compat.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>

#define LOAD(field)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define JEQ(v, t, f) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, v, t, f)
#define RETURN(v)    BPF_STMT(BPF_RET | BPF_K, v)

static volatile int traps, trap_nr, trap_arch, trap_code, trap_errno, trap_ip;

static long install(struct sock_filter *f, unsigned short n, unsigned int flags)
{
	struct sock_fprog prog = {n, f};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

/* One call gets this verdict, the others pass. */
static long on_call(unsigned int nr, unsigned int verdict)
{
	struct sock_filter f[] = {LOAD(nr), JEQ(nr, 0, 1), RETURN(verdict),
	                          RETURN(SECCOMP_RET_ALLOW)};

	return install(f, 4, 0);
}

static void on_sys(int sig, siginfo_t *si, void *uc)
{
	ucontext_t *ctx = uc;

	(void)sig;
	traps++;
	trap_nr = si->si_syscall;
	trap_arch = (int)si->si_arch;
	trap_code = si->si_code;
	trap_errno = si->si_errno;
	trap_ip = si->si_call_addr == (void *)ctx->uc_mcontext.gregs[REG_RIP];
	ctx->uc_mcontext.gregs[REG_RAX] = 4242;
}

static void *killed_thread(void *arg)
{
	(void)arg;
	syscall(SYS_getpgid, 0);
	return NULL;
}

int main(void)
{
	struct sock_filter bad[] = {LOAD(nr), JEQ(1, 5, 0), RETURN(SECCOMP_RET_ALLOW)},
	                   none[] = {LOAD(nr)},
	                   odd[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 3), RETURN(0)};
	unsigned int action = SECCOMP_RET_TRAP;

	if (geteuid() != 0)
		RES(on_call(SYS_getpgid, SECCOMP_RET_ALLOW)); /* needs no_new_privs */
	RES(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	RES(install(bad, 3, 0));
	RES(install(none, 1, 0));
	RES(install(odd, 2, 0));
	RES(install(none, 0, 0));
	RES(install(bad_ptr(), 2, 0));
	RES(install(bad, 3, 1u << 20));
	RES(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
	action = 0x12340000;
	RES(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));

	IN_CHILD("ERRNO", RES(on_call(SYS_getpgid, SECCOMP_RET_ERRNO | ENOTTY)); RES(getpgid(0));
	         RES(prctl(PR_GET_SECCOMP)); IN_CHILD("inherited", RES(getpgid(0)));
	         RES(on_call(SYS_getpgid, SECCOMP_RET_ERRNO | EXDEV)); RES(getpgid(0));
	         RES(on_call(SYS_getpgid, SECCOMP_RET_ALLOW)); RES(getpgid(0));
	         execl("/bin/true", "true", NULL));
	IN_CHILD("ERRNO 0", RES(on_call(SYS_getpgid, SECCOMP_RET_ERRNO)); RES(getpgid(0));
	         RES(on_call(SYS_sched_yield, SECCOMP_RET_ERRNO | 0xffff));
	         RES(sched_yield() == -1));
	IN_CHILD("TRAP", handle_info(SIGSYS, on_sys, 0);
	         RES(on_call(SYS_getpgid, SECCOMP_RET_TRAP | 77)); RES(syscall(SYS_getpgid, 0));
	         printf("traps %d nr %d arch %#x code %d errno %d ip %d\n", traps,
	                trap_nr == SYS_getpgid, (unsigned int)trap_arch, trap_code, trap_errno,
	                trap_ip);
	         for (int i = 0; i < 100; i++) syscall(SYS_getpgid, 0); NUM(traps));
	IN_CHILD("TRAP by default", on_call(SYS_getpgid, SECCOMP_RET_TRAP);
	         syscall(SYS_getpgid, 0));
	IN_CHILD("TRAP while blocked", sigset_t set = sigset_of(SIGSYS, 0);
	         sigprocmask(SIG_BLOCK, &set, NULL); on_call(SYS_getpgid, SECCOMP_RET_TRAP);
	         syscall(SYS_getpgid, 0));
	IN_CHILD("KILL_PROCESS", on_call(SYS_getpgid, SECCOMP_RET_KILL_PROCESS);
	         syscall(SYS_getpgid, 0));
	IN_CHILD("unknown action kills", on_call(SYS_getpgid, 0x12340000); syscall(SYS_getpgid, 0));
	IN_CHILD("TRACE without a tracer", on_call(SYS_getpgid, SECCOMP_RET_TRACE);
	         RES(syscall(SYS_getpgid, 0)));
	IN_CHILD("LOG", on_call(SYS_getpgid, SECCOMP_RET_LOG); RES(syscall(SYS_getpgid, 0) > 0));
	IN_CHILD("KILL_THREAD", pthread_t t; on_call(SYS_getpgid, SECCOMP_RET_KILL_THREAD);
	         pthread_create(&t, NULL, killed_thread, NULL); msleep(100); _exit(6));
	IN_CHILD("the strictest wins", RES(on_call(SYS_getpgid, SECCOMP_RET_KILL_PROCESS));
	         RES(on_call(SYS_getpgid, SECCOMP_RET_ERRNO | 1)); syscall(SYS_getpgid, 0));
	struct sock_filter args[] = {LOAD(arch),
	                             JEQ(AUDIT_ARCH_X86_64, 1, 0),
	                             RETURN(SECCOMP_RET_KILL_PROCESS),
	                             LOAD(nr),
	                             JEQ(SYS_dup2, 0, 3),
	                             LOAD(args[1]),
	                             JEQ(77, 0, 1),
	                             RETURN(SECCOMP_RET_ERRNO | EOWNERDEAD),
	                             RETURN(SECCOMP_RET_ALLOW)};
	IN_CHILD("arguments", RES(install(args, 9, 0)); RES(dup2(1, 78)); RES(dup2(1, 77)));
	IN_CHILD("exec under a filter", on_call(SYS_getpgid, SECCOMP_RET_ERRNO | 1);
	         execl("/bin/sh", "sh", "-c", "exit 9", NULL));
	return 0;
}
