/* Decodes the command line of `moat run`. */
#include "cli/run_options.h"
#include "cli/cli.h"
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum option_id {
	OPT_ROOT = 256,
	OPT_BIND,
	OPT_RW,
	OPT_TMPFS,
	OPT_CWD,
	OPT_ENV,
	OPT_CLEAR_ENV,
	OPT_UID,
	OPT_GID,
	OPT_HOSTNAME,
	OPT_MEMORY,
	OPT_PIDS,
	OPT_FILES,
	OPT_TIMEOUT,
	OPT_TTY,
	OPT_NO_TTY,
	OPT_TRACE,
	OPT_TRACE_FILE,
	OPT_DEBUG,
	OPT_STATS,
	OPT_WORKERS,
	OPT_PLATFORM,
	OPT_MM,
	OPT_PATCH,
	OPT_NO_PATCH,
	OPT_DIRECT,
	OPT_NO_DIRECT,
};

static const struct option long_options[] = {
    {"root", required_argument, NULL, OPT_ROOT},
    {"bind", required_argument, NULL, OPT_BIND},
    {"rw", required_argument, NULL, OPT_RW},
    {"tmpfs", required_argument, NULL, OPT_TMPFS},
    {"cwd", required_argument, NULL, OPT_CWD},
    {"env", required_argument, NULL, OPT_ENV},
    {"clear-env", no_argument, NULL, OPT_CLEAR_ENV},
    {"uid", required_argument, NULL, OPT_UID},
    {"gid", required_argument, NULL, OPT_GID},
    {"hostname", required_argument, NULL, OPT_HOSTNAME},
    {"memory", required_argument, NULL, OPT_MEMORY},
    {"pids", required_argument, NULL, OPT_PIDS},
    {"files", required_argument, NULL, OPT_FILES},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"tty", no_argument, NULL, OPT_TTY},
    {"no-tty", no_argument, NULL, OPT_NO_TTY},
    {"trace", optional_argument, NULL, OPT_TRACE},
    {"trace-file", required_argument, NULL, OPT_TRACE_FILE},
    {"debug", no_argument, NULL, OPT_DEBUG},
    {"stats", no_argument, NULL, OPT_STATS},
    {"workers", required_argument, NULL, OPT_WORKERS},
    {"platform", required_argument, NULL, OPT_PLATFORM},
    {"mm", required_argument, NULL, OPT_MM},
    {"patch", no_argument, NULL, OPT_PATCH},
    {"no-patch", no_argument, NULL, OPT_NO_PATCH},
    {"direct", no_argument, NULL, OPT_DIRECT},
    {"no-direct", no_argument, NULL, OPT_NO_DIRECT},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const char help_text[] =
    "usage: moat run [OPTIONS] [--] PROGRAM [ARGUMENTS]\n"
    "\n"
    "Runs PROGRAM in a sandbox with a kernel of its own. It sees this machine's files\n"
    "read-only; what it writes is kept in memory and dropped at the end. It has no network\n"
    "but loopback, its own /proc, /dev and /tmp, and the caller's user id.\n"
    "\n"
    "Files:\n"
    "  --root DIR              use DIR as the root instead of /\n"
    "  --rw DIR                let the program really change the host's DIR\n"
    "  --bind SRC[:DST][:ro]   show the host's SRC at DST (SRC if not given), writable unless ro\n"
    "  --tmpfs DST[:SIZE]      an empty directory in memory at DST, at most SIZE\n"
    "  --cwd DIR               start in DIR (default: the current directory, or / if it is not\n"
    "                          there inside)\n"
    "Process:\n"
    "  --env K=V               set an environment variable (repeatable); --env K passes K on\n"
    "  --clear-env             start from an empty environment (PATH and TERM excepted)\n"
    "  --uid N, --gid N        user and group id inside\n"
    "  --hostname NAME         host name inside (default: moat)\n"
    "  --tty, --no-tty         give the program a terminal of its own, or pass the descriptors on\n"
    "                          (default: a terminal if standard input and output are one)\n"
    "Limits:\n"
    "  --memory SIZE           memory of all processes and in-memory files together\n"
    "  --pids N                processes and threads at once (default: 32768)\n"
    "  --files N               open files at once, of all processes together; a single process "
    "may\n"
    "                          have no more descriptors (default: one for each 10 KiB of memory)\n"
    "  --timeout SECONDS       end the sandbox after that time, with exit status 124\n"
    "Looking inside:\n"
    "  --trace[=CALLS]         print system calls as strace does; CALLS: names, %file, %process,\n"
    "                          %memory, %network, %signal, %desc, or !name, comma-separated\n"
    "  --trace-file FILE       write the trace to FILE instead of standard error\n"
    "  --debug                 log what the sentry does, and where a program died\n"
    "  --stats                 print counters at the end\n"
    "  --workers N             host threads that serve system calls (default: one per spare core)\n"
    "  --platform NAME         systrap, ptrace (slower, needs less of the host; one worker); "
    "default:\n"
    "                          the first of them that works here, see 'moat doctor'\n"
    "  --mm plain|checked      check when it happens, too, that a program's own process changes "
    "its\n"
    "                          memory and forks only as the sentry has told it (default: plain;\n"
    "                          ptrace knows no other way)\n"
    "  --patch, --no-patch     rewrite system calls that programs make often, so that they do not\n"
    "                          trap (default: yes; systrap only)\n"
    "  --direct, --no-direct   answer what a process may know about itself without asking the\n"
    "                          sentry (default: yes; systrap only)\n"
    "\n"
    "SIZE takes a suffix k, m, g. The exit status is the program's; if it died of a signal, so\n"
    "does moat. 124: timed out; 125: moat failed; 126: cannot be run; 127: not found.\n";

