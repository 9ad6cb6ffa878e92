/* SPDX-License-Identifier: MIT */
/* common/config: what files mean, and what is wrong with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/config.h"
#include "common/count.h"
#include "common/settings.h"

static struct config *
parse(const char *text, struct config_errors *errors)
{
	return config_new(bundle_from_text("f", text, strlen(text)), errors);
}

static struct config *
parse_good(const char *text)
{
	struct config_errors errors = CONFIG_ERRORS_INIT;
	struct config *c = parse(text, &errors);
	char *sentences = config_errors_text(&errors);

	assert_string_equal(sentences, "");
	assert_non_null(c);
	free(sentences);
	return c;
}

static void
check_errors(const char *text, const char *expected)
{
	struct config_errors errors = CONFIG_ERRORS_INIT;
	char *sentences;

	assert_null(parse(text, &errors));
	sentences = config_errors_text(&errors);
	assert_string_equal(sentences, expected);
	free(sentences);
	config_errors_done(&errors);
}

static const char shortest[] =
	"[listen]\n"
	"address = 0.0.0.0:8282\n"
	"transport = ssl\n"
	"[context]\n"
	"local_cert = /etc/wssd/server.pem\n"
	"[route /]\n"
	"handler = reply\n"
	"text = ok\n";

static const char full[] =
	"[wssd]\n"
	"workers = 3\n"
	"user = www-data\n"
	"group = www-data\n"
	"run_dir = /run/other\n"
	"log = /var/log/wssd.log\n"
	"log_level = debug\n"
	"stop_timeout = 20s\n"
	"max_connections = 100000\n"
	"[listen public]\n"
	"address = 0.0.0.0:443, [::]:443, 127.0.0.1:0\n"
	"context = b\n"
	"max_header_size = 16k\n"
	"[listen behind-nginx]\n"
	"address = 127.0.0.1:8282\n"
	"transport = tcp\n"
	"[context a]\n"
	"local_cert = /a.pem\n"
	"local_pk = /a.key\n"
	"[context b]\n"
	"local_cert = /b.pem\n"
	"tls_min = 1.3\n"
	"session_tickets = off\n"
	"verify_peer = false\n"
	"[route /chat]\n"
	"host = example.org, [2001:db8::1]\n"
	"listen = public\n"
	"handler = module\n"
	"module = /usr/lib/wssd/chat.so\n"
	"option.history = 100\n"
	"option.name = \" a \"\n"
	"origins = https://example.org, http://localhost:8080, null\n"
	"subprotocols = chat.v2, chat.v1\n"
	"max_message = 1m\n"
	"max_frame = 64k\n"
	"output_high = 128k\n"
	"slow_consumer = drop-new\n"
	"ping_interval = 0\n"
	"[route /chat]\n"
	"handler = echo\n"
	"[route /]\n"
	"handler = reply\n"
	"text = \"\"\n";

static void
takes_the_shortest(void **state)
{
	struct config *c = parse_good(shortest);

	(void)state;
	assert_int_equal(c->n_listens, 1);
	assert_int_equal(c->n_contexts, 1);
	assert_int_equal(c->n_routes, 1);
	assert_string_equal(c->listens[0].name, "default");
	assert_int_equal(c->listens[0].addrs[0].in.sin_port, htons(8282));
	assert_int_equal(c->listens[0].n_contexts, 1);
	assert_int_equal(c->listens[0].contexts[0], 0);
	assert_string_equal(c->contexts[0].name, "default");
	assert_int_equal(c->contexts[0].local_pk.n, 1);
	assert_string_equal(c->contexts[0].local_pk.items[0],
	    "/etc/wssd/server.pem");
	assert_string_equal(c->routes[0].path, "/");
	assert_string_equal(c->routes[0].handler, "reply");
	assert_int_equal(c->routes[0].n_options, 1);
	assert_string_equal(c->routes[0].options[0].name, "text");
	assert_string_equal(c->routes[0].options[0].value, "ok");
	assert_int_equal(c->routes[0].options[0].place.line, 8);
	assert_int_equal(c->routes[0].place.line, 6);
	assert_int_equal(c->daemon.log_kind, CONFIG_LOG_STDERR);
	assert_int_equal(c->daemon.run_dir[0], '/');
	assert_ptr_equal(config_ref(c), c);
	config_unref(c);
	assert_string_equal(c->listens[0].name, "default");
	config_unref(c);
	config_unref(NULL);
}

static void
takes_all_settings(void **state)
{
	struct config *c = parse_good(full);
	const struct config_route *r = &c->routes[0];

	(void)state;
	assert_int_equal(c->daemon.workers, 3);
	assert_string_equal(c->daemon.run_dir, "/run/other");
	assert_int_equal(c->daemon.log_kind, CONFIG_LOG_FILE);
	assert_int_equal(c->daemon.stop_timeout_ms, 20000);
	assert_int_equal(c->listens[0].address.n, 3);
	assert_int_equal(addr_port(&c->listens[0].addrs[1]), 443);
	assert_int_equal(c->listens[0].n_contexts, 1);
	assert_int_equal(c->listens[0].contexts[0], 1);
	assert_int_equal(c->listens[1].n_contexts, 0);
	assert_int_equal(c->listens[1].transport, CONFIG_TCP);
	assert_string_equal(c->contexts[0].local_pk.items[0], "/a.key");
	assert_int_equal(c->contexts[1].tls_min, CONFIG_TLS_1_3);
	assert_false(c->contexts[1].session_tickets);
	assert_int_equal(r->host.n, 2);
	assert_string_equal(r->options[0].name, "history");
	assert_string_equal(r->options[1].value, " a ");
	assert_int_equal(r->n_options, 2);
	assert_string_equal(r->module, "/usr/lib/wssd/chat.so");
	assert_int_equal(r->max_frame, 65536);
	assert_int_equal(r->output_low, 32768);
	assert_int_equal(r->slow_consumer, CONFIG_SLOW_DROP_NEW);
	assert_int_equal(r->ping_timeout_ms, 0);
	assert_string_equal(c->routes[2].options[0].value, "");
	assert_int_equal(config_place_of(c, r, "max_message").line, 34);
	assert_int_equal(config_place_of(c, r, "max_fragments").line, 25);
	assert_int_equal(config_place_of(c, &c->daemon, "log").line, 6);
	assert_int_equal(config_place_of(c, &c->contexts[1], "x").line, 20);
	config_unref(c);
}

#define L "[listen]\naddress = 0.0.0.0:1\n"
#define C "[context]\nlocal_cert = /c\n"
#define R "[route /]\nhandler = echo\n"

/* Each text stands behind L, C and R, so its first line is 7. */
static const struct {
	const char *text, *errors;
} wrong[] = {
	{ "[wssd]\nwrkers = 2\n", "f:8: unknown key `wrkers' in [wssd]; "
	    "did you mean `workers'?\n" },
	{ "[wsd]\nx = 2\n",
	    "f:7: unknown section [wsd]; did you mean [wssd]?\n" },
	{ "[wssd]\nworkers = 0\nuser = a:b\nlog = file\nrun_dir = here\n",
	    "f:8: workers: `0' is not in the range from 1 to 256\n"
	    "f:9: user: `a:b' cannot be a name\n"
	    "f:10: log: `file' is neither stderr nor syslog nor a path that "
	    "begins with /\n"
	    "f:11: run_dir: `here' is not a path that begins with / and has "
	    "at most 90 bytes\n" },
	{ "[wssd]\n[wssd]\nworkers = 1\n",
	    "f:8: [wssd] stands already at f:7\n" },
	{ "[wssd]\nticket_rotate = 1h\nticket_overlap = 13h\n"
	    "ticket_key_file = tickets\n",
	    "f:9: ticket_overlap must not be more than 12 times "
	    "ticket_rotate\n"
	    "f:10: ticket_key_file: `tickets' is not a full path: it must "
	    "begin with /\n" },
	{ "[wssd x]\n", "f:7: [wssd] has no name\n" },
	{ "[wssd]\nworkers = 1\nworkers = 2\n",
	    "f:9: `workers' is already set in line 8\n" },

	{ "[listen]\naddress = 0.0.0.0:2\n",
	    "f:7: [listen default] stands already at f:1\n" },
	{ "[listen a]\naddress = 0.0.0.0:1\n", "f:8: address: 0.0.0.0:1 is "
	    "already in [listen default] at f:2\n" },
	{ "[listen a]\naddress = [::]:1, [0:0::]:1\n", "f:8: address: "
	    "[0:0::]:1 is already in [listen a] at f:8\n" },
	{ "[listen a b]\naddress = 8282\n",
	    "f:7: `a b' cannot be a name: write letters, digits, `.', `_' "
	    "and `-'\n"
	    "f:8: address: `8282' is only a port: write 0.0.0.0:8282 for "
	    "every IPv4 address of this machine\n" },
	{ "[listen a]\n", "f:7: [listen] needs `address'\n" },
	{ "[listen a]\naddress = 0.0.0.0:2\ntransport = tcp\n"
	    "context = default\n", "f:10: context: transport = tcp has no "
	    "TLS and takes none\n" },
	{ "[listen a]\naddress = 0.0.0.0:2\ncontext = default, defalt, q\n",
	    "f:9: context: there is no [context defalt]; did you mean "
	    "`default'?\n"
	    "f:9: context: there is no [context q]\n" },
	{ "[listen a]\naddress = 0.0.0.0:2\ntransport = tpc\n",
	    "f:9: transport: `tpc' is not one of ssl, tcp; did you mean "
	    "`tcp'?\n" },

	{ "[context]\nlocal_cert = /d\n",
	    "f:7: [context default] stands already at f:3\n" },
	{ "[context b]\nlocal_cert = d\n",
	    "f:8: local_cert: `d' is not a full path: it must begin with "
	    "/\n" },

	{ "[route]\nhandler = echo\n",
	    "f:7: a route needs a path: write [route /]\n" },
	{ "[route chat]\nhandler = echo\n",
	    "f:7: the path of a route must begin with /\n" },
	{ "[route /a?b]\nhandler = echo\n", "f:7: the path of a route must "
	    "not have a `?' or `#': requests are matched without their "
	    "query\n" },
	{ "[route /a/../b]\nhandler = echo\n[route /..]\nhandler = echo\n"
	    "[route /..a]\nhandler = echo\n",
	    "f:7: the path of a route must not have a `..'\n"
	    "f:9: the path of a route must not have a `..'\n" },
	{ "[route /a b]\nhandler = echo\n[route /\xc3\xa4]\nhandler = echo\n",
	    "f:7: the path of a route must be printable ASCII without blanks "
	    "and `\\'\n"
	    "f:9: the path of a route must be printable ASCII without blanks "
	    "and `\\'\n" },
	{ R, "f:7: [route /] stands already at f:5 (for the same host and "
	    "listen)\n" },
	{ "[route /]\nhandler = echo\nhost = a, b\n"
	    "[route /]\nhandler = echo\nhost = c, B\n"
	    "[route /]\nhandler = echo\nlisten = default\n",
	    "f:10: [route /] stands already at f:7 (for the same host and "
	    "listen)\n" },
	/* pages beside a WebSocket, but not twice */
	{ "[route /]\nhandler = static\nroot = /a\n"
	    "[route /]\nhandler = static\nroot = /b\n",
	    "f:10: [route /] stands already at f:7 (for the same host and "
	    "listen)\n" },
	{ "[route /a]\n", "f:7: [route] needs `handler'\n" },
	{ "[route /a]\ntext = x\n", "f:7: [route] needs `handler'\n" },
	{ "[route /a]\nhandler = ehco\ntext = x\n", "f:8: handler: `ehco' is "
	    "not one of reply, echo, proxy, static, module; did you mean `echo'?\n" },
	{ "[route /a]\nhandler = frobnicate\n", "f:8: handler: `frobnicate' "
	    "is not one of reply, echo, proxy, static, module\n" },
	{ "[route /a]\nhandler = broadcast\nroom = a\n", "f:8: handler: "
	    "`broadcast' is not in this version, which has reply, echo, "
	    "proxy, static and module\nf:9: `room' is not supported by this version\n" },
	{ "[route /a]\nhandler = reply\n",
	    "f:7: handler = reply needs `text'\n" },
	{ "[route /a]\nhandler = module\n",
	    "f:7: handler = module needs `module'\n" },
	{ "[route /a]\nhandler = echo\ntext = x\nmodule = /x.so\n"
	    "option.a = b\n",
	    "f:9: `text' is only for handler = reply\n"
	    "f:10: `module' is only for handler = module\n"
	    "f:11: `option.a' is only for handler = module\n" },
	{ "[route /a]\nhandler = echo\nlisten = defaul, x\n"
	    "host = https://example.org, a:80, *.a\norigins = example.org, "
	    "https://a/, ://x\nsubprotocols = a b\n",
	    "f:9: listen: there is no [listen defaul]; did you mean "
	    "`default'?\n"
	    "f:9: listen: there is no [listen x]\n"
	    "f:10: host: `https://example.org' is not a host name (no scheme, "
	    "no port, no path, no *)\n"
	    "f:10: host: `a:80' is not a host name (no scheme, no port, no "
	    "path, no *)\n"
	    "f:10: host: `*.a' is not a host name (no scheme, no port, no "
	    "path, no *)\n"
	    "f:11: origins: `example.org' is not an origin: write "
	    "https://example.org, without a path\n"
	    "f:11: origins: `https://a/' is not an origin: write "
	    "https://example.org, without a path\n"
	    "f:11: origins: `://x' is not an origin: write "
	    "https://example.org, without a path\n"
	    "f:12: subprotocols: `a b' has a character that a subprotocol "
	    "must not have\n" },
	{ "[route /a]\nhandler = echo\nmax_frame = 65k\noutput_low = 1m\n"
	    "ping_interval = 0\nping_timeout = 1s\n",
	    "f:9: max_frame must not be more than max_message\n"
	    "f:10: output_low must be less than output_high\n"
	    "f:12: ping_timeout needs a ping_interval\n" },
	{ "[route /a]\nhandler = proxy\n",
	    "f:7: handler = proxy needs `upstream'\n" },
	{ "[route /a]\nhandler = echo\nbalance = address\n",
	    "f:9: `balance' is only for handler = proxy\n" },
	{ "[route /a]\nhandler = proxy\nupstream = http://a, ws://a:0\n"
	    "subprotocols = a\nslow_consumer = close\nbalance = header\n"
	    "reconnect_timeout = 1s\n",
	    "f:9: upstream: `http://a': write ws://HOST:PORT, wss://HOST or "
	    "ws+unix:/PATH\n"
	    "f:9: upstream: `ws://a:0': its port must be a number from 1 to "
	    "65535\n"
	    "f:10: subprotocols: with handler = proxy the upstream chooses "
	    "from all that the client offers\n"
	    "f:11: slow_consumer: with handler = proxy it is always pause\n"
	    "f:12: balance = header needs `balance_header'\n"
	    "f:13: reconnect_timeout is only for on_upstream_loss = "
	    "reconnect\n" },
	{ "[route /a]\nhandler = proxy\nupstream = ws://a, ws://a:80/x\n"
	    "balance_header = X-A\n",
	    "f:9: upstream: `ws://a:80/x' is the same server as `ws://a'\n"
	    "f:10: balance_header is only for balance = header\n" },
	{ "[route /a]\nhandler = echo ; c\n",
	    "f:7: [route] needs `handler'\n"
	    "f:8: a comment must stand on a line of its own (or put the "
	    "value in double quotes)\n" },
};

