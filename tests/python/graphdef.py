# SPDX-License-Identifier: Apache-2.0
"""Writes TensorFlow GraphDef files in the protobuf wire format, by hand.

    graph = Graph()
    x = graph.placeholder("x", (28, 28, 1))
    y = graph.add("Relu", "y", [x])
    graph.write(path)

Only what networks of a few nodes need: float32 and int32 constants, and attributes given as Python
values. Field numbers are those of tensorflow/core/framework: graph, node_def, attr_value, tensor,
tensor_shape.
"""
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

FLOAT, INT32 = 1, 3  # of types.proto


class Type(int):
    """A DataType, told apart from an integer attribute."""


def varint(n: int) -> bytes:
    """Base 128, low digits first; negative numbers as 64 bits in two's complement."""
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out) + bytes([n])


def number(field: int, n: int) -> bytes:
    """A field of wire type 0."""
    return varint(field << 3) + varint(n)


def block(field: int, content: bytes | str) -> bytes:
    """A field of wire type 2: a string, bytes or a message."""
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def shape(dims: Iterable[int | None]) -> bytes:
    """A TensorShapeProto; None is an axis of unknown length."""
    return b"".join(block(2, number(1, -1 if d is None else d)) for d in dims)


def tensor(array: np.ndarray) -> bytes:
    """A TensorProto."""
    kind = FLOAT if array.dtype.kind == "f" else INT32
    raw = np.ascontiguousarray(array, "<f4" if kind == FLOAT else "<i4").tobytes()
    return number(1, kind) + block(2, shape(array.shape)) + block(4, raw)


def attribute(value: object) -> bytes:
    """An AttrValue; tuples with None in front are shapes, lists are of integers."""
    if isinstance(value, Type):
        return number(6, value)
    if isinstance(value, bool):
        return number(5, value)
    if isinstance(value, int):
        return number(3, value)
    if isinstance(value, float):
        return varint(4 << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, str):
        return block(2, value)
    if isinstance(value, np.ndarray):
        return block(8, tensor(value))
    if isinstance(value, tuple):
        return block(7, shape(value))
    assert isinstance(value, list), value
    return block(1, block(3, b"".join(varint(i) for i in value)))


class Graph:
    """Nodes in the order in which they were added; every method returns the node's name."""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []

    def add(self, op: str, name: str, inputs: Sequence[str] = (), **attributes: object) -> str:
        """Any operator."""
        body = block(1, name) + block(2, op) + b"".join(block(3, i) for i in inputs)
        for key, value in attributes.items():
            body += block(5, block(1, key) + block(2, attribute(value)))
        self.nodes.append(block(1, body))
        return name

    def placeholder(self, name: str, sample: Sequence[int]) -> str:
        """An input of such samples."""
        return self.add("Placeholder", name, dtype=Type(FLOAT), shape=(None, *sample))

    def constant(self, name: str, values: object) -> str:
        """float32, or int32 where numpy takes the values for integers."""
        array = np.asarray(values)
        kind = FLOAT if array.dtype.kind == "f" else INT32
        return self.add("Const", name, dtype=Type(kind), value=array)

    def dense(self, name: str, source: str, weights: np.ndarray, bias: np.ndarray) -> str:
        """source @ weights + bias."""
        product = self.add("MatMul", f"{name}/product",
                           [source, self.constant(f"{name}/weights", weights)], T=Type(FLOAT))
        return self.add("BiasAdd", name, [product, self.constant(f"{name}/bias", bias)],
                        T=Type(FLOAT))

    def write(self, path: Path) -> Path:
        """The file."""
        path.write_bytes(b"".join(self.nodes))
        return path
