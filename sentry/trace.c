/*
 * The tracer. A call's line is put together from the table's argument
 * descriptions and written with one host call when the call ends; a call that does
 * not end (exit, execve of another image) is written when it begins. Guest
 * memory is read again for it: what a line shows is what was there when
 * the tracer looked, as with strace.
 */
#include "sentry/trace.h"
#include "base/host.h"
#include "fs/vfs/file.h"
#include "base/uspace.h"
#include "sentry/syscall.h"
#include "sentry/trace_flags.h"
#include <asm/unistd.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct trace {
	int fd;
	bool wanted[SYSCALL_NR];
};

/* ---- which calls ------------------------------------------------------ */

static bool has_kind(const struct syscall_row *r, int first, int last)
{
	for (int i = 0; i < 6; i++)
		if (r->arg[i].kind >= first && r->arg[i].kind <= last)
			return true;
	return false;
}

static bool has_flags(const struct syscall_row *r, int set)
{
	for (int i = 0; i < 6; i++)
		if (r->arg[i].kind == A_FLAGS && r->arg[i].flags == set)
			return true;
	return false;
}

static bool name_in(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(name, *list))
			return true;
	return false;
}

static const char *const process_calls[] = {
    "clone",    "clone3", "fork",       "vfork",      "execve",
    "execveat", "exit",   "exit_group", "wait4",      "waitid",
    "kill",     "tkill",  "tgkill",     "pidfd_open", "pidfd_send_signal",
    NULL};
static const char *const memory_calls[] = {"mmap",    "munmap", "mprotect", "mremap",     "brk",
                                           "madvise", "mlock",  "munlock",  "msync",      "mincore",
                                           "shmat",   "shmdt",  "mlockall", "munlockall", NULL};
static const char *const signal_calls[] = {
    "rt_sigaction",    "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait",
    "rt_sigqueueinfo", "rt_sigsuspend",  "sigaltstack",  "kill",          "tkill",
    "tgkill",          "pause",          "signalfd",     "signalfd4",     NULL};

static bool in_family(const struct syscall_row *r, const char *family, size_t n)
{
	if (n == 4 && !strncmp(family, "file", n))
		return has_kind(r, A_PATH, A_PATH);
	if (n == 4 && !strncmp(family, "desc", n))
		return has_kind(r, A_FD, A_DIRFD);
	if (n == 7 && !strncmp(family, "process", n))
		return name_in(r->name, process_calls);
	if (n == 6 && !strncmp(family, "memory", n))
		return name_in(r->name, memory_calls);
	if (n == 6 && !strncmp(family, "signal", n))
		return name_in(r->name, signal_calls);
	if (n == 7 && !strncmp(family, "network", n))
		return has_flags(r, FLAGS_SOCKET) || has_flags(r, FLAGS_MSG) ||
		       has_flags(r, FLAGS_SOCKOPT) || has_flags(r, FLAGS_SHUTDOWN) ||
		       (r->nargs && r->arg[0].name && !strcmp(r->arg[0].name, "sockfd"));
	return false;
}

/* One item of the filter; false if it names nothing. */
static bool select_item(struct trace *tr, const char *item, size_t n)
{
	bool on = item[0] != '!', found = false;

	if (!on)
		item++, n--;
	for (int nr = 0; nr < SYSCALL_NR; nr++) {
		const struct syscall_row *r = &syscall_table[nr];
		bool match;

		if (!r->name)
			continue;
		if (item[0] == '%')
			match = in_family(r, item + 1, n - 1);
		else
			match = strlen(r->name) == n && !strncmp(r->name, item, n);
		if (match)
			tr->wanted[nr] = on, found = true;
	}
	return found;
}

int trace_create(int fd, const char *filter, struct trace **out, const char **bad)
{
	struct trace *tr = calloc(1, sizeof(*tr));
	bool all = !filter || !*filter || filter[0] == '!';

	if (!tr)
		return -ENOMEM;
	tr->fd = fd;
	memset(tr->wanted, all, sizeof(tr->wanted));
	for (const char *p = filter; p && *p;) {
		size_t n = strcspn(p, ",");
		if (n && !select_item(tr, p, n)) {
			*bad = p;
			free(tr);
			return -EINVAL;
		}
		p += n + (p[n] == ',');
	}
	*out = tr;
	return 0;
}

