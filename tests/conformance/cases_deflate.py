# SPDX-License-Identifier: MIT
"""Groups 12 and 13: permessage-deflate (RFC 7692) with data of several kinds
and with all parameters; and the rest of that RFC as 12.9."""
import json
import random
import zlib

from case import (Case, Wrong, binary, close, cont, expect_end,
                  expect_frames, next_frame, ping, text, write)
from clients import BINARY, CONT, PONG, TEXT, frame

OFFER = "Sec-WebSocket-Extensions"
TAIL = b"\0\0\xff\xff"
RSV1 = 4
SNT, CNT = "server_no_context_takeover", "client_no_context_takeover"
SB, CB = "server_max_window_bits", "client_max_window_bits"

# (bytes of a message, bytes of a fragment or none)
SIZES = [(16, 0), (64, 0), (256, 0), (1024, 0), (4096, 0), (8192, 0),
         (16384, 0), (32768, 0), (65536, 0), (131072, 0), (8192, 256),
         (16384, 256), (32768, 256), (65536, 256), (131072, 256),
         (131072, 1024), (131072, 4096), (131072, 32768)]


# ---- data ------------------------------------------------------------------

WORDS = ("the quick brown fox jumps over a lazy dog while nobody looks and "
         "every window of the house is open to let some air in").split()


def _json(rng):
    return json.dumps([{"id": i, "user": rng.choice(WORDS),
                        "text": " ".join(rng.choices(WORDS, k=8)),
                        "price": rng.random()} for i in range(1400)])


def _prose(rng):
    return ". ".join(" ".join(rng.choices(WORDS, k=12)).capitalize()
                     for _ in range(3000)).replace("o", "ö")


def _html(rng):
    return "<html>" + "".join(
        f'<tr class="row{i % 2}"><td>{rng.choice(WORDS)}</td><td><a '
        f'href="/{i}">{rng.randrange(10 ** 6)}</a></td></tr>\n'
        for i in range(2500)) + "</html>"


