#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures of what `make bench` left in a folder: throughput.png, stages.png, roofline.png; after
`make bench-latency` also latency.png.

Usage: bench_plots.py FOLDER
"""
import json
import math
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

INK, GRID = "#222222", "#dddddd"
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"]
TABLES = {"portable": "#999999", "avx2": "#e69f00", "avx512": "#0072b2"}
# What is drawn as one: label, colour, stages of the trace. All others are "other".
GROUPS = [
    ("OT extension", "#0072b2", {"OT extension"}),
    ("its digest and check", "#56b4e9", {"OT digest", "OT check"}),
    ("hashing transfers", "#004b76", {"hash"}),
    ("ANDs, multiplexers", "#009e73", {"AND", "garble", "multiplex", "exchange", "relu", "sign", "max", "argmax"}),
    ("encrypt, decode", "#e69f00", {"encrypt", "decode"}),
    ("expand c1, switch", "#f0c05a", {"expand c1", "switch"}),
    ("matrix product", "#d55e00", {"matrix product"}),
    ("packing, gathering", "#cc79a7", {"pack", "unpack", "gather"}),
    ("socket", "#8a6bbf", {"send", "receive"}),
    ("other", "#666666", set()),
    ("waiting", "#e4e4e4", {"wait"}),
]
PALE = {"waiting", "expand c1, switch", "encrypt, decode", "its digest and check"}
PARTIES = ("server", "client")

plt.rcParams.update({
    "figure.dpi": 150, "font.size": 9, "axes.edgecolor": "#888888", "axes.labelcolor": INK,
    "axes.titlesize": 10, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "xtick.color": INK, "ytick.color": INK, "legend.frameon": False,
})


def rows_of(folder: Path, name: str) -> list[dict]:
    """The objects of a file of JSON lines."""
    path = folder / name
    if not path.exists():
        sys.exit(f"bench_plots: no {path}: run make bench first")
    return [json.loads(line) for line in path.read_text().splitlines()]


def save(figure: plt.Figure, folder: Path, name: str) -> None:
    """Write a picture."""
    path = folder / name
    figure.savefig(path, bbox_inches="tight", facecolor="white")
    plt.close(figure)
    print(path)


def plain(value: float, _position: int = 0) -> str:
    """1500 as 1,500; 0.5 as 0.5."""
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


# ---- throughput --------------------------------------------------------------------------------

def throughput(folder: Path) -> None:
    """Images a second, traffic and memory against the batch."""
    models = defaultdict(list)
    for row in rows_of(folder, "network.json"):
        if row["cpu"] != "portable" and row["runs"] > 0:
            models[Path(row["model"]).stem, row["cpu"]].append(row)
    models = {key: sorted(rows, key=lambda row: row["batch"])
              for key, rows in models.items() if len(rows) > 1}
    figure, (speed, traffic, memory) = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    for colour, ((name, _), rows) in zip(COLOURS, models.items()):
        batch = [row["batch"] for row in rows]
        middle = [row["images_per_second"] for row in rows]
        slowest = [row["batch"] / row["seconds_slowest"] for row in rows]
        fastest = [row["batch"] / row["seconds_fastest"] for row in rows]
        spread = [[max(0, m - s) for m, s in zip(middle, slowest)],  # not -0.0001 of one run
                  [max(0, f - m) for m, f in zip(middle, fastest)]]
        speed.errorbar(batch, middle, spread, color=colour, marker="o", ms=4, capsize=3, label=name)
        best = max(range(len(rows)), key=middle.__getitem__)
        speed.annotate(plain(middle[best]), (batch[best], middle[best]), color=colour,
                       textcoords="offset points", xytext=(0, 8), ha="center")
        traffic.plot(batch, [(row["bytes_to_server"] + row["bytes_to_client"]) / row["batch"] / 1e3
                             for row in rows], color=colour, marker="o", ms=4)
        for party, style in zip(PARTIES, ("-", "--")):
            memory.plot(batch, [row[f"{party}_peak_rss_bytes"] / 2**20 for row in rows], style,
                        color=colour, marker="o", ms=4, label=f"{name}, {party}")
    for axes in (speed, traffic, memory):
        axes.set_xscale("log")
        ticks = sorted({row["batch"] for rows in models.values() for row in rows})
        axes.set_xticks(ticks, [plain(tick) for tick in ticks], rotation=45)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.grid(color=GRID, lw=0.6)
        axes.set_xlabel("images in a request")
    for axes in (speed, traffic):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(plain))
    speed.set_title("Images a second: median, slowest to fastest")
    speed.margins(y=0.15)
    speed.legend(loc="lower right")
    traffic.set_title("Traffic, KB an image")
    memory.set_title("Peak memory of a process, MiB")
    memory.set_ylim(0)
    memory.legend(fontsize=7)
    save(figure, folder, "throughput.png")


# ---- stages ------------------------------------------------------------------------------------

def own_times(path: Path) -> tuple[dict[str, dict[str, float]], float]:
    """Microseconds of each stage by party, without what is nested in it, inside of blocks; images."""
    events = json.loads(path.read_text())["traceEvents"]
    party = {event["pid"]: event["args"]["name"] for event in events
             if event["name"] == "process_name"}
    times = {name: defaultdict(float) for name in PARTIES}
    spans = sorted((event for event in events if event["ph"] == "X"),
                   key=lambda event: (event["pid"], event["tid"], event["ts"], -event["dur"]))
    around, images = [], 0
    for span in spans:
        while around and (around[-1]["pid"] != span["pid"] or around[-1]["tid"] != span["tid"]
                          or around[-1]["ts"] + around[-1]["dur"] <= span["ts"]):
            around.pop()
        own = times[party[span["pid"]]]
        if around:
            own[around[-1]["name"]] -= span["dur"]
        elif span["name"] != "block":
            continue
        else:
            images += span["args"]["size"]
        own[span["name"]] += span["dur"]
        around.append(span)
    return times, images / len(PARTIES)


def grouped(times: dict[str, float]) -> list[float]:
    """The times of GROUPS."""
    known = set().union(*(stages for _, _, stages in GROUPS))
    return [sum(time for stage, time in times.items()
                if stage in stages or (label == "other" and stage not in known))
            for label, _, stages in GROUPS]


def draw_party(axes: plt.Axes, at: float, parts: list[float], first: bool) -> None:
    """One stacked bar."""
    left = 0.0
    for (label, colour, _), part in zip(GROUPS, parts):
        axes.barh(at, part, left=left, color=colour, height=0.72, edgecolor="white", lw=0.6,
                  label=label if first else None)
        share = part / sum(parts)
        if share >= 0.035:
            ink = "white" if label not in PALE else INK
            axes.text(left + part / 2, at, f"{100 * share:.0f} %", ha="center", va="center",
                      fontsize=7.5, color=ink)
        left += part
    axes.text(left, at, f" {left:,.0f} µs", va="center", fontsize=8)


def stages(folder: Path) -> None:
    """Where each party's time went, an image; a scale for each network."""
    paths = sorted(folder.glob("*.trace.json"))
    if not paths:
        sys.exit(f"bench_plots: no trace in {folder}: run make bench first")
    figure, rows = plt.subplots(len(paths), 1, figsize=(10, 0.9 + 1.45 * len(paths)),
                                layout="constrained", squeeze=False)
    for axes, path in zip(rows[:, 0], paths):
        times, images = own_times(path)
        for at, party in enumerate(PARTIES):
            draw_party(axes, -at, [time / images for time in grouped(times[party])],
                       first=axes is rows[0, 0] and at == 0)
        axes.set_yticks([0, -1], PARTIES)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_formatter(FuncFormatter(plain))
        axes.grid(axis="x", color=GRID, lw=0.6)
        axes.margins(x=0.08)
        axes.set_title(f"{path.name.removesuffix('.trace.json')}: where the time of each party goes")
    rows[-1, 0].set_xlabel("microseconds an image, batch 2,048")
    figure.legend(loc="outside lower center", ncols=6, fontsize=8)
    save(figure, folder, "stages.png")


