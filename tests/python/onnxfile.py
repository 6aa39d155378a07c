# SPDX-License-Identifier: Apache-2.0
"""Writes ONNX files in the protobuf wire format, by hand, as graphdef.py does for GraphDefs.

    model = OnnxFile()
    x = model.input("x", (3, 8, 8))
    model.output(model.add("Relu", "y", [x]), (3, 8, 8))
    model.write(path)

float32 and int64 tensors; attributes are integers, floats or lists of integers. Field numbers are
those of onnx.proto.
"""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from graphdef import block, number, varint

FLOAT, INT64, INT, INTS = 1, 7, 2, 7  # two of TensorProto.DataType, two of AttributeProto.AttributeType


def value_info(name: str, sample: Sequence[int], kind: int = FLOAT) -> bytes:
    """A ValueInfoProto of a batch of samples, float32 or int64."""
    dims = block(1, block(2, "batch")) + b"".join(block(1, number(1, d)) for d in sample)
    return block(1, name) + block(2, block(1, number(1, kind) + block(2, dims)))


class OnnxFile:
    """Nodes in the order in which they were added; methods return names of tensors."""

    def __init__(self) -> None:
        self.graph = block(2, "graph")

    def input(self, name: str, sample: Sequence[int], kind: int = FLOAT) -> str:
        """An input of such samples."""
        self.graph += block(11, value_info(name, sample, kind))
        return name

    def output(self, name: str, sample: Sequence[int]) -> None:
        """A tensor becomes the next output."""
        self.graph += block(12, value_info(name, sample))

    def constant(self, name: str, values: object) -> str:
        """float32, or int64 where numpy takes the values for integers."""
        array = np.asarray(values)
        kind = FLOAT if array.dtype.kind == "f" else INT64
        raw = np.ascontiguousarray(array, "<f4" if kind == FLOAT else "<i8").tobytes()
        self.graph += block(5, b"".join(number(1, d) for d in array.shape) + number(2, kind)
                            + block(8, name) + block(9, raw))
        return name

    def add(self, op: str, name: str, inputs: Sequence[str], **attributes: int | list[int]) -> str:
        """Any operator with one output, which has the node's name."""
        body = b"".join(block(1, i) for i in inputs) + block(2, name) + block(3, name)
        for key, value in attributes.items():
            text = number(3, value) + number(20, INT) if isinstance(value, int) else \
                b"".join(varint(8 << 3) + varint(i) for i in value) + number(20, INTS)
            body += block(5, block(1, key) + text)
        self.graph += block(1, body + block(4, op))
        return name

    def bytes(self) -> bytes:
        """The file's contents: IR version 8, opset 17."""
        return number(1, 8) + block(7, self.graph) + block(8, number(2, 17))

    def write(self, path: Path) -> Path:
        """The file."""
        path.write_bytes(self.bytes())
        return path
