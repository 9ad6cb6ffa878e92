/* SPDX-License-Identifier: MIT */
/* worker/proxyproto: every vector whole, and in all its beginnings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/count.h"
#include "tests/unit/feed.h"
#include "worker/proxyproto.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1
#define V4 "\xcb\x00\x71\x07\xc0\x00\x02\x01\xc8\x00\x01\xbb"

/* Exactly these bytes, so that the sanitizer sees one read too far. */
static enum proxyproto_result
parse(const uint8_t *data, size_t len, struct proxyproto *out, size_t *used,
    const char **why)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);
	enum proxyproto_result result;

	memcpy(copy, data, len);
	result = proxyproto_parse(copy, len, out, used, why);
	free(copy);
	return result;
}

/* Every beginning is MORE; the whole is OK, also with bytes behind it. */
static void
good(const uint8_t *data, size_t len, struct proxyproto *out)
{
	uint8_t longer[PROXYPROTO_MAX + 64];
	const char *why = "";
	size_t used;

	for (size_t n = 0; n < len; n++)
		assert_int_equal(parse(data, n, out, &used, &why),
		    PROXYPROTO_MORE);
	assert_int_equal(parse(data, len, out, &used, &why), PROXYPROTO_OK);
	assert_int_equal(used, len);
	memcpy(longer, data, len);
	memcpy(longer + len, "\x16\x03\x01 and more", 12);
	used = 0;
	assert_int_equal(parse(longer, len + 12, out, &used, &why),
	    PROXYPROTO_OK);
	assert_int_equal(used, len);
}

static void
is_client(const struct proxyproto *p, const char *text)
{
	char shown[ADDR_TEXT_MAX];

	assert_int_equal(p->has_client, text != NULL);
	if (text == NULL)
		return;
	addr_format(&p->client, shown);
	assert_string_equal(shown, text);
}

static void
version_1(void **state)
{
	static const struct {
		const char *line, *client;
	} cases[] = {
		{ "PROXY TCP4 203.0.113.7 192.0.2.1 51200 443\r\n",
		    "203.0.113.7:51200" },
		{ "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
		    "255.255.255.255:65535" },
		{ "PROXY TCP6 2001:db8::7 2001:db8::1 51200 443\r\n",
		    "[2001:db8::7]:51200" },
		{ "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
		    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
		{ "PROXY TCP6 ::ffff:203.0.113.7 ::ffff:192.0.2.1 5 6\r\n",
		    "203.0.113.7:5" },
		{ "PROXY TCP4 203.0.113.7 192.0.2.1 0 443\r\n",
		    "203.0.113.7:0" },
		{ "PROXY UNKNOWN\r\n", NULL },
		{ "PROXY UNKNOWN whatever it may be\r\n", NULL },
		{ "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
		    NULL },
	};
	struct proxyproto p;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		good((const uint8_t *)cases[i].line, strlen(cases[i].line),
		    &p);
		is_client(&p, cases[i].client);
		assert_false(p.has_tls);
	}
}

static void
version_1_malformed(void **state)
{
	static const struct {
		const char *line, *why;
	} cases[] = {
		{ "GET / HTTP/1.1\r\n", "there is none" },
		{ "\x16\x03\x01", "there is none" },
		{ "PROXZ", "there is none" },
		{ "PROXY  TCP4 1.2.3.4 1.2.3.4 1 1\r\n", "malformed" },
		{ "PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n", "malformed" },
		{ "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n", "malformed" },
		{ "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "malformed" },
		{ "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n", "malformed" },
		{ "PROXY TCP4 1.2.3.4 1.2.3.4\r\n", "malformed" },
		{ "PROXY TCP4\r\n", "malformed" },
		{ "PROXY TCP4 \r\n", "malformed" },
		{ "PROXY \r\n", "malformed" },
		{ "PROXY tcp4 1.2.3.4 1.2.3.4 1 1\r\n", "malformed" },
		{ "PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n", "malformed" },
		{ "PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n", "malformed" },
		{ "PROXY UNKNOWNS\r\n", "malformed" },
		{ "PROXY TCP4 ::1 ::1 1 1\r\n", "malformed" },
		{ "PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n", "malformed" },
		{ "PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n", "malformed" },
		{ "PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n", "malformed" },
		{ "PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n", "malformed" },
		{ "PROXY TCP4 1.2.3.4 1.2.3.4 1 123456789\r\n", "malformed" },
		{ "PROXY TCP4 1.2.3.04 1.2.3.4 1 1\r\n", "malformed" },
		{ "PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n", "malformed" },
		{ "PROXY TCP4 1.2.3.4\t1.2.3.4 1 1\r\n", "malformed" },
		{ "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\rX", "CRLF" },
	};
	struct proxyproto p;
	const char *why;
	size_t used;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		why = NULL;
		assert_int_equal(parse((const uint8_t *)cases[i].line,
		    strlen(cases[i].line), &p, &used, &why), PROXYPROTO_BAD);
		assert_non_null(strstr(why, cases[i].why));
	}
}

