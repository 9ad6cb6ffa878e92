/* SPDX-License-Identifier: MIT */
/*
 * echo: a client gets back what it sent.
 *
 * Also the shortest handler there is, to start from.  Nothing has to be done
 * about a client that does not read: when its queue is full, wssd stops
 * reading from it, so no further message comes here.
 */
#include "handlers.h"

static void
echo_message(struct wss_conn *conn, const struct wss_message *message)
{
	wss_send(conn, message->text, message->data, message->len);
}

const struct wss_handler handler_echo = {
	.abi = WSS_ABI,
	.name = "echo",
	.message = echo_message,
};
