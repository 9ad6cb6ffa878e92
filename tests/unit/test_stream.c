/* SPDX-License-Identifier: MIT */
/*
 * The data path, against OpenSSL's own client over a socketpair.  It rests
 * on things that libevent shows but does not promise (see stream.c): when a
 * new version breaks one of them, this test fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <event2/event.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "tests/unit/own_cert.h"
#include "worker/stream.h"
#include "worker/tls_bio.h"

struct fixture {
	struct event_base *base;
	struct transport *transport;
	struct tls_bio bio;
	SSL_CTX *server_ctx, *client_ctx;
	struct stream stream;
	int client_fd;
	SSL *client;

	/* What the server side saw. */
	struct buf got;
	enum stream_result handshake;
	char end[128];
	bool ended;
	bool echo;
	unsigned drained;
};

static struct fixture *
fixture_of(struct sock *sock)
{
	return LIST_ITEM(sock, struct fixture, stream.sock);
}

static void
on_input(struct sock *sock)
{
	struct fixture *f = fixture_of(sock);
	static uint8_t room[32768];
	struct err err = ERR_INIT;
	uint8_t *data;
	int n;

	f->handshake = stream_handshake(&f->stream, f->base, &err);
	if (f->handshake != STREAM_OK)
		return;
	while ((n = stream_read(&f->stream, room, sizeof(room), &data,
	    &err)) > 0) {
		buf_put(&f->got, data, (size_t)n);
		if (f->echo)
			stream_write(&f->stream, data, (size_t)n);
	}
	if (n < 0 && !f->ended) {
		f->ended = true;
		strcpy(f->end, err.text);
		sock_pause(sock);
	}
}

static void
on_drained(struct sock *sock)
{
	fixture_of(sock)->drained++;
}

static void
on_turn_end(void *arg)
{
	struct fixture *f = arg;

	if (f->stream.out != NULL)
		stream_flush(&f->stream);
}

static void
on_turn_over(void *arg)
{
	(void)arg;
}

static SSL_CTX *
make_server_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	use_own_cert(ctx);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	return ctx;
}

/* A client of `server', with a stream of its own at that end. */
static void
connect_to(struct fixture *server, struct fixture *f)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    fds), 0);
	f->base = server->base;
	f->client_fd = fds[1];
	f->client = SSL_new(server->client_ctx);
	SSL_set_fd(f->client, f->client_fd);
	SSL_set_connect_state(f->client);
	f->echo = true;
	stream_init(&f->stream, server->transport, &server->bio,
	    server->server_ctx, NULL, fds[0]);
}

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct transport_ops ops = { on_input, NULL, on_drained,
	    on_turn_end, on_turn_over, f };

	f->base = event_base_new();
	f->transport = transport_new(f->base, &ops);
	tls_bio_init(&f->bio);
	f->server_ctx = make_server_ctx();
	f->client_ctx = SSL_CTX_new(TLS_client_method());
	*state = f;
	connect_to(f, f);
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	stream_done(&f->stream);
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	transport_free(f->transport);
	event_base_free(f->base);
	SSL_free(f->client);
	SSL_CTX_free(f->client_ctx);
	SSL_CTX_free(f->server_ctx);
	tls_bio_done(&f->bio);
	close(f->client_fd);
	buf_done(&f->got);
	free(f);
	return 0;
}

