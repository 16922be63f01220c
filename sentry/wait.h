/*
 * Waiting for children: the common body of wait4(2) and waitid(2).
 */
#pragma once
#include "base/types.h"
#include <sys/resource.h>
#include <sys/types.h>

struct task;
struct thread_group;

enum wait_for { WAIT_ALL, WAIT_PID, WAIT_PGID, WAIT_GROUP };

struct wait_request {
	enum wait_for what;
	s32 id;                     /* WAIT_PID, WAIT_PGID */
	struct thread_group *group; /* WAIT_GROUP (a pidfd's); held by the caller */
	int options;                /* W*, __W* */
};
struct wait_result {
	s32 pid;    /* 0: nothing to report (WNOHANG) */
	int status; /* as wait4 reports it */
	u32 uid;
	int code, value; /* si_code, si_status */
	struct rusage rusage;
};

/* 0 with *out filled, -ECHILD, or -ERESTARTSYS. */
must_check int wait_for_child(struct task *t, const struct wait_request *rq,
                              struct wait_result *out);
