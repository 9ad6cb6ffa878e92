# SPDX-License-Identifier: MIT
"""Frames and messages over the wire (RFC 6455, sections 5 to 8).

Most cases are rows: what the client sends, and the frames that come back.
Every row is tried in one write, byte by byte, and (short ones) cut in two at
every place; and behind each row the server must still serve others.
"""
import os

import pytest
import wsproto
from wsproto import events as ws_events

from clients import (BINARY, CLOSE, CONT, PING, PONG, TEXT, Client, Frame,
                     close_payload, connect, frame, head, mask_bytes,
                     random_text)

MIB = 1 << 20
CONFIG = {
    "listen plain": {"address": "127.0.0.1:0", "transport": "tcp"},
    "route /": {"handler": "echo", "max_message": "2m",
                "output_high": "8m"},
    "route /small": {"handler": "echo", "max_message": "1000",
                     "max_frame": "600", "max_fragments": 5},
}


@pytest.fixture(scope="module")
def server(wssd_module):
    return wssd_module(CONFIG)


@pytest.fixture(scope="module")
def plain(server):
    return server.port("plain")


@pytest.fixture(scope="module")
def secure(server):
    return server.port()


def text(payload):
    return Frame(TEXT, payload.encode() if isinstance(payload, str)
                 else payload)


def close(code):
    return Frame(CLOSE, close_payload(code) if code else b"")


class Error:
    """The server ends it with this code, and a reason with these words."""

    def __init__(self, code, words=""):
        self.code, self.words = code, words


U = "κόσμε"
B = U.encode()

