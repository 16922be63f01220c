/* See mini_sentry.h. One fiber per guest thread, as in the real one. */
#include "tests/platform/mini_sentry.h"
#include "base/bug.h"
#include "base/caller.h"
#include "base/fiber.h"
#include "base/host.h"
#include "base/lock.h"
#include "base/mutex.h"
#include "base/reactor.h"
#include "base/sched.h"
#include "base/timer.h"
#include "platform/filter/sentry_filter.h"
#include <asm/unistd.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

struct mini mini = {.ops = &systrap_platform};
#define FAULTS_MAX 20

static struct marshal_desc marshal[MARSHAL_NR];

struct task {
	struct platform_thread *thread;
	struct caller caller;
	u64 handler[65];
	u64 area; /* next address for mmap */
	guest_fn *fn;
	u64 arg;
	unsigned faults;
	TAILQ_ENTRY(task) link; /* guarded by tasks_lock */
};

static struct lock tasks_lock = LOCK_INIT(RANK_OBJECT);
static TAILQ_HEAD(, task) tasks = TAILQ_HEAD_INITIALIZER(tasks); /* those with a thread */

static void task_main(void *arg);

static void report(u64 value)
{
	unsigned i = mini.reports++;
	if (i < REPORTS_MAX)
		mini.report[i] = value;
	else
		mini.reports--;
}

static void task_start(struct task *t, fiber_fn *fn)
{
	struct fiber *f;
	mini.tasks++;
	BUG_ON(fiber_create(fn, t, "guest", &t->caller, &f) != 0);
}

static struct task *task_create(void)
{
	struct task *t = calloc(1, sizeof(*t));
	BUG_ON(!t);
	t->area = GUEST_AREA;
	return t;
}

static void queue(struct task *t, struct hostop op)
{
	BUG_ON(platform_thread_queue(t->thread, &op) != 0);
}

static void map(struct task *t, u64 addr, u64 len, int prot)
{
	queue(t, (struct hostop){.kind = HOSTOP_MMAP,
	                         .addr = addr,
	                         .len = len,
	                         .prot = prot,
	                         .flags = MAP_PRIVATE | MAP_ANONYMOUS,
	                         .fd = -1});
}

static void load_code(struct task *t)
{
	size_t n = (size_t)(__stop_guest_code - __start_guest_code);
	map(t, GUEST_CODE, PAGE_ALIGN(n), PROT_READ | PROT_WRITE);
	BUG_ON(platform_thread_sync(t->thread) < 0);
	BUG_ON(copy_out(uptr_make(GUEST_CODE), __start_guest_code, n) != 0);
	queue(t, (struct hostop){.kind = HOSTOP_MPROTECT,
	                         .addr = GUEST_CODE,
	                         .len = PAGE_ALIGN(n),
	                         .prot = PROT_READ | PROT_EXEC});
}

/* Text is not forked while it is being rewritten. */
static struct mutex text_mutex;

static void patch(struct task *t)
{
	u64 site = platform_thread_site(t->thread);
	if (site < GUEST_CODE || site >= GUEST_CODE + AREA_SIZE)
		return;
	mutex_acquire(&text_mutex);
	platform_thread_patch(t->thread, site, GUEST_CODE,
	                      GUEST_CODE +
	                          PAGE_ALIGN((u64)(__stop_guest_code - __start_guest_code)));
	mutex_release(&text_mutex);
}

static void adopt(struct task *t, struct platform_thread *thread)
{
	static _Atomic s32 pids = 1000;
	struct thread_identity id = {.pid = 77, .tid = ++pids, .euid = 55};
	t->thread = thread;
	lock_acquire(&tasks_lock);
	TAILQ_INSERT_TAIL(&tasks, t, link);
	lock_release(&tasks_lock);
	t->caller.uspace = platform_thread_uspace(thread);
	t->handler[10] = guest_address(guest_handler_none);
	platform_thread_set_identity(thread, mini.no_identity ? NULL : &id);
	atomic_store(&mini.target, thread);
}