static void
reports_each_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		char *text = xasprintf("%s%s", L C R, wrong[i].text);

		check_errors(text, wrong[i].errors);
		free(text);
	}
}

static void
reports_what_is_missing(void **state)
{
	(void)state;
	check_errors("", "f: there is no [listen] section: write [listen] and "
	    "address = 0.0.0.0:8282\n"
	    "f: there is no [route] section: write [route /] and handler = "
	    "echo\n");
	check_errors(L R, "f:1: transport = ssl needs a [context] section "
	    "with local_cert (or write transport = tcp)\n");
	check_errors(L R "[context]\ntls_min = 1.3\ntls_max = 1.2\n"
	    "verify_peer = on\npassphrase = x\n",
	    "f:5: [context] needs `local_cert'\n"
	    "f:7: tls_max must not be less than tls_min\n"
	    "f:8: verify_peer needs cafile or capath, the CAs of the "
	    "clients\n"
	    "f:9: `passphrase' does not belong into this file: write "
	    "passphrase_file = FILE, whose first line is the passphrase\n");
	config_unref(parse_good("[listen]\naddress = 0.0.0.0:1\n"
	    "transport = tcp\n" R));
}

static void
keeps_limits(void **state)
{
	struct buf text = BUF_INIT;
	struct config_errors errors = CONFIG_ERRORS_INIT;

	(void)state;
	buf_printf(&text, "%s", C R);
	for (int i = 0; i < 65; i++)
		buf_printf(&text, "[listen l%d]\naddress = 0.0.0.0:%d\n", i,
		    i + 1);
	for (int i = 1; i < 257; i++)
		buf_printf(&text, "[route /%d]\nhandler = echo\n", i);
	assert_null(config_new(bundle_from_text("f", (char *)text.data,
	    text.len), &errors));
	assert_int_equal(errors.n, 2);
	assert_string_equal(errors.items[0],
	    "f:133: more than 64 [listen] sections");
	assert_string_equal(errors.items[1],
	    "f:645: more than 256 [route] sections");
	config_errors_done(&errors);
	buf_done(&text);
}