# ---- roofline ----------------------------------------------------------------------------------

def best_rows(rows: list[dict], kind: str) -> list[dict]:
    """One row for each kernel and table: the one nearest to its limit."""
    found = {}
    for row in rows:
        key = row.get("group"), row.get("name"), row.get("table")
        if row.get("kind") == kind and row["work"] > 0:
            share = row["limit_ns"] / row["ns"]
            if key not in found or share > found[key][0]:
                found[key] = share, row
    return [row for _, row in found.values()]


def roofs(axes: plt.Axes, limits: dict[str, dict], peak: str) -> None:
    """Bandwidths as slopes, peaks as ceilings, across what the axes show."""
    low, high = axes.get_xlim()
    best = max(limits.values(), key=lambda row: row[peak])
    for table, row in limits.items():
        if row[peak] > 0:
            top = row[peak] / 1e9
            edge = max(low, row[peak] / row["cached_bytes"])
            axes.plot([edge, high], [top, top], color=TABLES[table], lw=1.4)
            axes.annotate(f"{table}: {top:.1f} G/s", (high, top), color=TABLES[table], fontsize=8,
                          ha="right", textcoords="offset points", xytext=(0, 3))
    for key, name in (("cached_bytes", "first-level cache"), ("copy_bytes", "memory")):
        slope = best[key] / 1e9
        edge = best[peak] / best[key]
        axes.plot([low, edge], [low * slope, edge * slope], color="#888888", lw=1,
                  ls="-" if key == "cached_bytes" else "--")
        at = max(low, axes.get_ylim()[0] / slope) * 1.25
        axes.text(at, at * slope * 1.25, f"{name}, {slope:.0f} GB/s", color="#666666", fontsize=7.5,
                  rotation=math.degrees(math.atan(slope)), rotation_mode="anchor",
                  transform_rotates_text=True)


