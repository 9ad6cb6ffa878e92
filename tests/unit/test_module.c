/* SPDX-License-Identifier: MIT */
/*
 * worker/module: what is no module is refused with the place in the config.
 * (Real ones, and those of another ABI: tests/integration/test_modules.py.)
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/module.h"

#define PATH "/usr/lib/wssd/x.so"

/* A config of one route with that handler. */
struct fixture {
	struct config_route route;
	struct config config;
	struct files files;
	struct modules modules;
	struct err err;
};

static void
set_up(struct fixture *f, const char *handler, int fd)
{
	memset(f, 0, sizeof(*f));
	f->route.handler = (char *)(uintptr_t)handler;
	f->route.module = fd == -1 ? NULL : (char *)(uintptr_t)PATH;
	f->route.place.file = "wssd.ini";
	f->route.place.line = 12;
	f->config.routes = &f->route;
	f->config.n_routes = 1;
	if (fd != -1)
		files_add(&f->files, PATH, fd);
}

static void
expect_refused(struct fixture *f, const char *start, const char *part)
{
	assert_int_equal(modules_load(&f->modules, &f->config, &f->files,
	    &f->err), -1);
	if (strncmp(f->err.text, start, strlen(start)) != 0 ||
	    strstr(f->err.text, part) == NULL ||
	    strstr(f->err.text, "/proc/") != NULL)
		fail_msg("%s", f->err.text);
	assert_null(f->modules.first);
	files_done(&f->files);
	modules_done(&f->modules);
}

static void
test_no_object(void **state)
{
	struct fixture f;
	int fd = memfd_create("x", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(write(fd, "#!/bin/sh\n", 10), 10);
	set_up(&f, "module", fd);
	expect_refused(&f, "wssd.ini:12: module " PATH ": ", "");
	/* An empty file. */
	set_up(&f, "module", memfd_create("x", MFD_CLOEXEC));
	expect_refused(&f, "wssd.ini:12: module " PATH ": ", "");
}

/* A library like any other: that of these very tests. */
static void
test_no_module(void **state)
{
	struct fixture f;
	Dl_info info;

	(void)state;
	assert_int_not_equal(dladdr((void *)(uintptr_t)_cmocka_run_group_tests,
	    &info), 0);
	set_up(&f, "module", open(info.dli_fname, O_RDONLY | O_CLOEXEC));
	expect_refused(&f, "wssd.ini:12: module " PATH,
	    "exports no object `wss_module'");
}

static void
test_handlers(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "echo", -1);
	assert_int_equal(modules_load(&f.modules, &f.config, &f.files,
	    &f.err), 0);
	assert_string_equal(module_handler(&f.modules, &f.route,
	    &f.err)->name, "echo");
	set_up(&f, "ehco", -1);
	assert_null(module_handler(&f.modules, &f.route, &f.err));
	assert_string_equal(f.err.text,
	    "wssd.ini:12: there is no handler `ehco'");
	set_up(&f, "module", -1);
	f.route.module = (char *)(uintptr_t)PATH;
	assert_null(module_handler(&f.modules, &f.route, &f.err));
	assert_string_equal(f.err.text, "wssd.ini:12: module " PATH
	    " is not loaded in this worker");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_object),
		cmocka_unit_test(test_no_module),
		cmocka_unit_test(test_handlers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
