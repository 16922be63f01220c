/*
 * Answers to CPUID for the text of program interpreters (platform/stub/cpuid.S).
 */
#pragma once
#include "platform/stub/abi.h"

/* Where the stubs look; zeroes, for CPUID_ANSWERS and one more. */
void cpuid_answers_init(struct cpuid_answer *memory);
/* Asks the CPU, the first time that it is called. Any thread. */
void cpuid_answers_fill(void);
