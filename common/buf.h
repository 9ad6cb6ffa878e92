/* SPDX-License-Identifier: MIT */
/*
 * A growing byte buffer, and a bounded reader of bytes.  Integers stand in
 * network byte order, strings as a 16-bit length and their bytes.
 *
 * A reader never reads behind its end: once something was missing, `bad`
 * stays set and every further get returns 0 or "".  So a get function reads
 * all its fields and asks once.
 */
#ifndef WSSD_COMMON_BUF_H
#define WSSD_COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data;		/* owned; NULL while nothing was put */
	size_t len;
	size_t room;
};

#define BUF_INIT { NULL, 0, 0 }

void buf_done(struct buf *);
/* The same, for secrets: the memory is wiped before it is freed. */
void buf_wipe(struct buf *);
/* len becomes 0, the memory stays for the next use. */
void buf_clear(struct buf *);
/* Space for len more bytes behind the end; data may move. */
void buf_reserve(struct buf *, size_t len);

void buf_put(struct buf *, const void *, size_t len);
void buf_put_u8(struct buf *, uint8_t);
void buf_put_u16(struct buf *, uint16_t);
void buf_put_u32(struct buf *, uint32_t);
void buf_put_u64(struct buf *, uint64_t);
/* At most 65,535 bytes (asserted). */
void buf_put_str(struct buf *, const char *);
/* printf without the terminating NUL. */
void buf_printf(struct buf *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

struct reader {
	const uint8_t *data;
	size_t len;		/* what is left */
	bool bad;
};

uint8_t reader_u8(struct reader *);
uint16_t reader_u16(struct reader *);
uint32_t reader_u32(struct reader *);
uint64_t reader_u64(struct reader *);
/*
 * A string into out, terminated.  One that is longer than size - 1 or holds
 * a NUL makes the reader bad.
 */
void reader_str(struct reader *, char *out, size_t size);
/* True when all was there and nothing is left. */
bool reader_end(const struct reader *);

#endif
