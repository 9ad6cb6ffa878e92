/* SPDX-License-Identifier: MIT */
/*
 * Words of a person to numbers and back: what a config value or a command
 * line argument means, and how a value is shown.  Nothing here knows which
 * settings there are.
 */
#ifndef WSSD_COMMON_STR_H
#define WSSD_COMMON_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define STR_NUMBER_MAX 32	/* what the format functions write */

/* Decimal digits and nothing else. */
int str_parse_uint(const char *, uint64_t *value_out, struct err *);
/* Bytes: "4096", "64k", "16m", "1g" (powers of 1024; upper case too). */
int str_parse_size(const char *, uint64_t *bytes_out, struct err *);
/*
 * "500ms", "10s", "5m", "1h", "1d".  A number without a unit is an error,
 * because programs differ in what it means (seconds, milliseconds); only 0
 * needs none.
 */
int str_parse_duration_ms(const char *, uint64_t *ms_out, struct err *);
/* on/off, yes/no, true/false, 1/0; upper case too. */
int str_parse_bool(const char *, bool *value_out, struct err *);

/* The shortest text that parses back to the value. */
void str_format_size(uint64_t bytes, char out[STR_NUMBER_MAX]);
void str_format_duration(uint64_t ms, char out[STR_NUMBER_MAX]);

/*
 * Bytes of a peer as one printable word for a log line or a message: `\' and
 * `"' get a backslash, all but printable ASCII becomes \xNN.  Always
 * terminated; what does not fit is cut and ends in "...".  Returns out.
 */
char *str_escape(const void *, size_t len, char *out, size_t size);

/*
 * One byte inside a JSON string (RFC 8259 §7), not terminated; returns its
 * length.  utf8: the string is, so bytes above 127 stay; else they become
 * U+0080 to U+00FF.
 */
#define STR_JSON_BYTE_MAX 7
size_t str_json_byte(unsigned char, bool utf8, char out[STR_JSON_BYTE_MAX]);

/*
 * The candidate a person most likely meant (few typing errors away, case
 * apart), or NULL.  Words are compared up to 64 bytes.
 */
const char *str_nearest(const char *word, const char *const *candidates,
    size_t n);

/*
 * Takes the next of the items that `sep' separates: cuts it out of *rest
 * (which is written to), without blanks around.  NULL at the end.  "a,,b"
 * gives an empty item in the middle.
 */
char *str_next_item(char **rest, char sep);
/* Without blanks (space, tab, CR) at both ends; writes into the text. */
char *str_trim(char *);

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool str_is_utf8(const char *, size_t len);

#endif
