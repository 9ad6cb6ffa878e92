# SPDX-License-Identifier: MIT
"""A handler that answers later: WSS_LATER, and what may happen until then."""
import json

import pytest

import modules
from clients import CLOSE, TEXT, Client, close_payload, connect, request
from wait import until

# 100 ms after `open` it does what the query says; ?never does nothing.
LATER = r"""
#include <stdlib.h>
#include <string.h>
#include <wssd/handler.h>

struct wish { struct wss_route *route; uint64_t id; char what[32]; };

static struct wss_bytes
bytes(const char *text)
{
	return (struct wss_bytes){ text, strlen(text) };
}

static void
on_timer(void *arg)
{
	struct wish *w = arg;
	struct wss_conn *c = wss_find(w->route, w->id);

	if (c == NULL) {
		wss_log(w->route, WSS_INFO, "nobody waits");
	} else if (strcmp(w->what, "close") == 0) {
		wss_close(c, 1000, "");
	} else if (strncmp(w->what, "refuse", 6) == 0) {
		wss_answer_header(c, bytes("X-Why"), bytes("because"));
		wss_refuse(c, (unsigned)atoi(w->what + 6));
		wss_refuse(c, 404);
		wss_accept(c, NULL);
	} else {
		if (wss_send(c, 1, "too early", 9) != WSS_CLOSED)
			abort();
		wss_answer_header(c, bytes("Set-Cookie"), bytes("a=b"));
		wss_answer_header(c, bytes("X-Evil"), bytes("a\r\nX-B: c"));
		wss_answer_header(c, bytes("X Evil"), bytes("d"));
		wss_accept(c, w->what[0] != '\0' ? w->what : NULL);
		wss_refuse(c, 404);
		wss_send(c, 1, "welcome", 7);
	}
	free(w);
}

static int
on_open(struct wss_conn *c, const struct wss_request *q)
{
	struct wish *w = calloc(1, sizeof(*w));
	struct wss_bytes name, value;
	int n = 0;

	while (wss_request_field(q, n, &name, &value))
		n++;
	wss_log(wss_conn_route(c), WSS_INFO, "%d headers, max_message %llu, "
	    "slow %llu, nothing %llu", n,
	    (unsigned long long)wss_setting(wss_conn_route(c), "max_message"),
	    (unsigned long long)wss_setting(wss_conn_route(c),
	    "slow_consumer"),
	    (unsigned long long)wss_setting(wss_conn_route(c), "nothing"));
	w->route = wss_conn_route(c);
	w->id = wss_id(c);
	memcpy(w->what, q->query.data, q->query.len < 31 ? q->query.len : 31);
	if (strcmp(w->what, "at-once") == 0)
		wss_close(c, 1000, "");
	if (strcmp(w->what, "never") == 0)
		free(w);
	else
		wss_timer_start(w->route, 100, on_timer, w);
	return WSS_LATER;
}

static void
on_closed(struct wss_conn *c, unsigned code, const char *reason, size_t len)
{
	(void)reason;
	(void)len;
	wss_log(wss_conn_route(c), WSS_INFO, "closed %u", code);
}

const struct wss_handler wss_module = {
	.abi = WSS_ABI, .name = "later", .open = on_open,
	.closed = on_closed };
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    return modules.build(tmp_path_factory.mktemp("later"), LATER)


@pytest.fixture
def later(wssd, module):
    return wssd({"route /": dict(modules.route(module), max_message="3k",
                                 slow_consumer="pause")}, tcp=True)


def test_accept(later):
    with Client(later.port()) as client:
        answer = client.upgrade("/?chat", extra=[
            ("Sec-WebSocket-Protocol", "chat")])
        assert answer.headers["sec-websocket-protocol"] == "chat"
        assert answer.headers["set-cookie"] == "a=b"
        assert "x-evil" not in answer.headers and "x-b" not in answer.headers
        client.expect(TEXT, "welcome")
        client.close(1000)
    later.await_log(r"closed 1000")
    assert later.log_has(r"6 headers, max_message 3072, slow 2, nothing 0")


def test_accept_without_a_subprotocol(later):
    with connect(later.port()) as client:
        client.expect(TEXT, "welcome")


@pytest.mark.parametrize("said,status", [(403, 403), (302, 302), (599, 599),
                                         (200, 500), (0, 500)])
def test_refuse(later, said, status):
    with Client(later.port()) as client:
        answer = client.ask(request(f"/?refuse{said}"))
        assert answer.status == status
        assert answer.headers["x-why"] == "because"
        client.expect_end()
    until(lambda: not later.connections(), "it is gone")
    assert not later.log_has("closed")


@pytest.mark.parametrize("what", ["close", "at-once"])
def test_close_before_the_answer(later, what):
    with Client(later.port()) as client:
        assert client.ask(request(f"/?{what}")).status == 503
    later.await_log("closed 1")


def test_the_client_leaves(later):
    client = Client(later.port())
    client.send(request("/?x"))
    client.drop()
    later.await_log("nobody waits")
    assert later.log_has("closed 1006")


def test_no_answer(wssd, module):
    one = wssd({"listen": {"handshake_timeout": "300ms"},
                "route /": modules.route(module)}, tcp=True)
    with Client(one.port()) as client:
        assert client.ask(request("/?never")).status == 504
    one.await_log("closed 1006")
    assert one.totals()["handshake_timeouts"] == 1


def test_over_tls(wssd, module, tls):
    one = wssd({"route /": modules.route(module)})
    with connect(one.port(), tls) as client:
        client.expect(TEXT, "welcome")
        client.send_frame(CLOSE, close_payload(1000))
        client.expect_close(1000)


def test_access_log(wssd, module, tmp_path):
    """Its lines have the path, although the request is gone by then."""
    path = tmp_path / "access.log"
    one = wssd({"wssd": {"access_log": path, "access_log_format": "json"},
                "route /": modules.route(module)}, tcp=True)
    port = one.port()
    with connect(port, path="/some/where?") as client:
        client.expect(TEXT, "welcome")
    with Client(port) as client:
        assert client.ask(request("/no?refuse403")).status == 403

    def rows():
        lines = path.read_text().splitlines() if path.exists() else []
        found = {}
        for line in lines:
            row = json.loads(line)
            found[row["event"]] = row
        return found
    until(lambda: {"open", "refused"} <= set(rows()), "both are there")
    assert rows()["open"]["path"] == "/some/where"
    assert rows()["open"]["host"] == "localhost"
    assert rows()["refused"]["path"] == "/no"
    assert rows()["refused"]["status"] == 403
