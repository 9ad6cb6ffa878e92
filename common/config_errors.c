/* SPDX-License-Identifier: MIT */
/* Owns the list of what is wrong with the config's files.  Pure. */
#include "common/config_errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/bundle.h"

#define SENTENCE_MAX 1024

void
config_error(struct config_errors *errors, struct config_place place,
    const char *fmt, ...)
{
	char sentence[SENTENCE_MAX];
	char *item;
	va_list ap;

	if (errors->n == CONFIG_ERRORS_MAX) {
		errors->dropped++;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	if (place.file == NULL)
		item = xstrdup(sentence);
	else if (place.line == 0)
		item = xasprintf("%s: %s", place.file, sentence);
	else
		item = xasprintf("%s:%u: %s", place.file, place.line,
		    sentence);
	errors->items = xreallocarray(errors->items, errors->n + 1,
	    sizeof(*errors->items));
	errors->places = xreallocarray(errors->places, errors->n + 1,
	    sizeof(*errors->places));
	errors->items[errors->n] = item;
	errors->places[errors->n++] = place;
}

/* The file's position in the bundle; one that is not in it stands last. */
static size_t
file_rank(const struct bundle *bundle, const char *file)
{
	size_t i = 0;

	while (i < bundle->n && bundle->files[i].path != file)
		i++;
	return i;
}

static bool
stands_before(const struct bundle *bundle, const struct config_place *a,
    const struct config_place *b)
{
	size_t x = file_rank(bundle, a->file), y = file_rank(bundle, b->file);

	return x < y || (x == y && a->line < b->line);
}

void
config_errors_sort(struct config_errors *errors, size_t first,
    const struct bundle *bundle)
{
	/* insertion: at most 100, and those of one line keep their order */
	for (size_t i = first + 1; i < errors->n; i++) {
		struct config_place place = errors->places[i];
		char *item = errors->items[i];
		size_t j = i;

		for (; j > first && stands_before(bundle, &place,
		    &errors->places[j - 1]); j--) {
			errors->places[j] = errors->places[j - 1];
			errors->items[j] = errors->items[j - 1];
		}
		errors->places[j] = place;
		errors->items[j] = item;
	}
}

char *
config_errors_text(const struct config_errors *errors)
{
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < errors->n; i++)
		buf_printf(&text, "%s\n", errors->items[i]);
	if (errors->dropped > 0)
		buf_printf(&text, "(and %zu more)\n", errors->dropped);
	buf_put_u8(&text, 0);
	return (char *)text.data;
}

void
config_errors_done(struct config_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++)
		free(errors->items[i]);
	free(errors->items);
	free(errors->places);
	*errors = (struct config_errors)CONFIG_ERRORS_INIT;
}
