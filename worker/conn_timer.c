/* SPDX-License-Identifier: MIT */
/*
 * Deadlines.  Traffic only notes when it happened; the timer finds out at
 * its time whether it was too long ago, so a message costs no timer work.
 */
#include "worker/conn_parts.h"

#include <string.h>

#include "worker/api.h"
#include "worker/worker.h"

#define LINGER_MS 2000		/* for the peer's FIN behind ours */
#define STALL_MS 60000		/* a client that reads nothing at all, where
				   the route has no ping_timeout */
#define NEVER UINT64_MAX

static bool
paused(const struct wss_conn *c)
{
	return c->paused_by_output || c->paused_by_handler;
}

/*
 * A little earlier than ping_interval, each connection by another part of an
 * eighth: those that a broadcast has made answer at the same time would be
 * pinged at the same time ever after.
 */
static uint64_t
ping_after(const struct wss_conn *c)
{
	uint64_t interval = c->route->config->ping_interval_ms;
	uint32_t scattered = (uint32_t)c->id * 2654435769u;	/* Fibonacci */

	return interval - (interval / 8 * scattered >> 32);
}

/* While its input is not read no Pong can be seen: then only progress. */
static uint64_t
silence_deadline(const struct wss_conn *c)
{
	const struct config_route *r = c->route->config;

	/* ping_timeout is 0 also where there is no ping_interval. */
	if (c->paused_by_output)
		return c->received_ms + (r->ping_timeout_ms == 0 ? STALL_MS :
		    r->ping_interval_ms + r->ping_timeout_ms);
	if (r->ping_interval_ms == 0 || c->paused_by_handler)
		return NEVER;
	if (c->ping_ms == 0)
		return c->received_ms + ping_after(c);
	return c->ping_ms + (r->ping_timeout_ms != 0 ? r->ping_timeout_ms :
	    r->ping_interval_ms);
}

static uint64_t
idle_deadline(const struct wss_conn *c)
{
	uint64_t timeout = c->route->config->idle_timeout_ms;

	return timeout == 0 ? NEVER : c->message_ms + timeout;
}

static uint64_t
deadline(const struct wss_conn *c)
{
	uint64_t silence, idle;

	switch (c->state) {
	case CONN_PROXY:
	case CONN_TLS:
	case CONN_HTTP:
		return c->accepted_ms + c->listen->handshake_timeout_ms;
	case CONN_OPENING:
		return c->state_ms + c->listen->handshake_timeout_ms;
	case CONN_OPEN:
		silence = silence_deadline(c);
		idle = idle_deadline(c);
		return silence < idle ? silence : idle;
	case CONN_CLOSING:
		return c->state_ms + c->close_timeout_ms;
	case CONN_LINGER:
		return c->state_ms + (c->stream.notified &&
		    LINGER_MS < c->close_timeout_ms ? LINGER_MS :
		    c->close_timeout_ms);
	default:
		return NEVER;
	}
}

void
conn_set_timer(struct wss_conn *c)
{
	uint64_t due = deadline(c);

	/* A handler's pause may end, and then the deadline is a new one. */
	if (due == NEVER && c->state == CONN_OPEN && paused(c))
		due = c->worker->now_ms + STALL_MS;
	/* So may the wait for a Pong, and the next Ping be due before it. */
	if (c->state == CONN_OPEN && c->ping_ms != 0) {
		uint64_t next = c->ping_ms + c->route->config->ping_interval_ms;

		if (next > c->worker->now_ms && next < due)
			due = next;
	}
	if (due == NEVER)
		wheel_clear(&c->timer);
	else
		wheel_set(&c->worker->wheel, &c->timer, due);
}

static void
end_handshake(struct wss_conn *c)
{
	metrics_add(&c->worker->metrics->handshake_timeouts, 1);
	conn_log(c, "refused: no request within handshake_timeout "
	    "(%llu ms), in state %s",
	    (unsigned long long)c->listen->handshake_timeout_ms,
	    conn_state_name(c->state));
	conn_set_state(c, CONN_DEAD);
}

static void
end_opening(struct wss_conn *c)
{
	struct http_refusal refusal;

	metrics_add(&c->worker->metrics->handshake_timeouts, 1);
	http_refuse(&refusal, 504, "the handler of this path has not answered "
	    "within handshake_timeout");
	conn_refuse(c, &refusal);
}

static void
end_silence(struct wss_conn *c)
{
	struct metrics *m = c->worker->metrics;

	if (c->paused_by_output) {
		metrics_add(&m->slow_closed, 1);
		conn_abort(c, "the client has stopped reading");
	} else if (c->ping_ms != 0 && c->route->config->ping_timeout_ms != 0) {
		metrics_add(&m->pong_timeouts, 1);
		conn_abort(c, "no Pong within ping_timeout");
	} else {
		c->ping_ms = c->worker->now_ms;
		conn_put_frame(c, WS_PING, NULL, 0);
		conn_set_timer(c);
	}
}

static void
end_idle(struct wss_conn *c)
{
	static const char reason[] = "idle timeout";

	metrics_add(&c->worker->metrics->idle_timeouts, 1);
	conn_close(c, WS_CLOSE_GOING_AWAY, reason, strlen(reason));
}

static void
end_closing(struct wss_conn *c)
{
	/* It had its time: FIN, and no waiting for the answer to it. */
	stream_finish(&c->stream);
	conn_set_state(c, CONN_DEAD);
}

void
conn_on_timer(struct wss_conn *c)
{
	uint64_t now = c->worker->now_ms;

	if (deadline(c) > now) {
		conn_set_timer(c);
		return;
	}
	switch (c->state) {
	case CONN_PROXY:
	case CONN_TLS:
	case CONN_HTTP:
		end_handshake(c);
		break;
	case CONN_OPENING:
		end_opening(c);
		break;
	case CONN_OPEN:
		if (idle_deadline(c) <= now)
			end_idle(c);
		else
			end_silence(c);
		break;
	case CONN_CLOSING:
		end_closing(c);
		break;
	case CONN_LINGER:
		conn_set_state(c, CONN_DEAD);
		break;
	default:
		break;
	}
}
