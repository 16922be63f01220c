/*
 * Registers of a tracee, on its own fiber: arch/x86/kernel/ptrace.c,
 * arch/x86/kernel/fpu/regset.c.
 *
 * What a guest may not have is refused: other segments than those of a 64-bit
 * program, and hardware breakpoints, as if all of them were taken.
 */
#include "sentry/ptrace_internal.h"
#include <cpuid.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* CF PF AF ZF SF TF DF OF NT RF AC: what may be set (FLAG_MASK). */
#define EFLAGS_SETTABLE 0x54dd5UL

#define LEGACY_SIZE   512 /* of an XSAVE image: x87 and SSE; bytes from 464 on are software's */
#define SOFTWARE_AT   464
#define HEADER_AT     512
#define HEADER_SIZE   64
#define LEGACY_STATES 3UL

static bool has_thread(const struct task *t)
{
	return t->thread && !t->host_gone;
}

s64 ptrace_get_regs(struct task *t, struct ptrace_call *c)
{
	if (!has_thread(t))
		return -EIO;
	memcpy(c->buf, platform_thread_regs(t->thread), sizeof(struct user_regs_struct));
	return 0;
}

/* One register of a 64-bit task: its offset in struct user_regs_struct. */
static int put_reg(struct user_regs_struct *r, size_t at, u64 value)
{
	u64 *place = (u64 *)((u8 *)r + at);

	switch (at) {
	case offsetof(struct user_regs_struct, cs):
	case offsetof(struct user_regs_struct, ds):
	case offsetof(struct user_regs_struct, es):
	case offsetof(struct user_regs_struct, fs):
	case offsetof(struct user_regs_struct, gs):
	case offsetof(struct user_regs_struct, ss):
		return value == *place ? 0 : -EIO;
	case offsetof(struct user_regs_struct, fs_base):
	case offsetof(struct user_regs_struct, gs_base):
		if (value >= USER_END)
			return -EIO;
		break;
	case offsetof(struct user_regs_struct, eflags):
		value = (r->eflags & ~EFLAGS_SETTABLE) | (value & EFLAGS_SETTABLE);
		break;
	}
	*place = value;
	return 0;
}

s64 ptrace_set_regs(struct task *t, struct ptrace_call *c)
{
	int err = 0;

	if (!has_thread(t))
		return -EIO;
	for (size_t at = 0; at + sizeof(u64) <= c->n && !err; at += sizeof(u64)) {
		u64 value;
		memcpy(&value, (u8 *)c->buf + at, sizeof(value));
		err = put_reg(platform_thread_regs(t->thread), at, value);
	}
	platform_thread_regs_changed(t->thread);
	return err;
}

/* ---- struct user --------------------------------------------------------------- */

static int debugreg_index(u64 at)
{
	u64 first = offsetof(struct user, u_debugreg);

	return at >= first && at < first + sizeof(((struct user *)0)->u_debugreg)
	           ? (int)((at - first) / sizeof(u64))
	           : -1;
}

s64 ptrace_peek_user(struct task *t, struct ptrace_call *c)
{
	u64 *out = c->buf;
	int i = debugreg_index(c->addr);

	if ((c->addr & 7) || c->addr >= sizeof(struct user) || !has_thread(t))
		return -EIO;
	*out = 0;
	if (c->addr < sizeof(struct user_regs_struct))
		memcpy(out, (u8 *)platform_thread_regs(t->thread) + c->addr, sizeof(*out));
	else if (i >= 0)
		*out = t->trace.debugreg[i];
	return 0;
}

static int put_debugreg(struct task *t, int i, u64 value)
{
	if (i == 4 || i == 5 || (i < 4 && value >= USER_END))
		return -EIO;
	/* The low bits of the control register switch breakpoints on: there is none to be had. */
	if (i == 7 && (value & 0xff))
		return -ENOSPC;
	t->trace.debugreg[i] = value;
	return 0;
}

s64 ptrace_poke_user(struct task *t, struct ptrace_call *c)
{
	int i = debugreg_index(c->addr), err;

	if ((c->addr & 7) || c->addr >= sizeof(struct user) || !has_thread(t))
		return -EIO;
	if (i >= 0)
		return put_debugreg(t, i, c->data);
	if (c->addr >= sizeof(struct user_regs_struct))
		return -EIO;
	err = put_reg(platform_thread_regs(t->thread), c->addr, c->data);
	platform_thread_regs_changed(t->thread);
	return err;
}

/* ---- x87, SSE and the rest -------------------------------------------------------- */

static u64 *header_states(u8 *image)
{
	return (u64 *)(image + HEADER_AT);
}

/* The components that the system has switched on: XCR0. */
static u64 enabled_states(void)
{
	u32 low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (u64)high << 32 | low;
}

/* What the header does not name is in its initial state: shown as zeros, not as what was there. */
static void clear_initial_states(u8 *image, size_t size)
{
	u64 states = *header_states(image);
	u32 len, at, ecx, edx;

	for (u32 i = 2; i < 63; i++) {
		if ((states >> i & 1) || !__get_cpuid_count(0xd, i, &len, &at, &ecx, &edx))
			continue;
		if (len && at >= HEADER_AT + HEADER_SIZE && (u64)at + len <= size)
			memset(image + at, 0, len);
	}
}

/* A whole image of the machine's layout, on the heap. */
static int get_image(struct task *t, u8 **out)
{
	size_t size = platform_xstate_size();
	u8 *image;
	int err;

	if (!has_thread(t))
		return -EIO;
	image = calloc(1, max_of(size, (size_t)HEADER_AT + HEADER_SIZE));
	if (!image)
		return -ENOMEM;
	err = platform_xstate_get(t->thread, image, size);
	if (err) {
		free(image);
		return -EIO;
	}
	memset(image + SOFTWARE_AT, 0, LEGACY_SIZE - SOFTWARE_AT);
	*out = image;
	return 0;
}

s64 ptrace_get_fpregs(struct task *t, struct ptrace_call *c)
{
	u8 *image;
	int err = get_image(t, &image);

	if (err)
		return err;
	memcpy(c->buf, image, LEGACY_SIZE);
	free(image);
	return 0;
}

s64 ptrace_set_fpregs(struct task *t, struct ptrace_call *c)
{
	u8 *image;
	int err = get_image(t, &image);

	if (err)
		return err;
	memcpy(image, c->buf, min_of(c->n, (size_t)SOFTWARE_AT));
	if (platform_xstate_size() > LEGACY_SIZE)
		*header_states(image) |= LEGACY_STATES;
	err = platform_xstate_set(t->thread, image, platform_xstate_size());
	free(image);
	return err ? -EIO : 0;
}

s64 ptrace_get_xstate(struct task *t, struct ptrace_call *c)
{
	u64 states = enabled_states();
	u8 *image;
	int err = get_image(t, &image);

	if (err)
		return err;
	clear_initial_states(image, c->n);
	/* Where debuggers look for what the image may contain. */
	memcpy(image + SOFTWARE_AT, &states, sizeof(states));
	memcpy(c->buf, image, c->n);
	free(image);
	return 0;
}

s64 ptrace_set_xstate(struct task *t, struct ptrace_call *c)
{
	u8 *image = c->buf;
	u64 *header = header_states(image);

	if (!has_thread(t))
		return -EIO;
	if (c->n != platform_xstate_size())
		return -EFAULT;
	/* A compacted image, or components that do not exist. */
	if ((header[0] & ~enabled_states()) || header[1])
		return -EINVAL;
	return platform_xstate_set(t->thread, image, c->n) ? -EIO : 0;
}
