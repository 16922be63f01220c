/*
 * `moat run`: opens what the user granted, starts the sentry, and stays
 * outside as its launcher (launcher.c).
 */
#include "cli/cli.h"
#include "cli/launcher.h"
#include "cli/run_options.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* In-memory files may take half of the machine's memory, as tmpfs(5) does on Linux. */
static u64 default_tmpfs_limit(void)
{
	return (u64)sysconf(_SC_PHYS_PAGES) * (u64)sysconf(_SC_PAGESIZE) / 2;
}

/*
 * Holds the places of standard descriptors that the caller had closed: what
 * moat opens for itself must not come to stand there and be taken for the guest's.
 */
static void hold_closed_stdio(struct run_options *o)
{
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/null", O_RDWR | O_CLOEXEC) != fd)
			die("cannot open '/dev/null': %s", strerror(errno));
		o->sandbox.stdio_closed |= 1u << fd;
	}
}

static void open_mount(struct mount_spec *m)
{
	char real[PATH_MAX];
	struct stat st;

	if (m->kind == MOUNT_TMPFS)
		return;
	if (!realpath(m->source, real))
		die("cannot grant '%s': %s", m->source, strerror(errno));
	if (!m->target)
		m->target = strdup(real);
	m->source = strdup(real);
	if (!m->target || !m->source)
		die("out of memory");
	if (stat(real, &st) < 0)
		die("cannot grant '%s': %s", real, strerror(errno));
	m->is_dir = S_ISDIR(st.st_mode);
	if (!m->is_dir && !S_ISREG(st.st_mode))
		die("cannot grant '%s': only directories and regular files can be granted", real);
	m->fd = open(real, O_CLOEXEC | (m->is_dir     ? O_PATH | O_DIRECTORY
	                                : m->readonly ? O_RDONLY
	                                              : O_RDWR));
	if (m->fd < 0)
		die("cannot grant '%s': %s%s", real, strerror(errno),
		    errno == EACCES && !m->readonly ? " (append :ro to grant it read-only)" : "");
}

static bool below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && (path[n] == '/' || !path[n]);
}

/*
 * The sandbox's own /tmp hides the host's, and with it a current directory
 * there: that one is shown, with writes in memory, unless it is granted anyway.
 */
static void show_cwd_below_tmp(struct run_options *o, const char *cwd)
{
	struct sandbox_config *c = &o->sandbox;
	struct mount_spec *m;

	if (!below(cwd, "/tmp") || !strcmp(cwd, "/tmp"))
		return;
	for (unsigned i = 0; i < c->nmounts; i++)
		if (c->mounts[i].target && below(cwd, c->mounts[i].target))
			return;
	c->mounts = realloc(c->mounts, (c->nmounts + 1) * sizeof(*c->mounts));
	if (!c->mounts)
		die("out of memory");
	/* First, so that what was asked for is mounted on top of it. */
	memmove(c->mounts + 1, c->mounts, c->nmounts * sizeof(*c->mounts));
	c->nmounts++;
	m = &c->mounts[0];
	*m = (struct mount_spec){.kind = MOUNT_HOST_COPY,
	                         .source = cwd,
	                         .target = cwd,
	                         .is_dir = true,
	                         .fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)};
	if (m->fd < 0)
		die("cannot show the current directory '%s': %s", cwd, strerror(errno));
}

/* With --root the current directory is not inside, unless it is granted. */
static void choose_cwd(struct run_options *o)
{
	static char cwd[PATH_MAX];
	struct sandbox_config *c = &o->sandbox;

	if (c->cwd)
		return;
	c->cwd = "/";
	c->cwd_or_root = true;
	if (!getcwd(cwd, sizeof(cwd)) || cwd[0] != '/')
		return;
	if (!strcmp(o->root, "/")) {
		show_cwd_below_tmp(o, cwd);
		c->cwd = cwd;
		return;
	}
	for (unsigned i = 0; i < c->nmounts; i++)
		if (c->mounts[i].kind == MOUNT_HOST_DIR && below(cwd, c->mounts[i].target) &&
		    !strcmp(c->mounts[i].source, c->mounts[i].target))
			c->cwd = cwd;
}

