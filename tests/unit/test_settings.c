/* SPDX-License-Identifier: MIT */
/*
 * common/settings: the table, and what is held to it: the defaults that are
 * printed, wssd.ini(5) and etc/wssd.ini.
 *
 * With WSSD_WRITE_MAN=1 in the environment the part of wssd.ini(5) that
 * comes from the table is written anew instead of compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/alloc.h"
#include "common/config.h"
#include "common/count.h"
#include "common/settings.h"

#define MAN_PAGE SOURCE_DIR "/docs/man/wssd.ini.5"
#define BEGIN ".\\\" BEGIN SETTINGS"
#define END ".\\\" END SETTINGS"

static char *
read_file(const char *path)
{
	char *text = xcalloc(1, 1 << 20);
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	return text;
}

static char *
printed(void (*print)(FILE *))
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	print(f);
	fclose(f);
	return text;
}

static void
has_a_sound_table(void **state)
{
	size_t n;
	const struct setting *rows = settings_table(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		const struct setting *s = &rows[i];

		assert_ptr_equal(settings_find(s->section, s->key), s);
		assert_non_null(s->help);
		assert_int_equal(s->help[strlen(s->help) - 1], '.');
		/* a default or an example, not both */
		assert_int_equal(s->initial == NULL, s->example != NULL);
		if (s->flags & SETTING_REQUIRED)
			assert_null(s->initial);
		if (s->flags & SETTING_OPTION)
			assert_non_null(s->handler);
		if (s->flags & SETTING_FILE)
			assert_true(s->type == SETTING_STRING ||
			    s->type == SETTING_LIST);
		if (s->flags & SETTING_FOLDER)
			assert_int_equal(s->type, SETTING_STRING);
		if (s->flags & SETTING_SWITCH)
			assert_int_equal(s->type, SETTING_WORD);
		assert_int_equal(s->type == SETTING_WORD, s->words != NULL);
		if (i > 0)
			assert_true(s->section >= rows[i - 1].section);
	}
	assert_null(settings_find(SETTING_WSSD, "address"));
	assert_null(settings_find(SETTING_ROUTE, "option."));
	assert_string_equal(settings_find(SETTING_ROUTE, "option.x")->key,
	    "option.NAME");
	assert_null(settings_find(SETTING_WSSD, "option.x"));
	for (size_t i = 0; i < SETTING_SECTIONS; i++)
		assert_int_equal(setting_section_find(setting_section_name(
		    (enum setting_section)i)), i);
	assert_int_equal(setting_section_find("x"), SETTING_SECTIONS);
}

static void
has_defaults(void **state)
{
	struct config_daemon d;
	struct config_listen l;
	struct config_context x;
	struct config_route r;

	(void)state;
	memset(&d, 0, sizeof(d));
	memset(&l, 0, sizeof(l));
	memset(&x, 0, sizeof(x));
	memset(&r, 0, sizeof(r));
	settings_init(SETTING_WSSD, &d);
	settings_init(SETTING_LISTEN, &l);
	settings_init(SETTING_CONTEXT, &x);
	settings_init(SETTING_ROUTE, &r);
	assert_in_range(d.workers, 1, 256);
	assert_string_equal(d.user, "wssd");
	assert_string_equal(d.log, "stderr");
	assert_int_equal(d.log_level, 2);
	assert_int_equal(d.drain_window_ms, 60000);
	assert_int_equal(d.max_connections_per_worker, 20000);
	assert_int_equal(l.transport, CONFIG_SSL);
	assert_int_equal(l.max_header_size, 8192);
	assert_int_equal(l.address.n, 0);
	assert_int_equal(x.tls_min, CONFIG_TLS_1_2);
	assert_int_equal(x.tls_max, CONFIG_TLS_1_3);
	assert_true(x.session_tickets);
	assert_int_equal(x.verify_peer, CONFIG_VERIFY_OFF);
	assert_int_equal(x.local_cert.n, 0);
	assert_int_equal(x.security_level, 2);
	assert_true(x.honor_cipher_order);
	assert_string_equal(x.alpn_protocols.items[0], "http/1.1");
	assert_int_equal(r.max_message, 65536);
	assert_int_equal(r.output_high, 1 << 20);
	assert_int_equal(r.slow_consumer, CONFIG_SLOW_CLOSE);
	assert_int_equal(r.ping_interval_ms, 30000);
	settings_done(SETTING_WSSD, &d);
	settings_done(SETTING_LISTEN, &l);
	settings_done(SETTING_CONTEXT, &x);
	settings_done(SETTING_ROUTE, &r);
	assert_null(d.user);
}

