/* SPDX-License-Identifier: MIT */
/*
 * The yardstick: the cheapest WebSocket echo server over TLS 1.3 that epoll
 * and OpenSSL allow when every connection is served for itself: one SSL_read
 * loop and one SSL_write a turn, frames decoded and answered in place.  It
 * has no features, no limits worth the name and no log: what wssd costs more
 * than this program is the price of what wssd does.  With --batch it receives
 * for many, serves them, and sends for many (batch.h), still without features.
 *
 * It links nothing of wssd but the allocator.  For measurements only.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "batch.h"
#include "common/alloc.h"
#include "limit_start.h"
#include "limit_ws.h"

#define WORK_SIZE (256 * 1024)		/* what one turn reads at most */
#define HEAD_MAX 8192
#define EVENTS_MAX 512

struct conn {
	SSL *ssl;
	int fd;
	bool accepted;		/* the TLS handshake is done */
	bool open;		/* 101 was sent */
	bool closing;		/* nothing is read any more */
	uint8_t *in;		/* an unfinished frame or head; else NULL */
	size_t in_len, in_room;
	uint8_t *out;		/* what SSL_write could not place; else NULL */
	size_t out_len;
	bool in_hall;		/* what it says, all in the hall hear */
	struct conn *next, **to_me;	/* in server->hall */
};

struct server {
	int epfd, listener;
	SSL_CTX *ctx;
	uint8_t *work;		/* WORK_SIZE bytes, shared by all turns */
	struct batch *batch;	/* NULL: each is served for itself */
	struct conn *hall;
};

static void
conn_free(struct conn *c)
{
	if (c->in_hall) {
		*c->to_me = c->next;
		if (c->next != NULL)
			c->next->to_me = c->to_me;
	}
	SSL_free(c->ssl);
	close(c->fd);
	free(c->in);
	free(c->out);
	free(c);
}

static void
watch(struct server *s, struct conn *c, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	if (epoll_ctl(s->epfd, EPOLL_CTL_MOD, c->fd, &ev) < 0)
		limit_die("epoll_ctl");
}

/* What the SSL of c writes from now on is for its socket. */
static void
write_to(struct server *s, const struct conn *c)
{
	if (s->batch != NULL)
		batch_write_to(s->batch, c->fd);
}

/* All of data leaves, or is kept until the socket is writable again. */
static int
send_all(struct server *s, struct conn *c, const uint8_t *data, size_t len)
{
	int n;

	write_to(s, c);
	n = SSL_write(c->ssl, data, (int)len);
	if (n > 0)
		return 0;
	if (SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_WRITE)
		return -1;
	if (c->out == NULL) {
		c->out = xmalloc(len);
		memcpy(c->out, data, len);
		c->out_len = len;
		watch(s, c, EPOLLOUT);
	}
	return 0;
}

/* To c, or to all where c is in the hall. */
static int
say(struct server *s, struct conn *c, const uint8_t *data, size_t len)
{
	struct conn *member;

	if (!c->in_hall)
		return send_all(s, c, data, len);
	/* Who cannot take more now hears less; an end shows in epoll. */
	for (member = s->hall; member != NULL; member = member->next)
		if (member->out == NULL)
			(void)send_all(s, member, data, len);
	return 0;
}

static void
enter_hall(struct server *s, struct conn *c)
{
	c->in_hall = true;
	c->next = s->hall;
	c->to_me = &s->hall;
	if (c->next != NULL)
		c->next->to_me = &c->next;
	s->hall = c;
}

/*
 * Turns all whole frames of data into their answers, in place: an answer has
 * no mask and so is never longer than what it answers.
 * 0..out answers, out..in free, in..len still to be decoded.
 */
static int
answer(struct conn *c, uint8_t *data, size_t len, size_t *in_out,
    size_t *out_out, size_t *need_out)
{
	size_t in = *in_out, out = in, head;
	uint64_t size;
	uint8_t first, key[4];
	int r;

	*need_out = 0;
	while (!c->closing) {
		r = limit_frame_head(data + in, len - in, &head, &size);
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		if (size > len - in - head - 4) {
			*need_out = head + 4 + (size_t)size;
			break;
		}
		first = data[in];
		memcpy(key, data + in + head, 4);
		if ((first & 0x0f) != 0x0a) {
			memmove(data + out, data + in, head);
			data[out] = (first & 0x0f) == 0x09 ? 0x8a : first;
			data[out + 1] &= 0x7f;
			limit_unmask(data + out + head, data + in + head + 4,
			    (size_t)size, key);
			out += head + (size_t)size;
		}
		c->closing = (first & 0x0f) == 0x08;
		in += head + 4 + (size_t)size;
	}
	*in_out = in;
	*out_out = out;
	return 0;
}