ROWS = {
    # section 5.6: data frames
    "empty-text": (frame(TEXT), [text("")]),
    "hello": (frame(TEXT, "Hello"), [text("Hello")]),
    "two": (frame(TEXT, "a") + frame(BINARY, b"\xff"),
            [text("a"), Frame(BINARY, b"\xff")]),
    "mask-of-zeros": (frame(TEXT, "Hello", mask=b"\0\0\0\0"),
                      [text("Hello")]),
    "len-125": (frame(TEXT, "x" * 125), [text("x" * 125)]),
    "len-126": (frame(TEXT, "x" * 126), [text("x" * 126)]),
    "len-127": (frame(TEXT, "x" * 127), [text("x" * 127)]),
    # section 5.4: fragmentation
    "three-pieces": (frame(TEXT, "a", fin=False) +
                     frame(CONT, "b", fin=False) + frame(CONT, "c"),
                     [text("abc")]),
    "empty-pieces": (frame(TEXT, fin=False) + frame(CONT, fin=False) +
                     frame(CONT), [text("")]),
    "last-empty": (frame(TEXT, "ab", fin=False) + frame(CONT),
                   [text("ab")]),
    "first-empty": (frame(BINARY, fin=False) + frame(CONT, "ab"),
                    [Frame(BINARY, b"ab")]),
    "ping-between": (frame(TEXT, "a", fin=False) + frame(PING, "p1") +
                     frame(CONT, "b", fin=False) + frame(PING, "p2") +
                     frame(PONG, "unasked") + frame(CONT, "c"),
                     [Frame(PONG, b"p1"), Frame(PONG, b"p2"), text("abc")]),
    "close-between": (frame(TEXT, "a", fin=False) +
                      frame(CLOSE, close_payload(1000)), [close(1000)]),
    "character-over-pieces": (
        b"".join([frame(TEXT, B[:1], fin=False)] +
                 [frame(CONT, B[i:i + 1], fin=False)
                  for i in range(1, len(B))] + [frame(CONT)]), [text(U)]),
    "ping-inside-character": (
        frame(TEXT, "\U0001f600".encode()[:2], fin=False) + frame(PING) +
        frame(CONT, "\U0001f600".encode()[2:]),
        [Frame(PONG, b""), text("\U0001f600")]),
    # sections 5.5.2 and 5.5.3
    "ping-empty": (frame(PING), [Frame(PONG, b"")]),
    "ping-125": (frame(PING, b"\xff" * 125), [Frame(PONG, b"\xff" * 125)]),
    "ten-pings": (b"".join(frame(PING, str(i)) for i in range(10)),
                  [Frame(PONG, str(i).encode()) for i in range(10)]),
    "pong-unasked": (frame(PONG, "x") + frame(TEXT, "y"), [text("y")]),
    # section 5.5.1 and 7.4
    "close-empty": (frame(CLOSE), [close(0)]),
    "close-1000": (frame(CLOSE, close_payload(1000)), [close(1000)]),
    "close-reason": (frame(CLOSE, close_payload(1000, "ü" * 61)),
                     [close(1000)]),
    "close-123": (frame(CLOSE, close_payload(1000, "x" * 123)),
                  [close(1000)]),
    "deaf-after-close": (frame(CLOSE, close_payload(1000)) +
                         frame(TEXT, "ignored") + frame(PING, "ignored"),
                         [close(1000)]),
    "rubbish-after-close": (frame(CLOSE, close_payload(1000)) +
                            b"\xff" * 500, [close(1000)]),
    # what was whole before the error is served
    "served-before": (frame(TEXT, "a") + frame(PING, "b") +
                      frame(TEXT, "c", mask=None),
                      [text("a"), Frame(PONG, b"b"), Error(1002, "mask")]),
    "deaf-after-error": (frame(TEXT, "x", rsv=1) + frame(TEXT, "y"),
                         [Error(1002, "reserved bit")]),
    # section 5.1 and 5.2
    "no-mask": (frame(TEXT, "x", mask=None), [Error(1002, "mask")]),
    "no-mask-empty": (frame(TEXT, mask=None), [Error(1002, "mask")]),
    "no-mask-ping": (frame(PING, mask=None), [Error(1002, "mask")]),
    "no-mask-close": (frame(CLOSE, mask=None), [Error(1002, "mask")]),
    "length-16-not-minimal": (frame(TEXT, "x" * 125, form=16),
                              [Error(1002, "")]),
    "length-64-not-minimal": (frame(TEXT, "x" * 126, form=64),
                              [Error(1002, "")]),
    "length-64-of-0": (frame(TEXT, form=64), [Error(1002, "")]),
    "length-top-bit": (head(BINARY, 1 << 63, form=64) + b"1234",
                       [Error(1002, "")]),
    "length-all-bits": (head(BINARY, (1 << 64) - 1, form=64) + b"1234",
                        [Error(1002, "")]),
    "length-announced": (head(BINARY, (1 << 63) - 1, form=64) + b"1234",
                         [Error(1009, "too big")]),
    # section 5.4: order
    "continue-nothing": (frame(CONT, "x"), [Error(1002, "continuation")]),
    "continue-after-end": (frame(TEXT, "a", fin=False) + frame(CONT, "b") +
                           frame(CONT, "c"),
                           [text("ab"), Error(1002, "continuation")]),
    "new-inside": (frame(TEXT, "a", fin=False) + frame(TEXT, "b"),
                   [Error(1002, "inside")]),
    "new-binary-inside": (frame(TEXT, "a", fin=False) +
                          frame(BINARY, "b", fin=False),
                          [Error(1002, "inside")]),
    # section 5.5: control frames
    "ping-126": (frame(PING, b"x" * 126), [Error(1002, "too long")]),
    "pong-126": (frame(PONG, b"x" * 126), [Error(1002, "too long")]),
    "close-126": (frame(CLOSE, close_payload(1000, "x" * 124)),
                  [Error(1002, "too long")]),
    "ping-in-pieces": (frame(PING, "x", fin=False),
                       [Error(1002, "fragmented control")]),
    "close-in-pieces": (frame(CLOSE, close_payload(1000), fin=False),
                        [Error(1002, "fragmented control")]),
    "close-one-byte": (frame(CLOSE, b"\x03"), [Error(1002, "one byte")]),
    "close-bad-utf8": (frame(CLOSE, close_payload(1000, b"\xff")),
                       [Error(1007, "UTF-8")]),
    "close-cut-utf8": (frame(CLOSE, close_payload(1000, b"ok\xc3")),
                       [Error(1007, "UTF-8")]),
}