static void
sets_and_formats(void **state)
{
	static const struct {
		enum setting_section section;
		const char *key, *value;
		const char *shown;	/* NULL: error */
		const char *error;
	} cases[] = {
		{ SETTING_WSSD, "workers", "256", "256", NULL },
		{ SETTING_WSSD, "workers", "257", NULL,
		    "`257' is not in the range from 1 to 256" },
		{ SETTING_WSSD, "workers", "0", NULL,
		    "`0' is not in the range from 1 to 256" },
		{ SETTING_WSSD, "workers", "many", NULL,
		    "`many' is neither a number nor auto" },
		{ SETTING_WSSD, "log_level", "Debug", "debug", NULL },
		{ SETTING_WSSD, "log_level", "inof", NULL, "`inof' is not one "
		    "of error, warn, info, debug; did you mean `info'?" },
		{ SETTING_WSSD, "log_level", "7", NULL,
		    "`7' is not one of error, warn, info, debug" },
		{ SETTING_WSSD, "stop_timeout", "90s", "90s", NULL },
		{ SETTING_WSSD, "stop_timeout", "2d", NULL,
		    "`2d' is not in the range from 0 to 1d" },
		{ SETTING_WSSD, "stop_timeout", "10", NULL, "`10' needs a "
		    "unit: write 10s for seconds or 10ms for milliseconds" },
		{ SETTING_WSSD, "user", "", NULL, "the value is empty" },
		{ SETTING_WSSD, "user", "www-data", "www-data", NULL },
		{ SETTING_LISTEN, "max_header_size", "65536", "64k", NULL },
		{ SETTING_LISTEN, "max_header_size", "64", NULL,
		    "`64' is not in the range from 256 to 64k" },
		{ SETTING_LISTEN, "socket_mode", "0600", "0600", NULL },
		{ SETTING_LISTEN, "socket_mode", "666", "0666", NULL },
		{ SETTING_LISTEN, "socket_mode", "0680", NULL, "`0680' is "
		    "not a mode in octal digits, such as 0660" },
		{ SETTING_LISTEN, "socket_mode", "1777", NULL,
		    "`1777' is not in the range from 0000 to 0777" },
		{ SETTING_CONTEXT, "session_tickets", "no", "off", NULL },
		{ SETTING_CONTEXT, "session_tickets", "nope", NULL,
		    "`nope' is neither on nor off" },
		{ SETTING_CONTEXT, "local_cert", "/a, server.pem", NULL,
		    "`server.pem' is not a full path: it must begin with /" },
		{ SETTING_CONTEXT, "cafile", "ca.pem", NULL,
		    "`ca.pem' is not a full path: it must begin with /" },
		{ SETTING_CONTEXT, "capath", "ca", NULL,
		    "`ca' is not a full path: it must begin with /" },
		{ SETTING_CONTEXT, "verify_peer", "Optional", "optional",
		    NULL },
		{ SETTING_CONTEXT, "verify_peer", "false", "off", NULL },
		{ SETTING_CONTEXT, "verify_peer", "on", "require", NULL },
		{ SETTING_CONTEXT, "verify_peer", "required", NULL,
		    "`required' is not one of off, optional, require; did "
		    "you mean `require'?" },
		{ SETTING_CONTEXT, "security_level", "0", NULL,
		    "`0' is not in the range from 1 to 5" },
		{ SETTING_CONTEXT, "tls_min", "TLSv1.2", NULL,
		    "`TLSv1.2' is not one of 1.2, 1.3" },
	};
	union {
		struct config_daemon daemon;
		struct config_listen listen;
		struct config_context context;
	} object, before;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct setting *s = settings_find(cases[i].section,
		    cases[i].key);
		struct err err = ERR_INIT;
		char *shown;

		memset(&object, 0, sizeof(object));
		settings_init(cases[i].section, &object);
		before = object;
		if (cases[i].shown != NULL) {
			assert_int_equal(settings_set(s, &object,
			    cases[i].value, &err), 0);
			shown = settings_format(s, &object);
			assert_string_equal(shown, cases[i].shown);
			free(shown);
		} else {
			assert_int_equal(settings_set(s, &object,
			    cases[i].value, &err), -1);
			assert_string_equal(err.text, cases[i].error);
			assert_memory_equal(&object, &before, sizeof(before));
		}
		settings_done(cases[i].section, &object);
	}
}

