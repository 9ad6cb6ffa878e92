/* SPDX-License-Identifier: MIT */
/* Owns one connection of the load, from connect to close. */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/alloc.h"
#include "meter.h"

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

/* At most RECORD_MAX bytes. */
static void
keep_unread(struct client *c, const uint8_t *data, size_t len)
{
	if (len > 0) {
		if (c->part == NULL)
			c->part = xmalloc(RECORD_MAX);
		memcpy(c->part, data, len);
	}
	c->part_len = len;
}

/* -1: an error; 1: enough; 0: the next one. */
typedef int record_fn(void *arg, uint8_t type, const uint8_t *data,
    size_t len, struct err *);

/* Opens the whole records, in place, and keeps the rest, if all were wanted. */
static int
each_record(struct client *c, uint8_t *data, size_t len, record_fn *fn,
    void *arg, struct err *err)
{
	size_t plain;
	uint8_t type;
	long n;
	int result;

	while ((n = record_length(data, len, err)) > 0 && (size_t)n <= len) {
		if (record_open(&c->open, data, (size_t)n, &type, &plain,
		    err) < 0)
			return -1;
		result = fn(arg, type, data + RECORD_HEAD, plain, err);
		if (result != 0)
			return result;
		data += n;
		len -= (size_t)n;
	}
	if (n < 0)
		return -1;
	keep_unread(c, data, len);
	return 0;
}

