/* SPDX-License-Identifier: MIT */
/* reply: every message is answered with the route's `text`. */
#include <stdlib.h>
#include <string.h>

#include "handlers.h"

struct reply {
	const char *text;	/* the route's, which outlives this */
	size_t len;
};

static const struct wss_option options[] = {
	{ .name = "text", .required = 1 },
	{ .name = NULL },
};

static int
reply_setup(struct wss_route *route, void **state_out)
{
	struct reply *reply = malloc(sizeof(*reply));

	if (reply == NULL)
		return wss_error(route, "out of memory");
	reply->text = wss_option_value(route, "text");
	reply->len = strlen(reply->text);
	*state_out = reply;
	return 0;
}

static void
reply_teardown(void *state)
{
	free(state);
}

static void
reply_message(struct wss_conn *conn, const struct wss_message *message)
{
	const struct reply *reply = wss_state(conn);

	(void)message;
	wss_send(conn, 1, reply->text, reply->len);
}

const struct wss_handler handler_reply = {
	.abi = WSS_ABI,
	.name = "reply",
	.options = options,
	.setup = reply_setup,
	.teardown = reply_teardown,
	.message = reply_message,
};