static u64 do_clone(struct task *t, const struct user_regs_struct *regs)
{
	struct task *c = task_create();
	struct user_regs_struct *r;
	struct platform_thread *thread;
	int err = platform_thread_clone(t->thread, &thread);
	if (err) {
		free(c);
		return (u64)(s64)err;
	}
	adopt(c, thread);
	memcpy(c->handler, t->handler, sizeof(c->handler));
	r = platform_thread_regs(thread);
	r->rsp = regs->rsi - 8;
	r->rip = regs->r8;
	r->rdi = regs->r10;
	r->rax = 0;
	platform_thread_regs_changed(thread);
	task_start(c, task_main);
	return 1;
}

static u64 do_fork(struct task *t)
{
	struct task *c = task_create();
	struct platform_space *space;
	struct platform_thread *thread;
	int err;
	mutex_acquire(&text_mutex);
	err = platform_space_fork(t->thread, &space, &thread);
	mutex_release(&text_mutex);
	if (err) {
		free(c);
		return (u64)(s64)err;
	}
	adopt(c, thread);
	memcpy(c->handler, t->handler, sizeof(c->handler));
	c->area = t->area;
	platform_thread_regs(thread)->rax = 0;
	task_start(c, task_main);
	return 2;
}

static u64 do_mmap(struct task *t, const struct user_regs_struct *r)
{
	u64 addr = r->rdi ? r->rdi : t->area;
	if (!r->rdi)
		t->area += PAGE_ALIGN(r->rsi);
	queue(t, (struct hostop){.kind = HOSTOP_MMAP,
	                         .last_result = true,
	                         .addr = addr,
	                         .len = r->rsi,
	                         .prot = (s32)r->rdx,
	                         .flags = (s32)r->r10,
	                         .fd = -1});
	return addr;
}

static u64 do_write(const struct user_regs_struct *r)
{
	u64 n = r->rdx, bad = 0;
	u8 *buf = malloc(n);
	int err = copy_in(buf, uptr_make(r->rsi), n);
	for (u64 i = 0; !err && i < n; i++)
		bad |= buf[i] != (u8)(i * 7);
	free(buf);
	return err ? (u64)(s64)err : bad ? 666 : n;
}

static u64 do_read(const struct user_regs_struct *r)
{
	u64 n = r->rdx;
	u8 *buf = malloc(n);
	memset(buf, 3, n);
	int err = copy_out(uptr_make(r->rsi), buf, n);
	/* What was written must be seen when it is read again in the same call. */
	if (!err && n == 1000) {
		u8 again[10];
		BUG_ON(copy_out(uptr_make(r->rsi + 5), "xyz", 3) != 0);
		BUG_ON(copy_in(again, uptr_make(r->rsi), sizeof(again)) != 0);
		BUG_ON(memcmp(again, "\3\3\3\3\3xyz\3\3", 10) != 0);
	}
	free(buf);
	return err ? (u64)(s64)err : n;
}

static u64 do_futex(struct task *t, const struct user_regs_struct *r)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (r->rdi >= GUEST_MAX)
		return (u64)-EFAULT;
	queue(t,
	      (struct hostop){.kind = HOSTOP_FUTEX,
	                      .last_result = true,
	                      .addr = r->rdi,
	                      .flags = (s32)r->rsi,
	                      .val = r->rdx,
	                      .val3 = r->r9,
	                      .deadline = r->r10 ? (u64)now.tv_sec * 1000000000 + 1000000 : ~0ULL});
	return 0;
}

static int push_signal(struct task *t, int signo)
{
	struct user_regs_struct *r = platform_thread_regs(t->thread);
	struct signal_frame f = {.signo = signo,
	                         .handler = t->handler[signo],
	                         .restorer = guest_address(guest_restorer),
	                         .sp = r->rsp - 128,
	                         .mask = 0x5555};
	f.info.si_signo = signo;
	return platform_frame_push(t->thread, &f);
}

static void do_sigreturn(struct task *t)
{
	u64 mask;
	stack_t altstack;
	int err = platform_frame_pop(t->thread, &mask, &altstack);
	if (err || (mask != 0x5555 && mask != 0)) {
		mini.faults++;
		report(11);
		platform_thread_regs(t->thread)->rip = guest_address(guest_exit);
		platform_thread_regs(t->thread)->rsp = GUEST_STACK + AREA_SIZE - 8;
		platform_thread_regs_changed(t->thread);
	}
}

