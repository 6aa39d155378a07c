#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The report of `make privacy`. Usage: privacy.py BUILD_DIR

Runs the test programs that measure what travels and what the parties hold, which append rows
`item|property|statistic|threshold|control` (tests/privacy_report.h), adds rows on the release
libraries, and judges: a property holds when its statistic is below the threshold and its control,
the same statistic with a protection taken away, is not. Ends with 1 when a property fails, a
control does not, a program fails, or an item has no row. The items are those of docs/protocol.md.
"""
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import check_symbols
import tree

PROGRAMS = ("test_ckks_privacy", "test_ckks_image_privacy", "test_attack_keys", "test_mpc_privacy",
            "test_yao_privacy", "test_privacy", "test_ahead", "test_idle", "test_structure",
            "test_ckks_linear", "test_ckks_image", "test_exact_steps", "test_attack_tamper",
            "test_attack_image", "test_attack_order", "test_attack_server", "test_secret")
ITEMS = (1, 2, 3, 4, 5, 6, 7, 8, 10)
# What a generator outside of crypto/prg would be.
GENERATORS = {"rand", "rand_r", "srand", "random", "srandom", "drand48", "lrand48", "mrand48",
              "srand48", "arc4random"}
CLOCKS = {"time", "gettimeofday", "clock"}

Row = tuple[int, str, float, float, float]


def run_programs(build: Path, report: Path) -> list[str]:
    """Runs every program; what failed."""
    failed = []
    for name in PROGRAMS:
        print(f"privacy: {name}", file=sys.stderr, flush=True)
        program = build / "tests" / name
        done = subprocess.run([str(program)], env={**os.environ, "MP2ML_PRIVACY_REPORT": str(report)},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False) if program.is_file() else None
        if done is None or done.returncode != 0:
            failed.append(f"{name}: {'failed' if done else 'is not built'}")
            print(done.stdout if done else "", file=sys.stderr)
    return failed


def read_rows(report: Path) -> list[Row]:
    """The rows of the programs; several of one property become one, the worst."""
    worst: dict[tuple[int, str], Row] = {}
    for line in report.read_text().splitlines():
        item, name, *numbers = line.split("|")
        statistic, threshold, control = map(float, numbers)
        if math.isnan(statistic + control):
            statistic, control = math.inf, -math.inf
        old = worst.get((int(item), name), (int(item), name, statistic, threshold, control))
        worst[int(item), name] = (int(item), name, max(old[2], statistic), min(old[3], threshold),
                                  min(old[4], control))
    return list(worst.values())


def symbols(libraries: list[Path], *flags: str) -> list[str]:
    """Names in libraries, once for each time they occur."""
    return [name for library in libraries for _, name in check_symbols.nm(library, *flags)]


def called_by_control() -> list[str]:
    """What an object calls that draws from rand() and seeds by the time."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "control.c", Path(folder) / "control.o"
        source.write_text("#include <stdlib.h>\n#include <time.h>\nint f(void);\n"
                          "int f(void) { srand((unsigned)time(0)); return rand(); }\n")
        subprocess.run(["cc", "-c", "-o", str(library), str(source)], check=True)
        return symbols([library], "--undefined-only")


def static_rows(build: Path) -> list[Row]:
    """Item 10, as far as symbols show it."""
    libraries = sorted(build.glob("src/*/liblayer_*.a"))
    release = [path for path in libraries if not path.stem.endswith("_test")]
    test = [path for path in libraries if path.stem.endswith("_test")]
    if not release:
        return []

    def hooks(paths: list[Path]) -> int:
        return sum(bool(check_symbols.TEST_ONLY.search(name))
                   for name in symbols(paths, "--defined-only"))

    def calls(names: list[str], wanted: set[str]) -> int:
        return sum(name in wanted for name in names)

    called, control = symbols(release, "--undefined-only"), called_by_control()
    return [(10, "test hooks and seeded generators in release libraries", hooks(release), 1,
             hooks(test)),
            (10, "calls of rand() and its like in release libraries", calls(called, GENERATORS), 1,
             calls(control, GENERATORS)),
            (10, "reads of the time of day in release libraries", calls(called, CLOCKS), 1,
             calls(control, CLOCKS))]


def holds(row: Row) -> bool:
    """The property holds and its control fails."""
    return row[2] < row[3] <= row[4]


def table(rows: list[Row]) -> str:
    """The report."""
    cells = [("item", "property", "statistic", "below", "control", "")]
    cells += [(str(row[0]), row[1], f"{row[2]:.4g}", f"{row[3]:.4g}", f"{row[4]:.4g}",
               "holds" if holds(row) else "FAILS") for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(6)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
                     for row in cells)


def main() -> None:
    """Measure, print, judge."""
    if len(sys.argv) != 2:
        sys.exit("usage: privacy.py BUILD_DIR")
    build = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "rows"
        report.touch()
        findings = run_programs(build, report)
        rows = sorted(read_rows(report) + static_rows(build), key=lambda row: row[0])
    print(table(rows))
    findings += [f"item {row[0]}: {row[1]}" for row in rows if not holds(row)]
    findings += [f"item {item}: nothing was measured" for item in ITEMS
                 if item not in {row[0] for row in rows}]
    tree.report("privacy", findings, f"{len(rows)} properties, each with a control that fails")


if __name__ == "__main__":
    main()
