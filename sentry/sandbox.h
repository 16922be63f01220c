/*
 * A sandbox from its start to its end: what `moat run` asks for, and the
 * sentry's main thread that makes it so.
 */
#pragma once
#include "base/types.h"

enum mount_kind {
	MOUNT_HOST_DIR,  /* a directory or file of the host, as it is */
	MOUNT_HOST_COPY, /* a directory of the host, with writes kept in memory */
	MOUNT_TMPFS,
};
struct mount_spec {
	enum mount_kind kind;
	int fd;             /* host object, opened by the launcher; -1 for tmpfs; taken over */
	const char *source; /* its host name, for /proc/mounts and messages */
	const char *target; /* absolute guest name; made if it does not exist */
	bool is_dir, readonly;
	u64 size; /* tmpfs: bytes, 0 for its default */
};

struct sandbox_config {
	int root_fd; /* O_PATH directory of the host; taken over */
	const char *root_name;
	struct mount_spec *mounts;
	unsigned nmounts;

	char *const *argv; /* argv[0] is looked up in PATH as execvp(3) does */
	char *const *envp;
	const char *cwd;  /* absolute guest name */
	bool cwd_or_root; /* start in / if cwd is not there inside */
	const char *hostname;
	u32 uid, gid;
	const u32 *groups;
	u32 ngroups;

	u64 ignored_signals; /* bit N - 1: the first process ignores signal N, as its caller did */

	u64 memory_limit; /* bytes, 0: none */
	u32 max_tasks;
	u64 max_files;   /* open at once; 0: as Linux would have it */
	u64 tmpfs_limit; /* bytes that all in-memory file systems may take together */

	int control_fd; /* sentry/control.h */
	bool tty;       /* give the program a terminal of its own, joined to descriptors 0 and 1 */
	u32 winsize;    /* rows << 16 | columns */

	u32 stdio_closed; /* bit fd: the caller had closed it; moat's /dev/null holds its place */
	int trace_fd;     /* -1: no trace */
	const char *trace_filter;
	bool debug, stats;
	bool patch;           /* rewrite call sites: platform_config.patch */
	bool direct;          /* let stubs answer what needs no sentry: platform_config.direct */
	bool mm_checked;      /* platform_config.mm_checked */
	unsigned workers;     /* 0: one per spare core */
	const char *platform; /* "systrap", "ptrace"; NULL: the best that the host supports */
};

/*
 * Host processes and threads that so many tasks of the guest may take. Twice their number, as some
 * have two for a moment (a program that begins, a process that goes), and what moat itself has
 * there.
 */
static inline u32 sandbox_max_processes(u32 max_tasks)
{
	return 2 * max_tasks + 64;
}

/*
 * The sentry. Runs on the process's main thread until the first process has
 * ended, tells the launcher, and ends the host process. Descriptors 0 to 2 are the guest's.
 */
noreturn void sandbox_main(const struct sandbox_config *config);