for _rsv in range(1, 8):
    ROWS[f"rsv-{_rsv}"] = (frame(TEXT, "x", rsv=_rsv),
                           [Error(1002, "reserved bit")])
    ROWS[f"rsv-{_rsv}-ping"] = (frame(PING, "x", rsv=_rsv),
                                [Error(1002, "reserved bit")])
ROWS["rsv-continuation"] = (frame(TEXT, "x", fin=False) +
                            frame(CONT, "y", rsv=4),
                            [Error(1002, "reserved bit")])
for _op in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]:
    ROWS[f"opcode-{_op}"] = (frame(_op, "x"), [Error(1002, "opcode")])
# Section 7.4.1, 7.4.2 and the registry of IANA.
for _code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012,
              1013, 1014, 3000, 3999, 4000, 4999]:
    ROWS[f"code-{_code}"] = (frame(CLOSE, close_payload(_code, "why")),
                             [close(_code)])
for _code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999,
              5000, 65535]:
    ROWS[f"code-{_code}"] = (frame(CLOSE, close_payload(_code)),
                             [Error(1002, "close code")])

# Section 8.1: each is failed by its last byte, whatever comes later.
NOT_UTF8 = {
    "lone-continuation": b"\x80",
    "lone-ff": b"\xff",
    "overlong-slash": b"\xc0",
    "overlong-3": b"\xe0\x80",
    "overlong-4": b"\xf0\x80",
    "surrogate": b"\xed\xa0",
    "above-10ffff": b"\xf4\x90",
    "five-bytes": b"\xf8",
    "cut-by-ascii": b"\xe2\x82A",
    "behind-good": B + b"\xed\xa0",
}
for _name, _bytes in NOT_UTF8.items():
    ROWS[f"utf8-{_name}"] = (frame(TEXT, _bytes), [Error(1007, "UTF-8")])
    ROWS[f"utf8-{_name}-fail-fast"] = (
        head(TEXT, 1000) + b"mask" + mask_bytes(_bytes, b"mask"), [Error(1007, "UTF-8")])
    ROWS[f"utf8-{_name}-in-pieces"] = (
        frame(TEXT, "ok ", fin=False) +
        b"".join(frame(CONT, _bytes[i:i + 1], fin=False)
                 for i in range(len(_bytes))), [Error(1007, "UTF-8")])
ROWS["utf8-cut-at-the-end"] = (frame(TEXT, B[:-1]),
                               [Error(1007, "inside a character")])
ROWS["utf8-cut-at-the-last-piece"] = (
    frame(TEXT, B[:-1], fin=False) + frame(CONT),
    [Error(1007, "inside a character")])
ROWS["utf8-not-of-binary"] = (frame(BINARY, b"\xff\xed\xa0"),
                              [Frame(BINARY, b"\xff\xed\xa0")])
ROWS["utf8-edges"] = (frame(TEXT, "\0\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff"
                            "\U00010000\U0010ffff"),
                      [text("\0\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff"
                            "\U00010000\U0010ffff")])


def check_answers(client, want):
    for item in want:
        if isinstance(item, Error):
            client.expect_close(item.code, item.words)
            return
        got = client.expect(item.opcode)
        if item.opcode == CLOSE:
            assert got.payload[:2] == item.payload
            client.expect_end()
            return
        assert got == item
    client.echo()
    client.close()


def give(client, pieces):
    """Sends them; the server may hang up in the middle of it."""
    try:
        for piece in pieces:
            client.send(piece)
    except (BrokenPipeError, ConnectionResetError):
        pass


def in_bytes(data):
    return [data[i:i + 1] for i in range(len(data))]


@pytest.mark.parametrize("name", ROWS)
def test_row_in_one_write(plain, secure, tls, name):
    data, want = ROWS[name]
    for port, use in [(plain, None), (secure, tls)]:
        with connect(port, use) as client:
            give(client, [data])
            check_answers(client, want)


