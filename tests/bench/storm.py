# SPDX-License-Identifier: MIT
"""What a storm of new handshakes does to those who are connected.

Live connections echo at a fixed rate, first alone, then while another load
connects, shakes hands and closes as fast as the server lets it, sixteen at a
time: the server uses its whole CPU.  That load takes about half of its own, so
that the measuring one goes before it there (by SCHED_FIFO; where that is not
allowed the storm has SCHED_IDLE).  By how much the measuring one was late all
the same is in its report (lag_us) and in its latencies."""

import os
import time

import loads
import servers

AT_A_TIME = 16
BEGIN_S, AFTER_S = 0.5, 0.5


def measure(options, server, row):
    seconds = row.seconds or options.seconds
    live = [*row.arguments, "--warmup", "0.5", "--seconds", str(seconds)]
    quiet = loads.run_paced(options, server, live, busy=True)
    storm = loads.Load(options, loads.to(
        server, "--mode", "handshake", "--connections", str(AT_A_TIME),
        "--seconds", str(BEGIN_S + 0.5 + seconds + AFTER_S)),
        os.SCHED_OTHER if servers.may_go_first() else os.SCHED_IDLE)
    time.sleep(BEGIN_S)
    stormy = loads.run_paced(options, server, live, busy=True)
    return {"p99_times": stormy["latency_us"]["p99"] /
                         quiet["latency_us"]["p99"],
            "quiet": quiet, "stormy": stormy, "handshakes": storm.end()}