static bool is_named(const char *kv, const char *name, size_t len)
{
	return !strncmp(kv, name, len) && kv[len] == '=';
}

static void env_put(char ***env, unsigned *n, char *kv)
{
	size_t len = strcspn(kv, "=");

	for (unsigned i = 0; i < *n; i++)
		if (is_named((*env)[i], kv, len)) {
			(*env)[i] = kv;
			return;
		}
	*env = realloc(*env, (*n + 2) * sizeof(**env));
	if (!*env)
		die("out of memory");
	(*env)[(*n)++] = kv;
	(*env)[*n] = NULL;
}

static char *const *build_env(struct run_options *o)
{
	static char **env; /* the sandbox's for its whole life */
	unsigned n = 0;

	for (char **e = environ; *e; e++)
		if (!o->clear_env || is_named(*e, "PATH", 4) || is_named(*e, "TERM", 4))
			env_put(&env, &n, *e);
	for (unsigned i = 0; i < o->nenv; i++)
		env_put(&env, &n, o->env[i]);
	if (!env && !(env = calloc(1, sizeof(*env))))
		die("out of memory");
	return env;
}

static void choose_identity(struct run_options *o)
{
	static gid_t groups[NGROUPS_MAX];
	struct sandbox_config *c = &o->sandbox;
	int n;

	/* Another identity starts without the caller's supplementary groups. */
	if (!o->uid_set && !o->gid_set) {
		n = getgroups(NGROUPS_MAX, groups);
		c->groups = groups;
		c->ngroups = n > 0 ? (u32)n : 0;
	}
	if (!o->uid_set)
		c->uid = getuid();
	if (!o->gid_set)
		c->gid = o->uid_set ? c->uid : getgid();
}

static void choose_terminal(struct run_options *o)
{
	struct winsize ws = {.ws_row = 24, .ws_col = 80};
	bool both = isatty(0) && isatty(1);

	o->sandbox.tty = o->tty_wanted || (both && !o->tty_refused);
	if (ioctl(0, TIOCGWINSZ, &ws) < 0)
		ioctl(1, TIOCGWINSZ, &ws);
	o->sandbox.winsize = (u32)ws.ws_row << 16 | ws.ws_col;
}

static void open_trace(struct run_options *o)
{
	if (!o->trace)
		return;
	if (!o->trace_file) {
		o->sandbox.trace_fd = fcntl(2, F_DUPFD_CLOEXEC, 3);
		return;
	}
	o->sandbox.trace_fd =
	    open(o->trace_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND, 0666);
	if (o->sandbox.trace_fd < 0)
		die("cannot write the trace to '%s': %s", o->trace_file, strerror(errno));
}

static void open_root(struct run_options *o)
{
	o->sandbox.root_name = o->root;
	o->sandbox.root_fd = open(o->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (o->sandbox.root_fd < 0)
		die("cannot use '%s' as the root: %s; it must be a directory that you may enter",
		    o->root, strerror(errno));
}

/* One descriptor for each host file in use: as many as the host grants. */
static void raise_nofile(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

int cmd_run(int argc, char **argv)
{
	struct run_options o;

	run_options_parse(&o, argc, argv);
	hold_closed_stdio(&o);
	choose_identity(&o);
	choose_terminal(&o);
	open_root(&o);
	for (unsigned i = 0; i < o.sandbox.nmounts; i++)
		open_mount(&o.sandbox.mounts[i]);
	choose_cwd(&o);
	open_trace(&o);
	o.sandbox.envp = build_env(&o);
	o.sandbox.tmpfs_limit = default_tmpfs_limit();
	if (o.sandbox.memory_limit && o.sandbox.memory_limit < o.sandbox.tmpfs_limit)
		o.sandbox.tmpfs_limit = o.sandbox.memory_limit;
	raise_nofile();
	return launch(&o);
}
