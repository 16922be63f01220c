/*
 * The platform's common part: which implementation is in use, the queue of host
 * operations, and the register image of a thread that stands still.
 */
#include "platform/platform_ops.h"
#include <cpuid.h>
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>

static const struct platform_ops *platform;

const char *platform_ops_name(const struct platform_ops *ops)
{
	return ops->name;
}

struct platform_choice platform_choose(const struct platform_ops *const *list, const char *name)
{
	struct platform_choice c = {.lacking = "there is no platform of that name"};
	bool first = true;

	for (; *list; list++) {
		const char *lacking;

		if (name && strcmp((*list)->name, name) != 0)
			continue;
		lacking = (*list)->unsupported();
		if (first)
			c.lacking = lacking;
		first = false;
		if (!lacking) {
			c.ops = *list;
			break;
		}
	}
	return c;
}

const char *platform_unsupported(const struct platform_ops *ops)
{
	return ops->unsupported();
}

const char *platform_mm_checked_unsupported(const struct platform_ops *ops)
{
	return ops->mm_checked_unsupported ? ops->mm_checked_unsupported() : NULL;
}

int platform_init(const struct platform_ops *ops, const struct platform_config *config)
{
	platform = ops;
	return ops->init(config);
}

void platform_prepare(const struct platform_ops *ops)
{
	if (ops->prepare)
		ops->prepare();
}

int platform_start(void)
{
	return platform->start();
}

unsigned platform_ops_workers(const struct platform_ops *ops, unsigned wanted)
{
	return ops->workers ? ops->workers : wanted;
}

unsigned platform_workers(unsigned wanted)
{
	return platform_ops_workers(platform, wanted);
}

_Atomic u32 *platform_doorbell(void)
{
	return platform->doorbell();
}

const char *platform_name(void)
{
	return platform->name;
}

bool platform_traces(void)
{
	return platform->traces;
}

void platform_stats_print(int fd)
{
	platform->stats_print(fd);
}

void platform_shutdown(void)
{
	if (platform)
		platform->shutdown();
}

/*
 * CPUID leaf 13: the size of an XSAVE image with all components that the host
 * has enabled. Asked once: under a hypervisor the instruction costs microseconds.
 */
size_t platform_xstate_size(void)
{
	static _Atomic size_t known;
	u32 eax, ebx, ecx, edx;
	size_t size = atomic_load_explicit(&known, memory_order_relaxed);
	if (size)
		return size;
	size = __get_cpuid_count(0xd, 0, &eax, &ebx, &ecx, &edx) ? ebx : 512;
	atomic_store_explicit(&known, size, memory_order_relaxed);
	return size;
}

u64 platform_auxval(u64 type)
{
	if (!platform)
		return 0;
	switch (type) {
	case AT_SYSINFO_EHDR:
		return platform->vdso();
	case AT_HWCAP:
	case AT_HWCAP2:
	case AT_MINSIGSTKSZ:
	case AT_CLKTCK:
		return getauxval(type);
	}
	return 0;
}

int platform_space_create(struct platform_space **space, struct platform_thread **thread)
{
	return platform->space_create(space, thread);
}

/* The child's memory grows where its parent's does. */
static void uspace_inherit(struct platform_thread *child, const struct platform_thread *parent)
{
	child->uspace.grow_low = parent->uspace.grow_low;
	child->uspace.grow_high = parent->uspace.grow_high;
	child->uspace.grow = parent->uspace.grow;
	child->uspace.writable = parent->uspace.writable;
}

int platform_space_fork(struct platform_thread *t, struct platform_space **space,
                        struct platform_thread **child)
{
	int err = platform->space_fork(t, space, child);

	if (!err)
		uspace_inherit(*child, t);
	return err;
}

int platform_thread_clone(struct platform_thread *t, struct platform_thread **child)
{
	int err = platform->thread_clone(t, child);

	if (!err)
		uspace_inherit(*child, t);
	return err;
}

struct platform_space *platform_thread_space(struct platform_thread *t)
{
	return t->space;
}

unsigned platform_space_threads(struct platform_space *space)
{
	return platform->space_threads(space);
}

void platform_thread_exit(struct platform_thread *t)
{
	platform->thread_exit(t);
}

void platform_space_kill(struct platform_space *space)
{
	platform->space_kill(space);
}

struct user_regs_struct *platform_thread_regs(struct platform_thread *t)
{
	if (t->regs_late)
		platform->late_regs(t);
	return &t->regs;
}

struct user_regs_struct *platform_thread_call_regs(struct platform_thread *t)
{
	return &t->regs;
}

void platform_thread_regs_changed(struct platform_thread *t)
{
	if (t->regs_late)
		platform->late_regs(t);
	t->regs_changed = true;
}

void platform_thread_set_identity(struct platform_thread *t, const struct thread_identity *id)
{
	if (platform->set_identity)
		platform->set_identity(t, id);
}

void platform_thread_set_parent(struct platform_thread *t, s32 ppid)
{
	if (platform->set_parent)
		platform->set_parent(t, ppid);
}

void platform_thread_set_any_cpu(struct platform_thread *t, bool any)
{
	if (platform->set_any_cpu)
		platform->set_any_cpu(t, any);
}