static noreturn void bad_usage(const char *option, const char *value, const char *wants)
{
	complain("%s '%s': %s; see 'moat run --help'", option, value, wants);
	exit(2);
}

static u64 parse_number(const char *option, const char *s, u64 max)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(s, &end, 10);
	if (errno || end == s || *end || !isdigit((unsigned char)*s) || v > max)
		bad_usage(option, s, "a whole number is needed");
	return v;
}

static u64 parse_size(const char *option, const char *s)
{
	char *end;
	double v;
	u64 unit = 1;

	errno = 0;
	v = strtod(s, &end);
	switch (tolower((unsigned char)*end)) {
	case 'k':
		unit = 1ULL << 10, end++;
		break;
	case 'm':
		unit = 1ULL << 20, end++;
		break;
	case 'g':
		unit = 1ULL << 30, end++;
		break;
	case 't':
		unit = 1ULL << 40, end++;
		break;
	}
	if (errno || end == s || *end || !(v > 0) || v * (double)unit > 1e15)
		bad_usage(option, s, "a size such as 512m is needed");
	return (u64)(v * (double)unit);
}

static double parse_seconds(const char *option, const char *s)
{
	char *end;
	double v = strtod(s, &end);

	if (end == s || *end || !(v > 0) || v > 1e9)
		bad_usage(option, s, "a number of seconds is needed");
	return v;
}

static struct mount_spec *mount_add(struct run_options *o)
{
	struct sandbox_config *c = &o->sandbox;

	c->mounts = realloc(c->mounts, (c->nmounts + 1) * sizeof(*c->mounts));
	if (!c->mounts)
		die("out of memory");
	c->mounts[c->nmounts] = (struct mount_spec){.fd = -1, .is_dir = true};
	return &c->mounts[c->nmounts++];
}

static char *copy_of(const char *s, size_t n)
{
	char *p = strndup(s, n);

	if (!p)
		die("out of memory");
	return p;
}

static void parse_bind(struct run_options *o, const char *option, const char *arg)
{
	struct mount_spec *m = mount_add(o);
	const char *colon = strchr(arg, ':');
	const char *rest = colon ? colon + 1 : NULL;

	m->kind = MOUNT_HOST_DIR;
	m->source = copy_of(arg, colon ? (size_t)(colon - arg) : strlen(arg));
	m->target = NULL;
	if (rest && strcmp(rest, "ro") && strcmp(rest, "rw")) {
		const char *end = strrchr(rest, ':');
		if (!end || (strcmp(end, ":ro") && strcmp(end, ":rw")))
			end = rest + strlen(rest);
		m->target = copy_of(rest, (size_t)(end - rest));
		rest = *end ? end + 1 : NULL;
	}
	m->readonly = rest && !strcmp(rest, "ro");
	if (!*m->source || (m->target && m->target[0] != '/'))
		bad_usage(option, arg, "SRC[:DST][:ro] is needed, DST beginning with /");
}

static void parse_tmpfs(struct run_options *o, const char *arg)
{
	struct mount_spec *m = mount_add(o);
	const char *colon = strchr(arg, ':');

	m->kind = MOUNT_TMPFS;
	m->source = "tmpfs";
	m->target = copy_of(arg, colon ? (size_t)(colon - arg) : strlen(arg));
	if (m->target[0] != '/')
		bad_usage("--tmpfs", arg, "DST[:SIZE] is needed, DST beginning with /");
	if (colon)
		m->size = parse_size("--tmpfs", colon + 1);
}

