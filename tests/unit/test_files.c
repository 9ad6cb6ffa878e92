/* SPDX-License-Identifier: MIT */
/* common/files: the files a config names, opened once. */
#include <fcntl.h>
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
#include "common/buf.h"
#include "common/files.h"

/* The path of this test's folder is the state. */
static int
make_folder(void **state)
{
	char *folder = xstrdup("/tmp/wssd-test-files-XXXXXX");

	assert_non_null(mkdtemp(folder));
	*state = folder;
	return 0;
}

static int
remove_folder(void **state)
{
	char *command = xasprintf("rm -rf '%s'", (char *)*state);

	assert_int_equal(system(command), 0);
	free(command);
	free(*state);
	return 0;
}

static void
write_file(const char *folder, const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", folder, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	free(path);
}

/* A config of the text, in which each `@' stands for the folder. */
static struct config *
make_config(const char *folder, const char *text)
{
	struct config_errors errors = CONFIG_ERRORS_INIT;
	struct buf out = BUF_INIT;
	struct config *c;

	for (; *text != '\0'; text++) {
		if (*text == '@')
			buf_printf(&out, "%s", folder);
		else
			buf_put_u8(&out, (uint8_t)*text);
	}
	c = config_new(bundle_from_text("f", (const char *)out.data, out.len),
	    &errors);
	assert_int_equal(errors.n, 0);
	assert_non_null(c);
	buf_done(&out);
	return c;
}

#define LISTEN "[listen]\naddress = 0.0.0.0:1\n"
#define TCP LISTEN "transport = tcp\n"
#define CONTEXT "[context]\nlocal_cert = @/cert\nlocal_pk = @/key\n"
#define ROUTE "[route /a]\nhandler = module\nmodule = @/m.so\n"

/* n is what is expected; errors with `@' for the folder. */
static void
check_open(const char *folder, const char *text, size_t n,
    const char *expected)
{
	struct config_errors errors = CONFIG_ERRORS_INIT;
	struct config *c = make_config(folder, text);
	struct files files;
	char *got, *at;

	assert_int_equal(files_open(&files, c, &errors),
	    *expected == '\0' ? 0 : -1);
	assert_int_equal(files.n, n);
	got = config_errors_text(&errors);
	while ((at = strstr(got, folder)) != NULL) {
		*at = '@';
		memmove(at + 1, at + strlen(folder),
		    strlen(at + strlen(folder)) + 1);
	}
	assert_string_equal(got, expected);
	free(got);
	config_errors_done(&errors);
	files_done(&files);
	config_unref(c);
}

