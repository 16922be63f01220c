/*
 * Pipes and FIFOs, as pipe(7) has them.
 *
 * A pipe is a ring of slots, each a page that holds up to PAGE_SIZE bytes of
 * one or more writes. Files of a FIFO find the pipe through their inode; so do
 * both ends of pipe(2), which share one inode. The pipe lives as long as a
 * file of it is open.
 */
#pragma once
#include "base/types.h"

struct file;
struct inode;
struct pipe;

#define PIPE_DEFAULT_SIZE (16 * PAGE_SIZE)
#define PIPE_MAX_SIZE     (1UL << 20) /* /proc/sys/fs/pipe-max-size: beyond it, CAP_SYS_RESOURCE */

/* Tells the VFS how FIFOs are opened; once, at start-up. */
void pipe_init(void);

/*
 * pipe2(2). flags: O_NONBLOCK, O_DIRECT; O_CLOEXEC is the descriptors' affair and is
 * ignored; others: -EINVAL. out[0] is the read end. One reference each.
 */
must_check int pipe_create(u32 flags, struct file *out[2]);

/*
 * open(2) of an S_IFIFO inode: sets f->ops and f->priv. On a fiber; waits for a
 * peer as fifo(7) says. -ERESTARTSYS, or -ENXIO for O_WRONLY|O_NONBLOCK without a reader.
 * On an error f has no ops and is to be dropped.
 */
must_check int fifo_open(struct inode *i, struct file *f);

bool file_is_pipe(const struct file *f);
/* F_GETPIPE_SZ / F_SETPIPE_SZ: the size in bytes, -EBADF if f is no pipe, -EBUSY, -EPERM, -EINVAL.
 */
must_check s64 pipe_get_size(struct file *f);
must_check s64 pipe_set_size(struct file *f, u64 size);
