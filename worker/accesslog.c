/* SPDX-License-Identifier: MIT */
/*
 * Owns the descriptor of the access log and the lines that wait for it.
 * Must never wait, and never write a query, which may hold a token.
 */
#include "worker/accesslog.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/str.h"
#include "worker/conn.h"
#include "worker/line.h"
#include "worker/worker.h"

#define SAY_EVERY_MS 10000
#define SYSLOG_DAEMON_INFO 30

/* ---- writing ---------------------------------------------------------- */

/*
 * Whole lines, as many as go in one write.  Up to PIPE_BUF bytes stay in one
 * piece among the other workers' in a pipe (pipe(7)), any number in a file.
 */
static size_t
next_piece(const struct accesslog *a)
{
	size_t most = a->len < a->piece ? a->len : a->piece;
	const char *end;

	if (a->format == LOG_FORMAT_SYSLOG)
		end = memchr(a->buffer, '\n', a->len);
	else
		end = memrchr(a->buffer, '\n', most);
	/* A line that was half written is finished first. */
	return end == NULL ? most : (size_t)(end - a->buffer) + 1;
}

static ssize_t
write_piece(const struct accesslog *a, size_t len)
{
	struct pollfd pfd = { a->fd, POLLOUT, 0 };

	if (a->format == LOG_FORMAT_SYSLOG)	/* a datagram has no newline */
		return send(a->fd, a->buffer, len - 1,
		    MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : (ssize_t)len;
	if (a->socket)
		return send(a->fd, a->buffer, len,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	/* A terminal may not be non-blocking: others share it. */
	if (a->piece == PIPE_BUF && poll(&pfd, 1, 0) != 1) {
		errno = EAGAIN;
		return -1;
	}
	return write(a->fd, a->buffer, len);
}

static void
write_all(struct accesslog *a)
{
	ssize_t n;

	a->blocked = false;
	while (a->len > 0) {
		n = write_piece(a, next_piece(a));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			a->blocked = true;
			return;
		}
		a->len -= (size_t)n;
		memmove(a->buffer, a->buffer + n, a->len);
	}
}

void
accesslog_flush(struct worker *w)
{
	struct accesslog *a = &w->accesslog;

	if (a->len > 0 && !a->blocked)
		write_all(a);
}

void
accesslog_tick(struct worker *w)
{
	struct accesslog *a = &w->accesslog;

	if (a->blocked)
		write_all(a);
	if (a->dropped == 0 || w->now_ms < a->said_ms + SAY_EVERY_MS)
		return;
	log_warn("the access log could not be written: %llu lines are lost",
	    (unsigned long long)a->dropped);
	a->dropped = 0;
	a->said_ms = w->now_ms;
}

void
accesslog_init(struct accesslog *a)
{
	a->fd = -1;
}

void
accesslog_to(struct worker *w, int fd, enum log_format format, bool json)
{
	struct accesslog *a = &w->accesslog;
	struct stat st;

	accesslog_done(w);
	a->fd = fd;
	a->format = format;
	a->json = json;
	if (fd == -1 || fstat(fd, &st) != 0)
		return;
	a->socket = S_ISSOCK(st.st_mode);
	a->piece = S_ISREG(st.st_mode) ? ACCESSLOG_BYTES : PIPE_BUF;
}

void
accesslog_done(struct worker *w)
{
	struct accesslog *a = &w->accesslog;

	if (a->fd == -1)
		return;
	write_all(a);
	/* What waits was made for that one. */
	for (size_t i = 0; i < a->len; i++)
		if (a->buffer[i] == '\n') {
			metrics_add(&w->metrics->access_log_dropped, 1);
			a->dropped++;
		}
	a->len = 0;
	a->blocked = false;
	close(a->fd);
	a->fd = -1;
}

/* ---- lines ------------------------------------------------------------ */

static void
put_syslog_head(struct line *l)
{
	time_t now = time(NULL);
	char when[32];
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(when, sizeof(when), "%b %e %H:%M:%S", &tm);
	line_printf(l, "<%d>%s wssd[%d]: ", SYSLOG_DAEMON_INFO, when,
	    (int)getpid());
}

/* What each line begins with. */
static void
begin(struct line *l, const struct wss_conn *c, const char *event)
{
	const struct accesslog *a = &c->worker->accesslog;
	char address[ADDR_TEXT_MAX], id[32];

	line_init(l, a->json);
	if (a->format == LOG_FORMAT_SYSLOG)
		put_syslog_head(l);
	else if (a->format == LOG_FORMAT_JOURNAL)
		line_printf(l, "<6>");
	line_begin(l, event);
	snprintf(id, sizeof(id), "%llx", (unsigned long long)c->id);
	addr_format_client(&c->addr, address);
	line_word(l, "id", id);
	line_word(l, "client", address);
	line_word(l, "listen", c->listen->name);
	if (c->route != NULL)
		line_word(l, "route", c->route->config->path);
}

static void
put_request(struct line *l, const struct http_request *request)
{
	line_text(l, "host", request->host.data, request->host.len);
	line_text(l, "path", request->path.data, request->path.len);
}

static void
put_tls(struct line *l, const struct wss_conn *c)
{
	if (stream_protocol(&c->stream)[0] == '\0')
		return;
	line_word(l, "tls", stream_protocol(&c->stream));
	line_word(l, "cipher", stream_cipher(&c->stream));
	line_bool(l, "resumed", SSL_session_reused(c->stream.ssl));
}

static void
end(struct line *l, struct wss_conn *c)
{
	struct worker *w = c->worker;
	struct accesslog *a = &w->accesslog;

	line_end(l);
	if (a->len + l->len > sizeof(a->buffer)) {
		accesslog_flush(w);
		if (a->len + l->len > sizeof(a->buffer)) {
			metrics_add(&w->metrics->access_log_dropped, 1);
			a->dropped++;
			return;
		}
	}
	memcpy(a->buffer + a->len, l->text, l->len);
	a->len += l->len;
}

void
accesslog_open(struct wss_conn *c, const struct http_request *request)
{
	struct line l;

	if (c->worker->accesslog.fd == -1)
		return;
	begin(&l, c, "open");
	put_request(&l, request);
	if (c->subprotocol != NULL)
		line_text(&l, "subprotocol", c->subprotocol,
		    strlen(c->subprotocol));
	put_tls(&l, c);
	end(&l, c);
}

void
accesslog_refused(struct wss_conn *c, const struct http_request *request,
    const struct http_refusal *refusal)
{
	struct line l;

	if (c->worker->accesslog.fd == -1)
		return;
	begin(&l, c, "refused");
	if (request != NULL)
		put_request(&l, request);
	put_tls(&l, c);
	line_number(&l, "status", refusal->status);
	line_text(&l, "reason", refusal->reason, strlen(refusal->reason));
	end(&l, c);
}

void
accesslog_answered(struct wss_conn *c, const struct http_request *request,
    const struct http_answer *answer)
{
	struct line l;

	if (c->worker->accesslog.fd == -1)
		return;
	begin(&l, c, "page");
	if (request != NULL)
		put_request(&l, request);
	put_tls(&l, c);
	line_number(&l, "status", answer->status);
	line_number(&l, "bytes_out", answer->length);
	end(&l, c);
}

void
accesslog_close(struct wss_conn *c)
{
	struct line l;

	if (c->worker->accesslog.fd == -1)
		return;
	begin(&l, c, "close");
	line_number(&l, "code", c->close_code);
	line_word(&l, "by", c->close_code == WS_CLOSE_ABNORMAL ? "nobody" :
	    c->closed_by_client ? "client" : "server");
	line_text(&l, "reason", c->close_reason, c->close_reason_len);
	line_number(&l, "duration_ms", c->worker->now_ms - c->accepted_ms);
	line_number(&l, "messages_in", c->messages_in);
	line_number(&l, "messages_out", c->messages_out);
	line_number(&l, "bytes_in", c->bytes_in);
	line_number(&l, "bytes_out", c->bytes_out);
	end(&l, c);
}
