/*
 * Sessions and process groups: who belongs to which, and which groups are
 * orphaned (credentials(7), setpgid(2), setsid(2)). Everything here needs
 * kernel.tasks_lock. A process group lives while it has members; whoever wants to
 * remember one longer (a terminal its foreground group) takes a reference.
 */
#pragma once
#include "sentry/task.h"

/* A new session / group under number nr, which is taken in the pid table; one reference. NULL: no
 * memory. It is found by its number until its last member leaves. */
struct session *session_create_locked(s32 sid);
struct session *session_get(struct session *s);
void session_put(struct session *s);
struct process_group *pgrp_create_locked(s32 pgid, struct session *s);
struct process_group *pgrp_get(struct process_group *pg);
void pgrp_put(struct process_group *pg);

/* Moves g from its process group, if it has one, to pg. */
void pgrp_join_locked(struct thread_group *g, struct process_group *pg);
/* The end of g's membership: an emptied group gives its number back. */
void pgrp_leave_locked(struct thread_group *g);

struct session *session_find_locked(s32 sid); /* borrowed */

/*
 * Is pg orphaned: has no member a parent in another group of the same
 * session? `ignored` counts as gone already (it is exiting), or NULL.
 */
bool pgrp_orphaned_locked(struct process_group *pg, const struct thread_group *ignored);
/*
 * g is about to leave (exit, or setpgid of a parent elsewhere): if its group is
 * newly orphaned by that and has stopped members, they get SIGHUP and SIGCONT
 * (POSIX _exit; kernel/exit.c kill_orphaned_pgrp). parent: whose end causes
 * it; NULL if it is g's own.
 */
void pgrp_check_orphaned_locked(struct thread_group *g, struct thread_group *parent);
