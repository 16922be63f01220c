/*
 * Descriptor tables: what clone(CLONE_FILES) shares.
 */
#pragma once
#include "base/lock.h"
#include "base/ref.h"
#include "base/told.h"
#include "base/types.h"

struct file;

struct fdtable {
	struct ref ref;
	struct lock lock;
	struct fdtable_slots *slots; /* guarded by lock */
	u64 told; /* guarded by lock; descriptors of fdtable_tell, a bit for each */
};

#define FDTABLE_MAX (1 << 20)

struct fdtable *fdtable_create(void);
/* fork: a copy with +1 on every file. max_fd: copy only below (close_range UNSHARE). NULL: no
 * memory. */
struct fdtable *fdtable_copy(struct fdtable *t, u32 max_fd);
struct fdtable *fdtable_get(struct fdtable *t);
void fdtable_put(struct fdtable *t); /* closes all with the last reference */

/* The file behind fd with +1, or NULL. O_PATH files are returned only by fdtable_lookup_any. */
struct file *fdtable_lookup(struct fdtable *t, int fd);
struct file *fdtable_lookup_any(struct fdtable *t, int fd);
/* Lowest free descriptor >= min and < limit; takes over the reference on success. -EMFILE, -ENOMEM.
 */
must_check int fdtable_install(struct fdtable *t, struct file *f, u32 min, u64 limit, bool cloexec);
/*
 * dup2: replaces what is there; takes over f also on failure. fd, -EBADF beyond limit, -ENOMEM.
 */
must_check int fdtable_install_at(struct fdtable *t, struct file *f, int fd, u64 limit,
                                  bool cloexec);
/* Removes; *out gets the table's reference. -EBADF. */
must_check int fdtable_remove(struct fdtable *t, int fd, struct file **out);
int fdtable_close(struct fdtable *t, int fd); /* close(2): flush result */
int fdtable_close_range(struct fdtable *t, u32 first, u32 last, bool cloexec_only_mark);
void fdtable_close_on_exec(struct fdtable *t);
/*
 * For who answers calls of a descriptor in the sentry's place (base/fd_answer.h). words: n of them,
 * a power of two and at least FDTABLE_TOLD, set once at start. fdtable_tell: true if fd is f, and
 * words[at.word] will no longer be at.seen once it is not, or its close-on-exec flag another,
 * before whoever changes that returns; fd < FDTABLE_TOLD. fdtable_untell: whatever has been told is
 * void.
 */
#define FDTABLE_TOLD 64
struct fdtable_told {
	struct told at;
	bool cloexec;
};
void fdtable_tell_by(_Atomic u32 *words, u32 n);
must_check bool fdtable_tell(struct fdtable *t, int fd, const struct file *f,
                             struct fdtable_told *out);
void fdtable_untell(void);
int fdtable_get_cloexec(struct fdtable *t, int fd); /* 0, 1, -EBADF */
int fdtable_set_cloexec(struct fdtable *t, int fd, bool on);
/* Next open descriptor >= fd, or -1: for /proc/PID/fd. */
int fdtable_next(struct fdtable *t, int fd);
u32 fdtable_count(struct fdtable *t);
/* Reserve/commit in two steps is not needed: create the file first, then install. */

/* Convenience for system calls: the caller's table. *out with +1; -EBADF. */
must_check int fd_get(int fd, struct file **out);
/* Installs at the lowest descriptor for the caller; takes over f also on failure. fd or -errno. */
must_check int fd_install(struct file *f, bool cloexec);
