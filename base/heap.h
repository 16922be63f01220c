/*
 * The sentry's own heap: the C library's malloc, with settings of the sentry's and not
 * of its caller's environment.
 */
#pragma once

/* In the sentry, before it starts a thread. */
void heap_configure(void);
