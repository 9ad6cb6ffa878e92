# SPDX-License-Identifier: MIT
"""State never leaks: between connections, between messages, from before the
101 or from behind the Close.  What a worker shares between its connections
(buffers for input and output, zlib's streams) is full of one's bytes when the
next one's turn comes."""
import contextlib
import random
import zlib

import pytest

import modules
from clients import (BINARY, CLOSE, CONT, PING, PONG, TEXT, Client,
                     close_payload, connect, frame, head, mask_bytes,
                     request)
from daemon import open_descriptors, rss
from holder import Holder
from wait import until

MIB = 1 << 20
RSV1 = 4
TAIL = b"\0\0\xff\xff"
HELLO = b"\xf2\x48\xcd\xc9\xc9\x07\x00"     # "Hello" (RFC 7692, 7.2.3.1)
AGAIN = b"\xf2\x00\x11\x00\x00"             # what came last, once more

CONFIG = {
    "listen plain": {"address": "127.0.0.1:0", "transport": "tcp"},
    "route /": {"handler": "echo", "max_message": "1m",
                "output_high": "4m"},
    "route /few": {"handler": "echo", "max_fragments": 100},
    "route /shared": {"handler": "echo", "compression": "shared",
                      "compression_min_size": 0, "max_message": "1m"},
    "route /dedicated": {"handler": "echo", "compression": "dedicated",
                         "compression_min_size": 0, "max_message": "1m"},
}
LAYERS = ["tcp", "tls"]


@pytest.fixture(scope="module")
def server(wssd_module):
    return wssd_module(CONFIG)


@pytest.fixture(scope="module")
def dial(server, tls):
    """dial(layer, path) is an open client."""
    ports = {"tcp": server.port("plain"), "tls": server.port()}

    def opened(layer, path="/", offer=None, **more):
        fields = {"extra": [("Sec-WebSocket-Extensions", offer)]} \
            if offer else {}
        return connect(ports[layer], tls if layer == "tls" else None, path,
                       fields, **more)
    opened.ports = ports
    return opened


def squeeze(data):
    z = zlib.compressobj(wbits=-12)
    return (z.compress(data) + z.flush(zlib.Z_SYNC_FLUSH))[:-4]


# ---- between connections ---------------------------------------------------

