# SPDX-License-Identifier: MIT
"""Group H: the opening handshake (RFC 6455, section 4, and RFC 9112).  The
suite that the other numbers come from has no such cases."""
from case import Case, Wrong, close, expect_end, expect_frames, text, write
from clients import KEY, TEXT, accept_of, request

HOST = b"Host: localhost\r\n"
REST = (b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: " + KEY.encode() + b"\r\n"
        b"Sec-WebSocket-Version: 13\r\n")
GET = b"GET /echo HTTP/1.1\r\n"


def R(path="/echo", **fields):
    return request(path, **fields)


def X(*lines):
    return R(extra=lines)


def EXT(offer):
    return X(("Sec-WebSocket-Extensions", offer))


ACCEPTED = [
    ("the least there can be", R()),
    ("header names in any case", GET + HOST.lower() + REST.replace(
        b"Upgrade:", b"uPGRADE:").replace(b"Sec-", b"sEC-") + b"\r\n"),
    ("Upgrade: WebSocket", R(upgrade="WebSocket")),
    ("Connection: keep-alive, Upgrade", R(connection="keep-alive, Upgrade")),
    ("Connection: UPGRADE", R(connection="UPGRADE")),
    ("Upgrade: h2c, websocket", R(upgrade="h2c, websocket")),
    ("no space behind the colon", R().replace(b": ", b":")),
    ("space around a value", R(version=" \t13 \t")),
    ("a query", R("/echo?a=b&c=%20?/")),
    ("a port in Host", R(host="localhost:8443")),
    ("an IPv6 address in Host", R(host="[::1]:8443")),
    ("Origin", X(("Origin", "https://example.org"))),
    ("no Origin", R()),
    ("a subprotocol that nobody has", X(("Sec-WebSocket-Protocol", "x, y"))),
    ("extensions that nobody has", EXT('foo; bar="baz"; x, y;z = 1')),
    ("Content-Length: 0", X(("Content-Length", "0"))),
    ("an empty line before the request", b"\r\n" + R()),
    ("headers that are not known", X("X-A: b", "Cookie: a=b; c=d",
                                     "X-Empty:")),
    ("any bytes above 127 in a value", X("X: \xfc\xff")),
    ("key with its unused bits set", R(key="AAAAAAAAAAAAAAAAAAAAA/==")),
]

