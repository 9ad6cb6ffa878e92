/* SPDX-License-Identifier: MIT */
/* worker/realip: whom a trusted proxy says the client is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/count.h"
#include "worker/realip.h"

#define AUTO CONFIG_REAL_IP_AUTO
#define TEN "1234567890"
#define LONG TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN	/* > 128 */
#define XREAL CONFIG_REAL_IP_X_REAL_IP
#define XFF CONFIG_REAL_IP_X_FORWARDED_FOR
#define FWD CONFIG_REAL_IP_FORWARDED

struct outcome {
	int rc;
	struct realip found;
	struct http_refusal refusal;
};

/* Trusted: 10.0.0.0/8, ::1 and unix:. */
static struct outcome
ask(enum config_real_ip header, const char *fields)
{
	static struct addr_net trusted[3];
	struct realip_rules rules = { trusted, 3, header };
	char *head = malloc(strlen(fields) + 100);
	struct http_request request;
	struct outcome o;

	assert_int_equal(addr_net_parse("10.0.0.0/8", &trusted[0], NULL), 0);
	assert_int_equal(addr_net_parse("::1", &trusted[1], NULL), 0);
	assert_int_equal(addr_net_parse("unix:", &trusted[2], NULL), 0);
	memset(&o, 0, sizeof(o));
	strcpy(head, "GET / HTTP/1.1\r\nHost: x\r\n");
	strcat(head, fields);
	strcat(head, "\r\n");
	assert_int_equal(http_parse((const uint8_t *)head, strlen(head), 100,
	    &request, &o.refusal), 0);
	o.rc = realip_find(&request, &rules, &o.found, &o.refusal);
	free(head);
	return o;
}

