# SPDX-License-Identifier: Apache-2.0
"""PyTorch networks of many kinds, small and seeded: exported, run privately, compared with torch.

Needs torch (`make test-all`). Those that classify digits are trained for some seconds on MNIST, so
that labels mean something; the others on numbers made up here.
"""
from typing import Any

import numpy as np
import pytest
from whole_models import agreement, compare

import mp2ml

pytestmark = pytest.mark.torch
torch: Any = pytest.importorskip("torch")
nn = torch.nn
F = torch.nn.functional


# ---- networks ----

def convolution(inputs: int, outputs: int, size: int = 3, stride: int = 1, groups: int = 1) -> Any:
    """With batch norm, no activation."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups,
                                   bias=False), nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    """A small ResNet: two blocks, one of which halves the picture through a 1x1 shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = convolution(1, 8, 5, 2)
        self.one = nn.Sequential(convolution(8, 8), nn.ReLU(), convolution(8, 8))
        self.two = nn.Sequential(convolution(8, 16, 3, 2), nn.ReLU(), convolution(16, 16))
        self.shortcut = convolution(8, 16, 1, 2)
        self.head = nn.Linear(16, 10)

    def forward(self, image: Any) -> Any:
        x = F.relu(self.stem(image))
        x = F.relu(x + self.one(x))
        x = F.relu(self.shortcut(x) + self.two(x))
        return self.head(x.mean((2, 3)))


class MobileBlocks(nn.Module):
    """As in MobileNetV3: expansion, depthwise convolution, squeeze and excitation, hard swish."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolution(1, 6, 3, 4), nn.Hardswish())
        self.expand = nn.Sequential(convolution(6, 12, 1), nn.Hardswish())
        self.depth = nn.Sequential(convolution(12, 12, 3, 1, 12), nn.Hardswish())
        self.excite = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(12, 4, 1), nn.ReLU(),
                                    nn.Conv2d(4, 12, 1), nn.Hardsigmoid())
        self.project = convolution(12, 6, 1)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.1), nn.Linear(294, 10))

    def forward(self, image: Any) -> Any:
        x = self.stem(image)
        y = self.depth(self.expand(x))
        return self.head(x + self.project(y * self.excite(y)))


class Inception(nn.Module):
    """Branches of several sizes side by side, then the mean and the maximum of each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 5, 3)
        self.one, self.three = nn.Conv2d(6, 4, 1), nn.Conv2d(6, 6, 3, padding=1)
        self.five = nn.Sequential(nn.Conv2d(6, 3, 1), nn.ReLU(), nn.Conv2d(3, 4, 5, padding=2))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(6, 4, 1))
        self.head = nn.Linear(36, 10)

    def forward(self, image: Any) -> Any:
        x = F.relu6(self.stem(image))
        x = F.relu(torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1))
        return self.head(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1))


class UNet(nn.Module):
    """Down, up by a transposed convolution, beside what was before; an image comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 4, 3, padding=1)
        self.deep = nn.Conv2d(4, 8, 3, padding=1)
        self.up = nn.ConvTranspose2d(8, 4, 2, 2)
        self.out = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, picture: Any) -> Any:
        x = F.leaky_relu(self.down(picture), 0.1)
        y = F.relu(self.deep(F.max_pool2d(x, 2)))
        return self.out(torch.cat([x, F.relu(self.up(y))], 1))


class TwoToTwo(nn.Module):
    """A signal and some facts in, a class and a size out; one layer is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.wave = nn.Sequential(nn.Conv1d(2, 6, 5, 2), nn.PReLU(6), nn.AvgPool1d(2))
        self.shared = nn.Linear(12, 12)
        self.facts, self.slope = nn.Linear(3, 12), nn.PReLU()
        self.kind, self.size = nn.Linear(54, 4), nn.Linear(54, 1)

    def forward(self, signal: Any, facts: Any) -> Any:
        y = self.slope(self.shared(self.slope(self.shared(self.slope(self.facts(facts))))))
        x = torch.cat([self.wave(signal).flatten(1), y], 1)
        return {"kind": self.kind(x), "size": self.size(x)}


# ---- running them ----

@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(4)
    torch.set_num_threads(1)


