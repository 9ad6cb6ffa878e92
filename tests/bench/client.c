/* SPDX-License-Identifier: MIT */
/* Owns one connection of the load, from connect to close. */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/alloc.h"

#define PER_ADDRESS 20000	/* connections from one source address */
#define TIMEOUT_S 20
#define OPENERS 16

/* The key of RFC 6455 section 1.3 and the answer it must get. */
#define UPGRADE_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define UPGRADE_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

struct head {
	char text[4096];
	size_t len;
};

static int
ignore(void *arg, const uint8_t *data, size_t len, struct err *err)
{
	(void)arg, (void)data, (void)len, (void)err;
	return 0;
}

static int
hex_digit(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* "LABEL client-random secret", in hexadecimal (SSLKEYLOGFILE's format). */
static void
on_keylog(const SSL *ssl, const char *line)
{
	struct client *c = SSL_get_app_data(ssl);
	const char *hex = strrchr(line, ' ');
	uint8_t *to;
	int i;

	if (strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0)
		to = c->secret_out;
	else if (strncmp(line, "SERVER_TRAFFIC_SECRET_0 ", 24) == 0)
		to = c->secret_in;
	else
		return;
	if (hex == NULL || strlen(++hex) != 64)
		return;
	for (i = 0; i < 32; i++)
		to[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 |
		    hex_digit(hex[2 * i + 1]));
	c->secrets++;
}

static int
err_set_tls(struct err *err, const char *what)
{
	char text[256];
	unsigned long code = ERR_get_error();

	if (code == 0)
		return err_set_errno(err, "%s", what);
	ERR_error_string_n(code, text, sizeof(text));
	ERR_clear_error();
	return err_set(err, "%s: %s", what, text);
}

SSL_CTX *
client_ctx_new(struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL ||
	    !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
	    !SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") ||
	    !SSL_CTX_set1_groups_list(ctx, "X25519:P-256")) {
		SSL_CTX_free(ctx);
		err_set_tls(err, "TLS context");
		return NULL;
	}
	SSL_CTX_set_keylog_callback(ctx, on_keylog);
	return ctx;
}

static int
tcp_connect(struct client *c, const struct client_target *t, unsigned number,
    struct err *err)
{
	struct timeval limit = { .tv_sec = TIMEOUT_S };
	struct sockaddr_in from = { .sin_family = AF_INET };
	int on = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return err_set_errno(err, "socket");
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (number >= PER_ADDRESS) {
		from.sin_addr.s_addr = htonl(INADDR_LOOPBACK +
		    number / PER_ADDRESS % 250);
		setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
		    sizeof(on));
		if (bind(c->fd, (struct sockaddr *)&from, sizeof(from)) < 0)
			return err_set_errno(err, "bind");
	}
	if (connect(c->fd, (const struct sockaddr *)&t->address,
	    sizeof(t->address)) < 0)
		return err_set_errno(err, "connect");
	return 0;
}

/*
 * Without read-ahead OpenSSL takes exactly the records of the handshake off
 * the socket, so everything behind them is left for us.
 */
static int
tls_connect(struct client *c, const struct client_target *t, struct err *err)
{
	SSL *ssl = SSL_new(t->ctx);
	int result = 0;

	if (ssl == NULL)
		return err_set_tls(err, "TLS");
	SSL_set_app_data(ssl, c);
	if (t->session != NULL)
		SSL_set_session(ssl, t->session);
	if (!SSL_set_fd(ssl, c->fd) ||
	    !SSL_set_tlsext_host_name(ssl, "localhost") ||
	    SSL_connect(ssl) != 1)
		result = err_set_tls(err, "TLS handshake");
	else if (t->session != NULL && !SSL_session_reused(ssl))
		result = err_set(err, "TLS handshake: not resumed");
	else if (c->secrets != 2)
		result = err_set(err, "TLS handshake: no traffic secrets");
	/* Else OpenSSL takes it for broken, and its session for spent. */
	SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN);
	SSL_free(ssl);
	if (result < 0)
		return -1;
	record_keys_init(&c->seal, c->secret_out, 1);
	record_keys_init(&c->open, c->secret_in, 0);
	return 0;
}

