# SPDX-License-Identifier: Apache-2.0
"""What the checks share: the project's files, and how findings are reported."""
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def files(*endings: str) -> list[Path]:
    """Paths of the project's files with these endings, relative to ROOT, new ones included."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    paths = sorted({Path(name) for name in listed.split("\0") if name.endswith(endings)})
    return [path for path in paths if (ROOT / path).is_file()]


def report(check: str, findings: list[str], summary: str) -> None:
    """Print findings and leave with 1, or print the summary line."""
    for finding in findings:
        print(f"{check}: {finding}", file=sys.stderr)
    if findings:
        sys.exit(1)
    print(f"{check}: {summary}")
