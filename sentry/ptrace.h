/*
 * ptrace(2) for guests: one task looks at and controls another.
 *
 * A tracee is linked to the task that traces it. At certain points, and only
 * there, it stops: its fiber parks in ptrace_stop_locked, with all that its call has
 * queued for the host done, until the tracer lets it go on, lets go of it, or death
 * comes. What a tracer asks of a stopped tracee (registers, memory) is done by the
 * tracee's own fiber, as only that may touch its thread.
 *
 * ptrace.c: the stops; ptrace_link.c: who traces whom; sys_ptrace.c: the requests;
 * ptrace_regs.c: registers; ptrace_memory.c: memory.
 */
#pragma once
#include "base/types.h"
#include <signal.h>
#include <sys/queue.h>

struct mm;
struct ptrace_call;
struct task;
TAILQ_HEAD(tracee_list, task);

enum { PTRACE_TRACED = 1, PTRACE_SEIZED = 2 };

/*
 * A task's side as a tracee: part of struct task. S, but that flags, tracer and link change
 * under T and S, so that either suffices to look at them.
 */
struct tracee {
	/* PTRACE_TRACED, PTRACE_SEIZED; 0: nobody traces it. Its own fiber looks without a lock. */
	_Atomic u32 flags;
	struct task *tracer; /* alive as long as it is linked */
	TAILQ_ENTRY(task) link;
	u32 options;  /* PTRACE_O_* */
	bool stopped; /* in a ptrace-stop */
	/*
	 * Why, as wait reports it: 0 once it has. When it goes on: the signal that the
	 * tracer has put in its place.
	 */
	int code;
	u64 message;     /* PTRACE_GETEVENTMSG */
	siginfo_t *info; /* PTRACE_GETSIGINFO; on its fiber's stack, while it is stopped; or NULL */
	bool listening;  /* PTRACE_LISTEN: stopped, but not for its tracer */
	bool trap_stop;  /* is to stop at its next look at signals: attached, interrupted, joining a
	                    group's stop */
	bool trap_notify; /* is to say that a group's stop began or ended */
	bool trapping; /* was stopped when attached: its tracer waits until it has stopped anew */
	bool calls;    /* PTRACE_SYSCALL */
	bool emulate;  /* PTRACE_SYSEMU */
	bool step;     /* PTRACE_SINGLESTEP */
	struct ptrace_call *call; /* what its fiber is to do for the tracer */
	u64 debugreg[8];          /* as written; none takes effect */
};

/* ---- stops: on the fiber of t, which may be traced or not ----------------- */

/* May it have to stop at calls or single steps? A hint, exact for its own fiber while it runs. */
bool ptrace_watches_calls(const struct task *t);
/* Before a system call. False: it is not to be carried out. */
must_check bool ptrace_call_enter(struct task *t);
/* After it; its result is in rax, with restarts unresolved, and nothing is queued. */
void ptrace_call_exit(struct task *t);
bool ptrace_event_enabled(const struct task *t, int event);
/* Stops if PTRACE_O_TRACE* of that event was asked for. */
void ptrace_event(struct task *t, int event, u64 message);
/* execve has made a new image; the task had tid old_tid. */
void ptrace_exec(struct task *t, s32 old_tid);
/* A handler has been entered by a single step. */
void ptrace_stepped(struct task *t);

/* siglock held on entry and return, but not in between; as signal delivery has it. */
/* A signal has been taken: the one to go on with, with *info to match, or 0. */
int ptrace_signal_locked(struct task *t, int sig, siginfo_t *info);
/* trap_stop or trap_notify is set. */
void ptrace_trap_locked(struct task *t);

/* ---- of others, siglock held ------------------------------------------------ */

/* A group's stop begins or ends: a seized tracee is to tell. */
void ptrace_trap_notify_locked(struct task *t);
/* It has stopped, or never will: whoever attached it need not wait any more. */
void ptrace_trapped_locked(struct task *t);

/*
 * /proc/PID/mem: memory of m that its protection keeps from t (a task that uses it, or traces
 * one that does and is stopped). How many bytes could be moved.
 */
size_t ptrace_force(struct task *t, struct mm *m, u64 addr, void *buf, size_t n, bool write);

/* ---- links: tasks_lock held ---------------------------------------------------- */

/* The tracer is in another process than the parent (of t's process). */
bool ptrace_reparented_locked(const struct task *t);
/*
 * clone: child, which nobody has seen yet, is traced like t if t is traced and
 * wants it. The siglock of t is held too.
 */
void ptrace_inherit_locked(struct task *t, struct task *child);
void ptrace_unlink_locked(struct task *t);      /* nothing if it is not traced */
void ptrace_unlink_both_locked(struct task *t); /* t's siglock held, too */
/* The end of a task that traces others: they go on without it, or die (PTRACE_O_EXITKILL). */
void ptrace_tracer_exit_locked(struct task *t);
