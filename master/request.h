/* SPDX-License-Identifier: MIT */
/*
 * The request line of the control socket: at most REQUEST_WORDS_MAX words of
 * printable UTF-8 with blanks between them, ended by LF or CR LF.  Pure:
 * bytes in, words or one sentence out.
 */
#ifndef WSSD_MASTER_REQUEST_H
#define WSSD_MASTER_REQUEST_H

#include <stddef.h>

#include "common/err.h"

#define REQUEST_MAX 4096	/* bytes, with the end of the line */
#define REQUEST_WORDS_MAX 4

struct request {
	char text[REQUEST_MAX];
	const char *words[REQUEST_WORDS_MAX];	/* into text; none is "" */
	size_t n;		/* at least 1 */
};

/*
 * Looks at all that has come so far, from its first byte.
 * 1: a request; what stands behind the line is not looked at.
 * 0: the line is not complete, and may still become one.
 * -1: it is none, whatever comes behind; err has a sentence for the client.
 */
int request_parse(const void *data, size_t len, struct request *request_out,
    struct err *);

#endif
