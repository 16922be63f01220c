/*
 * The zygote: a child of the sentry that becomes an empty stub.
 *
 * A process cannot unmap the code it runs, so the child carries out a script of
 * host calls from a page of its own (boot.S): keep the vDSO aside, unmap
 * everything, put the vDSO and the stub where they belong, close all files,
 * jump. The script is written by the parent, whose layout the child shares. What
 * is left of the sentry in it is nothing: no memory, no file but one socket end.
 *
 * The sentry goes on with its own start meanwhile; the zygote's first trap is awaited by
 * whoever first wants something of it (space_create).
 *
 * Host calls: clone; memfd_create, ftruncate, mmap, mprotect, munmap, open, read, write, getpid,
 * kill and close in the parent. All happens before lock-down.
 */
#include "base/host.h"
#include "base/log.h"
#include "platform/filter/stub_filter.h"
#include "platform/stub_process.h"
#include "platform/systrap/cpuid.h"
#include "platform/systrap/systrap.h"
#include "platform/systrap/text.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern const u8 stub_blob[], stub_blob_end[], boot_run[], boot_run_end[];

#define BOUNCE_SIZE   (1UL << 20)
#define BOUNCE_CODE   0UL
#define BOUNCE_SCRIPT 4096UL
#define BOUNCE_KEEP   (1UL << 19) /* where the vDSO waits */
/* In the file of struct stub_shared. */
#define SHARED_PATCHES PAGE_ALIGN(sizeof(struct stub_shared))
#define SHARED_SIZE    (SHARED_PATCHES + SHARED_PATCH_TABLE_SIZE + SHARED_PATCH_CODE_SIZE)
#define SCRIPT_MAX     ((BOUNCE_KEEP - BOUNCE_SCRIPT) / sizeof(struct boot_call))

struct boot_call {
	s64 nr;
	u64 arg[6];
};

struct script {
	struct boot_call *call;
	unsigned count;
};

static u64 vdso_address;

u64 zygote_vdso(void)
{
	return vdso_address;
}

static void say(struct script *s, long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	s->call[s->count++] = (struct boot_call){nr, {a, b, c, d, e, f}};
}

/* Memory that lies neither where the stub will be nor where the child's own memory is. */
static u8 *bounce_map(void)
{
	for (u64 hint = 0; hint < 64; hint++) {
		u64 want = hint ? STUB_BASE - (hint << 26) : 0;
		void *p =
		    mmap((void *)want, BOUNCE_SIZE, PROT_READ | PROT_WRITE,
		         MAP_PRIVATE | MAP_ANONYMOUS | (hint ? MAP_FIXED_NOREPLACE : 0), -1, 0);
		if (p == MAP_FAILED)
			continue;
		if ((u64)p >= STUB_END || (u64)p + BOUNCE_SIZE <= STUB_BASE)
			return p;
		munmap(p, BOUNCE_SIZE);
	}
	return NULL;
}

struct boot_files {
	int text, shared, params, contexts;
};

static void script_write(struct script *s, u64 bounce, const struct vdso *v,
                         const struct boot_files *files)
{
	const u64 fixed = MAP_FIXED | MAP_PRIVATE, remap = MREMAP_MAYMOVE | MREMAP_FIXED;
	const u64 keep = bounce + BOUNCE_KEEP, rw = PROT_READ | PROT_WRITE;
	u64 begin, len;
	for (unsigned i = 0; i < v->parts; i++) {
		begin = v->part[i].begin;
		len = v->part[i].end - begin;
		say(s, SYS_mremap, begin, len, len, remap, keep + (begin - v->begin), 0);
	}
	say(s, SYS_munmap, 0, bounce, 0, 0, 0, 0);
	say(s, SYS_munmap, bounce + BOUNCE_SIZE, STUB_TASK_SIZE - bounce - BOUNCE_SIZE, 0, 0, 0, 0);
	for (unsigned i = 0; i < v->parts; i++) {
		begin = v->part[i].begin - v->begin;
		len = v->part[i].end - v->part[i].begin;
		say(s, SYS_mremap, keep + begin, len, len, remap, STUB_VDSO + begin, 0);
	}
	say(s, SYS_mmap, STUB_TEXT, PAGE_ALIGN((u64)(stub_blob_end - stub_blob)),
	    PROT_READ | PROT_EXEC, fixed, (u64)files->text, 0);
	say(s, SYS_mmap, STUB_SHARED, PAGE_ALIGN(sizeof(struct stub_shared)), PROT_READ,
	    MAP_FIXED | MAP_SHARED, (u64)files->shared, 0);
	say(s, SYS_mmap, SHARED_PATCH_TABLE, SHARED_PATCH_TABLE_SIZE, PROT_READ,
	    MAP_FIXED | MAP_SHARED, (u64)files->shared, SHARED_PATCHES);
	say(s, SYS_mmap, SHARED_PATCH_CODE, SHARED_PATCH_CODE_SIZE, PROT_READ | PROT_EXEC,
	    MAP_FIXED | MAP_SHARED, (u64)files->shared, SHARED_PATCHES + SHARED_PATCH_TABLE_SIZE);
	say(s, SYS_mmap, SHARED_PATCH_BACK, SHARED_PATCH_BACK_SIZE, rw, fixed | MAP_ANONYMOUS,
	    (u64)-1, 0);
	say(s, SYS_mmap, STUB_PARAMS, PAGE_ALIGN(sizeof(struct stub_params)), rw, fixed,
	    (u64)files->params, 0);
	say(s, SYS_mmap, STUB_STACKS, STUB_STACKS_SIZE, rw, fixed | MAP_ANONYMOUS | MAP_NORESERVE,
	    (u64)-1, 0);
	say(s, SYS_mmap, STUB_NAMES, STUB_NAMES_SIZE, rw, fixed | MAP_ANONYMOUS | MAP_NORESERVE,
	    (u64)-1, 0);
	say(s, SYS_mmap, STUB_CONTEXTS, STUB_CONTEXTS_SIZE, rw, MAP_FIXED | MAP_SHARED,
	    (u64)files->contexts, 0);
	say(s, SYS_madvise, STUB_CONTEXTS, STUB_CONTEXTS_SIZE, MADV_DONTFORK, 0, 0, 0);
	say(s, SYS_close_range, STUB_SOCKET_FD + 1, ~0U, 0, 0, 0, 0);
	say(s, -1, 0, 0, 0, 0, 0, 0);
}

