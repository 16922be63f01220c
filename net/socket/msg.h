/*
 * A message on its way into or out of a socket: sendmsg(2) and recvmsg(2) in
 * sentry terms. The system call copies the guest's msghdr, name and control
 * buffer; the data stay where they are, behind a struct uio.
 */
#pragma once
#include "base/types.h"
#include "base/uspace.h"
#include <sys/socket.h>
#include <sys/un.h>

struct file;
struct socket;

/* A socket address of any family; len as the guest gave it or is to get it. */
struct sock_addr {
	u32 len;
	union {
		struct sockaddr sa;
		struct sockaddr_un un;
		struct sockaddr_storage ss;
	};
};

#define MSG_MAX_FILES   253   /* SCM_MAX_FD */
#define MSG_MAX_CONTROL 20480 /* net.core.optmem_max: longer control buffers are -ENOBUFS */

/* Open files in a message: one reference each. */
struct file_list {
	struct file_list *next; /* for whoever holds several */
	u32 n;
	struct file *files[MSG_MAX_FILES];
};
void file_list_free(struct file_list *l); /* drops the references; NULL is fine */

struct msg_cred {
	s32 pid;
	u32 uid, gid;
};

struct msg {
	struct uio *data;       /* borrowed */
	struct sock_addr *name; /* send: destination or NULL; receive: gets the source, or NULL */
	u32 flags;              /* MSG_* of the call */
	u32 out_flags;          /* receive: msg_flags for the guest */
	/* What control messages said, or are to say. */
	struct file_list *files; /* SCM_RIGHTS; owned */
	struct msg_cred cred;
	bool has_cred;
	/* Control buffer: send: as copied in; receive: room for what is to be copied out. */
	void *control;
	size_t control_len;  /* send: bytes; receive: room */
	size_t control_used; /* receive: bytes filled */
};

/* data is borrowed; flags: MSG_*; everything else empty. */
void msg_init(struct msg *m, struct uio *data, u32 flags);
/* Drops the files that are still owned. */
void msg_destroy(struct msg *m);

/*
 * Sending: walks m->control and takes SOL_SOCKET's messages out of it: SCM_RIGHTS (descriptors of
 * the caller become files) and SCM_CREDENTIALS (checked against the caller).
 * Other levels stay for the family. socket_sendmsg calls it. -EBADF, -EINVAL, -EPERM, -ENOMEM.
 */
must_check int msg_parse_control(struct msg *m);
/* Walks the control buffer of a message being sent: the next header of any level, or NULL. */
const struct cmsghdr *msg_next_control(const struct msg *m, const struct cmsghdr *prev);
/* Receiving: appends a control message, cut with MSG_CTRUNC when there is no room. */
void msg_put_control(struct msg *m, int level, int type, const void *data, size_t len);
/*
 * Receiving: turns m->files into descriptors of the caller (MSG_CMSG_CLOEXEC) and m->cred into
 * control messages. socket_recvmsg calls it; files that do not fit are dropped.
 */
void msg_deliver_control(struct msg *m);