/* ---- a line ------------------------------------------------------------ */

struct line {
	char s[2048];
	size_t used;
};

static void line_add(struct line *l, const char *fmt, ...) printf_like(2, 3);
static void line_add(struct line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->s + l->used, sizeof(l->s) - l->used, fmt, ap);
	va_end(ap);
	l->used = min_of(l->used + (size_t)n, sizeof(l->s) - 2);
}

static void line_write(struct trace *tr, struct line *l)
{
	l->s[l->used++] = '\n';
	host_write(tr->fd, l->s, l->used);
}

static void add_quoted(struct line *l, const u8 *p, size_t n, bool cut)
{
	line_add(l, "\"");
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n')
			line_add(l, "\\n");
		else if (p[i] == '\t')
			line_add(l, "\\t");
		else if (p[i] == '"' || p[i] == '\\')
			line_add(l, "\\%c", p[i]);
		else if (isprint(p[i]))
			line_add(l, "%c", p[i]);
		else
			line_add(l, "\\%o", p[i]);
	}
	line_add(l, cut ? "\"..." : "\"");
}

#define SHOW_STR 256
#define SHOW_BUF 32

static void add_string(struct line *l, u64 addr)
{
	u8 buf[SHOW_STR];
	ssize_t n;

	if (!addr) {
		line_add(l, "NULL");
		return;
	}
	n = copy_in_str((char *)buf, uptr_make(addr), sizeof(buf));
	if (n == -ENAMETOOLONG)
		add_quoted(l, buf, sizeof(buf), true);
	else if (n < 0)
		line_add(l, "0x%llx", (unsigned long long)addr);
	else
		add_quoted(l, buf, (size_t)n, false);
}

static void add_buffer(struct line *l, u64 addr, u64 len)
{
	u8 buf[SHOW_BUF];
	size_t n = copy_in_partial(buf, uptr_make(addr), min_of(len, sizeof(buf)));

	if (!addr)
		line_add(l, "NULL");
	else if (!n && len)
		line_add(l, "0x%llx", (unsigned long long)addr);
	else
		add_quoted(l, buf, n, len > n);
}

static void add_argv(struct line *l, u64 addr)
{
	u64 p;

	line_add(l, "[");
	for (int i = 0; i < 16; i++) {
		if (copy_in(&p, uptr_make(addr + (u64)i * 8), sizeof(p)) || !p)
			break;
		line_add(l, i ? ", " : "");
		add_string(l, p);
		if (i == 15)
			line_add(l, ", ...");
	}
	line_add(l, "]");
}

static void add_number(struct line *l, const struct arg_desc *d, u64 v)
{
	const char *name = NULL;

	switch (d->kind) {
	case A_DIRFD:
		if ((int)v == AT_FDCWD) {
			line_add(l, "AT_FDCWD");
			break;
		}
		/* fall through */
	case A_INT:
	case A_FD:
	case A_PID:
		line_add(l, "%d", (int)v);
		break;
	case A_UID:
	case A_GID:
		line_add(l, (u32)v == ~0u ? "%d" : "%u", (u32)v);
		break;
	case A_UINT:
		line_add(l, "%u", (u32)v);
		break;
	case A_LONG:
	case A_OFF:
		line_add(l, "%lld", (long long)v);
		break;
	case A_SIZE:
		line_add(l, "%llu", (unsigned long long)v);
		break;
	case A_MODE:
		line_add(l, "%#o", (u32)v);
		break;
	case A_SIGNAL:
		name = trace_signal_name((int)v);
		line_add(l, name ? "%s" : "%.0s%d", name ? name : "", (int)v);
		break;
	case A_CLOCK:
		name = trace_clock_name((int)v);
		line_add(l, name ? "%s" : "%.0s%d", name ? name : "", (int)v);
		break;
	default:
		if (d->kind == A_PTR && !v)
			line_add(l, "NULL");
		else
			line_add(l, "%#llx", (unsigned long long)v);
	}
}

