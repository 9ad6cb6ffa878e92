/* SPDX-License-Identifier: MIT */
/*
 * wssd/handler.h: what a handler is, and all it can do.
 *
 * A handler is the code behind a route of wssd.ini.  The built-in ones (reply,
 * echo, static, proxy) are written against this header and nothing else; so
 * is a module, a shared object named by `handler = module` and `module = FILE`:
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
struct wss_out;			/* a WebSocket of ours to another server */

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
	 * sent here.  400 to 599: it gets that status instead, with what
	 * wss_error() was told as its text.  WSS_LATER: it waits for
	 * wss_accept() or wss_refuse(), at most for the listen's
	 * handshake_timeout; then it gets 504.
	 */
	int (*open)(struct wss_conn *, const struct wss_request *);
	void (*message)(struct wss_conn *, const struct wss_message *);
	/* After WSS_FULL: the queue is below the route's output_low again. */
	void (*writable)(struct wss_conn *);
	/*
	 * Exactly once for each `open` that returned 0, or WSS_LATER and was
	 * not answered with wss_refuse().  The code is the one
	 * that ended it, whoever sent it; 1005: the peer gave none; 1006: no
	 * Close frame came (RFC 6455 §7.1.5).
	 */
	void (*closed)(struct wss_conn *, unsigned code, const char *reason,
	    size_t reason_len);

	/*
	 * A request that asks for no WebSocket: a GET or HEAD without a body.
	 * NULL: it gets 426.  0: wss_answer() was called.  400 to 599: as in
	 * `open`.  The connection is there during the call only, to answer
	 * and to be asked who it is; there is no `open` and no `closed` of
	 * it.
	 */
	int (*get)(struct wss_conn *, const struct wss_request *);
};

/* ---- answering later --------------------------------------------------- */

#define WSS_LATER 1		/* what `open` returns, and nothing else */

/*
 * All of these only after `open` has returned, and do nothing when the client
 * is gone (`closed` is on its way) or has its answer.
 */

/* 101; the subprotocol is one that the client has offered, or NULL. */
void wss_accept(struct wss_conn *, const char *subprotocol);
/* 300 to 599, any other becomes 500.  The connection is over. */
void wss_refuse(struct wss_conn *, unsigned status);
/* Before them: a header of the answer.  One with control bytes is left out. */
void wss_answer_header(struct wss_conn *, struct wss_bytes name,
    struct wss_bytes value);

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
 * 4999 (any other becomes 1011), or 1005 for a Close without a code; the
 * reason is UTF-8, cut at 123 bytes.  Before wss_accept(): 503.
 */
void wss_close(struct wss_conn *, unsigned code, const char *reason);

/* No `message` until wss_resume(): the client feels it as back-pressure. */
void wss_pause(struct wss_conn *);
void wss_resume(struct wss_conn *);

/*
 * In `get`: the whole answer.  type is the Content-Type; fields are more lines
 * of the head, each with its CRLF, or NULL.  The body is left out by itself
 * when the request was a HEAD.  The connection ends behind it.
 */
void wss_answer(struct wss_conn *, unsigned status, const char *type,
    const char *fields, const void *body, size_t len);

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
/* 1: the client uses TLS, with wssd or, as that says, with a trusted proxy. */
int wss_secure(const struct wss_conn *);
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
/* The i-th (from 0) header, in the order they came; 0: there are no more. */
int wss_request_field(const struct wss_request *, size_t i,
    struct wss_bytes *name_out, struct wss_bytes *value_out);

/* ---- the route -------------------------------------------------------- */

/* The value of one of the handler's options, or NULL; as long as the route. */
const char *wss_option_value(const struct wss_route *, const char *name);
const char *wss_route_path(const struct wss_route *);
/*
 * In `setup`: the file or folder that an option names, to read; -1 when it
 * names none (as those of modules).  Ours: dup(2) it.
 */
int wss_option_fd(const struct wss_route *, const char *name);
/*
 * A setting of the route that is a number, a size in bytes, a time in
 * milliseconds, a switch, or a word (which of those it may be, from 0), also
 * when no file sets it; 0 when there is no such setting.
 */
