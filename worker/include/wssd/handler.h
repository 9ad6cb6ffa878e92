/* SPDX-License-Identifier: MIT */
/*
 * wssd/handler.h: what a handler is, and all it can do.
 *
 * A handler is the code behind a route of wssd.ini.  The built-in ones
 * (reply, echo) are written against this header and nothing else; so is a
 * module, a shared object named by `handler = module` and `module = FILE`:
 *
 *	cc -shared -fPIC -o hello.so hello.c
 *
 * A module exports one object:
 *
 *	const struct wss_handler wss_module = { .abi = WSS_ABI, ... };
 *
 * Context.  A worker is one process with one thread and one event loop.
 * Every function of a handler is called in that loop and everything here may
 * be called from it, from nowhere else.  A handler that waits stops all
 * connections of its worker, so it must not wait.  A crash costs the worker:
 * its connections end, the master starts another and logs the route.
 *
 * Lifetime.  A connection pointer is valid from `open` until `closed`
 * returns.  A connection does not end inside a call of yours: wss_close()
 * and a wss_send() that fails only take note, `closed` comes later in the
 * same turn of the loop.  Whoever wants to remember a connection for longer
 * remembers wss_id() and asks wss_find().  Bytes given to a handler are
 * valid during the call only; bytes given by a handler are copied.
 *
 * Workerman's onWorkerStart, onWebSocketConnect, onMessage, onBufferDrain
 * and onClose are setup, open, message, writable and closed.
 */
#ifndef WSSD_HANDLER_H
#define WSSD_HANDLER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Goes up whenever a struct or a meaning below changes.  A module of another
 * number is refused by `wssctl check`, start and reload.
 */
#define WSS_ABI 1

struct wss_conn;		/* a client's WebSocket */
struct wss_route;		/* a [route] of one loaded config */
struct wss_timer;

/* Bytes of somebody else: not terminated, valid during the call. */
struct wss_bytes {
	const char *data;
	size_t len;
};

/* The opening handshake, in `open` only. */
struct wss_request {
	struct wss_bytes path;		/* "/chat/42", as sent */
	struct wss_bytes query;		/* behind the '?', or empty */
	struct wss_bytes host;		/* without the port */
	struct wss_bytes origin;	/* empty when there is none */
	const char *subprotocol;	/* the one chosen, or NULL */
	int secure;			/* 1: the client uses TLS, with wssd or
					   with a proxy that is trusted */
	const void *head;		/* for wss_request_header() */
};

/*
 * The certificate of a client, which verify_peer of the context has checked:
 * by its CAs, its fingerprint, or, with allow_self_signed, by nobody.  All
 * strings are printable ASCII: other bytes are escaped.
 */
struct wss_peer {
	const char *subject;		/* RFC 4514: "CN=tom,O=Example" */
	const char *issuer;
	const char *fingerprint;	/* SHA-256, 64 lower-case digits */
	const char *const *names;	/* subject alternative names:
					   "DNS:a.example", "email:a@b",
					   "URI:...", "IP:192.0.2.7"; NULL
					   stands behind the last */
	int64_t not_after;		/* seconds since 1970 */
};

/* A whole message (RFC 6455 §5.6).  Text is valid UTF-8: checked. */
struct wss_message {
	const unsigned char *data;
	size_t len;
	int text;			/* 1 text, 0 binary */
};

/*
 * A key of the route's section that this handler takes.  A built-in
 * handler's stands there by its name, a module's as option.NAME.
 */
struct wss_option {
	const char *name;
	int required;
};

struct wss_handler {
	uint32_t abi;			/* WSS_ABI */
	const char *name;
	const struct wss_option *options; /* ends with a NULL name; or NULL */

	/* Any of these may be NULL: then nothing is done there. */

	/*
	 * Once for each route and loaded config, before any connection, with
	 * the privileges of a worker (no files, an empty root).  Non-zero
	 * refuses the config: the reason comes from wss_error().
	 */
	int (*setup)(struct wss_route *, void **state_out);
	/* After the last connection of that config has ended. */
	void (*teardown)(void *state);

