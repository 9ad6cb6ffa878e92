/* SPDX-License-Identifier: MIT */
/* common/addr: addresses as numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/addr.h"
#include "common/count.h"

static void
parses_and_formats(void **state)
{
	static const struct {
		const char *text, *formatted, *ip;
		unsigned port;
	} cases[] = {
		{ "0.0.0.0:8282", "0.0.0.0:8282", "0.0.0.0", 8282 },
		{ "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1", 0 },
		{ "255.255.255.255:65535", "255.255.255.255:65535",
		    "255.255.255.255", 65535 },
		{ "[::]:443", "[::]:443", "::", 443 },
		{ "[2001:DB8:0:0::1]:1", "[2001:db8::1]:1", "2001:db8::1",
		    1 },
		{ "[::ffff:192.0.2.1]:80", "192.0.2.1:80", "192.0.2.1", 80 },
		{ "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
		    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct addr addr;
		struct err err = ERR_INIT;
		char text[ADDR_TEXT_MAX];

		assert_int_equal(addr_parse(cases[i].text, &addr, &err), 0);
		addr_format(&addr, text);
		assert_string_equal(text, cases[i].formatted);
		addr_format_ip(&addr, text);
		assert_string_equal(text, cases[i].ip);
		assert_int_equal(addr_port(&addr), cases[i].port);
		assert_true(addr_equal(&addr, &addr));
		addr_set_port(&addr, 7);
		assert_int_equal(addr_port(&addr), 7);
	}
}

static void
says_what_to_write(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "*:8282", "`*:8282' names no address: write 0.0.0.0:8282 "
		    "for IPv4 or [::]:8282 for IPv6" },
		{ ":8282", "`:8282' names no address: write 0.0.0.0:8282 "
		    "for IPv4 or [::]:8282 for IPv6" },
		{ "8282", "`8282' is only a port: write 0.0.0.0:8282 for "
		    "every IPv4 address of this machine" },
		{ "websocket://0.0.0.0:8282", "`websocket://0.0.0.0:8282' is "
		    "an address with a scheme: write `0.0.0.0:8282' alone, "
		    "and transport = ssl (wss://) or tcp (ws://)" },
		{ "0.0.0.0", "`0.0.0.0' has no port: write IP:PORT, such as "
		    "0.0.0.0:443 or [::]:443" },
		{ "", "`' has no port: write IP:PORT, such as 0.0.0.0:443 or "
		    "[::]:443" },
		{ "::1:80", "`::1:80' is ambiguous: write an IPv6 address in "
		    "brackets, such as [::]:443" },
		{ "localhost:80", "`localhost' is not an IPv4 address (names "
		    "are not looked up: write numbers)" },
		{ "1.2.3:80", "`1.2.3' is not an IPv4 address (names are not "
		    "looked up: write numbers)" },
		{ "1.2.3.4:65536", "the port in `1.2.3.4:65536' is not a "
		    "number from 0 to 65535" },
		{ "1.2.3.4:", "the port in `1.2.3.4:' is not a number from 0 "
		    "to 65535" },
		{ "1.2.3.4:http", "the port in `1.2.3.4:http' is not a number "
		    "from 0 to 65535" },
		{ "unix:", "`unix:' is not the full path of a socket, such "
		    "as unix:/run/wssd/ws.sock" },
		{ "unix:ws.sock", "`unix:ws.sock' is not the full path of a "
		    "socket, such as unix:/run/wssd/ws.sock" },
		{ "unix:///run/ws.sock", "`unix:///run/ws.sock' is not the "
		    "full path of a socket, such as "
		    "unix:/run/wssd/ws.sock" },
		{ "unix:/run/", "`unix:/run/' is not the full path of a "
		    "socket, such as unix:/run/wssd/ws.sock" },
		{ "unix:@ws", "`unix:@ws' is an abstract socket, which "
		    "everybody may connect to: write a path" },
		{ "[::1]", "`[::1]' is not [IPv6]:PORT, such as [::]:443" },
		{ "[::1", "`[::1' is not [IPv6]:PORT, such as [::]:443" },
		{ "[", "`[' is not [IPv6]:PORT, such as [::]:443" },
		{ "[]:1", "`' is not an IPv6 address" },
		{ "[1.2.3.4]:80", "`1.2.3.4' is not an IPv6 address" },
		{ "[::1]:x", "the port in `[::1]:x' is not a number from 0 to "
		    "65535" },
		{ "[fffff:fffff:fffff:fffff:fffff:fffff:fffff:fffff]:1",
		    "`fffff:fffff:fffff:fffff:fffff:fffff:fffff:fffff' is not "
		    "an IPv6 address" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct addr addr = { .len = 99 };
		struct err err = ERR_INIT;

		assert_int_equal(addr_parse(cases[i].text, &addr, &err), -1);
		assert_string_equal(err.text, cases[i].error);
		assert_int_equal(addr.len, 99);
		assert_int_equal(addr_parse(cases[i].text, &addr, NULL), -1);
	}
}

static void
compares(void **state)
{
	static const char *const texts[] = { "127.0.0.1:1", "127.0.0.2:1",
		"127.0.0.1:2", "[::1]:1", "[::1]:2", "[::2]:1", "unix:/a",
		"unix:/ab" };
	struct addr a, b;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		for (size_t j = 0; j < COUNT(texts); j++) {
			assert_int_equal(addr_parse(texts[i], &a, NULL), 0);
			assert_int_equal(addr_parse(texts[j], &b, NULL), 0);
			assert_int_equal(addr_equal(&a, &b), i == j);
		}
	}
}

static void
takes_other_families(void **state)
{
	struct addr addr = { .len = sizeof(struct sockaddr) };
	char text[ADDR_TEXT_MAX];

	(void)state;
	addr.sa.sa_family = AF_PACKET;
	addr_format(&addr, text);
	assert_string_equal(text, "?:0");
	assert_false(addr_equal(&addr, &addr));
	addr_set_port(&addr, 1);
	assert_int_equal(addr_port(&addr), 0);
}

static void
knows_unix_sockets(void **state)
{
	struct addr addr;
	struct err err = ERR_INIT;
	char path[5 + 108 + 1] = "unix:/", text[ADDR_TEXT_MAX];

	(void)state;
	memset(path + 6, 'x', 106);
	assert_int_equal(addr_parse(path, &addr, &err), 0);
	assert_true(addr_is_unix(&addr));
	assert_int_equal(addr_port(&addr), 0);
	addr_format(&addr, text);
	assert_string_equal(text, path);
	path[6 + 106] = 'x';
	assert_int_equal(addr_parse(path, &addr, &err), -1);
	assert_string_equal(err.text,
	    "the path of a unix socket has at most 107 bytes");
	/* A client, as accept() knows it. */
	memset(&addr, 0, sizeof(addr));
	addr.sa.sa_family = AF_UNIX;
	addr_format(&addr, text);
	assert_string_equal(text, "unix:");
	assert_int_equal(addr_parse("127.0.0.1:1", &addr, &err), 0);
	assert_false(addr_is_unix(&addr));
}