@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("path", ["/", "/shared", "/dedicated"])
def test_everybody_gets_his_own_bytes(dial, layer, path):
    """Twelve clients with a letter each, messages of all sizes, cut anywhere,
    written in turns: what comes back is made of one's letter alone."""
    rng = random.Random(f"{layer}{path}")
    offer = None if path == "/" else "permessage-deflate"
    with contextlib.ExitStack() as stack:
        todo = []
        for n in range(12):
            client = stack.enter_context(dial(layer, path, offer))
            letter = bytes([65 + n])
            sizes = [rng.choice([0, 1, 125, 126, 700, 16384, 40000])
                     for _ in range(8)]
            data = b""
            for size in sizes:
                if offer and rng.random() < 0.5:
                    data += frame(BINARY, squeeze(letter * size), rsv=RSV1)
                elif rng.random() < 0.5:
                    data += frame(BINARY, letter * (size // 2), fin=False)
                    data += frame(PING, letter * rng.randrange(126))
                    data += frame(CONT, letter * (size - size // 2))
                else:
                    data += frame(BINARY, letter * size)
            todo.append([client, letter, sizes, memoryview(data)])
        while any(row[3] for row in todo):
            for row in todo:
                cut = rng.randrange(1, 9000)
                if row[3]:
                    row[0].send(row[3][:cut])
                row[3] = row[3][cut:]
        for client, letter, sizes, _ in todo:
            z = zlib.decompressobj(-15)
            for size in sizes:
                got = client.read_frame()
                while got.opcode == PONG:
                    assert set(got.payload) <= set(letter)
                    got = client.read_frame()
                back = z.decompress(got.payload + TAIL) if got.rsv else \
                    got.payload
                assert back == letter * size


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("left", [
    frame(TEXT, "secret", fin=False),
    frame(TEXT, "secret" * 1000)[:-1],
    frame(TEXT, b"\xe2\x82", fin=False),
    frame(PING, b"secret" * 20)[:-1],
    head(TEXT, 500) + b"\x37\xfa\x21",
    head(BINARY, 900000)[:5],
], ids=["fragment", "frame", "character", "ping", "mask", "length"])
@pytest.mark.parametrize("end", ["fin", "reset"])
def test_what_one_leaves_the_next_does_not_find(dial, layer, left, end):
    """It leaves in the middle; who comes then has its descriptor, and the
    memory that it has given back."""
    old = dial(layer)
    old.send(left)
    old.shut() if end == "fin" else old.reset()
    if end == "fin":
        while old.recv():
            pass
        old.drop()
    with dial(layer) as new:
        new.echo("whole")
        new.send_frame(BINARY, b"\xff", fin=False)
        new.send_frame(PING, b"")
        new.expect(PONG, b"")
        new.send_frame(CONT, b"\xfe")
        new.expect(BINARY, b"\xff\xfe")
        new.close()
    with dial(layer) as new:
        new.send_frame(CONT, "and more")
        new.expect_close(1002, "continuation")


@pytest.mark.parametrize("path", ["/shared", "/dedicated"])
def test_nobody_inflates_what_another_has_said(dial, path):
    """A message can refer to those before it, but not to another's."""
    for left in [HELLO, HELLO[:4], b"\xff"]:
        with dial("tls", path, "permessage-deflate") as one, \
                dial("tls", path, "permessage-deflate") as other:
            one.send_frame(TEXT, left, rsv=RSV1, fin=left == HELLO)
            if left == HELLO:
                assert one.expect(TEXT, rsv=RSV1 if path == "/dedicated"
                                  else 0)
            other.send_frame(TEXT, AGAIN, rsv=RSV1)
            other.expect_close(1007, "DEFLATE")


def test_nobody_is_sent_what_another_has_said(dial):
    """Nor does the shared compressor refer to it."""
    words = b"a secret of somebody who is not there any more" * 3
    with dial("tls", "/shared", "permessage-deflate") as one:
        one.send_frame(TEXT, words)
        first = one.expect(TEXT, rsv=RSV1).payload
        for _ in range(3):
            with dial("tls", "/shared", "permessage-deflate") as other:
                other.send_frame(TEXT, words)
                assert other.expect(TEXT, rsv=RSV1).payload == first


REFUSING = r"""
#include <string.h>
#include <wssd/handler.h>

static int
on_open(struct wss_conn *c, const struct wss_request *q)
{
	static char secret[100000];
	size_t n = q->query.len == 0 ? 0 : q->query.data[0] == 's' ? 6 :
	    sizeof(secret);

	memset(secret, 'S', sizeof(secret));
	if (n == 0)
		return 0;
	wss_send(c, 1, secret, n);
	wss_close(c, 4000, "never said");
	return 403;
}

static void
on_message(struct wss_conn *c, const struct wss_message *m)
{
	wss_send(c, m->text, m->data, m->len);
}

const struct wss_handler wss_module = { .abi = WSS_ABI, .name = "refusing",
	.open = on_open, .message = on_message };
"""


@pytest.mark.parametrize("layer", LAYERS)
def test_what_a_handler_takes_back_is_never_sent(wssd, tls, tmp_path, layer):
    """It sends, closes, and then refuses: the client sees the refusal, and
    the next client only its own."""
    path = modules.build(tmp_path, REFUSING)
    server = wssd({"route /": {**modules.route(path),
                               "compression": "dedicated"}},
                  tcp=layer == "tcp")
    use = tls if layer == "tls" else None
    for query in ["small", "large"]:
        with Client(server.port(), use) as client:
            answer = client.ask(request("/?" + query, extra=[
                ("Sec-WebSocket-Extensions", "permessage-deflate")]))
            assert answer.status == 403
            assert "SSS" not in answer.body
            client.expect_end()
        with connect(server.port(), use) as client:
            client.echo("mine")
            client.close()
    until(lambda: server.totals()["compression_memory"] == 0,
          "nothing is set aside")


# ---- before the 101 ------------------------------------------------------

@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("early", [
    frame(TEXT, "early"), frame(PING, b"early"), frame(CLOSE), b"\x81",
    frame(TEXT, "early", fin=False)],
    ids=["text", "ping", "close", "byte", "fragment"])
def test_frames_before_the_101(server, tls, dial, layer, early):
    """In front of the request or behind it: they are no frames, and the
    connection is none."""
    use = tls if layer == "tls" else None
    before = server.totals()
    for data in [early + request(), request() + early]:
        with Client(dial.ports[layer], use) as client:
            client.send(data)
            answer = client.read_answer()
            assert answer.status == 400
            client.expect_end()
    totals = server.totals()
    assert totals["upgrades"] == before["upgrades"]
    assert totals["messages_in"] == before["messages_in"]


def test_a_request_on_an_open_connection(dial):
    """It is not taken for a second one."""
    with dial("tls") as client:
        client.send(request())
        client.expect_close(1002)


# ---- between messages ------------------------------------------------------

MESSAGES = {
    "whole": ([frame(TEXT, "whole")], (TEXT, b"whole")),
    "empty": ([frame(BINARY)], (BINARY, b"")),
    "fragments": ([frame(TEXT, "frag", fin=False), frame(CONT, "ments")],
                  (TEXT, b"fragments")),
    "long": ([frame(BINARY, b"\xff" * 70000)], (BINARY, b"\xff" * 70000)),
    "cut": ([frame(TEXT, b"\xe2", fin=False), frame(PING, b"\x80"),
             frame(CONT, b"\x82\xac")], (TEXT, "€".encode())),
    "squeezed": ([frame(TEXT, HELLO, rsv=RSV1)], (TEXT, b"Hello")),
    "squeezed in fragments": (
        [frame(TEXT, HELLO[:3], rsv=RSV1, fin=False), frame(PING, b"x"),
         frame(CONT, HELLO[3:])], (TEXT, b"Hello")),
    "squeezed to nothing": ([frame(BINARY, b"\0", rsv=RSV1)],
                            (BINARY, b"")),
}


@pytest.mark.parametrize("path", ["/shared", "/dedicated"])
def test_messages_behind_each_other(dial, path):
    """Each kind behind each other kind, on one connection."""
    with dial("tls", path, "permessage-deflate") as client:
        z = zlib.decompressobj(-15)
        for first in MESSAGES.values():
            for second in MESSAGES.values():
                client.send(b"".join(first[0] + second[0]))
                for opcode, payload in (first[1], second[1]):
                    got = client.read_frame()
                    while got.opcode == PONG:
                        got = client.read_frame()
                    back = z.decompress(got.payload + TAIL) if got.rsv \
                        else got.payload
                    assert (got.opcode, back) == (opcode, payload)
        client.close()


@pytest.mark.parametrize("layer", LAYERS)
def test_control_frames_within_fragments(dial, layer):
    """They are answered at once, and the message does not notice."""
    with dial(layer) as client:
        client.send_frame(BINARY, b"\x00", fin=False)
        for n in range(300):
            ping = bytes([n & 255]) * (n % 126)
            client.send(frame(PING, ping) + frame(PONG, b"unasked") +
                        frame(CONT, bytes([n & 255]), fin=False))
            client.expect(PONG, ping)
        client.send_frame(CONT, b"\xff")
        client.expect(BINARY, b"\x00" + bytes(n & 255 for n in range(300)) +
                      b"\xff")
        client.close()


def test_compressed_frames_without_negotiation(server, dial):
    """On a route that has it, and on one that has not, if the client did not
    offer it."""
    before = server.totals()["messages_in"]
    for path in ["/", "/shared", "/dedicated"]:
        for data in [frame(TEXT, HELLO, rsv=RSV1),
                     frame(TEXT, HELLO, rsv=RSV1, fin=False)]:
            with dial("tls", path) as client:
                client.send(data)
                client.expect_close(1002, "without an extension")
    assert server.totals()["messages_in"] == before


# ---- thousands ---------------------------------------------------------------

@pytest.mark.parametrize("offer", [None, "permessage-deflate"])
def test_thousands_of_tiny_fragments(server, dial, offer):
    """They take the memory of their bytes, and give it back."""
    [pid] = server.worker_pids()
    rsv = RSV1 if offer else 0
    parts = b"".join(frame(CONT, b"", fin=False) for _ in range(100000))
    with dial("tls", "/shared" if offer else "/", offer) as client:
        client.send(frame(BINARY, b"", fin=False, rsv=rsv) + parts)
        client.send_frame(PING)
        client.expect(PONG)
        before = rss(pid)
        for _ in range(3):
            client.send(parts)
        client.send_frame(CONT, squeeze(b"done") if offer else b"done")
        assert client.read_frame().payload
        assert rss(pid) - before < 8 * MIB
        client.close()


def test_too_many_fragments(dial):
    with dial("tls", "/few") as client:
        client.send(frame(TEXT, "a", fin=False) +
                    frame(CONT, "a", fin=False) * 200)
        client.expect_close(1008, "fragments")


@pytest.mark.parametrize("layer", LAYERS)
def test_a_flood_of_pings(server, dial, layer):
    """One that reads gets a Pong for each; one that does not is not read
    any more, so what waits for it has an end, and the others are served."""
    with dial(layer, receive_buffer=4096) as deaf, dial(layer) as polite:
        flood = frame(PING, b"p" * 125) * 1000
        deaf.timeout = 1
        with contextlib.suppress(TimeoutError):
            for _ in range(400):
                deaf.send(flood)
        deaf.timeout = 10
        polite.echo()
        for _ in range(20):
            polite.send(flood)
            for _ in range(1000):
                polite.expect(PONG, b"p" * 125)
        polite.echo()
        queued = max(c["queued_bytes"] for c in server.connections())
        assert 4 * MIB < queued < 4.2 * MIB, "output_high is 4m"
        polite.close()
        deaf.reset()


def test_a_storm_of_closes(server, dial, tls):
    """Five hundred say goodbye at once, each with a code of its own; it is
    answered to each, and nothing is left of them."""
    [pid] = server.worker_pids()
    until(lambda: server.totals()["connections"] == 0, "nobody is there")
    descriptors = open_descriptors(pid)
    before = server.totals()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(dial(
            "tls" if n % 5 == 0 else "tcp",
            "/dedicated" if n % 2 else "/shared", "permessage-deflate"))
            for n in range(500)]
        for n, client in enumerate(clients):
            client.send(frame(TEXT, HELLO, rsv=RSV1) +
                        frame(CLOSE, close_payload(3000 + n, "bye")) +
                        frame(TEXT, "behind the Close") + frame(PING))
        for n, client in enumerate(clients):
            assert client.read_frame().opcode == TEXT
            client.expect_close(3000 + n)
    until(lambda: server.totals()["connections"] == 0, "all have ended")
    totals = server.totals()
    assert totals["closed"] - before["closed"] == 500
    assert totals["closed_abnormal"] == before["closed_abnormal"]
    assert totals["messages_in"] - before["messages_in"] == 500
    assert (totals["open"], totals["compression_memory"]) == (0, 0)
    until(lambda: open_descriptors(pid) <= descriptors,
          "their descriptors are closed")


# ---- behind the Close --------------------------------------------------------

@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("behind", [
    frame(TEXT, "late"), frame(PING, b"late"), frame(CONT, b"late"),
    frame(CLOSE, close_payload(4000)), frame(TEXT, b"\xff"), b"\xff" * 200,
    request()], ids=["text", "ping", "continuation", "close", "not-utf8",
                     "garbage", "request"])
def test_nothing_is_heard_behind_the_close(server, dial, layer, behind):
    before = server.totals()
    with dial(layer) as client:
        client.send(frame(TEXT, "last") +
                    frame(CLOSE, close_payload(1000)) + behind)
        client.expect(TEXT, "last")
        client.expect_close(1000)
    totals = server.totals()
    assert totals["messages_in"] - before["messages_in"] == 1
    assert totals["protocol_errors"] == before["protocol_errors"]