/* A line without an end is given up at its 107th byte. */
static void
version_1_endless(void **state)
{
	uint8_t line[200] = "PROXY UNKNOWN ";
	struct proxyproto p;
	const char *why;
	size_t used;

	(void)state;
	memset(line + 14, 'x', sizeof(line) - 14);
	assert_int_equal(parse(line, 106, &p, &used, &why), PROXYPROTO_MORE);
	assert_int_equal(parse(line, 107, &p, &used, &why), PROXYPROTO_BAD);
	assert_non_null(strstr(why, "107"));
	memcpy(line + 105, "\r\n", 2);
	assert_int_equal(parse(line, 200, &p, &used, &why), PROXYPROTO_OK);
	assert_int_equal(used, 107);
	memcpy(line + 105, "x\r\n", 3);
	assert_int_equal(parse(line, 200, &p, &used, &why), PROXYPROTO_BAD);
}

static void
version_2(void **state)
{
	static const uint8_t unix_head[16 + 216] = SIG "\x21\x31\x00\xd8";
	struct proxyproto p;

	(void)state;
	good(BYTES(SIG "\x21\x11\x00\x0c" V4), &p);
	is_client(&p, "203.0.113.7:51200");
	assert_false(p.has_tls);
	good(BYTES(SIG "\x21\x21\x00\x24"
	    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
	    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
	    "\xc8\x00\x01\xbb"), &p);
	is_client(&p, "[2001:db8::7]:51200");
	good(BYTES(SIG "\x21\x21\x00\x24"
	    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xcb\x00\x71\x07"
	    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01"
	    "\xc8\x00\x01\xbb"), &p);
	is_client(&p, "203.0.113.7:51200");
	good(unix_head, sizeof(unix_head), &p);
	is_client(&p, "unix:");
	good(BYTES(SIG "\x21\x00\x00\x00"), &p);
	is_client(&p, NULL);
	/* LOCAL: whatever the family and the rest say. */
	good(BYTES(SIG "\x20\x00\x00\x00"), &p);
	is_client(&p, NULL);
	good(BYTES(SIG "\x20\x11\x00\x0c" V4), &p);
	is_client(&p, NULL);
	good(BYTES(SIG "\x20\xff\x00\x03\xff\xff\xff"), &p);
	is_client(&p, NULL);
}

static void
version_2_tlvs(void **state)
{
	struct proxyproto p;

	(void)state;
	/* ALPN, authority, unique id, padding, and a type nobody knows */
	good(BYTES(SIG "\x21\x11\x00\x2c" V4
	    "\x01\x00\x02h2" "\x02\x00\x03x.y" "\x05\x00\x01i"
	    "\x04\x00\x04\0\0\0\0" "\xee\x00\x07unknown"), &p);
	is_client(&p, "203.0.113.7:51200");
	assert_false(p.has_tls);
	/* TLS with version, common name, cipher */
	good(BYTES(SIG "\x21\x11\x00\x2a" V4 "\x20\x00\x1b"
	    "\x01\0\0\0\0" "\x21\x00\x07TLSv1.3" "\x22\x00\x01z"
	    "\x23\x00\x05" "AES-x"), &p);
	assert_true(p.has_tls);
	assert_true(p.secure);
	assert_string_equal(p.tls, "TLSv1.3");
	/* not by TLS */
	good(BYTES(SIG "\x21\x11\x00\x14" V4 "\x20\x00\x05\0\0\0\0\0"), &p);
	assert_true(p.has_tls);
	assert_false(p.secure);
	/* a version that is no text, or too long, is not shown */
	good(BYTES(SIG "\x21\x11\x00\x19" V4 "\x20\x00\x0a\x01\0\0\0\0"
	    "\x21\x00\x02\x1bx"), &p);
	assert_true(p.secure);
	assert_string_equal(p.tls, "");
	good(BYTES(SIG "\x21\x11\x00\x28" V4 "\x20\x00\x19\x01\0\0\0\0"
	    "\x21\x00\x11" "12345678901234567"), &p);
	assert_string_equal(p.tls, "");
}

