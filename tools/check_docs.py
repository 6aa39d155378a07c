#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the documents say, as far as a script can tell: links lead somewhere, files that they name are
there, tables of codes equal those of the code, programs in the README compile, and the sections of
docs/protocol.md that comments cite exist."""
import re
import subprocess
import tempfile
from pathlib import Path

import tree

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
# A path of the project, but for placeholders as in cmd_NAME.c.
NAMED_FILE = re.compile(r"\b(?:src|tests|tools|docs|cmake|examples|include|apps)/"
                        r"(?![\w./-]*[A-Z]{4}[\w]*\.)[\w./-]+\.(?:c|h|py|sh|md)\b")
CITED = re.compile(r'docs/protocol\.md,[\s*]+((?:"[^"]+"(?:,|[\s*]+and)?[\s*]*)+)')


def text_of(name: str) -> str:
    """A file of the project."""
    return (tree.ROOT / name).read_text()


def check_references(path: Path) -> list[str]:
    """Links and named files of one document."""
    text = text_of(str(path))
    findings = [f"{path}: link to {target}, which is not there" for target in LINK.findall(text)
                if "://" not in target and not (tree.ROOT / path.parent / target).exists()]
    return findings + [f"{path}: names {name}, which is not there"
                       for name in NAMED_FILE.findall(text) if not (tree.ROOT / name).exists()]


def x_macro(header: str, macro: str) -> list[tuple[str, ...]]:
    """The rows X(a, b, ...) of a table in a header, each as its first two arguments."""
    table = text_of(header).split(f"#define {macro}(X)", 1)[1].split("\n\n", 1)[0]
    return re.findall(r"\bX\((\w+), ([^,)]+)", table)


def check_codes() -> list[str]:
    """Frame types and kinds of step in docs/wire-format.md."""
    text = text_of("docs/wire-format.md")
    frames = {name: code for code, name in re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", text, re.M)}
    findings = []
    if frames != dict(x_macro("src/net/frame.h", "FRAME_TYPE_MAP")):
        findings.append("docs/wire-format.md: frame types differ from FRAME_TYPE_MAP")
    kinds = [name.strip('"') for _, name in x_macro("src/plan/plan.h", "STEP_KIND_MAP")]
    row = ", ".join(f"{i} {name}" for i, name in enumerate(kinds))
    if row not in text:
        findings.append(f"docs/wire-format.md: kinds of step are {row}")
    return findings


def check_citations() -> list[str]:
    """Sections of docs/protocol.md that comments in the code name."""
    sections = set(re.findall(r"^## (.*)$", text_of("docs/protocol.md"), re.M))
    findings = []
    for path in tree.files(".c", ".h"):
        for group in CITED.findall(text_of(str(path))):
            for title in re.findall(r'"([^"]+)"', group):
                title = re.sub(r"[\s*]+", " ", title)
                if title not in sections:
                    findings.append(f"{path}: cites docs/protocol.md, \"{title}\"")
    return findings


def check_programs() -> list[str]:
    """The examples in the README."""
    text, findings = text_of("README.md"), []
    for program in re.findall(r"```python\n(.*?)```", text, re.S):
        compile(program, "README.md", "exec")
    with tempfile.TemporaryDirectory() as folder:
        for program in re.findall(r"```c\n(.*?)```", text, re.S):
            source = Path(folder) / "readme.c"
            source.write_text(program)
            run = subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                                  "-I", str(tree.ROOT / "include"), str(source)],
                                 stderr=subprocess.PIPE, text=True)
            if run.returncode:
                findings.append(f"README.md: the C program does not compile\n{run.stderr}")
    return findings


def main() -> None:
    """Check all documents."""
    documents = tree.files(".md")
    findings = [finding for path in documents for finding in check_references(path)]
    findings += check_codes() + check_citations() + check_programs()
    tree.report("docs", findings, f"{len(documents)} documents")


if __name__ == "__main__":
    main()
