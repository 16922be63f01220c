/*
 * The sandbox's terminal: a pty whose slave is the first program's standard
 * input, output and error, and whose master is joined to the launcher's
 * descriptors 0 and 1.
 */
#pragma once
#include "base/types.h"

struct fdtable;
struct task;

/* Makes the pair and installs descriptors 0 to 2. 0 or -errno. */
must_check int console_open(struct fdtable *files, u32 rows, u32 columns);
/* The first task becomes a session leader with this terminal. Before task_start. */
void console_own(struct task *init);
void console_resize(u32 rows, u32 columns);
/* A signal from the launcher for the foreground group. False if there is no console. */
bool console_signal(int sig);
/* Waits, a little, until all that was written has reached the launcher's descriptor. */
void console_drain(void);
