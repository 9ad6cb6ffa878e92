/* SPDX-License-Identifier: MIT */
/* common/privdrop, in children: what is gone and cannot be had back. */
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/privdrop.h"

#define NOBODY 65534

/* Runs the checks in a child, whose failed one is printed by CHECK. */
static void
in_child(int (*body)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(body());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define CHECK(cond)                                                          \
	do {                                                                 \
		if (!(cond)) {                                               \
			fprintf(stderr, "line %d: not %s\n", __LINE__, #cond); \
			return 1;                                            \
		}                                                            \
	} while (0)

static int
root_is_empty(void)
{
	struct stat st;

	CHECK(stat("/etc", &st) != 0);
	CHECK(open("/x", O_CREAT | O_WRONLY, 0600) < 0);
	CHECK(mkdir("/x", 0700) != 0);
	CHECK(open("..", O_RDONLY | O_DIRECTORY) < 0 ||
	    stat("../etc", &st) != 0);
	return 0;
}

static int
nobody_body(void)
{
	struct privdrop_ids ids = { true, NOBODY, NOBODY };
	gid_t groups[2] = { 4, 27 };

	CHECK(setgroups(2, groups) == 0);
	CHECK(privdrop(&ids, NULL) == 0);
	CHECK(getuid() == NOBODY && geteuid() == NOBODY);
	CHECK(getgid() == NOBODY && getegid() == NOBODY);
	CHECK(getgroups(0, NULL) == 0);
	CHECK(setuid(0) != 0 && setgid(0) != 0);
	CHECK(setgroups(0, NULL) != 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	CHECK(chroot(".") != 0);
	return root_is_empty();
}

static int
superuser_body(void)
{
	struct privdrop_ids ids = { true, 0, 0 };

	CHECK(privdrop(&ids, NULL) == 0);
	CHECK(getuid() == 0);
	CHECK(setuid(NOBODY) != 0);
	CHECK(chroot(".") != 0);
	CHECK(socket(AF_INET, SOCK_RAW, 1) < 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	return root_is_empty();
}

static int
ordinary_body(void)
{
	struct privdrop_ids ids = { .superuser = true };
	struct stat st;

	if (geteuid() == 0)
		CHECK(setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
		    setresuid(NOBODY, NOBODY, NOBODY) == 0);
	/* There is nothing to become, so even an unknown name is fine. */
	CHECK(privdrop_lookup("no-such-user", "no-such-group", &ids,
	    NULL) == 0);
	CHECK(!ids.superuser && ids.uid == getuid() && ids.gid == getgid());
	CHECK(privdrop(&ids, NULL) == 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	CHECK(stat("/etc", &st) == 0);
	return 0;
}

static int
refused_body(void)
{
	struct privdrop_ids ids = { true, NOBODY, NOBODY };
	struct err err = ERR_INIT;

	if (geteuid() == 0)
		CHECK(setresuid(NOBODY, NOBODY, NOBODY) == 0);
	CHECK(privdrop(&ids, &err) == -1);
	CHECK(err.text[0] != '\0');
	return 0;
}

static void
test_nobody(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	in_child(nobody_body);
}

static void
test_superuser(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	in_child(superuser_body);
}

static void
test_ordinary(void **state)
{
	(void)state;
	in_child(ordinary_body);
}

/* Dropping what one does not have the right to drop is a failure. */
static void
test_refused(void **state)
{
	(void)state;
	in_child(refused_body);
}

static void
test_lookup(void **state)
{
	struct privdrop_ids ids = { .uid = 7 };
	struct err err = ERR_INIT;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(privdrop_lookup("nobody", "nogroup", &ids, &err), 0);
	assert_true(ids.superuser);
	assert_int_equal(ids.uid, NOBODY);
	assert_int_equal(ids.gid, NOBODY);
	assert_int_equal(privdrop_lookup("no-such-user", "nogroup", &ids,
	    &err), -1);
	assert_string_equal(err.text,
	    "there is no user \"no-such-user\" on this system");
	assert_int_equal(privdrop_lookup("nobody", "no-such-group", &ids,
	    &err), -1);
	assert_string_equal(err.text,
	    "there is no group \"no-such-group\" on this system");
	assert_int_equal(ids.uid, NOBODY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_superuser),
		cmocka_unit_test(test_ordinary),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_lookup),
	};

	return cmocka_run_group_tests_name("privdrop", tests, NULL, NULL);
}
