/* SPDX-License-Identifier: MIT */
/* worker/extensions: what is offered (RFC 7692 §7.1), and what answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/extensions.h"

#define PD "permessage-deflate"
#define SNT "; server_no_context_takeover"
#define CNT "; client_no_context_takeover"
#define SB "; server_max_window_bits"
#define CB "; client_max_window_bits"
#define HEAD "Sec-WebSocket-Extensions: " PD

static const struct extension_rules off = { false, false, 15, 8 };
static const struct extension_rules shared = { true, false, 15, 8 };
static const struct extension_rules dedicated = { true, true, 15, 8 };
static const struct extension_rules small = { true, true, 10, 4 };

static const struct row {
	const struct extension_rules *rules;
	const char *offer;
	const char *answer;	/* NULL: declined; "": malformed */
} rows[] = {
	/* The route wants none. */
	{ &off, PD, NULL },
	{ &off, PD CB, NULL },
	{ &off, PD ";", "" },

	/* Shared: no takeover, whatever the client says. */
	{ &shared, PD, HEAD SNT CNT },
	{ &shared, PD CB, HEAD SNT CNT },
	{ &shared, PD SNT CNT, HEAD SNT CNT },
	{ &shared, PD SB "=12" CB "=11", HEAD SNT CNT SB "=12" CB "=11" },

	/* Dedicated: as the client says. */
	{ &dedicated, PD, HEAD },
	{ &dedicated, PD SNT, HEAD SNT },
	{ &dedicated, PD CNT, HEAD CNT },
	{ &dedicated, PD CNT SNT, HEAD SNT CNT },
	{ &dedicated, PD CB, HEAD },
	{ &dedicated, PD CB "=15", HEAD },
	{ &dedicated, PD CB "=9", HEAD CB "=9" },
	{ &dedicated, PD CB "=8", HEAD CB "=8" },
	{ &dedicated, PD SB "=15", HEAD SB "=15" },
	{ &dedicated, PD SB "=9", HEAD SB "=9" },
	{ &dedicated, PD SNT CNT SB "=14" CB "=13",
	    HEAD SNT CNT SB "=14" CB "=13" },

	/* A smaller window is told, the client's only if it was offered. */
	{ &small, PD, HEAD SB "=10" },
	{ &small, PD CB, HEAD SB "=10" CB "=10" },
	{ &small, PD CB "=9", HEAD SB "=10" CB "=9" },
	{ &small, PD CB "=12", HEAD SB "=10" CB "=10" },
	{ &small, PD SB "=9", HEAD SB "=9" },
	{ &small, PD SB "=15", HEAD SB "=10" },

	/* zlib has no window of 8 to compress with. */
	{ &dedicated, PD SB "=8", NULL },
	{ &shared, PD SB "=\"8\"", NULL },

	/* Quoted, and with space. */
	{ &dedicated, PD SB "=\"10\"", HEAD SB "=10" },
	{ &dedicated, PD SB "=\"1\\0\"", HEAD SB "=10" },
	{ &dedicated, PD " ;\tclient_max_window_bits = \"11\" ",
	    HEAD CB "=11" },

	/* Wrong values. */
	{ &dedicated, PD SB, NULL },
	{ &dedicated, PD SB "=7", NULL },
	{ &dedicated, PD SB "=16", NULL },
	{ &dedicated, PD SB "=0", NULL },
	{ &dedicated, PD SB "=010", NULL },
	{ &dedicated, PD SB "=09", NULL },
	{ &dedicated, PD SB "=+9", NULL },
	{ &dedicated, PD SB "=9.0", NULL },
	{ &dedicated, PD SB "=100", NULL },
	{ &dedicated, PD SB "=11111111111111111111", NULL },
	{ &dedicated, PD SB "=x", NULL },
	{ &dedicated, PD CB "=7", NULL },
	{ &dedicated, PD CB "=16", NULL },
	{ &dedicated, PD CB "=08", NULL },
	{ &dedicated, PD CB "=1", NULL },
	{ &dedicated, PD SNT "=1", NULL },
	{ &dedicated, PD SNT "=\"true\"", NULL },
	{ &dedicated, PD CNT "=0", NULL },

	/* Twice, unknown, of another name. */
	{ &dedicated, PD SNT SNT, NULL },
	{ &dedicated, PD CNT CNT, NULL },
	{ &dedicated, PD SB "=10" SB "=10", NULL },
	{ &dedicated, PD CB CB, NULL },
	{ &dedicated, PD CB CB "=10", NULL },
	{ &dedicated, PD "; x", NULL },
	{ &dedicated, PD "; x; x", NULL },
	{ &dedicated, PD "; x=1" CB, NULL },
	{ &dedicated, PD "; Client_max_window_bits", NULL },
	{ &dedicated, "permessage-bzip2", NULL },
	{ &dedicated, "x-webkit-deflate-frame", NULL },
	{ &dedicated, "Permessage-Deflate", NULL },
	{ &dedicated, "permessage-deflate2", NULL },
	{ &dedicated, "permessage", NULL },

	/* Malformed: also when it is not for us. */
	{ &dedicated, PD ";", "" },
	{ &dedicated, PD ";;" , "" },
	{ &dedicated, PD SB "=", "" },
	{ &dedicated, PD SB "=\"\"", "" },
	{ &dedicated, PD SB "=\"10", "" },
	{ &dedicated, PD SB "=\"1 0\"", "" },
	{ &dedicated, PD SB "=10 9", "" },
	{ &dedicated, PD "=1", "" },
	{ &dedicated, PD "; =1", "" },
	{ &dedicated, "", "" },
	{ &dedicated, ";", "" },
	{ &dedicated, "other; a=", "" },
	{ &dedicated, PD "; unknown; broken=", "" },
};