/* The files of a bundle one after the other; errors in that order. */
static void
names_both_files(void **state)
{
	struct bundle *b = bundle_from_text("main", "[wssd]\n" L C,
	    strlen("[wssd]\n" L C));
	static const char second[] = "[listen]\naddress = 0.0.0.0:1\n" R;
	static const char third[] = "[wssd]\ninclude = x\n" R
	    "bad\n[context]\nlocal_cert = /c\n";
	struct config_errors errors = CONFIG_ERRORS_INIT;
	char *sentences;

	(void)state;
	b->files = xreallocarray(b->files, 3, sizeof(*b->files));
	b->files[1] = (struct bundle_file){ xstrdup("second"),
		xstrdup(second), strlen(second) };
	b->files[2] = (struct bundle_file){ xstrdup("third"), xstrdup(third),
		strlen(third) };
	b->n = 3;
	assert_null(config_new(b, &errors));
	sentences = config_errors_text(&errors);
	assert_string_equal(sentences,
	    "second:1: [listen default] stands already at main:2\n"
	    "second:2: address: 0.0.0.0:1 is already in [listen default] at "
	    "main:3\n"
	    "third:1: [wssd] stands already at main:1\n"
	    "third:3: [route /] stands already at second:3 (for the same host "
	    "and listen)\n"
	    "third:5: expected `key = value' or `[section]'\n"
	    "third:6: [context default] stands already at main:4\n");
	free(sentences);
	config_errors_done(&errors);

	b = bundle_from_text("main", L C R, strlen(L C R));
	b->files = xreallocarray(b->files, 2, sizeof(*b->files));
	b->files[1] = (struct bundle_file){ xstrdup("second"),
		xstrdup("[wssd]\ninclude = x\n"), 19 };
	b->n = 2;
	assert_null(config_new(b, &errors));
	assert_int_equal(errors.n, 1);
	assert_string_equal(errors.items[0],
	    "second:2: an included file cannot include others");
	config_errors_done(&errors);
}

