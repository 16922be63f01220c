/*
 * Moving bytes between files inside the sentry: the bodies of splice(2),
 * tee(2), vmsplice(2) and sendfile(2). Positions are sentry copies: NULL means
 * the file's own position (and must be NULL for pipes: -ESPIPE). All return
 * the bytes moved, 0 at end of file, or -errno.
 */
#pragma once
#include "base/types.h"

struct file;
struct uio;

/* flags: SPLICE_F_*; others -EINVAL. */
must_check ssize_t splice_files(struct file *in, u64 *inpos, struct file *out, u64 *outpos,
                                size_t n, u32 flags);
must_check ssize_t tee_pipes(struct file *in, struct file *out, size_t n, u32 flags);
/* A write end takes u's bytes, a read end fills u. */
must_check ssize_t vmsplice_pipe(struct file *pipe, struct uio *u, u32 flags);
/* in must be seekable; inpos NULL: its own position, which moves on. */
must_check ssize_t sendfile_files(struct file *out, struct file *in, u64 *inpos, size_t n);
