/* /proc/PID/stat, statm and status: proc(5) has the meaning of each field. */
#include "fs/vfs/fs_context.h"
#include "fs/vfs/fdtable.h"
#include "sentry/cpu_time.h"
#include "sentry/mm.h"
#include "sentry/pid_ns.h"
#include "sentry/proc/proc_internal.h"
#include "sentry/seccomp.h"
#include "sentry/signal.h"
#include "sentry/task.h"
#include "sentry/tty/tty.h"
#include <string.h>
#include <sys/sysmacros.h>

#define TICKS_NS 10000000ULL /* of 1/100 s: what sysconf(_SC_CLK_TCK) says */

static char state_letter(struct task *t)
{
	struct thread_group *g = t->group;

	if (g->state == GROUP_DEAD)
		return 'X';
	if (g->state == GROUP_ZOMBIE || t->exited)
		return 'Z';
	if (t->trace.stopped)
		return 't';
	if (t->stopped)
		return 'T';
	/* Its wait is the host's, behind its last call. */
	if (atomic_load(&t->futex_queued))
		return 'S';
	if (atomic_load_explicit(&t->syscall_nr, memory_order_relaxed) != ~0ULL)
		return task_self() == t ? 'R' : 'S';
	lock_guard(&g->siglock);
	return t->thread && platform_thread_waits(t->thread) ? 'S' : 'R';
}

/* What of the tree the texts need, taken at once. */
struct tree_view {
	s32 pid, tid, ppid, tracer, pgid, sid, tty, tpgid; /* as the proc file system shows them */
	s32 global_pgid, global_sid;
	u32 threads;
	u64 children_user, children_system; /* CPU time, ns */
	int exit_signal, exit_status;
	char state;
};

static void tree_view(struct pid_ns *n, struct task *t, struct tree_view *v)
{
	struct thread_group *g = t->group;
	struct tty *tty;

	*v = (struct tree_view){.tpgid = -1};
	lock_guard(&kernel.tasks_lock);
	v->pid = pid_ns_out(n, g->pid);
	v->tid = pid_ns_out(n, t->tid);
	v->ppid = g->parent ? pid_ns_out(n, g->parent->pid) : 0;
	v->tracer = t->trace.tracer ? pid_ns_out(n, t->trace.tracer->tid) : 0;
	v->state = state_letter(t);
	v->threads = g->nthreads;
	v->children_user = timeval_ns(g->children_rusage.ru_utime);
	v->children_system = timeval_ns(g->children_rusage.ru_stime);
	v->exit_signal = g->exit_signal;
	v->exit_status = g->exit_status;
	if (!g->pgrp)
		return;
	v->pgid = pid_ns_out(n, g->pgrp->pgid);
	v->sid = pid_ns_out(n, g->pgrp->session->sid);
	v->global_pgid = g->pgrp->pgid;
	v->global_sid = g->pgrp->session->sid;
	tty = g->pgrp->session->tty;
	if (tty) {
		v->tty = (s32)makedev(136, tty->index);
		v->tpgid = tty->fg ? pid_ns_out(n, tty->fg->pgid) : -1;
	}
}

/* Signals of the process: pending for the thread and the group, blocked, ignored, caught. */
struct signal_view {
	u64 pending, shared, blocked, ignored, caught;
	u32 queued;
};

static void signal_view(struct task *t, struct signal_view *v)
{
	struct thread_group *g = t->group;

	*v = (struct signal_view){0};
	lock_guard(&g->siglock);
	v->pending = t->pending.set;
	v->shared = g->pending.set;
	v->blocked = t->blocked;
	for (int sig = 1; g->sighand && sig <= NSIG_MAX; sig++) {
		u64 handler = sighand_get(g->sighand, sig).handler;

		if (handler == 1)
			v->ignored |= SIGMASK(sig);
		else if (handler)
			v->caught |= SIGMASK(sig);
	}
}

