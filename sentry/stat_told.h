/*
 * What an open file says of itself, told to the platform so that it may answer for it: a program
 * that has opened a file asks fstat(2) as a rule, and some ask twice.
 */
#pragma once
#include "base/types.h"

struct task;
struct file;
struct inode;
struct attr;
struct stat;

/* stat(2) as the caller sees it. */
void stat_fill(struct stat *st, const struct inode *i, const struct attr *a);
/*
 * fd is f, and st what fstat(2) says of it, of which t's stub has been told. False: st is not
 * filled.
 */
must_check bool stat_tell(struct task *t, int fd, struct file *f, struct stat *st);
/*
 * The same of what the name leads to that t has just walked to, for as long as it does. st is then
 * to be all that is written to guest memory.
 */
must_check bool stat_tell_named(struct task *t, struct inode *i, struct stat *st);
/* Is what t opens now worth telling of? */
must_check bool stat_open_tells(struct task *t);
/* t has opened fd; -errno: it has not. */
void stat_opened(struct task *t, int fd);
/* t asks about fd, of which its stub has not been told: is it worth telling? */
must_check bool stat_ask_tells(struct task *t, int fd);