static void
names_the_client(void **state)
{
	static const struct {
		enum config_real_ip header;
		const char *fields;
		const char *client;	/* NULL: not said */
	} cases[] = {
		{ AUTO, "", NULL },
		{ AUTO, "X-Real-IP: 203.0.113.7\r\n", "203.0.113.7" },
		{ AUTO, "x-real-ip: 2001:DB8::7\r\n", "2001:db8::7" },
		{ AUTO, "X-Real-IP: 203.0.113.7:51200\r\n",
		    "203.0.113.7:51200" },
		{ AUTO, "X-Real-IP: [2001:db8::7]:51200\r\n",
		    "[2001:db8::7]:51200" },
		{ AUTO, "X-Real-IP: [2001:db8::7]\r\n", "2001:db8::7" },
		{ AUTO, "X-Real-IP: ::ffff:203.0.113.7\r\n", "203.0.113.7" },
		/* the last that is no proxy */
		{ AUTO, "X-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7" },
		{ AUTO, "X-Forwarded-For: 1.1.1.1, 203.0.113.7\r\n",
		    "203.0.113.7" },
		{ AUTO, "X-Forwarded-For: 1.1.1.1,203.0.113.7 , 10.0.0.9\r\n",
		    "203.0.113.7" },
		{ AUTO, "X-Forwarded-For: 203.0.113.7, 10.1.1.1, ::1\r\n",
		    "203.0.113.7" },
		{ AUTO, "X-Forwarded-For: 1.1.1.1\r\n"
		    "X-Forwarded-For: 203.0.113.7, 10.1.1.1\r\n"
		    "X-Forwarded-For: 10.0.0.2\r\n", "203.0.113.7" },
		{ AUTO, "X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\n",
		    "10.0.0.1" },
		{ AUTO, "X-Forwarded-For: , 203.0.113.7,,\r\n",
		    "203.0.113.7" },
		{ AUTO, "X-Forwarded-For: 203.0.113.7:1234, [::1]:5\r\n",
		    "203.0.113.7:1234" },
		/* what stands before it is the client's own word */
		{ AUTO, "X-Forwarded-For: <script>, 203.0.113.7\r\n",
		    "203.0.113.7" },
		{ AUTO, "X-Forwarded-For: \", 203.0.113.7\r\n",
		    "203.0.113.7" },
		{ AUTO, "X-Forwarded-For: 10.0.0.1, 203.0.113.7\r\n",
		    "203.0.113.7" },
		{ AUTO, "X-Forwarded-For: unknown, 203.0.113.7\r\n",
		    "203.0.113.7" },
		{ AUTO, "X-Forwarded-For: 1.1.1.1, unknown, 10.0.0.2\r\n",
		    NULL },
		{ AUTO, "X-Forwarded-For: unknown\r\n", NULL },
		{ AUTO, "X-Forwarded-For:\r\n", NULL },
		/* RFC 7239, section 4 */
		{ AUTO, "Forwarded: for=\"203.0.113.7:4711\"\r\n",
		    "203.0.113.7:4711" },
		{ AUTO, "Forwarded: For=\"[2001:db8:cafe::17]:4711\"\r\n",
		    "[2001:db8:cafe::17]:4711" },
		{ AUTO, "Forwarded: for=192.0.2.60;proto=http;by=203.0.113.43"
		    "\r\n", "192.0.2.60" },
		{ AUTO, "Forwarded: for=192.0.2.43, for=198.51.100.17\r\n",
		    "198.51.100.17" },
		{ AUTO, "Forwarded: for=192.0.2.43, for=10.0.0.1\r\n",
		    "192.0.2.43" },
		{ AUTO, "Forwarded: for=192.0.2.43\r\n"
		    "Forwarded: for=\"[::1]\";by=_x\r\n", "192.0.2.43" },
		{ AUTO, "Forwarded: for=192.0.2.43, for=_hidden\r\n", NULL },
		{ AUTO, "Forwarded: for=unknown, for=10.0.0.1\r\n", NULL },
		{ AUTO, "Forwarded: proto=https;host=x\r\n", NULL },
		{ AUTO, "Forwarded: ;for=192.0.2.43;;a=\"b;c,\\\"d\"\r\n",
		    "192.0.2.43" },
		{ AUTO, "Forwarded: rubbish, for=192.0.2.43\r\n",
		    "192.0.2.43" },
		/* several that agree */
		{ AUTO, "X-Real-IP: 203.0.113.7\r\n"
		    "X-Forwarded-For: 1.1.1.1, 203.0.113.7\r\n"
		    "Forwarded: for=\"203.0.113.7:99\"\r\n",
		    "203.0.113.7:99" },
		/* the proxy before the last saw only another proxy */
		{ AUTO, "X-Real-IP: 10.0.0.1\r\n"
		    "X-Forwarded-For: 203.0.113.7, 10.0.0.1\r\n",
		    "203.0.113.7" },
		{ AUTO, "X-Real-IP: 203.0.113.7\r\n"
		    "X-Forwarded-For: 10.0.0.1\r\n", "203.0.113.7" },
		{ AUTO, "X-Real-IP: 203.0.113.7\r\nX-Forwarded-For: unknown"
		    "\r\n", "203.0.113.7" },
		/* the one that is meant, and no other is looked at */
		{ XREAL, "X-Real-IP: 203.0.113.7\r\nX-Forwarded-For: 1.1.1.1"
		    "\r\nForwarded: nonsense\r\n", "203.0.113.7" },
		{ XFF, "X-Real-IP: 1.1.1.1\r\nX-Forwarded-For: 203.0.113.7"
		    "\r\n", "203.0.113.7" },
		{ FWD, "X-Real-IP: 1.1.1.1\r\nForwarded: for=203.0.113.7"
		    "\r\nX-Forwarded-Proto: gopher\r\n", "203.0.113.7" },
		{ XFF, "X-Real-IP: 1.1.1.1\r\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct outcome o = ask(cases[i].header, cases[i].fields);
		char shown[ADDR_TEXT_MAX];
		struct addr_client client;

		assert_int_equal(o.rc, 0);
		assert_int_equal(o.found.has_client, cases[i].client != NULL);
		if (cases[i].client == NULL)
			continue;
		addr_client_set(&client, &o.found.client);
		addr_format_client(&client, shown);
		assert_string_equal(shown, cases[i].client);
	}
}

static void
refuses(void **state)
{
	static const struct {
		enum config_real_ip header;
		const char *fields, *reason;
	} cases[] = {
		{ AUTO, "X-Real-IP:\r\n", "X-Real-IP does not name" },
		{ AUTO, "X-Real-IP: localhost\r\n", "X-Real-IP does not" },
		{ AUTO, "X-Real-IP: 1.1.1.1, 2.2.2.2\r\n", "X-Real-IP does" },
		{ AUTO, "X-Real-IP: 1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\n",
		    "X-Real-IP does not name" },
		{ AUTO, "X-Real-IP: 1.1.1.1:99999\r\n", "X-Real-IP does" },
		{ AUTO, "X-Real-IP: 1.1.1.1:\r\n", "X-Real-IP does not" },
		{ AUTO, "X-Real-IP: [1.1.1.1]\r\n", "X-Real-IP does not" },
		{ AUTO, "X-Real-IP: [::2\r\n", "X-Real-IP does not name" },
		{ AUTO, "X-Real-IP: [::2]x\r\n", "X-Real-IP does not name" },
		{ AUTO, "X-Real-IP: fe80::1%eth0\r\n", "X-Real-IP does not" },
		{ AUTO, "X-Forwarded-For: 1.1.1.1, nobody\r\n",
		    "X-Forwarded-For does not name a client" },
		{ AUTO, "X-Forwarded-For: 1.1.1.1, nobody, 10.0.0.1\r\n",
		    "X-Forwarded-For does not name a client" },
		{ AUTO, "X-Forwarded-For: 1.1.1.1 2.2.2.2\r\n",
		    "X-Forwarded-For does not name a client" },
		{ AUTO, "Forwarded: nonsense\r\n", "Forwarded does not name" },
		{ AUTO, "Forwarded: for=\r\n", "Forwarded does not name" },
		{ AUTO, "Forwarded: for=nobody\r\n", "Forwarded does not" },
		{ AUTO, "Forwarded: for=1.1.1.1:80\r\n", "Forwarded does" },
		{ AUTO, "Forwarded: for=\"2001:db8::1\"\r\n", "Forwarded " },
		{ AUTO, "Forwarded: for=\"1.1.1.1\r\n", "Forwarded does not" },
		{ AUTO, "Forwarded: for=\"1.1.1.1\"x\r\n", "Forwarded does" },
		{ AUTO, "Forwarded: for=\"1.1.1.1\\\r\n", "Forwarded does" },
		{ AUTO, "Forwarded: for=\"" LONG "\"\r\n", "Forwarded does" },
		{ AUTO, "Forwarded: for = 1.1.1.1\r\n", "Forwarded does not" },
		{ AUTO, "Forwarded: for=1.1.1.1;for=2.2.2.2\r\n",
		    "Forwarded does not name" },
		{ AUTO, "Forwarded: =1.1.1.1\r\n", "Forwarded does not" },
		/* the proxy's quotes cannot be turned inside out */
		{ AUTO, "Forwarded: for=1.1.1.1;x=\"\r\n"
		    "Forwarded: for=\"[2001:db8::7]:1\"\r\n"
		    "X-Forwarded-For: 2001:db8::8\r\n", "different clients" },
		{ AUTO, "Forwarded: for=1.1.1.1;x=\", for=\"[2001:db8::7]:1\""
		    "\r\n", "Forwarded does not name" },
		{ AUTO, "X-Real-IP: 203.0.113.7\r\nX-Forwarded-For: 1.1.1.1"
		    "\r\n", "name different clients" },
		{ AUTO, "Forwarded: for=1.1.1.1\r\nX-Real-IP: 203.0.113.7"
		    "\r\n", "name different clients" },
		{ AUTO, "X-Forwarded-Proto: gopher\r\n", "X-Forwarded-Proto" },
		{ AUTO, "X-Forwarded-Proto:\r\n", "X-Forwarded-Proto" },
		{ XREAL, "X-Real-IP: x\r\n", "X-Real-IP does not name" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct outcome o = ask(cases[i].header, cases[i].fields);

		assert_int_equal(o.rc, -1);
		assert_int_equal(o.refusal.status, 400);
		assert_non_null(strstr(o.refusal.reason, cases[i].reason));
		assert_false(o.found.has_client);
	}
}

static void
knows_the_scheme(void **state)
{
	static const struct {
		enum config_real_ip header;
		const char *fields;
		enum realip_scheme scheme;
	} cases[] = {
		{ AUTO, "", REALIP_UNSAID },
		{ AUTO, "X-Forwarded-Proto: https\r\n", REALIP_SECURE },
		{ AUTO, "X-Forwarded-Proto: WSS\r\n", REALIP_SECURE },
		{ AUTO, "X-Forwarded-Proto: http\r\n", REALIP_PLAIN },
		{ AUTO, "X-Forwarded-Proto: https, http\r\n", REALIP_PLAIN },
		{ AUTO, "X-Forwarded-Proto: x\r\nX-Forwarded-Proto: https"
		    "\r\n", REALIP_SECURE },
		{ AUTO, "Forwarded: for=1.1.1.1;proto=https\r\n",
		    REALIP_SECURE },
		{ AUTO, "Forwarded: for=1.1.1.1;proto=https, for=2.2.2.2;"
		    "proto=http, for=10.0.0.1;proto=https\r\n",
		    REALIP_PLAIN },
		/* the one more proxies set, and so overwrite, goes first */
		{ AUTO, "X-Forwarded-Proto: http\r\n"
		    "Forwarded: for=1.1.1.1;proto=https\r\n", REALIP_PLAIN },
		{ FWD, "X-Forwarded-Proto: https\r\n", REALIP_UNSAID },
		{ XREAL, "X-Forwarded-Proto: https\r\n", REALIP_SECURE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct outcome o = ask(cases[i].header, cases[i].fields);

		assert_int_equal(o.rc, 0);
		assert_int_equal(o.found.scheme, cases[i].scheme);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_the_client),
		cmocka_unit_test(refuses),
		cmocka_unit_test(knows_the_scheme),
	};

	return cmocka_run_group_tests_name("realip", tests, NULL, NULL);
}
