#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/models.md from the code's own tables: the operators of src/model/graph.h, with the
map in its head, and the tables of the importers, src/model/import_*.c, with rows {"NAME", GRAPH_..., reader.

    tools/make_models_doc.py            write the file
    tools/make_models_doc.py --check    fail if it is not what would be written
"""
import re
import sys
from collections.abc import Iterator

import tree

NAME = "docs/models.md"
INTERNAL = {"GATHER"}  # made while simplifying, in no file
FORMATS = {"tf": "TensorFlow", "onnx": "ONNX", "tflite": "TensorFlow Lite"}  # import_KEY*.c

# What the tables do not say: kinds L, N and E one by one; constants stand on the right.
FORMS = {
    "CONV2D": "constant kernel; strides, dilations, groups, all paddings, NHWC and NCHW",
    "MATMUL": "constant matrix on the right",
    "BIAS_ADD": "",
    "ADD": "of a constant, or of two values",
    "SUB": "of a constant, or of two values",
    "MUL": "linear by a constant; product of two values",
    "DIV": "constant divisor",
    "AVG_POOL": "",
    "PAD": "constant paddings, not of the batch",
    "RESHAPE": "not across samples",
    "SQUEEZE": "",
    "EXPAND_DIMS": "",
    "TRANSPOSE": "batch axis first",
    "CONCAT": "not along the batch",
    "RELU": "",
    "SIGN": "1 or -1; 0 has one of both",
    "MAX_POOL": "",
    "SOFTMAX": "any axis but the batch; by the client, none with argmax",
    "LOG_SOFTMAX": "any axis but the batch; by the client, none with argmax",
    "SIGMOID": "by the client; with argmax, the sign",
    "TANH": "by the client; with argmax, the sign",
    "ARGMAX": "any axis but the batch, and reshaped; of equal values any",
}
CLASSES = """\
| class | what happens | cost | error |
|---|---|---|---|
| free | computed while loading | none | none |
| linear | a matrix on ciphertexts; linear operators in a row are multiplied out into one matrix where that is cheaper, so moving values costs nothing by itself | a ciphertext for each value in and out, for up to 2,048 images together; multiplications as in the clear | rounded weights, biases and shares |
| product | two values on shares; x*x (square) is cheaper | oblivious transfers, as many as bits, for each value and image | one rounding more, and each factor's error times the other factor |
| ReLU | comparison and selection on shares | oblivious transfers for each value and image | none; removes that of inactive values |
| sign | comparison on shares | that of a ReLU without its selection | a value nearer to 0 than its error may have either sign; one wrong sign is in the stated error |
| maximum | a tree of ReLUs over the window | one ReLU for each value of the window but one | none; never enlarges the operands' |
| end | on the opened result, or the position of the maximum on shares | none, or one maximum | none; wrong only if two values are nearer than their errors |
"""
HEAD = """\
<!-- Made by tools/make_models_doc.py from src/model; do not edit. -->
# Operators

{counts} are read, listed by their names in files. Anything else is refused
with the node's name, its operator, the reason and the nearest rewrite;
`mp2ml plan --explain-unsupported MODEL` lists all that a file has of it. `mp2ml plan MODEL` shows what becomes of a
network: steps, bytes, time, and the error of each step.

{classes}
How errors are computed stands in src/plan/plan_error.c and [protocol.md](protocol.md), "Numbers" and
"One linear step"; the plan states six standard deviations of the worst value. Values beyond the measured
ranges wrap, which no error bound covers.

## With data

| {formats} | private form | class |
|{rules}---|---|
"""
TAIL = """
## With constants alone

These are computed while loading and refused where they depend on an input.

"""

NOTES = """
## The batch, and quantised networks

TensorFlow and TensorFlow Lite: the first axis of every input is the batch, whatever number the file has there; the same
number in front of a shape that an operator asks for means the batch. ONNX: the first axis is the batch where all
inputs have it and no operator mixes samples; otherwise, where the file fixes all sizes, whole tensors are one sample.
A Slice or Split of ONNX may leave nothing: as an output of size 0, which is known without any work, or for a Concat.
A size of 0 of an input means one that the file does not know.

Quantised networks run as the real numbers that they stand for: constants are scale * (value - zero point), inputs
and outputs of TensorFlow Lite are real numbers, and rounding is not imitated. What a type cannot hold is clipped only
where an operator says so by its activation (TensorFlow Lite), or where QuantizeLinear (ONNX) makes an output or has
a zero point at an end of its type, where it stands for a ReLU or a minimum with 0.
"""

Names = dict[str, dict[str, list[str]]]  # operator, format: names in files


def text_of(name: str) -> str:
    return (tree.ROOT / name).read_text()


def operators() -> dict[str, tuple[str, str]]:
    """Each operator's text and kind."""
    rows = re.findall(r'X\((\w+), "(\w+)", \'(\w)\'\)', text_of("src/model/graph.h"))
    return {name: (text, kind) for name, text, kind in rows}


def imported() -> Names:
    """For each operator, its names in the files of each format."""
    names: Names = {}
    row = re.compile(r'^\s*(?:\[\d+\] = )?\{"(\w+)", GRAPH_(\w+), [a-z]\w*', re.M)
    for path in sorted((tree.ROOT / "src" / "model").glob("import_*.c")):
        key = path.stem.split("_")[1]
        for name, op in row.findall(path.read_text()) if key in FORMATS else ():
            names.setdefault(op, {}).setdefault(key, []).append(name)
    return names


def rewritten() -> Iterator[tuple[list[str], str]]:
    """The map in the head of the table: operators, and what is left of them."""
    text = text_of("src/model/graph.h").split("when they stand on data", 1)[1].split("*/", 1)[0]
    rows: list[tuple[list[str], str]] = []
    for line in text.splitlines()[1:]:
        found = re.match(r" \*   ([A-Z][A-Z0-9_, .]*?)  +(\S.*)$", line)
        if found is None:
            continue
        names = re.findall(r"[A-Z][A-Z0-9_]+", found[1])
        if "..." in found[1]:  # and all others with the rule of the first
            rules = text_of("src/model/graph_ops.c")
            rule = re.search(rf"\[GRAPH_{names[0]}\] = \{{\w+, \w+, (\w+)", rules)[1]
            names = re.findall(rf"\[GRAPH_(\w+)\] = \{{\w+, \w+, {rule},", rules)
        if rows and rows[-1][1].endswith(","):
            rows[-1] = (rows[-1][0] + names, f"{rows[-1][1]} {found[2]}")
        else:
            rows.append((names, found[2]))
    return iter(rows)


def class_of(form: str) -> str:
    """The most expensive classes that the form of an operator needs."""
    if "ARGMAX" in form:
        return "end"
    if "MAX_POOL" in form:
        return "maximum"
    product = re.search(r"MUL (with itself|of x with)", form) is not None
    found = ["linear"] if product and "MUL by" in form else []
    found += ["ReLU"] if "RELU" in form else ["sign"] if "SIGN" in form else []
    found += ["product"] if product else []
    return ", ".join(found) or ("free" if "training only" in form else "linear")


def document() -> str:
    """The whole file; KeyError when a table has a row that this script does not know."""
    known, names, lines = operators(), imported(), []
    left = dict(names)
    formats = [key for key in FORMATS if any(key in by for by in names.values())]

    def row(ops: list[str], form: str, kind: str) -> None:
        found = [left.pop(op, {}) for op in ops]
        files = [", ".join(name for by in found for name in sorted(by.get(key, [])))
                 for key in formats]
        spoken = re.sub(r"[A-Z][A-Z0-9_]+", lambda m: known.get(m[0], (m[0],))[0], form)
        lines.append(f"| {' | '.join(files)} | {spoken} | {kind} |")

    classes = {"MUL": "linear, product", "RELU": "ReLU", "SIGN": "sign", "MAX_POOL": "maximum"}
    for op, (_, kind) in known.items():
        if kind in "LNE" and op not in INTERNAL:
            row([op], FORMS[op], classes.get(op, "end" if kind == "E" else "linear"))
    for ops, form in rewritten():
        row(ops, form, class_of(form))
    row(["INPUT"], "real values, of 2 to 16 bits; shape but for the batch known", "input")
    row(["CONST", "IDENTITY", "CAST"], "nothing is left", "free")
    tail = ""
    for key in formats:
        constant = sorted(sum((by.get(key, []) for by in left.values()), []))
        tail += f"{FORMATS[key]}: {wrapped(constant)}.\n\n"
    counts = [f"{sum(len(by.get(key, [])) for by in names.values())} operators of {FORMATS[key]}"
              for key in formats]
    head = HEAD.format(counts=", ".join(counts[:-1]) + " and " + counts[-1], classes=CLASSES, rules="---|" * len(formats),
                       formats=" | ".join(FORMATS[key] for key in formats))
    return head + "\n".join(lines) + "\n" + TAIL + tail.rstrip("\n") + "\n" + NOTES


def wrapped(words: list[str]) -> str:
    """Names with commas, in lines of at most 100 characters."""
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) > 96:
            lines[-1] = lines[-1].rstrip()
            lines.append("")
        lines[-1] += f"{word}, "
    return "\n".join(lines).removesuffix(", ")


def main() -> None:
    path, text = tree.ROOT / NAME, document()
    if sys.argv[1:] == ["--check"]:
        stale = not path.is_file() or path.read_text() != text
        tree.report("models", [f"{NAME} is stale: run tools/make_models_doc.py"] if stale else [],
                    f"{NAME} says what the tables say")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        path.write_text(text)


if __name__ == "__main__":
    main()
