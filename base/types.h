/* Integer names used everywhere, and the type of a guest address. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

/*
 * A guest address. It is a struct so that dereferencing one does not compile:
 * guest memory is reached through base/uspace.h only.
 */
struct uptr {
	u64 addr;
};

static inline struct uptr uptr_make(u64 addr)
{
	return (struct uptr){addr};
}

static inline struct uptr uptr_add(struct uptr p, u64 n)
{
	return (struct uptr){p.addr + n};
}

static inline bool uptr_is_null(struct uptr p)
{
	return p.addr == 0;
}

#define PAGE_SIZE     4096UL
#define PAGE_MASK     (~(PAGE_SIZE - 1))
#define PAGE_ALIGN(x) (((x) + PAGE_SIZE - 1) & PAGE_MASK)

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define array_size(a)                   (sizeof(a) / sizeof((a)[0]))
#define min_of(a, b)                    ((a) < (b) ? (a) : (b))
#define max_of(a, b)                    ((a) > (b) ? (a) : (b))

#define must_check        __attribute__((warn_unused_result))
#define noreturn          __attribute__((noreturn))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define unused_arg        __attribute__((unused))
#define cleanup(fn)       __attribute__((cleanup(fn)))