static void
sets_lists(void **state)
{
	static const struct {
		const char *value, *error;
	} bad[] = {
		{ "a,,b", "there is an empty item between commas" },
		{ "a,", "there is an empty item between commas" },
		{ ",", "there is an empty item between commas" },
		{ "a, b, a", "`a' stands there twice" },
		{ "a\", \"b", "double quotes do not belong around an item of "
		    "a list" },
	};
	const struct setting *s = settings_find(SETTING_ROUTE, "origins");
	struct config_route a = { .path = NULL }, b = { .path = NULL };
	char many[257 * 5 + 1] = "";
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(settings_set(s, &a, "x ,y z", &err), 0);
	assert_int_equal(a.origins.n, 2);
	assert_string_equal(a.origins.items[0], "x");
	assert_string_equal(a.origins.items[1], "y z");
	assert_false(settings_equal(s, &a, &b));
	assert_int_equal(settings_set(s, &b, "x,y z", &err), 0);
	assert_true(settings_equal(s, &a, &b));
	assert_int_equal(settings_set(s, &b, "x,y", &err), 0);
	assert_false(settings_equal(s, &a, &b));
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(settings_set(s, &a, bad[i].value, &err), -1);
		assert_string_equal(err.text, bad[i].error);
		assert_int_equal(a.origins.n, 2);
	}
	for (int i = 0; i < 257; i++)
		sprintf(many + strlen(many), "%s%d", i == 0 ? "" : ",", i);
	assert_int_equal(settings_set(s, &a, many, &err), -1);
	assert_string_equal(err.text, "more than 256 items");
	settings_done(SETTING_ROUTE, &a);
	settings_done(SETTING_ROUTE, &b);
}

static void
compares(void **state)
{
	struct config_daemon a = { .workers = 0 }, b = { .workers = 0 };
	const struct setting *user = settings_find(SETTING_WSSD, "user");
	const struct setting *timeout = settings_find(SETTING_WSSD,
	    "stop_timeout");

	(void)state;
	settings_init(SETTING_WSSD, &a);
	assert_false(settings_equal(user, &a, &b));
	settings_init(SETTING_WSSD, &b);
	assert_true(settings_equal(user, &a, &b));
	assert_true(settings_equal(timeout, &a, &b));
	assert_true(settings_equal(settings_find(SETTING_WSSD, "include"), &a,
	    &b));
	b.stop_timeout_ms++;
	assert_false(settings_equal(timeout, &a, &b));
	assert_int_equal(settings_set(user, &b, "other", NULL), 0);
	assert_false(settings_equal(user, &a, &b));
	settings_done(SETTING_WSSD, &a);
	settings_done(SETTING_WSSD, &b);
}

/* Equal in every row, and nothing is shared. */
static void
copies(void **state)
{
	struct config_context a, b;
	size_t n;
	const struct setting *rows = settings_table(&n);

	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	settings_init(SETTING_CONTEXT, &a);
	assert_int_equal(settings_set(settings_find(SETTING_CONTEXT,
	    "local_cert"), &a, "/a, /b", NULL), 0);
	assert_int_equal(settings_set(settings_find(SETTING_CONTEXT,
	    "honor_cipher_order"), &a, "off", NULL), 0);
	settings_copy(SETTING_CONTEXT, &b, &a);
	for (size_t i = 0; i < n; i++) {
		if (rows[i].section == SETTING_CONTEXT)
			assert_true(settings_equal(&rows[i], &a, &b));
	}
	settings_done(SETTING_CONTEXT, &a);
	assert_string_equal(b.local_cert.items[1], "/b");
	assert_null(b.cafile);
	settings_done(SETTING_CONTEXT, &b);
}