/* A file with this content, opened for reading only, so that no mapping of it can become writable.
 */
static int content_file(const char *name, const void *data, size_t n)
{
	char path[64];
	int fd = memfd_create(name, MFD_CLOEXEC), ro;
	if (fd < 0)
		return -errno;
	if (data && write(fd, data, n) != (ssize_t)n) {
		close(fd);
		return -EIO;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	ro = ro < 0 ? -errno : ro;
	close(fd);
	return ro;
}

static int shared_create(int *ro)
{
	char path[64];
	int err = 0, fd = memfd_create("moat-shared", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, SHARED_SIZE) != 0)
		return -errno;
	systrap.shared = mmap(NULL, SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (systrap.shared == MAP_FAILED)
		return -errno;
	text_init((u8 *)systrap.shared + SHARED_PATCHES);
	cpuid_answers_init(systrap.shared->cpuid);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*ro = open(path, O_RDONLY | O_CLOEXEC);
	if (*ro < 0)
		err = -errno;
	close(fd);
	return err;
}

static int params_create(u64 bounce)
{
	struct stub_params *p = calloc(1, sizeof(*p));
	int fd;
	if (!p)
		return -ENOMEM;
	p->bounce = bounce;
	p->bounce_len = BOUNCE_SIZE;
	p->socket = STUB_SOCKET_FD;
	fd = stub_filter_build(p, (u64)(stub_blob_end - stub_blob), systrap.config->mm_checked);
	if (fd == 0)
		fd = content_file("moat-params", p, sizeof(*p));
	free(p);
	return fd;
}

/*
 * In the child, on a copy of the parent's stack, with the sentry's libraries
 * still there but its other threads not: host calls only.
 */
static noreturn void child(int socket, const u8 *bounce, pid_t parent)
{
	void (*boot)(const void *script, u64 stack, u64 entry);

	stub_process_shed(socket, parent, systrap.config->max_processes);
	boot = (void (*)(const void *, u64, u64))(bounce + BOUNCE_CODE);
	/* Any stack but the one that the first trap will use. */
	boot(bounce + BOUNCE_SCRIPT, STUB_STACKS + 2 * STUB_STACK_SIZE, STUB_TEXT);
	__builtin_unreachable();
}

static int start(struct platform_space *s, struct systrap_thread *t, u8 *bounce,
                 const struct boot_files *files)
{
	struct vdso v;
	struct script script = {(struct boot_call *)(bounce + BOUNCE_SCRIPT), 0};
	pid_t pid, parent = getpid();
	int err = vdso_find(&v);
	if (err)
		return err;
	if (v.end - v.begin > BOUNCE_SIZE - BOUNCE_KEEP)
		return -E2BIG;
	if (v.parts && v.code)
		vdso_address = STUB_VDSO + (v.code - v.begin);
	script_write(&script, (u64)bounce, &v, files);
	memcpy(bounce + BOUNCE_CODE, boot_run, (size_t)(boot_run_end - boot_run));
	if (mprotect(bounce, BOUNCE_SCRIPT, PROT_READ | PROT_EXEC) != 0)
		return -errno;
	/* The child's host_cpu_any goes by it (host_cpu_part). */
	(void)host_cpu_count();
	/* No exit signal: the sentry learns of deaths through pidfds. */
	pid = (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child(s->stub_socket, bounce, parent);
	host_cpu_part(pid);
	t->tid = pid;
	space_hand_over(s);
	err = attach(s, (u32)pid, 0);
	if (!err)
		err = permits_know(t);
	if (err)
		kill(pid, SIGKILL);
	return err;
}

int zygote_create(void)
{
	struct platform_space *s;
	struct systrap_thread *t;
	struct boot_files files = {-1, -1, -1, -1};
	u8 *bounce;
	int err = shared_create(&files.shared);
	if (!err)
		err = space_alloc(&s);
	if (err)
		return err;
	err = space_thread_add(s, 0, &t);
	if (err)
		return err;
	/* Unlike a child that is expected, it sets the state itself. */
	atomic_store(&t->ctx->state, STUB_GUEST);
	bounce = bounce_map();
	if (!bounce)
		return -ENOMEM;
	files.contexts = s->context_fd;
	files.text = content_file("moat-stub", stub_blob, (size_t)(stub_blob_end - stub_blob));
	files.params = params_create((u64)bounce);
	if (files.text < 0 || files.params < 0)
		err = files.text < 0 ? files.text : files.params;
	else
		err = start(s, t, bounce, &files);
	munmap(bounce, BOUNCE_SIZE);
	if (files.text >= 0)
		close(files.text);
	if (files.params >= 0)
		close(files.params);
	close(files.shared);
	systrap.zygote_space = s;
	systrap.zygote = t;
	return err;
}