	/*
	 * A client asks for the route.  0: it gets its 101, then what was
	 * sent here.  400 to 599: it gets that status instead.
	 */
	int (*open)(struct wss_conn *, const struct wss_request *);
	void (*message)(struct wss_conn *, const struct wss_message *);
	/* After WSS_FULL: the queue is below the route's output_low again. */
	void (*writable)(struct wss_conn *);
	/*
	 * Exactly once for each `open` that returned 0.  The code is the one
	 * that ended it, whoever sent it; 1005: the peer gave none; 1006: no
	 * Close frame came (RFC 6455 §7.1.5).
	 */
	void (*closed)(struct wss_conn *, unsigned code, const char *reason,
	    size_t reason_len);
};

/* ---- sending ---------------------------------------------------------- */

enum wss_result {
	WSS_OK = 0,
	WSS_FULL = 1,		/* taken, and the queue is now above the
				   route's output_high: wait for `writable` */
	/* Not taken, because the queue was above output_high before: */
	WSS_AGAIN = 2,		/* slow_consumer = pause: wait, then again */
	WSS_DROPPED = 3,	/* slow_consumer = drop-new: it is lost */
	WSS_CLOSED = -1		/* slow_consumer = close has ended it; or the
				   connection was ending anyway */
};

/* One whole message.  Text must be valid UTF-8: that is yours to see to. */
enum wss_result wss_send(struct wss_conn *, int text, const void *data,
    size_t len);

/*
 * Starts the closing handshake.  code: 1000 to 1003, 1007 to 1014, 3000 to
 * 4999 (any other becomes 1011); the reason is UTF-8, cut at 123 bytes.
 */
void wss_close(struct wss_conn *, unsigned code, const char *reason);

/* No `message` until wss_resume(): the client feels it as back-pressure. */
void wss_pause(struct wss_conn *);
void wss_resume(struct wss_conn *);

/* ---- connections ------------------------------------------------------ */

/* Never 0, and never given twice while the service runs. */
uint64_t wss_id(const struct wss_conn *);
/* NULL when it has ended, or lives in another worker. */
struct wss_conn *wss_find(struct wss_route *, uint64_t id);
/*
 * The client's, also behind a proxy that is trusted: "192.0.2.7:51200",
 * "[2001:db8::1]:51200", or without the port where the proxy does not tell
 * it, "192.0.2.7", "2001:db8::1"; "unix:" for a client of a unix socket.
 * Lives as long as the connection.
 */
const char *wss_address(const struct wss_conn *);
const char *wss_subprotocol(const struct wss_conn *);	/* or NULL */
/* NULL when it has no certificate; lives as long as the connection. */
const struct wss_peer *wss_peer(const struct wss_conn *);
/* What `setup` made. */
void *wss_state(const struct wss_conn *);
struct wss_route *wss_conn_route(const struct wss_conn *);
void wss_set_user(struct wss_conn *, void *);
void *wss_user(const struct wss_conn *);
/* The n-th (from 0) header of that name; data is NULL when there is none. */
struct wss_bytes wss_request_header(const struct wss_request *,
    const char *name, size_t n);

/* ---- the route -------------------------------------------------------- */

/* The value of one of the handler's options, or NULL; as long as the route. */
const char *wss_option_value(const struct wss_route *, const char *name);
const char *wss_route_path(const struct wss_route *);
/* In `setup`: why it refuses, one sentence.  Returns -1. */
int wss_error(struct wss_route *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Calls fn(arg) after ms milliseconds, once.  It stops by itself with the
 * route's config; after the call, or wss_timer_stop(), the pointer is void.
 */
struct wss_timer *wss_timer_start(struct wss_route *, uint64_t ms,
    void (*fn)(void *arg), void *arg);
void wss_timer_stop(struct wss_timer *);

/* ---- the log ---------------------------------------------------------- */

enum wss_level { WSS_ERROR, WSS_WARN, WSS_INFO, WSS_DEBUG };

void wss_log(struct wss_route *, enum wss_level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#ifdef __cplusplus
}
#endif

#endif