int show_task_stat(const struct pseudo_ref *ref, struct text *t)
{
	struct task *task = ref_task(ref);
	struct thread_group *g = task->group;
	struct cpu_time cpu = group_cpu_time(g);
	struct signal_view sig;
	struct tree_view v;
	struct mm *mm = NULL;
	char comm[COMM_LEN];
	u64 rsslim;

	if (ref_mm(ref, &mm))
		mm = NULL;
	tree_view(proc_ns(ref), task, &v);
	signal_view(task, &sig);
	task_comm(task, comm);
	lock_acquire(&g->limits_lock);
	rsslim = g->limits[RLIMIT_RSS].rlim_cur;
	lock_release(&g->limits_lock);
	text_add(t, "%d (%.*s) %c %d %d %d %d %d %u ", v.tid, COMM_LEN, comm, v.state, v.ppid,
	         v.pgid, v.sid, v.tty, v.tpgid, 0x400000u);
	text_add(t, "0 0 0 0 %llu %llu %llu %llu ", (unsigned long long)(cpu.user / TICKS_NS),
	         (unsigned long long)(cpu.system / TICKS_NS),
	         (unsigned long long)(v.children_user / TICKS_NS),
	         (unsigned long long)(v.children_system / TICKS_NS));
	text_add(t, "%d %d %u 0 %llu ", 20 + task->nice, task->nice, v.threads,
	         (unsigned long long)(task->start_time / TICKS_NS));
	text_add(t, "%llu %llu %llu ", (unsigned long long)(mm ? mm->total_vm : 0),
	         (unsigned long long)(mm ? mm->data_vm / PAGE_SIZE : 0),
	         (unsigned long long)rsslim);
	if (mm && !ref_may_read(ref))
		text_add(t, "%llu %llu %llu 0 0 ", (unsigned long long)mm->code_start,
		         (unsigned long long)mm->code_end, (unsigned long long)mm->stack_top);
	else
		text_add(t, "1 1 0 0 0 ");
	text_add(t, "%llu %llu %llu %llu 0 0 0 %d 0 0 0 0 0 0 ",
	         (unsigned long long)(sig.pending & 0x7fffffff),
	         (unsigned long long)(sig.blocked & 0x7fffffff),
	         (unsigned long long)(sig.ignored & 0x7fffffff),
	         (unsigned long long)(sig.caught & 0x7fffffff), v.exit_signal);
	if (mm && !ref_may_read(ref))
		text_add(t, "%llu %llu %llu %llu %llu %llu %llu %d\n",
		         (unsigned long long)mm->data_start, (unsigned long long)mm->data_end,
		         (unsigned long long)mm->brk_start, (unsigned long long)mm->arg_start,
		         (unsigned long long)mm->arg_end, (unsigned long long)mm->env_start,
		         (unsigned long long)mm->env_end, v.exit_status);
	else
		text_add(t, "0 0 0 0 0 0 0 0\n");
	if (mm)
		mm_put(mm);
	return 0;
}

int show_task_statm(const struct pseudo_ref *ref, struct text *t)
{
	struct mm *mm;

	if (ref_mm(ref, &mm)) {
		text_add(t, "0 0 0 0 0 0 0\n");
		return 0;
	}
	/* What is resident only the host knows; the private part of the map stands for it. */
	text_add(t, "%llu %llu 0 %llu 0 %llu 0\n", (unsigned long long)(mm->total_vm / PAGE_SIZE),
	         (unsigned long long)((mm->data_vm + mm->stack_vm) / PAGE_SIZE),
	         (unsigned long long)(mm->exec_vm / PAGE_SIZE),
	         (unsigned long long)((mm->data_vm + mm->stack_vm) / PAGE_SIZE));
	mm_put(mm);
	return 0;
}

static const char *state_name(char c)
{
	switch (c) {
	case 'R':
		return "R (running)";
	case 'S':
		return "S (sleeping)";
	case 't':
		return "t (tracing stop)";
	case 'T':
		return "T (stopped)";
	case 'Z':
		return "Z (zombie)";
	default:
		return "X (dead)";
	}
}

static void add_memory(struct text *t, struct mm *mm)
{
	text_add(t, "VmPeak:\t%8llu kB\nVmSize:\t%8llu kB\nVmLck:\t%8llu kB\nVmPin:\t%8d kB\n",
	         (unsigned long long)(atomic_load(&mm->peak_vm) >> 10),
	         (unsigned long long)(mm->total_vm >> 10),
	         (unsigned long long)(mm->locked_vm >> 10), 0);
	text_add(t, "VmHWM:\t%8llu kB\nVmRSS:\t%8llu kB\n",
	         (unsigned long long)((mm->data_vm + mm->stack_vm) >> 10),
	         (unsigned long long)((mm->data_vm + mm->stack_vm) >> 10));
	text_add(t, "RssAnon:\t%8llu kB\nRssFile:\t%8d kB\nRssShmem:\t%8d kB\n",
	         (unsigned long long)((mm->data_vm + mm->stack_vm) >> 10), 0, 0);
	text_add(t,
	         "VmData:\t%8llu kB\nVmStk:\t%8llu kB\nVmExe:\t%8llu kB\n"
	         "VmLib:\t%8llu kB\nVmPTE:\t%8d kB\nVmSwap:\t%8d kB\n",
	         (unsigned long long)(mm->data_vm >> 10), (unsigned long long)(mm->stack_vm >> 10),
	         (unsigned long long)((mm->code_end - mm->code_start) >> 10),
	         (unsigned long long)(mm->exec_vm >> 10), 0, 0);
}

static void add_credentials(struct text *t, const struct cred *c)
{
	const struct user_ns *u = caller_cred()->user_ns;

	text_add(t, "Uid:\t%u\t%u\t%u\t%u\n", user_ns_uid_show(u, c->uid),
	         user_ns_uid_show(u, c->euid), user_ns_uid_show(u, c->suid),
	         user_ns_uid_show(u, c->fsuid));
	text_add(t, "Gid:\t%u\t%u\t%u\t%u\n", user_ns_gid_show(u, c->gid),
	         user_ns_gid_show(u, c->egid), user_ns_gid_show(u, c->sgid),
	         user_ns_gid_show(u, c->fsgid));
}