uint64_t wss_setting(const struct wss_route *, const char *key);
/* In `setup`, `open`, `get`: why it refuses, one sentence.  Returns -1. */
int wss_error(struct wss_route *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Calls fn(arg) after ms milliseconds, once.  It stops by itself with the
 * route's config; after the call, or wss_timer_stop(), the pointer is void.
 */
struct wss_timer *wss_timer_start(struct wss_route *, uint64_t ms,
    void (*fn)(void *arg), void *arg);
void wss_timer_stop(struct wss_timer *);

/* ---- other servers ------------------------------------------------------ */

/* The servers that `upstream` of the route names: how many, and their URLs. */
size_t wss_upstreams(const struct wss_route *);
const char *wss_upstream(const struct wss_route *, size_t n);
/* The path of the URL, or "". */
const char *wss_upstream_path(const struct wss_route *, size_t n);

/* The server's answer to the opening handshake, during the call only. */
struct wss_answer {
	unsigned status;
	const char *subprotocol;	/* the one it chose, or NULL */
	const void *head;		/* for wss_answer_field() */
};

/* As wss_request_field(). */
int wss_answer_field(const struct wss_answer *, size_t i,
    struct wss_bytes *name_out, struct wss_bytes *value_out);

enum wss_out_failure {
	WSS_OUT_REFUSED,	/* it answered with another status than 101 */
	WSS_OUT_UNREACHABLE,	/* no connection, no TLS, no answer */
	WSS_OUT_TIMEOUT,	/* not within the times the route allows */
	WSS_OUT_BROKEN		/* what it answered is no WebSocket */
};

/* What becomes of it.  None is called inside a function of this header. */
struct wss_out_events {
	void (*opened)(struct wss_out *, const struct wss_answer *);
	/* Instead of `opened`, and the last.  answer: of WSS_OUT_REFUSED. */
	void (*failed)(struct wss_out *, enum wss_out_failure,
	    const char *why, const struct wss_answer *);
	void (*message)(struct wss_out *, const struct wss_message *);
	void (*writable)(struct wss_out *);
	/*
	 * The last one after `opened`.  The code is that of the server's
	 * Close; 1005: without one; 1006: no Close came; 1014: it broke the
	 * rules, and the reason says which.
	 */
	void (*closed)(struct wss_out *, unsigned code, const char *reason,
	    size_t reason_len);
};

struct wss_dial {
	size_t upstream;		/* which of the route's, from 0 */
	const char *target;		/* "/path?query" */
	const char *host;		/* NULL: that of the URL */
	const char *subprotocols;	/* offered: "a, b"; or NULL */
	const char *fields;		/* "Name: value\r\n" for each, or NULL */
};

/*
 * Opens a WebSocket; not in `setup`.  NULL: the request would be malformed.
 * Its messages obey max_message, its queue output_high and output_low, its
 * pings ping_interval and ping_timeout of the route.
 */
struct wss_out *wss_dial(struct wss_route *, const struct wss_dial *,
    const struct wss_out_events *, void *user);
void *wss_out_user(const struct wss_out *);
/* As wss_send(); above output_high a message is not taken: WSS_AGAIN. */
enum wss_result wss_out_send(struct wss_out *, int text, const void *data,
    size_t len);
/* Bytes that the kernel has not taken; in `closed`: that it never will. */
size_t wss_out_queued(const struct wss_out *);
void wss_out_pause(struct wss_out *);
void wss_out_resume(struct wss_out *);
/*
 * The end of it for the handler: nothing is called any more, the pointer is
 * void.  Not to be called after `failed` or `closed`.  close: by a closing
 * handshake, code and reason as of wss_close(); drop: without a word.
 */
void wss_out_close(struct wss_out *, unsigned code, const char *reason,
    size_t reason_len);
void wss_out_drop(struct wss_out *);

/* ---- the log ---------------------------------------------------------- */

enum wss_level { WSS_ERROR, WSS_WARN, WSS_INFO, WSS_DEBUG };

void wss_log(struct wss_route *, enum wss_level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#ifdef __cplusplus
}
#endif

#endif
