# SPDX-License-Identifier: MIT
"""Groups 1 to 5 and 7: framing, pings, reserved bits, opcodes, fragments,
the closing handshake (RFC 6455, sections 5 and 7)."""
from case import Case, binary, cont, close, ping, pong, text
from clients import BINARY, CLOSE, PING, PONG, TEXT, frame

HELLO = "Hello, world!"
ECHO = [(TEXT, HELLO)]
SIZES = [0, 125, 126, 127, 128, 65535, 65536]
SMALL = b"payload"
BYTES = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
A125 = b"\xfe" * 125


def whole_messages():
    group = "text messages of all sizes of header"
    for i, n in enumerate(SIZES, 1):
        yield Case(f"1.1.{i}", f"text of {n} bytes", [text("*" * n)],
                   want=[(TEXT, "*" * n)], group=group)
    yield Case("1.1.8", "text of 65536 bytes, 997 at a time",
               [text("*" * 65536)], 997, [(TEXT, "*" * 65536)], group=group)
    group = "binary messages of all sizes of header"
    for i, n in enumerate(SIZES, 1):
        yield Case(f"1.2.{i}", f"binary of {n} bytes",
                   [binary(b"\xfe" * n)], want=[(BINARY, b"\xfe" * n)],
                   group=group)
    yield Case("1.2.8", "binary of 65536 bytes, 997 at a time",
               [binary(b"\xfe" * 65536)], 997,
               [(BINARY, b"\xfe" * 65536)], group=group)


def pings():
    ten = [ping(b"payload-%d" % i) for i in range(10)]
    answers = [(PONG, b"payload-%d" % i) for i in range(10)]
    rows = [
        ("empty ping", [ping()], "all", [(PONG, b"")], None),
        ("ping with a text", [ping(HELLO)], "all", [(PONG, HELLO)], None),
        ("ping with bytes", [ping(BYTES)], "all", [(PONG, BYTES)], None),
        ("ping of 125 bytes", [ping(A125)], "all", [(PONG, A125)], None),
        ("ping of 126 bytes", [ping(A125 + b"\xfe")], "all", [], 1002),
        ("ping of 125 bytes, byte by byte", [ping(A125)], 1,
         [(PONG, A125)], None),
        ("empty pong nobody asked for", [pong()], "all", [], None),
        ("pong with a payload nobody asked for", [pong(SMALL)], "all", [],
         None),
        ("a pong nobody asked for, then a ping", [pong(SMALL), ping(BYTES)],
         "all", [(PONG, BYTES)], None),
        ("ten pings", ten, "all", answers, None),
        ("ten pings, byte by byte", ten, 1, answers, None),
    ]
    for i, (what, send, chop, want, end) in enumerate(rows, 1):
        yield Case(f"2.{i}", what, send, chop, want, end,
                   group="pings and pongs")


def reserved_bits():
    rows = [
        ("text with RSV 1", [text(HELLO, rsv=1)], "all", []),
        ("text, text with RSV 2, ping",
         [text(HELLO), text(HELLO, rsv=2), ping()], "all", ECHO),
        ("text, text with RSV 3, ping, frame by frame",
         [text(HELLO), text(HELLO, rsv=3), ping()], "frame", ECHO),
        ("text, text with RSV 4, ping, byte by byte",
         [text(HELLO), text(HELLO, rsv=4), ping()], 1, ECHO),
        ("binary with RSV 5", [binary(BYTES, rsv=5)], "all", []),
        ("ping with RSV 6", [ping(SMALL, rsv=6)], "all", []),
        ("close with RSV 7", [close(1000, rsv=7)], "all", []),
    ]
    for i, (what, send, chop, want) in enumerate(rows, 1):
        yield Case(f"3.{i}", what, send, chop, want, 1002,
                   group="reserved bits")


def opcodes():
    for section, first, kind in [(1, 3, "data"), (2, 11, "control")]:
        rows = [
            ([frame(first)], "all", []),
            ([frame(first + 1, SMALL)], "all", []),
            ([text(HELLO), frame(first + 2), ping()], "frame", ECHO),
            ([text(HELLO), frame(first + 3, SMALL), ping()], "frame", ECHO),
            ([text(HELLO), frame(first + 4, SMALL), ping()], 1, ECHO),
        ]
        for i, (send, chop, want) in enumerate(rows):
            yield Case(f"4.{section}.{i + 1}", f"opcode {first + i}", send,
                       chop, want, 1002, group=f"unknown {kind} opcodes")


