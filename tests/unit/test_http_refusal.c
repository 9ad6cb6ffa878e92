/* SPDX-License-Identifier: MIT */
/* worker/http_refusal: the answers, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"
#include "worker/http.h"

static void
assert_answer(unsigned status, const char *expected)
{
	struct http_refusal refusal;
	struct buf out = BUF_INIT;

	assert_int_equal(http_refuse(&refusal, status, "why %d", 7), -1);
	http_refusal_put(&out, &refusal);
	buf_put_u8(&out, 0);
	assert_string_equal((const char *)out.data, expected);
	buf_done(&out);
}

#define COMMON "Content-Type: text/plain; charset=utf-8\r\n"                 \
	"Content-Length: 6\r\nCache-Control: no-store\r\n"                   \
	"Connection: close\r\n"

static void
test_answers(void **state)
{
	struct http_refusal refusal;

	(void)state;
	assert_answer(400, "HTTP/1.1 400 Bad Request\r\n" COMMON
	    "\r\nwhy 7\n");
	assert_answer(405, "HTTP/1.1 405 Method Not Allowed\r\n" COMMON
	    "Allow: GET\r\n\r\nwhy 7\n");
	assert_answer(426, "HTTP/1.1 426 Upgrade Required\r\n" COMMON
	    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
	    "Sec-WebSocket-Version: 13\r\n\r\nwhy 7\n");
	assert_answer(503, "HTTP/1.1 503 Service Unavailable\r\n" COMMON
	    "Retry-After: 5\r\n\r\nwhy 7\n");
	assert_answer(418, "HTTP/1.1 418 Error\r\n" COMMON "\r\nwhy 7\n");
	assert_string_equal(http_status_text(404), "Not Found");
	assert_string_equal(http_status_text(101), "Switching Protocols");
	assert_string_equal(http_status_text(0), "Error");
	/* A reason that is too long is cut. */
	http_refuse(&refusal, 400, "%0200d", 1);
	assert_int_equal(strlen(refusal.reason), sizeof(refusal.reason) - 1);
}

static void
test_answer_of_a_handler(void **state)
{
	struct http_answer answer = { 200, "text/html", NULL, 1234 };
	struct buf out = BUF_INIT;

	(void)state;
	http_answer_put(&out, &answer);
	answer.fields = "Cache-Control: no-cache\r\nX: y\r\n";
	answer.length = 0;
	http_answer_put(&out, &answer);
	buf_put_u8(&out, 0);
	assert_string_equal((const char *)out.data,
	    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
	    "Content-Length: 1234\r\nX-Content-Type-Options: nosniff\r\n"
	    "Connection: close\r\n\r\n"
	    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
	    "Content-Length: 0\r\nX-Content-Type-Options: nosniff\r\n"
	    "Connection: close\r\nCache-Control: no-cache\r\nX: y\r\n"
	    "\r\n");
	buf_done(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_answer_of_a_handler),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