int
client_send(struct client *c, const void *data, size_t len, struct err *err)
{
	uint8_t record[RECORD_PLAIN_MAX + RECORD_OVERHEAD];
	size_t n, sealed;

	for (; len > 0; data = (const uint8_t *)data + n, len -= n) {
		n = len < RECORD_PLAIN_MAX ? len : RECORD_PLAIN_MAX;
		sealed = record_seal(&c->seal, data, n, record);
		if (send(c->fd, record, sealed, MSG_NOSIGNAL) !=
		    (ssize_t)sealed)
			return err_set_errno(err, "send");
	}
	return 0;
}

int
client_receive(struct client *c, client_sink *sink, void *arg,
    struct err *err)
{
	uint8_t data[RECORD_MAX + 4096];
	size_t len = client_unread(c, data);
	ssize_t n;

	n = recv(c->fd, data + len, sizeof(data) - len, 0);
	if (n < 0)
		return err_set_errno(err, "recv");
	if (n == 0)
		return 0;
	if (client_feed(c, data, len + (size_t)n, sink, arg, err) < 0)
		return -1;
	return 1;
}

static int
on_head(void *arg, const uint8_t *data, size_t len, struct err *err)
{
	struct head *head = arg;

	if (len > sizeof(head->text) - 1 - head->len)
		return err_set(err, "a response head of over %zu bytes",
		    sizeof(head->text));
	memcpy(head->text + head->len, data, len);
	head->len += len;
	head->text[head->len] = '\0';
	return 0;
}

static int
upgrade(struct client *c, const struct client_target *t, struct err *err)
{
	struct head head = { .len = 0 };
	char request[1024], *end;
	int n;

	n = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n"
	    "Host: localhost:%u\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Key: " UPGRADE_KEY "\r\n"
	    "Sec-WebSocket-Version: 13\r\n\r\n", t->path,
	    ntohs(t->address.sin_port));
	if (n < 0 || (size_t)n >= sizeof(request))
		return err_set(err, "the path is too long");
	if (client_send(c, request, (size_t)n, err) < 0)
		return -1;
	do {
		n = client_receive(c, on_head, &head, err);
		if (n == 0)
			err_set(err, "end of file");
		if (n <= 0)
			return err_prefix(err, "upgrade");
		end = strstr(head.text, "\r\n\r\n");
	} while (end == NULL);
	if (strncmp(head.text, "HTTP/1.1 101 ", 13) != 0)
		return err_set(err, "upgrade: %.*s",
		    (int)strcspn(head.text, "\r"), head.text);
	if (strstr(head.text, ": " UPGRADE_ACCEPT "\r\n") == NULL)
		return err_set(err, "upgrade: wrong Sec-WebSocket-Accept");
	if (end + 4 != head.text + head.len)
		return err_set(err, "upgrade: data before the first message");
	return 0;
}

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION **out = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (out == NULL || *out != NULL)
		return 0;
	*out = session;
	return 1;
}

/* In TLS 1.3 the ticket comes behind the handshake, with the first read. */
SSL_SESSION *
client_session(const struct client_target *t, struct err *err)
{
	SSL_SESSION *session = NULL;
	struct client c = { .fd = -1 };
	SSL *ssl = SSL_new(t->ctx);
	char byte;

	if (ssl == NULL || tcp_connect(&c, t, 0, err) < 0)
		goto out;
	SSL_CTX_set_app_data(t->ctx, &session);
	SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_CLIENT |
	    SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(t->ctx, on_session);
	SSL_set_app_data(ssl, &c);
	if (!SSL_set_fd(ssl, c.fd) || SSL_connect(ssl) != 1) {
		err_set_tls(err, "TLS handshake");
		goto out;
	}
	fcntl(c.fd, F_SETFL, O_NONBLOCK);
	for (int i = 0; session == NULL && i < 1000; i++) {
		(void)SSL_read(ssl, &byte, 1);
		usleep(1000);
	}
	if (session == NULL)
		err_set(err, "the server gave no session ticket");
	SSL_shutdown(ssl);
out:
	SSL_CTX_set_app_data(t->ctx, NULL);
	/* With a cache a client uses each ticket only once. */
	SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
	SSL_free(ssl);
	if (c.fd >= 0)
		close(c.fd);
	return session;
}

