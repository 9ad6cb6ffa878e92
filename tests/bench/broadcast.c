/* SPDX-License-Identifier: MIT */
/*
 * A module for the bench: what one client says, all hear.  Built against
 * <wssd/handler.h> and nothing else.
 */
#include <stdlib.h>
#include <wssd/handler.h>

struct member {
	struct wss_conn *conn;
	struct member *next, **to_me;
};

struct hall {
	struct member *first;
};

static int
setup(struct wss_route *route, void **state_out)
{
	struct hall *hall = calloc(1, sizeof(*hall));

	if (hall == NULL)
		return wss_error(route, "no memory");
	*state_out = hall;
	return 0;
}

static int
enter(struct wss_conn *conn, const struct wss_request *request)
{
	struct hall *hall = wss_state(conn);
	struct member *member = malloc(sizeof(*member));

	(void)request;
	if (member == NULL)
		return 503;
	member->conn = conn;
	member->next = hall->first;
	member->to_me = &hall->first;
	if (member->next != NULL)
		member->next->to_me = &member->next;
	hall->first = member;
	wss_set_user(conn, member);
	return 0;
}

static void
speak(struct wss_conn *conn, const struct wss_message *message)
{
	const struct hall *hall = wss_state(conn);

	for (struct member *m = hall->first; m != NULL; m = m->next)
		wss_send(m->conn, message->text, message->data, message->len);
}

static void
leave(struct wss_conn *conn, unsigned code, const char *reason,
    size_t reason_len)
{
	struct member *member = wss_user(conn);

	(void)code;
	(void)reason;
	(void)reason_len;
	*member->to_me = member->next;
	if (member->next != NULL)
		member->next->to_me = member->to_me;
	free(member);
}

const struct wss_handler wss_module = {
	.abi = WSS_ABI,
	.name = "bench broadcast",
	.setup = setup,
	.teardown = free,
	.open = enter,
	.message = speak,
	.closed = leave,
};
