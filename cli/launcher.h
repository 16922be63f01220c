/*
 * The launcher: the process that the user started. It stays outside the
 * sandbox, forwards signals and the window's size, keeps the time and memory
 * limits, and ends as the guest's first process ended.
 */
#pragma once

struct run_options;

/* Starts the sentry and waits for its end. Returns an exit status, or dies of the guest's signal.
 */
int launch(struct run_options *o);