@pytest.mark.parametrize("layer", ["tcp", "tls"])
def test_rows_byte_by_byte(plain, secure, tls, layer):
    port, use = (plain, None) if layer == "tcp" else (secure, tls)
    for data, want in ROWS.values():
        with connect(port, use) as client:
            give(client, in_bytes(data))
            check_answers(client, want)


def test_rows_cut_in_two(plain):
    for data, want in ROWS.values():
        if len(data) > 40:
            continue
        for at in range(1, len(data)):
            with connect(plain) as client:
                give(client, [data[:at], data[at:]])
                check_answers(client, want)


def test_rows_behind_each_other(plain, secure, tls):
    """All that end well, in one connection and one write: no row leaves
    anything behind for the next."""
    good = [(data, want) for data, want in ROWS.values()
            if all(isinstance(item, Frame) and item.opcode != CLOSE
                   for item in want)]
    assert len(good) > 15
    for port, use in [(plain, None), (secure, tls)]:
        with connect(port, use) as client:
            client.send(b"".join(data for data, _ in good) * 3)
            for _ in range(3):
                for _, want in good:
                    for item in want:
                        assert client.expect(item.opcode) == item
            client.close()


def test_connections_do_not_share_state(plain):
    """Two unfinished messages side by side, and an error beside them."""
    with connect(plain) as a, connect(plain) as b, connect(plain) as bad:
        a.send_frame(TEXT, B[:3], fin=False)
        b.send_frame(BINARY, b"\xff", fin=False)
        bad.send_frame(TEXT, b"\xff")
        bad.expect_close(1007)
        a.send(frame(CONT, B[3:])[:-1])
        b.send_frame(CONT, b"\xfe")
        assert b.expect(BINARY).payload == b"\xff\xfe"
        a.send(frame(CONT, B[3:])[-1:])
        a.expect(TEXT, U)
        a.close()
        b.close()


# ---- sizes -----------------------------------------------------------------

SIZES = [0, 1, 2, 124, 125, 126, 127, 128, 255, 256, 4096, 16383, 16384,
         16385, 32768, 65534, 65535, 65536, 65537, 262144, MIB, 2 * MIB]


@pytest.mark.parametrize("size", SIZES)
def test_sizes(plain, secure, tls, size):
    body = os.urandom(size)
    letters = random_text(size)
    for port, use in [(plain, None), (secure, tls)]:
        with connect(port, use) as client:
            client.send_frame(BINARY, body)
            client.expect(BINARY, body)
            client.send_text(letters)
            client.expect(TEXT, letters)
            # In writes of an odd size.
            data = frame(BINARY, body) + frame(PING, "end")
            for at in range(0, len(data), 10007):
                client.send(data[at:at + 10007])
            client.expect(BINARY, body)
            client.expect(PONG, b"end")
            client.close()


def test_many_small_ones_in_one_write(secure, tls):
    with connect(secure, tls) as client:
        client.send(b"".join(frame(TEXT, str(i)) for i in range(5000)))
        for i in range(5000):
            client.expect(TEXT, str(i))
        client.close()


@pytest.mark.parametrize("layer", ["tcp", "tls"])
def test_65536_fragments(plain, secure, tls, layer):
    port, use = (plain, None) if layer == "tcp" else (secure, tls)
    with connect(port, use) as client:
        pieces = [frame(BINARY, b"\0", fin=False)]
        pieces += [frame(CONT, bytes([i & 255]), fin=False)
                   for i in range(1, 65535)]
        pieces.append(frame(CONT, b"\xff"))
        client.send(b"".join(pieces))
        client.expect(BINARY, bytes(range(256)) * 256)
        # As many empty ones, with a Ping in the middle.
        client.send(frame(TEXT, fin=False) +
                    frame(CONT, fin=False) * 32000 + frame(PING) +
                    frame(CONT, fin=False) * 33534 + frame(CONT, "end"))
        client.expect(PONG)
        client.expect(TEXT, "end")
        client.close()


# ---- limits ------------------------------------------------------------------

