/*
 * execve(2): from a file to a running program.
 *
 *	exec_run	finds the program: scripts name interpreters, which may be scripts
 *			new credentials, argument limits
 *	------------	point of no return (fs/exec.c begin_new_exec)
 *			the other threads end
 *			the new image is mapped: in the task's own stub if nobody shares it, else in
 *			a fresh one, and the old host thread ends
 *			what the old program leaves behind goes: handlers, descriptors, ...
 *
 * Before that point an error is the call's result; after it there is no program
 * to return to, and the process dies by SIGSEGV, as in Linux.
 */
#include "sentry/exec_internal.h"
#include "base/census.h"
#include "base/fiber.h"
#include "base/host.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include "fs/vfs/inode.h"
#include "fs/vfs/namei.h"
#include "fs/vfs/walk.h"
#include "sentry/signal.h"
#include "sentry/task.h"
#include "sentry/task_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* fs/exec.c exec_binprm: how many interpreters may lead to the program. */
#define SCRIPTS_MAX 5

/* ---- files ------------------------------------------------------------------ */

int exec_open(struct path base, const char *name, int at_flags, struct file **out)
{
	struct open_how_args how = {.flags = O_RDONLY | OPEN_EXEC};

	if (at_flags & AT_SYMLINK_NOFOLLOW)
		how.flags |= O_NOFOLLOW;
	if ((at_flags & AT_EMPTY_PATH) && !*name)
		return vfs_open_path(base, how.flags, out);
	return vfs_open(base, name, &how, out);
}

/* Takes over f; denies writing to it while it is executed. */
static int exec_take_file(struct exec *x, struct file *f)
{
	int err = inode_deny_write(f->inode);

	if (err) {
		file_put(f);
		return err;
	}
	x->file = f;
	return 0;
}

static void exec_drop_file(struct file **f)
{
	if (*f) {
		inode_allow_write((*f)->inode);
		file_put(*f);
	}
	*f = NULL;
}

static int exec_read_head(struct file *f, u8 *head, size_t *len)
{
	ssize_t n = file_read_kernel(f, head, EXEC_HEAD, 0);

	if (n < 0)
		return (int)n;
	*len = (size_t)n;
	memset(head + n, 0, EXEC_HEAD - (size_t)n);
	return 0;
}

/* ---- the program ------------------------------------------------------------ */

/* x->file is a script: its interpreter becomes x->file, and the arguments are changed to match. */
static int exec_follow_script(struct exec *x, const struct script_line *line)
{
	const char *script = x->script_interp ? x->script_interp : x->filename;
	const char *before[3] = {line->interp};
	u32 n = 1;
	struct file *f;
	int err;

	if (line->has_arg)
		before[n++] = line->arg;
	before[n++] = script;
	err = exec_args_shift(x->args, before, n);
	if (err)
		return err;
	free(x->script_interp);
	x->script_interp = strdup(line->interp);
	if (!x->script_interp)
		return -ENOMEM;
	err = exec_open((struct path){0}, line->interp, 0, &f);
	if (err)
		return err;
	exec_drop_file(&x->file);
	return exec_take_file(x, f);
}

static int exec_find_program(struct exec *x)
{
	struct script_line line;
	int err;

	for (;;) {
		err = exec_read_head(x->file, x->head, &x->head_len);
		if (err)
			return err;
		if (script_marked(x->head)) {
			err = script_parse(x->head, &line);
			if (err)
				return err;
			if (x->args->name_hidden)
				return -ENOENT;
			if (x->scripts++ >= SCRIPTS_MAX)
				return -ELOOP;
			err = exec_follow_script(x, &line);
			if (err)
				return err;
			continue;
		}
		return elf_image_parse(x->file, x->head, x->head_len, &x->image);
	}
}

/* The ELF interpreter (ld.so): errors as load_elf_binary has them. */
static int exec_find_interp(struct exec *x)
{
	size_t n = 0;
	int err;

	if (!x->image.interp)
		return 0;
	err = exec_open((struct path){0}, x->image.interp, 0, &x->interp_file);
	if (err)
		return err;
	err = inode_deny_write(x->interp_file->inode);
	if (err) {
		file_put(x->interp_file);
		x->interp_file = NULL;
		return err;
	}
	err = exec_read_head(x->interp_file, x->head, &n);
	if (err)
		return err;
	/* Shorter than an ELF header: the read itself fails. */
	if (n < 64)
		return -EIO;
	err = elf_image_parse(x->interp_file, x->head, n, &x->interp);
	return err == -ENOEXEC ? -ELIBBAD : err;
}

