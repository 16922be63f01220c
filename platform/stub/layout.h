/*
 * Where the stub lies in every guest address space. All of it is above
 * GUEST_MAX, so nothing that the sentry maps for a guest can collide with it,
 * and below the lowest address at which the host puts a main thread's stack.
 *
 * Thread index k selects both a private alternate stack and a shared context,
 * so a handler finds its context from its stack pointer alone; no segment
 * register is needed, which a guest could change.
 *
 * Plain numbers only: assembly and the linker script include this too.
 */
#pragma once

#define STUB_BASE          0x7ff000000000
#define STUB_TEXT          0x7ff000000000 /* code and constants, read and execute */
#define STUB_TEXT_MAX      0x10000
#define STUB_FAST          0x7ff000000040 /* stub_fast: the way in without a trap */
#define STUB_CPUID         0x7ff000000240 /* stub_cpuid: the same for CPUID */
#define STUB_SHARED        0x7ff000100000 /* struct stub_shared, read only */
#define STUB_CPUID_ANSWERS 0x7ff000107000 /* struct stub_shared.cpuid */
#define STUB_PARAMS        0x7ff000200000 /* struct stub_params, private */
#define STUB_VDSO          0x7ff000300000 /* the host's vvar and vDSO mappings, moved here */
#define STUB_VDSO_MAX      0x100000
#define STUB_STACKS        0x7ff010000000 /* private alternate stacks */
#define STUB_CONTEXTS      0x7ff020000000 /* struct stub_context of each thread, shared */
#define STUB_NAMES         0x7ff032000000 /* struct name_answers of each thread, private */
#define STUB_END           0x7ff040000000
#define STUB_TASK_SIZE     0x7ffffffff000 /* where the host's own user half ends */

#define STUB_MAX_THREADS 4096
/*
 * A thread's stack has two parts. Signal frames, three of them nested (with AMX state 11 KiB each),
 * and their handlers' own frames have the lower one; calls without a trap the upper one, so that
 * a signal's frame never falls upon the registers of a call that has not left yet.
 */
#define STUB_STACK_SIZE    0x10000
#define STUB_SIGNAL_STACK  0xe000
#define STUB_HEADER_SIZE   0x1000
#define STUB_WINDOW_SIZE   0x10000
#define STUB_CONTEXT_SIZE  0x11000
#define STUB_NAMES_STEP    0xc000
#define STUB_NAMES_SIZE    (STUB_MAX_THREADS * STUB_NAMES_STEP)
#define STUB_STACKS_SIZE   (STUB_MAX_THREADS * STUB_STACK_SIZE)
#define STUB_CONTEXTS_SIZE (STUB_MAX_THREADS * STUB_CONTEXT_SIZE)

/*
 * Rewritten call sites (platform/systrap/patch.c), in PLATFORM_RESERVED: where each goes is a
 * word of the table; what runs there is a slot of code.
 */
#define PATCH_TABLE      0x61ec0000
#define PATCH_TABLE_SIZE 0x40000
#define PATCH_CODE       0x61f00000
#define PATCH_CODE_SIZE  0x20000
#define PATCH_SLOT_SIZE  64

/*
 * Those that are the same in every stub (platform/systrap/text.c): words and slots are at the end
 * of the file that STUB_SHARED maps the beginning of. Where a slot goes on is a word of the stub's
 * own. fast.S takes it that slots lie in the lowest 4 GiB.
 */
#define SHARED_PATCH_TABLE      0x61e40000
#define SHARED_PATCH_TABLE_SIZE 0x40000
#define SHARED_PATCH_CODE       0x61e80000
#define SHARED_PATCH_CODE_SIZE  0x20000
#define SHARED_PATCH_BACK       0x61ea0000 /* private, of words */
#define SHARED_PATCH_BACK_SIZE  0x3000
#define SHARED_PATCH_MAX        1500

/*
 * File descriptors of a stub: its end of the space's socket is all it keeps. With checked memory,
 * thread k's files to be mapped appear at the second number + k.
 */
#define STUB_SOCKET_FD  0
#define STUB_PLACED_FDS 1000
#define STUB_FILES_MAX  (STUB_PLACED_FDS + STUB_MAX_THREADS)