def fragments():
    group = "fragmentation"
    two = [text("frag1", fin=False), cont("frag2")]
    got = [(TEXT, "frag1frag2")]
    mid = [two[0], ping(SMALL), two[1]]
    pings5 = [text("f1", fin=False), cont("f2", False), ping(b"p1"),
              cont("f3", False), cont("f4", False), ping(b"p2"), cont("f5")]
    got5 = [(PONG, b"p1"), (PONG, b"p2"), (TEXT, "f1f2f3f4f5")]
    chops = ["all", "frame", 1]
    rows = [
        ("ping in two fragments", [ping("a", fin=False), cont("b")], "all",
         [], 1002),
        ("pong in two fragments", [pong("a", fin=False), cont("b")], "all",
         [], 1002)]
    rows += [("text in two fragments", two, c, got, None) for c in chops]
    rows += [("a ping between two fragments", mid, c, [(PONG, SMALL)] + got,
              None) for c in chops]
    rows += [("continuation of nothing, then text",
              [cont("x"), text(HELLO)], c, [], 1002) for c in chops]
    rows += [("unfinished continuation of nothing, then text",
              [cont("x", False), text(HELLO)], c, [], 1002) for c in chops]
    rows += [
        ("a message in fragments, continuation of nothing, text",
         two + [cont("x", False), text(HELLO)], "all", got, 1002),
        ("unfinished continuation of nothing, message in fragments, twice",
         2 * ([cont("x", False)] + two), "all", [], 1002),
        ("continuation of nothing, message in fragments, twice",
         2 * ([cont("x")] + two), "all", [], 1002),
        ("two fragments that both say text",
         [text("a", fin=False), text("b")], "all", [], 1002),
        ("five fragments and two pings", pings5, "all", got5, None),
        ("five fragments and two pings, frame by frame", pings5, "frame",
         got5, None)]
    for i, (what, send, chop, want, end) in enumerate(rows, 1):
        yield Case(f"5.{i}", what, send, chop, want, end, group=group)


VALID_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000,
               3999, 4000, 4999]
INVALID_CODES = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999]


def closing():
    big = "*" * 262144
    rows = [
        ("text, then close", [text(HELLO), close(1000)], ECHO, 1000),
        ("close twice", [close(1000), close(1000)], [], 1000),
        ("ping behind the close", [close(1000), ping()], [], 1000),
        ("text behind the close", [close(1000), text(HELLO)], [], 1000),
        ("close between two fragments",
         [text("a", fin=False), close(1000), cont("b")], [], 1000),
        ("256 KiB, close, ping", [text(big), close(1000), ping()],
         [(TEXT, big)], 1000)]
    for i, (what, send, want, end) in enumerate(rows, 1):
        yield Case(f"7.1.{i}", what, send, "frame", want, end,
                   group="order of the closing handshake")
    rows = [
        ("empty close", [close()], 1005),
        ("close of one byte", [frame(CLOSE, b"a")], 1002),
        ("close with a code", [close(1000)], 1000),
        ("close with a reason", [close(1000, HELLO)], 1000),
        ("close with a reason of 123 bytes", [close(1000, "*" * 123)], 1000),
        ("close with a reason of 124 bytes", [close(1000, "*" * 124)],
         1002)]
    for i, (what, send, end) in enumerate(rows, 1):
        yield Case(f"7.3.{i}", what, send, close=end,
                   group="payload of the close")
    yield Case("7.5.1", "reason that is not UTF-8",
               [close(1000, b"\xce\xba\xed\xa0\x80edited")], close=1007,
               group="reason of the close")
    for i, code in enumerate(VALID_CODES, 1):
        yield Case(f"7.7.{i}", f"close {code}", [close(code)], close=code,
                   group="codes that may be sent")
    for i, code in enumerate(INVALID_CODES, 1):
        yield Case(f"7.9.{i}", f"close {code}", [close(code)], close=1002,
                   group="codes that may not be sent")
    for i, code in enumerate([5000, 65535], 1):
        yield Case(f"7.13.{i}", f"close {code}", [close(code)], close=1002,
                   group="codes above all ranges")


def cases():
    for part in (whole_messages, pings, reserved_bits, opcodes, fragments,
                 closing):
        yield from part()
