/* SPDX-License-Identifier: MIT */
/*
 * master/connect and master/names: a worker gets a socket to what its config
 * names, and to nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/alloc.h"
#include "common/proto_connect.h"
#include "common/sock.h"
#include "master/connect.h"

/* An edition of a route with these upstreams. */
static struct edition *
edition(const char *upstream)
{
	struct edition *e = xcalloc(1, sizeof(*e));
	struct config_errors errors = CONFIG_ERRORS_INIT;
	char *text = xasprintf("[listen]\naddress = 127.0.0.1:0\n"
	    "transport = tcp\n[route /]\nhandler = proxy\nupstream = %s\n",
	    upstream);

	e->refs = 1;
	e->bundle_fd = -1;
	e->config = config_new(bundle_from_text("f", text, strlen(text)),
	    &errors);
	assert_non_null(e->config);
	/* So that names.c need not become anybody. */
	free(e->config->daemon.user);
	e->config->daemon.user = xstrdup("root");
	free(e->config->daemon.group);
	e->config->daemon.group = xstrdup("root");
	free(text);
	return e;
}

static int
try(struct edition *a, struct edition *b, const char *endpoint,
    unsigned attempt, struct proto_connected *m)
{
	struct proto_connect wanted = { .id = 7, .attempt = attempt };
	int fd;

	snprintf(wanted.endpoint, sizeof(wanted.endpoint), "%s", endpoint);
	fd = connect_upstream(a, b, &wanted, m);
	assert_int_equal(m->id, 7);
	assert_int_equal(fd < 0, m->error != 0);
	return fd;
}

static int
listening(char endpoint[ADDR_TEXT_MAX])
{
	struct addr addr;
	int fd;

	assert_int_equal(addr_parse("127.0.0.1:0", &addr, NULL), 0);
	fd = sock_listen(&addr, 8, NULL);
	assert_true(fd >= 0);
	assert_int_equal(sock_address(fd, &addr, NULL), 0);
	addr_format(&addr, endpoint);
	return fd;
}

static void
connects_to_what_is_named(void **state)
{
	char here[ADDR_TEXT_MAX], url[ADDR_TEXT_MAX + 16];
	int l = listening(here), fd;
	struct edition *a, *b = edition("ws://127.0.0.1:1");
	struct proto_connected m;

	(void)state;
	snprintf(url, sizeof(url), "ws://%s/path", here);
	a = edition(url);
	fd = try(a, b, here, 0, &m);
	assert_true(fd >= 0);
	close(fd);
	fd = try(b, a, here, 0, &m);
	assert_true(fd >= 0);
	close(fd);
	fd = try(NULL, a, here, 0, &m);
	assert_true(fd >= 0);
	close(fd);
	/* There, and not in a config. */
	assert_int_equal(try(b, NULL, here, 0, &m), -1);
	assert_int_equal(m.error, EPERM);
	assert_int_equal(try(NULL, NULL, here, 0, &m), -1);
	assert_int_equal(m.error, EPERM);
	assert_int_equal(try(a, b, "/run/x.sock", 0, &m), -1);
	assert_int_equal(m.error, EPERM);
	assert_int_equal(try(a, b, "", 0, &m), -1);
	assert_int_equal(m.error, EPERM);
	edition_unref(a);
	edition_unref(b);
	close(l);
}

static void
connects_to_a_unix_socket(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct proto_connected m;
	struct edition *e;
	char url[160];
	int l = socket(AF_UNIX, SOCK_STREAM, 0), fds[2];

	(void)state;
	snprintf(un.sun_path, sizeof(un.sun_path), "/tmp/wssd-test-%ld",
	    (long)getpid());
	snprintf(url, sizeof(url), "ws+unix:%s:/x", un.sun_path);
	e = edition(url);
	assert_int_equal(try(e, NULL, un.sun_path, 0, &m), -1);
	assert_int_equal(m.error, ENOENT);
	assert_int_equal(bind(l, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(try(e, NULL, un.sun_path, 0, &m), -1);
	assert_int_equal(m.error, ECONNREFUSED);
	assert_int_equal(listen(l, 0), 0);
	fds[0] = try(e, NULL, un.sun_path, 0, &m);
	assert_true(fds[0] >= 0);
	/* A full queue must not stop the master. */
	fds[1] = try(e, NULL, un.sun_path, 0, &m);
	assert_int_equal(fds[1], -1);
	assert_int_equal(m.error, EAGAIN);
	close(fds[0]);
	close(l);
	unlink(un.sun_path);
	edition_unref(e);
}

static void
connects_to_names(void **state)
{
	struct edition *e = edition("ws://localhost:9, wss://localhost:10, "
	    "ws://127.0.0.1:9");
	struct config_errors errors = CONFIG_ERRORS_INIT;
	const struct name *name;
	struct proto_connected m;
	int fd;

	(void)state;
	/* Not looked up: no address. */
	assert_int_equal(try(e, NULL, "localhost:9", 0, &m), -1);
	assert_int_equal(m.error, EADDRNOTAVAIL);
	assert_int_equal(names_look_up(&e->names, e->config, &errors), 0);
	assert_int_equal(e->names.n, 2);
	name = names_find(&e->names, "localhost:10");
	assert_non_null(name);
	assert_in_range(name->n, 1, NAMES_ADDRESSES_MAX);
	assert_int_equal(addr_port(&name->addrs[0]), 10);
	assert_null(names_find(&e->names, "127.0.0.1:9"));
	for (unsigned attempt = 0; attempt < 5; attempt++) {
		fd = try(e, NULL, "localhost:9", attempt, &m);
		assert_int_equal(m.addresses, names_find(&e->names,
		    "localhost:9")->n);
		if (fd >= 0)
			close(fd);
	}
	edition_unref(e);
}

static void
says_which_name(void **state)
{
	struct edition *e = edition("ws://127.0.0.1:1, "
	    "ws://no-such-host.invalid:80");
	struct config_errors errors = CONFIG_ERRORS_INIT;

	(void)state;
	assert_int_equal(names_look_up(&e->names, e->config, &errors), -1);
	assert_int_equal(errors.n, 1);
	assert_non_null(strstr(errors.items[0], "f:6: upstream: cannot look "
	    "up `no-such-host.invalid': "));
	config_errors_done(&errors);
	edition_unref(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connects_to_what_is_named),
		cmocka_unit_test(connects_to_a_unix_socket),
		cmocka_unit_test(connects_to_names),
		cmocka_unit_test(says_which_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
