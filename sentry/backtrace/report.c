/*
 * The report is made in two passes: the stack is followed first, from guest
 * memory alone; then each image's symbols are looked up at once for all its
 * frames. The limits: 64 frames, 16 images with symbols, as many symbols as the largest
 * programs have, and 20 MB read from guest memory at the worst.
 *
 * What is printed of the guest (names of programs, files, functions) is its own
 * choice, and goes to the user's terminal: only printable ASCII gets through.
 */
#include "sentry/backtrace/report.h"
#include "base/log.h"
#include "fs/vfs/file.h"
#include "fs/vfs/fs_context.h"
#include "fs/vfs/mount.h"
#include "sentry/backtrace/symbol.h"
#include "sentry/backtrace/unwind.h"
#include "sentry/kernel.h"
#include "sentry/mm.h"
#include "sentry/mm_image.h"
#include "sentry/task.h"
#include <elf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX   64
#define IMAGES_MAX   16
#define SEGMENTS_MAX 64
#define SYMBOLS_MAX  (1u << 19)

struct image {
	struct file *file; /* held */
	u64 header;
	u64 table, table_size; /* .eh_frame_hdr in guest memory; size 0: none */
	char name[PATH_MAX];
};

struct frame {
	u64 pc;
	struct image *image; /* NULL: no file is there */
	u64 off;             /* of pc in the image's file */
	bool exact, guessed;
};

struct report {
	struct unwind_source source;
	struct task *t;
	unsigned nframes, nimages;
	struct frame frame[FRAMES_MAX];
	struct image image[IMAGES_MAX];
	struct symbol_query query[FRAMES_MAX];
};

static void make_printable(char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			*s = '?';
}

/* ---- guest memory and images ----------------------------------------------- */

static bool read_memory(struct unwind_source *s, void *dst, u64 addr, size_t n)
{
	struct report *r = container_of(s, struct report, source);

	return addr < GUEST_MAX && n <= GUEST_MAX - addr && mm_read(r->t->mm, dst, addr, n) == n;
}

/* Finds .eh_frame_hdr by the program headers, which are mapped with the file's beginning. */
static void find_table(struct report *r, struct image *im)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	u64 hdr = 0, size = 0, bias = im->header;

	if (!read_memory(&r->source, &eh, im->header, sizeof(eh)) ||
	    memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_phentsize != sizeof(ph))
		return;
	for (unsigned i = 0; i < min_of(eh.e_phnum, SEGMENTS_MAX); i++) {
		if (!read_memory(&r->source, &ph, im->header + eh.e_phoff + i * sizeof(ph),
		                 sizeof(ph)))
			return;
		if (ph.p_type == PT_LOAD && ph.p_offset == 0)
			bias = im->header - ph.p_vaddr;
		if (ph.p_type == PT_GNU_EH_FRAME) {
			hdr = ph.p_vaddr;
			size = ph.p_memsz;
		}
	}
	im->table = bias + hdr;
	im->table_size = size;
}

static void name_image(struct report *r, struct image *im)
{
	struct path root = fs_context_root(r->t->caller.fs);
	bool reachable;
	const char *name = im->file->path.dentry ? path_name(im->file->path, root, im->name,
	                                                     sizeof(im->name), &reachable)
	                                         : "?";

	/* path_name builds from the end of its buffer. */
	memmove(im->name, name ? name : "?", strlen(name ? name : "?") + 1);
	make_printable(im->name);
	path_put(root);
}

/* The image at pc, borrowed from the report; NULL: no file, or one too many. */
static struct image *image_at(struct report *r, u64 pc, u64 *off)
{
	struct mm_image found;
	struct image *im;

	if (!mm_image_find(r->t->mm, pc, &found))
		return NULL;
	*off = found.off;
	for (unsigned i = 0; i < r->nimages; i++) {
		im = &r->image[i];
		if (im->file->inode == found.file->inode && im->header == found.header) {
			file_put(found.file);
			return im;
		}
	}
	if (r->nimages == IMAGES_MAX) {
		file_put(found.file);
		return NULL;
	}
	im = &r->image[r->nimages++];
	im->file = found.file;
	im->header = found.header;
	if (im->header != ~0UL)
		find_table(r, im);
	name_image(r, im);
	return im;
}

static bool unwind_table(struct unwind_source *s, u64 pc, u64 *addr, u64 *size)
{
	u64 off;
	struct image *im = image_at(container_of(s, struct report, source), pc, &off);

	if (!im || !im->table_size)
		return false;
	*addr = im->table;
	*size = im->table_size;
	return true;
}

/* ---- the stack ----------------------------------------------------------- */

static void follow(struct report *r, const struct user_regs_struct *u)
{
	struct unwind_cursor c = {.reg = {u->rax, u->rdx, u->rcx, u->rbx, u->rsi, u->rdi, u->rbp,
	                                  u->rsp, u->r8, u->r9, u->r10, u->r11, u->r12, u->r13,
	                                  u->r14, u->r15, u->rip},
	                          .exact = true};

	do {
		struct frame *f = &r->frame[r->nframes++];

		f->pc = c.reg[DWARF_RIP];
		f->exact = c.exact;
		f->guessed = c.guessed;
		/* A call may be a function's last instruction: look for the call itself. */
		f->image = image_at(r, f->pc - !f->exact, &f->off);
	} while (r->nframes < FRAMES_MAX && unwind_step(&r->source, &c));
}

