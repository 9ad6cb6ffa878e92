/* SPDX-License-Identifier: MIT */
/* Owns nothing.  Pure: text in, numbers and text out; never logs. */
#include "common/str.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/count.h"

#define WORD_MAX 64		/* bytes compared by str_nearest() */
#define SHOWN 80		/* bytes of a wrong value in a sentence */

struct unit {
	const char *name;
	uint64_t factor;
};

/* The big ones first: formatting takes the first that divides. */
static const struct unit size_units[] = {
	{ "g", 1u << 30 }, { "m", 1u << 20 }, { "k", 1u << 10 }, { "", 1 },
};

static const struct unit duration_units[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 },
	{ "ms", 1 },
};

/*
 * The digits at the start; *end_out is the first byte behind them.  Returns
 * -1 without a digit, -2 when they do not fit.
 */
static int
take_digits(const char *s, uint64_t *value_out, const char **end_out)
{
	uint64_t v = 0;

	if (*s < '0' || *s > '9')
		return -1;
	for (; *s >= '0' && *s <= '9'; s++) {
		uint64_t digit = (uint64_t)(*s - '0');

		if (v > (UINT64_MAX - digit) / 10)
			return -2;
		v = v * 10 + digit;
	}
	*value_out = v;
	*end_out = s;
	return 0;
}

/* A number and one of the units: 0; -1 when it is none; -2 when too big. */
static int
take_with_unit(const char *s, const struct unit *units, size_t n,
    uint64_t *value_out)
{
	const char *unit;
	uint64_t v;
	int r;

	r = take_digits(s, &v, &unit);
	if (r != 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(unit, units[i].name) != 0)
			continue;
		if (v > UINT64_MAX / units[i].factor)
			return -2;
		*value_out = v * units[i].factor;
		return 0;
	}
	return -1;
}

int
str_parse_uint(const char *s, uint64_t *value_out, struct err *err)
{
	const char *end;
	uint64_t v;
	int r = take_digits(s, &v, &end);

	if (r == -2)
		return err_set(err, "`%.*s' is too big", SHOWN, s);
	if (r != 0 || *end != '\0')
		return err_set(err, "`%.*s' is not a number", SHOWN, s);
	*value_out = v;
	return 0;
}

int
str_parse_size(const char *s, uint64_t *bytes_out, struct err *err)
{
	int r = take_with_unit(s, size_units, COUNT(size_units), bytes_out);

	if (r == -2)
		return err_set(err, "`%.*s' is too big", SHOWN, s);
	if (r != 0)
		return err_set(err, "`%.*s' is not a size: "
		    "write bytes, or 64k, 16m, 1g", SHOWN, s);
	return 0;
}

int
str_parse_duration_ms(const char *s, uint64_t *ms_out, struct err *err)
{
	const char *end;
	uint64_t v;
	int r;

	if (take_digits(s, &v, &end) == 0 && *end == '\0') {
		if (v != 0)
			return err_set(err, "`%.*s' needs a unit: "
			    "write %.*ss for seconds or %.*sms for "
			    "milliseconds", SHOWN, s, SHOWN, s, SHOWN, s);
		*ms_out = 0;
		return 0;
	}
	r = take_with_unit(s, duration_units, COUNT(duration_units), ms_out);
	if (r == -2)
		return err_set(err, "`%.*s' is too big", SHOWN, s);
	if (r != 0)
		return err_set(err, "`%.*s' is not a time: "
		    "write 500ms, 10s, 5m, 1h or 1d", SHOWN, s);
	return 0;
}

int
str_parse_bool(const char *s, bool *value_out, struct err *err)
{
	static const char *const words[][2] = {
		{ "off", "on" }, { "no", "yes" }, { "false", "true" },
		{ "0", "1" },
	};

	for (size_t i = 0; i < COUNT(words); i++) {
		for (int v = 0; v < 2; v++) {
			if (strcasecmp(s, words[i][v]) != 0)
				continue;
			*value_out = v == 1;
			return 0;
		}
	}
	return err_set(err, "`%.*s' is neither on nor off", SHOWN, s);
}

static void
format_with_unit(uint64_t v, const struct unit *units, size_t n,
    char out[STR_NUMBER_MAX])
{
	size_t i = 0;

	while (i < n - 1 && (v == 0 || v % units[i].factor != 0))
		i++;
	snprintf(out, STR_NUMBER_MAX, "%llu%s",
	    (unsigned long long)(v / units[i].factor),
	    v == 0 ? "" : units[i].name);
}

