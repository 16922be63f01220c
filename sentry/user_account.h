/*
 * What each user id has in use across processes: the counts behind
 * RLIMIT_NPROC and RLIMIT_SIGPENDING (getrlimit(2)). An account exists while a count in
 * it is not zero.
 */
#pragma once
#include "base/types.h"

enum user_resource { USER_TASKS, USER_SIGNALS, USER_RESOURCES };

/*
 * Adds one to uid's count unless that would exceed limit (~0: none).
 * 0, -EAGAIN or -ENOMEM. Any host thread; takes a leaf lock.
 */
must_check int user_charge(u32 uid, enum user_resource what, u64 limit);
void user_uncharge(u32 uid, enum user_resource what);
u32 user_count(u32 uid, enum user_resource what);