def _picture(rng):
    return bytes((x * y // 64 + rng.randrange(4)) & 255
                 for y in range(400) for x in range(400))


def data_of(kind):
    rng = random.Random(7692)
    if kind == "noise":
        return BINARY, rng.randbytes(140000)
    made = {"JSON": _json, "a picture": _picture, "prose": _prose,
            "HTML": _html}[kind](rng)
    return (BINARY, made) if isinstance(made, bytes) else \
        (TEXT, made.encode("utf-8"))


KINDS = ["JSON", "a picture", "prose", "HTML", "noise"]
DATA = {}


# ---- one side of the extension -----------------------------------------

class Deflate:
    """The client's, by the book: what the server has agreed to."""

    def __init__(self, answer):
        name, *params = [p.strip() for p in answer.split(";")]
        assert name == "permessage-deflate", answer
        self.params = dict(p.partition("=")[::2] for p in params)
        assert len(self.params) == len(params), answer
        self.out = self.back = None

    def compress(self, data):
        if self.out is None or CNT in self.params:
            self.out = zlib.compressobj(
                6, wbits=-int(self.params.get(CB) or 15))
        data = self.out.compress(data) + self.out.flush(zlib.Z_SYNC_FLUSH)
        assert data.endswith(TAIL)
        return data[:-4]

    def decompress(self, data):
        if self.back is None or SNT in self.params:
            self.back = zlib.decompressobj(-int(self.params.get(SB) or 15))
        return self.back.decompress(data + TAIL)


def negotiate(server, path, offer):
    client = server.client()
    try:
        answer = client.upgrade(path, extra=[(OFFER, offer)])
        return client, answer.headers.get(OFFER.lower())
    except BaseException:
        client.drop()
        raise


def send_compressed(client, opcode, data, part):
    part = part or max(len(data), 1)
    parts = [data[i:i + part] for i in range(0, len(data), part)] or [b""]
    write(client, [b"".join(
        frame(CONT if i else opcode, p, fin=i == len(parts) - 1,
              rsv=0 if i else RSV1) for i, p in enumerate(parts))])


def exchange(client, deflate, opcode, data, part):
    send_compressed(client, opcode, deflate.compress(data), part)
    got = next_frame(client)
    if got is None or got.opcode != opcode or not got.fin:
        raise Wrong(f"{got or client.end} instead of the message")
    if got.rsv not in (0, RSV1):
        raise Wrong(f"reserved bits {got.rsv}")
    back = deflate.decompress(got.payload) if got.rsv else got.payload
    if back != data:
        raise Wrong("another message comes back")
    return len(got.payload)


def echo(kind, size, part, path, offer, agreed):
    """The messages are pieces of the data, one behind the other."""
    def run(server):
        opcode, data = DATA.setdefault(kind, data_of(kind))
        times = 1000 if server.full else 3
        client, answer = negotiate(server, path, offer)
        with client:
            if answer is None:
                raise Wrong("the offer was declined")
            deflate = Deflate(answer)
            if not agreed(deflate.params):
                raise Wrong(f"it was answered {answer}")
            at = 0
            for _ in range(times):
                piece = (data[at:] + data)[:size]
                if opcode == TEXT:
                    piece = piece.decode("utf-8", "ignore").encode()
                exchange(client, deflate, opcode, piece, part)
                at = (at + size) % len(data)
            write(client, [close(1000)])
            expect_end(client, 1000)
    return run


def kinds():
    for k, kind in enumerate(KINDS, 1):
        for i, (size, part) in enumerate(SIZES, 1):
            what = f"{size} bytes of {kind}" + (
                f" in fragments of {part}" if part else "")
            yield Case(f"12.{k}.{i}", what, run=echo(
                kind, size, part, "/dedicated", "permessage-deflate; " + CB,
                lambda p: SNT not in p and CNT not in p), group=kind)


PARAMS = [
    ("no parameters", "permessage-deflate", "/dedicated",
     lambda p: p == {}),
    ("no takeover by the server", f"permessage-deflate; {SNT}", "/dedicated",
     lambda p: SNT in p),
    ("windows of 9", f"permessage-deflate; {SB}=9; {CB}=9", "/dedicated",
     lambda p: (p[SB], p[CB]) == ("9", "9")),
    ("windows of 15", f"permessage-deflate; {SB}=15; {CB}", "/dedicated",
     lambda p: p[SB] == "15"),
    ("no takeover, windows of 9",
     f"permessage-deflate; {SNT}; {CNT}; {SB}=9; {CB}=9", "/dedicated",
     lambda p: SNT in p and CNT in p and (p[SB], p[CB]) == ("9", "9")),
    ("shared by the server's wish", f"permessage-deflate; {CB}", "/shared",
     lambda p: SNT in p and CNT in p),
    ("the second offer is the first that can be had",
     f"permessage-deflate; {SB}=8, permessage-deflate; {SNT}; {SB}=9, "
     "permessage-deflate", "/dedicated",
     lambda p: SNT in p and p[SB] == "9"),
]


def params():
    for k, (what, offer, path, agreed) in enumerate(PARAMS, 1):
        for i, (size, part) in enumerate(SIZES, 1):
            yield Case(f"13.{k}.{i}", f"{size} bytes" + (
                f" in fragments of {part}" if part else ""), run=echo(
                    "JSON", size, part, path, offer, agreed), group=what)


# ---- what the original does not ask ---------------------------------------

HELLO = b"\xf2\x48\xcd\xc9\xc9\x07\x00"


def squeeze(data):
    z = zlib.compressobj(wbits=-15)
    return (z.compress(data) + z.flush(zlib.Z_SYNC_FLUSH))[:-4]


def after_offer(offer, send, want, end=None, path="/shared"):
    def run(server):
        client, answer = negotiate(server, path, offer)
        with client:
            if answer is None:
                raise Wrong("the offer was declined")
            write(client, send)
            expect_frames(client, want)
            if end is None:
                write(client, [close(1000)])
            expect_end(client, end or 1000)
    return run


def declined(offer):
    def run(server):
        client, answer = negotiate(server, "/dedicated", offer)
        with client:
            if answer is not None:
                raise Wrong(f"it was answered {answer}")
            write(client, [text("Hello"), text(HELLO, rsv=RSV1)])
            expect_frames(client, [(TEXT, "Hello")])
            expect_end(client, 1002)
    return run


PD = "permessage-deflate"
HELLOS = [(TEXT, "Hello")]
EXAMPLES = [
    ("one block", [text(HELLO, rsv=RSV1)], HELLOS, None),
    ("in two fragments", [text(HELLO[:3], rsv=RSV1, fin=False),
                          cont(HELLO[3:])], HELLOS, None),
    ("no compression", [text(b"\0\5\0\xfa\xffHello\0", rsv=RSV1)], HELLOS,
     None),
    ("BFINAL", [text(b"\xf3\x48\xcd\xc9\xc9\x07\0\0", rsv=RSV1)], HELLOS,
     None),
    ("two blocks", [text(b"\xf2\x48\x05\0\0\0\xff\xff\xca\xc9\xc9\x07\0",
                         rsv=RSV1)], HELLOS, None),
    ("empty message", [text(b"\0", rsv=RSV1)], [(TEXT, "")], None),
    ("a message that is not compressed", [text("Hello")], HELLOS, None),
    ("a ping between compressed fragments",
     [text(HELLO[:3], rsv=RSV1, fin=False), ping(b"p"), cont(HELLO[3:])],
     [(PONG, b"p")] + HELLOS, None),
    ("RSV1 on a continuation",
     [text(HELLO[:3], rsv=RSV1, fin=False), cont(HELLO[3:], rsv=RSV1)], [],
     1002),
    ("RSV1 on a ping", [ping(rsv=RSV1)], [], 1002),
    ("RSV1 on a close", [close(1000, rsv=RSV1)], [], 1002),
    ("RSV2 beside RSV1", [text(HELLO, rsv=RSV1 | 2)], [], 1002),
    ("nothing at all", [text(b"", rsv=RSV1)], [], 1007),
    ("the end is missing", [text(HELLO[:4], rsv=RSV1)], [], 1007),
    ("no DEFLATE data", [text(b"\xff\xff\xff", rsv=RSV1)], [], 1007),
    ("text that is not UTF-8", [text(squeeze(b"\xc0"), rsv=RSV1)], [], 1007),
    ("a message of more than max_message",
     [binary(squeeze(bytes(20 << 20)), rsv=RSV1)], [], 1009),
    ("takeover that was not agreed on",
     [text(HELLO, rsv=RSV1), text(b"\xf2\0\x11\0\0", rsv=RSV1)], HELLOS,
     1007),
]
OFFERS = [
    ("unknown parameter", f"{PD}; unknown"),
    ("parameter twice", f"{PD}; {SNT}; {SNT}"),
    ("flag with a value", f"{PD}; {CNT}=1"),
    ("window without a value", f"{PD}; {SB}"),
    ("window of 7", f"{PD}; {SB}=7"),
    ("window of 16", f"{PD}; {CB}=16"),
    ("window of 08", f"{PD}; {CB}=08"),
    ("window of 8, which zlib does not have", f"{PD}; {SB}=8"),
    ("another extension", "x-webkit-deflate-frame"),
]


def examples():
    for i, (what, send, want, end) in enumerate(EXAMPLES, 1):
        yield Case(f"12.9.{i}", what, run=after_offer(PD, send, want, end),
                   group="RFC 7692, sections 6 and 7.2")

    def second_is_smaller(server):
        client, answer = negotiate(server, "/dedicated", PD)
        with client:
            deflate = Deflate(answer)
            data = b'{"who": "somebody", "what": "something"}' * 3
            first = exchange(client, deflate, TEXT, data, 0)
            if exchange(client, deflate, TEXT, data, 0) * 2 > first:
                raise Wrong("the second is no smaller")
            write(client, [close(1000)])
            expect_end(client, 1000)
    yield Case(f"12.9.{len(EXAMPLES) + 1}", "takeover both ways",
               run=second_is_smaller, group="RFC 7692, sections 6 and 7.2")
    for i, (what, offer) in enumerate(OFFERS, 1):
        yield Case(f"13.9.{i}", what, run=declined(offer),
                   group="offers that are declined")


def cases():
    yield from kinds()
    yield from params()
    yield from examples()
