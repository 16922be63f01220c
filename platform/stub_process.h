/* How a child of the sentry becomes a stub: the part that the platforms share. */
#pragma once
#include "base/types.h"
#include <sys/types.h>

/* Parts of the vDSO: the code and the data pages that it finds at fixed distances. */
struct vdso {
	u64 begin, end;
	struct {
		u64 begin, end;
	} part[8];
	unsigned parts;
	u64 code; /* AT_SYSINFO_EHDR */
};

/* Where the caller, and a child of its, has it. 0 or -errno. */
must_check int vdso_find(struct vdso *v);
/*
 * In the child, on a copy of the parent's stack, with the sentry's libraries still there but
 * its other threads not: it has namespaces of its own, with so many processes at most, dies with
 * the parent, keeps nothing of the sentry's that the host would go on to use, and has socket as its
 * descriptor STUB_SOCKET_FD. What else is open is still to be closed. Ends the process if it
 * cannot.
 */
void stub_process_shed(int socket, pid_t parent, u32 max_processes);