def numbers(count: int, *shape: int) -> np.ndarray:
    """Uniform values from 0 to 1."""
    return np.random.default_rng(7).random((count, *shape), np.float32)


def train(network: Any, inputs: tuple[np.ndarray, ...], loss: Any, epochs: int) -> None:
    """Adam, batches of 64; `loss` takes what the network gives and the numbers of the samples."""
    optimizer = torch.optim.Adam(network.parameters(), 0.004)
    tensors = [torch.from_numpy(x) for x in inputs]
    network.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(tensors[0])).split(64):
            optimizer.zero_grad()
            loss(network(*(x[rows] for x in tensors)), rows).backward()
            optimizer.step()


def outputs(network: Any, *inputs: np.ndarray) -> list[np.ndarray]:
    """By torch itself."""
    network.eval()
    with torch.no_grad():
        y = network(*map(torch.from_numpy, inputs))
    return [part.numpy() for part in (y.values() if isinstance(y, dict) else [y])]


def check_floats(model: mp2ml.Model, x: Any, expected: list[np.ndarray]) -> None:
    """Our floats are torch's."""
    y = model.eval_float(x)
    for got, want in zip(y.values() if isinstance(y, dict) else [y], expected, strict=True):
        assert np.abs(got - want).max() < 1e-4 * np.abs(want).max()


@pytest.mark.parametrize("kind", (Residual, MobileBlocks, Inception))
def test_digits(kind: Any, mnist: tuple[np.ndarray, np.ndarray]) -> None:
    """Classifiers of MNIST, trained on the last 8,000 test images, asked about the first."""
    network = kind()
    images = np.ascontiguousarray(mnist[0].transpose(0, 3, 1, 2))
    answers = torch.from_numpy(mnist[1][2000:])
    train(network, (images[2000:],), lambda y, rows: F.cross_entropy(y, answers[rows]), 3)
    x, example = images[:200], torch.from_numpy(images[:1])
    expected = outputs(network, x)
    assert (expected[0].argmax(1) == mnist[1][:200]).mean() > 0.6
    model = mp2ml.Model(network, example, reveal="logits")
    assert [(t.name, t.shape) for t in model.inputs] == [("image", (1, 28, 28))]
    check_floats(model, x, expected)
    compare(kind.__name__, model, x, expected, margin=model.expected_errors[0] / 4)


def test_segmentation() -> None:
    """An image comes out, as large as that which went in."""
    network, x = UNet(), numbers(60, 1, 16, 16)
    x = np.where(x[:, :, 8:9, 8:9] > x, x, 0).astype(np.float32)
    wanted = torch.from_numpy(np.roll(x, 1, 3))
    train(network, (x,), lambda y, rows: F.mse_loss(y, wanted[rows]), 40)
    expected = outputs(network, x)
    model = mp2ml.Model(network, x[:1], reveal="logits")
    assert model.outputs[0].shape == (1, 16, 16)
    check_floats(model, x, expected)
    compare("UNet", model, x, expected, classes=False)


def test_two_inputs_two_outputs() -> None:
    """By the names of forward()'s arguments and of its result; one input is sent in the clear."""
    network, signals, facts = TwoToTwo(), numbers(100, 2, 32), numbers(100, 3) * 2 - 1
    sums = torch.from_numpy(facts.sum(1) + signals.sum((1, 2)) / 8)
    best = torch.from_numpy(signals.reshape(100, 4, 16).sum(2).argmax(1))
    train(network, (signals, facts), lambda y, rows: F.cross_entropy(y["kind"], best[rows])
          + F.mse_loss(y["size"][:, 0], sums[rows]), 80)
    expected = outputs(network, signals, facts)
    model = mp2ml.Model(network, (signals[:1], facts[:1]), reveal="logits",
                        input_range=(-1, 1))
    assert [(t.name, t.shape) for t in model.inputs] == [("signal", (2, 32)), ("facts", (3,))]
    assert [(t.name, t.shape) for t in model.outputs] == [("kind", (4,)), ("size", (1,))]
    x = {"facts": facts, "signal": signals}
    check_floats(model, x, expected)
    private = compare("two-to-two", model, x, expected, plain=["facts"], classes=False)
    assert agreement(private[0], expected[0]) >= 0.99
