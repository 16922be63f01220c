/*
 * What an open file says of itself: fstat, and newfstatat of a descriptor and nothing else; its
 * flags; that it is no terminal. The sentry has told us of it, with an earlier answer or with the
 * one to the open, and moves a word on before anything of that changes: one for what the descriptor
 * is, one for the file's attributes, one for its status flags. Programs ask after nearly every
 * open, some twice.
 *
 * All of it lies in the guest's memory: who changes it lies only to itself.
 */
#include "platform/stub/stub.h"
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static bool holds(const _Atomic u32 *words, u32 n, const struct told *at)
{
	return words[at->word % n] == at->seen;
}

/* What there is to fd. NULL: the sentry is to be asked. */
static const struct file_told *told_of(const struct stub_context *ctx, u64 fd)
{
	const struct file_told *f = &ctx->files[fd % STUB_FILES_TOLD];

	if (fd >= PLATFORM_FD_WORDS || f->fd != fd + 1 ||
	    !holds(stub_shared()->fd_word, PLATFORM_FD_WORDS, &f->of_fd))
		return NULL;
	return f;
}

static bool answer_stat(const struct file_told *f, struct host_sigcontext *mc, u64 buf)
{
	if (!holds(stub_shared()->told_word, PLATFORM_TOLD_WORDS, &f->of_attr))
		return false;
	mc->rax = guest_range(buf, sizeof(f->st)) &&
	                  stub_copy((void *)buf, &f->st, sizeof(f->st)) == sizeof(f->st)
	              ? 0
	              : (u64)-EFAULT;
	return true;
}

static bool is_empty(u64 name)
{
	char c;

	return guest_range(name, 1) && stub_copy(&c, (const void *)name, 1) == 1 && c == 0;
}

static bool answer_fcntl(const struct file_told *f, struct host_sigcontext *mc)
{
	switch (mc->rsi & 0xffffffff) {
	case F_GETFD:
		mc->rax = f->cloexec ? FD_CLOEXEC : 0;
		return true;
	case F_SETFD:
		mc->rax = 0;
		return !(mc->rdx & FD_CLOEXEC) == !f->cloexec;
	case F_GETFL:
		mc->rax = f->flags;
		return holds(stub_shared()->told_word, PLATFORM_TOLD_WORDS, &f->of_flags);
	default:
		return false;
	}
}

bool file_answer(struct stub_context *ctx, struct host_sigcontext *mc, u64 nr)
{
	const struct file_told *f = told_of(ctx, mc->rdi & 0xffffffff);
	u64 rax = mc->rax;
	bool answered;

	if (!f)
		return false;
	switch (nr) {
	case __NR_fstat:
		answered = answer_stat(f, mc, mc->rsi);
		break;
	case __NR_newfstatat:
		answered = (mc->r10 & 0xffffffff) == AT_EMPTY_PATH && is_empty(mc->rsi) &&
		           answer_stat(f, mc, mc->rdx);
		break;
	case __NR_fcntl:
		answered = answer_fcntl(f, mc);
		break;
	default: /* ioctl: neither files nor directories are terminals */
		answered = (mc->rsi & 0xffffffff) == TCGETS && !(f->flags & O_PATH);
		mc->rax = (u64)-ENOTTY;
	}
	if (answered)
		ctx->told_used = 1;
	else
		mc->rax = rax;
	return answered;
}