void platform_set_names(const struct new_utsname *names)
{
	if (platform->set_names)
		platform->set_names(names);
}

_Atomic u32 *platform_fd_words(void)
{
	return platform->fd_words ? platform->fd_words() : NULL;
}

void platform_thread_answer_fd(struct platform_thread *t, unsigned fd, u32 answers, u32 word,
                               u32 seen)
{
	if (platform->answer_fd)
		platform->answer_fd(t, fd, answers, word, seen);
}

_Atomic u32 *platform_told_words(void)
{
	return platform->told_words ? platform->told_words() : NULL;
}

bool platform_thread_answers(const struct platform_thread *t)
{
	return platform->answers && platform->answers(t);
}

void platform_thread_tell_file(struct platform_thread *t, unsigned fd,
                               const struct platform_file *f)
{
	if (platform->tell_file)
		platform->tell_file(t, fd, f);
}

bool platform_thread_told_used(struct platform_thread *t)
{
	return platform->told_used && platform->told_used(t);
}

void platform_thread_forget_fds(struct platform_thread *t)
{
	if (platform->forget_fds)
		platform->forget_fds(t);
}

_Atomic u32 *platform_name_word(void)
{
	return platform->name_word ? platform->name_word() : NULL;
}

void platform_thread_answer_lasts(struct platform_thread *t, u32 seen)
{
	if (platform->answer_lasts)
		platform->answer_lasts(t, seen);
}

void platform_thread_stat_lasts(struct platform_thread *t, u32 seen, const struct told *attr)
{
	if (platform->stat_lasts)
		platform->stat_lasts(t, seen, attr);
}

int platform_thread_usage(struct platform_thread *t, struct rusage *out)
{
	return platform->usage(t, out);
}

u64 platform_space_cpu_time(struct platform_space *s)
{
	return platform->space_cpu_time(s);
}

int platform_thread_run(struct platform_thread *t, struct event *event, int *failed_op)
{
	return platform->run(t, event, failed_op);
}

void platform_thread_looks(struct platform_thread *t)
{
	if (platform->looks)
		platform->looks(t);
}

void platform_thread_interrupt(struct platform_thread *t)
{
	platform->interrupt(t);
}

void platform_thread_doom(struct platform_thread *t)
{
	if (platform->doom)
		platform->doom(t);
}

void platform_thread_ops_only(struct platform_thread *t)
{
	t->ops_only = true;
}

int platform_thread_queue(struct platform_thread *t, const struct hostop *op)
{
	if (t->ops == HOSTOPS_MAX)
		return -ENOSPC;
	platform_thread_settle(t);
	t->op[t->ops] = *op;
	t->ops++;
	return 0;
}

void platform_thread_settle(struct platform_thread *t)
{
	if (platform->settle)
		platform->settle(t);
}

s64 platform_thread_sync(struct platform_thread *t)
{
	return t->ops ? platform->sync(t) : 0;
}

bool platform_thread_ops_done(const struct platform_thread *t)
{
	/* In this order: an implementation numbers the operations before it empties the queue. */
	return t->ops == 0 && platform->ops_done(t);
}

bool platform_thread_waits(const struct platform_thread *t)
{
	return platform->waits && platform->waits(t);
}

struct uspace *platform_thread_uspace(struct platform_thread *t)
{
	return &t->uspace;
}

size_t platform_space_read(struct platform_space *s, void *dst, u64 src, size_t n)
{
	return platform->space_read(s, dst, src, n);
}

size_t platform_space_write(struct platform_space *s, u64 dst, const void *src, size_t n)
{
	return platform->space_write(s, dst, src, n);
}

u64 platform_thread_site(struct platform_thread *t)
{
	u64 site = t->site;
	t->site = 0;
	return site;
}

void platform_thread_unpatch(struct platform_thread *t, u64 low, u64 high)
{
	if (platform->unpatch)
		platform->unpatch(t, low, high);
}

void platform_thread_patch(struct platform_thread *t, u64 site, u64 low, u64 high)
{
	if (platform->patch)
		platform->patch(t, site, low, high);
}

int platform_frame_push(struct platform_thread *t, const struct signal_frame *f)
{
	/* A frame is an XSAVE image and registers, information and alignment around it. */
	u64 n = min_of(platform_xstate_size() + 1024, f->sp);
	uspace_grow(&t->uspace, f->sp - n, n);
	return platform->frame_push(t, f);
}

int platform_frame_pop(struct platform_thread *t, u64 *mask, stack_t *altstack)
{
	return platform->frame_pop(t, mask, altstack);
}

int platform_xstate_get(struct platform_thread *t, void *buf, size_t n)
{
	return platform->xstate_get(t, buf, n);
}

int platform_xstate_set(struct platform_thread *t, const void *buf, size_t n)
{
	return platform->xstate_set(t, buf, n);
}

void platform_thread_reset(struct platform_thread *t)
{
	memset(&t->regs, 0, sizeof(t->regs));
	t->regs_late = false;
	t->regs.eflags = 0x202; /* interrupts on, and the bit that is always one */
	t->regs_changed = true;
	t->reset_fpu = true;
}
