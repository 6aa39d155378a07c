#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the release build defines, calls and exports. Usage: check_symbols.py BUILD_DIR

The first word of every global symbol of a layer is mp2ml, the folder's name, the first word of a file
name of the folder, or in SUBJECTS; test hooks are not there; nothing calls a generator of random
numbers other than the project's own; program and Python extension export nothing but the interface.
"""
import re
import subprocess
import sys
from pathlib import Path

import tree

# Further first words, where one file serves several subjects.
SUBJECTS = {
    "base": {"bits", "reader", "writer"},  # bytes.h
    "crypto": {"stream"},  # prg.h
    "model": {"onnx"},  # import_onnx*.c
    "net": {"link"},  # frame.h
    "plan": {"rep", "strict"},  # lower.h, scales.h
    "steps": {"gather", "input", "row"},  # steps.h
    "session": {"class", "first", "read", "request", "send", "serve", "tensor"},  # session.h
}
# Names that only the test build may define.
TEST_ONLY = re.compile(r"(^|_)(test|hooks?|seeded|cheat|control|tap|chosen)(_|$)|^prg_break$")
# No library code may call these: secrets come from crypto/prg, times from a monotonic clock.
FORBIDDEN = {"rand", "rand_r", "srand", "random", "srandom", "drand48", "lrand48", "mrand48",
             "srand48", "arc4random", "time", "gettimeofday", "clock", "abort", "exit", "_exit",
             "printf", "puts", "putchar", "vprintf", "strcpy", "strcat", "sprintf", "gets"}
EXPORTS = re.compile(r"^(mp2ml_|PyInit_)")
# What linkers and C start-up code put into every program.
FROM_TOOLCHAIN = re.compile(r"^(_|__|data_start|environ|stdin|stdout|stderr|main$)")


def nm(path: Path, *flags: str) -> list[tuple[str, str]]:
    """(type, name) of each symbol that nm lists."""
    out = subprocess.run(["nm", "-P", *flags, str(path)], check=True, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True).stdout
    rows = [line.split() for line in out.splitlines()]
    return [(row[1], row[0]) for row in rows if len(row) > 1 and len(row[1]) == 1]


def first_words(folder: str) -> set[str]:
    """Allowed first words of a layer's global symbols."""
    files = {path.stem.split("_")[0] for path in tree.files(".c", ".h")
             if path.parts[:2] == ("src", folder)}
    return {"mp2ml", folder} | files | SUBJECTS.get(folder, set())


def check_layer(library: Path, folder: str) -> tuple[list[str], int]:
    """Findings in one layer's library, and how many globals it defines."""
    allowed = first_words(folder)
    defined = {name for kind, name in nm(library, "--defined-only", "-g") if kind.isupper()}
    called = {name for _, name in nm(library, "--undefined-only")}
    findings = [f"{folder}: {name} does not start with mp2ml_, the folder's or a file's name"
                for name in sorted(defined) if name.split("_")[0] not in allowed]
    findings += [f"{folder}: {name} belongs to the test build"
                 for name in sorted(defined) if TEST_ONLY.search(name)]
    findings += [f"{folder}: calls {name}" for name in sorted(called & FORBIDDEN)]
    return findings, len(defined)


def check_exports(binary: Path) -> list[str]:
    """Findings in what a program or an extension exports."""
    names = {name.split("@")[0] for kind, name in nm(binary, "-D", "--defined-only")
             if kind.isupper()}
    return [f"{binary.name}: exports {name}" for name in sorted(names)
            if not EXPORTS.match(name) and not FROM_TOOLCHAIN.match(name)]


def binaries(build: Path) -> list[Path]:
    """The program, shared libraries, and the installed Python extension."""
    installed = (tree.ROOT / ".venv").glob("lib/python3*/site-packages/mp2ml/*.so")
    return [path for path in (build / "mp2ml", *build.glob("libmp2ml*.so"), *installed)
            if path.is_file()]


def main() -> None:
    """Check one release build."""
    if len(sys.argv) != 2:
        sys.exit("usage: check_symbols.py BUILD_DIR")
    build = Path(sys.argv[1])
    libraries = sorted(path for path in build.glob("src/*/liblayer_*.a")
                       if not path.stem.endswith("_test"))
    findings, count = [], 0
    for library in libraries:
        found, defined = check_layer(library, library.parent.name)
        findings += found
        count += defined
    if not libraries or not binaries(build):
        findings.append(f"{build}: no release build here")
    for binary in binaries(build):
        findings += check_exports(binary)
    tree.report("symbols", findings, f"{count} globals of {len(libraries)} layers, "
                f"{len(binaries(build))} binaries")


if __name__ == "__main__":
    main()
