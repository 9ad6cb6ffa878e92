/* SPDX-License-Identifier: MIT */
/* What the yardstick does before it serves. */
#ifndef WSSD_BENCH_LIMIT_START_H
#define WSSD_BENCH_LIMIT_START_H

#include <openssl/ssl.h>
#include <stdint.h>

_Noreturn void limit_die(const char *what);
SSL_CTX *limit_ctx(const char *cert, const char *key);
/* port 0: any.  Prints which it is. */
int limit_listener(uint16_t port);
/* As root a quarter of a million descriptors, else what is allowed. */
void limit_raise_files(void);

#endif
