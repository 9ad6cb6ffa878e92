/* SPDX-License-Identifier: MIT */
/*
 * The syntax of wssd.ini, and nothing of its meaning.
 *
 *	# a comment: `#' or `;' at the start of a line, nowhere else
 *	[kind name]
 *	key = value
 *	key = "a value in double quotes"  (one pair is stripped)
 *
 * The lines are parsed by libini-config.  What it would take silently is an
 * error here: a NUL, a key before the first section, a key twice in a
 * section, a comment behind a value.
 */
#ifndef WSSD_COMMON_INI_H
#define WSSD_COMMON_INI_H

#include <stddef.h>

#include "common/config.h"

#define INI_LINE_MAX (16u << 10)	/* bytes */
#define INI_SECTIONS_MAX 10000		/* of one file */

struct ini_key {
	char *key, *value;
	unsigned line;
};

struct ini_section {
	char *kind;		/* "route" of [route /chat] */
	char *name;		/* "/chat", or "" */
	unsigned line;
	struct ini_key *keys;	/* in the order of their lines */
	size_t n_keys;
};

struct ini {
	struct ini_section *sections;	/* in the order of their lines */
	size_t n;
};

/*
 * The text of the file named `file', which must outlive the errors' places.
 * Everything that is wrong is reported at once; what could be read is
 * returned all the same (never NULL), so that its meaning is checked too.
 */
struct ini *ini_parse(const char *file, const char *text, size_t len,
    struct config_errors *);
void ini_free(struct ini *);

#endif
