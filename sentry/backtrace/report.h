/* What `moat run --debug` says about a guest process that dies of a fatal signal. */
#pragma once
#include <signal.h>

struct task;

/*
 * Logs the program, the signal, the registers and the backtrace of t, the calling task, which
 * stands still and is about to end. Called with no lock held; may park. Does nothing
 * without --debug, and not too often for a guest that wants to be reported.
 */
void backtrace_report(struct task *t, const siginfo_t *info);
