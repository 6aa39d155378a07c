# SPDX-License-Identifier: Apache-2.0
"""The training example: train.py runs, and the file that it freezes is what it says.

Needs TensorFlow (`make test-all`) and some data set with training images.
"""
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.tensorflow

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "mnist"
sys.path.insert(0, str(EXAMPLE))


@pytest.fixture(scope="module")
def dataset() -> str:
    """A data set whose training images are on this machine or can be downloaded."""
    import mnist_util

    title = mnist_util.find_data(part="train")[1]
    return next(name for name, known in mnist_util.TITLES.items() if known == title)


def train(network: str, dataset: str, out: Path) -> tuple[Path, str]:
    """Run train.py --smoke as a user would; the frozen file and what was printed."""
    run = subprocess.run(
        [sys.executable, "train.py", "--smoke", "--network", network, "--dataset", dataset,
         "--out", str(out)],
        cwd=EXAMPLE, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}, timeout=600,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert run.returncode == 0, run.stdout
    return out / f"{network}-{dataset.removesuffix('-mnist')}.pb", run.stdout


@pytest.fixture(scope="module", params=["cryptonets-relu", "mlp-maxpool"])
def frozen(request, dataset, tmp_path_factory) -> tuple[Path, str]:
    """One smoke run of each network."""
    return train(request.param, dataset, tmp_path_factory.mktemp(request.param))


def test_smoke_run_learns(frozen):
    """500 steps' worth of training beats guessing by far, and the report names the file."""
    path, output = frozen
    accuracy = float(output.rsplit("accuracy ", 1)[1].split(" ")[0])
    assert accuracy > 30  # ten classes
    assert f"{path}: {path.stat().st_size} bytes" in output


def test_frozen_graph_has_no_variables(frozen):
    """Freezing leaves constants and one placeholder of the documented name and shape."""
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef.FromString(frozen[0].read_bytes())
    nodes = {node.name: node for node in graph.node}
    placeholders = [node.name for node in graph.node if node.op == "Placeholder"]
    assert placeholders == ["input"]
    assert [d.size for d in nodes["input"].attr["shape"].shape.dim] == [-1, 28, 28, 1]
    assert "output" in nodes
    assert not [node.name for node in graph.node if "Variable" in node.op or node.op == "Assign"]


def test_private_program_plans_the_frozen_graph(frozen):
    """What Keras freezes is what the importer reads: same input, same number of classes."""
    mp2ml = pytest.importorskip("mp2ml")

    model = mp2ml.Model(str(frozen[0]))
    assert tuple(model.inputs[0].shape) == (28, 28, 1)


def test_same_seed_same_file(dataset, tmp_path):
    """Training is repeatable: the same seed and threads give the same bytes."""
    first, _ = train("cryptonets-relu", dataset, tmp_path / "a")
    second, _ = train("cryptonets-relu", dataset, tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
