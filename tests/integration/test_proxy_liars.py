# SPDX-License-Identifier: MIT
"""handler = proxy against servers that lie: one clear sentence, and nothing
else is lost."""
import re

import pytest

from backends import Backend, Liar, answer, upstream_open
from clients import BINARY, CLOSE, TEXT, Client, close_payload, \
    connect, frame, head, request
from wait import until

ANSWERS = [
    ("accept", lambda a: answer(a, "Sec-WebSocket-Accept: " + "A" * 27 + "="),
     "wrong Sec-WebSocket-Accept"),
    ("no accept", lambda a: answer(a, "Sec-WebSocket-Accept:"),
     "101 without exactly one Sec-WebSocket-Accept"),
    ("upgrade", lambda a: answer(a, "Upgrade: h2c"),
     "101 without Upgrade: websocket"),
    ("connection", lambda a: answer(a, "Connection: close"),
     "101 without Connection: upgrade"),
    ("extension", lambda a: answer(
        a, "Sec-WebSocket-Extensions: permessage-deflate"),
     "an extension that was not offered"),
    ("subprotocol", lambda a: answer(a, "Sec-WebSocket-Protocol: chat"),
     "a subprotocol that was not offered"),
    ("http/1.0", lambda a: answer(a, "HTTP/1.0 101 Yes"), "101 in HTTP/1.0"),
    ("garbage", lambda a: b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
     "no answer in HTTP/1.1"),
    ("status", lambda a: b"HTTP/1.1 1o1 Yes\r\n\r\n", "malformed status"),
    ("folding", lambda a: answer(a, "X-A: b\r\n c"), "line folding"),
    ("bare lf", lambda a: answer(a).replace(b"\r\n", b"\n"),
     "line of the head without CRLF"),
    ("nul", lambda a: answer(a, "X-A: b\0c"), "control byte in the head"),
    ("no name", lambda a: answer(a)[:-2] + b": x\r\n\r\n", "malformed"),
    ("huge", lambda a: answer(a)[:-2] + b"X: " + b"y" * 20000,
     "longer than 16384 bytes"),
    ("many", lambda a: answer(a)[:-2] + b"X: y\r\n" * 200 + b"\r\n",
     "more than 128 header fields"),
    ("hang up", None, "hung up instead of answering"),
]

FRAMES = [
    ("masked", frame(TEXT, "x"), "frame with a mask from a server"),
    ("rsv", frame(TEXT, "x", rsv=4, mask=None), "reserved bit"),
    ("opcode", frame(3, "x", mask=None), "unknown opcode 0x3"),
    ("utf-8", frame(TEXT, b"\xff", mask=None), "text is not UTF-8"),
    ("big", head(BINARY, 1 << 40, masked=False), "message too big"),
    ("code", frame(CLOSE, close_payload(1006), mask=None),
     "invalid close code 1006"),
    ("garbage", b"GET / HTTP/1.1\r\n\r\n", "reserved bit|unknown opcode"),
]


def lie(make):
    """What a Liar does that gives this answer."""
    def talk(sock, asked):
        if make is None:
            sock.shutdown(2)
        else:
            sock.sendall(make(asked))
    return talk


def bytewise(sock, data):
    for i in range(len(data)):
        sock.sendall(data[i:i + 1])


SAID = {}  # what was sent to the liars of FRAMES, by path


def begin_well(path, data, send):
    """What a Liar does whose lie comes later."""
    SAID[path] = bytearray()

    def talk(sock, asked):
        sock.sendall(answer(asked) + frame(TEXT, "first", mask=None))
        send(sock, data)
        while got := sock.recv(65536):
            SAID[path] += got
    return talk


def one_piece(sock, asked):
    """A server may send right behind its 101, and close."""
    sock.sendall(answer(asked) + frame(TEXT, "hello", mask=None) +
                 frame(CLOSE, close_payload(4000, "done"), mask=None))


