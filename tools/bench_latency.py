#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Latency of small requests over simulated links, beside what the planner expects.

Usage: bench_latency.py [short | long] [--save FILE] [--program FILE] [MODEL...]

Every model runs over every link, with the layout and engine that the server chooses and with the
alternatives forced, where the planner does not find them hopeless. `short` takes one image over lan
and wan, without alternatives; `long` adds a sweep of batches to 2,048 over loopback and
wan. Three things are checked, and the exit code is 1 if one fails:

  bytes   the first request's steps take exactly the bytes that the plan says
  choice  what was chosen is at most 10 % (and 3 ms) slower than the best forced alternative
  labels  private and float model agree on nearly every label

The ratio of predicted to measured seconds is shown, not judged. All rows go to the file of --save as
JSON lines, with "forced" (null or "layout/engine") and "predicted_seconds".
"""
import argparse
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
MODELS = [PROJECT / "examples/mnist/models" / f"{name}.pb"
          for name in ("cryptonets-relu-mnist", "mlp-maxpool-mnist")]
NETWORKS = ["loopback", "lan", "wan", "fibre", "cable"]
BATCHES = [1, 2, 8, 32, 128]
SWEEP_NETWORKS = ["loopback", "wan"]
SWEEP_BATCHES = [4, 16, 64, 256, 512, 1024, 2048]
ALTERNATIVES = [(layout, engine) for layout in ("batch", "image") for engine in ("gmw", "yao")]
HOPELESS = 4     # times the chosen plan's expected time
SLOWER = 1.10    # how much the choice may lose
SLACK = 3e-3     # seconds: noise of a request on loopback
AGAIN = 2        # measurements more, before a choice counts as wrong
LABELS = 0.99    # of a batch must agree, but one label may always differ
PATIENCE = 1800  # seconds for one run of the program

Forced = tuple[str, str] | None


@dataclass
class Bench:
    """The program, where rows go, and what failed."""

    program: str
    runs: int
    save: Path | None
    failures: list[str] = field(default_factory=list)

    def run(self, *words: object) -> str:
        """Standard output of the program."""
        done = subprocess.run([self.program, *map(str, words)], capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        if done.returncode != 0:
            sys.exit(f"bench_latency: {' '.join(map(str, words))}: {done.stderr.strip()}")
        return done.stdout

    def plan(self, model: Path, network: str, batch: int, forced: Forced) -> dict:
        """The plan as the server of `measure` makes it."""
        return json.loads(self.run("plan", model, "--batch", batch, "--json", "--network", network,
                                   "--reveal", "logits", *flags(forced)))

    def measure(self, model: Path, network: str, batches: list[int], forced: Forced) -> list[dict]:
        """One row for each batch."""
        out = self.run("bench", model, "--batch", ",".join(map(str, batches)), "--runs", self.runs,
                       "--json", "--simulate-network", network, *flags(forced))
        return [json.loads(line) for line in out.splitlines()]

    def check(self, good: bool, what: str) -> None:
        """Remember a failure."""
        if not good:
            self.failures.append(what)


def flags(forced: Forced) -> list[str]:
    """The options that force a layout and an engine."""
    return ["--layout", forced[0], "--nonlinear", forced[1]] if forced else []


def used(row: dict) -> str:
    """Layout and engine in one word."""
    return f"{row['layout']}/{row['engine']}"


# ---- measuring ---------------------------------------------------------------------------------

def wanted(bench: Bench, model: Path, network: str, chosen: dict[int, dict],
           forced: tuple[str, str]) -> dict[int, dict]:
    """The plans of the batches for which an alternative is there, differs, and has a chance."""
    plans = {}
    for batch, row in chosen.items():
        plan = bench.plan(model, network, batch, forced)
        there = (plan["layout"], plan["engine"]) == forced
        if (there and used(row) != "/".join(forced)
                and plan["totals"]["seconds"] <= HOPELESS * row["predicted_seconds"]):
            plans[batch] = plan
    return plans


def finish(bench: Bench, row: dict, plan: dict, forced: Forced) -> None:
    """Joins a measured row with its plan, checks both, saves the row."""
    totals = plan["totals"]
    row["forced"] = "/".join(forced) if forced else None
    row["predicted_seconds"] = totals["seconds"]
    row["predicted_bytes_to_server"] = totals["bytes_to_server"]
    row["predicted_bytes_to_client"] = totals["bytes_to_client"]
    row["same_plan"] = (plan["layout"], plan["engine"]) == (row["layout"], row["engine"])
    row["same_bytes"] = row["same_plan"] and all(
        totals[f"bytes_to_{party}"] == row[f"first_bytes_to_{party}"]
        for party in ("server", "client"))
    name = f"{Path(row['model']).stem}, {row['network']}, batch {row['batch']}, {used(row)}"
    bench.check(row["same_plan"],
                f"{name}: the plan here says {plan['layout']}/{plan['engine']}")
    bench.check(row["same_bytes"] or not row["same_plan"], f"{name}: bytes differ from the plan's")
    bench.check(row["label_agreement"] * row["batch"] >= min(LABELS * row["batch"],
                                                             row["batch"] - 1),
                f"{name}: labels agree in {100 * row['label_agreement']:.1f} % only")
    if bench.save:
        with bench.save.open("a") as file:
            file.write(json.dumps(row) + "\n")


def compare(bench: Bench, model: Path, row: dict, others: list[dict]) -> str:
    """How the choice stands beside the best alternative: "0.5 of the time of batch/yao".

    By the fastest runs, since a busy machine is only ever slower; what looks wrong is measured
    again.
    """
    if not others:
        return "-"
    best = min(others, key=lambda other: other["seconds_fastest"])
    ours, theirs = row["seconds_fastest"], best["seconds_fastest"]
    for _ in range(AGAIN):
        if ours <= SLOWER * theirs + SLACK:
            break
        batches = [row["batch"]]
        forced = tuple(best["forced"].split("/"))
        ours = min(ours, bench.measure(model, row["network"], batches, None)[0]["seconds_fastest"])
        theirs = min(theirs, bench.measure(model, row["network"], batches,
                                           forced)[0]["seconds_fastest"])
    good = ours <= SLOWER * theirs + SLACK
    bench.check(good, f"{model.stem}, {row['network']}, batch {row['batch']}: {used(row)} was "
                      f"chosen and takes {ours / theirs:.2f} times as long as {used(best)}")
    return f"{ours / theirs:.2f} of the time of {used(best)}" + ("" if good else ", WRONG")


def table(bench: Bench, model: Path, network: str, batches: list[int], alternatives: bool) -> None:
    """Measures and prints one model over one link."""
    print(f"\n{model.stem} over {network}: seconds a request, median of {bench.runs}")
    print(f"{'batch':>6} {'used':<12} {'median':>9} {'fastest':>9} {'slowest':>9} {'set-up':>8} "
          f"{'flights':>7} {'to server':>11} {'to client':>11} {'planned':>9} {'ratio':>6} "
          f"{'bytes':>6}  fastest beside the best forced")
    chosen = {}
    for row in bench.measure(model, network, batches, None):
        finish(bench, row, bench.plan(model, network, row["batch"], None), None)
        chosen[row["batch"]] = row
    others: dict[int, list[dict]] = {batch: [] for batch in batches}
    for forced in ALTERNATIVES if alternatives else []:
        plans = wanted(bench, model, network, chosen, forced)
        for row in bench.measure(model, network, list(plans), forced) if plans else []:
            finish(bench, row, plans[row["batch"]], forced)
            others[row["batch"]].append(row)
    for batch, row in chosen.items():
        print_row(row, compare(bench, model, row, others[batch]))
        for other in others[batch]:
            print_row(other, "forced")
    sys.stdout.flush()


def print_row(row: dict, remark: str) -> None:
    """One line of the table."""
    ratio = row["predicted_seconds"] / row["seconds"]
    print(f"{row['batch']:>6} {used(row):<12} {row['seconds']:>9.4f} {row['seconds_fastest']:>9.4f} "
          f"{row['seconds_slowest']:>9.4f} {row['setup_seconds']:>8.3f} {row['flights']:>7.0f} "
          f"{row['bytes_to_server'] / 1e3:>8,.0f} KB {row['bytes_to_client'] / 1e3:>8,.0f} KB "
          f"{row['predicted_seconds']:>9.4f} {ratio:>6.2f} "
          f"{'same' if row['same_bytes'] else 'DIFFER':>6}  {remark}")


def main() -> None:
    """Measure what the words ask for."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="short | long | MODEL")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--networks", default=None, help="names or RTT:RATE, with commas")
    parser.add_argument("--batches", default=None, help="numbers, with commas")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--program", default=str(PROJECT / "build/release/mp2ml"))
    given = parser.parse_intermixed_args()
    bench = Bench(given.program, given.runs, given.save)
    sizes = {word for word in given.words if word in ("short", "long")}
    models = [Path(word) for word in given.words if word not in sizes] or MODELS
    short = "short" in sizes
    networks = given.networks.split(",") if given.networks else NETWORKS[1:3] if short else NETWORKS
    batches = ([int(word) for word in given.batches.split(",")] if given.batches
               else BATCHES[:1] if short else BATCHES)
    for model in models:
        for network in networks:
            more = SWEEP_BATCHES if "long" in sizes and network in SWEEP_NETWORKS else []
            table(bench, model, network, sorted({*batches, *more}), not short)
    print()
    for failure in bench.failures:
        print(f"WRONG: {failure}")
    sys.exit(1 if bench.failures else 0)


if __name__ == "__main__":
    main()
