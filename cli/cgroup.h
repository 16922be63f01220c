/*
 * A control group of the sandbox's own (cgroups(7), version 2), where the caller's group is
 * delegated to the caller: the host holds the sandbox to its limits, whoever in it is
 * broken into, and ends all of it by one write. A layer beside moat's own limits, never instead of
 * them: where there is no such group to be had, a sandbox runs without.
 */
#pragma once
#include "base/types.h"
#include <sys/types.h>

struct cgroup {
	int own; /* the launcher's, -1: none to work in */
	int dir; /* the sandbox's, below it; -1: none */
	bool moved;
	char name[32]; /* of the sandbox's */
	char leaf[32]; /* where the launcher has moved to, if it has */
	pid_t broom;
	int life; /* closed, it sends the broom to work */
};

/* The caller's group, if groups may be made in it, as an O_PATH descriptor; else -1. */
must_check int cgroup_open_own(void);

/* The limits of a group as the host has them, ", FILE VALUE" each; of a path as in
 * /proc/PID/cgroup. */
void cgroup_describe(const char *path, char *buf, size_t size);

/* memory: in bytes; processes: of the host's, threads included; 0: no limit. Without any, no group
 * is made: there would be nothing to hold. */
void cgroup_create(struct cgroup *g, u64 memory, u32 processes);

/* fork(2), with the child in the group if there is one. */
must_check pid_t cgroup_fork(struct cgroup *g);

/* In the child, which is to have nothing of it. */
void cgroup_forget(struct cgroup *g);

/* From now on the group ends with the caller, whatever that dies of. */
void cgroup_tie(struct cgroup *g);

/* Ends what is left in the group, and removes it. */
void cgroup_remove(struct cgroup *g);