static void add_capabilities(struct text *t, const struct cred *c)
{
	text_add(t,
	         "CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\nCapBnd:\t%016llx\n"
	         "CapAmb:\t%016llx\n",
	         (unsigned long long)c->cap_inheritable, (unsigned long long)c->cap_permitted,
	         (unsigned long long)c->cap_effective, (unsigned long long)c->cap_bounding,
	         (unsigned long long)c->cap_ambient);
}

static void add_signals(struct text *t, struct task *task)
{
	struct signal_view s;
	u64 limit;

	signal_view(task, &s);
	lock_acquire(&task->group->limits_lock);
	limit = task->group->limits[RLIMIT_SIGPENDING].rlim_cur;
	lock_release(&task->group->limits_lock);
	text_add(t, "SigQ:\t%u/%llu\n", s.queued, (unsigned long long)limit);
	text_add(t, "SigPnd:\t%016llx\nShdPnd:\t%016llx\nSigBlk:\t%016llx\n",
	         (unsigned long long)s.pending, (unsigned long long)s.shared,
	         (unsigned long long)s.blocked);
	text_add(t, "SigIgn:\t%016llx\nSigCgt:\t%016llx\n", (unsigned long long)s.ignored,
	         (unsigned long long)s.caught);
}

/* A newline and a backslash would break the line (fs/proc/array.c proc_task_name). */
static void add_escaped_name(struct text *t, const char *comm)
{
	for (int i = 0; i < COMM_LEN && comm[i]; i++) {
		if (comm[i] == '\n')
			text_add(t, "\\n");
		else if (comm[i] == '\\')
			text_add(t, "\\\\");
		else
			text_add_bytes(t, &comm[i], 1);
	}
	text_add(t, "\n");
}

/* A bit mask as "0-2,5". */
static void add_list(struct text *t, u64 mask)
{
	bool first = true;

	for (int i = 0; i < 64; i++) {
		int from = i;

		if (!(mask & (1ULL << i)))
			continue;
		while (i < 63 && (mask & (1ULL << (i + 1))))
			i++;
		text_add(t, "%s%d", first ? "" : ",", from);
		if (i > from)
			text_add(t, "-%d", i);
		first = false;
	}
	text_add(t, "\n");
}

/* From the namespace that is shown in to the task's own. */
static void add_numbers(struct text *t, struct pid_ns *n, struct task *task,
                        const struct tree_view *v)
{
	const struct {
		const char *name;
		s32 nr;
	} numbers[] = {{"NStgid", task->group->pid},
	               {"NSpid", task->tid},
	               {"NSpgid", v->global_pgid},
	               {"NSsid", v->global_sid}};
	char list[PID_LIST_LEN];

	for (size_t i = 0; i < array_size(numbers); i++) {
		pid_ns_list(n, task->group->pid_ns, numbers[i].nr, list, sizeof(list));
		text_add(t, "%s:%s\n", numbers[i].name, list);
	}
}

int show_task_status(const struct pseudo_ref *ref, struct text *t)
{
	struct task *task = ref_task(ref);
	struct cred *c = task_cred_get(task);
	struct fs_context *fs = task_fs_get(task);
	struct fdtable *files = task_files_get(task);
	struct mm *mm = NULL;
	struct tree_view v;
	char comm[COMM_LEN];

	if (ref_mm(ref, &mm))
		mm = NULL;
	tree_view(proc_ns(ref), task, &v);
	task_comm(task, comm);
	text_add(t, "Name:\t");
	add_escaped_name(t, comm);
	if (fs) {
		text_add(t, "Umask:\t%04o\n", fs->umask);
		fs_context_put(fs);
	}
	text_add(t, "State:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n",
	         state_name(v.state), v.pid, v.tid, v.ppid, v.tracer);
	if (c)
		add_credentials(t, c);
	if (files) {
		/* The table's size: a power of two from 64 on that holds all (fs/file.c). */
		u32 size = 64, open = fdtable_count(files);
		while (size < open)
			size *= 2;
		text_add(t, "FDSize:\t%u\n", size);
		fdtable_put(files);
	}
	text_add(t, "Groups:\t");
	for (u32 i = 0; c && i < c->ngroups; i++)
		text_add(t, "%u ", user_ns_gid_show(caller_cred()->user_ns, c->groups[i]));
	text_add(t, "\n");
	add_numbers(t, proc_ns(ref), task, &v);
	if (mm) {
		add_memory(t, mm);
		mm_put(mm);
	}
	text_add(t, "CoreDumping:\t0\nThreads:\t%u\n", v.threads);
	add_signals(t, task);
	if (c) {
		add_capabilities(t, c);
		cred_put(c);
	}
	text_add(t, "NoNewPrivs:\t%d\nSeccomp:\t%d\nSeccomp_filters:\t%u\n", task->no_new_privs,
	         seccomp_mode(task), seccomp_filter_count(task));
	text_add(t, "Cpus_allowed:\t%llx\n", (unsigned long long)task->cpus_allowed);
	text_add(t, "Cpus_allowed_list:\t");
	add_list(t, task->cpus_allowed & kernel.cpus_online);
	text_add(t, "Mems_allowed:\t1\nMems_allowed_list:\t0\n");
	text_add(t, "voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n");
	return 0;
}
