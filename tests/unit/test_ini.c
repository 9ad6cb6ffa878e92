/* SPDX-License-Identifier: MIT */
/* common/ini: the syntax of wssd.ini, right and wrong, whole and damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/count.h"
#include "common/ini.h"

/* What was understood, written back: "[kind|name]@line key=value@line". */
static char *
show(const struct ini *ini)
{
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < ini->n; i++) {
		const struct ini_section *s = &ini->sections[i];

		buf_printf(&out, "%s[%s|%s]@%u", i == 0 ? "" : " ", s->kind,
		    s->name, s->line);
		for (size_t j = 0; j < s->n_keys; j++)
			buf_printf(&out, " %s=%s@%u", s->keys[j].key,
			    s->keys[j].value, s->keys[j].line);
	}
	buf_put_u8(&out, 0);
	return (char *)out.data;
}

static void
check(const char *text, size_t len, const char *shown, const char *errors)
{
	struct config_errors list = CONFIG_ERRORS_INIT;
	struct ini *ini = ini_parse("f", text, len, &list);
	char *got = show(ini), *sentences = config_errors_text(&list);

	assert_string_equal(sentences, errors);
	assert_string_equal(got, shown);
	free(got);
	free(sentences);
	ini_free(ini);
	config_errors_done(&list);
}

static void
understands(void **state)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{ "", "" },
		{ "\n\n# x\n;y\n  # z\n", "" },
		{ "[a]", "[a|]@1" },
		{ "\n[a b]\nx=1", "[a|b]@2 x=1@3" },
		{ "[ a \t b c ]\r\n x = 1 \r\n", "[a|b c]@1 x=1@2" },
		{ "[a]\nx = 1\n\n#\ny =  two words \n[b]\n[c]\nz=",
		    "[a|]@1 x=1@2 y=two words@5 [b|]@6 [c|]@7 z=@8" },
		/* the same section twice is not a matter of syntax */
		{ "[a]\nx=1\n[A]\nx=2\n[a]\nx=3",
		    "[a|]@1 x=1@2 [A|]@3 x=2@4 [a|]@5 x=3@6" },
		/* names that libini-config has plans of its own for */
		{ "[route /a!b.c]\nx=1\n[default]\ny=2\n[s]\nz=3",
		    "[route|/a!b.c]@1 x=1@2 [default|]@3 y=2@4 [s|]@5 z=3@6" },
		{ "[route /a]b]\nx=[\ny=[z]", "[route|/a]b]@1 x=[@2 y=[z]@3" },
		{ "  [a]\n\tx=1", "[a|]@1 x=1@2" },
		{ "[a]\nx = \"q\"\ny=\" ; \"\nz=\"\"",
		    "[a|]@1 x=q@2 y= ; @3 z=@4" },
		{ "[a]\nx = \"say \"hi\"\"", "[a|]@1 x=say \"hi\"@2" },
		{ "[a]\nx = a=b=c", "[a|]@1 x=a=b=c@2" },
		{ "[a]\nx = a;b#c", "[a|]@1 x=a;b#c@2" },
		{ "[a]\nx = /* c\ny = c */", "[a|]@1 x=/* c@2 y=c */@3" },
		{ "[a]\nx1.y-z_w = ok", "[a|]@1 x1.y-z_w=ok@2" },
		{ "\xef\xbb\xbf[a]\nx = \xc3\xa4", "[a|]@1 x=\xc3\xa4@2" },
		/* the library takes these for one key */
		{ "[a]\nKey=1\nother=2\nkey=3\nKEY=4",
		    "[a|]@1 Key=1@2 other=2@3 key=3@4 KEY=4@5" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check(cases[i].text, strlen(cases[i].text), cases[i].shown,
		    "");
}

#define COMMENT "a comment must stand on a line of its own " \
	"(or put the value in double quotes)\n"
#define EXPECTED "expected `key = value' or `[section]'\n"

static const struct {
	const char *text, *shown, *errors;
} wrong[] = {
	{ "x=1\ny=2\n[a]\nz=3", "[a|]@3 z=3@4",
	    "f:1: a key before the first section: write [wssd] above it\n" },
	{ "[a]\nx=1\ny=2\nx=3\nx=4", "[a|]@1 x=1@2 y=2@3 x=3@4 x=4@5",
	    "f:4: `x' is already set in line 2\n"
	    "f:5: `x' is already set in line 2\n" },
	{ "[a]\nbad\nx=1\nworse\n=2\n[b]\ny=1",
	    "[a|]@1 x=1@3 [b|]@6 y=1@7",
	    "f:2: " EXPECTED "f:4: " EXPECTED
	    "f:5: there is no key before the `='\n" },
	{ "[a\nx=1\n[b]\ny=1", "[b|]@3 y=1@4",
	    "f:1: the closing `]' of the section is missing\n" },
	{ "[]\nx=1\n[ ]\n", "",
	    "f:1: the section has no name\nf:3: the section has no name\n" },
	{ "[a] ; c\n[b] x\n", "",
	    "f:1: nothing may stand behind the `]' of a section (a comment "
	    "must stand on a line of its own)\n"
	    "f:2: nothing may stand behind the `]' of a section (a comment "
	    "must stand on a line of its own)\n" },
	{ "[a]\nx = 1 ; c\ny = 1\t# c\nz = ; c\nv = #\nu = \"1\" ; c\nw = 1",
	    "[a|]@1 w=1@7", "f:2: " COMMENT "f:3: " COMMENT "f:4: " COMMENT
	    "f:5: " COMMENT "f:6: " COMMENT },
	{ "[a]\nx = \"1\ny = \"\nz = \"", "[a|]@1",
	    "f:2: the closing double quote is missing\n"
	    "f:3: the closing double quote is missing\n"
	    "f:4: the closing double quote is missing\n" },
	{ "[a]\nx y = 1\nx!y = 1\n/y=1\n\xc3\xa4=1\nz=1", "[a|]@1 z=1@6",
	    "f:2: `x y' cannot be a key\nf:3: `x!y' cannot be a key\n"
	    "f:4: `/y' cannot be a key\nf:5: `\xc3\xa4' cannot be a key\n" },
	{ "[a]\nx=\x01\ny=1\n#\x7f\n", "[a|]@1 y=1@3",
	    "f:2: the line has a control character (\\x01)\n"
	    "f:4: the line has a control character (\\x7f)\n" },
	{ "[a]\nx=1\ry=2\n", "[a|]@1",
	    "f:2: the line has a control character (\\x0d)\n" },
	{ "[a]\nx=\xff\ny=1", "[a|]@1 y=1@3",
	    "f:2: the line is not UTF-8 text\n" },
	{ "\xff\xfe[", "", "f:1: the line is not UTF-8 text\n" },
};