def early_hints(sock, asked):
    sock.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" +
                 answer(asked) + frame(TEXT, "hello", mask=None))


def byte_by_byte(sock, asked):
    bytewise(sock, answer(asked, "Set-Cookie: a=b") +
             frame(TEXT, "hello", mask=None))


def path_of(name, suffix=""):
    return "/" + name.replace(" ", "-").replace("/", "-") + suffix


def talks():
    """What is said under which path."""
    found = {path_of(name): lie(make) for name, make, _ in ANSWERS}
    for name, data, _ in FRAMES:
        for suffix, send in (("/whole", lambda s, d: s.sendall(d)),
                             ("/bytes", bytewise)):
            path = path_of(f"frame {name}", suffix)
            found[path] = begin_well(path, data, send)
    found["/mask"] = begin_well("/mask", b"", bytewise)
    found["/one-piece"] = one_piece
    found["/early-hints"] = early_hints
    found["/byte-by-byte"] = byte_by_byte
    return found


@pytest.fixture(scope="module")
def proxy(wssd_module):
    """Many liars, and one under / who tells the truth."""
    liars = {path: Liar(talk) for path, talk in talks().items()}
    with Backend() as good:
        sections = {f"route {path}": {"handler": "proxy",
                                      "upstream": liar.url}
                    for path, liar in liars.items()}
        sections["route /"] = {"handler": "proxy", "upstream": good.url}
        one = wssd_module(sections, tcp=True)
        one.the_port = one.port()
        with connect(one.the_port) as other:
            yield one
            other.echo()
            until(lambda: upstream_open(one) == 1, "nothing else is left")
    for liar in liars.values():
        liar.__exit__()


@pytest.mark.parametrize("name,sentence", [(a[0], a[2]) for a in ANSWERS],
                         ids=[a[0] for a in ANSWERS])
def test_an_answer_that_is_wrong(proxy, name, sentence):
    with Client(proxy.the_port) as client:
        assert client.ask(request(path_of(name))).status == 502
    proxy.await_log(rf"route {path_of(name)}: upstream \S+ fails: .*"
                    + re.escape(sentence))


@pytest.mark.parametrize("name,sentence", [(f[0], f[2]) for f in FRAMES],
                         ids=[f[0] for f in FRAMES])
@pytest.mark.parametrize("suffix", ["/whole", "/bytes"])
def test_frames_that_are_wrong(proxy, name, sentence, suffix):
    path = path_of(f"frame {name}", suffix)
    with connect(proxy.the_port, path=path) as client:
        client.expect(TEXT, "first")
        got = client.expect(CLOSE)
        assert got.code == 1014
        assert re.search(sentence, got.reason), got
    proxy.await_log(rf"route {path}: upstream \S+ is lost: .*({sentence})")
    # It was told, with a masked Close.
    until(lambda: len(SAID[path]) > 8, "it was told")
    assert SAID[path][0] == 0x88 and SAID[path][1] & 0x80


def test_what_comes_in_one_piece_with_the_answer(proxy):
    with connect(proxy.the_port, path="/one-piece") as client:
        client.expect(TEXT, "hello")
        got = client.expect(CLOSE)
        assert (got.code, got.reason) == (4000, "done")


@pytest.mark.parametrize("path", ["/early-hints", "/byte-by-byte"])
def test_an_answer_that_is_right(proxy, path):
    with connect(proxy.the_port, path=path) as client:
        client.expect(TEXT, "hello")


def test_every_frame_is_masked_anew(proxy):
    said = SAID["/mask"]
    with connect(proxy.the_port, path="/mask") as client:
        client.expect(TEXT, "first")
        for _ in range(50):
            client.send_text("same")
        until(lambda: len(said) == 50 * 10, "all frames are there")
    masks = set()
    for at in range(0, 500, 10):
        assert said[at:at + 2] == b"\x81\x84"
        masks.add(bytes(said[at + 2:at + 6]))
    assert len(masks) > 45