static u64 do_unmap_all(struct task *t, const struct user_regs_struct *r)
{
	u64 fn = r->rdi, arg = r->rsi;
	queue(t, (struct hostop){.kind = HOSTOP_UNMAP_ALL});
	load_code(t);
	platform_thread_reset(t->thread);
	platform_thread_regs(t->thread)->rip = fn;
	platform_thread_regs(t->thread)->rdi = arg;
	return 0;
}

static void op1(struct task *t, u8 kind, u64 addr, u64 len, int prot)
{
	queue(t, (struct hostop){
	             .kind = kind, .last_result = true, .addr = addr, .len = len, .prot = prot});
}

/* False: the task ends. */
static bool syscall_run(struct task *t)
{
	struct user_regs_struct *r = platform_thread_regs(t->thread);
	char path[64];
	r->rax = 0;
	switch (r->orig_rax) {
	case __NR_exit:
		return false;
	case __NR_getsid:
		r->rax = 4711;
		break;
	case __NR_getpid:
		r->rax = 78;
		break;
	case CALL_REPORT:
		report(r->rdi);
		break;
	case CALL_HANDLER:
		t->handler[r->rdi % 65] = r->rsi;
		break;
	case CALL_RAISE:
		r->rax = 99; /* what the call returns, seen after the handler has returned */
		if (push_signal(t, (int)r->rdi) != 0)
			return false;
		break;
	case __NR_rt_sigreturn:
		do_sigreturn(t);
		break;
	case __NR_fork:
		r->rax = do_fork(t);
		break;
	case __NR_clone:
		r->rax = do_clone(t, r);
		break;
	case __NR_mmap:
		r->rax = do_mmap(t, r);
		break;
	case CALL_MAP_FILE:
		queue(t, (struct hostop){.kind = HOSTOP_MMAP,
		                         .last_result = true,
		                         .addr = r->rdi,
		                         .len = r->rsi,
		                         .prot = (s32)r->rdx,
		                         .flags = (s32)r->r10,
		                         .fd = mini.file});
		break;
	case __NR_munmap:
		op1(t, HOSTOP_MUNMAP, r->rdi, r->rsi, 0);
		break;
	case __NR_mprotect:
		op1(t, HOSTOP_MPROTECT, r->rdi, r->rsi, (int)r->rdx);
		break;
	case __NR_mremap:
		queue(t, (struct hostop){.kind = HOSTOP_MREMAP,
		                         .last_result = true,
		                         .addr = r->rdi,
		                         .len = r->rsi,
		                         .newlen = r->rdx,
		                         .newaddr = r->r8});
		break;
	case __NR_futex:
		r->rax = do_futex(t, r);
		break;
	case __NR_write:
		r->rax = do_write(r);
		break;
	case __NR_read:
		r->rax = do_read(r);
		break;
	case __NR_chdir:
		r->rax = (u64)copy_in_str(path, uptr_make(r->rdi), sizeof(path));
		break;
	case CALL_HOLD:
		mini.held = r->rax = mini.hold();
		break;
	case CALL_HELD:
		r->rax = mini.held;
		break;
	case CALL_UNMAP_ALL:
		r->rax = do_unmap_all(t, r);
		break;
	default:
		r->rax = (u64)-ENOSYS;
	}
	return true;
}

static void fault_run(struct task *t, const struct event *e)
{
	struct user_regs_struct *r = platform_thread_regs(t->thread);
	mini.faults++;
	report((u64)e->fault.signo);
	/* All of the guests' faulting instructions have two bytes; a breakpoint is passed already.
	 */
	if (e->fault.signo != SIGTRAP)
		r->rip += 2;
	platform_thread_regs_changed(t->thread);
	/* From outside of the code there is no way on. */
	if (r->rip < GUEST_CODE || r->rip > GUEST_CODE + 0x100000) {
		r->rip = guest_address(guest_exit);
		r->rsp = GUEST_STACK + AREA_SIZE - 8;
	}
}