static void parse_env(struct run_options *o, const char *arg)
{
	const char *value;
	char *kv;

	if (arg[0] == '=' || !arg[0])
		bad_usage("--env", arg, "K=V is needed");
	if (strchr(arg, '=')) {
		kv = copy_of(arg, strlen(arg));
	} else {
		value = getenv(arg);
		if (!value)
			return;
		if (asprintf(&kv, "%s=%s", arg, value) < 0)
			die("out of memory");
	}
	o->env = realloc(o->env, (o->nenv + 2) * sizeof(*o->env));
	if (!o->env)
		die("out of memory");
	o->env[o->nenv++] = kv;
	o->env[o->nenv] = NULL;
}

static void parse_hostname(struct run_options *o, const char *arg)
{
	if (!*arg || strlen(arg) > 64)
		bad_usage("--hostname", arg, "1 to 64 characters are needed");
	o->sandbox.hostname = arg;
}

static void apply(struct run_options *o, int id, char *arg)
{
	struct sandbox_config *c = &o->sandbox;

	switch (id) {
	case OPT_ROOT:
		o->root = arg;
		break;
	case OPT_BIND:
		parse_bind(o, "--bind", arg);
		break;
	case OPT_RW:
		parse_bind(o, "--rw", arg);
		break;
	case OPT_TMPFS:
		parse_tmpfs(o, arg);
		break;
	case OPT_CWD:
		if (arg[0] != '/')
			bad_usage("--cwd", arg, "an absolute directory is needed");
		c->cwd = arg;
		break;
	case OPT_ENV:
		parse_env(o, arg);
		break;
	case OPT_CLEAR_ENV:
		o->clear_env = true;
		break;
	case OPT_UID:
		c->uid = (u32)parse_number("--uid", arg, UINT_MAX - 1);
		o->uid_set = true;
		break;
	case OPT_GID:
		c->gid = (u32)parse_number("--gid", arg, UINT_MAX - 1);
		o->gid_set = true;
		break;
	case OPT_HOSTNAME:
		parse_hostname(o, arg);
		break;
	case OPT_MEMORY:
		c->memory_limit = parse_size("--memory", arg);
		break;
	case OPT_PIDS:
		c->max_tasks = (u32)parse_number("--pids", arg, 4000000);
		o->pids_set = true;
		if (!c->max_tasks)
			bad_usage("--pids", arg, "at least 1 is needed");
		break;
	case OPT_FILES:
		c->max_files = parse_number("--files", arg, 1ULL << 32);
		if (!c->max_files)
			bad_usage("--files", arg, "at least 1 is needed");
		break;
	case OPT_TIMEOUT:
		o->timeout = parse_seconds("--timeout", arg);
		break;
	case OPT_TTY:
		o->tty_wanted = true;
		break;
	case OPT_NO_TTY:
		o->tty_refused = true;
		break;
	case OPT_TRACE:
		o->trace = true;
		c->trace_filter = arg;
		break;
	case OPT_TRACE_FILE:
		o->trace = true;
		o->trace_file = arg;
		break;
	case OPT_DEBUG:
		c->debug = true;
		break;
	case OPT_STATS:
		c->stats = true;
		break;
	case OPT_WORKERS:
		c->workers = (unsigned)parse_number("--workers", arg, 64);
		break;
	case OPT_PLATFORM:
		if (strcmp(arg, "systrap") && strcmp(arg, "ptrace"))
			bad_usage("--platform", arg, "'systrap' or 'ptrace' is needed");
		c->platform = arg;
		break;
	case OPT_MM:
		if (strcmp(arg, "plain") && strcmp(arg, "checked"))
			bad_usage("--mm", arg, "'plain' or 'checked' is needed");
		c->mm_checked = !strcmp(arg, "checked");
		break;
	case OPT_PATCH:
		c->patch = true;
		break;
	case OPT_NO_PATCH:
		c->patch = false;
		break;
	case OPT_DIRECT:
		c->direct = true;
		break;
	case OPT_NO_DIRECT:
		c->direct = false;
		break;
	case 'h':
		fputs(help_text, stdout);
		exit(0);
	default:
		fputs("moat: see 'moat run --help'\n", stderr);
		exit(2);
	}
}

void run_options_parse(struct run_options *o, int argc, char **argv)
{
	int id;

	*o = (struct run_options){.root = "/"};
	o->sandbox = (struct sandbox_config){.patch = true,
	                                     .direct = true,
	                                     .root_fd = -1,
	                                     .trace_fd = -1,
	                                     .control_fd = -1,
	                                     .hostname = "moat",
	                                     .max_tasks = 32768};
	/* '+': options end at the program's name. */
	while ((id = getopt_long(argc, argv, "+h", long_options, NULL)) != -1)
		apply(o, id, optarg);
	if (optind >= argc) {
		complain("run: which program? Example: moat run -- ls /; see 'moat run --help'");
		exit(2);
	}
	o->sandbox.argv = argv + optind;
}
