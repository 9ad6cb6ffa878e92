/* SPDX-License-Identifier: MIT */
/*
 * Owns how the text of a setting becomes the value of a struct's member and
 * back, by the type of its row.  Pure but for asking how many CPUs there are.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/alloc.h"
#include "common/assert.h"
#include "common/buf.h"
#include "common/config.h"
#include "common/settings.h"
#include "common/str.h"

#define LIST_MAX 256		/* items */
#define FILE_PATH_MAX 4095	/* bytes; PATH_MAX without its NUL */
#define SHOWN 80		/* bytes of a wrong value in a sentence */

static void
strings_done(struct config_strings *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct config_strings){ NULL, 0 };
}

static int
check_item(const struct config_strings *list, const char *item,
    struct err *err)
{
	if (*item == '\0')
		return err_set(err, "there is an empty item between commas");
	if (strchr(item, '"') != NULL)
		return err_set(err, "double quotes do not belong around an "
		    "item of a list");
	if (list->n == LIST_MAX)
		return err_set(err, "more than %d items", LIST_MAX);
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->items[i], item) == 0)
			return err_set(err, "`%.*s' stands there twice",
			    SHOWN, item);
	}
	return 0;
}

/* With FILE or FOLDER: must be a path. */
static int
check_path(const struct setting *s, const char *value, struct err *err)
{
	if ((s->flags & (SETTING_FILE | SETTING_FOLDER)) == 0)
		return 0;
	if (value[0] != '/')
		return err_set(err, "`%.*s' is not a full path: it must "
		    "begin with /", SHOWN, value);
	if (strlen(value) > FILE_PATH_MAX)
		return err_set(err, "the path is longer than %d bytes",
		    FILE_PATH_MAX);
	return 0;
}

static int
set_list(const struct setting *s, struct config_strings *member,
    const char *value, struct err *err)
{
	struct config_strings list = { NULL, 0 };
	char *copy = xstrdup(value), *rest = copy, *item;
	int r = 0;

	while ((item = str_next_item(&rest, ',')) != NULL) {
		r = check_item(&list, item, err);
		if (r == 0)
			r = check_path(s, item, err);
		if (r != 0)
			break;
		list.items = xreallocarray(list.items, list.n + 1,
		    sizeof(*list.items));
		list.items[list.n++] = xstrdup(item);
	}
	free(copy);
	if (r != 0) {
		strings_done(&list);
		return -1;
	}
	strings_done(member);
	*member = list;
	return 0;
}

static int
set_string(const struct setting *s, char **member, const char *value,
    struct err *err)
{
	if (check_path(s, value, err) != 0)
		return -1;
	free(*member);
	*member = xstrdup(value);
	return 0;
}

static int
set_word(const struct setting *s, uint64_t *member, const char *value,
    struct err *err)
{
	struct buf list = BUF_INIT;
	const char *near;
	bool on;
	size_t n = 0;

	for (; s->words[n] != NULL; n++) {
		if (strcasecmp(s->words[n], value) == 0) {
			*member = n;
			buf_done(&list);
			return 0;
		}
		buf_printf(&list, "%s%s", n == 0 ? "" : ", ", s->words[n]);
	}
	if ((s->flags & SETTING_SWITCH) != 0 &&
	    str_parse_bool(value, &on, NULL) == 0) {
		*member = on ? n - 1 : 0;
		buf_done(&list);
		return 0;
	}
	near = str_nearest(value, s->words, n);
	if (near != NULL)
		buf_printf(&list, "; did you mean `%s'?", near);
	err_set(err, "`%.*s' is not one of %.*s", SHOWN, value,
	    (int)list.len, (const char *)list.data);
	buf_done(&list);
	return -1;
}

static uint64_t
count_cpus(uint64_t max)
{
	cpu_set_t cpus;
	uint64_t n = 1;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		n = (uint64_t)CPU_COUNT(&cpus);
	return n < 1 ? 1 : n > max ? max : n;
}

/* Permissions are octal wherever people write them, with a 0 or without. */
static int
parse_mode(const char *value, uint64_t *out, struct err *err)
{
	size_t len = strlen(value);

	if (len == 0 || len > 4 || strspn(value, "01234567") != len)
		return err_set(err, "`%.*s' is not a mode in octal digits, "
		    "such as 0660", SHOWN, value);
	*out = strtoul(value, NULL, 8);
	return 0;
}

static int
parse_number(const struct setting *s, const char *value, uint64_t *out,
    struct err *err)
{
	switch (s->type) {
	case SETTING_SIZE:
		return str_parse_size(value, out, err);
	case SETTING_DURATION:
		return str_parse_duration_ms(value, out, err);
	case SETTING_WORKERS:
		if (strcasecmp(value, "auto") == 0) {
			*out = count_cpus(s->max);
			return 0;
		}
		if (str_parse_uint(value, out, NULL) == 0)
			return 0;
		return err_set(err, "`%.*s' is neither a number nor auto",
		    SHOWN, value);
	case SETTING_MODE:
		return parse_mode(value, out, err);
	default:
		return str_parse_uint(value, out, err);
	}
}

