# SPDX-License-Identifier: MIT
"""A hundred thousand connections that are pinged and say nothing, and what
they cost: memory, CPU, and the latency of those that talk among them.

Where one process may not have so many descriptors, as many workers and as
many loads are started as are needed."""

import contextlib
import resource
import statistics
import time

import loads
import servers

SPARE = 500                     # descriptors that are no connection
FULL = 0.9                      # SO_REUSEPORT does not share out evenly
TALKERS, SIZE, RATE = 100, 125, 1000
PING_S = 30
PAUSE_S = PING_S + 5            # until the memory of handshakes is given back
TALK = ["--mode", "echo", "--connections", str(TALKERS), "--active",
        str(TALKERS), "--size", str(SIZE)]
PACED = ["--rate", str(RATE), "--depth", "64"]


def processes(connections):
    """Over how many processes so many must be spread."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = connections + SPARE
    if most < want:
        with contextlib.suppress(ValueError, OSError):      # root may
            resource.setrlimit(resource.RLIMIT_NOFILE, (want, want))
            most = want
    return 1 if most >= want else -(-connections //
                                    int((most - SPARE) * FULL))


def latencies(options, server, rounds):
    """Medians of some rounds, at a fixed rate and at full speed."""
    seen = {"paced": [], "full_speed": []}
    for _ in range(rounds):
        seen["paced"].append(loads.run_paced(
            options, server, [*TALK, *PACED, "--seconds", "10"]))
        seen["full_speed"].append(loads.run(options, loads.to(
            server, *TALK, "--seconds", "3")))
    return {name: {which: statistics.median(one["latency_us"][which]
                                            for one in reports)
                   for which in ("p50", "p99")} |
            {"server_cpu_us_per_message": statistics.median(
                one["server_cpu_us_per_message"] for one in reports)} |
            ({"lag_p99": statistics.median(one["lag_us"]["p99"]
                                           for one in reports)}
             if name == "paced" else {})
            for name, reports in seen.items()}


def meter(options, server, seconds):
    return loads.run(options, ["--mode", "meter", "--seconds", str(seconds),
                               *loads.pids(server)])


def opened(options, server, stack, count, number):
    """All of them, connected; each load is one process.  They open one
    after the other, so that who is connected has time to answer pings."""
    share = -(-count // number)
    crowd = []
    for first in range(0, count, share):
        one = loads.Load(options, loads.to(
            server, "--mode", "hold", "--size", str(SIZE), "--first",
            str(TALKERS + first), "--connections",
            str(min(share, count - first))))
        stack.callback(servers.stop, one.process)
        one.hear()
        crowd.append(one)
    return crowd


def all_talk(options, server, crowd, seconds):
    """CPU for each message when every connection has one under way."""
    for one in crowd:
        one.say(str(seconds))
    # The load's start and end are outside of what is metered: these count
    # by the share of the time.
    cpu = meter(options, server, seconds * 0.8)
    said = [one.hear() for one in crowd]
    rate = sum(one["messages"] / one["seconds"] for one in said)
    return {"rate": rate, "server_cpu_us_per_message":
            cpu["cpu_us"] / cpu["seconds"] / rate}


def measure(options, tmp, count, rounds):
    number = processes(count + TALKERS)
    print(f"{count:,} connections, {number} worker"
          f"{'s' if number > 1 else ''}", flush=True)
    with contextlib.ExitStack() as stack:
        server = servers.Wssd(options, tmp, workers=number)
        stack.callback(server.stop)
        loads.run(options, loads.to(server, *TALK))         # warms it up
        result = {"connections": count, "workers": number,
                  "empty": latencies(options, server, rounds)}
        report("empty", result["empty"])
        before = meter(options, server, 0.1)["pss_kib"]
        began = time.monotonic()
        crowd = opened(options, server, stack, count, number)
        result["open_seconds"] = time.monotonic() - began
        print(f"  opened in {result['open_seconds']:.0f} s", flush=True)
        time.sleep(PAUSE_S)
        quiet = meter(options, server, 2 * PING_S)
        result["pss_kib_per_connection"] = (quiet["pss_kib"] - before) / count
        result["idle_cpu_us_per_second"] = (quiet["cpu_us"] /
                                            quiet["seconds"] / count)
        print(f"  {result['pss_kib_per_connection']:.2f} KiB each; only "
              f"pinged: {100 * quiet['cpu_us'] / quiet['seconds'] / 1e6:.1f}"
              " % of one CPU", flush=True)
        result["full"] = latencies(options, server, rounds)
        report("full", result["full"])
        result["all_talk"] = all_talk(options, server, crowd, 20)
        for one in crowd:
            one.process.stdin.close()
        ends = [one.hear() for one in crowd]
        result["pings"] = sum(one["pings"] for one in ends)
        result["fewest_pings"] = min(one["fewest_pings"] for one in ends)
    return result


def report(when, figures):
    for name, one in figures.items():
        print(f"  {when}, {name}: p50 {one['p50']:.0f} µs, p99 "
              f"{one['p99']:.0f} µs", flush=True)
