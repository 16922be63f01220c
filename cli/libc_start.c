/*
 * How the C library of this version starts a static program, without asking the processor what
 * it can do. That takes some seventy CPUID instructions, for the sizes of caches first of all;
 * on a virtual machine the hypervisor answers each, in 1 to 4 us: up to a tenth of all that a
 * sandbox of one short program takes. What the answers are for is which of several memcpy() and
 * strlen() is used, and from which size on memcpy() works past the cache: here the plain ones, with
 * the one feature that counts for large copies, asked for by one CPUID.
 *
 * All else is as in glibc's csu/libc-start.c and sysdeps/x86/cacheinfo.h; the names are its own,
 * which its archive holds for objects linked with it. In any other version this file is empty, and
 * the library's own start is taken. That it is complete can be seen by the linker: what the
 * library's start defines and others need is defined here, or the library's would come in, too, and
 * clash.
 *
 * Nothing here may be instrumented: there is no stack guard before there is thread-local memory.
 */
#include <features.h>

#if __GLIBC__ == 2 && __GLIBC_MINOR__ == 36

#include "base/types.h"
#include <cpuid.h>
#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INTERNAL  extern __attribute__((visibility("hidden")))
#define OWN_START __attribute__((visibility("hidden")))

typedef void initializer(int argc, char **argv, char **env);

/* The C library's. */
INTERNAL void *__libc_stack_end;
INTERNAL void *_dl_random;
INTERNAL int __libc_enable_secure;
INTERNAL u8 _dl_x86_cpu_features[];
INTERNAL void _dl_aux_init(ElfW(auxv_t) * auxv);
INTERNAL void __tunables_init(char **env);
INTERNAL void _dl_relocate_static_pie(void);
INTERNAL void __libc_setup_tls(void);
INTERNAL void __libc_early_init(bool initial);
INTERNAL void __libc_init_first(int argc, char **argv, char **env);
INTERNAL void __libc_check_standard_fds(void);
INTERNAL void *_dl_debug_initialize(ElfW(Addr) base);
extern int __cxa_atexit(void (*fn)(void *), void *arg, void *dso);

/* The linker's, and the compiler's runtime's. */
INTERNAL initializer *__preinit_array_start[], *__preinit_array_end[];
INTERNAL initializer *__init_array_start[], *__init_array_end[];
INTERNAL void (*__fini_array_start[])(void), (*__fini_array_end[])(void);
INTERNAL void _init(void), _fini(void);

/* What memcpy() and memset() go by: the library's defaults, where no CPUID says otherwise. */
OWN_START long __x86_data_cache_size_half = 32 * 1024 / 2;
OWN_START long __x86_data_cache_size = 32 * 1024;
OWN_START long __x86_shared_cache_size_half = 1024 * 1024 / 2;
OWN_START long __x86_shared_cache_size = 1024 * 1024;
OWN_START long __x86_shared_non_temporal_threshold = 1024 * 1024 * 3 / 4;
OWN_START long __x86_rep_movsb_threshold = 2048;
OWN_START long __x86_rep_stosb_threshold = 2048;
OWN_START long __x86_rep_movsb_stop_threshold = 1024 * 1024 * 3 / 4;
OWN_START int __x86_string_control;

/* In _dl_x86_cpu_features: what may be used of leaf 7's EBX. */
#define USABLE_7_EBX 72
#define ERMS         (1u << 9)

/* rep movsb for large copies. */
static void note_erms(void)
{
	u32 eax, ebx, ecx, edx;

	__cpuid_count(7, 0, eax, ebx, ecx, edx);
	*(u32 *)(_dl_x86_cpu_features + USABLE_7_EBX) = ebx & ERMS;
}

static void call_fini(void *arg unused_arg)
{
	for (size_t i = (size_t)(__fini_array_end - __fini_array_start); i-- > 0;)
		__fini_array_start[i]();
	_fini();
}

static void call_init(int argc, char **argv)
{
	for (initializer **f = __preinit_array_start; f < __preinit_array_end; f++)
		(*f)(argc, argv, __environ);
	_init();
	for (initializer **f = __init_array_start; f < __init_array_end; f++)
		(*f)(argc, argv, __environ);
}

/* What functions compiled with a guard, and setjmp(), are protected by. */
static void set_guards(void)
{
	const u64 *random = _dl_random;
	u64 guard = random[0] & ~0xffUL;

	__asm__ volatile("mov %0, %%fs:0x28" ::"r"(guard));
	__asm__ volatile("mov %0, %%fs:0x30" ::"r"(random[1]));
}

noreturn int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv,
                               void (*init)(void), void (*fini)(void), void (*rtld_fini)(void *),
                               void *stack_end);

noreturn int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv,
                               void (*init)(void) unused_arg, void (*fini)(void) unused_arg,
                               void (*rtld_fini)(void *), void *stack_end)
{
	char **end = argv + argc + 1;

	__environ = end;
	__libc_stack_end = stack_end;
	while (*end)
		end++;
	_dl_aux_init((ElfW(auxv_t) *)(end + 1));
	__tunables_init(__environ);
	note_erms();
	_dl_relocate_static_pie();
	__libc_setup_tls();
	set_guards();
	if (rtld_fini)
		__cxa_atexit(rtld_fini, NULL, NULL);
	__libc_early_init(true);
	__libc_init_first(argc, argv, __environ);
	__cxa_atexit(call_fini, NULL, NULL);
	if (__libc_enable_secure)
		__libc_check_standard_fds();
	call_init(argc, argv);
	_dl_debug_initialize(0);
	exit(main(argc, argv, __environ));
}

#endif
