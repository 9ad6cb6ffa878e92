# SPDX-License-Identifier: MIT
"""Groups 9 and 10: large messages, many fragments, many messages.

The original sends up to 16 MiB; by itself this goes up to 1 MiB, and with
--full as far."""
from case import Case, cont, expect_frames, expect_end, close, frame, write
from clients import BINARY, TEXT

KIB, MIB = 1024, 1024 * 1024
LARGE = [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB]
PARTS = [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB]
CHOPS = [64, 128, 256, 512, KIB, 2 * KIB]
SMALL = [0, 16, 64, 256, KIB, 4 * KIB]
MODEST = MIB


def limit(n, full):
    return n if full else min(n, MODEST)


def payload(opcode, n):
    return b"*" * n if opcode == TEXT else bytes(range(256)) * (n // 256) + \
        bytes(n % 256)


def parts_of(opcode, data, size):
    yield frame(opcode, data[:size], fin=len(data) <= size)
    for at in range(size, len(data), size):
        yield cont(data[at:at + size], fin=at + size >= len(data))


def echo(opcode, n, part=None, chop=None, times=1):
    """Sends it, and wants it back."""
    def run(server):
        data = payload(opcode, limit(n, server.full))
        many = times if server.full else min(times, 100)
        frames = [frame(opcode, data)] if part is None else list(
            parts_of(opcode, data, min(part, len(data))))
        with server.open("/large") as client:
            for _ in range(many):
                whole = b"".join(frames)
                step = chop or len(whole)
                write(client, (whole[i:i + step]
                               for i in range(0, len(whole), step)))
                expect_frames(client, [(opcode, data)])
            write(client, [close(1000)])
            expect_end(client, 1000)
    return run


def cases():
    for section, opcode, name in [(1, TEXT, "text"), (2, BINARY, "binary")]:
        for i, n in enumerate(LARGE, 1):
            yield Case(f"9.{section}.{i}", f"{name} of {n} bytes",
                       run=echo(opcode, n), group=f"large {name}")
    for section, opcode, name in [(3, TEXT, "text"), (4, BINARY, "binary")]:
        for i, part in enumerate(PARTS, 1):
            yield Case(f"9.{section}.{i}", f"{name} of 4 MiB in fragments "
                       f"of {part} bytes", run=echo(opcode, 4 * MIB, part),
                       group=f"large {name} in fragments")
    for section, opcode, name in [(5, TEXT, "text"), (6, BINARY, "binary")]:
        for i, chop in enumerate(CHOPS, 1):
            yield Case(f"9.{section}.{i}", f"{name} of 1 MiB, {chop} bytes "
                       "at a time", run=echo(opcode, MIB, chop=chop),
                       group=f"large {name} in small pieces")
    for section, opcode, name in [(7, TEXT, "text"), (8, BINARY, "binary")]:
        for i, n in enumerate(SMALL, 1):
            yield Case(f"9.{section}.{i}", f"1000 {name} messages of {n} "
                       "bytes", run=echo(opcode, n, times=1000),
                       group=f"many {name} messages")
    yield Case("10.1.1", "text of 65536 bytes in fragments of 1300",
               run=echo(TEXT, 65536, 1300), group="fragments of odd size")
