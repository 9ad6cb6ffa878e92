/* SPDX-License-Identifier: MIT */
/*
 * Memory that is used again and again, and holds what is nobody's business
 * any more: AddressSanitizer is told which bytes of it may be looked at now,
 * so that every test would see a leak from one user to the next.  Without
 * the sanitizer this is nothing.
 */
#ifndef WSSD_COMMON_POISON_H
#define WSSD_COMMON_POISON_H

#include <stddef.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(memory, size)                            \
	((void)(memory), (void)(size))
#endif

/* Of memory[0..size) only the first len bytes are somebody's. */
static inline void
poison_behind(void *memory, size_t len, size_t size)
{
	ASAN_UNPOISON_MEMORY_REGION(memory, size);
	ASAN_POISON_MEMORY_REGION((char *)memory + len, size - len);
}

/* All of it may be written. */
static inline void
poison_nothing(void *memory, size_t size)
{
	ASAN_UNPOISON_MEMORY_REGION(memory, size);
}

#endif
