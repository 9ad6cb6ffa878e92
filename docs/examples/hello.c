/* SPDX-License-Identifier: MIT */
/*
 * hello: a module for wssd.  Each message is answered with a line of JSON
 * that says how many there have been on this connection:
 *
 *	{"greeting":"hello","messages":3,"bytes":17}
 *
 * Build it and name it in wssd.ini:
 *
 *	cc -shared -fPIC -o hello.so hello.c
 *
 *	[route /hello]
 *	handler = module
 *	module = /usr/local/lib/wssd/hello.so
 *	option.greeting = good morning
 *
 * docs/handlers.md explains what it uses.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wssd/handler.h>

#define REPORT_MS 60000

/* One for each route and loaded config. */
struct hello {
	struct wss_route *route;
	const char *greeting;
	uint64_t open;
};

/* One for each connection. */
struct guest {
	uint64_t messages, bytes;
};

static const struct wss_option options[] = {
	{ .name = "greeting", .required = 0 },
	{ .name = NULL, .required = 0 },
};

/* A timer fires once, so it starts itself again. */
static void
report(void *arg)
{
	struct hello *hello = arg;

	wss_log(hello->route, WSS_INFO, "%" PRIu64 " connections",
	    hello->open);
	wss_timer_start(hello->route, REPORT_MS, report, hello);
}

static int
hello_setup(struct wss_route *route, void **state_out)
{
	const char *greeting = wss_option_value(route, "greeting");
	struct hello *hello;

	if (greeting == NULL)
		greeting = "hello";
	if (strlen(greeting) > 100 || strpbrk(greeting, "\"\\") != NULL)
		return wss_error(route, "option.greeting has more than 100 "
		    "bytes, or a \" or \\ in it");
	hello = calloc(1, sizeof(*hello));
	if (hello == NULL)
		return wss_error(route, "out of memory");
	hello->route = route;
	hello->greeting = greeting;
	wss_timer_start(route, REPORT_MS, report, hello);
	*state_out = hello;
	return 0;
}

/* The route's timers have been stopped before this. */
static void
hello_teardown(void *state)
{
	free(state);
}

static int
hello_open(struct wss_conn *conn, const struct wss_request *request)
{
	struct hello *hello = wss_state(conn);
	struct guest *guest = calloc(1, sizeof(*guest));

	(void)request;
	if (guest == NULL)
		return 503;
	wss_set_user(conn, guest);
	hello->open++;
	return 0;
}

static void
hello_message(struct wss_conn *conn, const struct wss_message *message)
{
	const struct hello *hello = wss_state(conn);
	struct guest *guest = wss_user(conn);
	char answer[256];
	int len;

	guest->messages++;
	guest->bytes += message->len;
	len = snprintf(answer, sizeof(answer),
	    "{\"greeting\":\"%s\",\"messages\":%" PRIu64
	    ",\"bytes\":%" PRIu64 "}",
	    hello->greeting, guest->messages, guest->bytes);
	wss_send(conn, 1, answer, (size_t)len);
}

static void
hello_closed(struct wss_conn *conn, unsigned code, const char *reason,
    size_t reason_len)
{
	struct hello *hello = wss_state(conn);

	(void)code;
	(void)reason;
	(void)reason_len;
	hello->open--;
	free(wss_user(conn));
}

const struct wss_handler wss_module = {
	.abi = WSS_ABI,
	.name = "hello",
	.options = options,
	.setup = hello_setup,
	.teardown = hello_teardown,
	.open = hello_open,
	.message = hello_message,
	.closed = hello_closed,
};
