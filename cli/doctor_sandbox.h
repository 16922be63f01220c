/* `moat doctor --sandbox`: what holds a sandbox that runs, as the host's /proc shows it. */
#pragma once
#include <sys/types.h>

/* The exit status. id: the process id of a sandbox's sentry or launcher; 0: list those that run. */
int doctor_sandbox(pid_t id);
