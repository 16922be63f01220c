/*
 * The reactor: one host thread asleep in epoll_wait on the few host fds that
 * the sandbox has (stdio, devices, the control socket, stub pidfds). A callback
 * runs on that thread; it must be short and may only unpark, wake and queue.
 * Host calls: epoll_create1, epoll_ctl, epoll_wait.
 */
#pragma once
#include "base/types.h"

struct reactor_watch;
/* events: EPOLL* bits seen. */
typedef void reactor_fn(struct reactor_watch *w, u32 events);

struct reactor_watch {
	int fd; /* borrowed */
	u32 events;
	reactor_fn *fn;
	u32 slot; /* the reactor's own */
};

must_check int reactor_start(void);
/* One-shot watches re-arm with reactor_arm. 0 or -errno. */
must_check int reactor_add(struct reactor_watch *w, int fd, u32 events, reactor_fn *fn);
int reactor_arm(struct reactor_watch *w, u32 events);
/* Before fd is closed. When it returns, fn is not running and will not run (unless called from fn).
 */
void reactor_remove(struct reactor_watch *w);
/* True while there are watches. */
bool reactor_watching(void);
