/*
 * In a group that is not the host's root, either processes are or groups with controllers
 * ("no internal processes", Documentation/admin-guide/cgroup-v2.rst). So the launcher, if it is
 * alone in a group that was delegated to it, steps aside into a leaf, and comes back in the end. If
 * it is not alone it has no say over the others: then the sandbox's group has only those
 * controllers that are there already, and be it none, it can still be ended as a whole.
 *
 * A directory of cgroupfs does not go away with its processes. Somebody must remove it, also if
 * the launcher is killed: the broom does, a child of the launcher's outside the sandbox that
 * waits for the end of a pipe. It is there only where there is a group.
 *
 * The sentry is born in its group, since moving a process makes all forks of the host wait for a
 * grace period, some 10 ms.
 */
#include "cli/cgroup.h"
#include "cli/descriptors.h"
#include "cli/small_file.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* moat looks at the sum itself and ends the largest process at the limit; the host's own choice of
 * a victim could be the sentry. So that comes first only if moat's does not come. */
#define MEMORY_SLACK (64ULL << 20)

/* The sentry's threads. */
#define PROCESS_SLACK 64U

/* Huge pages of the host's pool nobody in a sandbox has a use for. */
static const char *const controllers[] = {"memory", "pids", "hugetlb"};

/* The hierarchy of version 2; the second place is that of hosts that have version 1 beside it. */
static int open_hierarchy(void)
{
	static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	struct statfs st;

	for (size_t i = 0; i < array_size(places); i++)
		if (statfs(places[i], &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC)
			return open(places[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
	return -1;
}

static bool write_at(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

int cgroup_open_own(void)
{
	char text[4096], *path;
	int top, own = -1;

	/* One line a hierarchy; that of version 2 has no controllers in it. */
	if (!small_file_read(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text)))
		return -1;
	path = strncmp(text, "0::/", 4) ? strstr(text, "\n0::/") : text;
	top = path ? open_hierarchy() : -1;
	if (top < 0)
		return -1;
	path = strchr(path, '/') + 1;
	path[strcspn(path, "\n")] = 0;
	own = openat(top, *path ? path : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	close(top);
	/* The permission that counts when a process is put into a group below (cgroups(7)). */
	if (own >= 0 && (faccessat(own, "cgroup.procs", W_OK, AT_EACCESS) != 0 ||
	                 faccessat(own, ".", W_OK, AT_EACCESS) != 0)) {
		close(own);
		own = -1;
	}
	return own;
}

void cgroup_describe(const char *path, char *buf, size_t size)
{
	static const char *const files[] = {"memory.max", "pids.max"};
	int top = open_hierarchy(), dir = -1;
	size_t n = 0;

	buf[0] = 0;
	if (top >= 0) {
		dir = openat(top, path[1] ? path + 1 : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(top);
	}
	for (size_t i = 0; dir >= 0 && i < array_size(files) && n < size; i++) {
		char value[32];

		if (!small_file_read(dir, files[i], value, sizeof(value)))
			continue;
		value[strcspn(value, "\n")] = 0;
		n += (size_t)snprintf(buf + n, size - n, ", %s %s", files[i], value);
	}
	if (dir >= 0)
		close(dir);
}

/* ---- controllers ------------------------------------------------------ */

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += n)
		if ((at == list || at[-1] == ' ') && strchr(" \n", at[n]))
			return true;
	return false;
}

/* "+NAME " for each controller that own could have its groups use and does not yet. */
static bool list_missing(int own, char *list, size_t size)
{
	char there[256], used[256];
	size_t n = 0;

	list[0] = 0;
	if (!small_file_read(own, "cgroup.controllers", there, sizeof(there)) ||
	    !small_file_read(own, "cgroup.subtree_control", used, sizeof(used)))
		return false;
	for (size_t i = 0; i < array_size(controllers); i++)
		if (has_word(there, controllers[i]) && !has_word(used, controllers[i]))
			n += (size_t)snprintf(list + n, size - n, "+%s ", controllers[i]);
	return n > 0;
}

static bool alone_in(int own)
{
	char text[64], *end;

	return small_file_read(own, "cgroup.procs", text, sizeof(text)) &&
	       strtol(text, &end, 10) == getpid() && *end == '\n' && end[1] == 0;
}

static bool step_aside(struct cgroup *g)
{
	char path[64];

	snprintf(g->leaf, sizeof(g->leaf), "moat-launcher-%d", getpid());
	if (mkdirat(g->own, g->leaf, 0755) != 0)
		return false;
	snprintf(path, sizeof(path), "%s/cgroup.procs", g->leaf);
	g->moved = write_at(g->own, path, "0");
	if (!g->moved)
		unlinkat(g->own, g->leaf, AT_REMOVEDIR);
	return g->moved;
}

/* Back from the leaf: the controllers first, which are not for groups with processes in them. */
static void come_back(struct cgroup *g)
{
	char text[32];

	for (size_t i = 0; i < array_size(controllers); i++) {
		snprintf(text, sizeof(text), "-%s", controllers[i]);
		write_at(g->own, "cgroup.subtree_control", text);
	}
	if (write_at(g->own, "cgroup.procs", "0"))
		unlinkat(g->own, g->leaf, AT_REMOVEDIR);
}

/*
 * What others use as well is left as it is: whoever is not alone takes the controllers that are
 * there.
 */
static void enable_controllers(struct cgroup *g)
{
	char missing[128];

	if (!list_missing(g->own, missing, sizeof(missing)) || !alone_in(g->own) || !step_aside(g))
		return;
	if (!write_at(g->own, "cgroup.subtree_control", missing)) {
		come_back(g);
		g->moved = false;
	}
}

/* ---- the sandbox's group ------------------------------------------------ */

static void limit(int dir, const char *file, u64 value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	/* Absent without its controller. */
	write_at(dir, file, text);
}

void cgroup_create(struct cgroup *g, u64 memory, u32 processes)
{
	*g = (struct cgroup){.own = -1, .dir = -1, .life = -1};
	if (!memory && !processes)
		return;
	g->own = cgroup_open_own();
	if (g->own < 0)
		return;
	enable_controllers(g);
	snprintf(g->name, sizeof(g->name), "moat-%d", getpid());
	if (mkdirat(g->own, g->name, 0755) == 0)
		g->dir = openat(g->own, g->name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (g->dir < 0) {
		cgroup_remove(g);
		return;
	}
	if (memory)
		limit(g->dir, "memory.max", memory + MEMORY_SLACK);
	if (processes)
		limit(g->dir, "pids.max", processes + PROCESS_SLACK);
	limit(g->dir, "hugetlb.2MB.max", 0);
	limit(g->dir, "hugetlb.1GB.max", 0);
}

/*
 * What fork(3) does in a process of one thread, but for the group: the C library keeps the thread's
 * number, where the host writes it also when the thread ends.
 */
static pid_t fork_into(int dir)
{
	struct clone_args a = {.flags =
	                           CLONE_INTO_CGROUP | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
	                       .exit_signal = SIGCHLD,
	                       .cgroup = (u64)dir};

	if (prctl(PR_GET_TID_ADDRESS, &a.child_tid) != 0 || !a.child_tid)
		return -1;
	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

pid_t cgroup_fork(struct cgroup *g)
{
	pid_t pid = g->dir >= 0 ? fork_into(g->dir) : -1;

	if (pid >= 0)
		return pid;
	if (g->dir >= 0)
		cgroup_remove(g);
	return fork();
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void cgroup_forget(struct cgroup *g)
{
	close_fd(&g->own);
	close_fd(&g->dir);
	close_fd(&g->life);
}

/* ---- its end -------------------------------------------------------------- */

/* Ends whatever is in it, by the one write that no fork outruns, and removes it. */
static void sweep(struct cgroup *g)
{
	const struct timespec nap = {.tv_nsec = 1000000};

	if (g->dir < 0)
		return;
	for (unsigned tries = 0; tries < 5000; tries++) {
		write_at(g->dir, "cgroup.kill", "1");
		if (unlinkat(g->own, g->name, AT_REMOVEDIR) == 0 || errno != EBUSY)
			return;
		nanosleep(&nap, NULL);
	}
}

static noreturn void broom_main(struct cgroup *g, int life)
{
	sigset_t all;
	char byte;

	/* In a group of its own: what ends the launcher's whole is not to end it as well. */
	setpgid(0, 0);
	prctl(PR_SET_NAME, "moat-broom");
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	while (read(life, &byte, 1) < 0 && errno == EINTR)
		;
	sweep(g);
	if (g->moved)
		come_back(g);
	_exit(0);
}

void cgroup_tie(struct cgroup *g)
{
	int pair[2];

	if (g->dir < 0 || pipe2(pair, O_CLOEXEC) != 0)
		return;
	g->broom = fork();
	if (g->broom == 0) {
		/* The caller's pipes, for one, are to end with the sandbox. */
		int keep[] = {g->own, g->dir, pair[0]};

		descriptors_close_but(keep, array_size(keep));
		broom_main(g, pair[0]);
	}
	close(pair[0]);
	g->life = pair[1];
}

void cgroup_remove(struct cgroup *g)
{
	if (g->broom > 0) {
		close_fd(&g->life);
		while (waitpid(g->broom, NULL, 0) < 0 && errno == EINTR)
			;
		g->broom = 0;
	}
	/* Nothing is left as a rule: somebody may have ended the broom. */
	sweep(g);
	if (g->moved)
		come_back(g);
	g->moved = false;
	cgroup_forget(g);
}