/* In memory of exactly that size. */
static enum extension_answer
judge(const char *offer, size_t len, const struct extension_rules *rules,
    struct ws_deflate_params *params)
{
	char *exact = malloc(len == 0 ? 1 : len);
	enum extension_answer answer;

	memcpy(exact, offer, len);
	answer = extension_judge((struct slice){ exact, len }, rules, params);
	free(exact);
	return answer;
}

static void
check_row(const struct row *row)
{
	struct ws_deflate_params params = { .agreed = false };
	struct buf out = BUF_INIT;
	enum extension_answer answer = judge(row->offer, strlen(row->offer),
	    row->rules, &params);

	print_message("%s\n", row->offer);
	if (row->answer == NULL || row->answer[0] == '\0') {
		assert_int_equal(answer, row->answer == NULL ?
		    EXTENSION_DECLINED : EXTENSION_MALFORMED);
		assert_false(params.agreed);
		return;
	}
	assert_int_equal(answer, EXTENSION_ACCEPTED);
	extension_response_put(&out, &params);
	buf_put_u8(&out, 0);
	assert_int_equal(strlen((char *)out.data), strlen(row->answer) + 2);
	assert_memory_equal(out.data, row->answer, strlen(row->answer));
	assert_string_equal((char *)out.data + strlen(row->answer), "\r\n");
	buf_done(&out);
}

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check_row(&rows[i]);
}

/* No answer that was not asked for, when none was agreed on. */
static void
test_nothing(void **state)
{
	struct ws_deflate_params params = { .agreed = false };
	struct buf out = BUF_INIT;

	(void)state;
	extension_response_put(&out, &params);
	assert_int_equal(out.len, 0);
	buf_done(&out);
}

/* What the limit of memory makes of it is an answer to the same offer. */
static void
test_share(void **state)
{
	struct ws_deflate_params params;
	struct buf out = BUF_INIT;
	const char *offer = PD CB "=11", *want = HEAD SNT CNT SB "=10"
	    CB "=10\r\n";

	(void)state;
	judge(offer, strlen(offer), &small, &params);
	assert_true(ws_deflate_cost(&params) > 0);
	ws_deflate_share(&params);
	assert_int_equal(ws_deflate_cost(&params), 0);
	extension_response_put(&out, &params);
	assert_int_equal(out.len, strlen(want));
	assert_memory_equal(out.data, want, out.len);
	buf_done(&out);
}

static void
test_cut_off(void **state)
{
	struct ws_deflate_params params;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (size_t len = 0; len <= strlen(rows[i].offer); len++)
			judge(rows[i].offer, len, rows[i].rules, &params);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