/* result: the call's, for out buffers; they are shown only once it has succeeded. */
static void add_arg(struct line *l, const struct syscall_row *r, int i,
                    const struct syscall_args *a, s64 result)
{
	const struct arg_desc *d = &r->arg[i];
	u64 v = a->v[i];
	char flags[256];

	switch (d->kind) {
	case A_PATH:
	case A_STR:
		add_string(l, v);
		break;
	case A_IN:
		add_buffer(l, v, a->v[d->aux]);
		break;
	case A_OUT:
		if (result > 0)
			add_buffer(l, v, (u64)result);
		else
			line_add(l, "%#llx", (unsigned long long)v);
		break;
	case A_ARGV:
		add_argv(l, v);
		break;
	case A_FLAGS:
		trace_flags_print(flags, sizeof(flags), d->flags, v);
		line_add(l, "%s", flags);
		break;
	case A_STRUCT_IN:
	case A_STRUCT_OUT:
	case A_STRUCT_INOUT:
	case A_IOVEC_IN:
	case A_IOVEC_OUT:
		line_add(l, v ? "%#llx" : "NULL", (unsigned long long)v);
		break;
	default:
		add_number(l, d, v);
	}
}

static void add_call(struct line *l, struct task *t, u64 nr, const struct syscall_args *a,
                     s64 result)
{
	const struct syscall_row *r = nr < SYSCALL_NR ? &syscall_table[nr] : NULL;

	line_add(l, "[%d] ", t->tid);
	if (!r || !r->name) {
		line_add(l, "syscall_%llu(", (unsigned long long)nr);
		for (int i = 0; i < 6; i++)
			line_add(l, "%s%#llx", i ? ", " : "", (unsigned long long)a->v[i]);
	} else {
		line_add(l, "%s(", r->name);
		for (int i = 0; i < r->nargs && r->arg[i].kind != A_NONE; i++) {
			line_add(l, i ? ", " : "");
			add_arg(l, r, i, a, result);
		}
	}
	line_add(l, ")");
}

static bool wanted(const struct trace *tr, u64 nr)
{
	return nr >= SYSCALL_NR || tr->wanted[nr];
}

/* Calls after which the caller, or its memory as it was, is no more. */
static bool shown_on_entry(u64 nr)
{
	return nr == __NR_exit || nr == __NR_exit_group || nr == __NR_execve ||
	       nr == __NR_execveat || nr == __NR_rt_sigreturn;
}

void trace_enter(struct task *t, u64 nr, const struct syscall_args *a)
{
	struct line l = {.used = 0};

	if (!wanted(kernel.trace, nr) || !shown_on_entry(nr))
		return;
	add_call(&l, t, nr, a, 0);
	if (nr == __NR_exit || nr == __NR_exit_group)
		line_add(&l, " = ?");
	line_write(kernel.trace, &l);
}

static void add_result(struct line *l, s64 result)
{
	const char *name;

	switch (-result) {
	case ERESTARTSYS:
		line_add(l, " = ? ERESTARTSYS (interrupted by a signal)");
		return;
	case ERESTARTNOINTR:
		line_add(l, " = ? ERESTARTNOINTR (interrupted by a signal)");
		return;
	case ERESTARTNOHAND:
		line_add(l, " = ? ERESTARTNOHAND (interrupted by a signal)");
		return;
	case ERESTART_RESTARTBLOCK:
		line_add(l, " = ? ERESTART_RESTARTBLOCK (interrupted by a signal)");
		return;
	}
	name = result < 0 && result > -4096 ? strerrorname_np((int)-result) : NULL;
	if (name)
		line_add(l, " = -1 %s (%s)", name, strerrordesc_np((int)-result));
	else if (result > 0xfffff)
		line_add(l, " = %#llx", (unsigned long long)result);
	else
		line_add(l, " = %lld", (long long)result);
}

void trace_exit(struct task *t, u64 nr, const struct syscall_args *a, s64 result)
{
	struct line l = {.used = 0};

	if (!wanted(kernel.trace, nr))
		return;
	if (!shown_on_entry(nr)) {
		add_call(&l, t, nr, a, result);
	} else {
		const char *name = syscall_table[nr].name;
		line_add(&l, "[%d] %s", t->tid, name);
	}
	add_result(&l, result);
	line_write(kernel.trace, &l);
}

void trace_note(struct task *t, const char *fmt, ...)
{
	struct line l = {.used = 0};
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	line_add(&l, "[%d] %s", t->tid, text);
	line_write(kernel.trace, &l);
}
