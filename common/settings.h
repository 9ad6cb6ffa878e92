/* SPDX-License-Identifier: MIT */
/*
 * The table of all settings: one row makes a key's parser, default, range,
 * help text, what a reload may do with it, and whether it is a file.  The
 * config, `wssctl config --defaults', wssd.ini(5) and etc/wssd.ini are all
 * held to it.
 */
#ifndef WSSD_COMMON_SETTINGS_H
#define WSSD_COMMON_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/err.h"

enum setting_section {
	SETTING_WSSD,		/* struct config_daemon */
	SETTING_LISTEN,		/* struct config_listen */
	SETTING_CONTEXT,	/* struct config_context */
	SETTING_ROUTE,		/* struct config_route */
	SETTING_SECTIONS
};

/* The type of the member at the row's offset stands behind. */
enum setting_type {
	SETTING_STRING,		/* char *; with FILE an absolute path */
	SETTING_LIST,		/* struct config_strings; comma-separated;
				   with FILE absolute paths */
	SETTING_UINT,		/* uint64_t */
	SETTING_SIZE,		/* uint64_t, bytes */
	SETTING_DURATION,	/* uint64_t, milliseconds */
	SETTING_WORD,		/* uint64_t, index into words */
	SETTING_BOOL,		/* bool */
	SETTING_MODE,		/* uint64_t, permissions in octal */
	SETTING_WORKERS,	/* uint64_t; "auto" = one per CPU */
	SETTING_NONE		/* no member: config.c or bundle.c reads it */
};

enum setting_flag {
	SETTING_REQUIRED = 1,
	SETTING_FILE = 2,	/* opened by the master (files.c) */
	SETTING_CODE = 4,	/* with FILE: a shared object */
	SETTING_OPTION = 8,	/* only for the route's handler `handler' */
	SETTING_FOLDER = 16,	/* its files are opened, as with FILE */
	SETTING_SWITCH = 32,	/* with WORD: off is the first, on the last */
	SETTING_DIRECTORY = 64,	/* with FILE: a folder itself is opened */
	SETTING_MASTER = 128,	/* with FILE: not for the workers */
	SETTING_SECRET = 256	/* with FILE: no worker gets it when a signer
				   has the keys */
};

/* What a reload does with a new value. */
enum setting_reload {
	SETTING_LIVE,		/* used for new connections, nobody is closed */
	SETTING_ROLL,		/* the workers are replaced one by one */
	SETTING_RESTART		/* kept until the daemon is started again */
};

struct setting {
	enum setting_section section;
	const char *key;
	enum setting_type type;
	unsigned flags;
	enum setting_reload reload;
	size_t offset;
	const char *initial;	/* as it would be written; NULL = none */
	uint64_t min, max;	/* of a number */
	const char *const *words;	/* of a WORD; NULL at the end */
	const char *handler;	/* of an OPTION: who takes it */
	const char *example;	/* shown where there is no default */
	const char *help;	/* sentences */
};

/* "wssd", "listen", "context", "route". */
const char *setting_section_name(enum setting_section);
/* SETTING_SECTIONS when there is no such section. */
enum setting_section setting_section_find(const char *kind);

/* The rows, grouped by section, in the order a person reads them. */
const struct setting *settings_table(size_t *n_out);
/* NULL when the section has no such key; option.x is "option.NAME". */
const struct setting *settings_find(enum setting_section, const char *key);

/* Gives every member of a zeroed struct its default. */
void settings_init(enum setting_section, void *object);
/*
 * Parses a value into its member (what was there is freed).  On failure the
 * member is untouched and err says what is wrong, without the key's name.
 */
int settings_set(const struct setting *, void *object, const char *value,
    struct err *);
/* Gives every member of a zeroed struct the value of another one's. */
void settings_copy(enum setting_section, void *object, const void *from);
/* Frees the members the table knows of. */
void settings_done(enum setting_section, void *object);
bool settings_equal(const struct setting *, const void *, const void *);
/* A number, word, string or switch as it would be written; free() it. */
char *settings_format(const struct setting *, const void *object);

/* What to say of a key the section does not have, or of a section. */
void settings_explain_key(enum setting_section, const char *key,
    struct err *sentence_out);
void settings_explain_section(const char *kind, struct err *sentence_out);

/* A complete config file with all keys, their defaults and their help. */
void settings_print_defaults(FILE *);
/* The list of all keys as mdoc(7), for wssd.ini(5). */
void settings_print_mdoc(FILE *);

#endif
