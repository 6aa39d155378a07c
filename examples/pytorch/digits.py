#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Train a small PyTorch network, serve it for private inference, ask it, compare with PyTorch.

Server and client are in one process here; the README of this folder says how to part them.
"""
import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

import mp2ml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "mnist"))
from mnist_util import load_mnist_test_data, load_mnist_train_data  # noqa: E402


def digits_network() -> nn.Module:
    """(n, 1, 28, 28) pixels to ten logits; batch norms and dropout as anywhere."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(400, 10))


def train(network: nn.Module, images: np.ndarray, labels: np.ndarray) -> None:
    """Once through the images."""
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    optimizer = torch.optim.Adam(network.parameters(), 0.003)
    for rows in torch.randperm(len(x)).split(64):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
        optimizer.step()


def channels_first(data: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Images as PyTorch takes them, labels as classes."""
    return np.ascontiguousarray(data[0].transpose(0, 3, 1, 2)), data[1].argmax(1)


def main() -> None:
    """Train, serve, ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=int, default=20000, metavar="N", help="images to train on")
    parser.add_argument("--ask", type=int, default=100, metavar="N", help="images to ask about")
    flags = parser.parse_args()
    torch.manual_seed(1)
    network = digits_network()
    images, labels = channels_first(load_mnist_train_data())
    train(network, images[:flags.train], labels[:flags.train])
    x, y = channels_first(load_mnist_test_data(0, flags.ask))

    with mp2ml.Server(network, torch.zeros(1, 1, 28, 28), port=0) as server, \
            mp2ml.Client("localhost", server.port) as client:
        start = time.perf_counter()
        private = client.predict(x)  # labels: the server sees no pixel, the client no weight
        seconds = time.perf_counter() - start
        traffic = client.stats.bytes_to_server + client.stats.bytes_to_client

    network.eval()
    with torch.no_grad():
        clear = network(torch.from_numpy(x)).argmax(1).numpy()
    print(f"{(private == y).sum()} of {len(y)} right, {(private == clear).sum()} as PyTorch says; "
          f"{seconds:.2f} s, {traffic / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
