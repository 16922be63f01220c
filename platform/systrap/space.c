/*
 * Spaces and threads: how they come, multiply and go.
 *
 * A space's stub comes as described in attach.c; a thread starts in the
 * handler of the thread that cloned it. Both find their context in the state
 * REQUEST, as if they had asked for something already, and wait for a reply.
 *
 * A thread index is free again when the host kernel has cleared the tid word in
 * its context, which it does when the host thread has left the stub for good.
 *
 * Host calls: memfd_create, ftruncate, fcntl, mmap, munmap, socketpair, pidfd_send_signal, waitid,
 * getrandom, close.
 */
#include "base/bug.h"
#include "base/census.h"
#include "base/fiber.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/timer.h"
#include "platform/systrap/systrap.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <limits.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* How long a thread may take to run its last operations. */
#define EXIT_NS 2000000000ULL

static CENSUS(space_census, "platform spaces");
static CENSUS(thread_census, "platform threads");

/*
 * Spaces whose stubs and threads have ended. To free one takes as long as some fifty calls, which
 * is the keeper's time and not that of the reactor, whose CPU a guest most likely needs; but only
 * so many wait for that.
 */
#define GONE_MAX 8u
static struct lock gone_lock = LOCK_INIT(RANK_PLATFORM);
static STAILQ_HEAD(, platform_space) gone = STAILQ_HEAD_INITIALIZER(gone); /* by gone_lock, */
static unsigned gone_count;                                                /* as is this */

