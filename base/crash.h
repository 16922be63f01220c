/*
 * The end of a broken sandbox: a fault or a failed assertion in the sentry
 * prints a report and ends the whole process with status 125. It never touches
 * anything outside.
 */
#pragma once
#include "base/types.h"

#define CRASH_STATUS 125

/*
 * Installs handlers for the fatal signals, and finds the program's symbols; call it before
 * lock-down and before files are confined. context (may be NULL) writes one line, NUL-terminated,
 * about what the guest was doing (its current call); it runs in the signal
 * handler, so it only reads. Host calls of a report: write, exit_group.
 */
void crash_install(void (*context)(char *buf, size_t n));
/*
 * Gives the calling host thread an alternate signal stack, so that even a
 * fiber that overran its stack is reported. Every host thread of the sentry
 * calls it once, at its start, with memory that stays. Host call: sigaltstack.
 */
#define CRASH_STACK_SIZE (64UL * 1024)
void crash_thread_start(void *stack);