static void
says_what_needs_a_restart(void **state)
{
	struct config *a = parse_good(L C R
	    "[wssd]\nworkers = 2\nlog = stderr\nrun_dir = /run/x\n");
	struct config *b = parse_good(L C R
	    "[wssd]\nworkers = 4\nlog = syslog\nrun_dir = /run/x\nuser = u\n");
	char *changes;

	(void)state;
	assert_null(config_restart_changes(a, a));
	changes = config_restart_changes(a, b);
	assert_string_equal(changes, "workers: 2 -> 4\nuser: wssd -> u\n");
	free(changes);
	config_unref(a);
	config_unref(b);
}

static void
check_run_dir(const char *path, const char *expected)
{
	char *run_dir = config_find_run_dir(path);

	assert_string_equal(run_dir, expected);
	free(run_dir);
}

static void
finds_run_dir(void **state)
{
	char path[] = "/tmp/wssd-test-config-XXXXXX";
	int fd = mkstemp(path);
	static const char text[] = "[lis\n[wssd]\nx\nrun_dir = /run/y\n"
	    "include = /none.ini\n";

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(setenv("RUNTIME_DIRECTORY", "/run/a:/run/b", 1), 0);
	check_run_dir("/none", "/run/a");
	check_run_dir(path, "/run/a");
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	check_run_dir(path, "/run/y");
	assert_int_equal(unsetenv("RUNTIME_DIRECTORY"), 0);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", "/run/user/7", 1), 0);
	check_run_dir("/none", geteuid() == 0 ? "/run/wssd" :
	    "/run/user/7/wssd");
	close(fd);
	assert_int_equal(unlink(path), 0);
}