/* One child of the zygote at a time: it has one thread. */
static struct mutex zygote_mutex;

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int context_create(struct platform_space *s)
{
	void *p;
	s->context_fd = memfd_create("moat-context", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->context_fd < 0 || ftruncate(s->context_fd, STUB_CONTEXTS_SIZE) != 0)
		return -errno;
	/* A stub that could shrink it would make the sentry fault. */
	if (fcntl(s->context_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		return -errno;
	p = mmap(NULL, STUB_CONTEXTS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
	         s->context_fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	s->contexts = (u64)p;
	return 0;
}

/* From now on its number may be another process's. */
static void space_reap(struct platform_space *s)
{
	siginfo_t info;
	attach_forget(s);
	waitid(P_PIDFD, (id_t)s->pidfd, &info, WEXITED | WNOHANG | __WALL);
}

static void space_free(struct platform_space *s)
{
	overdue_end(s);
	if (s->pidfd >= 0) {
		reactor_remove(&s->death);
		if (s->pid)
			space_reap(s);
	}
	close_fd(&s->pidfd);
	close_fd(&s->socket);
	close_fd(&s->stub_socket);
	close_fd(&s->context_fd);
	if (s->contexts)
		munmap((void *)s->contexts, STUB_CONTEXTS_SIZE);
	patch_forget(s);
	census_add(&space_census, -1);
	free(s);
}

int space_alloc(struct platform_space **out)
{
	struct platform_space *s = calloc(1, sizeof(*s));
	int pair[2], err;
	if (!s)
		return -ENOMEM;
	census_add(&space_census, 1);
	lock_init(&s->lock, RANK_PLATFORM);
	TAILQ_INIT(&s->list);
	overdue_init(s);
	s->pidfd = s->socket = s->stub_socket = s->context_fd = -1;
	err = context_create(s);
	if (!err && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		err = -errno;
	if (err) {
		space_free(s);
		return err;
	}
	s->socket = pair[0];
	s->stub_socket = pair[1];
	*out = s;
	return 0;
}

static void zygote_died(struct platform_space *s)
{
	siginfo_t info = {0};
	/* While it becomes a stub, its exit status is the step that failed (boot.S, zygote.c). */
	if (waitid(P_PIDFD, (id_t)s->pidfd, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0)
		log_error("platform: the zygote ended: %s %d",
		          info.si_code == CLD_EXITED ? "status" : "signal", info.si_status);
	if (systrap.config->fatal)
		systrap.config->fatal("the process that forks address spaces has died");
}

static struct platform_space *gone_take(void)
{
	struct platform_space *s;
	lock_guard(&gone_lock);
	s = STAILQ_FIRST(&gone);
	if (s) {
		STAILQ_REMOVE_HEAD(&gone, stock_link);
		gone_count--;
	}
	return s;
}

void spaces_clear(void)
{
	struct platform_space *s;
	while ((s = gone_take()))
		space_free(s);
}

/* Leaves s to the keeper. False if too many are. */
static bool put_away(struct platform_space *s)
{
	bool may;
	/* Among the host's processes it counts no longer than it must. */
	space_reap(s);
	lock_acquire(&gone_lock);
	may = gone_count < GONE_MAX;
	if (may) {
		STAILQ_INSERT_TAIL(&gone, s, stock_link);
		gone_count++;
	}
	lock_release(&gone_lock);
	/* If all workers sleep there is time enough. */
	if (may && !keeper_want())
		spaces_clear();
	return may;
}

/* Reactor thread: the stub's process has ended, whatever the reason. */
static void space_died(struct reactor_watch *w, u32 unused_arg events)
{
	struct platform_space *s = container_of(w, struct platform_space, death);
	struct systrap_thread *t;
	bool last;
	lock_acquire(&s->lock);
	s->reaped = true;
	atomic_store(&s->dead, true);
	TAILQ_FOREACH (t, &s->list, link)
		armed_fail(t);
	last = s->threads == 0;
	lock_release(&s->lock);
	if (s == systrap.zygote_space && !systrap.ending)
		zygote_died(s);
	/* A space in use stays watched until its last thread goes; the pidfd would stay readable.
	 */
	if (!last)
		(void)reactor_arm(w, 0);
	else if (!put_away(s))
		space_free(s);
}

void space_hand_over(struct platform_space *s)
{
	close_fd(&s->stub_socket);
	close_fd(&s->context_fd);
}

void space_watch_start(struct platform_space *s)
{
	int err = reactor_add(&s->death, s->pidfd, EPOLLIN | EPOLLONESHOT, space_died);
	BUG_ON(err != 0);
}

void space_kill(struct platform_space *s)
{
	if (s->pidfd >= 0)
		(void)pidfd_send_signal(s->pidfd, SIGKILL, NULL, 0);
}

void space_abandon(struct platform_space *s)
{
	space_free(s);
}

/* ---- threads ------------------------------------------------------------ */

static int index_take(struct platform_space *s, int k)
{
	lock_guard(&s->lock);
	for (unsigned i = 0; i < STUB_MAX_THREADS; i++) {
		if (k >= 0 && i != (unsigned)k)
			continue;
		if (s->used[i / 64] & 1ULL << (i % 64))
			continue;
		/* Given back by the sentry, but its host thread may not be gone yet. */
		if (space_context(s, i)->tid != 0)
			continue;
		s->used[i / 64] |= 1ULL << (i % 64);
		return (int)i;
	}
	return -EAGAIN;
}

/* What is in no list (any more). */
static void thread_free(struct systrap_thread *t)
{
	permits_free(t);
	free(t);
	census_add(&thread_census, -1);
}

/* What nobody else sees until the thread's own words are there. */
static int thread_alloc(struct platform_space *s, int k, struct systrap_thread **out)
{
	struct systrap_thread *t = calloc(1, sizeof(*t));
	int err;
	if (!t)
		return -ENOMEM;
	census_add(&thread_census, 1);
	t->base.space = s;
	t->base.uspace.ops = &guestmem_ops;
	err = permits_create(t);
	if (!err)
		err = armed_slot_take(t);
	if (err) {
		thread_free(t);
		return err;
	}
	k = index_take(s, k);
	if (k < 0) {
		armed_slot_release(t);
		thread_free(t);
		return k;
	}
	t->k = (unsigned)k;
	t->ctx = space_context(s, t->k);
	*out = t;
	return 0;
}

static _Atomic u64 threads_made;

int space_thread_add(struct platform_space *s, int k, struct systrap_thread **out)
{
	struct systrap_thread *t;
	int err = thread_alloc(s, k, &t);
	if (err)
		return err;
	memset(t->ctx, 0, offsetof(struct stub_context, request));
	forget_files(t->ctx);
	t->ctx->thread = atomic_fetch_add_explicit(&threads_made, 1, memory_order_relaxed) + 1;
	if (systrap.config->patch) {
		t->ctx->self = (u64)stub_context_at(STUB_CONTEXTS, t->k);
		t->ctx->stack = STUB_STACKS + ((u64)t->k + 1) * STUB_STACK_SIZE;
	}
	atomic_store(&t->ctx->tid, 1);
	atomic_store(&t->ctx->state, STUB_REQUEST);
	lock_acquire(&s->lock);
	s->threads++;
	TAILQ_INSERT_TAIL(&s->list, t, link);
	lock_release(&s->lock);
	armed_slot_publish(t);
	*out = t;
	return 0;
}

/* The host thread that its process is named after. */
static bool is_main_thread(const struct systrap_thread *t)
{
	return t->tid == (s32)t->base.space->pid;
}

void space_thread_remove(struct systrap_thread *t)
{
	struct platform_space *s = t->base.space;
	bool last, reaped;
	systrap_stats_take(t);
	exchange_end(t);
	/* Nobody finds the thread any more; then wait for those who have. */
	lock_acquire(&s->lock);
	TAILQ_REMOVE(&s->list, t, link);
	/* The main thread stays, and so does what it sleeps on: see thread_exit. */
	if (!is_main_thread(t))
		s->used[t->k / 64] &= ~(1ULL << (t->k % 64));
	if (s->file_seq && s->file_k == t->k)
		s->file_seq = 0;
	lock_release(&s->lock);
	armed_slot_release(t);
	lock_acquire(&s->lock);
	last = --s->threads == 0;
	reaped = s->reaped;
	if (last && !reaped)
		space_kill(s);
	lock_release(&s->lock);
	thread_free(t);
	/* If the process still is, space_died frees the space. */
	if (last && reaped)
		space_free(s);
}

unsigned space_threads(struct platform_space *s)
{
	lock_guard(&s->lock);
	return s->threads;
}

struct exit_timer {
	struct timer timer;
	struct platform_space *space;
};

static void exit_late(struct timer *timer)
{
	space_kill(container_of(timer, struct exit_timer, timer)->space);
}

void thread_exit(struct platform_thread *pt)
{
	struct systrap_thread *t = systrap_thread(pt);
	struct platform_space *s = pt->space;
	if (pt->ops && !t->died && !s->dead) {
		struct exit_timer late = {.space = s};
		timer_init(&late.timer, exit_late);
		if (timer_arm(&late.timer, time_monotonic() + EXIT_NS) == 0) {
			(void)thread_sync(pt);
			timer_cancel(&late.timer);
		}
	}
	if (!t->died && !s->dead) {
		/*
		 * Alone in it, the thread is ended with its process, which needs no help from the
		 * stub. The main thread waits for that too, asleep: a process whose main thread has
		 * ended has no memory any more for process_vm_readv and its kin.
		 */
		if (space_threads(s) > 1) {
			guestmem_flush(t);
			if (!is_main_thread(t))
				exchange_post(t, VERB_EXIT);
		}
	}
	space_thread_remove(t);
}

/* Where thread k's stub sees the word that the host clears at the thread's end. */
static u64 tid_word(unsigned k)
{
	return STUB_CONTEXTS + (u64)k * STUB_CONTEXT_SIZE + offsetof(struct stub_context, tid);
}

int thread_clone(struct platform_thread *pt, struct platform_thread **out)
{
	struct systrap_thread *t = systrap_thread(pt), *child;
	s64 tid;
	int err = space_thread_add(pt->space, -1, &child);
	if (err)
		return err;
	t->ctx->reply.arg[0] = child->k;
	permits_clone(t, STUB_THREAD_FLAGS, tid_word(child->k));
	tid = exchange_verb(t, VERB_CLONE);
	permits_clone_done(t);
	/* A tid that is not one of this stub's only makes interrupts fail. */
	child->tid = (s32)tid;
	if (tid > 0 && permits_know(child) != 0)
		tid = -EAGAIN;
	if (tid <= 0) {
		atomic_store(&child->ctx->tid, 0);
		space_thread_remove(child);
		return tid < 0 && tid >= -4095 ? (int)tid : -EAGAIN;
	}
	child->base.regs = *platform_thread_regs(pt);
	child->base.regs_changed = true;
	atomic_fetch_add_explicit(&systrap_stats.clones, 1, memory_order_relaxed);
	*out = &child->base;
	return 0;
}

/* ---- forks -------------------------------------------------------------- */

/* Random numbers for forks; each is used once. */
static struct lock tokens_lock = LOCK_INIT(RANK_PLATFORM);
static u64 tokens[32]; /* these guarded by tokens_lock */
static unsigned tokens_left;

static u64 token_take(void)
{
	u64 token;
	lock_guard(&tokens_lock);
	do {
		if (!tokens_left && getrandom(tokens, sizeof(tokens), 0) == sizeof(tokens))
			tokens_left = array_size(tokens);
		token = tokens_left ? tokens[--tokens_left] : 0;
	} while (token == 0);
	return token;
}

/* Has t's host thread fork, with s for the child. */
static int fork_into(struct systrap_thread *t, struct platform_space *s)
{
	const s32 files[] = {s->context_fd, s->stub_socket};
	u64 token = token_take();
	s64 pid;
	int err = exchange_send_files(t, files, array_size(files));
	space_hand_over(s);
	if (err)
		return err;
	t->ctx->reply.arg[0] = token;
	t->ctx->reply.arg[1] = tid_word(t->k);
	permits_clone(t, STUB_FORK_FLAGS, tid_word(t->k));
	pid = exchange_verb(t, VERB_FORK);
	permits_clone_done(t);
	if (pid <= 0 || pid > INT32_MAX)
		return pid < 0 && pid >= -4095 ? (int)pid : -EAGAIN;
	return attach(s, (u32)pid, token) == 0 ? 0 : -EAGAIN;
}

/* The child stands still in the trap that t stands in. */
static int spawn(struct systrap_thread *t, struct platform_space **out_space,
                 struct systrap_thread **out)
{
	struct platform_space *s;
	struct systrap_thread *child;
	int err = stock_take(&s);
	if (err)
		return err;
	err = space_thread_add(s, (int)t->k, &child);
	if (err) {
		space_abandon(s);
		return err;
	}
	err = fork_into(t, s);
	if (!err) {
		child->tid = (s32)s->pid;
		err = permits_know(child);
	}
	if (err) {
		/* A child that came nevertheless ends itself. */
		exchange_post(child, VERB_EXIT);
		lock_acquire(&s->lock);
		s->reaped = true;
		lock_release(&s->lock);
		space_thread_remove(child);
		return err;
	}
	space_watch_start(s);
	atomic_fetch_add_explicit(&systrap_stats.forks, 1, memory_order_relaxed);
	*out_space = s;
	*out = child;
	return 0;
}

int space_fork(struct platform_thread *pt, struct platform_space **space,
               struct platform_thread **out)
{
	struct systrap_thread *t = systrap_thread(pt), *child;
	int err = spawn(t, space, &child);
	if (err)
		return err;
	child->base.regs = *platform_thread_regs(pt);
	child->base.regs_changed = true;
	patch_fork(*space, pt->space);
	*out = &child->base;
	return 0;
}

void space_init(void)
{
	mutex_init(&zygote_mutex, RANK_ZYGOTE);
}

int space_bear(struct platform_space **space, struct systrap_thread **out)
{
	int err;
	mutex_acquire(&zygote_mutex);
	/* The first time, it may still be on its way to its first trap. */
	if (!systrap.zygote_ready) {
		armed_wait(systrap.zygote);
		/* No guest has run yet that could have written there. */
		systrap.warden = (u32)systrap.zygote->ctx->request.value;
		systrap.zygote_ready = true;
	}
	err = spawn(systrap.zygote, space, out);
	/* It is not to wait awake for the next time. */
	thread_waits(&systrap.zygote->base.uspace);
	/* Whoever asked may end the sandbox before zygote_died has been told. */
	if (err == -ESRCH)
		log_error("platform: the process that forks address spaces has died");
	/* This fiber may end before the zygote's next exchange; nobody may still want to unpark it.
	 */
	armed_quiesce();
	mutex_release(&zygote_mutex);
	return err;
}

int space_create(struct platform_space **space, struct platform_thread **out)
{
	struct systrap_thread *child;
	int err = spare_take(space, &child);
	if (err)
		return err;
	*out = &child->base;
	platform_thread_reset(*out);
	return 0;
}
