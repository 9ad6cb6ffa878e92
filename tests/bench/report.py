# SPDX-License-Identifier: MIT
"""Tables and plots of what tests/bench/run has measured."""

import re

BEGIN, END = "<!-- BEGIN FIGURES -->", "<!-- END FIGURES -->"
LABELS = {"limit": "limit", "wssd": "wssd", "plain": "wssd, io_uring off"}


def machine_line(m):
    return (f"{m['cpu']}, {m['cpus']} CPUs, Linux {m['kernel']}; a system "
            f"call costs {m['syscall_ns']:.0f} ns.")


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


def _fill(path, figures):
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(f"{BEGIN}.*{END}",
                           lambda _: f"{BEGIN}\n{figures}\n{END}", text,
                           flags=re.S), encoding="utf-8")


def write_documents(result, tree):
    _fill(tree / "README.md", short(result))
    _fill(tree / "docs" / "performance.md", markdown(result).rstrip())


def plot(growth, folder):
    """docs/growth-NAME.svg.  Needs python3-matplotlib."""
    import matplotlib  # pylint: disable=import-outside-toplevel
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "wssd"
    from matplotlib import pyplot  # pylint: disable=import-outside-toplevel
    for name, one in growth.items():
        figure, axes = pyplot.subplots(figsize=(6, 3.6))
        kinds = [k for k in LABELS if k in one["points"][0][1]]
        for kind in kinds:
            axes.plot([x for x, _ in one["points"]],
                      [values[kind] for _, values in one["points"]],
                      marker="o", markersize=4, label=LABELS[kind])
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
