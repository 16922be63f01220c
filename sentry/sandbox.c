/*
 * The sentry's main thread: brings the kernel up, starts the first process,
 * shuts the doors, waits for the end.
 *
 * The order matters. Landlock comes first, as stubs must be in the sentry's domain, then
 * the zygote is forked, while this process has one
 * thread and no secrets; then come the scheduler and the reactor; then the kernel's
 * tables and the mount tree; and last the lock-down, after which no host call outside the
 * allowlist can be made by any thread. Guest code runs only after that.
 */
#include "sentry/sandbox.h"
#include "base/blocking.h"
#include "base/caller.h"
#include "base/crash.h"
#include "base/fiber.h"
#include "base/heap.h"
#include "base/host.h"
#include "base/log.h"
#include "base/reactor.h"
#include "base/sanitizer.h"
#include "base/sched.h"
#include "base/timer.h"
#include "base/waitq.h"
#include "fs/hostfd/hostfd.h"
#include "fs/pipe/pipe.h"
#include "fs/tmpfs/tmpfs.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/name_epoch.h"
#include "fs/vfs/told_word.h"
#include "fs/vfs/namei.h"
#include "net/unix/unix.h"
#include "platform/filter/landlock.h"
#include "platform/filter/namespaces.h"
#include "platform/filter/privileges.h"
#include "platform/filter/sentry_filter.h"
#include "platform/platform.h"
#include "sentry/console.h"
#include "sentry/control.h"
#include "sentry/exec.h"
#include "sentry/exit_status.h"
#include "sentry/file_systems.h"
#include "sentry/ns_set.h"
#include "sentry/nsfs.h"
#include "sentry/oom.h"
#include "sentry/uts.h"
#include "sentry/proc/proc.h"
#include "sentry/rootfs.h"
#include "sentry/signal.h"
#include "sentry/stats.h"
#include "sentry/syscall.h"
#include "sentry/trace.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/* Threads for host calls that may sleep. */
#define BLOCKING_THREADS 4

static const struct sandbox_config *config;
static struct reactor_watch control_watch;
static _Atomic u32 ended;

static void control_send(u32 type, u32 value, const char *text)
{
	struct control_message m = {.type = type, .value = value};

	if (text)
		snprintf(m.text, sizeof(m.text), "%s", text);
	host_write(config->control_fd, &m, sizeof(m));
}

/* The sandbox cannot start (or go on): says why and ends everything. */
static noreturn void give_up(int status, const char *text)
{
	control_send(CONTROL_FAILED, (u32)status, text);
	platform_shutdown();
	host_exit_group(status);
}

static noreturn void give_up_err(const char *what, int err)
{
	char text[300];

	snprintf(text, sizeof(text), "%s: %s", what, strerror(-err));
	give_up(EXIT_MOAT_FAILED, text);
}

static void platform_failed(const char *why)
{
	give_up(EXIT_MOAT_FAILED, why);
}

/* ---- what the launcher says ----------------------------------------- */

static void forward_signal(int sig)
{
	struct thread_group *init = kernel.init;

	if (sig < 1 || sig > NSIG_MAX || !init)
		return;
	if (!console_signal(sig))
		signal_send_group_simple(init, sig, SI_USER);
}

static void control_input(struct reactor_watch *w, u32 events)
{
	struct control_message m;
	ssize_t n = host_read(w->fd, &m, sizeof(m));

	if (n == -EAGAIN)
		return;
	/* The launcher is gone: nobody waits for this sandbox any more. */
	if (n <= 0 || (events & EPOLLERR)) {
		platform_shutdown();
		host_exit_group(EXIT_MOAT_FAILED);
	}
	if ((size_t)n != sizeof(m))
		return;
	switch (m.type) {
	case CONTROL_SIGNAL:
		forward_signal((int)m.value);
		break;
	case CONTROL_WINSIZE:
		console_resize(m.value >> 16, m.value & 0xffff);
		break;
	case CONTROL_OOM:
		oom_kill();
		break;
	}
}

/* ---- the first process ----------------------------------------------- */

static int args_fill(struct exec_args *args)
{
	int err = 0;

	for (char *const *p = config->argv; !err && *p; p++)
		err = exec_args_add(args, *p, false);
	for (char *const *p = config->envp; !err && *p; p++)
		err = exec_args_add(args, *p, true);
	return err;
}

