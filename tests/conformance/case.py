# SPDX-License-Identifier: MIT
"""What a case is, how it is played, and how its outcome is judged.

A case is data: the frames that are sent, how they are cut into pieces, the
frames that must come back, and how the connection must end.

OK          as the RFC says, and nothing else
NON-STRICT  it ends as it should, but later or with less than it should
FAILED      anything else
"""
import dataclasses
import select
from typing import Any, Callable, Optional

from clients import (BINARY, CLOSE, CONT, PING, PONG, TEXT, Client,
                     close_payload, connect, frame)

OK, NON_STRICT, FAILED = "OK", "NON-STRICT", "FAILED"
PATIENCE = 10       # seconds for what must come
EARLY = 5           # seconds for what must come before the rest is sent


class Wrong(Exception):
    """The outcome is not OK: its verdict, and why."""

    def __init__(self, why, verdict=FAILED):
        super().__init__(why)
        self.verdict = verdict


@dataclasses.dataclass
class Case:
    number: str                     # that of the Autobahn test suite
    what: str
    send: list = ()                 # bytes: frames, in order
    chop: Any = "all"               # in one piece, "frame", or n bytes each
    want: list = ()                 # (opcode, payload) that come back
    close: Optional[int] = None     # the server's code; None: the client
    #                                 ends it with 1000 when all has come
    early: Optional[int] = None     # it must end when so many are sent
    group: str = ""                 # what the cases around it have in common
    path: str = "/echo"
    run: Optional[Callable] = None  # instead of all this


@dataclasses.dataclass
class Server:
    """Where the cases are played."""
    port: int
    tls: Any
    daemon: Any = None
    ports: Any = None               # of the other [listen]s, by their name
    authority: Any = None
    full: bool = False              # as many bytes as the original
    early: float = EARLY             # patience for what must come early

    def open(self, path, **fields):
        return connect(self.port, self.tls, path, fields, timeout=PATIENCE)

    def client(self, listen=None, tls=None, **more):
        return Client(self.ports[listen] if listen else self.port,
                      self.tls if tls is None else tls, timeout=PATIENCE,
                      **more)


# ---- frames, as the tables write them -----------------------------------

def text(payload="", **shape):
    return frame(TEXT, payload, **shape)


def binary(payload=b"", **shape):
    return frame(BINARY, payload, **shape)


def cont(payload=b"", fin=True, **shape):
    return frame(CONT, payload, fin=fin, **shape)


def ping(payload=b"", **shape):
    return frame(PING, payload, **shape)


def pong(payload=b"", **shape):
    return frame(PONG, payload, **shape)


def close(code=None, reason="", **shape):
    return frame(CLOSE, b"" if code is None else close_payload(code, reason),
                 **shape)


# ---- playing --------------------------------------------------------------

def pieces(send, chop):
    """The bytes of each write."""
    if chop == "frame":
        return list(send)
    data = b"".join(send)
    if chop == "all":
        return [data] if data else []
    return [data[i:i + chop] for i in range(0, len(data), chop)]


def write(client, parts):
    """A peer that has hung up does not want the rest."""
    try:
        for part in parts:
            client.send(part)
    except (ConnectionError, OSError):
        pass


def next_frame(client, timeout=PATIENCE):
    """The next frame; None: the end, in whatever way."""
    try:
        return client.read_frame(timeout)
    except TimeoutError as error:
        raise Wrong("nothing comes, and it does not end") from error
    except AssertionError as error:
        raise Wrong(f"broken frame: {error}") from error


def says_something(client, patience):
    """Waits a little for anything from the server."""
    if client.data:
        return True
    readable, _, _ = select.select([client.sock], [], [], patience)
    return bool(readable)


def expect_frames(client, want):
    for opcode, payload in want:
        got = next_frame(client)
        if got is None:
            raise Wrong(f"{client.end} instead of a frame")
        payload = payload.encode() if isinstance(payload, str) else payload
        if (got.opcode, got.payload) != (opcode, payload):
            if got.opcode == CLOSE:
                raise Wrong(f"Close {got.code} {got.reason!r} too soon")
            raise Wrong(f"frame {got.opcode} of {len(got.payload)} bytes "
                        "that was not expected")
        if not got.fin or got.rsv:
            raise Wrong("the answer has other bits than it should")


def expect_end(client, code):
    """A Close with that code, and then the end, in good order."""
    got = next_frame(client)
    if got is None:
        raise Wrong(f"{client.end} without a Close frame", NON_STRICT)
    if got.opcode != CLOSE:
        raise Wrong(f"frame {got.opcode} where the end should be")
    if next_frame(client) is not None:
        raise Wrong("a frame behind the Close")
    if got.code != code:
        raise Wrong(f"Close {got.code} instead of {code}", NON_STRICT)
    if client.end != ("close_notify" if client.tls else "fin"):
        raise Wrong(f"{client.end} behind the Close", NON_STRICT)


def play(case, server):
    with server.open(case.path) as client:
        parts = pieces(case.send, case.chop)
        late = None
        if case.early is not None:
            write(client, parts[:case.early])
            late = not says_something(client, server.early)
            parts = parts[case.early:]
        if case.early is None or late:
            write(client, parts)
        expect_frames(client, case.want)
        if case.close is None:
            write(client, [close(1000)])
            expect_end(client, 1000)
        else:
            expect_end(client, case.close)
        if late:
            raise Wrong("it ends only when all was sent", NON_STRICT)


def judge(case, server):
    """(verdict, why)"""
    try:
        (case.run or (lambda s: play(case, s)))(server)
    except Wrong as wrong:
        return wrong.verdict, str(wrong)
    except (AssertionError, OSError) as error:
        return FAILED, f"{type(error).__name__}: {error}"
    return OK, ""
