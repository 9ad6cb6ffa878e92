/* SPDX-License-Identifier: MIT */
/* What is wrong with a config: sentences, each with its file and line. */
#ifndef WSSD_COMMON_CONFIG_ERRORS_H
#define WSSD_COMMON_CONFIG_ERRORS_H

#include <stddef.h>

struct bundle;

/* Where a value or a section stands: file is the bundle's string. */
struct config_place {
	const char *file;
	unsigned line;
};

/* All that is wrong with the files, in the order of their lines. */
#define CONFIG_ERRORS_MAX 100
struct config_errors {
	char **items;			/* "file:line: sentence" */
	struct config_place *places;	/* of the items; file may be gone */
	size_t n;
	size_t dropped;			/* beyond CONFIG_ERRORS_MAX */
};

#define CONFIG_ERRORS_INIT { NULL, NULL, 0, 0 }

/* Line 0: "file: sentence"; no file: the sentence alone. */
void config_error(struct config_errors *, struct config_place,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Brings items from `first' on into the order of the files and lines. */
void config_errors_sort(struct config_errors *, size_t first,
    const struct bundle *);
/* All items, one a line, and how many more there were; free() it. */
char *config_errors_text(const struct config_errors *);
void config_errors_done(struct config_errors *);

#endif
