/*
 * The platforms there are. Apart from what they have in common, so that a test of that
 * needs neither.
 */
#include "platform/platform.h"
#include <stddef.h>

const struct platform_ops *const platforms[] = {&systrap_platform, &ptrace_platform, NULL};
