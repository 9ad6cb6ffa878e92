/* SPDX-License-Identifier: MIT */
/* As much of RFC 6455 as the yardstick needs. */
#ifndef WSSD_BENCH_LIMIT_WS_H
#define WSSD_BENCH_LIMIT_WS_H

#include <stddef.h>
#include <stdint.h>

void limit_unmask(uint8_t *to, const uint8_t *from, size_t len,
    const uint8_t *key);
int limit_frame_head(const uint8_t *, size_t len, size_t *head_out,
    uint64_t *size_out);
void limit_accept_value(const char *key, int key_len, char out[static 32]);

#endif