static void
knows_loopback(void **state)
{
	static const struct {
		const char *text;
		bool loopback;
	} rows[] = {
		{ "127.0.0.1:1", true }, { "127.255.255.255:1", true },
		{ "[::1]:1", true }, { "[::ffff:127.0.0.1]:1", true },
		{ "0.0.0.0:1", false }, { "[::]:1", false },
		{ "128.0.0.1:1", false }, { "126.255.255.255:1", false },
		{ "[::2]:1", false }, { "[::ffff:10.0.0.1]:1", false },
		{ "[1::1]:1", false },
	};
	struct addr addr;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(addr_parse(rows[i].text, &addr, NULL), 0);
		assert_int_equal(addr_is_loopback(&addr), rows[i].loopback);
	}
}

/* A client's address is kept in less room, and comes back as it was. */
static void
keeps_clients_small(void **state)
{
	static const struct {
		const char *text, *shown;
	} rows[] = {
		{ "192.0.2.1:443", "192.0.2.1:443" },
		{ "192.0.2.1:0", "192.0.2.1" },
		{ "[2001:db8::1]:65535", "[2001:db8::1]:65535" },
		{ "[2001:db8::1]:0", "2001:db8::1" },
	};
	struct addr addr, back;
	struct addr_client client;
	char shown[ADDR_TEXT_MAX];

	(void)state;
	assert_true(sizeof(client) < 32);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(addr_parse(rows[i].text, &addr, NULL), 0);
		addr_client_set(&client, &addr);
		back = addr_client_get(&client);
		assert_true(addr_equal(&back, &addr));
		assert_int_equal(back.len, addr.len);
		addr_format_client(&client, shown);
		assert_string_equal(shown, rows[i].shown);
	}
	assert_int_equal(addr_parse("unix:/tmp/x", &addr, NULL), 0);
	addr.un.sun_path[0] = '\0';
	addr_client_set(&client, &addr);
	back = addr_client_get(&client);
	assert_true(addr_is_unix(&back) && addr_equal(&back, &addr));
	addr_format_client(&client, shown);
	assert_string_equal(shown, "unix:");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_and_formats),
		cmocka_unit_test(says_what_to_write),
		cmocka_unit_test(compares),
		cmocka_unit_test(takes_other_families),
		cmocka_unit_test(knows_unix_sockets),
		cmocka_unit_test(knows_loopback),
		cmocka_unit_test(keeps_clients_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
