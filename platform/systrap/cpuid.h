/*
 * Answers to CPUID for the text of program interpreters (platform/stub/cpuid.S).
 */
#pragma once
#include "platform/stub/abi.h"

/* Asks the CPU, the first time that it is called. out: room for CPUID_ANSWERS, zeroes. Any thread.
 */
void cpuid_answers_fill(struct cpuid_answer *out);
