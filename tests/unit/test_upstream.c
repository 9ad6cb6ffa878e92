/* SPDX-License-Identifier: MIT */
/* common/upstream: URLs of servers behind this one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/count.h"
#include "common/upstream.h"

struct good {
	const char *url;
	char kind;		/* n: name, a: address, u: unix socket */
	bool tls;
	const char *endpoint, *host, *authority, *path;
};

static const struct good goods[] = {
	{ "ws://127.0.0.1:8282", 'a', false, "127.0.0.1:8282", "127.0.0.1",
	    "127.0.0.1:8282", "" },
	{ "ws://127.0.0.1:8282/", 'a', false, "127.0.0.1:8282", "127.0.0.1",
	    "127.0.0.1:8282", "/" },
	{ "ws://127.0.0.1", 'a', false, "127.0.0.1:80", "127.0.0.1",
	    "127.0.0.1", "" },
	{ "WS://[::1]:8282/a/b", 'a', false, "[::1]:8282", "::1",
	    "[::1]:8282", "/a/b" },
	{ "wss://[2001:db8::1]", 'a', true, "[2001:db8::1]:443",
	    "2001:db8::1", "[2001:db8::1]", "" },
	{ "wss://app.example.org/ws", 'n', true, "app.example.org:443",
	    "app.example.org", "app.example.org", "/ws" },
	{ "wss://app:80", 'n', true, "app:80", "app", "app:80", "" },
	{ "ws://my_app-1.local", 'n', false, "my_app-1.local:80",
	    "my_app-1.local", "my_app-1.local", "" },
	{ "ws+unix:/run/app.sock", 'u', false, "/run/app.sock", "localhost",
	    "localhost", "" },
	{ "ws+unix:///run/app.sock:/x/y", 'u', false, "/run/app.sock",
	    "localhost", "localhost", "/x/y" },
	{ "ws+unix:/run/app.sock:", 'u', false, "/run/app.sock", "localhost",
	    "localhost", "" },
};

static const struct {
	const char *url, *sentence;
} bads[] = {
	{ "", "write ws://HOST:PORT" },
	{ "127.0.0.1:8282", "write ws://HOST:PORT" },
	{ "http://a", "write ws://HOST:PORT" },
	{ "ws:/a", "write ws://HOST:PORT" },
	{ "ws://", "it has no host" },
	{ "ws://:80", "it has no host" },
	{ "ws:///path", "it has no host" },
	{ "ws://a b", "it has no host" },
	{ "ws://a\r\nX: y", "it has no host" },
	{ "ws://-a", "it has no host" },
	{ "ws://user:pw@a", "a user and a password" },
	{ "ws://a:", "its port must be a number" },
	{ "ws://a:0", "its port must be a number" },
	{ "ws://a:65536", "its port must be a number" },
	{ "ws://a:80x", "its port must be a number" },
	{ "ws://[::1", "its `[' has no `]'" },
	{ "ws://[::1]80", "its port must be a number" },
	{ "ws://[a]:80", "`a' is not an IP address" },
	{ "ws://127.0.0.256", "`127.0.0.256' is not an IP address" },
	{ "ws://1.2.3:80", "`1.2.3' is not an IP address" },
	{ "ws://a/b c", "printable ASCII" },
	{ "ws://a/\xc3\xa4", "printable ASCII" },
	{ "ws://a/b?c", "must not have a `?' or `#'" },
	{ "ws://a/b#c", "must not have a `?' or `#'" },
	{ "ws+unix:", "must begin with one /" },
	{ "ws+unix:run/app", "must begin with one /" },
	{ "ws+unix://run/app", "must begin with one /" },
	{ "ws+unix:/run/app:x", "its path must begin with /" },
	{ "ws+unix:/0123456789012345678901234567890123456789012345678901234"
	    "5678901234567890123456789012345678901234567890123456789",
	    "longer than 107 bytes" },
};

static void
takes_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(goods); i++) {
		const struct good *g = &goods[i];
		struct upstream u;
		struct err err = ERR_INIT;

		print_message("%s\n", g->url);
		assert_int_equal(upstream_parse(g->url, &u, &err), 0);
		assert_string_equal(u.url, g->url);
		assert_int_equal(u.tls, g->tls);
		assert_int_equal(u.is_name, g->kind == 'n');
		assert_int_equal(u.is_unix, g->kind == 'u');
		assert_string_equal(u.endpoint, g->endpoint);
		assert_string_equal(u.host, g->host);
		assert_string_equal(u.authority, g->authority);
		assert_string_equal(u.path, g->path);
		assert_int_equal(u.addr.len > 0, g->kind == 'a');
		upstream_done(&u);
		assert_null(u.url);
	}
}

static void
says_what_is_wrong(void **state)
{
	char longest[UPSTREAM_URL_MAX + 2];

	(void)state;
	for (size_t i = 0; i < COUNT(bads); i++) {
		struct upstream u = { .port = 7 };
		struct err err = ERR_INIT;

		print_message("%s\n", bads[i].url);
		assert_int_equal(upstream_parse(bads[i].url, &u, &err), -1);
		if (strstr(err.text, bads[i].sentence) == NULL)
			fail_msg("%s", err.text);
		assert_int_equal(u.port, 7);
	}
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "ws://a/", 7);
	longest[UPSTREAM_URL_MAX + 1] = '\0';
	for (size_t n = UPSTREAM_URL_MAX; n <= UPSTREAM_URL_MAX + 1; n++) {
		struct upstream u = { 0 };

		longest[n] = '\0';
		assert_int_equal(upstream_parse(longest, &u, NULL),
		    n > UPSTREAM_URL_MAX ? -1 : 0);
		upstream_done(&u);
		longest[n] = 'a';
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_apart),
		cmocka_unit_test(says_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