static void
format_number(const struct setting *s, uint64_t v, char out[STR_NUMBER_MAX])
{
	if (s->type == SETTING_DURATION)
		str_format_duration(v, out);
	else if (s->type == SETTING_SIZE)
		str_format_size(v, out);
	else if (s->type == SETTING_MODE)
		snprintf(out, STR_NUMBER_MAX, "%04llo", (unsigned long long)v);
	else
		snprintf(out, STR_NUMBER_MAX, "%llu", (unsigned long long)v);
}

static int
set_number(const struct setting *s, uint64_t *member, const char *value,
    struct err *err)
{
	char min[STR_NUMBER_MAX], max[STR_NUMBER_MAX];
	uint64_t v;

	if (parse_number(s, value, &v, err) != 0)
		return -1;
	if (v < s->min || v > s->max) {
		format_number(s, s->min, min);
		format_number(s, s->max, max);
		return err_set(err, "`%.*s' is not in the range from %s to %s",
		    SHOWN, value, min, max);
	}
	*member = v;
	return 0;
}

char *
settings_format(const struct setting *s, const void *object)
{
	const void *member = (const char *)object + s->offset;
	char number[STR_NUMBER_MAX];

	switch (s->type) {
	case SETTING_STRING:
		return xstrdup(*(char *const *)member);
	case SETTING_WORD:
		return xstrdup(s->words[*(const uint64_t *)member]);
	case SETTING_BOOL:
		return xstrdup(*(const bool *)member ? "on" : "off");
	default:
		format_number(s, *(const uint64_t *)member, number);
		return xstrdup(number);
	}
}

int
settings_set(const struct setting *s, void *object, const char *value,
    struct err *err)
{
	void *member = (char *)object + s->offset;

	if (s->type == SETTING_NONE)
		return 0;
	if (*value == '\0')
		return err_set(err, "the value is empty");
	switch (s->type) {
	case SETTING_STRING:
		return set_string(s, member, value, err);
	case SETTING_LIST:
		return set_list(s, member, value, err);
	case SETTING_WORD:
		return set_word(s, member, value, err);
	case SETTING_BOOL:
		return str_parse_bool(value, member, err);
	default:
		return set_number(s, member, value, err);
	}
}

void
settings_init(enum setting_section section, void *object)
{
	size_t n;
	const struct setting *rows = settings_table(&n);

	for (size_t i = 0; i < n; i++) {
		if (rows[i].section != section || rows[i].initial == NULL)
			continue;
		ASSERT(settings_set(&rows[i], object, rows[i].initial,
		    NULL) == 0);
	}
}

static void
copy_list(struct config_strings *to, const struct config_strings *from)
{
	to->items = xcalloc(from->n, sizeof(*to->items));
	for (; to->n < from->n; to->n++)
		to->items[to->n] = xstrdup(from->items[to->n]);
}

void
settings_copy(enum setting_section section, void *object, const void *from)
{
	size_t n;
	const struct setting *rows = settings_table(&n);

	for (size_t i = 0; i < n; i++) {
		void *to = (char *)object + rows[i].offset;
		const void *member = (const char *)from + rows[i].offset;
		const char *text;

		if (rows[i].section != section ||
		    rows[i].type == SETTING_NONE)
			continue;
		if (rows[i].type == SETTING_LIST) {
			copy_list(to, member);
		} else if (rows[i].type == SETTING_STRING) {
			text = *(char *const *)member;
			*(char **)to = text == NULL ? NULL : xstrdup(text);
		} else if (rows[i].type == SETTING_BOOL) {
			*(bool *)to = *(const bool *)member;
		} else {
			*(uint64_t *)to = *(const uint64_t *)member;
		}
	}
}

void
settings_done(enum setting_section section, void *object)
{
	size_t n;
	const struct setting *rows = settings_table(&n);

	for (size_t i = 0; i < n; i++) {
		void *member = (char *)object + rows[i].offset;

		if (rows[i].section != section)
			continue;
		if (rows[i].type == SETTING_STRING) {
			free(*(char **)member);
			*(char **)member = NULL;
		} else if (rows[i].type == SETTING_LIST) {
			strings_done(member);
		}
	}
}

static bool
strings_equal(const struct config_strings *a, const struct config_strings *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	}
	return true;
}

bool
settings_equal(const struct setting *s, const void *a, const void *b)
{
	const void *x = (const char *)a + s->offset;
	const void *y = (const char *)b + s->offset;
	const char *p, *q;

	switch (s->type) {
	case SETTING_NONE:
		return true;
	case SETTING_STRING:
		p = *(char *const *)x;
		q = *(char *const *)y;
		return p == NULL || q == NULL ? p == q : strcmp(p, q) == 0;
	case SETTING_LIST:
		return strings_equal(x, y);
	case SETTING_BOOL:
		return *(const bool *)x == *(const bool *)y;
	default:
		return *(const uint64_t *)x == *(const uint64_t *)y;
	}
}