static int
send_all(struct client *c, const void *data, size_t len, struct err *err)
{
	if (send(c->fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		return err_set_errno(err, "send");
	return 0;
}

/* Until the server has finished; what it said behind that is for later. */
static int
read_flight(struct client *c, struct hello *h, struct err *err)
{
	uint8_t data[RECORD_MAX];
	size_t len = 0, used;
	ssize_t n;
	int done;

	do {
		n = recv(c->fd, data + len, sizeof(data) - len, 0);
		if (n < 0)
			return err_set_errno(err, "recv");
		if (n == 0)
			return err_set(err, "end of file");
		len += (size_t)n;
		done = hello_feed(h, data, len, &used, err);
		if (done < 0)
			return -1;
		len -= used;
		if (used > 0)
			memmove(data, data + used, len);
	} while (!done);
	keep_unread(c, data, len);
	return 0;
}

static int
shake_hands(struct client *c, const struct client_target *t, struct hello *h,
    struct err *err)
{
	uint8_t random[HELLO_RANDOM], finished[HELLO_FINISHED];
	const uint8_t *record;
	uint32_t age_ms = 0;
	size_t len;

	if (t->ticket != NULL)
		age_ms = (uint32_t)((meter_now_ns() - t->ticket_ns) / 1000000);
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return err_set_errno(err, "getrandom");
	record = hello_begin(h, t->ticket, age_ms, random, &len);
	if (send_all(c, record, len, err) < 0 || read_flight(c, h, err) < 0)
		return -1;
	hello_finish(h, finished);
	hello_keys(h, &c->seal, &c->open);
	return send_all(c, finished, sizeof(finished), err);
}

static int
tls_connect(struct client *c, const struct client_target *t, struct hello *h,
    struct err *err)
{
	if (shake_hands(c, t, h, err) < 0)
		return err_prefix(err, "TLS handshake");
	return 0;
}

int
client_send(struct client *c, const void *data, size_t len, struct err *err)
{
	uint8_t record[RECORD_PLAIN_MAX + RECORD_OVERHEAD];
	size_t n, sealed;

	for (; len > 0; data = (const uint8_t *)data + n, len -= n) {
		n = len < RECORD_PLAIN_MAX ? len : RECORD_PLAIN_MAX;
		sealed = record_seal(&c->seal, RECORD_DATA, data, n, record);
		if (send_all(c, record, sealed, err) < 0)
			return -1;
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

struct wanted {
	struct hello *hello;
	struct hello_ticket *ticket;
};

/* The first ticket; 1: there it is. */
static int
on_ticket_record(void *arg, uint8_t type, const uint8_t *data, size_t len,
    struct err *err)
{
	struct wanted *w = arg;

	if (type == RECORD_HANDSHAKE)
		return hello_ticket(w->hello, data, len, w->ticket, err) < 0 ?
		    -1 : 1;
	if (type != RECORD_DATA)
		return err_set(err, "a record of type %u", type);
	return 0;
}

/* In TLS 1.3 the ticket comes behind the handshake. */
static int
wait_ticket(struct client *c, struct hello *h,
    struct hello_ticket *ticket_out, struct err *err)
{
	struct wanted wanted = { .hello = h, .ticket = ticket_out };
	uint8_t data[RECORD_MAX + 4096];
	size_t len = client_unread(c, data);
	ssize_t n;
	int found;

	while ((found = each_record(c, data, len, on_ticket_record, &wanted,
	    err)) == 0) {
		len = client_unread(c, data);
		n = recv(c->fd, data + len, sizeof(data) - len, 0);
		if (n <= 0)
			return err_set(err, "the server gave no session "
			    "ticket");
		len += (size_t)n;
	}
	return found < 0 ? -1 : 0;
}

/* With a close_notify, without which a server may forget the session. */
int
client_ticket(const struct client_target *t, struct hello *h,
    struct hello_ticket *ticket_out, struct err *err)
{
	static const uint8_t close_notify[] = { 1, 0 };
	uint8_t record[sizeof(close_notify) + RECORD_OVERHEAD];
	struct client c = { .fd = -1 };
	int result = -1;

	if (tcp_connect(&c, t, 0, err) == 0 &&
	    tls_connect(&c, t, h, err) == 0 &&
	    wait_ticket(&c, h, ticket_out, err) == 0) {
		record_seal(&c.seal, RECORD_ALERT, close_notify,
		    sizeof(close_notify), record);
		result = send_all(&c, record, sizeof(record), err);
	}
	client_done(&c);
	return result;
}

int
client_open(struct client *c, const struct client_target *t,
    struct hello *h, unsigned number, struct err *err)
{
	memset(c, 0, sizeof(*c));
	if (tcp_connect(c, t, number, err) < 0 ||
	    tls_connect(c, t, h, err) < 0 || upgrade(c, t, err) < 0) {
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
	struct hello *hello = hello_new(o->target->key);
	struct err err = ERR_INIT;
	size_t i;

	while ((i = __atomic_fetch_add(&o->next, 1, __ATOMIC_RELAXED)) <
	    o->count) {
		if (client_open(&o->clients[i], o->target, hello,
		    (unsigned)(o->first + i), &err) == 0)
			continue;
		pthread_mutex_lock(&o->lock);
		o->failed = 1;
		err_set(o->err, "connection %zu: %s", o->first + i,
		    err.text);
		pthread_mutex_unlock(&o->lock);
	}
	hello_free(hello);
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

struct feeding {
	client_sink *sink;
	void *arg;
};

static int
on_record(void *arg, uint8_t type, const uint8_t *data, size_t len,
    struct err *err)
{
	struct feeding *f = arg;

	switch (type) {
	case RECORD_DATA:
		return f->sink(f->arg, data, len, err) < 0 ? -1 : 0;
	case RECORD_HANDSHAKE:
		/* 4 = NewSessionTicket, RFC 8446 section 4 */
		if (len > 0 && data[0] == 4)
			return 0;
		return err_set(err, "a handshake message that is no ticket");
	case RECORD_ALERT:
		return err_set(err, "the server closed (TLS alert %u)",
		    len > 1 ? data[1] : 0);
	default:
		return err_set(err, "a record of type %u", type);
	}
}

int
client_feed(struct client *c, uint8_t *data, size_t len, client_sink *sink,
    void *arg, struct err *err)
{
	struct feeding feeding = { .sink = sink, .arg = arg };

	return each_record(c, data, len, on_record, &feeding, err);
}
