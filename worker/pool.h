/* SPDX-License-Identifier: MIT */
/*
 * The allocator under OpenSSL and libevent.
 *
 * With SSL_MODE_RELEASE_BUFFERS an idle connection holds no record buffer,
 * and every turn of a busy one takes and returns blocks of up to 2 MiB.  The
 * block that was freed last is taken first, so the same few, still in the
 * cache, serve all connections (measured: 1,100 to 1,500 instructions less for
 * each message than malloc and free).  So do the small blocks, of which
 * OpenSSL takes four a message and hundreds a handshake (measured: 340 and
 * 60,000 instructions less).
 *
 * Blocks of up to 32 KiB come from spans (spans.h), because an idle connection
 * consists of them (measured, with 10,000: 0.45 KiB less each than with the
 * headers and the holes of malloc's; and when all have left, the worker has
 * 7 MiB, not 34).  Those of up to 2 MiB come from stacks over malloc, larger
 * ones are malloc's.  Memory cannot run out: see common/alloc.h.
 *
 * An allocator cannot be handed a context by those libraries, so its state
 * is the one piece of process-wide state beside the log.
 */
#ifndef WSSD_WORKER_POOL_H
#define WSSD_WORKER_POOL_H

#include <stdbool.h>
#include <stddef.h>

/* First thing in main(), before either library has allocated.  Other threads
   than this one get malloc's blocks, and may free any. */
void pool_install(void);

/* Gives back to malloc and the kernel what was not needed since the last
   call. */
void pool_trim(void);

/*
 * Whether so many bytes from p on lie where the small blocks are, so that a
 * pointer of which nobody promises anything can be followed.  False, too,
 * where the pool is not installed.
 */
bool pool_can_read(const void *p, size_t len);

/* Bytes that lie in the stacks. */
size_t pool_idle_bytes(void);

#endif