/* Has the frames of one image named; the queries end up in the order of frames. */
static void resolve(struct report *r)
{
	struct symbol_query *q = calloc(FRAMES_MAX, sizeof(*q));
	u32 budget = SYMBOLS_MAX;

	for (unsigned i = 0; q && i < r->nimages; i++) {
		unsigned of[FRAMES_MAX], n = 0;

		for (unsigned j = 0; j < r->nframes; j++) {
			if (r->frame[j].image != &r->image[i])
				continue;
			q[n] = (struct symbol_query){.off = r->frame[j].off};
			of[n++] = j;
		}
		if (n)
			symbols_resolve(r->image[i].file, q, n, &budget);
		for (unsigned j = 0; j < n; j++)
			r->query[of[j]] = q[j];
	}
	free(q);
}

static void print_frame(struct report *r, unsigned i)
{
	const struct frame *f = &r->frame[i];
	struct symbol_query *q = &r->query[i];
	unsigned long long pc = f->pc, back = !f->exact;

	if (!f->image) {
		log_info("  #%-2u 0x%012llx%s", i, pc, f->guessed ? " (a guess)" : "");
		return;
	}
	make_printable(q->name);
	if (q->found)
		log_info("  #%-2u 0x%012llx %s+0x%llx (%.300s+0x%llx)%s", i, pc, q->name,
		         (unsigned long long)q->in_function + back, f->image->name,
		         (unsigned long long)f->off + back, f->guessed ? " (a guess)" : "");
	else
		log_info("  #%-2u 0x%012llx (%.300s+0x%llx)%s", i, pc, f->image->name,
		         (unsigned long long)f->off + back, f->guessed ? " (a guess)" : "");
}

/* ---- what happened ------------------------------------------------------- */

static const char *code_name(int sig, int code)
{
	static const struct {
		int sig, code;
		const char *name;
	} names[] = {
	    {SIGSEGV, SEGV_MAPERR, "nothing is mapped there"},
	    {SIGSEGV, SEGV_ACCERR, "not allowed there"},
	    {SIGBUS, BUS_ADRALN, "misaligned"},
	    {SIGBUS, BUS_ADRERR, "beyond the end of the mapped file"},
	    {SIGFPE, FPE_INTDIV, "integer division by zero or overflow"},
	    {SIGFPE, FPE_FLTDIV, "floating point division by zero"},
	    {SIGFPE, FPE_FLTINV, "invalid floating point operation"},
	    {SIGILL, ILL_ILLOPN, "illegal instruction"},
	    {SIGTRAP, TRAP_BRKPT, "breakpoint"},
	    {SIGTRAP, TRAP_TRACE, "single step"},
	};

	for (size_t i = 0; i < array_size(names); i++)
		if (names[i].sig == sig && names[i].code == code)
			return names[i].name;
	return NULL;
}

static bool has_address(const siginfo_t *info)
{
	int sig = info->si_signo;

	return info->si_code > 0 && info->si_code != SI_KERNEL &&
	       (sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL ||
	        sig == SIGTRAP);
}

static void print_cause(const struct report *r, const siginfo_t *info)
{
	const char *why = code_name(info->si_signo, info->si_code);
	char comm[COMM_LEN], how[128];

	task_comm(r->t, comm);
	make_printable(comm);
	if (has_address(info))
		snprintf(how, sizeof(how), "si_code %d%s%s, address 0x%llx", info->si_code,
		         why ? ": " : "", why ? why : "", (unsigned long long)info->si_addr);
	else if (info->si_code <= 0)
		snprintf(how, sizeof(how), "si_code %d: sent by process %d of user %u",
		         info->si_code, info->si_pid, info->si_uid);
	else
		snprintf(how, sizeof(how), "si_code %d", info->si_code);
	log_info("program '%s' (process %d, thread %d) died of SIG%s (%s)", comm, r->t->group->pid,
	         r->t->tid, sigabbrev_np(info->si_signo) ?: "?", how);
}

static void print_registers(const struct user_regs_struct *u)
{
	log_info("  rip %016llx rsp %016llx rbp %016llx flags %08llx", u->rip, u->rsp, u->rbp,
	         u->eflags);
	log_info("  rax %016llx rbx %016llx rcx %016llx rdx %016llx", u->rax, u->rbx, u->rcx,
	         u->rdx);
	log_info("  rsi %016llx rdi %016llx r8  %016llx r9  %016llx", u->rsi, u->rdi, u->r8, u->r9);
	log_info("  r10 %016llx r11 %016llx r12 %016llx r13 %016llx", u->r10, u->r11, u->r12,
	         u->r13);
	log_info("  r14 %016llx r15 %016llx fs  %016llx gs  %016llx", u->r14, u->r15, u->fs_base,
	         u->gs_base);
}

void backtrace_report(struct task *t, const siginfo_t *info)
{
	static _Atomic u64 place;
	const struct user_regs_struct *regs;
	struct report *r;

	if (!kernel.debug || !t->mm || !t->caller.fs || t->host_gone || !log_allowed(&place))
		return;
	r = calloc(1, sizeof(*r));
	if (!r)
		return;
	r->source = (struct unwind_source){.read = read_memory, .table = unwind_table};
	r->t = t;
	regs = platform_thread_regs(t->thread);
	print_cause(r, info);
	print_registers(regs);
	follow(r, regs);
	resolve(r);
	for (unsigned i = 0; i < r->nframes; i++)
		print_frame(r, i);
	if (r->nframes == FRAMES_MAX)
		log_info("  ... there may be more");
	for (unsigned i = 0; i < r->nimages; i++)
		file_put(r->image[i].file);
	free(r);
}
