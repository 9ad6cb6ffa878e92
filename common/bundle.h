/* SPDX-License-Identifier: MIT */
/*
 * The texts of wssd.ini and of the files it includes, with their names: what
 * travels from the master to a worker in a sealed memfd.
 */
#ifndef WSSD_COMMON_BUNDLE_H
#define WSSD_COMMON_BUNDLE_H

#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"

#define BUNDLE_FILE_MAX (1u << 20)	/* bytes of one file */
#define BUNDLE_FILES_MAX 1000
#define BUNDLE_PATH_MAX 4095	/* bytes */
#define BUNDLE_BYTES_MAX (16u << 20)	/* of all files together */

struct bundle_file {
	char *path;
	char *text;		/* terminated; len bytes without the NUL */
	size_t len;
};

struct bundle {
	struct bundle_file *files;	/* [0] is the main file */
	size_t n;
};

struct config_errors;

/* Reads path and its includes; NULL: errors says why, with file:line. */
struct bundle *bundle_load(const char *path, struct config_errors *);
/* Reads path alone. */
struct bundle *bundle_load_alone(const char *path, struct config_errors *);
/* A bundle of one text, whose includes are not read: for tests. */
struct bundle *bundle_from_text(const char *name, const char *text,
    size_t len);
struct bundle *bundle_new(void);
/* path and text become the bundle's. */
void bundle_add(struct bundle *, char *path, char *text, size_t len);
void bundle_free(struct bundle *);

/* One flat piece of bytes and back. */
void bundle_put(struct buf *, const struct bundle *);
/* NULL: the bytes, to their end, are not what bundle_put() writes. */
struct bundle *bundle_get(struct reader *, struct err *);

#endif