static int exec_prepare(struct exec *x)
{
	static const char *const empty[] = {""};
	int err = exec_find_program(x);

	if (!err)
		err = exec_find_interp(x);
	/* A program without even its own name is given an empty one (CVE-2021-4034). */
	if (!err && !x->args->argc)
		err = exec_args_shift(x->args, empty, 1);
	if (!err)
		err = exec_args_check(x->args, strlen(x->filename),
		                      task_rlimit(x->task, RLIMIT_STACK));
	if (!err)
		err = exec_cred_prepare(x);
	return err;
}

/* ---- the point of no return -------------------------------------------------- */

/* Maps the new image and makes it the task's; the old address space goes. */
static int exec_swap_image(struct exec *x)
{
	static const struct hostop unmap_all = {.kind = HOSTOP_UNMAP_ALL, .fd = -1};
	struct task *t = x->task;
	struct platform_thread *old_thread = t->thread, *thread = old_thread;
	struct mm *old = t->mm, *m = mm_create();
	bool alone;
	int err;

	if (!m)
		return -ENOMEM;
	x->mm = m;
	task_leave_words(t);
	/* A vfork child shares its parent's space, as does a CLONE_VM relative. */
	alone = platform_space_threads(platform_thread_space(old_thread)) == 1;
	/* The stub that made this one by a fork could still speak for it
	 * (platform/systrap/attach.c). */
	if (x->raised)
		alone = false;
	if (alone) {
		m->space = platform_thread_space(old_thread);
		/* Whoever still looks at the old image must not see the new one. */
		mm_detach_space(old);
		err = platform_thread_queue(old_thread, &unmap_all);
	} else {
		/* As may the new host thread. */
		fiber_takes_long();
		err = platform_space_create(&m->space, &thread);
	}
	if (err) {
		mm_put(m);
		return err;
	}
	err = exec_load(x, thread);
	mm_pending_clear(m);
	m->exe = x->file;
	x->file = NULL;
	task_adopt_image(t, m, thread);
	vfork_release(t);
	if (alone)
		mm_drop_user(old);
	else
		mm_leave(old, old_thread);
	return err;
}

/* exec unshares the descriptor table, then closes what is marked (fs/exec.c unshare_files). */
static int exec_close_files(struct task *t)
{
	if (ref_count(&t->caller.files->ref) > 1) {
		struct fdtable *own = fdtable_copy(t->caller.files, FDTABLE_MAX);
		if (!own)
			return -ENOMEM;
		task_set_files(t, own);
	}
	fdtable_close_on_exec(t->caller.files);
	return 0;
}

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* What the old program leaves behind. */
static void exec_reset_task(struct exec *x)
{
	struct task *t = x->task;
	struct thread_group *g = t->group;

	g->personality &= ~x->personality_clear;
	g->dumpable = !x->nondumpable;
	if (x->secure)
		t->pdeath_signal = 0;
	t->rseq = uptr_make(0);
	t->rseq_len = 0;
	{
		lock_guard(&kernel.tasks_lock);
		g->did_exec = true;
	}
	task_set_comm(t, last_component(x->filename));
	signal_flush_exec(t);
	task_set_cred(t, x->cred);
	x->cred = NULL;
}

static void exec_start(struct exec *x)
{
	struct platform_thread *th = x->task->thread;
	struct user_regs_struct *regs;

	platform_thread_reset(th);
	regs = platform_thread_regs(th);
	regs->rip = x->entry;
	regs->rsp = x->sp;
	/* What a tracer sees when the call returns. */
	regs->orig_rax = x->task->syscall_nr;
	platform_thread_regs_changed(th);
}

static void exec_destroy(struct exec *x)
{
	exec_drop_file(&x->file);
	exec_drop_file(&x->interp_file);
	elf_image_destroy(&x->image);
	elf_image_destroy(&x->interp);
	if (x->cred)
		cred_put(x->cred);
	free(x->script_interp);
	free(x);
}

int exec_run(struct task *t, struct file *file, const char *filename, struct exec_args *args)
{
	struct exec *x = calloc(1, sizeof(*x));
	s32 old_tid = t->tid;
	int err;

	if (!x)
		return -ENOMEM;
	x->task = t;
	x->filename = filename;
	x->args = args;
	err = exec_take_file(x, file_get(file));
	if (!err)
		err = exec_prepare(x);
	if (!err)
		err = host_getrandom(x->random, sizeof(x->random));
	if (err >= 0)
		err = group_single_thread(t);
	if (err) {
		exec_destroy(x);
		return err;
	}
	err = exec_swap_image(x);
	if (!err)
		err = exec_close_files(t);
	if (!err) {
		exec_reset_task(x);
		exec_start(x);
		ptrace_exec(t, old_tid);
	} else {
		group_exit_start(t->group, SIGSEGV);
	}
	exec_destroy(x);
	return err;
}