static void
turn(struct fixture *f)
{
	event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static void
shake_hands(struct fixture *f)
{
	int rc = -1;

	for (int i = 0; i < 100 && rc != 1; i++) {
		rc = SSL_do_handshake(f->client);
		turn(f);
	}
	assert_int_equal(rc, 1);
	turn(f);
	assert_int_equal(f->handshake, STREAM_OK);
	assert_non_null(f->stream.bev);
}

/* Sends all of it, and reads as many bytes back if wanted. */
static void
exchange(struct fixture *f, const uint8_t *data, size_t len, uint8_t *back)
{
	size_t sent = 0, received = 0;

	for (int i = 0; i < 1000000; i++) {
		int n;

		if (sent < len && (n = SSL_write(f->client, data + sent,
		    len - sent > 16384 ? 16384 : (int)(len - sent))) > 0)
			sent += (size_t)n;
		turn(f);
		if (received < len && (n = SSL_read(f->client,
		    back + received, (int)(len - received))) > 0)
			received += (size_t)n;
		if (sent == len && received == len)
			return;
	}
	fail_msg("sent %zu, received %zu of %zu", sent, received, len);
}

static void
echoes_every_size(void **state)
{
	static const size_t sizes[] = { 1, 20, 1024, 16384, 16385, 65536,
		1000000 };
	struct fixture *f = *state;

	shake_hands(f);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *out = malloc(sizes[i]), *in = malloc(sizes[i]);

		for (size_t j = 0; j < sizes[i]; j++)
			out[j] = (uint8_t)(j * 31 + i);
		exchange(f, out, sizes[i], in);
		assert_memory_equal(out, in, sizes[i]);
		free(out);
		free(in);
	}
	assert_int_equal(stream_unsent(&f->stream), 0);
}

/* All SSLs have one BIO: in mid-handshake, too, each reads what is its. */
static void
two_share_the_bio(void **state)
{
	struct fixture *a = *state, *b = calloc(1, sizeof(*b));
	uint8_t back[4];
	int ra = -1, rb = -1;

	connect_to(a, b);
	for (int i = 0; i < 100 && (ra != 1 || rb != 1); i++) {
		ra = SSL_do_handshake(a->client);
		rb = SSL_do_handshake(b->client);
		turn(a);
	}
	turn(a);
	assert_int_equal(ra, 1);
	assert_int_equal(rb, 1);
	assert_ptr_equal(SSL_get_rbio(a->stream.ssl),
	    SSL_get_rbio(b->stream.ssl));
	for (int i = 0; i < 10; i++) {
		assert_int_equal(SSL_write(a->client, "to a", 4), 4);
		assert_int_equal(SSL_write(b->client, "to b", 4), 4);
		turn(a);
		assert_int_equal(SSL_read(b->client, back, 4), 4);
		assert_memory_equal(back, "to b", 4);
		assert_int_equal(SSL_read(a->client, back, 4), 4);
		assert_memory_equal(back, "to a", 4);
	}
	/* The end of one is none of the other's. */
	stream_done(&b->stream);
	turn(a);
	exchange(a, (const uint8_t *)"on", 2, back);
	SSL_free(b->client);
	close(b->client_fd);
	buf_done(&b->got);
	free(b);
}

static void
outside_of_a_call_nothing_is_read_or_written(void **state)
{
	struct fixture *f = *state;
	uint8_t byte = 1;

	shake_hands(f);
	assert_true(BIO_write(f->bio.bio, &byte, 1) <= 0);
	assert_false(BIO_should_retry(f->bio.bio));
	assert_true(BIO_read(f->bio.bio, &byte, 1) <= 0);
	assert_false(BIO_should_retry(f->bio.bio));
	assert_int_equal(stream_unsent(&f->stream), 0);
}

/* What a client does not read waits, in order, and goes on when it reads. */
static void
a_slow_reader_loses_nothing(void **state)
{
	enum { PIECE = 10000, N = 800 };
	struct fixture *f = *state;
	static uint8_t piece[PIECE];
	size_t at = 0;

	shake_hands(f);
	for (int i = 0; i < N; i++) {
		memset(piece, i, PIECE);
		if (i % 3 == 0)
			stream_queue(&f->stream, piece, PIECE);
		else
			stream_write(&f->stream, piece, PIECE);
		if (i % 10 == 0) {
			transport_request_turn(f->transport);
			turn(f);
		}
	}
	transport_request_turn(f->transport);
	turn(f);
	assert_true(stream_unsent(&f->stream) > PIECE * (N / 2));
	assert_true(sock_unsent(&f->stream.sock) <
	    SOCK_BACKLOG_HIGH + 2 * TRANSPORT_WRITE);
	for (int i = 0; i < 1000000 && at < (size_t)PIECE * N; i++) {
		static uint8_t in[50000];
		int n = SSL_read(f->client, in, sizeof(in));

		for (int j = 0; j < n; j++, at++) {
			if (in[j] != (uint8_t)(at / PIECE))
				fail_msg("wrong byte at %zu", at);
		}
		turn(f);
	}
	assert_int_equal(at, (size_t)PIECE * N);
	assert_int_equal(stream_unsent(&f->stream), 0);
	assert_true(f->drained > 0);
}

