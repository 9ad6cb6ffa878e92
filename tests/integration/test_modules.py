# SPDX-License-Identifier: MIT
"""Handlers of the operator's own: loaded, refused, and told what they are
promised in wssd/handler.h."""
import json
import os
import pathlib
import signal

import pytest

import modules
from clients import (CLOSE, TEXT, Client, close_payload, connect, frame,
                     request)
from wait import until

# Writes each call to the log; its options say what it does.
TELLING = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wssd/handler.h>

static const struct wss_option options[] = {
	{ .name = "refuse", .required = 0 }, { .name = NULL } };

static int
on_setup(struct wss_route *r, void **state_out)
{
	const char *why = wss_option_value(r, "refuse");

	if (why != NULL)
		return wss_error(r, "%s", why);
	*state_out = r;
	wss_log(r, WSS_INFO, "setup %s", wss_route_path(r));
	return 0;
}

static void
on_teardown(void *state)
{
	wss_log(state, WSS_INFO, "teardown");
}

static int
on_open(struct wss_conn *c, const struct wss_request *q)
{
	struct wss_bytes cookie = wss_request_header(q, "cookie", 0);

	if (q->query.len == 3)
		return atoi(q->query.data);
	wss_log(wss_conn_route(c), WSS_INFO,
	    "open path=%.*s host=%.*s origin=%.*s sub=%s cookie=%.*s from=%s",
	    (int)q->path.len, q->path.data, (int)q->host.len, q->host.data,
	    (int)q->origin.len, q->origin.data,
	    q->subprotocol ? q->subprotocol : "-",
	    (int)cookie.len, cookie.data, wss_address(c));
	wss_send(c, 1, "welcome", 7);
	if (q->query.len == 5)
		wss_close(c, 4001, "not today");
	return 0;
}

struct ring { struct wss_route *route; uint64_t id; };

static void
on_timer(void *arg)
{
	struct ring *ring = arg;
	struct wss_conn *c = wss_find(ring->route, ring->id);

	if (c != NULL)
		wss_send(c, 1, "ring", 4);
	free(ring);
}

static void
on_message(struct wss_conn *c, const struct wss_message *m)
{
	if (m->len == 3 && memcmp(m->data, "bye", 3) == 0) {
		wss_close(c, 4002, "as you wish");
	} else if (m->len == 4 && memcmp(m->data, "ring", 4) == 0) {
		struct ring *ring = malloc(sizeof(*ring));

		ring->route = wss_conn_route(c);
		ring->id = wss_id(c);
		wss_timer_start(ring->route, 50, on_timer, ring);
	} else if (m->len == 5 && memcmp(m->data, "pause", 5) == 0) {
		wss_pause(c);
	} else {
		wss_send(c, m->text, m->data, m->len);
	}
}

static void
on_closed(struct wss_conn *c, unsigned code, const char *reason, size_t n)
{
	wss_log(wss_conn_route(c), WSS_INFO, "closed %u %.*s", code, (int)n,
	    reason);
}

const struct wss_handler wss_module = {
	.abi = WSS_ABI, .name = "telling", .options = options,
	.setup = on_setup, .teardown = on_teardown, .open = on_open,
	.message = on_message, .closed = on_closed };
"""

OTHER_ABI = """
#include <wssd/handler.h>
const struct wss_handler wss_module = { .abi = WSS_ABI + 1, .name = "x" };
"""
NO_OBJECT = "int nothing;\n"
UNDEFINED = """
#include <wssd/handler.h>
int not_there(void);
static int setup(struct wss_route *r, void **s) { return not_there(); }
const struct wss_handler wss_module = {
	.abi = WSS_ABI, .name = "x", .setup = setup };
