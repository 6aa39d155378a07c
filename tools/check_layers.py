#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Folders are layers: who may include whom (ARCHITECTURE.md, "Layers").

Checks that a folder of src/ includes only the folders in its row of MAY_INCLUDE, and of those only
the front door FOLDER.h or what the front door itself includes; that CMake links the same layers;
that apps/, python/ and examples/ see nothing but mp2ml.h; and that no two files share a name.
"""
import re
from collections import defaultdict
from pathlib import Path

import tree

MAY_INCLUDE = {
    "base": [],
    "crypto": ["base"],
    "model": ["base"],
    "ring": ["base", "crypto"],
    "net": ["base", "crypto"],
    "ckks": ["base", "crypto", "ring"],
    "ot": ["base", "crypto", "net"],
    "mpc": ["base", "crypto", "net", "ot"],
    "plan": ["base", "model", "ckks", "ot", "mpc"],
    "steps": ["base", "crypto", "net", "ckks", "ot", "mpc", "plan"],
    "session": ["base", "crypto", "model", "net", "ckks", "ot", "mpc", "plan", "steps"],
}
PUBLIC_HEADER = "mp2ml.h"
PUBLIC_USERS = ("apps", "python", "examples")  # see PUBLIC_HEADER and their own folder
# Names that mean something to a tool, or that every folder may have.
SHARED_NAMES = {"CMakeLists.txt", "README.md", "__init__.py", "conftest.py"}

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)
NEEDS = re.compile(r"NEEDS([a-z \n]*)")


def includes(path: Path) -> list[tuple[bool, str]]:
    """(written with quotes, name) of each include of a file."""
    text = (tree.ROOT / path).read_text()
    return [(mark == '"', name) for mark, name in INCLUDE.findall(text)]


def front_door(folder: str) -> set[str]:
    """The headers of a folder that others may include: FOLDER.h and all that it includes there."""
    doors, todo = set(), [f"{folder}/{folder}.h"]
    while todo:
        header = todo.pop()
        if header in doors or not (tree.ROOT / "src" / header).is_file():
            continue
        doors.add(header)
        todo += [name for _, name in includes(Path("src") / header)
                 if name.startswith(f"{folder}/")]
    return doors


def check_layer_file(path: Path, doors: dict[str, set[str]]) -> list[str]:
    """Findings in one file of src/."""
    own, findings = path.parts[1], []
    for quoted, name in includes(path):
        folder = name.split("/")[0]
        if folder in MAY_INCLUDE and "/" in name:
            if folder == own:
                continue
            if folder not in MAY_INCLUDE[own]:
                findings.append(f"{path}: {own} may not include {folder} ({name})")
            elif name not in doors[folder]:
                findings.append(f"{path}: {name} is private to {folder}")
        elif quoted and name != PUBLIC_HEADER and not name.endswith(".pb-c.h"):
            findings.append(f'{path}: "{name}" is not written as FOLDER/FILE.h')
    return findings


def check_public_user(path: Path, inside: set[str]) -> list[str]:
    """Findings in one file that may see only the public header; `inside` = headers of src/."""
    return [f"{path}: includes {name}, may see only {PUBLIC_HEADER}"
            for quoted, name in includes(path) if name in inside or
            quoted and name != PUBLIC_HEADER and not (tree.ROOT / path.parent / name).is_file()]


def check_cmake(folder: str) -> list[str]:
    """The layers that CMake links must be those of the table."""
    path = Path("src") / folder / "CMakeLists.txt"
    text = (tree.ROOT / path).read_text()
    match = NEEDS.search(text)
    needs = match.group(1).split() if match else []
    return [] if needs == MAY_INCLUDE[folder] else [
        f"{path}: NEEDS {' '.join(needs)}, but the table says {' '.join(MAY_INCLUDE[folder])}"]


def check_names(paths: list[Path]) -> list[str]:
    """File names are unique in the whole tree."""
    by_name = defaultdict(list)
    for path in paths:
        if path.name not in SHARED_NAMES:
            by_name[path.name].append(str(path))
    return [f"one name, several files: {', '.join(same)}"
            for same in by_name.values() if len(same) > 1]


def main() -> None:
    """Check everything."""
    code = tree.files(".c", ".h")
    findings = []
    doors = {folder: front_door(folder) for folder in MAY_INCLUDE}
    headers = {"/".join(path.parts[1:]) for path in code if path.parts[0] == "src"}
    for path in code:
        if path.parts[0] == "src" and path.parts[1] not in MAY_INCLUDE:
            findings.append(f"{path}: {path.parts[1]} is in no row of the table")
        elif path.parts[0] == "src":
            findings += check_layer_file(path, doors)
        elif path.parts[0] in PUBLIC_USERS:
            findings += check_public_user(path, headers)
    for folder in MAY_INCLUDE:
        findings += check_cmake(folder)
    findings += check_names(tree.files(".c", ".h", ".py", ".sh", ".md", ".proto", ".cmake"))
    tree.report("layers", findings, f"{len(code)} C files, {len(MAY_INCLUDE)} layers")


if __name__ == "__main__":
    main()
