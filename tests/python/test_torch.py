# SPDX-License-Identifier: Apache-2.0
"""PyTorch networks of many kinds, small and seeded: exported, run privately, compared with torch.

Needs torch (`make test-all`). Those that classify digits are trained for some seconds on MNIST, so
that labels mean something; the others on numbers made up here.
"""
import importlib.util
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PROJECT
from whole_models import agreement, compare

import mp2ml
from mp2ml import _torch_models, convert

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


# ---- what is accepted ----

class Dense(nn.Module):
    """Three numbers in, two out; dropout and batch norm that would show in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.ReLU())
        self.last = nn.Linear(8, 2)

    def forward(self, x: Any) -> Any:
        return self.last(self.layers(x))


def dense() -> Any:
    """With a batch norm that is not the identity."""
    network = Dense()
    network.layers[1].running_mean += 0.2
    network.layers[1].running_var *= 3
    return network


@pytest.fixture(params=("newer", "older"))
def exporter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Torch's exporters: the older one is what is left without onnxscript."""
    if request.param == "older":
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    else:
        pytest.importorskip("onnxscript")
    return str(request.param)


def test_exporters(exporter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either writes the network in eval mode, for batches of any size, and leaves it as it was."""
    if exporter == "newer":
        monkeypatch.setattr(_torch_models, "_by_older", None)
    network, x = dense(), numbers(7, 3)
    network.layers[2].eval()
    before = [(part, part.training) for part in network.modules()]
    state = {name: value.clone() for name, value in network.state_dict().items()}
    model = mp2ml.Model(network, torch.zeros(1, 3), reveal="logits")
    assert [(part, part.training) for part in network.modules()] == before
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert model.inputs[0].name == "x" and model.outputs[0].name == "output"
    check_floats(model, x, outputs(network, x))


@pytest.mark.parametrize("where", ("weights", "example"))
def test_channels_last_in_memory(where: str) -> None:
    """Networks that were trained with this, and arrays that look like it, are like any other."""
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                            nn.Linear(4, 3))
    x = numbers(5, 2, 6, 6)
    expected, example = outputs(network, x), torch.from_numpy(x)
    if where == "weights":
        network = network.to(memory_format=torch.channels_last)
    else:
        example = example.to(memory_format=torch.channels_last)
    model = mp2ml.Model(network, example[:1], reveal="logits")
    assert model.inputs[0].shape == (2, 6, 6)
    check_floats(model, x, expected)


def test_examples() -> None:
    """Tensors and arrays of any type of floats, of one sample or more, alone or in a tuple."""
    network, x = dense(), numbers(5, 3)
    expected = outputs(network, x)
    for example in (x[:1], x.astype(np.float64), torch.zeros(2, 3, dtype=torch.float64), (x,), [x]):
        check_floats(mp2ml.Model(network, example, reveal="logits"), x, expected)


@pytest.mark.parametrize(("example", "kind", "text"), (
    (None, TypeError, "Dense: a PyTorch network needs example_input"),
    (34000, TypeError, "example_input: a int"),
    ("x.npy", TypeError, "example_input: a str"),
    (torch.tensor(1.0), mp2ml.InputError, r"shape \(\) has no samples"),
    (torch.zeros(0, 3), mp2ml.InputError, r"shape \(0, 3\) has no samples"),
    (torch.zeros(1, 4), mp2ml.InputError, r"Dense.* example_input of shape \(1, 4\): .*mat1 and mat2"),
    ((torch.zeros(1, 3), torch.zeros(2, 3)), mp2ml.InputError, "differ in their number of samples"),
    ((torch.zeros(1, 3), torch.zeros(1, 3)), mp2ml.InputError, "takes 2 positional arguments"),
))
def test_wrong_examples(example: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        mp2ml.Server(dense(), example, port=0)


def test_what_needs_no_example(tmp_path: Path) -> None:
    for model in (b"", tmp_path / "m.onnx", 3):
        with pytest.raises(TypeError, match="example_input with a PyTorch or Keras model only"):
            mp2ml.Model(model, torch.zeros(1, 3))


class NoTensor(nn.Module):
    def forward(self, x: Any) -> Any:
        return {"y": x, "note": "text"}


class Unwritable(nn.Module):
    def forward(self, x: Any) -> Any:
        return torch.special.i1e(x)


def test_networks_that_cannot_be_exported(exporter: str) -> None:
    with pytest.raises(mp2ml.ModelError, match="NoTensor: the network gives a str"):
        mp2ml.Model(NoTensor(), torch.zeros(1, 3))
    with pytest.raises(mp2ml.ModelError, match="Unwritable: torch .* cannot write it as ONNX; .*"
                       "older exporter says: .*i1e") as caught:
        mp2ml.Model(Unwritable(), torch.zeros(1, 3))
    assert ("pip install onnx onnxscript" in str(caught.value)) == (exporter == "older")
    assert ("torch's exporter says" in str(caught.value)) == (exporter == "newer")


def test_without_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    network = dense()
    torch.export.save(torch.export.export(network.eval(), (torch.zeros(2, 3),)), tmp_path / "m.pt2")
    monkeypatch.setitem(sys.modules, "torch", None)
    for model in (network, tmp_path / "m.pt2"):
        with pytest.raises(mp2ml.ModelError, match="pip install torch onnx onnxscript, or give"):
            mp2ml.Model(model)


# ---- files ----

def test_exported_program(tmp_path: Path) -> None:
    """A .pt2 file has all in it; the program converts it, too."""
    network, x = dense().eval(), numbers(6, 3)
    batch = torch.export.Dim("batch")
    program = torch.export.export(network, (torch.zeros(2, 3),), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "m.pt2")
    assert convert.main([str(tmp_path / "m.pt2"), str(tmp_path / "m.onnx")]) == 0
    for model in (program, tmp_path / "m.pt2", tmp_path / "m.onnx"):
        check_floats(mp2ml.Model(model, reveal="logits"), x, outputs(network, x))
    with pytest.raises(TypeError, match="exported program takes no example_input"):
        mp2ml.Model(program, x)


def test_torchscript(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network, x = dense().eval(), numbers(6, 3)
    path = tmp_path / "m.pt"
    torch.jit.trace(network, torch.zeros(2, 3)).save(str(path))
    check_floats(mp2ml.Model(path, x, reveal="logits"), x, outputs(network, x))
    assert convert.main([str(path), str(tmp_path / "no.onnx")]) == 1
    assert "needs --input-shape" in capsys.readouterr().err
    assert convert.main([str(path), str(tmp_path / "m.onnx"), "--input-shape", "1,3"]) == 0
    check_floats(mp2ml.Model(tmp_path / "m.onnx", reveal="logits"), x, outputs(network, x))


def test_files_with_weights_only(tmp_path: Path) -> None:
    """State dicts and pickled modules, with any ending that torch.load() reads."""
    torch.save(dense().state_dict(), tmp_path / "state.pth")
    torch.save(dense(), tmp_path / "module.pt")
    (tmp_path / "text.pt").write_text("no model")
    for name in ("state.pth", "module.pt", "text.pt"):
        with pytest.raises(mp2ml.ModelError, match=f"{name}: .*weights only.*load_state_dict"):
            mp2ml.Model(tmp_path / name, torch.zeros(1, 3))
    with pytest.raises(mp2ml.ModelError, match="none.pt: there is no such file"):
        mp2ml.Model(tmp_path / "none.pt")


def test_file_that_broke(tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/models/model.json", "{}")
    with pytest.raises(mp2ml.ModelError, match="m.pt2: torch .* cannot read it"):
        mp2ml.Model(path)


def test_both_in_one_process() -> None:
    """Whoever imports torch first still gets our TLS; nothing is left in the folder of temporary
    files."""
    code = ("import tempfile, os, torch, numpy as np, mp2ml\n"
            "network = torch.nn.Sequential(torch.nn.Linear(4, 3))\n"
            "with tempfile.TemporaryDirectory() as folder:\n"
            "    tempfile.tempdir = folder\n"
            "    server = mp2ml.Server(network, torch.zeros(1, 4), port=0, reveal='logits')\n"
            "    assert not os.listdir(folder), os.listdir(folder)\n"
            "with server, mp2ml.Client('localhost', server.port, threads=1) as client:\n"
            "    assert client.predict(np.zeros((2, 4), 'f')).shape == (2, 3)\n")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                            check=False, timeout=120)
    assert result.returncode == 0, result.stderr


# ---- the example ----

def test_example_runs(mnist: tuple[np.ndarray, np.ndarray]) -> None:
    """It learns, and the private labels are those of torch."""
    script = PROJECT / "examples" / "pytorch" / "digits.py"
    result = subprocess.run([sys.executable, script, "--train", "6000", "--ask", "50"], check=False,
                            capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    right, same = (int(number) for number in re.match(
        r"(\d+) of 50 right, (\d+) as PyTorch says; .* MB\n", result.stdout).groups())
    assert right > 30 and same >= 49
