/* SPDX-License-Identifier: MIT */
/* common/bundle: the files of a config, read, sent and received. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/alloc.h"
#include "common/bundle.h"
#include "common/config.h"

/* A folder of its own for each test; files and paths are relative to it. */
static int
enter_folder(void **state)
{
	char *folder = xstrdup("/tmp/wssd-test-bundle-XXXXXX");

	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	*state = folder;
	return 0;
}

static int
leave_folder(void **state)
{
	char *command = xasprintf("rm -rf '%s'", (char *)*state);

	assert_int_equal(chdir("/"), 0);
	assert_int_equal(system(command), 0);
	free(command);
	free(*state);
	return 0;
}

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* The paths of the files, or the errors. */
static char *
load(const char *path)
{
	struct config_errors errors = CONFIG_ERRORS_INIT;
	struct bundle *b = bundle_load(path, &errors);
	struct buf out = BUF_INIT;
	char *text;

	if (b == NULL) {
		text = config_errors_text(&errors);
		config_errors_done(&errors);
		return text;
	}
	assert_int_equal(errors.n, 0);
	for (size_t i = 0; i < b->n; i++)
		buf_printf(&out, "%s%s", i == 0 ? "" : " ", b->files[i].path);
	buf_put_u8(&out, 0);
	bundle_free(b);
	return (char *)out.data;
}

static void
check_load(const char *include, const char *expected)
{
	char *text = xasprintf("[wssd]\n%s\n", include), *got;

	write_file("wssd.ini", text);
	got = load("wssd.ini");
	assert_string_equal(got, expected);
	free(got);
	free(text);
}

static void
loads_includes(void **state)
{
	char *text, *got, *expected;

	assert_int_equal(mkdir("d", 0755), 0);
	write_file("d/b.ini", "[route /b]\n");
	write_file("d/a.ini", "");
	write_file("d/C.ini", "");
	write_file("d/a.ini~", "\x01");
	write_file("d/.hidden.ini", "\x01");
	check_load("", "wssd.ini");
	check_load("include = d/*.ini", "wssd.ini d/C.ini d/a.ini d/b.ini");
	check_load("include = d/b.ini, d/?.ini",
	    "wssd.ini d/b.ini d/C.ini d/a.ini");
	check_load("include = *.ini", "wssd.ini");
	check_load("include = none/*.ini", "wssd.ini");
	check_load("#include = d/*.ini", "wssd.ini");
	/* relative to the file, not to the working directory */
	text = xasprintf("%s/wssd.ini", (char *)*state);
	check_load("include = d/b.ini", "wssd.ini d/b.ini");
	assert_int_equal(chdir("/"), 0);
	got = load(text);
	expected = xasprintf("%s %s/d/b.ini", text, (char *)*state);
	assert_string_equal(got, expected);
	assert_int_equal(chdir(*state), 0);
	free(got);
	free(expected);
	free(text);
	/* only [wssd] includes; the error is config_new()'s to report */
	write_file("wssd.ini", "[listen]\ninclude = d/*.ini\n");
	got = load("wssd.ini");
	assert_string_equal(got, "wssd.ini");
	free(got);
}

static void
reports_files(void **state)
{
	char *big = xmalloc((1 << 20) + 2), *got;

	(void)state;
	got = load("none.ini");
	assert_string_equal(got,
	    "cannot open none.ini: No such file or directory\n");
	free(got);
	got = load(".");
	assert_string_equal(got, ". is not a regular file\n");
	free(got);
	check_load("include = gone.ini", "wssd.ini:2: cannot open gone.ini: "
	    "No such file or directory\n");
	check_load("include = a.ini, , b.ini",
	    "wssd.ini:2: cannot open a.ini: No such file or directory\n"
	    "wssd.ini:2: include: there is an empty path\n"
	    "wssd.ini:2: cannot open b.ini: No such file or directory\n");
	assert_int_equal(mkfifo("fifo.ini", 0600), 0);
	check_load("include = fifo.ini",
	    "wssd.ini:2: fifo.ini is not a regular file\n");
	memset(big, '#', (1 << 20) + 1);
	big[(1 << 20) + 1] = '\0';
	write_file("big.ini", big);
	check_load("include = big.ini",
	    "wssd.ini:2: big.ini is bigger than 1048576 bytes\n");
	big[1 << 20] = '\0';
	write_file("big.ini", big);
	check_load("include = big.ini", "wssd.ini big.ini");
	for (int i = 0; i < 16; i++) {
		char name[32];

		snprintf(name, sizeof(name), "x%02d.ini", i);
		write_file(name, big);
	}
	check_load("include = x*.ini", "wssd.ini:2: all files together are "
	    "bigger than 16777216 bytes\n");
	free(big);
}

static void
limits_the_number_of_files(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "y%04d.ini", i);
		write_file(name, "");
	}
	check_load("include = y*.ini", "wssd.ini:2: more than 1000 files\n");
	assert_int_equal(unlink("y0000.ini"), 0);
	write_file("wssd.ini", "[wssd]\ninclude = y*.ini\n");
	free(load("wssd.ini"));
}

static struct bundle *
get(const void *bytes, size_t len, struct err *err)
{
	/* a copy of the exact size, so that a read too far is noticed */
	uint8_t *exact = (uint8_t *)xstrndup(bytes, len);
	struct reader r = { exact, len, false };
	struct bundle *b;

	exact = xreallocarray(exact, len == 0 ? 1 : len, 1);
	r.data = exact;
	b = bundle_get(&r, err);
	free(exact);
	return b;
}

static void
travels(void **state)
{
	static const char text[] = "[a]\nx = 1\n";
	struct bundle *b = bundle_from_text("/etc/x.ini", text,
	    sizeof(text) - 1);
	struct buf bytes = BUF_INIT;
	struct err err = ERR_INIT;
	struct bundle *c;

	(void)state;
	b->files = xreallocarray(b->files, 2, sizeof(*b->files));
	b->files[b->n++] = (struct bundle_file){ xstrdup("y"),
		xstrndup("\0z", 2), 2 };
	bundle_put(&bytes, b);
	c = get(bytes.data, bytes.len, &err);
	assert_non_null(c);
	assert_int_equal(c->n, 2);
	assert_string_equal(c->files[0].path, "/etc/x.ini");
	assert_string_equal(c->files[0].text, text);
	assert_int_equal(c->files[0].len, sizeof(text) - 1);
	assert_string_equal(c->files[1].path, "y");
	assert_memory_equal(c->files[1].text, "\0z\0", 3);
	bundle_free(c);
	for (size_t len = 0; len < bytes.len; len++) {
		assert_null(get(bytes.data, len, &err));
		assert_string_equal(err.text, "the config arrived damaged");
	}
	/* any damage is noticed, or makes another bundle: never a crash */
	for (size_t i = 0; i < bytes.len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			bytes.data[i] ^= (uint8_t)(1 << bit);
			bundle_free(get(bytes.data, bytes.len, NULL));
			bytes.data[i] ^= (uint8_t)(1 << bit);
		}
	}
	buf_put_u8(&bytes, 0);
	assert_null(get(bytes.data, bytes.len, &err));
	buf_done(&bytes);
	bundle_free(b);
	bundle_free(NULL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(loads_includes, enter_folder,
		    leave_folder),
		cmocka_unit_test_setup_teardown(reports_files, enter_folder,
		    leave_folder),
		cmocka_unit_test_setup_teardown(limits_the_number_of_files,
		    enter_folder, leave_folder),
		cmocka_unit_test(travels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