static void task_main(void *arg)
{
	struct task *t = arg;
	struct event e;
	int failed;
	for (;;) {
		int err = platform_thread_run(t->thread, &e, &failed);
		if (err) {
			platform_thread_regs(t->thread)->rax = (u64)(s64)err;
			continue;
		}
		atomic_store(&mini.pending, false);
		if (e.kind == EVENT_DEATH) {
			mini.deaths++;
			break;
		}
		/* What faults for ever has lost its mind. */
		if (e.kind == EVENT_FAULT && ++t->faults > FAULTS_MAX)
			break;
		if (e.kind == EVENT_FAULT)
			fault_run(t, &e);
		else if (e.kind == EVENT_INTERRUPT)
			mini.interrupts++;
		else {
			patch(t);
			if (!syscall_run(t))
				break;
		}
	}
	struct platform_thread *self = t->thread;
	atomic_compare_exchange_strong(&mini.target, &self, NULL);
	lock_acquire(&tasks_lock);
	TAILQ_REMOVE(&tasks, t, link);
	lock_release(&tasks_lock);
	platform_thread_exit(t->thread);
	free(t);
	mini.tasks--;
}

static void first_main(void *arg)
{
	struct task *t = arg;
	struct platform_space *space;
	struct platform_thread *thread;
	struct user_regs_struct *r;
	int err = platform_space_create(&space, &thread);
	if (err) {
		fprintf(stderr, "platform_space_create: %s\n", strerror(-err));
		BUG("no space");
	}
	adopt(t, thread);
	load_code(t);
	map(t, GUEST_DATA, AREA_SIZE, PROT_READ | PROT_WRITE);
	map(t, GUEST_STACK, AREA_SIZE, PROT_READ | PROT_WRITE);
	r = platform_thread_regs(thread);
	r->rip = guest_address(t->fn);
	r->rsp = GUEST_STACK + AREA_SIZE - 8;
	r->rdi = t->arg;
	platform_thread_regs_changed(thread);
	task_main(t);
}

void mini_spawn(guest_fn *fn, u64 arg)
{
	struct task *t = task_create();
	t->fn = fn;
	t->arg = arg;
	task_start(t, first_main);
}

void nap(unsigned us)
{
	static _Atomic u32 nothing;
	const struct timespec ts = {us / 1000000, us % 1000000 * 1000};
	host_futex_wait(&nothing, 0, &ts, false);
}

bool mini_wait(void)
{
	for (int i = 0; i < 20000 && mini.tasks; i++)
		nap(i < 100 ? 100 : 1000);
	return mini.tasks == 0;
}

void mini_kill(void)
{
	struct task *t;
	lock_guard(&tasks_lock);
	TAILQ_FOREACH (t, &tasks, link)
		platform_space_kill(platform_thread_space(t->thread));
}

void mini_forget(void)
{
	mini.reports = mini.deaths = mini.faults = mini.interrupts = 0;
	atomic_store(&mini.target, NULL);
}

bool mini_run(guest_fn *fn, u64 arg)
{
	mini_forget();
	mini_spawn(fn, arg);
	return mini_wait();
}

static void fatal(const char *why)
{
	fprintf(stderr, "fatal: %s\n", why);
}

void mini_start(unsigned workers, bool lock_down)
{
	static struct platform_config config;
	int err;
	config = (struct platform_config){.marshal = marshal,
	                                  .patch = !mini.no_patch,
	                                  .direct = true,
	                                  .max_processes = 20000,
	                                  .fatal = fatal};
	marshal[__NR_write].arg[1] = (struct marshal_arg){MARSHAL_IN_LEN, 2, 0};
	marshal[__NR_chdir].arg[0] = (struct marshal_arg){MARSHAL_PATH, 0, 0};
	mutex_init(&text_mutex, RANK_MM);
	err = platform_init(mini.ops, &config);
	if (err) {
		fprintf(stderr, "platform_init: %s\n", strerror(-err));
		exit(1);
	}
	platform_prepare(mini.ops);
	sched_init(platform_workers(workers), platform_doorbell());
	BUG_ON(reactor_start() != 0);
	BUG_ON(platform_start() != 0);
	BUG_ON(sched_start() != 0);
	if (lock_down) {
		const struct sentry_filter_config filter = {.debug = true,
		                                            .tracer = platform_traces()};
		BUG_ON(sentry_filter_apply(&filter) != 0);
	}
}

void mini_stop(void)
{
	platform_shutdown();
	sched_stop();
}
