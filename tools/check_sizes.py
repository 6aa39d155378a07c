#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Caps on the length of files and functions, of C, Python and shell code (CONVENTIONS.md, "Size").

A C function is what stands between a { and the next } in the first column (clang-format puts them
there), counted from the first line of its signature.
"""
import ast
import re
from collections.abc import Iterator
from pathlib import Path

import tree

FILE_LINES = 800
FUNCTION_LINES = 80
KERNEL_LINES = 150  # functions of *_kernels_*.c

# path or path:function -> why it may be longer
EXCEPTIONS: dict[str, str] = {}

# The name in the first line of a signature: the last word before the first parenthesis.
NAME = re.compile(r"(\w+)\s*\(")


def c_functions(lines: list[str]) -> Iterator[tuple[str, int, int]]:
    """(name, first line, lines) of each function, lines counted from 1."""
    start = None
    for number, line in enumerate(lines):
        if line == "{":
            start = number
            while start > 0 and lines[start - 1].strip() and not lines[start - 1].startswith(
                    ("#", "}", "/*", " */", "//")) and not lines[start - 1].endswith((";", "*/")):
                start -= 1
        elif line == "}" and start is not None:
            match = NAME.search(" ".join(lines[start:number]))
            yield (match.group(1) if match else "?"), start + 1, number - start + 1
            start = None


def python_functions(text: str) -> Iterator[tuple[str, int, int]]:
    """The same for Python."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1


def check(path: Path) -> list[str]:
    """Findings in one file."""
    text = (tree.ROOT / path).read_text()
    lines = text.splitlines()
    findings = []
    if len(lines) > FILE_LINES and str(path) not in EXCEPTIONS:
        findings.append(f"{path}: {len(lines)} lines, at most {FILE_LINES}")
    cap = KERNEL_LINES if "_kernels_" in path.name else FUNCTION_LINES
    functions = {".py": lambda: python_functions(text), ".c": lambda: c_functions(lines),
                 ".h": lambda: c_functions(lines)}.get(path.suffix, lambda: iter(()))
    for name, line, length in functions():
        if length > cap and f"{path}:{name}" not in EXCEPTIONS:
            findings.append(f"{path}:{line}: {name} has {length} lines, at most {cap}")
    return findings


def main() -> None:
    """Check every file; an exception that nothing needs is a finding too."""
    paths = tree.files(".c", ".h", ".py", ".sh")
    findings = [finding for path in paths for finding in check(path)]
    for key in EXCEPTIONS:
        if not (tree.ROOT / key.split(":")[0]).is_file():
            findings.append(f"{key}: an exception for a file that is not there")
    tree.report("sizes", findings, f"{len(paths)} files")


if __name__ == "__main__":
    main()