/* Answers the request head; *done_out is its length, 0 when unfinished. */
static int
upgrade(struct server *s, struct conn *c, const uint8_t *data, size_t len,
    size_t *done_out)
{
	static const char field[] = "\r\nsec-websocket-key:";
	char head[HEAD_MAX + 1], value[32], reply[256], *end, *key;
	size_t n = len < HEAD_MAX ? len : HEAD_MAX, key_len;

	memcpy(head, data, n);
	head[n] = '\0';
	*done_out = 0;
	end = strstr(head, "\r\n\r\n");
	if (end == NULL)
		return n < HEAD_MAX ? 0 : -1;
	*end = '\0';
	key = strcasestr(head, field);
	if (key == NULL)
		return -1;
	key += sizeof(field) - 1;
	key += strspn(key, " ");
	key_len = strcspn(key, " \r");
	if (key_len != 24)
		return -1;
	limit_accept_value(key, (int)key_len, value);
	n = (size_t)snprintf(reply, sizeof(reply),
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", value);
	c->open = true;
	if (strncmp(head, "GET /broadcast ", 15) == 0)
		enter_hall(s, c);
	*done_out = (size_t)(end - head) + 4;
	return send_all(s, c, (const uint8_t *)reply, n);
}

/* Keeps data[done..len) for the next turn, with room for need bytes. */
static void
keep(struct conn *c, uint8_t *data, size_t done, size_t len, size_t need)
{
	size_t left = len - done;
	uint8_t *old = c->in;

	if (left == 0) {
		free(c->in);
		c->in = NULL;
	} else {
		if (need < left + HEAD_MAX)
			need = left + HEAD_MAX;
		if (old == NULL || c->in_room < need) {
			c->in = xmalloc(need);
			memcpy(c->in, data + done, left);
			c->in_room = need;
			free(old);
		} else if (data + done != c->in) {
			memmove(c->in, data + done, left);
		}
	}
	c->in_len = left;
}

static int
take(struct server *s, struct conn *c, uint8_t *data, size_t len)
{
	size_t done = 0, out, start, need = 0;

	if (!c->open && upgrade(s, c, data, len, &done) < 0)
		return -1;
	if (c->open) {
		start = done;
		if (answer(c, data, len, &done, &out, &need) < 0)
			return -1;
		if (out > start && say(s, c, data + start, out - start) < 0)
			return -1;
	}
	keep(c, data, done, len, need);
	return 0;
}

/*
 * SSL_has_pending, because with read-ahead OpenSSL may hold records that
 * epoll knows nothing of.
 */
static int
on_readable(struct server *s, struct conn *c)
{
	uint8_t *data;
	size_t len, room;
	int n = 1;

	do {
		data = c->in != NULL ? c->in : s->work;
		room = c->in != NULL ? c->in_room : WORK_SIZE;
		len = c->in_len;
		do {
			n = SSL_read(c->ssl, data + len, (int)(room - len));
			if (n > 0)
				len += (size_t)n;
		} while (n > 0 && len < room && SSL_has_pending(c->ssl));
		if (n <= 0 && SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ)
			return -1;
		if (len > c->in_len && take(s, c, data, len) < 0)
			return -1;
	} while (n > 0 && c->out == NULL && !c->closing &&
	    SSL_has_pending(c->ssl));
	return 0;
}

static int
on_writable(struct server *s, struct conn *c)
{
	int n = SSL_write(c->ssl, c->out, (int)c->out_len);

	if (n <= 0)
		return SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_WRITE ? 0 :
		    -1;
	free(c->out);
	c->out = NULL;
	watch(s, c, EPOLLIN);
	return SSL_has_pending(c->ssl) ? on_readable(s, c) : 0;
}

/* One turn of one connection; -1 when it has ended. */
static int
turn(struct server *s, struct conn *c)
{
	int n;

	ERR_clear_error();
	if (!c->accepted) {
		n = SSL_accept(c->ssl);
		if (n <= 0)
			return SSL_get_error(c->ssl, n) ==
			    SSL_ERROR_WANT_READ ? 0 : -1;
		c->accepted = true;
		if (!SSL_has_pending(c->ssl))
			return 0;
	}
	n = c->out != NULL ? on_writable(s, c) : on_readable(s, c);
	if (n == 0 && c->closing && c->out == NULL) {
		/* It may have spoken to a hall. */
		write_to(s, c);
		SSL_shutdown(c->ssl);
		return -1;
	}
	return n;
}

static void
set_transport(struct server *s, struct conn *c)
{
	BIO *bio;

	if (s->batch == NULL) {
		if (!SSL_set_fd(c->ssl, c->fd))
			limit_die("SSL_set_fd");
		return;
	}
	bio = batch_bio(s->batch);
	BIO_up_ref(bio);
	SSL_set_bio(c->ssl, bio, bio);
}

static void
accept_some(struct server *s)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct conn *c;
	int fd, on = 1, i;

	for (i = 0; i < 64; i++) {
		fd = accept4(s->listener, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		c = xcalloc(1, sizeof(*c));
		c->fd = fd;
		c->ssl = SSL_new(s->ctx);
		if (c->ssl == NULL)
			limit_die("SSL_new");
		set_transport(s, c);
		ev.data.ptr = c;
		if (epoll_ctl(s->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
			limit_die("epoll_ctl");
	}
}

/* One after the other, each with a receive and a send of its own. */
static void
serve_each(struct server *s, struct conn **ready, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (turn(s, ready[i]) < 0)
			conn_free(ready[i]);
}

/* What one receive brought may be more than one turn takes. */
static int
turn_of_batch(struct server *s, struct conn *c, size_t i)
{
	int n = batch_turn_to(s->batch, i);

	if (n == -EAGAIN)
		return 0;
	if (n <= 0)
		return -1;
	do
		n = turn(s, c);
	while (n == 0 && batch_has_input(s->batch));
	return n;
}

static void
serve_batch(struct server *s, struct conn **ready, size_t n)
{
	int fds[BATCH_MAX];

	for (size_t i = 0; i < n; i++)
		fds[i] = ready[i]->fd;
	batch_receive(s->batch, fds, n);
	for (size_t i = 0; i < n; i++) {
		if (turn_of_batch(s, ready[i], i) == 0)
			continue;
		/* Its last words go before its descriptor is another's. */
		batch_send(s->batch);
		conn_free(ready[i]);
	}
	batch_send(s->batch);
}

static void
serve(struct server *s)
{
	int max = s->batch != NULL ? BATCH_MAX : EVENTS_MAX, i, n;
	struct epoll_event evs[EVENTS_MAX];
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
	struct conn *ready[EVENTS_MAX];
	size_t n_ready;

	if (epoll_ctl(s->epfd, EPOLL_CTL_ADD, s->listener, &ev) < 0)
		limit_die("epoll_ctl");
	for (;;) {
		n = epoll_wait(s->epfd, evs, max, -1);
		if (n < 0 && errno != EINTR)
			limit_die("epoll_wait");
		for (n_ready = 0, i = 0; i < n; i++) {
			if (evs[i].data.ptr == NULL)
				accept_some(s);
			else
				ready[n_ready++] = evs[i].data.ptr;
		}
		if (s->batch != NULL)
			serve_batch(s, ready, n_ready);
		else
			serve_each(s, ready, n_ready);
	}
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "cert", required_argument, NULL, 'c' },
		{ "key", required_argument, NULL, 'k' },
		{ "batch", no_argument, NULL, 'b' },
		{ "plain", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 }
	};
	const char *cert = NULL, *key = NULL;
	struct server s = { 0 };
	bool batch = false, plain = false;
	unsigned long port = 0;
	int opt;

	while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (opt == 'p')
			port = strtoul(optarg, NULL, 10);
		else if (opt == 'c')
			cert = optarg;
		else if (opt == 'k')
			key = optarg;
		else if (opt == 'b')
			batch = true;
		else if (opt == 'n')
			plain = true;
	}
	if (cert == NULL || key == NULL || port > 65535) {
		fprintf(stderr, "usage: bench-limit [--port N] "
		    "[--batch [--plain]] --cert FILE --key FILE\n");
		return 2;
	}
	/*
	 * Heap that was returned to the kernel comes back through page
	 * faults: that doubles the cost of a 64 KiB message, and is a matter
	 * of malloc's mood, not of the work.
	 */
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	signal(SIGPIPE, SIG_IGN);
	limit_raise_files();
	if (batch)
		s.batch = batch_new(plain);
	s.work = xmalloc(WORK_SIZE);
	s.ctx = limit_ctx(cert, key);
	s.epfd = epoll_create1(EPOLL_CLOEXEC);
	if (s.epfd < 0)
		limit_die("epoll_create1");
	s.listener = limit_listener((uint16_t)port);
	serve(&s);
}
