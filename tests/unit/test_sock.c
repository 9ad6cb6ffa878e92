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
#include <sys/stat.h>
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
	int fd, other = -1;

	(void)state;
	parse("[::]:0", &six);
	parse("0.0.0.0:0", &four);
	/* Somebody else's connection may have the same port in IPv4. */
	for (int i = 0; i < 20 && other < 0; i++) {
		fd = sock_listen(&six, 16, NULL);
		if (fd < 0)
			skip();
		assert_int_equal(sock_address(fd, &bound, NULL), 0);
		addr_set_port(&four, addr_port(&bound));
		if (sock_probe(&four, NULL) == 0)
			other = sock_listen(&four, 16, NULL);
		if (other < 0)
			close(fd);
	}
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

/* --- unix sockets ----------------------------------------------------------- */

static const struct sock_access mine = { 0600, NULL, NULL };

static char folder[64];

static int
make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/wssd-sock-XXXXXX");
	return mkdtemp(folder) == NULL;
}

static int
remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);	/* so every test leaves it empty */
}

static void
in_folder(const char *name, struct addr *out)
{
	char text[ADDR_TEXT_MAX];

	snprintf(text, sizeof(text), "unix:%s/%s", folder, name);
	parse(text, out);
}

static bool
exists(const struct addr *addr, struct stat *st)
{
	return lstat(addr->un.sun_path, st) == 0;
}

static void
test_unix_socket(void **state)
{
	struct sock_access all = { 0666, NULL, NULL };
	struct err err = ERR_INIT;
	struct sock_file file;
	struct addr addr;
	struct stat st;
	int fd;

	(void)state;
	in_folder("a", &addr);
	assert_int_equal(sock_unix_probe(&addr, &mine, false, &err), 0);
	assert_false(exists(&addr, &st));
	fd = sock_unix_listen(&addr, &mine, 16, &file, &err);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(exists(&addr, &st));
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	assert_int_equal(sock_unix_set_access(&addr, &all, &err), 0);
	assert_true(exists(&addr, &st));
	assert_int_equal(st.st_mode, S_IFSOCK | 0666);
	/* It is somebody's: not taken away. */
	assert_int_equal(sock_unix_probe(&addr, &mine, false, &err), -1);
	assert_non_null(strstr(err.text, "/a: another program does"));
	assert_int_equal(sock_unix_listen(&addr, &mine, 16, &file, &err), -1);
	assert_true(exists(&addr, &st));
	close(fd);
	sock_unix_remove(&addr, &file);
	assert_false(exists(&addr, &st));
}

/* What a dead program left is replaced; the new file is not the old one. */
static void
test_unix_stale(void **state)
{
	struct sock_file old, new;
	struct err err = ERR_INIT;
	struct addr addr;
	struct stat st;
	int fd;

	(void)state;
	in_folder("a", &addr);
	fd = sock_unix_listen(&addr, &mine, 16, &old, &err);
	close(fd);
	assert_true(exists(&addr, &st));
	assert_int_equal(sock_unix_probe(&addr, &mine, false, &err), 0);
	fd = sock_unix_listen(&addr, &mine, 16, &new, &err);
	assert_true(fd >= 0);
	old.ino = new.ino + 1;
	sock_unix_remove(&addr, &old);
	assert_true(exists(&addr, &st));
	close(fd);
	sock_unix_remove(&addr, &new);
	assert_false(exists(&addr, &st));
}

static void
test_unix_refused(void **state)
{
	struct sock_access nobody = { 0600, "no-such-user", NULL };
	struct sock_access no_group = { 0600, NULL, "no-such-group" };
	struct err err = ERR_INIT;
	struct sock_file file;
	struct addr addr;
	struct stat st;
	int fd;

	(void)state;
	in_folder("a", &addr);
	assert_int_equal(sock_unix_probe(&addr, &nobody, false, &err), -1);
	assert_string_equal(err.text,
	    "socket_user: there is no user `no-such-user'");
	assert_int_equal(sock_unix_listen(&addr, &no_group, 16, &file, &err),
	    -1);
	assert_string_equal(err.text,
	    "socket_group: there is no group `no-such-group'");
	assert_false(exists(&addr, &st));
	/* A file that is no socket is never removed. */
	fd = open(addr.un.sun_path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(sock_unix_listen(&addr, &mine, 16, &file, &err), -1);
	assert_non_null(strstr(err.text, "a file that is no socket"));
	assert_true(exists(&addr, &st));
	unlink(addr.un.sun_path);
	/* No folder: now, or not yet. */
	in_folder("no/a", &addr);
	assert_int_equal(sock_unix_probe(&addr, &mine, false, &err), -1);
	assert_non_null(strstr(err.text, "its folder: No such file"));
	assert_int_equal(sock_unix_probe(&addr, &mine, true, &err), 0);
	assert_int_equal(sock_unix_listen(&addr, &mine, 16, &file, &err), -1);
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
	f->config.daemon.run_dir = folder;
	for (size_t i = 0; i < 2; i++) {
		parse(texts[i], &f->addrs[i]);
		f->listens[i].socket_mode = 0600;
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

/* All slots have one socket, which goes with the last set that has it. */
static void
test_set_of_unix_sockets(void **state)
{
	struct listen_set *old, *new;
	char text[ADDR_TEXT_MAX];
	struct fixture f;
	struct stat st;
	int fd;

	(void)state;
	snprintf(text, sizeof(text), "unix:%s/ws", folder);
	config_of(&f, "127.0.0.1:0", text);
	old = listen_set_open(&f.config, NULL, SLOTS, NULL);
	assert_non_null(old);
	fd = old->rows[1].listener->fds[0];
	assert_true(listener_is_shared(old->rows[1].listener));
	assert_false(listener_is_shared(old->rows[0].listener));
	assert_int_equal(old->rows[1].listener->fds[SLOTS - 1], fd);
	assert_string_equal(old->rows[1].listener->text, text);
	f.listens[1].socket_mode = 0666;
	new = listen_set_open(&f.config, old, SLOTS, NULL);
	assert_non_null(new);
	assert_int_equal(new->rows[1].listener->fds[0], fd);
	assert_true(exists(&f.addrs[1], &st));
	assert_int_equal(st.st_mode, S_IFSOCK | 0666);
	listen_set_unref(old);
	assert_true(exists(&f.addrs[1], &st));
	listen_set_unref(new);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_false(exists(&f.addrs[1], &st));
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
		cmocka_unit_test(test_unix_socket),
		cmocka_unit_test(test_unix_stale),
		cmocka_unit_test(test_unix_refused),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_set_keeps_sockets),
		cmocka_unit_test(test_set_of_unix_sockets),
		cmocka_unit_test(test_set_fails_whole),
	};

	return cmocka_run_group_tests_name("sock", tests, make_folder,
	    remove_folder);
}
