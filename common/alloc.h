/* SPDX-License-Identifier: MIT */
/*
 * Allocation that cannot fail: when memory is out, the process logs one line
 * and aborts (its supervisor starts it again).  Therefore every size that
 * comes from outside is limited before it is allocated.
 */
#ifndef WSSD_COMMON_ALLOC_H
#define WSSD_COMMON_ALLOC_H

#include <stddef.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size)
    __attribute__((malloc, returns_nonnull));
/* Grows or shrinks to count * size bytes, checked for overflow. */
void *xreallocarray(void *, size_t count, size_t size)
    __attribute__((returns_nonnull));
char *xstrdup(const char *) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *, size_t len)
    __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), malloc, returns_nonnull));

#endif