static void
explains_what_is_unknown(void **state)
{
	static const struct {
		enum setting_section section;
		const char *key, *sentence;
	} cases[] = {
		{ SETTING_WSSD, "wrkers", "unknown key `wrkers' in [wssd]; "
		    "did you mean `workers'?" },
		{ SETTING_WSSD, "count", "unknown key `count' in [wssd]; "
		    "here it is `workers'" },
		{ SETTING_WSSD, "handler", "unknown key `handler' in [wssd]; "
		    "it belongs to [route]" },
		{ SETTING_LISTEN, "local_cert", "unknown key `local_cert' in "
		    "[listen]; it belongs to [context]" },
		{ SETTING_LISTEN, "cafile", "unknown key `cafile' in "
		    "[listen]; it belongs to [context]" },
		{ SETTING_ROUTE, "include", "unknown key `include' in "
		    "[route]; it belongs to [wssd]" },
		{ SETTING_CONTEXT, "ssl_certificate", "unknown key "
		    "`ssl_certificate' in [context]; here it is "
		    "`local_cert'" },
		{ SETTING_CONTEXT, "ssl_dhparam", "unknown key "
		    "`ssl_dhparam' in [context]; here it is `dh_param'" },
		{ SETTING_CONTEXT, "passphrase", "`passphrase' does not "
		    "belong into this file: write passphrase_file = FILE, "
		    "whose first line is the passphrase" },
		{ SETTING_CONTEXT, "disable_compression",
		    "`disable_compression' is not needed, take the line away: "
		    "TLS compression is always off" },
		{ SETTING_ROUTE, "room",
		    "`room' is not supported by this version" },
		{ SETTING_ROUTE, "wrkers", "unknown key `wrkers' in [route]; "
		    "did you mean `workers', which belongs to [wssd]?" },
		{ SETTING_ROUTE, "zzzzzzz",
		    "unknown key `zzzzzzz' in [route]" },
	};
	struct err sentence = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		settings_explain_key(cases[i].section, cases[i].key,
		    &sentence);
		assert_string_equal(sentence.text, cases[i].sentence);
	}
	settings_explain_section("lisen", &sentence);
	assert_string_equal(sentence.text,
	    "unknown section [lisen]; did you mean [listen]?");
	settings_explain_section("server", &sentence);
	assert_string_equal(sentence.text, "unknown section [server]: there "
	    "are [wssd], [listen], [context] and [route]");
}

/* Whether the text has the line, or the same as a comment. */
static int
has_line(const char *text, const char *line)
{
	const char *p = text;
	size_t len = strlen(line);

	while ((p = strstr(p, line)) != NULL) {
		if ((p[len] == '\n' || p[len] == '\0') && (p == text ||
		    p[-1] == '\n' || (p[-1] == '#' && (p - 1 == text ||
		    p[-2] == '\n'))))
			return 1;
		p++;
	}
	return 0;
}

/* Every key of the table, with its default; and that it is a config. */
static void
check_file(const char *text)
{
	struct config_errors errors = CONFIG_ERRORS_INIT;
	struct config *c = config_new(bundle_from_text("f", text,
	    strlen(text)), &errors);
	size_t n;
	const struct setting *rows = settings_table(&n);
	char *sentences = config_errors_text(&errors);

	assert_string_equal(sentences, "");
	assert_non_null(c);
	for (size_t i = 0; i < n; i++) {
		char *line = rows[i].initial == NULL ?
		    xasprintf("%s = ", rows[i].key) :
		    xasprintf("%s = %s", rows[i].key, rows[i].initial);

		if (rows[i].initial != NULL ? !has_line(text, line) :
		    strstr(text, line) == NULL)
			fail_msg("the line is missing: %s", line);
		free(line);
	}
	free(sentences);
	config_unref(c);
}

static void
prints_defaults(void **state)
{
	char *text = printed(settings_print_defaults);

	(void)state;
	check_file(text);
	for (char *line = strtok(text, "\n"); line != NULL;
	     line = strtok(NULL, "\n")) {
		if (line[0] == '#')
			assert_in_range(strlen(line), 1, 80);
	}
	free(text);
}

static void
holds_the_installed_file(void **state)
{
	char *text = read_file(SOURCE_DIR "/etc/wssd.ini");

	(void)state;
	check_file(text);
	free(text);
}

static void
holds_the_man_page(void **state)
{
	char *page = read_file(MAN_PAGE);
	char *list = printed(settings_print_mdoc);
	char *begin = strstr(page, BEGIN), *end = strstr(page, END);

	(void)state;
	assert_non_null(begin);
	assert_non_null(end);
	begin = strchr(begin, '\n') + 1;
	if (getenv("WSSD_WRITE_MAN") != NULL) {
		FILE *f = fopen(MAN_PAGE, "w");

		assert_non_null(f);
		fprintf(f, "%.*s%s%s", (int)(begin - page), page, list, end);
		assert_int_equal(fclose(f), 0);
	} else {
		*end = '\0';
		assert_string_equal(begin, list);
	}
	free(page);
	free(list);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_a_sound_table),
		cmocka_unit_test(has_defaults),
		cmocka_unit_test(sets_and_formats),
		cmocka_unit_test(sets_lists),
		cmocka_unit_test(compares),
		cmocka_unit_test(copies),
		cmocka_unit_test(explains_what_is_unknown),
		cmocka_unit_test(prints_defaults),
		cmocka_unit_test(holds_the_installed_file),
		cmocka_unit_test(holds_the_man_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