static void
reports_each_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		check(wrong[i].text, strlen(wrong[i].text), wrong[i].shown,
		    wrong[i].errors);
	check("[a]\nx=1\0\n", 9, "",
	    "f:2: not a text file: there is a NUL byte in it\n");
}

/* n times the piece. */
static char *
repeat(const char *piece, size_t n)
{
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < n; i++)
		buf_put(&out, piece, strlen(piece));
	buf_put_u8(&out, 0);
	return (char *)out.data;
}

static void
keeps_limits(void **state)
{
	char *a = repeat("a", 16380), *text;
	struct config_errors list = CONFIG_ERRORS_INIT;
	struct ini *ini;

	(void)state;
	/* 16384 bytes are a line, one more is too many */
	text = xasprintf("[a]\nx = %s\ny=1%s\nz=1", a, a);
	ini = ini_parse("f", text, strlen(text), &list);
	assert_int_equal(list.n, 0);
	assert_int_equal(strlen(ini->sections[0].keys[0].value), 16380);
	ini_free(ini);
	free(text);
	text = xasprintf("[a]\nx = %sz\nz=1", a);
	check(text, strlen(text), "[a|]@1 z=1@3",
	    "f:2: the line is longer than 16384 bytes\n");
	free(text);
	free(a);

	text = repeat("[a]\n", 10001);
	ini = ini_parse("f", text, strlen(text), &list);
	assert_int_equal(ini->n, 10000);
	assert_int_equal(list.n, 1);
	assert_string_equal(list.items[0],
	    "f:10001: more than 10000 sections");
	ini_free(ini);
	config_errors_done(&list);
	free(text);

	text = repeat("\n", (1 << 20) + 1);
	check(text, (1 << 20) + 1, "",
	    "f: the file is bigger than 1048576 bytes\n");
	check(text, 1 << 20, "", "");
	free(text);
}

static void
keeps_the_limit_of_keys(void **state)
{
	struct buf text = BUF_INIT;
	struct config_errors list = CONFIG_ERRORS_INIT;
	struct ini *ini;

	(void)state;
	buf_printf(&text, "[a]\n");
	for (int i = 0; i < 258; i++)
		buf_printf(&text, "k%d = %d\n", i, i);
	ini = ini_parse("f", (const char *)text.data, text.len, &list);
	assert_int_equal(ini->sections[0].n_keys, 256);
	assert_string_equal(ini->sections[0].keys[255].value, "255");
	assert_int_equal(ini->sections[0].keys[255].line, 257);
	assert_int_equal(list.n, 1);
	assert_string_equal(list.items[0],
	    "f:258: more than 256 keys in a section");
	ini_free(ini);
	config_errors_done(&list);
	buf_done(&text);
}

static void
stops_collecting_errors(void **state)
{
	char *text = repeat("[a]\nbad\n", 150);
	struct config_errors list = CONFIG_ERRORS_INIT;
	char *shown;

	(void)state;
	ini_free(ini_parse("f", text, strlen(text), &list));
	assert_int_equal(list.n, 100);
	assert_int_equal(list.dropped, 50);
	shown = config_errors_text(&list);
	assert_non_null(strstr(shown, "\n(and 50 more)\n"));
	free(shown);
	config_errors_done(&list);
	free(text);
}

static void
survives_damage(void **state)
{
	static const char good[] = "# c\n[wssd]\nworkers = 2\n\n"
	    "[route /a]\ntext = \"x ; y\"\r\noption.a = b\n[b";
	char text[sizeof(good)];

	(void)state;
	for (size_t len = 0; len < sizeof(good); len++) {
		struct config_errors list = CONFIG_ERRORS_INIT;
		char *exact = xstrndup(good, len);

		ini_free(ini_parse("f", exact, len, &list));
		config_errors_done(&list);
		free(exact);
	}
	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		for (int c = 0; c < 256; c++) {
			struct config_errors list = CONFIG_ERRORS_INIT;

			memcpy(text, good, sizeof(good));
			text[i] = (char)c;
			ini_free(ini_parse("f", text, sizeof(good) - 1,
			    &list));
			config_errors_done(&list);
		}
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(understands),
		cmocka_unit_test(reports_each_line),
		cmocka_unit_test(keeps_limits),
		cmocka_unit_test(keeps_the_limit_of_keys),
		cmocka_unit_test(stops_collecting_errors),
		cmocka_unit_test(survives_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
