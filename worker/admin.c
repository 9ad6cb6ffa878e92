/* SPDX-License-Identifier: MIT */
/* Owns nothing: reads the worker's state and the board. */
#include "worker/admin.h"

#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/count.h"
#include "worker/conn_parts.h"
#include "worker/prometheus.h"
#include "worker/worker.h"

struct page {
	unsigned status;
	const char *type;
	struct buf body;
};

static void
say(struct page *page, unsigned status, const char *text)
{
	page->status = status;
	buf_printf(&page->body, "%s\n", text);
}

static void
metrics(struct wss_conn *c, struct page *page)
{
	struct board_page *now = xcalloc(1, sizeof(*now));
	char libraries[192];

	snprintf(libraries, sizeof(libraries), "OpenSSL %s, libevent %s",
	    OpenSSL_version(OPENSSL_VERSION_STRING), event_get_version());
	if (c->worker->board != NULL && board_read(c->worker->board, now)) {
		page->type = PROMETHEUS_TYPE;
		prometheus_put(&page->body, now, libraries);
	} else {
		say(page, 503, "nothing was counted yet");
	}
	free(now);
}

/* It answers, so it lives; a worker that does not is replaced. */
static void
livez(struct wss_conn *c, struct page *page)
{
	(void)c;
	say(page, 200, "ok");
}

static void
readyz(struct wss_conn *c, struct page *page)
{
	if (c->worker->drain.on)
		say(page, 503, "stopping");
	else
		say(page, 200, "ok");
}

static const struct {
	const char *path;
	void (*make)(struct wss_conn *, struct page *);
} pages[] = {
	{ "/metrics", metrics },
	{ "/livez", livez },
	{ "/readyz", readyz },
	{ "/healthz", readyz },
};

static void
send_page(struct wss_conn *c, const struct page *page, bool with_body)
{
	struct buf answer = BUF_INIT;

	buf_printf(&answer,
	    "HTTP/1.1 %u %s\r\n"
	    "Content-Type: %s\r\n"
	    "Content-Length: %zu\r\n"
	    "Cache-Control: no-store\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "Connection: close\r\n\r\n", page->status,
	    http_status_text(page->status), page->type, page->body.len);
	if (with_body)
		buf_put(&answer, page->body.data, page->body.len);
	conn_put_bytes(c, answer.data, answer.len);
	buf_done(&answer);
	conn_set_state(c, CONN_LINGER);
}

void
admin_answer(struct wss_conn *c, const struct http_request *request)
{
	struct page page = { 200, "text/plain; charset=utf-8", BUF_INIT };
	bool head = slice_equal(request->method, "HEAD");
	struct http_refusal refusal;

	for (size_t i = 0; i < COUNT(pages); i++) {
		if (!slice_equal(request->path, pages[i].path))
			continue;
		if (!head && !slice_equal(request->method, "GET")) {
			http_refuse(&refusal, 405, "this page is only read");
			conn_refuse(c, &refusal);
			return;
		}
		pages[i].make(c, &page);
		send_page(c, &page, !head);
		buf_done(&page.body);
		return;
	}
	http_refuse(&refusal, 404, "here are /metrics, /livez and /readyz");
	conn_refuse(c, &refusal);
}
