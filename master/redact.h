/* SPDX-License-Identifier: MIT */
/*
 * Certificate files that have a private key in them, for those who must not
 * see it.
 */
#ifndef WSSD_MASTER_REDACT_H
#define WSSD_MASTER_REDACT_H

#include <stddef.h>

#include "common/err.h"

/*
 * Takes every PEM block with PRIVATE KEY in its name out of a text, in place;
 * one without an end goes to the end.  Returns what is left.  Pure.
 */
size_t redact_text(char *text, size_t len);

/*
 * A memfd with what redact_text() leaves of the file; fd_out stays as it is
 * when there is no private key in it.
 */
int redact_file(int fd, int *fd_out, struct err *);

#endif
