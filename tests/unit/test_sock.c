/* SPDX-License-Identifier: MIT */
/* common/sock and master/listen: sockets for each address and slot. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/sock.h"
#include "master/listen.h"

#define SLOTS 3

static void
parse(const char *text, struct addr *out)
{
	assert_int_equal(addr_parse(text, out, NULL), 0);
}

static void
test_listen_socket(void **state)
{
	struct addr any, bound;
	int fd, on = 0;
	socklen_t len = sizeof(on);

	(void)state;
	parse("127.0.0.1:0", &any);
	fd = sock_listen(&any, 16, NULL);
	assert_true(fd >= 0);
	assert_int_equal(sock_address(fd, &bound, NULL), 0);
	assert_int_not_equal(addr_port(&bound), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, &len),
	    0);
	assert_int_equal(on, 1);
	close(fd);
}

/* A socket that shares its port is still somebody's. */
static void
test_probe(void **state)
{
	struct addr any, bound;
	struct err err = ERR_INIT;
	int fd, second;

	(void)state;
	parse("127.0.0.1:0", &any);
	fd = sock_listen(&any, 16, NULL);
	assert_int_equal(sock_address(fd, &bound, NULL), 0);
	assert_int_equal(sock_probe(&bound, &err), -1);
	assert_non_null(strstr(err.text, "Address already in use"));
	second = sock_listen(&bound, 16, NULL);
	assert_true(second >= 0);
	close(second);
	close(fd);
	assert_int_equal(sock_probe(&bound, &err), 0);
}

static void
test_v6_is_only_v6(void **state)
{
	struct addr six, four, bound;
	int fd, other;

	(void)state;
	parse("[::]:0", &six);
	fd = sock_listen(&six, 16, NULL);
	if (fd < 0)
		skip();
	assert_int_equal(sock_address(fd, &bound, NULL), 0);
	parse("0.0.0.0:0", &four);
	addr_set_port(&four, addr_port(&bound));
	assert_int_equal(sock_probe(&four, NULL), 0);
	other = sock_listen(&four, 16, NULL);
	assert_true(other >= 0);
	close(other);
	close(fd);
}

static void
test_refused(void **state)
{
	struct addr elsewhere;
	struct err err = ERR_INIT;

	(void)state;
	parse("192.0.2.1:8282", &elsewhere);
	assert_int_equal(sock_listen(&elsewhere, 16, &err), -1);
	assert_non_null(strstr(err.text, "cannot listen on 192.0.2.1:8282: "));
}

/* --- sets ------------------------------------------------------------------- */

struct fixture {
	struct config_listen listens[2];
	struct addr addrs[2];
	struct config config;
};

static void
config_of(struct fixture *f, const char *first, const char *second)
{
	const char *texts[] = { first, second };
	const char *names[] = { "one", "two" };

	memset(f, 0, sizeof(*f));
	for (size_t i = 0; i < 2; i++) {
		parse(texts[i], &f->addrs[i]);
		f->listens[i].place = (struct config_place){ "x.ini", 7 };
		f->listens[i].name = (char *)(uintptr_t)names[i];
		f->listens[i].addrs = &f->addrs[i];
		f->listens[i].address.n = 1;
		f->listens[i].backlog = 16;
	}
	f->config.listens = f->listens;
	f->config.n_listens = 2;
}

static void
test_set(void **state)
{
	struct listen_set *set;
	struct fixture f;

	(void)state;
	config_of(&f, "127.0.0.1:0", "127.0.0.2:0");
	set = listen_set_open(&f.config, NULL, SLOTS, NULL);
	assert_non_null(set);
	assert_int_equal(set->n, 2);
	for (size_t i = 0; i < 2; i++) {
		struct listener *l = set->rows[i].listener;

		/* All slots share the port that the first one was given. */
		for (size_t slot = 0; slot < SLOTS; slot++) {
			struct addr bound;
			char text[ADDR_TEXT_MAX];

			assert_int_equal(sock_address(l->fds[slot], &bound,
			    NULL), 0);
			addr_format(&bound, text);
			assert_string_equal(text, l->text);
		}
		assert_true(listen_set_has(set, &set->rows[i]));
	}
	listen_set_unref(set);
}

static void
test_set_keeps_sockets(void **state)
{
	struct listen_set *old, *new;
	struct fixture f;
	int kept, gone;

	(void)state;
	config_of(&f, "127.0.0.1:0", "127.0.0.2:0");
	old = listen_set_open(&f.config, NULL, SLOTS, NULL);
	assert_non_null(old);
	kept = old->rows[1].listener->fds[0];
	gone = old->rows[0].listener->fds[0];
	/* two is listen one's now, and one is elsewhere. */
	config_of(&f, "127.0.0.2:0", "127.0.0.3:0");
	new = listen_set_open(&f.config, old, SLOTS, NULL);
	assert_non_null(new);
	assert_int_equal(new->rows[0].listener->fds[0], kept);
	assert_string_equal(new->rows[0].name, "one");
	assert_false(listen_set_has(old, &new->rows[0]));	/* its name */
	assert_false(listen_set_has(old, &new->rows[1]));
	assert_false(listen_set_has(new, &old->rows[0]));
	listen_set_unref(old);
	assert_int_equal(fcntl(gone, F_GETFD), -1);
	assert_int_not_equal(fcntl(kept, F_GETFD), -1);
	listen_set_unref(new);
	assert_int_equal(fcntl(kept, F_GETFD), -1);
}

static void
test_set_fails_whole(void **state)
{
	struct listen_set *old, *new;
	struct err err = ERR_INIT;
	struct addr any, busy;
	char text[ADDR_TEXT_MAX];
	struct fixture f;
	int fd;

	(void)state;
	parse("127.0.0.1:0", &any);
	fd = sock_listen(&any, 16, NULL);
	assert_int_equal(sock_address(fd, &busy, NULL), 0);
	addr_format(&busy, text);
	config_of(&f, "127.0.0.1:0", "127.0.0.2:0");
	old = listen_set_open(&f.config, NULL, SLOTS, NULL);
	assert_non_null(old);
	config_of(&f, "127.0.0.1:0", text);
	new = listen_set_open(&f.config, old, SLOTS, &err);
	assert_null(new);
	assert_non_null(strstr(err.text, "x.ini:7: cannot listen on "));
	assert_int_equal(old->rows[0].listener->refs, 1);
	listen_set_unref(old);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listen_socket),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_v6_is_only_v6),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_set_keeps_sockets),
		cmocka_unit_test(test_set_fails_whole),
	};

	return cmocka_run_group_tests_name("sock", tests, NULL, NULL);
}
