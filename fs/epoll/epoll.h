/*
 * epoll(7). An epoll is a file with a set of items; an item watches one open
 * file under one descriptor number. Items hold no reference to the file they watch:
 * they hang off it, and the file's end removes them (epoll_file_gone).
 */
#pragma once
#include "base/types.h"

struct file;
struct epoll_event;

/* flags: EPOLL_CLOEXEC (the descriptor's affair) or 0; others -EINVAL. */
must_check int epollfile_create(u32 flags, struct file **out);
bool file_is_epoll(const struct file *f);
/*
 * epoll_ctl(2): op EPOLL_CTL_*; (fd, target) is the item's key; ev may be NULL for
 * EPOLL_CTL_DEL. -EINVAL, -EPERM, -EEXIST, -ENOENT, -ELOOP, -ENOSPC, -ENOMEM.
 */
must_check int epollfile_ctl(struct file *ep, int op, int fd, struct file *target,
                             const struct epoll_event *ev);
/*
 * epoll_wait(2): up to max events into out (sentry memory). deadline: CLOCK_MONOTONIC ns,
 * 0 to poll, NO_DEADLINE. Number of events, 0 when time is up, -EINTR, -EINVAL.
 */
must_check int epollfile_wait(struct file *ep, struct epoll_event *out, unsigned max, u64 deadline);
/* f's last reference is gone: drops the items that watch it. file_put calls it when f->epoll is
 * set. */
void epoll_file_gone(struct file *f);