static void
opens_each_once(void **state)
{
	char *folder = *state, *path = xasprintf("%s/cert", folder);
	struct config_errors errors = CONFIG_ERRORS_INIT;
	struct config *c;
	struct files files;
	char text[8] = "";

	write_file(folder, "cert", "cert");
	write_file(folder, "key", "key");
	write_file(folder, "m.so", "code");
	check_open(folder, LISTEN CONTEXT ROUTE, 3, "");
	check_open(folder, "[listen]\naddress=0.0.0.0:1\ncontext=a\n"
	    "[context a]\nlocal_cert=@/cert\n"
	    "[context b]\nlocal_cert=@/cert\nlocal_pk=@/cert\n" ROUTE, 2, "");

	c = make_config(folder, LISTEN CONTEXT ROUTE);
	assert_int_equal(files_open(&files, c, &errors), 0);
	assert_int_equal(files_fd(&files, "/none"), -1);
	assert_int_equal(read(files_fd(&files, path), text, sizeof(text)), 4);
	assert_string_equal(text, "cert");
	assert_int_equal(fcntl(files_fd(&files, path), F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(files_fd(&files, path), F_GETFL) & O_ACCMODE,
	    O_RDONLY);
	assert_false(files.items[0].code);
	assert_true(files.items[2].code);
	assert_int_equal(files.items[2].st.st_size, 4);
	files_done(&files);
	config_unref(c);
	free(path);
}

#define CAPATH "verify_peer = require\ncapath = @/ca\n"

/* What c_rehash leaves is a link to each file. */
static void
opens_folders(void **state)
{
	char *folder = *state, *ca = xasprintf("%s/ca", folder);
	char *link = xasprintf("%s/ca/0123abcd.0", folder);
	char *dead = xasprintf("%s/ca/dead", folder), name[32];

	write_file(folder, "cert", "cert");
	write_file(folder, "key", "key");
	check_open(folder, LISTEN CONTEXT CAPATH "[route /]\nhandler=echo\n",
	    0, "f:7: cannot open capath @/ca: No such file or directory\n");
	assert_int_equal(mkdir(ca, 0755), 0);
	write_file(ca, "a.pem", "a");
	write_file(ca, "b.pem", "b");
	write_file(ca, ".hidden", "c");
	assert_int_equal(symlink("a.pem", link), 0);
	assert_int_equal(symlink("nowhere", dead), 0);
	check_open(folder, LISTEN CONTEXT CAPATH "[route /]\nhandler=echo\n",
	    4, "");
	for (int i = 2; i <= FILES_IN_FOLDER_MAX; i++) {
		snprintf(name, sizeof(name), "%d", i);
		write_file(ca, name, name);
	}
	check_open(folder, LISTEN CONTEXT CAPATH "[route /]\nhandler=echo\n",
	    0, "f:7: capath @/ca has more than 512 files: write them into "
	    "one for cafile\n");
	assert_true(files_is_in("/a/b", "/a"));
	assert_false(files_is_in("/a/b/c", "/a"));
	assert_false(files_is_in("/ab", "/a"));
	free(ca);
	free(link);
	free(dead);
}

static void
reports_all(void **state)
{
	char *folder = *state, *big = xmalloc((1 << 20) + 2);
	char *path = xasprintf("%s/m.so", folder);

	assert_int_equal(mkfifo(path, 0600), 0);
	check_open(folder, LISTEN CONTEXT ROUTE, 0,
	    "f:4: cannot open local_cert @/cert: No such file or directory\n"
	    "f:5: cannot open local_pk @/key: No such file or directory\n"
	    "f:8: module @/m.so is not a regular file\n");
	memset(big, 'x', (1 << 20) + 1);
	big[(1 << 20) + 1] = '\0';
	write_file(folder, "cert", big);
	write_file(folder, "key", "");
	assert_int_equal(unlink(path), 0);
	write_file(folder, "m.so", big);
	check_open(folder, LISTEN CONTEXT ROUTE, 0,
	    "f:4: local_cert @/cert is bigger than 1048576 bytes\n");
	free(path);
	free(big);
}

static void
keeps_a_folder(void **state)
{
	char *folder = *state;
	struct config_errors errors = CONFIG_ERRORS_INIT;
	struct config *c = make_config(folder, TCP
	    "[route /]\nhandler = static\nroot = @\n");
	struct files files, none = FILES_INIT;
	struct stat st;

	assert_int_equal(files_open(&files, c, &errors), 0);
	assert_int_equal(files.n, 1);
	assert_int_equal(fstat(files_fd(&files, folder), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	/* A folder that comes new, and one that was there. */
	assert_true(files_add_folders(&none, &files));
	assert_false(files_add_folders(&files, &none));
	assert_false(files_add_folders(&files, &files));
	files_done(&files);
	config_unref(c);
	write_file(folder, "cert", "cert");
	check_open(folder, TCP "[route /]\nhandler=static\nroot=@/cert\n"
	    "[route /b]\nhandler=static\nroot=@/no\n", 0,
	    "f:6: cannot open root @/cert: Not a directory\n"
	    "f:9: cannot open root @/no: No such file or directory\n");
}

static void
notices_changed_code(void **state)
{
	char *folder = *state;
	struct config_errors errors = CONFIG_ERRORS_INIT;
	struct config *c, *d;
	struct files a, b, none;

	write_file(folder, "cert", "cert");
	write_file(folder, "key", "key");
	write_file(folder, "m.so", "code");
	c = make_config(folder, LISTEN CONTEXT ROUTE);
	d = make_config(folder, LISTEN CONTEXT "[route /]\nhandler=echo\n");
	assert_int_equal(files_open(&a, c, &errors), 0);
	assert_int_equal(files_open(&none, d, &errors), 0);
	write_file(folder, "cert", "another certificate");
	assert_int_equal(files_open(&b, c, &errors), 0);
	assert_true(files_same_code(&a, &b));
	assert_false(files_same_code(&a, &none));
	assert_false(files_same_code(&none, &a));
	assert_true(files_same_code(&none, &none));
	files_done(&b);
	write_file(folder, "m.so", "new code");
	assert_int_equal(files_open(&b, c, &errors), 0);
	assert_false(files_same_code(&a, &b));
	files_done(&a);
	files_done(&b);
	files_done(&none);
	config_unref(c);
	config_unref(d);
}

static void
takes_received_ones(void **state)
{
	struct files files = FILES_INIT;
	int a = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int b = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	files_add(&files, "/x", a);
	assert_int_equal(files_fd(&files, "/x"), a);
	files_add(&files, "/x", b);
	assert_int_equal(files.n, 1);
	assert_int_equal(files_fd(&files, "/x"), b);
	assert_int_equal(fcntl(a, F_GETFD), -1);
	files_done(&files);
	assert_int_equal(fcntl(b, F_GETFD), -1);
	files_done(&files);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(opens_each_once, make_folder,
		    remove_folder),
		cmocka_unit_test_setup_teardown(opens_folders, make_folder,
		    remove_folder),
		cmocka_unit_test_setup_teardown(reports_all, make_folder,
		    remove_folder),
		cmocka_unit_test_setup_teardown(keeps_a_folder,
		    make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(notices_changed_code,
		    make_folder, remove_folder),
		cmocka_unit_test(takes_received_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
