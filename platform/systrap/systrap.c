/*
 * The systrap platform: guest code runs in host processes ("stubs") whose every
 * system call raises SIGSYS; the stub in them passes it on through shared memory.
 * This file ties its parts together.
 *
 *	zygote.c    the first stub			space.c     spaces and threads
 *	attach.c    which process a child is		exchange.c  replies and requests
 *	armed.c     what workers look at		guestmem.c  copying
 *	sigframe.c  signal frames and FPU state		probe.c     what the host must have
 *	overdue.c   who does not answer			stock.c     spaces made ahead
 *	spare.c     a stub made ahead			keeper.c    who makes them, and when
 *	patch.c     call sites that do not trap		patch_plan.c  which, and how
 *	patch_slot.c  the code of one			patch_site.c  which there are
 *	patch_text.c  text that is mapped rewritten	text.c      copies of text, for all
 *	patch_view.c  what others see of them		stats.c     counters
 *	permit.c    memory that is checked		library.c   the decoder's
 *
 * Host calls: sched_getaffinity, before lock-down.
 */
#include "platform/systrap/systrap.h"
#include "base/log.h"
#include "base/sched.h"
#include <cpuid.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

struct systrap_state systrap;

/* How long a guest thread waits awake for the sentry, at most. */
#define SPIN_NS 60000
/* Over how long the time stamp counter is measured at the least: nearly always over by itself. */
#define SPIN_MEASURE_NS 200000

static unsigned host_cpus(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}

/* Both clocks at one moment: the start. */
static struct timespec started;
static u64 started_ticks;

static void clocks_read(struct timespec *ts, u64 *ticks)
{
	clock_gettime(CLOCK_MONOTONIC, ts);
	*ticks = __rdtsc();
}

/* Ticks of the time stamp counter in SPIN_NS, by what both clocks have counted since the start. */
static u32 spin_ticks(void)
{
	struct timespec now;
	u64 ticks, ns;
	do {
		clocks_read(&now, &ticks);
		ns = (u64)(now.tv_sec - started.tv_sec) * 1000000000 + (u64)now.tv_nsec -
		     (u64)started.tv_nsec;
	} while (ns < SPIN_MEASURE_NS);
	return (u32)((ticks - started_ticks) * SPIN_NS / ns);
}

static int systrap_init(const struct platform_config *config)
{
	const char *lacking;
	int err;
	clocks_read(&started, &started_ticks);
	systrap.config = config;
	lacking = config->mm_checked ? permits_unsupported() : NULL;
	if (lacking) {
		log_error("--mm=checked %s", lacking);
		return -EOPNOTSUPP;
	}
	space_init();
	err = zygote_create();
	if (err)
		return err;
	memcpy(systrap.shared->marshal, config->marshal, sizeof(systrap.shared->marshal));
	return 0;
}

/* A worker is about to sleep. */
static void rest(void)
{
	late_flush();
	keeper_go();
}

static int systrap_start(void)
{
	static const struct sched_source source = {
	    .poll = armed_poll, .crowded = armed_crowded, .rest = rest};
	int err;
	systrap.cpus = host_cpus();
	systrap.may_spin = systrap.cpus > 1;
	systrap.one_worker = sched_worker_count() == 1;
	systrap.shared->spin_limit = systrap.may_spin ? spin_ticks() : 0;
	space_watch_start(systrap.zygote_space);
	sched_set_source(&source);
	err = permits_start();
	if (!err)
		spare_start();
	return err;
}

static _Atomic u32 *systrap_doorbell(void)
{
	return &systrap.shared->doorbell;
}

static void systrap_shutdown(void)
{
	/* Stubs are killed one by one as their threads exit; the zygote has no other end. */
	systrap.ending = true;
	spare_end();
	if (systrap.zygote_space)
		space_kill(systrap.zygote_space);
}

static void set_identity(struct platform_thread *pt, const struct thread_identity *id)
{
	struct systrap_thread *t = systrap_thread(pt);
	if (id)
		t->ctx->identity = *id;
	t->direct = id && systrap.config->direct && !systrap.config->trace_all;
	atomic_store(&t->ctx->direct, t->direct);
}

static void set_parent(struct platform_thread *pt, s32 ppid)
{
	atomic_store(&systrap_thread(pt)->ctx->ppid, ppid);
}

