# SPDX-License-Identifier: MIT
"""What is measured: the rows of the table, and their targets."""

import dataclasses

MESSAGE, HANDSHAKE, IDLE, BURST, STORM = (
    "server_cpu_us_per_message",
    "server_cpu_us_per_handshake",
    "pss_kib_per_connection",
    "pss_kib_after_burst",
    "p99_times",
)
UNITS = {MESSAGE: "µs", HANDSHAKE: "µs", IDLE: "KiB", BURST: "KiB",
         STORM: "times"}


@dataclasses.dataclass
class Row:
    title: str
    arguments: list             # of bench-load
    key: str = MESSAGE          # what is compared
    cert: str = "ecdsa"
    broadcast: bool = False
    target: float = None        # the ratio to `limit` we want ...
    plain_target: float = None  # ... and without io_uring
    target_value: float = None  # or not a ratio: the value itself
    seconds: float = None       # where the default will not do
    rounds: int = None
    workers: int = None         # only wssd; it and the load on all CPUs

    @property
    def storm(self):
        return self.key == STORM

    @property
    def fresh(self):
        """Memory is measured on servers that have done nothing else."""
        return self.key in (IDLE, BURST)


def echo(connections, size, depth=1, target=None, plain=None):
    def amount(n, word):
        return f"{n:,} {word}{'s' if n != 1 else ''}"
    text = f"{size} B" if size < 1024 else f"{size >> 10} KiB"
    return Row(f"{amount(connections, 'connection')}, {text}"
               + (f", depth {depth}" if depth > 1 else ""),
               ["--mode", "echo", "--connections", str(connections),
                "--size", str(size), "--depth", str(depth)],
               target=target, plain_target=plain)


def handshake(title, cert, *more):
    return Row(title, ["--mode", "handshake", "--connections", "16", *more],
               HANDSHAKE, cert, target=1.05, plain_target=1.05)


ROWS = {
    "1x20B": echo(1, 20, target=1.10, plain=1.10),
    "64x20B": echo(64, 20, target=0.65, plain=0.85),
    "64x20Bx16": echo(64, 20, 16, target=0.70, plain=0.95),
    "64x1KiB": echo(64, 1024, target=0.60, plain=0.90),
    "16x64KiB": echo(16, 65536, target=0.75, plain=0.85),
    "500x125B": echo(500, 125, target=0.75, plain=1.00),
    "broadcast": Row(
        "broadcast to 1,000, 125 B, for each delivery",
        ["--mode", "echo", "--connections", "1000", "--size", "125",
         "--broadcast"], broadcast=True, target=0.55, plain_target=1.00),
    "handshake": handshake("full handshake, ECDSA P-256", "ecdsa"),
    "handshake-rsa": handshake("full handshake, RSA-2048", "rsa"),
    "resumed": handshake("resumed handshake", "ecdsa", "--resumed"),
    "idle": Row("memory of 10,000 idle connections",
                ["--mode", "idle", "--connections", "10000", "--warmup",
                 "25"], IDLE,
                target_value=14.5, seconds=1, rounds=1),
    "burst": Row("the same a minute after 64 KiB on each",
                 ["--mode", "idle", "--connections", "10000", "--burst",
                  "65536"], BURST, target_value=14.5, seconds=60, rounds=1),
}


def stormy(connections, rate):
    return Row(f"p99 of {connections} connections in a storm of handshakes, "
               f"against quiet, {rate:,} messages a second",
               ["--mode", "echo", "--connections", str(connections),
                "--size", "125", "--rate", str(rate), "--depth", "64"],
               STORM, target_value=2, seconds=5)


# Not in "all": they take minutes.  Their latencies are in the JSON.
SLOW = {
    "storm64": stormy(64, 1000),
    "storm500": stormy(500, 5000),
}
MANY = "many"                   # many.py; no row of the table
QUICK = ["1x20B", "64x20B", "64x20Bx16", "64x1KiB", "16x64KiB", "500x125B"]


def spread(workers):
    row = echo(64, 125)
    row.workers = workers
    return row


# How cost grows: one plot each, the x of every point beside its row.
GROWTH = {
    "connections": ("connections, 125 B each", [
        (n, echo(n, 125)) for n in (1, 4, 16, 64, 250, 1000, 4000, 10000,
                                   100000)]),
    "size": ("bytes of a message, 16 connections", [
        (n, echo(16, n)) for n in (20, 125, 1000, 4000, 16000, 65536,
                                   262144, 1048576)]),
    "depth": ("messages under way, 64 connections, 20 B", [
        (n, echo(64, 20, n)) for n in (1, 2, 4, 8, 16, 64)]),
    "workers": ("workers, 64 connections, 125 B, all CPUs shared with the "
                "load", [(n, spread(n)) for n in (1, 2, 4)]),
}