static void
says_close_notify_behind_everything(void **state)
{
	struct fixture *f = *state;
	uint8_t in[64];

	shake_hands(f);
	stream_write(&f->stream, "last words", 10);
	stream_finish(&f->stream);
	transport_request_turn(f->transport);
	turn(f);
	assert_int_equal(SSL_read(f->client, in, sizeof(in)), 10);
	assert_int_equal(SSL_read(f->client, in, sizeof(in)), 0);
	assert_int_equal(SSL_get_error(f->client, 0), SSL_ERROR_ZERO_RETURN);
}

static void
knows_a_clean_end_from_a_cut(void **state)
{
	struct fixture *f = *state;

	shake_hands(f);
	SSL_shutdown(f->client);
	turn(f);
	assert_true(f->ended && f->stream.ended);
	assert_string_equal(f->end, "");
}

static void
a_cut_is_told(void **state)
{
	struct fixture *f = *state;

	shake_hands(f);
	shutdown(f->client_fd, SHUT_WR);
	turn(f);
	turn(f);
	assert_true(f->ended && f->stream.ended);
	assert_string_equal(f->end, "TCP closed without close_notify");
}

static void
what_is_no_tls_is_seen_at_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(write(f->client_fd, "GET / HTTP/1.1\r\n", 16), 16);
	turn(f);
	assert_int_equal(f->handshake, STREAM_NOT_TLS);
	assert_null(f->stream.bev);
}

static void
broken_tls_is_an_error_with_a_reason(void **state)
{
	struct fixture *f = *state;

	/* A handshake record with nonsense inside. */
	assert_int_equal(write(f->client_fd, "\x16\x03\x01\x00\x04xxxx", 9),
	    9);
	turn(f);
	assert_int_equal(f->handshake, STREAM_ERROR);
	assert_int_equal(ERR_peek_error(), 0);
}

/*
 * Nothing is left of the key exchange, and the connection does not miss it:
 * not even when the client changes its keys (RFC 8446 §4.6.3).
 */
static void
forgets_the_key_exchange(void **state)
{
	struct fixture *f = *state;
	uint8_t data[100], back[100];
	EVP_PKEY *key;
	size_t len;

	shake_hands(f);
	assert_int_equal(SSL_get_tmp_key(f->stream.ssl, &key), 1);
	assert_int_equal(EVP_PKEY_get_id(key), EVP_PKEY_NONE);
	assert_int_equal(EVP_PKEY_get_raw_private_key(key, NULL, &len), 0);
	EVP_PKEY_free(key);
	assert_int_equal(SSL_get_peer_tmp_key(f->stream.ssl, &key), 1);
	assert_int_equal(EVP_PKEY_get_raw_public_key(key, NULL, &len), 0);
	EVP_PKEY_free(key);
	ERR_clear_error();
	memset(data, 'k', sizeof(data));
	exchange(f, data, sizeof(data), back);
	assert_int_equal(SSL_key_update(f->client, SSL_KEY_UPDATE_REQUESTED),
	    1);
	exchange(f, data, sizeof(data), back);
	assert_memory_equal(back, data, sizeof(data));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(echoes_every_size, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(two_share_the_bio, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(
		    outside_of_a_call_nothing_is_read_or_written, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(a_slow_reader_loses_nothing,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    says_close_notify_behind_everything, set_up, tear_down),
		cmocka_unit_test_setup_teardown(forgets_the_key_exchange,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(knows_a_clean_end_from_a_cut,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_cut_is_told, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(
		    what_is_no_tls_is_seen_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    broken_tls_is_an_error_with_a_reason, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
