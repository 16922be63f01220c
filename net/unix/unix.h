/*
 * AF_UNIX: unix(7). What the rest of the sentry may ask of it.
 */
#pragma once
#include "base/types.h"

struct net;
struct socket;
struct unix_names;

/* Registers the family; once, at start-up. */
void unix_init(void);

/* A line of /proc/net/unix. */
struct unix_info {
	u32 refs, protocol, flags, type, state;
	u64 ino;
	u32 path_len;   /* 0: unbound */
	char path[110]; /* an abstract name's NULs are shown as '@' */
};
void unix_each(struct net *net, void (*fn)(const struct unix_info *info, void *arg), void *arg);

/* Files in flight in messages, and a sweep of those that nobody can receive any more. */
u64 unix_inflight(void);
void unix_collect(void);

/* For net_create and net_put. */
struct unix_names *unix_names_create(void);
void unix_names_free(struct unix_names *n);