int
client_open(struct client *c, const struct client_target *t, unsigned number,
    struct err *err)
{
	memset(c, 0, sizeof(*c));
	if (tcp_connect(c, t, number, err) < 0 ||
	    tls_connect(c, t, err) < 0 || upgrade(c, t, err) < 0) {
		client_done(c);
		return -1;
	}
	return 0;
}

void
client_done(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	record_keys_done(&c->seal);
	record_keys_done(&c->open);
	free(c->part);
	c->part = NULL;
}

int
client_close(struct client *c, struct err *err)
{
	/* FIN + close, masked with zero bytes, 1000 */
	static const uint8_t frame[] = { 0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8 };
	struct err closed = ERR_INIT;
	int n, result = 0;

	if (client_send(c, frame, sizeof(frame), err) < 0)
		result = -1;
	/* The server's end is an alert (close_notify), an EOF or a reset. */
	for (n = 1; result == 0 && n > 0;) {
		errno = 0;
		n = client_receive(c, ignore, NULL, &closed);
		if (n < 0 && errno == EAGAIN)
			result = err_set(err, "no answer to a close frame");
	}
	client_done(c);
	return result;
}

struct opening {
	struct client *clients;
	const struct client_target *target;
	size_t first, count, next;
	int failed;
	struct err *err;
	pthread_mutex_t lock;
};

static void *
open_some(void *arg)
{
	struct opening *o = arg;
	struct err err = ERR_INIT;
	size_t i;

	while ((i = __atomic_fetch_add(&o->next, 1, __ATOMIC_RELAXED)) <
	    o->count) {
		if (client_open(&o->clients[i], o->target,
		    (unsigned)(o->first + i), &err) == 0)
			continue;
		pthread_mutex_lock(&o->lock);
		o->failed = 1;
		err_set(o->err, "connection %zu: %s", o->first + i,
		    err.text);
		pthread_mutex_unlock(&o->lock);
	}
	return NULL;
}

int
clients_open(struct client *clients, size_t first, size_t count,
    const struct client_target *target, struct err *err)
{
	struct opening o = { .clients = clients, .target = target,
		.first = first, .count = count, .err = err };
	pthread_t threads[OPENERS];
	size_t i, n = count < OPENERS ? count : OPENERS;

	pthread_mutex_init(&o.lock, NULL);
	for (i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, open_some, &o) != 0)
			break;
	n = i;
	if (n == 0)
		return err_set(err, "no thread could be started");
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	pthread_mutex_destroy(&o.lock);
	return o.failed ? -1 : 0;
}

size_t
client_unread(struct client *c, uint8_t *to)
{
	size_t len = c->part_len;

	if (len > 0)
		memcpy(to, c->part, len);
	c->part_len = 0;
	return len;
}

static int
one_record(struct client *c, uint8_t *record, size_t len, client_sink *sink,
    void *arg, struct err *err)
{
	size_t plain = 0;
	uint8_t type = 0;

	if (record_open(&c->open, record, len, &type, &plain, err) < 0)
		return -1;
	switch (type) {
	case RECORD_DATA:
		return sink(arg, record + RECORD_HEAD, plain, err);
	case RECORD_HANDSHAKE:
		/* 4 = NewSessionTicket, RFC 8446 section 4 */
		if (plain > 0 && record[RECORD_HEAD] == 4)
			return 0;
		return err_set(err, "a handshake message that is no ticket");
	case RECORD_ALERT:
		return err_set(err, "the server closed (TLS alert %u)",
		    plain > 1 ? record[RECORD_HEAD + 1] : 0);
	default:
		return err_set(err, "a record of type %u", type);
	}
}

int
client_feed(struct client *c, uint8_t *data, size_t len, client_sink *sink,
    void *arg, struct err *err)
{
	long n;

	while ((n = record_length(data, len, err)) > 0 && (size_t)n <= len) {
		if (one_record(c, data, (size_t)n, sink, arg, err) < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	if (n < 0)
		return -1;
	if (len > 0) {
		if (c->part == NULL)
			c->part = xmalloc(RECORD_MAX);
		memcpy(c->part, data, len);
	}
	c->part_len = len;
	return 0;
}