/* Computed by another implementation, whose check value is e3069283. */
static void
version_2_checksum(void **state)
{
	uint8_t head[] = SIG "\x21\x11\x00\x13" V4
	    "\x03\x00\x04\xf0\xea\x7a\x6c";
	const size_t len = sizeof(head) - 1;
	struct proxyproto p;
	const char *why;
	size_t used;

	(void)state;
	good(head, len, &p);
	for (size_t i = 16; i < len; i++) {
		if (i >= 28 && i < 31)	/* its own type and length */
			continue;
		head[i] ^= 0x10;
		assert_int_equal(parse(head, len, &p, &used, &why),
		    PROXYPROTO_BAD);
		assert_string_equal(why, "its checksum is wrong");
		head[i] ^= 0x10;
	}
}

static void
version_2_malformed(void **state)
{
	static const struct {
		const uint8_t *data;
		size_t len;
		const char *why;
	} cases[] = {
		{ BYTES("\r\n\r\n\0\r\nQUIX"), "there is none" },
		{ BYTES(SIG "\x11"), "neither" },
		{ BYTES(SIG "\x31\x11\x00\x0c" V4), "neither" },
		{ BYTES(SIG "\x22\x11\x00\x0c" V4), "neither" },
		{ BYTES(SIG "\x21\x12\x00\x0c" V4), "not about a TCP" },
		{ BYTES(SIG "\x21\x10\x00\x0c" V4), "not about a TCP" },
		{ BYTES(SIG "\x21\x41\x00\x0c" V4), "not about a TCP" },
		{ BYTES(SIG "\x21\x11\x00\x0b" V4), "addresses are cut" },
		{ BYTES(SIG "\x21\x21\x00\x0c" V4), "addresses are cut" },
		{ BYTES(SIG "\x21\x31\x00\x0c" V4), "addresses are cut" },
		{ BYTES(SIG "\x21\x11\x00\x0d" V4 "\x01"), "cut off" },
		{ BYTES(SIG "\x21\x11\x00\x0f" V4 "\x01\x00\x01"), "cut off" },
		{ BYTES(SIG "\x21\x11\x00\x10" V4 "\x01\xff\xff" "x"),
		    "cut off" },
		{ BYTES(SIG "\x21\x11\x00\x13" V4 "\x20\x00\x04\x01\0\0\0"),
		    "TLS is malformed" },
		{ BYTES(SIG "\x21\x11\x00\x17" V4 "\x20\x00\x08\x01\0\0\0\0"
		    "\x21\x00\x01"), "TLS is malformed" },
		{ BYTES(SIG "\x21\x11\x00\x1c" V4 "\x20\x00\x05\x01\0\0\0\0"
		    "\x20\x00\x05\x01\0\0\0\0"), "TLS is malformed" },
		{ BYTES(SIG "\x21\x11\x00\x12" V4 "\x03\x00\x03\0\0\0"),
		    "checksum" },
		{ BYTES(SIG "\x21\x11\x07\xf1"), "longer than 2048" },
		{ BYTES(SIG "\x20\x00\xff\xff"), "longer than 2048" },
	};
	struct proxyproto p;
	const char *why;
	size_t used;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		why = NULL;
		assert_int_equal(parse(cases[i].data, cases[i].len, &p, &used,
		    &why), PROXYPROTO_BAD);
		assert_non_null(strstr(why, cases[i].why));
	}
}

/* The longest there may be; and any bytes at all, which must not crash. */
static void
bounds(void **state)
{
	static uint8_t head[PROXYPROTO_MAX] = SIG "\x21\x11\x07\xf0" V4
	    "\x04\x07\xe1";
	uint8_t noise[64];
	uint64_t seed = 42;
	struct proxyproto p;
	const char *why;
	size_t used;

	(void)state;
	good(head, sizeof(head), &p);
	is_client(&p, "203.0.113.7:51200");
	for (int i = 0; i < 200000; i++) {
		memcpy(noise, SIG "\x21\x11\x00\x30" V4, 28);
		for (size_t at = 28; at < sizeof(noise); at++)
			noise[at] = (uint8_t)(feed_random(&seed) % 40);
		noise[feed_random(&seed) % 16] ^=
		    (uint8_t)(feed_random(&seed) % 2);
		(void)parse(noise, sizeof(noise), &p, &used, &why);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1),
		cmocka_unit_test(version_1_malformed),
		cmocka_unit_test(version_1_endless),
		cmocka_unit_test(version_2),
		cmocka_unit_test(version_2_tlvs),
		cmocka_unit_test(version_2_checksum),
		cmocka_unit_test(version_2_malformed),
		cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests_name("proxyproto", tests, NULL, NULL);
}