def points(axes: plt.Axes, rows: list[dict]) -> None:
    """A mark for each kernel and table, the names beside those of the best table."""
    best = {}
    for row in rows:
        rate = row["work"] / (row["ns"] * row["elements"])  # G/s
        axes.plot(row["work"] / row["bytes"], rate, "o", ms=5, color=TABLES[row["table"]],
                  mec="white", mew=0.5)
        if row["table"] == list(TABLES)[-1] or row["name"] not in best:
            best[row["name"]] = row["work"] / row["bytes"], rate
    taken = []
    for name, (x, y) in sorted(best.items(), key=lambda item: -item[1][1]):
        height = y
        while any(abs(x / other[0] - 1) < 0.9 and 0.8 < height / other[1] < 1.25
                  for other in taken):
            height *= 0.8
        taken.append((x, height))
        axes.annotate(name, (x, y), xytext=(x * 1.12, height), fontsize=7.5, va="center",
                      arrowprops=None if height == y else
                      {"arrowstyle": "-", "color": "#aaaaaa", "lw": 0.5})


def roofline(folder: Path) -> None:
    """Kernels against the limits of the machine."""
    rows = rows_of(folder, "micro.json")
    limits = {row["table"]: row for row in rows if row["level"] == "limits"}
    figure, both = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    for axes, kind, title in ((both[0], "multiply_adds", "Multiply-adds (41-bit residues)"),
                              (both[1], "aes_blocks", "Blocks of AES")):
        some = best_rows(rows, kind)
        across = [row["work"] / row["bytes"] for row in some]
        rates = [row["work"] / (row["ns"] * row["elements"]) for row in some]
        peak = max(row[kind] for row in limits.values())
        cached = max(row["cached_bytes"] for row in limits.values())
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(min(*across, peak / cached) / 4, max(across) * 5)
        axes.set_ylim(min(rates) / 2, max(peak / 1e9, *rates) * 2)
        roofs(axes, limits, kind)
        points(axes, some)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.grid(color=GRID, lw=0.6)
        axes.set_title(f"{title}, G/s")
        axes.set_xlabel("for each byte read or written")
    handles = [plt.Line2D([], [], color=TABLES[table], marker="o", ls="") for table in limits]
    both[0].legend(handles, [f"{table} kernels" for table in limits], loc="lower right")
    save(figure, folder, "roofline.png")


# ---- latency -----------------------------------------------------------------------------------

def latency_panel(axes: plt.Axes, rows: list[dict]) -> None:
    """Seconds of a request against the batch: chosen, planned, and the alternatives forced."""
    chosen = sorted((row for row in rows if not row["forced"]), key=lambda row: row["batch"])
    batch = [row["batch"] for row in chosen]
    middle = [row["seconds"] for row in chosen]
    spread = [[max(0, row["seconds"] - row["seconds_fastest"]) for row in chosen],
              [max(0, row["seconds_slowest"] - row["seconds"]) for row in chosen]]
    axes.plot(batch, [row["predicted_seconds"] for row in chosen], "--", color="#888888", lw=1,
              label="as planned")
    for colour, name in zip(COLOURS, ("batch/gmw", "batch/yao", "image/gmw", "image/yao")):
        # Where an alternative is what was chosen, it was not measured again.
        some = sorted((row["batch"], row["seconds"]) for row in rows if name in
                      (row["forced"], f"{row['layout']}/{row['engine']}"))
        if some:
            axes.plot(*zip(*some), color=colour, marker="o", ms=3, lw=1, label=name)
    axes.errorbar(batch, middle, spread, color=INK, lw=0, elinewidth=1, capsize=3, marker="o",
                  ms=7, mfc="none", label="chosen by the planner")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(batch, [plain(tick) for tick in batch], rotation=45)
    axes.yaxis.set_major_formatter(FuncFormatter(plain))
    axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axes.yaxis.set_minor_formatter(FuncFormatter(plain))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(color=GRID, lw=0.6)


def latency(folder: Path) -> None:
    """One panel for each network and link that has a sweep of batches."""
    panels = defaultdict(list)
    for row in rows_of(folder, "latency.json"):
        panels[Path(row["model"]).stem, row["network"]].append(row)
    models = list(dict.fromkeys(model for model, _ in panels))
    links = list(dict.fromkeys(link for _, link in panels))
    figure, all_axes = plt.subplots(len(models), len(links), layout="constrained", squeeze=False,
                                    figsize=(3.6 * len(links), 0.6 + 3 * len(models)))
    for line, model in zip(all_axes, models):
        for axes, link in zip(line, links):
            latency_panel(axes, panels[model, link])
            axes.set_title(f"{model}, {link}")
        line[0].set_ylabel("seconds a request")
    for axes in all_axes[-1]:
        axes.set_xlabel("images in a request")
    handles = {label: handle for axes in all_axes.flat
               for handle, label in zip(*axes.get_legend_handles_labels())}
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=6, fontsize=8)
    save(figure, folder, "latency.png")


def main() -> None:
    """Draw all."""
    folder = Path(sys.argv[1])
    throughput(folder)
    stages(folder)
    roofline(folder)
    if (folder / "latency.json").exists():
        latency(folder)


if __name__ == "__main__":
    main()