REFUSED = [
    ("Host", [
        ("no Host", R(host=None), 400),
        ("two Hosts", X(("Host", "localhost")), 400),
        ("two different Hosts", X(("Host", "other")), 400),
        ("empty Host", R(host=""), 400),
        ("space in Host", R(host="a b"), 400),
        ("slash in Host", R(host="a/b"), 400),
        ("user in Host", R(host="user@localhost"), 400),
        ("port of letters", R(host="localhost:x"), 400),
        ("port of six digits", R(host="localhost:123456"), 400),
        ("bracket not closed", R(host="[::1"), 400),
        ("comma in Host", R(host="a, b"), 400)]),
    ("bodies and what stands behind the request", [
        ("Content-Length: 5", X(("Content-Length", "5")), 400),
        ("Content-Length: 5 and the body",
         X(("Content-Length", "5")) + b"hello", 400),
        ("Content-Length: +0", X(("Content-Length", "+0")), 400),
        ("Content-Length: -1", X(("Content-Length", "-1")), 400),
        ("Content-Length: 0x0", X(("Content-Length", "0x0")), 400),
        ("Content-Length twice", X(("Content-Length", "0"),
                                   ("Content-Length", "0")), 400),
        ("Transfer-Encoding: chunked", X(("Transfer-Encoding",
                                          "chunked")), 400),
        ("Transfer-Encoding: chunked, with a body",
         X(("Transfer-Encoding", "chunked")) + b"0\r\n\r\n", 400),
        ("Transfer-Encoding: identity", X(("Transfer-Encoding",
                                           "identity")), 400),
        ("both", X(("Content-Length", "0"),
                   ("Transfer-Encoding", "chunked")), 400),
        ("a frame behind the request", R() + text("early"), 400),
        ("a ping behind the request", R() + b"\x89\x80mask", 400),
        ("a request behind the request", R() + R(), 400)]),
    ("version of HTTP", [
        ("HTTP/1.0", R(protocol="HTTP/1.0"), 505),
        ("HTTP/1.2", R(protocol="HTTP/1.2"), 505),
        ("HTTP/2.0", R(protocol="HTTP/2.0"), 505),
        ("HTTP/3", R(protocol="HTTP/3"), 400),
        ("HTTP/01.1", R(protocol="HTTP/01.1"), 400),
        ("http/1.1", R(protocol="http/1.1"), 400),
        ("HTTP/1.1 with a word behind", R(protocol="HTTP/1.1 x"), 400),
        ("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("HTTP/0.9", b"GET /echo\r\n\r\n", 400)]),
    ("lines", [
        ("bare LF everywhere", R().replace(b"\r\n", b"\n"), 400),
        ("one bare LF", GET + b"Host: localhost\n" + REST + b"\r\n", 400),
        ("bare LF behind the request line",
         b"GET /echo HTTP/1.1\n" + HOST + REST + b"\r\n", 400),
        ("bare LF at the end", GET + HOST + REST + b"\n", 400),
        ("bare CR in a value", X("X: a\rb"), 400),
        ("CR CR LF", X("X: a\r"), 400),
        ("folded value", X("X: a\r\n b"), 400),
        ("folded with a tab", X("X: a\r\n\tb"), 400),
        ("folded first line", GET + b" X: y\r\n" + HOST + REST + b"\r\n",
         400),
        ("NUL in a value", X("X: a\0b"), 400),
        ("NUL in a name", X("X\0: b"), 400),
        ("NUL in the target", R("/ec\0ho"), 400),
        ("control byte in a value", X("X: a\x01b"), 400),
        ("DEL in a value", X("X: a\x7fb"), 400),
        ("space before the colon", X("X : y"), 400),
        ("no name", X(": y"), 400),
        ("no colon", X("nonsense"), 400),
        ("name that is no token", X("X(Y): z"), 400),
        ("name with a byte above 127", X("X\xfc: z"), 400)]),
    ("method and target", [
        ("POST", R(method="POST"), 405),
        ("HEAD", R(method="HEAD"), 405),
        ("CONNECT", b"CONNECT localhost:443 HTTP/1.1\r\n" + HOST + REST +
         b"\r\n", 400),
        ("get", R(method="get"), 400),
        ("a method that nobody knows", R(method="FOO"), 400),
        ("absolute form", R("https://localhost/echo"), 400),
        ("asterisk form", R("*"), 400),
        ("no slash", R("echo"), 400),
        ("fragment", R("/echo#x"), 400),
        ("space in the target", R("/ec ho"), 400),
        ("two spaces", R(" /echo"), 400),
        ("tab instead of a space", GET.replace(b" /", b"\t/") + HOST +
         REST + b"\r\n", 400),
        ("byte above 127 in the target", R("/\xff"), 400),
        ("a path that is not there", R("/nowhere"), 404)]),
    ("Upgrade and Connection", [
        ("no Upgrade", R(upgrade=None), 426),
        ("empty Upgrade", R(upgrade=""), 426),
        ("Upgrade: websockets", R(upgrade="websockets"), 426),
        ("Upgrade: websocket/13", R(upgrade="websocket/13"), 426),
        ("Upgrade: h2c", R(upgrade="h2c"), 426),
        ("no Connection", R(connection=None), 400),
        ("Connection: close", R(connection="close"), 400),
        ("Connection: upgrades", R(connection="upgrades"), 400),
        ("Connection: \"Upgrade\"", R(connection='"Upgrade"'), 400)]),
    ("Sec-WebSocket-Version", [
        ("no version", R(version=None), 426),
        ("empty", R(version=""), 426),
        ("+13", R(version="+13"), 426),
        ("013", R(version="013"), 426),
        ("13.0", R(version="13.0"), 426),
        ("0xd", R(version="0xd"), 426),
        ("8", R(version="8"), 426),
        ("14", R(version="14"), 426),
        ("113", R(version="113"), 426),
        ("13, 8", R(version="13, 8"), 426),
        ("twice", X(("Sec-WebSocket-Version", "13")), 400)]),
    ("Sec-WebSocket-Key", [
        ("no key", R(key=None), 400),
        ("empty", R(key=""), 400),
        ("15 bytes", R(key="AAAAAAAAAAAAAAAAAAAA"), 400),
        ("17 bytes", R(key="AAAAAAAAAAAAAAAAAAAAAAA="), 400),
        ("18 bytes", R(key="A" * 24), 400),
        ("without padding", R(key="A" * 22), 400),
        ("base64url", R(key="dGhlIHNhbXBsZSBub25_ZQ=="), 400),
        ("space inside", R(key="dGhlIHNhbXBs ZSBub25jZQ=="), 400),
        ("twice", X(("Sec-WebSocket-Key", KEY)), 400)]),
    ("Sec-WebSocket-Protocol", [
        ("empty", X(("Sec-WebSocket-Protocol", "")), 400),
        ("no token", X(("Sec-WebSocket-Protocol", "a b")), 400),
        ("quoted", X(("Sec-WebSocket-Protocol", '"a"')), 400),
        ("one of them twice", X(("Sec-WebSocket-Protocol", "a, b, a")),
         400)]),
    ("Sec-WebSocket-Extensions", [
        ("empty", EXT(""), 400),
        ("only commas", EXT(", ,"), 400),
        ("; in front", EXT("; a"), 400),
        ("; at the end", EXT("a;"), 400),
        (";;", EXT("a;;b"), 400),
        ("= without a value", EXT("a; b="), 400),
        ("= without a name", EXT("a; =b"), 400),
        ("value of the extension itself", EXT("a=b"), 400),
        ("two words", EXT("a b"), 400),
        ("empty quotes", EXT('a; b=""'), 400),
        ("quotes not closed", EXT('a; b="c'), 400),
        ("space in quotes", EXT('a; b="c d"'), 400),
        ("comma in quotes", EXT('a; b="c,d"'), 400),
        ("the second is broken", EXT("permessage-deflate, b;"), 400)]),
    ("Origin", [
        ("twice", X(("Origin", "https://a"), ("Origin", "https://a")), 400),
        ("not on the list", R("/origin", extra=[("Origin",
                                                 "https://evil.example")]),
         403),
        ("on the list, with more behind",
         R("/origin", extra=[("Origin", "https://example.org.evil")]),
         403)]),
    ("size", [
        ("a head of 9000 bytes", X("X: " + "y" * 9000), 431),
        ("a request line without an end", b"GET /" + b"x" * 9000, 431),
        ("128 headers", X(*[f"X{i}: y" for i in range(128)]), 431)]),
]


def accepted(data, chop):
    def run(server):
        with server.client() as client:
            if chop:
                client.send_bytewise(data)
            else:
                write(client, [data])
            answer = client.read_answer()
            if answer.status != 101:
                raise Wrong(f"{answer.status} {answer.body}")
            key = data.lower().partition(b"sec-websocket-key:")[0]
            key = data[len(key) + 18:].partition(b"\r\n")[0].strip().decode()
            want = {"upgrade": "websocket", "connection": "upgrade",
                    "sec-websocket-accept": accept_of(key)}
            got = {n: v if n.startswith("sec-") else v.lower()
                   for n, v in answer.headers.items()}
            if {n: got.get(n) for n in want} != want:
                raise Wrong(f"its headers are {answer.headers}")
            if set(got) & {"sec-websocket-extensions",
                           "sec-websocket-protocol"}:
                raise Wrong("it agrees to what it was not asked")
            write(client, [text("Hello"), close(1000)])
            expect_frames(client, [(TEXT, "Hello")])
            expect_end(client, 1000)
    return run


def refused(data, status):
    def run(server):
        with server.client() as client:
            write(client, [data])
            answer = client.read_answer()
            if answer.status != status:
                raise Wrong(f"{answer.status} instead of {status}")
            if answer.headers.get("connection", "").lower() != "close" and \
                    "close" not in answer.headers.get("connection", ""):
                raise Wrong("the answer does not say Connection: close")
            # RFC 6455, 4.4; RFC 9110, 15.5.6 and 15.5.22
            if status == 426 and (
                    answer.headers.get("sec-websocket-version") != "13" or
                    answer.headers.get("upgrade") != "websocket"):
                raise Wrong(f"426 with {answer.headers}")
            if status == 405 and answer.headers.get("allow") != "GET":
                raise Wrong(f"405 with {answer.headers}")
            if client.recv() or client.data:
                raise Wrong("more behind the answer")
            if client.end != "close_notify":
                raise Wrong(f"{client.end} behind the answer")
    return run


def cases():
    for i, (what, data) in enumerate(ACCEPTED, 1):
        yield Case(f"H.1.{i}", what, run=accepted(data, False),
                   group="accepted")
    for i, (what, data) in enumerate(ACCEPTED, 1):
        yield Case(f"H.2.{i}", what, run=accepted(data, True),
                   group="accepted, byte by byte")
    for section, (group, rows) in enumerate(REFUSED, 3):
        for i, (what, data, status) in enumerate(rows, 1):
            yield Case(f"H.{section}.{i}", f"{what}: {status}",
                       run=refused(data, status), group=f"refused: {group}")
