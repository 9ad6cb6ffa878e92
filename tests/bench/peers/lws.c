/* SPDX-License-Identifier: MIT */
/*
 * libwebsockets as an echo: lws PORT CERT KEY.  One message waits at a time;
 * what is sent is the first thing done when the socket is writable, as its
 * documentation wants it.
 */
#include <libwebsockets.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct message {
	struct message *next;
	size_t len;
	unsigned char bytes[];		/* LWS_PRE, then len */
};

struct session {
	struct message *first, **last;
	unsigned char *part;		/* a message that is not whole */
	size_t part_len;
};

static int
take(struct lws *wsi, struct session *s, const void *in, size_t len)
{
	struct message *m;

	s->part = realloc(s->part, s->part_len + len + 1);
	if (s->part == NULL)
		return -1;
	memcpy(s->part + s->part_len, in, len);
	s->part_len += len;
	if (!lws_is_final_fragment(wsi) ||
	    lws_remaining_packet_payload(wsi) > 0)
		return 0;
	m = malloc(sizeof(*m) + LWS_PRE + s->part_len);
	if (m == NULL)
		return -1;
	m->next = NULL;
	m->len = s->part_len;
	memcpy(m->bytes + LWS_PRE, s->part, s->part_len);
	s->part_len = 0;
	*s->last = m;
	s->last = &m->next;
	lws_callback_on_writable(wsi);
	return 0;
}

static int
send_first(struct lws *wsi, struct session *s)
{
	struct message *m = s->first;
	int n;

	if (m == NULL)
		return 0;
	n = lws_write(wsi, m->bytes + LWS_PRE, m->len, LWS_WRITE_TEXT);
	s->first = m->next;
	if (s->first == NULL)
		s->last = &s->first;
	else
		lws_callback_on_writable(wsi);
	n = n < 0 || (size_t)n < m->len ? -1 : 0;
	free(m);
	return n;
}

static int
on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user,
    void *in, size_t len)
{
	struct session *s = user;

	switch (reason) {
	case LWS_CALLBACK_ESTABLISHED:
		s->last = &s->first;
		return 0;
	case LWS_CALLBACK_RECEIVE:
		return take(wsi, s, in, len);
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return send_first(wsi, s);
	case LWS_CALLBACK_CLOSED:
		free(s->part);
		return 0;
	default:
		return 0;
	}
}

static volatile sig_atomic_t ended;

static void
on_term(int number)
{
	(void)number;
	ended = 1;
}

int
main(int argc, char **argv)
{
	static const struct lws_protocols protocols[] = {
		{ .name = "echo", .callback = on_event,
		  .per_session_data_size = sizeof(struct session),
		  .rx_buffer_size = 65536 },
		{ .name = NULL }
	};
	struct lws_context_creation_info info;
	struct lws_context *context;

	if (argc != 4)
		return 2;
	memset(&info, 0, sizeof(info));
	info.port = atoi(argv[1]);
	info.iface = "127.0.0.1";
	info.protocols = protocols;
	info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
	info.ssl_cert_filepath = argv[2];
	info.ssl_private_key_filepath = argv[3];
	lws_set_log_level(LLL_ERR, NULL);
	signal(SIGTERM, on_term);
	context = lws_create_context(&info);
	if (context == NULL)
		return 1;
	while (!ended && lws_service(context, 0) >= 0)
		;
	lws_context_destroy(context);
	return 0;
}
