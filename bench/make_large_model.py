#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes frozen graphs with 25 million random weights, to measure import and planning on.

    bench/make_large_model.py mlp|vgg|resnet50 FILE.pb [--seed N]

mlp is dense, vgg a VGG16 for 32x32 pictures, resnet50 that network at 224x224 with its batch
norms. Weights are scaled as before training, so that values neither vanish nor grow. Needs numpy,
not TensorFlow: the few fields of GraphDef that it takes are written here by hand.
"""
import argparse
import struct

import numpy as np

FLOAT, INT32 = 1, 3  # DataType


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value & (1 << 64) - 1)


def data(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def shape(dims):
    return b"".join(data(2, number(1, d)) for d in dims)


def integers(values):
    return data(1, data(3, b"".join(varint(v) for v in values)))


class Network:
    """Appends nodes to a file; every method returns the name of what it made."""

    def __init__(self, path, seed):
        self.file = open(path, "wb")
        self.random = np.random.default_rng(seed)
        self.nodes = self.weights = 0

    def node(self, op, *inputs, **attributes):
        name = f"{op}_{self.nodes}"
        self.nodes += 1
        body = data(1, name) + data(2, op) + b"".join(data(3, i) for i in inputs)
        for key, value in attributes.items():
            body += data(5, data(1, key) + data(2, value))
        self.file.write(data(1, body))
        return name

    def input(self, *dims):
        return self.node("Placeholder", dtype=number(6, FLOAT), shape=data(7, shape((-1,) + dims)))

    def constant(self, values):
        kind = INT32 if values.dtype == np.int32 else FLOAT
        tensor = number(1, kind) + data(2, shape(values.shape)) + data(4, values.tobytes())
        self.weights += values.size if kind == FLOAT else 0
        return self.node("Const", dtype=number(6, kind), value=data(8, tensor))

    def normal(self, dims, deviation):
        values = self.random.standard_normal(dims, np.float32)
        values *= np.float32(deviation)
        return self.constant(values)

    def dense(self, x, inputs, outputs):
        x = self.node("MatMul", x, self.normal((inputs, outputs), (2 / inputs) ** 0.5))
        return self.node("BiasAdd", x, self.normal((outputs,), 0.1))

    def convolution(self, x, size, inputs, outputs, stride=1):
        deviation = (2 / (size * size * inputs)) ** 0.5
        kernel = self.normal((size, size, inputs, outputs), deviation)
        return self.node("Conv2D", x, kernel, padding=data(2, "SAME"),
                         strides=integers((1, stride, stride, 1)))

    def pool(self, op, x, size, stride, padding):
        return self.node(op, x, padding=data(2, padding), ksize=integers((1, size, size, 1)),
                         strides=integers((1, stride, stride, 1)))

    def norm(self, x, channels, gain=1.0):
        spread = self.random.uniform(0.8, 1.25, (2, channels)).astype(np.float32)
        parts = (self.constant(spread[0] * np.float32(gain)), self.normal((channels,), 0.1),
                 self.normal((channels,), 0.1), self.constant(spread[1]))
        return self.node("FusedBatchNormV3", x, *parts, is_training=number(5, 0),
                         epsilon=varint(4 << 3 | 5) + struct.pack("<f", 1e-3))

    def flat(self, x, count):
        return self.node("Reshape", x, self.constant(np.array([-1, count], np.int32)))


def mlp(net):
    widths = (784, 4096, 4608, 640, 10)
    x = net.input(widths[0])
    for i in range(1, len(widths)):
        x = net.node("Relu", x) if i > 1 else x
        x = net.dense(x, widths[i - 1], widths[i])
    net.node("Softmax", x)


def vgg(net):
    x, channels = net.input(32, 32, 3), 3
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            x = net.convolution(x, 3, channels, width)
            x = net.node("Relu", net.node("BiasAdd", x, net.normal((width,), 0.1)))
            channels = width
        x = net.pool("MaxPool", x, 2, 2, "VALID")
    x = net.node("Relu", net.dense(net.flat(x, 512), 512, 4096))
    x = net.node("Relu", net.dense(x, 4096, 2048))
    net.node("Softmax", net.dense(x, 2048, 10))


def resnet50(net):
    x = net.norm(net.convolution(net.input(224, 224, 3), 7, 3, 64, 2), 64)
    x, channels = net.pool("MaxPool", net.node("Relu", x), 3, 2, "SAME"), 64
    for width, depth, first_stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(depth):
            stride = first_stride if block == 0 else 1
            y = net.node("Relu", net.norm(net.convolution(x, 1, channels, width, stride), width))
            y = net.node("Relu", net.norm(net.convolution(y, 3, width, width), width))
            y = net.norm(net.convolution(y, 1, width, 4 * width), 4 * width, 0.3)
            if block == 0:
                shortcut = net.convolution(x, 1, channels, 4 * width, stride)
                x = net.norm(shortcut, 4 * width, 0.7)
            x, channels = net.node("Relu", net.node("AddV2", x, y)), 4 * width
    x = net.flat(net.pool("AvgPool", x, 7, 7, "VALID"), channels)
    net.node("Softmax", net.dense(x, channels, 1000))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", choices=("mlp", "vgg", "resnet50"))
    parser.add_argument("file")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    net = Network(arguments.file, arguments.seed)
    {"mlp": mlp, "vgg": vgg, "resnet50": resnet50}[arguments.model](net)
    net.file.close()
    print(f"{arguments.file}: {net.weights} weights in {net.nodes} nodes")


if __name__ == "__main__":
    main()