"""

BAD = {
    "abi": (OTHER_ABI, {}, "build it again with its wssd/handler.h"),
    "object": (NO_OBJECT, {}, "exports no object `wss_module'"),
    "undefined": (UNDEFINED, {}, "undefined symbol: not_there"),
    "refused": (TELLING, {"option.refuse": "not in this house"},
                "handler telling refuses: not in this house"),
    "option": (TELLING, {"option.colour": "red"},
               "handler telling has no option `colour'"),
    "text": (None, {}, "module"),
    "missing": (None, {"module": "/no/such/file.so"}, "No such file"),
}


def bad_route(name, folder):
    source, keys, words = BAD[name]
    if source is not None:
        path = modules.build(folder, source, "bad", "-Wno-error")
    else:
        path = folder / "bad.so"
        path.write_text("this is no shared object\n")
    return {**modules.route(path), **keys}, words


@pytest.mark.parametrize("name", BAD)
def test_bad_modules(wssd, tls, tmp_path, name):
    """Refused by check, start and reload, with file, line and reason."""
    route, words = bad_route(name, tmp_path)
    running = wssd()
    with connect(running.port(), tls) as client:
        running.set({"route /bad": route})
        result = running.ctl("reload")
        assert result.returncode == 6, result
        assert words in result.stderr
        assert f"{running.path}:" in result.stderr
        client.echo()
        assert running.status()["config"]["generation"] == 1
    one = wssd({"route /bad": route}, start=False)
    result = one.ctl("check")
    assert result.returncode == 6 and words in result.stderr, result
    assert f"{one.path}:" in result.stderr
    result = one.ctl("start")
    assert result.returncode == 6 and words in result.stderr, result
    assert not one.processes()


def test_what_a_module_is_told(wssd, tmp_path):
    path = modules.build(tmp_path, TELLING)
    one = wssd({"route /tell": {**modules.route(path),
                                "subprotocols": "b, a"}}, tcp=True)
    port = one.port()
    one.await_log("setup /tell")
    with connect(port, path="/tell?key=12", fields={
            "extra": [("Cookie", "k=v"), ("Origin", "https://a.example"),
                      ("Sec-WebSocket-Protocol", "a")]}) as client:
        client.expect(TEXT, "welcome")
        one.await_log(r"open path=/tell host=localhost "
                      r"origin=https://a.example sub=a cookie=k=v "
                      r"from=127\.0\.0\.1:%d" % client.sock.getsockname()[1])
        client.echo()
        client.send_text("ring")
        client.expect(TEXT, "ring")
        client.send_text("bye")
        got = client.expect(CLOSE)
        assert (got.code, got.reason) == (4002, "as you wish")
        client.send_frame(CLOSE, close_payload(4002))
        client.expect_end()
    one.await_log("closed 4002 as you wish")
    with connect(port, path="/tell") as client:
        client.expect(TEXT, "welcome")
        client.close(1000, "mine")
    one.await_log("closed 1000 mine")
    with connect(port, path="/tell") as client:
        client.reset()
    one.await_log("closed 1006 ")
    # Exactly once for each.
    assert one.log().count("closed ") == 3
    one.set({"route /tell": None})
    assert one.ctl("reload").returncode == 0
    one.await_log("teardown")


def test_open_may_refuse(wssd, tmp_path):
    path = modules.build(tmp_path, TELLING)
    one = wssd({"route /tell": modules.route(path)}, tcp=True)
    for status in (403, 401, 429, 503):
        with Client(one.port()) as client:
            answer = client.ask(request(f"/tell?{status}"))
            assert answer.status == status
            client.expect_end()
    with Client(one.port()) as client:
        assert client.ask(request("/tell?200")).status == 500
    with connect(one.port(), path="/tell?close") as client:
        client.expect(TEXT, "welcome")
        got = client.expect(CLOSE)
        assert (got.code, got.reason) == (4001, "not today")
        client.send_frame(CLOSE, close_payload(4001))
        client.expect_end()
    one.await_log("closed 4001 not today")
    assert one.log().count("closed ") == 1
    totals = one.totals()
    assert totals["upgrades"] == 1 and totals["open"] == 0


def test_a_pause_is_not_the_clients_fault(wssd, tmp_path):
    """A paused client is not pinged to death."""
    path = modules.build(tmp_path, TELLING)
    one = wssd({"route /tell": {**modules.route(path),
                                "ping_interval": "200ms",
                                "ping_timeout": "200ms"}}, tcp=True)
    with connect(one.port(), path="/tell") as client:
        client.expect(TEXT, "welcome")
        client.send_text("pause")
        with pytest.raises(TimeoutError):
            client.read_frame(1.0)
        assert client.end is None
    until(lambda: one.totals()["connections"] == 1, "it is still held")
    assert one.totals()["pong_timeouts"] == 0


def hear_all(one, clients, rounds, texts):
    """All say all of their texts at once; what everybody has heard then."""
    worker = one.worker_pids()[0]
    for _ in range(rounds):
        # What comes while the worker is stopped it finds in one turn.
        os.kill(worker, signal.SIGSTOP)
        try:
            for client, own in zip(clients, texts):
                client.send(b"".join(frame(TEXT, text) for text in own))
        finally:
            os.kill(worker, signal.SIGCONT)
    n = rounds * sum(map(len, texts))
    return [[client.read_frame().payload for _ in range(n)]
            for client in clients]


@pytest.mark.parametrize("size", [10, 5000, 40000])
def test_everybody_hears_the_same_in_the_same_order(wssd, tls, size):
    """Whether they spoke in the turn themselves or not."""
    path = pathlib.Path(os.environ["WSSD_BIN"], "bench-broadcast.so")
    one = wssd({"wssd": {"workers": 1},
                "route /hall": {**modules.route(path), "max_message": "1m",
                                "output_high": "64m"}})
    clients = [connect(one.port(), tls, "/hall") for _ in range(8)]
    texts = [[f"{who}.{n} ".encode() * (size // 4) for n in range(9)]
             for who in range(4)]
    try:
        heard = hear_all(one, clients, 3, texts)
    finally:
        for client in clients:
            client.drop()
    assert all(one == heard[0] for one in heard)
    for own in texts:
        assert [text for text in heard[0] if text in own] == own * 3


def test_the_example(wssd, tls, tmp_path):
    """docs/examples/hello.c does what it says, built by its one line."""
    source = (modules.SOURCE / "docs/examples/hello.c").read_text()
    path = modules.build(tmp_path, source, "hello")
    one = wssd({"route /hello": {**modules.route(path),
                                 "option.greeting": "good morning"}})
    with connect(one.port(), tls, "/hello") as client:
        for n, text in enumerate(["a", "bc", "def"], 1):
            client.send_text(text)
            got = json.loads(client.expect(TEXT).payload)
        assert got == {"greeting": "good morning", "messages": 3, "bytes": 6}
