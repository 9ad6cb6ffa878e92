/* SPDX-License-Identifier: MIT */
/* common/addr_net: which addresses are in a network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/addr_net.h"
#include "common/count.h"

static void
has_addresses(void **state)
{
	static const struct {
		const char *net, *ip;
		bool in;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "127.0.0.0/8", "127.255.0.9", true },
		{ "127.0.0.0/8", "128.0.0.1", false },
		{ "192.0.2.128/25", "192.0.2.128", true },
		{ "192.0.2.128/25", "192.0.2.127", false },
		{ "192.0.2.0/31", "192.0.2.1", true },
		{ "192.0.2.0/31", "192.0.2.2", false },
		{ "0.0.0.0/0", "255.255.255.255", true },
		{ "0.0.0.0/0", "::1", false },
		{ "0.0.0.0/0", "::ffff:192.0.2.1", true },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "192.0.2.1", false },
		{ "::1", "::1", true },
		{ "::1", "::2", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "unix:", "192.0.2.1", false },
	};
	struct addr_net net, all[2];
	struct addr addr;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(addr_net_parse(cases[i].net, &net, NULL), 0);
		assert_true(addr_parse_ip(cases[i].ip, strlen(cases[i].ip),
		    &addr));
		addr_set_port(&addr, 443);
		assert_int_equal(addr_nets_have(&net, 1, &addr), cases[i].in);
		assert_false(addr_nets_have(&net, 0, &addr));
		memset(all, 0, sizeof(all));
		assert_int_equal(addr_net_parse("203.0.113.9", &all[0], NULL),
		    0);
		all[1] = net;
		assert_int_equal(addr_nets_have(all, 2, &addr), cases[i].in);
	}
}

static void
has_unix(void **state)
{
	struct addr_net net, every;
	struct addr addr;

	(void)state;
	assert_int_equal(addr_net_parse("unix:", &net, NULL), 0);
	assert_int_equal(addr_net_parse("0.0.0.0/0", &every, NULL), 0);
	memset(&addr, 0, sizeof(addr));
	addr.sa.sa_family = AF_UNIX;
	assert_true(addr_nets_have(&net, 1, &addr));
	assert_false(addr_nets_have(&every, 1, &addr));
}

static void
says_what_to_write(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "localhost", "`localhost' is neither an IP address nor a "
		    "network such as 10.0.0.0/8, nor unix:" },
		{ "192.0.2.1:80", "`192.0.2.1:80' is neither an IP address "
		    "nor a network such as 10.0.0.0/8, nor unix:" },
		{ "[::1]", "`[::1]' is neither an IP address nor a network "
		    "such as 10.0.0.0/8, nor unix:" },
		{ "", "`' is neither an IP address nor a network such as "
		    "10.0.0.0/8, nor unix:" },
		{ "unix:/run/x", "`unix:/run/x' is neither an IP address nor "
		    "a network such as 10.0.0.0/8, nor unix:" },
		{ "10.0.0.0/33", "`10.0.0.0/33' has no number from 0 to 32 "
		    "behind its `/'" },
		{ "10.0.0.0/", "`10.0.0.0/' has no number from 0 to 32 behind "
		    "its `/'" },
		{ "10.0.0.0/255.0.0.0", "`10.0.0.0/255.0.0.0' has no number "
		    "from 0 to 32 behind its `/'" },
		{ "::/129", "`::/129' has no number from 0 to 128 behind its "
		    "`/'" },
		{ "10.1.2.3/8", "`10.1.2.3/8' has bits behind its /8: write "
		    "10.0.0.0/8" },
		{ "2001:db8::1/32", "`2001:db8::1/32' has bits behind its "
		    "/32: write 2001:db8::/32" },
	};
	struct addr_net net;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(addr_net_parse(cases[i].text, &net, &err),
		    -1);
		assert_string_equal(err.text, cases[i].error);
		assert_int_equal(addr_net_parse(cases[i].text, &net, NULL),
		    -1);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_addresses),
		cmocka_unit_test(has_unix),
		cmocka_unit_test(says_what_to_write),
	};

	return cmocka_run_group_tests_name("addr_net", tests, NULL, NULL);
}