static int run_file(struct task *t, const char *name, struct exec_args *args)
{
	struct file *f;
	int err = exec_open((struct path){0}, name, 0, &f);

	if (err)
		return err;
	err = exec_run(t, f, name, args);
	file_put(f);
	return err;
}

static const char *search_path(void)
{
	for (char *const *p = config->envp; *p; p++)
		if (!strncmp(*p, "PATH=", 5))
			return *p + 5;
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

/* As execvp(3): goes on over ENOENT, ENOTDIR and EACCES, and reports EACCES if there was one. */
static int run_searched(struct task *t, const char *name, struct exec_args *args)
{
	char full[PATH_MAX];
	int result = -ENOENT;

	for (const char *dir = search_path(); dir;) {
		const char *end = strchrnul(dir, ':');
		int n = snprintf(full, sizeof(full), "%.*s%s%s", (int)(end - dir), dir,
		                 end > dir ? "/" : "", name);
		int err = n < (int)sizeof(full) ? run_file(t, full, args) : -ENAMETOOLONG;

		if (err == -EACCES)
			result = err;
		else if (err != -ENOENT && err != -ENOTDIR && err != -ENAMETOOLONG)
			return err;
		dir = *end ? end + 1 : NULL;
	}
	return result;
}

/* The boot function of the first task, on its own fiber. */
static int first_program(struct task *t, struct task_boot *boot unused_arg)
{
	const char *name = config->argv[0];
	struct exec_args args;
	char text[400];
	int err;

	exec_args_init(&args);
	err = args_fill(&args);
	if (!err)
		err = strchr(name, '/') ? run_file(t, name, &args) : run_searched(t, name, &args);
	exec_args_destroy(&args);
	if (!err)
		return 0;
	snprintf(text, sizeof(text), "cannot run '%.200s': %s%s", name, strerror(-err),
	         err == -ENOEXEC ? " (moat runs x86-64 programs and scripts that begin with #!)"
	                         : "");
	give_up(exit_status_of_exec(err), text);
}

static void install_stdio(struct fdtable *files)
{
	struct file *f;
	int err;

	for (int fd = 0; fd < 3; fd++) {
		int mode = host_status_flags(fd);

		/* A descriptor that the caller had closed stays closed. */
		if (mode < 0 || (config->stdio_closed & 1u << fd))
			continue;
		err = hostfd_file_create(fd, (u32)mode, &f);
		if (!err)
			err = fdtable_install_at(files, f, fd, 3, false);
		if (err < 0)
			give_up_err("cannot pass on a standard descriptor", err);
	}
}

static struct task *first_task(struct fs_context *fs)
{
	static struct task_boot boot = {.fn = first_program};
	struct fdtable *files = fdtable_create();
	struct cred *cred = cred_create(config->uid, config->gid, config->groups, config->ngroups);
	struct task *init;
	int err;

	if (!files || !cred)
		give_up_err("cannot make the first process", -ENOMEM);
	/* The terminal's slave is opened by its name. */
	caller()->fs = fs;
	if (config->tty)
		err = console_open(files, config->winsize >> 16, config->winsize & 0xffff);
	else
		install_stdio(files), err = 0;
	caller()->fs = NULL;
	if (err)
		give_up_err("cannot make a terminal", err);
	err = task_create_init(fs, files, cred, &boot, &init);
	if (err)
		give_up_err("cannot make the first process", err);
	signal_ignore(init, config->ignored_signals);
	if (config->tty)
		console_own(init);
	return init;
}

/* ---- start and end ----------------------------------------------------- */

static noreturn void end_sandbox(void)
{
	control_send(CONTROL_ENDED, (u32)kernel.exit_status, NULL);
	platform_shutdown();
	host_exit_group(0);
}

static bool on_end(struct waiter *w unused_arg, u32 events unused_arg)
{
	/* Nothing to be said or drained: this thread is awake, the main one would have to be woken.
	 */
	if (!config->tty && !config->stats)
		end_sandbox();
	atomic_store(&ended, 1);
	host_futex_wake(&ended, 1, false);
	return false;
}

static void describe_current(char *buf, size_t n)
{
	struct fiber *f = fiber_self();
	struct task *t;
	const char *call = NULL;

	buf[0] = 0;
	if (!f || !fiber_caller(f) || !fiber_caller(f)->uspace)
		return;
	t = task_self();
	if (t->syscall_nr < SYSCALL_NR)
		call = syscall_table[t->syscall_nr].name;
	snprintf(buf, n, "guest task %d (%s) in %s", t->tid, t->comm, call ? call : "no call");
}

static const struct platform_ops *platform_pick(void)
{
	struct platform_choice choice = platform_choose(platforms, config->platform);
	unsigned workers;
	char text[100];

	if (!choice.ops)
		give_up(EXIT_MOAT_FAILED, choice.lacking);
	workers = platform_ops_workers(choice.ops, config->workers);
	if (config->workers && workers != config->workers) {
		snprintf(text, sizeof(text), "--workers %u: the %s platform has %u",
		         config->workers, platform_ops_name(choice.ops), workers);
		give_up(EXIT_MOAT_FAILED, text);
	}
	if (choice.lacking)
		log_warn("%s; calls are slower by way of %s", choice.lacking,
		         platform_ops_name(choice.ops));
	return choice.ops;
}

static void platform_up(const struct platform_ops *ops)
{
	static struct marshal_desc marshal[MARSHAL_NR];
	static struct platform_config pc; /* the platform keeps looking at it */
	int err;

	syscall_marshal_build(marshal);
	pc = (struct platform_config){.marshal = marshal,
	                              .patch = config->patch,
	                              .direct = config->direct,
	                              .mm_checked = config->mm_checked,
	                              .max_processes = sandbox_max_processes(config->max_tasks),
	                              .debug = config->debug,
	                              .trace_all = config->trace_fd >= 0,
	                              .fatal = platform_failed};
	err = platform_init(ops, &pc);
	if (err)
		give_up_err("cannot start the platform", err);
	fdtable_tell_by(platform_fd_words(), PLATFORM_FD_WORDS);
	told_words_keep(platform_told_words(), PLATFORM_TOLD_WORDS);
	name_epoch_keep(platform_name_word());
}

/* Threads that run fibers, watch descriptors and make slow host calls. */
static void threads_up(void)
{
	int err;

	sched_init(platform_workers(config->workers), platform_doorbell());
	err = reactor_start();
	if (!err)
		err = platform_start();
	if (!err)
		err = blocking_start(BLOCKING_THREADS);
	if (!err)
		err = sched_start();
	if (err)
		give_up_err("cannot start the sentry's threads", err);
}

static void listen_to_launcher(void)
{
	int err = reactor_add(&control_watch, config->control_fd, EPOLLIN, control_input);

	if (err)
		give_up_err("cannot listen to the launcher", err);
}

static bool any_writable_mount(void)
{
	for (unsigned i = 0; i < config->nmounts; i++)
		if (config->mounts[i].kind == MOUNT_HOST_DIR && !config->mounts[i].readonly)
			return true;
	return false;
}

/* Host files: what was granted and no more. Stubs are to be in it, so it comes before them. */
static void confine_files(void)
{
	struct landlock_grant *grant = calloc(config->nmounts + 1, sizeof(*grant));
	unsigned n = 0;
	int err;

	if (!grant)
		give_up_err("cannot confine the sentry", -ENOMEM);
	grant[n++] = (struct landlock_grant){.fd = config->root_fd, .is_dir = true};
	for (unsigned i = 0; i < config->nmounts; i++) {
		const struct mount_spec *m = &config->mounts[i];

		if (m->kind != MOUNT_TMPFS)
			grant[n++] = (struct landlock_grant){
			    .fd = m->fd,
			    .is_dir = m->is_dir,
			    .writable = m->kind == MOUNT_HOST_DIR && !m->readonly};
	}
	err = landlock_confine(grant, n);
	free(grant);
	/* One wall of several: a host that will not have it is no reason not to run. */
	if (err < 0)
		log_warn("Landlock refuses to confine the sentry: %s", strerror(-err));
}

/* Stubs are to have no more than the sentry, so this as well comes before them. */
static void drop_privileges(void)
{
	int err = privileges_drop(any_writable_mount());

	if (err)
		give_up_err("cannot drop the sentry's privileges", err);
}

/*
 * Before there are threads: a table of descriptors that grows while others use it waits for all of
 * the host's CPUs (synchronize_rcu), some 10 ms.
 */
static void prepare_to_reopen(void)
{
	int err = host_reopen_prepare();

	if (err)
		give_up_err("cannot open '/proc/self/fd' on the host", err);
}

static void lock_down(void)
{
	int err;
	struct sentry_filter_config fc = {.host_files = true,
	                                  .writable = any_writable_mount(),
	                                  .terminal = true,
	                                  .tracer = platform_traces(),
	                                  .mm_checked = config->mm_checked,
	                                  .debug = config->debug};

	/* A sanitizer's report forks, maps and reads files: such a build is for finding bugs only.
	 */
	if (MOAT_SANITIZED) {
		log_warn("a sanitizer build: the sentry is not confined");
		return;
	}
	/* To be traced, or looked at through /proc, by nobody but root. A debugger may. */
	err = config->debug ? 0 : privileges_hide();
	if (err)
		give_up_err("cannot hide the sentry's memory", err);
	err = sentry_filter_apply(&fc);
	if (err)
		give_up_err("cannot confine the sentry", err);
}

static void trace_up(void)
{
	const char *bad;
	char text[200];
	int err;

	if (config->trace_fd < 0)
		return;
	err = trace_create(config->trace_fd, config->trace_filter, &kernel.trace, &bad);
	if (err == -EINVAL) {
		snprintf(text, sizeof(text), "--trace: no system call or family '%s'", bad);
		give_up(EXIT_MOAT_FAILED, text);
	} else if (err) {
		give_up_err("cannot trace", err);
	}
}

/* fs/file_table.c files_maxfiles_init: a tenth of the memory, at a KiB each. */
static u64 default_max_files(void)
{
	u64 memory = config->memory_limit ? config->memory_limit : kernel.memory_total;

	return max_of(memory / 1024 / 10, (u64)8192);
}

static void kernel_up(void)
{
	kernel_init();
	file_limit_set(config->max_files ? config->max_files : default_max_files());
	kernel.max_tasks = config->max_tasks;
	kernel.memory_limit = config->memory_limit;
	kernel.debug = config->debug;
	snprintf(kernel.ns->uts->uts.nodename, UTS_LEN + 1, "%s", config->hostname);
	uts_publish(kernel.ns->uts);
	nsfs_init();
	tmpfs_set_global_limit(config->tmpfs_limit);
	file_systems_register();
	proc_open_host_files();
	pipe_init();
	unix_init();
}

noreturn void sandbox_main(const struct sandbox_config *c)
{
	struct waiter end = {.fn = on_end};
	const struct platform_ops *platform;
	struct fs_context *fs;
	struct task *init;
	char why[256];

	config = c;
	heap_configure();
	/* The guest's descriptor 2 is closed with its last user; reports must still get out. */
	log_init(host_dup(2), c->debug ? LOG_DEBUG : LOG_WARN);
	crash_install(describe_current);
	/* Before files are confined, as a library is one. */
	platform = platform_pick();
	if (c->patch)
		platform_prepare(platform);
	if (!MOAT_SANITIZED) {
		confine_files();
		drop_privileges();
	}
	namespaces_receive(c->control_fd);
	/* From here on the zygote starts as well, on another CPU if there is one. */
	platform_up(platform);
	namespaces_release();
	prepare_to_reopen();
	/* They start on that other CPU as well, and all of them must have before the lock-down. */
	threads_up();
	kernel_up();
	trace_up();
	if (rootfs_build(c, &fs, why))
		give_up(EXIT_MOAT_FAILED, why);
	/*
	 * To take the names and inodes of a large tree apart, one by one, would only delay the end.
	 * A census is to show what is left when all has been let go of.
	 */
	if (!c->stats)
		mount_ns_get(fs->ns);
	waitq_add(&kernel.exit_waitq, &end, EPOLLIN);
	init = first_task(fs);
	listen_to_launcher();
	lock_down();
	task_start(init);
	while (!atomic_load(&ended))
		host_futex_wait(&ended, 0, NULL, false);
	console_drain();
	if (c->stats)
		stats_print(log_fd());
	end_sandbox();
}
