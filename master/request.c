/* SPDX-License-Identifier: MIT */
/* Owns nothing.  Pure: must never look behind the bytes it is given. */
#include "master/request.h"

#include <stdbool.h>
#include <string.h>

#include "common/str.h"

/* No control characters, which nobody types and a log would have to hide. */
static bool
is_text(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			return false;
	return str_is_utf8(line, len);
}

static int
split(struct request *r, struct err *err)
{
	char *rest = r->text, *word;

	r->n = 0;
	while ((word = strsep(&rest, " ")) != NULL) {
		if (word[0] == '\0')
			continue;
		if (r->n == REQUEST_WORDS_MAX)
			return err_set(err, "the request has more than %d "
			    "words", REQUEST_WORDS_MAX);
		r->words[r->n++] = word;
	}
	return r->n > 0 ? 1 : err_set(err, "the request is empty");
}

int
request_parse(const void *data, size_t len, struct request *request_out,
    struct err *err)
{
	size_t looked_at = len < REQUEST_MAX ? len : REQUEST_MAX;
	const char *line = data, *end;

	end = looked_at == 0 ? NULL : memchr(line, '\n', looked_at);
	if (end == NULL)
		return len < REQUEST_MAX ? 0 :
		    err_set(err, "the request is too long");
	len = (size_t)(end - line);
	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (!is_text(line, len))
		return err_set(err, "the request is no text");
	memcpy(request_out->text, line, len);
	request_out->text[len] = '\0';
	return split(request_out, err);
}
