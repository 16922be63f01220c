/*
 * Messages and their control data, as cmsg(3) and net/core/scm.c have them.
 */
#include "net/socket/msg.h"
#include "base/caller.h"
#include "fs/vfs/fdtable.h"
#include "fs/vfs/file.h"
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

void file_list_free(struct file_list *l)
{
	if (!l)
		return;
	for (u32 i = 0; i < l->n; i++)
		file_put(l->files[i]);
	free(l);
}

void msg_init(struct msg *m, struct uio *data, u32 flags)
{
	*m = (struct msg){.data = data, .flags = flags};
}

void msg_destroy(struct msg *m)
{
	file_list_free(m->files);
	m->files = NULL;
}

/* ---- sending -------------------------------------------------------------- */

/* The header at offset at if a whole, sane one is there. */
static const struct cmsghdr *control_at(const struct msg *m, size_t at)
{
	const struct cmsghdr *c = (const void *)((const char *)m->control + at);

	if (at > m->control_len || m->control_len - at < sizeof(*c))
		return NULL;
	if (c->cmsg_len < sizeof(*c) || c->cmsg_len > m->control_len - at)
		return NULL;
	return c;
}

static size_t control_after(const struct msg *m, const struct cmsghdr *c)
{
	return (size_t)((const char *)c - (const char *)m->control) + CMSG_ALIGN(c->cmsg_len);
}

const struct cmsghdr *msg_next_control(const struct msg *m, const struct cmsghdr *prev)
{
	return control_at(m, prev ? control_after(m, prev) : 0);
}

/* Adds the files of one SCM_RIGHTS message to m->files. */
static int take_rights(struct msg *m, const struct cmsghdr *c)
{
	size_t n = (c->cmsg_len - sizeof(*c)) / sizeof(int);

	if (n == 0)
		return 0;
	if (n > MSG_MAX_FILES || (m->files && m->files->n + n > MSG_MAX_FILES))
		return -EINVAL;
	if (!m->files)
		m->files = calloc(1, sizeof(*m->files));
	if (!m->files)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, (const char *)CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
		/* A descriptor opened with O_PATH may be sent, too. */
		struct file *f = fd < 0 ? NULL : fdtable_lookup_any(caller()->files, fd);
		if (!f)
			return -EBADF;
		m->files->files[m->files->n++] = f;
	}
	return 0;
}

/* Who the sender says it is has to be true, or the sender privileged (unix(7)). */
static int take_cred(struct msg *m, const struct cmsghdr *c)
{
	const struct cred *me = caller_cred();
	struct ucred u;

	if (c->cmsg_len != CMSG_LEN(sizeof(u)))
		return -EINVAL;
	memcpy(&u, CMSG_DATA(c), sizeof(u));
	u.uid = user_ns_uid_in(me->user_ns, u.uid);
	u.gid = user_ns_gid_in(me->user_ns, u.gid);
	if (u.uid == NO_ID || u.gid == NO_ID)
		return -EINVAL;
	s32 pid = u.pid == caller_shown_pid(caller()->pid) ? caller()->pid
	          : caller()->pid_given                    ? caller()->pid_given(u.pid)
	                                                   : u.pid;
	bool pid_ok = pid == caller()->pid || cred_has_cap(me, CAP_SYS_ADMIN);
	bool there = pid != 0;
	bool uid_ok = u.uid == me->uid || u.uid == me->euid || u.uid == me->suid ||
	              cred_has_own_cap(me, CAP_SETUID);
	bool gid_ok = u.gid == me->gid || u.gid == me->egid || u.gid == me->sgid ||
	              cred_has_own_cap(me, CAP_SETGID);
	if (!pid_ok || !uid_ok || !gid_ok)
		return -EPERM;
	if (!there)
		return -ESRCH;
	m->cred = (struct msg_cred){.pid = pid, .uid = u.uid, .gid = u.gid};
	m->has_cred = true;
	return 0;
}

int msg_parse_control(struct msg *m)
{
	size_t at = 0;

	/* Trailing bytes too few for a header are ignored, as CMSG_NXTHDR does. */
	while (at < m->control_len && m->control_len - at >= sizeof(struct cmsghdr)) {
		const struct cmsghdr *c = control_at(m, at);
		int err = 0;

		if (!c)
			return -EINVAL;
		if (c->cmsg_level == SOL_SOCKET) {
			if (c->cmsg_type == SCM_RIGHTS)
				err = take_rights(m, c);
			else if (c->cmsg_type == SCM_CREDENTIALS)
				err = take_cred(m, c);
			else
				err = -EINVAL;
		}
		if (err)
			return err;
		at = control_after(m, c);
	}
	return 0;
}

/* ---- receiving ------------------------------------------------------------ */

void msg_put_control(struct msg *m, int level, int type, const void *data, size_t len)
{
	size_t room = m->control_len - m->control_used;
	struct cmsghdr head = {.cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type};

	if (!m->control || room < sizeof(head)) {
		m->out_flags |= MSG_CTRUNC;
		return;
	}
	if (room < head.cmsg_len) {
		m->out_flags |= MSG_CTRUNC;
		head.cmsg_len = room;
	}
	char *to = (char *)m->control + m->control_used;
	size_t space = min_of(CMSG_SPACE(len), room);
	memset(to, 0, space);
	memcpy(to, &head, sizeof(head));
	memcpy(to + sizeof(head), data, head.cmsg_len - sizeof(head));
	m->control_used += space;
}

/* As many files as there is room and descriptors for; the others are dropped. */
static void deliver_files(struct msg *m)
{
	bool cloexec = m->flags & MSG_CMSG_CLOEXEC;
	size_t room = m->control_len - m->control_used, max = 0;
	int fds[MSG_MAX_FILES];
	u32 n = 0;

	if (m->control && room > sizeof(struct cmsghdr))
		max = (room - sizeof(struct cmsghdr)) / sizeof(int);
	while (n < m->files->n && n < max) {
		int fd = fd_install(file_get(m->files->files[n]), cloexec);
		if (fd < 0)
			break;
		fds[n++] = fd;
	}
	if (n < m->files->n)
		m->out_flags |= MSG_CTRUNC;
	if (n)
		msg_put_control(m, SOL_SOCKET, SCM_RIGHTS, fds, n * sizeof(int));
}

void msg_deliver_control(struct msg *m)
{
	if (m->has_cred) {
		const struct user_ns *ns = caller_cred()->user_ns;
		struct ucred u = {.pid = caller_shown_pid(m->cred.pid),
		                  .uid = user_ns_uid_show(ns, m->cred.uid),
		                  .gid = user_ns_gid_show(ns, m->cred.gid)};

		msg_put_control(m, SOL_SOCKET, SCM_CREDENTIALS, &u, sizeof(u));
	}
	if (m->files) {
		deliver_files(m);
		file_list_free(m->files);
		m->files = NULL;
	}
	if (m->flags & MSG_CMSG_CLOEXEC)
		m->out_flags |= MSG_CMSG_CLOEXEC;
}
