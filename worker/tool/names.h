/* SPDX-License-Identifier: MIT */
/* The names a certificate is to have, as somebody has typed them. */
#ifndef WSSD_WORKER_TOOL_NAMES_H
#define WSSD_WORKER_TOOL_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

#define NAME_TEXT_MAX 256	/* 253 bytes of a name, or an address */

struct cert_name {
	bool is_ip;
	char text[NAME_TEXT_MAX];	/* lower case; "*.a.example"; an
					   address in its shortest form */
};

/*
 * A DNS name, with or without "*." in front, or an IP address.  What comes
 * out has only letters, digits and ".-:*", so that it can stand in a text for
 * OpenSSL.  -1: a sentence says what is wrong.
 */
int cert_name_parse(const char *text, struct cert_name *name_out,
    struct err *);

#endif