static void set_any_cpu(struct platform_thread *pt, bool any)
{
	atomic_store(&systrap_thread(pt)->ctx->any_cpu, any);
}

static void set_names(const struct new_utsname *names)
{
	struct stub_shared *s = systrap.shared;
	atomic_fetch_add(&s->names_seq, 1);
	atomic_thread_fence(memory_order_seq_cst);
	s->names = *names;
	atomic_fetch_add(&s->names_seq, 1);
}

static _Atomic u32 *fd_words(void)
{
	return systrap.shared->fd_word;
}

static void forget_fds(struct platform_thread *pt)
{
	struct stub_context *ctx = systrap_thread(pt)->ctx;
	memset(ctx->fd_told, 0, sizeof(ctx->fd_told));
	forget_files(ctx);
}

static void answer_fd(struct platform_thread *pt, unsigned fd, u32 answers, u32 word, u32 seen)
{
	struct stub_context *ctx = systrap_thread(pt)->ctx;
	ctx->fd_told[fd % PLATFORM_FD_ANSWERS] =
	    (struct fd_told){.seen = seen, .word = (u16)word, .answers = (u8)answers};
}

static _Atomic u32 *told_words(void)
{
	return systrap.shared->told_word;
}

static bool answers(const struct platform_thread *pt)
{
	return container_of(pt, const struct systrap_thread, base)->direct;
}

/* The lines were the stub's last, if it has looked at them. */
static void tell_file(struct platform_thread *pt, unsigned fd, const struct platform_file *f)
{
	struct file_told *out = &systrap_thread(pt)->ctx->files[fd % STUB_FILES_TOLD];
	out->fd = fd + 1;
	out->flags = f->flags;
	out->cloexec = f->cloexec;
	out->of_fd = f->of_fd;
	out->of_attr = f->of_attr;
	out->of_flags = f->of_flags;
	out->st = f->st;
}

static bool told_used(struct platform_thread *pt)
{
	struct systrap_thread *t = systrap_thread(pt);
	bool used = t->told_used;
	t->told_used = false;
	return used;
}

static _Atomic u32 *name_word(void)
{
	return &systrap.shared->name_epoch;
}

static void answer_lasts(struct platform_thread *pt, u32 seen)
{
	struct systrap_thread *t = systrap_thread(pt);
	t->answer_lasts = true;
	t->answer_epoch = seen;
}

static void stat_lasts(struct platform_thread *pt, u32 seen, const struct told *attr)
{
	struct systrap_thread *t = systrap_thread(pt);
	t->stat_lasts = true;
	t->answer_epoch = seen;
	t->stat_told = *attr;
}

const struct platform_ops systrap_platform = {
    .name = "systrap",
    .unsupported = systrap_unsupported,
    .mm_checked_unsupported = permits_unsupported,
    .init = systrap_init,
    .start = systrap_start,
    .prepare = patch_plan_prepare,
    .doorbell = systrap_doorbell,
    .stats_print = systrap_stats_print,
    .shutdown = systrap_shutdown,
    .vdso = zygote_vdso,
    .space_create = space_create,
    .space_fork = space_fork,
    .thread_clone = thread_clone,
    .space_threads = space_threads,
    .thread_exit = thread_exit,
    .space_kill = space_kill,
    .set_identity = set_identity,
    .set_parent = set_parent,
    .set_any_cpu = set_any_cpu,
    .set_names = set_names,
    .fd_words = fd_words,
    .answer_fd = answer_fd,
    .forget_fds = forget_fds,
    .told_words = told_words,
    .answers = answers,
    .tell_file = tell_file,
    .told_used = told_used,
    .name_word = name_word,
    .answer_lasts = answer_lasts,
    .stat_lasts = stat_lasts,
    .usage = thread_usage,
    .space_cpu_time = space_cpu_time,
    .run = thread_run,
    .sync = thread_sync,
    .settle = guestmem_settle,
    .ops_done = thread_ops_done,
    .late_regs = late_registers,
    .looks = thread_looks,
    .waits = thread_waits_direct,
    .interrupt = thread_interrupt,
    .doom = thread_doom,
    .patch = patch_rewrite,
    .unpatch = patch_undo,
    .space_read = space_read,
    .space_write = space_write,
    .frame_push = sigframe_push,
    .frame_pop = sigframe_pop,
    .xstate_get = xstate_get,
    .xstate_set = xstate_set,
};