void
str_format_size(uint64_t bytes, char out[STR_NUMBER_MAX])
{
	format_with_unit(bytes, size_units, COUNT(size_units), out);
}

void
str_format_duration(uint64_t ms, char out[STR_NUMBER_MAX])
{
	format_with_unit(ms, duration_units, COUNT(duration_units), out);
}

/* Writes the escaped form of one byte; returns its length, 1 to 4. */
static size_t
escape_byte(unsigned char c, char out[5])
{
	int n;

	if (c == '\\' || c == '"')
		n = snprintf(out, 5, "\\%c", c);
	else if (c >= 0x20 && c < 0x7f)
		n = snprintf(out, 5, "%c", c);
	else
		n = snprintf(out, 5, "\\x%02x", c);
	return (size_t)n;
}

size_t
str_json_byte(unsigned char c, bool utf8, char out[STR_JSON_BYTE_MAX])
{
	if (c == '"' || c == '\\')
		return (size_t)snprintf(out, STR_JSON_BYTE_MAX, "\\%c", c);
	if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
		return (size_t)snprintf(out, STR_JSON_BYTE_MAX, "\\u%04x",
		    c);
	out[0] = (char)c;
	return 1;
}

char *
str_escape(const void *bytes, size_t len, char *out, size_t size)
{
	const unsigned char *p = bytes;
	size_t used = 0, cut = 0;
	char piece[5];

	if (size == 0)
		return out;
	out[0] = '\0';
	for (size_t i = 0; i < len; i++) {
		size_t n = escape_byte(p[i], piece);

		if (used + n >= size) {
			/* cut: the last place where "..." still fits */
			snprintf(out + cut, size - cut, "...");
			return out;
		}
		memcpy(out + used, piece, n + 1);
		used += n;
		if (used + 3 < size)
			cut = used;
	}
	return out;
}

static size_t
min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/*
 * How many letters must be added, taken away, changed or swapped with their
 * neighbour to make b from a (optimal string alignment).
 */
static size_t
edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2], *spare;

	for (size_t j = 0; j <= b_len; j++)
		before[j] = last[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			int x = tolower((unsigned char)a[i - 1]);
			int y = tolower((unsigned char)b[j - 1]);

			row[j] = min3(last[j] + 1, row[j - 1] + 1,
			    last[j - 1] + (x != y));
			if (i > 1 && j > 1 && before[j - 2] + 1 < row[j] &&
			    x == tolower((unsigned char)b[j - 2]) &&
			    y == tolower((unsigned char)a[i - 2]))
				row[j] = before[j - 2] + 1;
		}
		spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[b_len];
}

const char *
str_nearest(const char *word, const char *const *candidates, size_t n)
{
	size_t len = strnlen(word, WORD_MAX + 1);
	const char *best = NULL;
	size_t least = len / 3 + 1;	/* more errors are another word */

	if (len == 0 || len > WORD_MAX)
		return NULL;
	if (least > 3)
		least = 3;
	for (size_t i = 0; i < n; i++) {
		size_t c_len = strlen(candidates[i]);
		size_t d;

		if (c_len > WORD_MAX)
			continue;
		d = edit_distance(word, len, candidates[i], c_len);
		/* a word of which nothing is left is not a typing error */
		if (d > least || d >= c_len || (best != NULL && d == least))
			continue;
		best = candidates[i];
		least = d;
	}
	return best;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

char *
str_trim(char *s)
{
	size_t len;

	while (is_blank(*s))
		s++;
	for (len = strlen(s); len > 0 && is_blank(s[len - 1]); len--)
		s[len - 1] = '\0';
	return s;
}

char *
str_next_item(char **rest, char sep)
{
	char *item = *rest, *end;

	if (item == NULL)
		return NULL;
	end = strchr(item, sep);
	if (end == NULL) {
		*rest = NULL;
	} else {
		*end = '\0';
		*rest = end + 1;
	}
	return str_trim(item);
}

/* The length of the character at p, or 0 when it is none. */
static size_t
utf8_char(const unsigned char *p, size_t len)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 :
	    p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

bool
str_is_utf8(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;

	for (size_t n; len > 0; p += n, len -= n) {
		n = utf8_char(p, len);
		if (n == 0)
			return false;
	}
	return true;
}