@pytest.mark.parametrize("data,want", [
    (frame(TEXT, "x" * 600), [text("x" * 600)]),
    (frame(TEXT, "x" * 601), [Error(1009, "frame too big (601 > 600)")]),
    (head(TEXT, 601) + b"mask", [Error(1009, "frame too big")]),
    (frame(TEXT, "x" * 600, fin=False) + frame(CONT, "y" * 400),
     [text("x" * 600 + "y" * 400)]),
    (frame(TEXT, "x" * 600, fin=False) + frame(CONT, "y" * 401),
     [Error(1009, "message too big (1001 > 1000)")]),
    (frame(TEXT, "x" * 600, fin=False) + head(CONT, 401) + b"mask",
     [Error(1009, "message too big")]),
    (frame(TEXT, fin=False) + frame(CONT, fin=False) * 3 + frame(CONT),
     [text("")]),
    (frame(TEXT, fin=False) + frame(CONT, fin=False) * 4 + frame(CONT),
     [Error(1008, "fragments")]),
    # The limits are of a message, not of the connection.
    (frame(TEXT, "x" * 600) * 5, [text("x" * 600)] * 5),
], ids=range(9))
def test_limits_of_the_route(plain, data, want):
    for pieces in [[data], in_bytes(data)]:
        with connect(plain, path="/small") as client:
            give(client, pieces)
            check_answers(client, want)


def test_too_big_is_said_before_it_comes(secure, tls):
    with connect(secure, tls) as client:
        client.send(head(BINARY, 2 * MIB + 1) + b"mask")
        client.expect_close(1009, "too big")


# ---- a second opinion ----------------------------------------------------------

class Opinion:
    """wsproto at our end of a connection."""

    def __init__(self, port, tls):
        self.client = Client(port, tls)
        self.ws = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self.say(ws_events.Request(host="localhost", target="/"))
        assert isinstance(self.next(), ws_events.AcceptConnection)

    def say(self, *events):
        for event in events:
            self.client.send(self.ws.send(event))

    def next(self):
        """The next event that is not a part of a message."""
        parts = []
        while True:
            for event in self.ws.events():
                if isinstance(event, ws_events.Message):
                    parts.append(event.data)
                    if not event.message_finished:
                        continue
                    return parts[0][:0].join(parts)
                return event
            if self.client.data or self.client.recv():
                self.ws.receive_data(bytes(self.client.data))
                self.client.data.clear()
            else:
                self.ws.receive_data(None)


def test_wsproto_agrees(plain, secure, tls):
    for port, use in [(plain, None), (secure, tls)]:
        peer = Opinion(port, use)
        for size in [0, 1, 125, 126, 65535, 65536, 300000]:
            body = os.urandom(size)
            peer.say(ws_events.BytesMessage(data=body))
            assert peer.next() == body
        peer.say(ws_events.TextMessage(data="grü", message_finished=False),
                 ws_events.Ping(payload=b"now"),
                 ws_events.TextMessage(data="ße"))
        assert peer.next() == ws_events.Pong(payload=b"now")
        assert peer.next() == "grüße"
        peer.say(ws_events.CloseConnection(code=3000, reason="done"))
        answer = peer.next()
        assert isinstance(answer, ws_events.CloseConnection)
        assert answer.code == 3000
        peer.client.drop()


def test_wsproto_understands_an_error(plain):
    peer = Opinion(plain, None)
    peer.client.send_frame(TEXT, b"\xff")
    answer = peer.next()
    assert isinstance(answer, ws_events.CloseConnection)
    assert answer.code == 1007 and "UTF-8" in answer.reason
    peer.client.drop()


def test_errors_are_counted_and_logged(wssd):
    server = wssd(tcp=True)
    port = server.port()
    with connect(port) as client:
        address = "%s:%d" % client.sock.getsockname()
        client.send_frame(TEXT, "x", rsv=2)
        client.expect_close(1002)
    server.await_log(rf"{address} close 1002 reserved bit")
    totals = server.totals()
    assert totals["protocol_errors"] == totals["closed"] == 1
    assert totals["closed_abnormal"] == 0