static void
loads_a_file(void **state)
{
	struct config_errors errors = CONFIG_ERRORS_INIT;
	struct config *c = config_load(SOURCE_DIR "/etc/wssd.ini", &errors);

	(void)state;
	assert_non_null(c);
	assert_int_equal(errors.n, 0);
	config_unref(c);
	assert_null(config_load("/none.ini", &errors));
	assert_string_equal(errors.items[0],
	    "cannot open /none.ini: No such file or directory");
	config_errors_done(&errors);
}

static void
survives_damage(void **state)
{
	char text[sizeof(full)];

	(void)state;
	for (size_t len = 0; len < sizeof(full); len++) {
		struct config_errors errors = CONFIG_ERRORS_INIT;

		config_unref(config_new(bundle_from_text("f", full, len),
		    &errors));
		config_errors_done(&errors);
	}
	for (size_t i = 0; i < sizeof(full) - 1; i++) {
		static const char bytes[] = "\0\n[]=\"/,; 0\xff";

		for (size_t j = 0; j < sizeof(bytes) - 1; j++) {
			struct config_errors errors = CONFIG_ERRORS_INIT;

			memcpy(text, full, sizeof(full));
			text[i] = bytes[j];
			config_unref(config_new(bundle_from_text("f", text,
			    sizeof(full) - 1), &errors));
			config_errors_done(&errors);
		}
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_the_shortest),
		cmocka_unit_test(takes_all_settings),
		cmocka_unit_test(reports_each_error),
		cmocka_unit_test(reports_what_is_missing),
		cmocka_unit_test(keeps_limits),
		cmocka_unit_test(names_both_files),
		cmocka_unit_test(says_what_needs_a_restart),
		cmocka_unit_test(finds_run_dir),
		cmocka_unit_test(loads_a_file),
		cmocka_unit_test(survives_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
