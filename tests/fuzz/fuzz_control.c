/* SPDX-License-Identifier: MIT */
/*
 * A line of the control socket.  Whatever comes in whatever pieces: what was
 * a request or an error stays one when more comes, an error is a sentence,
 * and the words of a request, written again, are the same request.
 */
#include <stdlib.h>

#include "common/str.h"
#include "master/request.h"
#include "tests/fuzz/fuzz.h"

static int
parse(const uint8_t *data, size_t len, struct request *request_out,
    struct err *err)
{
	uint8_t *exact = exact_copy(data, len);
	int parsed;

	err->text[0] = '\0';
	memset(request_out, 0xa5, sizeof(*request_out));
	parsed = request_parse(exact, len, request_out, err);
	free(exact);
	ASSERT((parsed < 0) == (err->text[0] != '\0'));
	return parsed;
}

static bool
same(const struct request *a, const struct request *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->words[i], b->words[i]) != 0)
			return false;
	return true;
}

static void
check(const struct request *r)
{
	char again[REQUEST_MAX + REQUEST_WORDS_MAX] = "";
	struct err err = ERR_INIT;
	struct request second;

	ASSERT(r->n >= 1 && r->n <= REQUEST_WORDS_MAX);
	for (size_t i = 0; i < r->n; i++) {
		const char *word = r->words[i];
		size_t len = strlen(word);

		ASSERT(word >= r->text && word + len < r->text + REQUEST_MAX);
		ASSERT(len > 0 && str_is_utf8(word, len));
		for (size_t j = 0; j < len; j++)
			ASSERT((unsigned char)word[j] > ' ' &&
			    word[j] != 0x7f);
		strcat(strcat(again, word), i + 1 < r->n ? " " : "\n");
	}
	ASSERT(parse((const uint8_t *)again, strlen(again), &second,
	    &err) == 1);
	ASSERT(same(r, &second));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request whole, piece;
	struct err err = ERR_INIT, piece_err = ERR_INIT;
	int parsed = parse(data, size, &whole, &err);
	/* Long inputs in about a hundred pieces. */
	size_t step = 1 + size / 100;

	if (parsed > 0)
		check(&whole);
	for (size_t len = 0; len < size; len += step) {
		int early = parse(data, len, &piece, &piece_err);

		if (early == 0)
			continue;
		ASSERT(early == parsed);
		if (parsed > 0)
			ASSERT(same(&whole, &piece));
		else
			ASSERT(strcmp(err.text, piece_err.text) == 0);
	}
	return 0;
}
