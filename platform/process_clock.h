/* CPU time of a host process, as the host counts it. */
#pragma once
#include "base/types.h"

/* ns, of all threads that the process has had; 0 if the host does not say. */
u64 process_cpu_time(u32 pid);
