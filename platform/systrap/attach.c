/*
 * How a forked stub gets its own context. Its first act is the magic call
 * with the token that its parent was given for it; the filter suspends the child
 * and notifies the sentry, which looks the token up (each is good for one use) and
 * answers by putting the child's own socket in place of its parent's, with
 * the context's memfd waiting in it. One wake-up of the child does it all.
 *
 * Host calls: ioctl on the listener, sendmsg, pidfd_open. Runs on the reactor.
 */
#include "base/bug.h"
#include "base/fiber.h"
#include "base/lock.h"
#include "base/log.h"
#include "platform/systrap/systrap.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct lock expected_lock = LOCK_INIT(RANK_PLATFORM);
static struct platform_space *expected; /* guarded by expected_lock */
static struct reactor_watch listener_watch;

void attach_expect(struct platform_space *s)
{
	lock_guard(&expected_lock);
	s->next_pending = expected;
	expected = s;
}

static bool unlink_locked(struct platform_space *s)
{
	for (struct platform_space **p = &expected; *p; p = &(*p)->next_pending) {
		if (*p == s) {
			*p = s->next_pending;
			return true;
		}
	}
	return false;
}

bool attach_forget(struct platform_space *s)
{
	lock_guard(&expected_lock);
	return unlink_locked(s);
}

static int send_context(struct platform_space *s)
{
	union {
		struct cmsghdr header;
		u8 bytes[CMSG_SPACE(sizeof(s32))];
	} control;
	u8 byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
	                     .msg_iovlen = 1,
	                     .msg_control = &control,
	                     .msg_controllen = sizeof(control)};
	memset(&control, 0, sizeof(control));
	control.header.cmsg_len = CMSG_LEN(sizeof(s32));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&control.header), &s->context_fd, sizeof(s32));
	return sendmsg(s->socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static void refuse(u64 id)
{
	struct seccomp_notif_resp resp = {.id = id, .error = -EPERM};
	(void)ioctl(systrap.listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

/* The lock is held so that the spawner cannot give up and free the space meanwhile. */
static bool serve_locked(const struct seccomp_notif *req)
{
	struct platform_space *s = expected;
	struct seccomp_notif_addfd addfd = {
	    .id = req->id,
	    .flags = SECCOMP_ADDFD_FLAG_SETFD | SECCOMP_ADDFD_FLAG_SEND,
	    .newfd = STUB_SOCKET_FD,
	    .newfd_flags = O_CLOEXEC,
	};
	while (s && s->token != req->data.args[0])
		s = s->next_pending;
	if (!s)
		return false;
	addfd.srcfd = (u32)s->stub_socket;
	/* The pid is the child's own as long as it is suspended: that is what the answer's success
	 * proves. */
	if (send_context(s) != 0 ||
	    ioctl(systrap.listener, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd) < 0 ||
	    space_attach(s, req->pid) != 0)
		atomic_store(&s->attach_failed, true);
	unlink_locked(s);
	if (!s->attach_failed)
		atomic_store(&s->attached, true);
	fiber_unpark(s->spawner);
	return true;
}

static void serve(struct reactor_watch *w, u32 events)
{
	struct seccomp_notif req;
	bool known;
	/* All stubs are gone, the zygote too: the end, or platform_config.fatal has been called. */
	if (events & EPOLLHUP) {
		reactor_remove(w);
		return;
	}
	memset(&req, 0, sizeof(req));
	if (ioctl(systrap.listener, SECCOMP_IOCTL_NOTIF_RECV, &req) != 0)
		return; /* the child died in between */
	lock_acquire(&expected_lock);
	known = serve_locked(&req);
	lock_release(&expected_lock);
	if (!known)
		refuse(req.id);
}

int attach_start(void)
{
	return reactor_add(&listener_watch, systrap.listener, EPOLLIN, serve);
}
