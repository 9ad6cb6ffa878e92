# SPDX-License-Identifier: MIT
"""Tables and plots of what tests/bench/run has measured."""

import re

LABELS = {"limit": "limit", "wssd": "wssd", "plain": "wssd, io_uring off"}


def machine_line(m):
    made = "is made to cost" if m.get("call_price") else "costs"
    return (f"{m['cpu']}, {m['cpus']} CPUs, Linux {m['kernel']}; a system "
            f"call {made} {m['syscall_ns']:.0f} ns.")


def print_row(row):
    print(f"{row['title']} ({row['unit']})")
    for one in row["servers"].values():
        ratio = "" if "ratio" not in one else \
            f"  ({one['ratio']:.2f}; {one['ratio_min']:.2f} to " \
            f"{one['ratio_max']:.2f})"
        print(f"  {one['name']:<22}{one['value']:>10.3f}{ratio}", flush=True)


def _target(row):
    if row["target_value"]:
        return f"≤ {row['target_value']:g} {row['unit']}"
    if row["target"] is None:
        return ""
    return f"≤ {row['target']:.2f} / {row['plain_target']:.2f}"


def markdown(result):
    """All rows and servers; in brackets the ratio to limit."""
    names = {}
    for row in result["rows"]:
        for kind, one in row["servers"].items():
            names.setdefault(kind, one["name"])
    head = ["", *names.values(), "target"]
    lines = [machine_line(result["machine"]), "",
             "| " + " | ".join(head) + " |",
             "|---" * len(head) + "|"]
    for row in result["rows"]:
        cells = [f"{row['title']}, {row['unit']}"]
        for kind in names:
            one = row["servers"].get(kind)
            cells.append("" if one is None else
                         f"{one['value']:.2f} ({one['ratio']:.2f})"
                         if "ratio" in one else f"{one['value']:.2f}")
        lines.append("| " + " | ".join([*cells, _target(row)]) + " |")
    return "\n".join(lines) + "\n"


def many(figures):
    """What many.py has measured: in the middle of the crowd, and alone."""
    empty, full = figures["empty"], figures["full"]
    workers = figures["workers"]
    lines = [f"{figures['connections']:,} connections, {workers} "
             f"worker{'s' if workers > 1 else ''} on one CPU, opened in "
             f"{figures['open_seconds']:.0f} s:", "",
             "| 100 that talk, 125 B | alone | among the others | times |",
             "|---|---|---|---|"]
    for name, title in (("paced", "1,000 messages a second"),
                        ("full_speed", "at full speed")):
        for key, what, unit in (("p50", "p50", "µs"), ("p99", "p99", "µs"),
                                ("server_cpu_us_per_message", "CPU of the "
                                 "server for a message", "µs")):
            if name == "paced" and not key.startswith("p"):
                continue        # the pings of all are in it
            a, b = empty[name][key], full[name][key]
            digits = 0 if key.startswith("p") else 1
            lines.append(f"| {title}, {what}, {unit} | {a:.{digits}f} | "
                         f"{b:.{digits}f} | {b / a:.2f} |")
    lines += ["", "| of each connection | |", "|---|---|",
              f"| memory (PSS of all processes) | "
              f"{figures['pss_kib_per_connection']:.2f} KiB |",
              "| CPU while there is nothing but a ping every 30 s | "
              f"{figures['idle_cpu_us_per_second']:.2f} µs a second |",
              "| CPU for a message when all talk at once | "
              f"{figures['all_talk']['server_cpu_us_per_message']:.1f} µs |"]
    return "\n".join(lines)


def short(result):
    """The README's: ratios only."""
    lines = ["| CPU of the server, as a ratio to `limit` | wssd | "
             "wssd, `io_uring = off` |", "|---|---|---|"]
    for row in result["rows"]:
        if row["target_value"]:
            continue
        cells = [f"{row['servers'][kind]['ratio']:.2f}"
                 if kind in row["servers"] else ""
                 for kind in ("wssd", "plain")]
        lines.append(f"| {row['title']} | {' | '.join(cells)} |")
    lines += ["", machine_line(result["machine"])]
    return "\n".join(lines)


def _fill(path, name, figures):
    """Between <!-- BEGIN name --> and <!-- END name -->."""
    begin, end = f"<!-- BEGIN {name} -->", f"<!-- END {name} -->"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(f"{begin}.*{end}",
                           lambda _: f"{begin}\n{figures}\n{end}", text,
                           flags=re.S), encoding="utf-8")


def write_documents(result, tree):
    page = tree / "docs" / "performance.md"
    if result["machine"].get("call_price"):
        _fill(page, "DEAR", markdown(result).rstrip())
        return
    if result["rows"]:
        _fill(tree / "README.md", "FIGURES", short(result))
        _fill(page, "FIGURES", markdown(result).rstrip())
    if "many" in result:
        _fill(page, "MANY", many(result["many"]))


def plot(growth, folder):
    """docs/growth-NAME.svg.  Needs python3-matplotlib."""
    import matplotlib  # pylint: disable=import-outside-toplevel
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "wssd"
    from matplotlib import pyplot  # pylint: disable=import-outside-toplevel
    for name, one in growth.items():
        figure, axes = pyplot.subplots(figsize=(6, 3.6))
        for kind, label in LABELS.items():
            line = [(x, values[kind]) for x, values in one["points"]
                    if kind in values]
            if line:
                axes.plot(*zip(*line), marker="o", markersize=4, label=label)
        if name == "workers":
            axes.set_xticks([x for x, _ in one["points"]])
        else:
            axes.set_xscale("log")
        if name in ("size", "depth"):
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        axes.set_xlabel(one["label"])
        axes.set_ylabel("server CPU, µs a message")
        axes.grid(True, alpha=0.3)
        axes.legend()
        figure.tight_layout()
        figure.savefig(folder / f"growth-{name}.svg",
                       metadata={"Date": None})
        pyplot.close(figure)
