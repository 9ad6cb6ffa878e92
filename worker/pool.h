/* SPDX-License-Identifier: MIT */
/*
 * The allocator under OpenSSL and libevent.
 *
 * With SSL_MODE_RELEASE_BUFFERS an idle connection holds no record buffer,
 * and every turn of a busy one takes and returns blocks of 1 KiB to 2 MiB.
 * They come from last-in-first-out stacks, so the same few blocks, still in
 * the cache, serve all connections (measured: 1,100 to 1,500 instructions
 * less for each message than malloc and free).  So do the small blocks, of
 * which OpenSSL takes four a message and hundreds a handshake (measured: 340
 * and 60,000 instructions less).  Larger ones go to malloc.  Memory cannot run
 * out: see common/alloc.h.
 *
 * An allocator cannot be handed a context by those libraries, so its stacks
 * are the one piece of process-wide state beside the log.
 */
#ifndef WSSD_WORKER_POOL_H
#define WSSD_WORKER_POOL_H

#include <stddef.h>

/* First thing in main(), before either library has allocated. */
void pool_install(void);

/* Gives back to malloc what was not needed since the last call. */
void pool_trim(void);

/* Bytes that lie in the stacks. */
size_t pool_idle_bytes(void);

#endif
