/*
 * The caller: on whose behalf the running fiber works. The VFS and the network
 * stack know guest tasks only through this; the sentry embeds one in each task.
 */
#pragma once
#include "base/cred.h"
#include "base/types.h"

struct uspace;
struct fs_context;
struct fdtable;
struct net;
struct kernel;

struct caller {
	struct cred *cred;     /* owned; replaced only by the task itself */
	struct uspace *uspace; /* guest memory; NULL for kernel fibers */
	struct fs_context *fs; /* root, cwd, umask (fs/vfs/fs_context.h) */
	struct fdtable *files; /* fs/vfs/fdtable.h */
	struct net *net;       /* network namespace (net/net.h); NULL: the initial one */
	s32 pid;               /* thread group id */
	s32 tid;
	/*
	 * Of the last walk to a name: the name epoch when it began (fs/vfs/name_epoch.h), and
	 * whether nothing but that decides what it found. Several threads may walk as the sentry
	 * itself, and do not look at these.
	 */
	_Atomic u32 walk_epoch;
	_Atomic bool walk_lasts;
	u64 fsize_limit;  /* RLIMIT_FSIZE, bytes */
	u64 nofile_limit; /* RLIMIT_NOFILE, descriptors */
	/* Called when a write hits fsize_limit (SIGXFSZ), or a pipe has no reader (SIGPIPE). */
	void (*raise)(struct caller *c, int sig);
	/* Whether it is being killed: what it has asked for need not be finished. NULL: never. */
	bool (*killed)(const struct caller *c);
	/*
	 * Processes have other numbers in the eyes of some callers: the id of the process that the
	 * running fiber's guest calls nr (0: there is none), and what it calls the one of that id
	 * (0: it cannot see it). NULL: there is but one view.
	 */
	s32 (*pid_given)(s32 nr);
	s32 (*pid_shown)(s32 pid);
};

/* A process id as the caller is to see it. */
s32 caller_shown_pid(s32 pid);

/*
 * Between two pieces of work that must not be cut short by just any signal: others run. -EINTR if
 * the caller is being killed. The other way to do it is fiber_breathe.
 */
must_check int caller_breathe(void);

/* The caller of the running fiber, or of the host thread's own work (root, no memory). */
struct caller *caller(void);

static inline struct cred *caller_cred(void)
{
	return caller()->cred;
}
