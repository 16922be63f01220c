/*
 * How a child of the sentry becomes a stub: what either platform does first. What
 * follows, to leave the sentry's memory behind, each does in its own way.
 *
 * Host calls: setpgid, prctl, rt_sigprocmask, rseq, set_robust_list, set_tid_address, getppid,
 * prlimit64 and dup3 in the child; open, read and close in the parent. Before lock-down.
 */
#include "platform/stub_process.h"
#include "base/host.h"
#include "platform/filter/namespaces.h"
#include "platform/stub/layout.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A line of /proc/self/maps that names a part of the vDSO. */
static void vdso_add(struct vdso *v, const char *line)
{
	char *end;
	u64 first = strtoul(line, &end, 16), last = *end == '-' ? strtoul(end + 1, &end, 16) : 0;
	if (last <= first || v->parts == array_size(v->part))
		return;
	v->part[v->parts].begin = first;
	v->part[v->parts++].end = last;
	v->begin = v->begin ? min_of(v->begin, first) : first;
	v->end = max_of(v->end, last);
}

/* Not by stdio: most of the lines are of no interest, and the start waits for this. */
int vdso_find(struct vdso *v)
{
	static char text[64 * 1024];
	size_t have = 0;
	ssize_t n;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	memset(v, 0, sizeof(*v));
	v->code = getauxval(AT_SYSINFO_EHDR);
	if (fd < 0)
		return -errno;
	while (have < sizeof(text) - 1 && (n = read(fd, text + have, sizeof(text) - 1 - have)) > 0)
		have += (size_t)n;
	close(fd);
	text[have] = 0;
	/* [vvar], [vvar_vclock], [vdso]: newer kernels split the data further. */
	for (char *p = text; (p = strstr(p, "[v")); p++) {
		char *line = memrchr(text, '\n', (size_t)(p - text));
		if (!strncmp(p, "[vvar", 5) || !strncmp(p, "[vdso]", 6))
			vdso_add(v, line ? line + 1 : text);
	}
	if (v->end - v->begin > STUB_VDSO_MAX)
		return -E2BIG;
	return 0;
}

void stub_process_shed(int socket, pid_t parent, u32 max_processes)
{
	const u64 no_signals = 0;
	const struct rlimit none = {0, 0};
	struct rlimit files;

	namespaces_enter(max_processes);
	host_cpu_any(); /* see host_cpu_part */
	syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (syscall(SYS_getppid) != parent)
		_exit(126);
	/*
	 * The group of all stubs, by which the warden (platform/stub/warden.c) kills them. The
	 * session stays the sentry's: by that the launcher knows what belongs to its sandbox.
	 */
	syscall(SYS_setpgid, 0, 0);
	/* Handlers stay as they are: what a stub can live to see it handles itself, before long. */
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, NULL, 8);
	/* The host would go on writing to these, in memory that will be gone. */
	if (__rseq_size)
		syscall(SYS_rseq, (u8 *)__builtin_thread_pointer() + __rseq_offset, 32,
		        RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
	syscall(SYS_set_robust_list, NULL, 24);
	syscall(SYS_set_tid_address, NULL);
	syscall(SYS_prlimit64, 0, RLIMIT_CORE, &none, NULL);
	syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, &none, NULL);
	if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &files) == 0) {
		files.rlim_max = min_of(files.rlim_max, (rlim_t)STUB_FILES_MAX);
		files.rlim_cur = files.rlim_max;
		syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &files, NULL);
	}
	syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
	syscall(SYS_prctl, PR_SET_NAME, "moat-stub", 0, 0, 0);
	if (socket != STUB_SOCKET_FD && syscall(SYS_dup3, socket, STUB_SOCKET_FD, O_CLOEXEC) < 0)
		_exit(125);
}
