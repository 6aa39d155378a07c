# SPDX-License-Identifier: Apache-2.0
"""Networks that others trained, run privately: TensorFlow and ONNX files, and weights as text.

Data: the collection of models (MP2ML_MODELS, or shared/models beside the project) and MNIST.
"""
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import Serving
from graphdef import FLOAT, Graph, Type
from whole_models import agreement, compare, model_file, predict

import mp2ml

Mnist = tuple[np.ndarray, np.ndarray]


# ---- MNIST, TensorFlow files ----

@pytest.mark.parametrize("name", ("capc_mlp", "capc_cryptonets"))
def test_golden_outputs(name: str, mnist: Mnist) -> None:
    """Within the expected error of what another engine computes, not only of our own floats."""
    golden = np.load(model_file(f"golden/{name}.pb.npy"))
    model = mp2ml.Model(model_file(f"tf/{name}.pb"), reveal="logits")
    images = mnist[0][:100]
    assert np.abs(model.eval_float(images) - golden).max() < 1e-4 * np.abs(golden).max()
    compare(name, model, images, [golden])


@pytest.mark.parametrize("layout", ("batch", "image"))
@pytest.mark.parametrize(("name", "mean", "deviation"), (
    ("cnn_max_mninst2", 0, 1), ("mnist-8_onnxmodelzoo", 0, 1 / 255), ("mnist2x10", 0, 1),
    ("mnist5x20_leaky_relu", 0, 1), ("mnist_onnxmlir", 0.1307, 0.3081)))
def test_golden_outputs_of_onnx_files(name: str, mean: float, deviation: float, layout: str,
                                      mnist: Mnist) -> None:
    """The same of ONNX files; each was trained on pixels scaled in its own way."""
    golden = np.load(model_file(f"golden/{name}.onnx.npy"))
    images = ((mnist[0][:100].astype(np.float32) - mean) / deviation).astype(np.float32)
    model = mp2ml.Model(model_file(f"onnx/{name}.onnx"), reveal="logits", layout=layout,
                        input_range=(float(images.min()), float(images.max())))
    images = images.reshape(100, *model.inputs[0].shape)
    assert np.abs(model.eval_float(images) - golden).max() < 1e-4 * np.abs(golden).max()
    compare(name, model, images, [golden])


def test_dropout_is_left_out(mnist: Mnist) -> None:
    """A graph that was saved with its training-time dropout computes what it should without."""
    path = model_file("tf/utensor_deep_mlp.pb")
    model = mp2ml.Model(path, reveal="logits", output_node="logits")
    images = mnist[0].reshape(-1, 784)
    float_labels = model.eval_float(images).argmax(1)
    assert int((float_labels == mnist[1]).sum()) == 9555
    y = compare("utensor_deep_mlp", model, images[:200], [model.eval_float(images[:200])])[0]
    assert (y.argmax(1) == mnist[1][:200]).mean() > 0.9


@pytest.mark.parametrize("name", ("capc_mlp", "capc_cryptonets"))
def test_program_checks_itself(program: str, name: str, mnist: Mnist, tmp_path: Path) -> None:
    """Two processes, labels only, compared by --check and with the right labels."""
    path = model_file(f"tf/{name}.pb")
    np.save(tmp_path / "x.npy", mnist[0][:100])
    np.save(tmp_path / "labels.npy", mnist[1][:100])
    with Serving(program, model=path) as server:
        result = subprocess.run(
            [program, "predict", server.address, "--threads", "1", "--input", tmp_path / "x.npy",
             "--labels", tmp_path / "labels.npy", "--check", path, "--output", tmp_path / "y.npy"],
            capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    assert "verdict: good" in result.stdout
    golden = np.load(model_file(f"golden/{name}.pb.npy"))
    assert (np.load(tmp_path / "y.npy") == golden.argmax(1)).mean() >= 0.99


# ---- keyword spotting, from the node after the features ----

# name: input, logits, samples
KEYWORDS = {"DNN_S": ("Mfcc:25,10", "add", 200), "CNN_S": ("Mfcc:49,10", "add_4", 32),
            "DS_CNN_S": ("Mfcc:49,10", "MobileNet/fc1/BiasAdd", 4)}


def features(samples: int, frames: int) -> np.ndarray:
    """Cepstra of made-up sounds: slow in time, coefficients that get smaller, within -20:20."""
    random = np.random.default_rng(11)
    steps = random.normal(size=(samples, frames, 10)).cumsum(1)
    spread = steps / np.sqrt(np.arange(1, frames + 1))[:, None] * 6 / np.sqrt(np.arange(1, 11))
    return np.clip(spread, -20, 20).astype(np.float32)


def keywords(name: str) -> mp2ml.Model:
    node, logits, _ = KEYWORDS[name]
    return mp2ml.Model(model_file(f"tf/{name}.pb"), reveal="logits", input_node=node,
                       output_node=logits, input_range=(-20, 20))


@pytest.mark.parametrize("name", ("DNN_S", "CNN_S"))
def test_keyword_spotting(name: str) -> None:
    """Made-up features leave some samples undecided: half the expected error between two labels."""
    model = keywords(name)
    x = features(KEYWORDS[name][2], model.inputs[0].shape[0])
    expected = model.eval_float(x)
    assert len(np.unique(expected.argmax(1))) > 1
    compare(name, model, x, [expected], margin=model.expected_errors[0] / 2)


def cepstra(samples: int, frames: int, seed: int) -> np.ndarray:
    """As of recordings: a large negative first coefficient, small others, slow in time."""
    random = np.random.default_rng(seed)
    steps = random.normal(size=(samples, frames, 10))
    for frame in range(1, frames):
        steps[:, frame] = 0.9 * steps[:, frame - 1] + 0.43 * steps[:, frame]
    mean = np.array([-8, 1.5, 0.3, 0.4, 0.1, 0.2, 0, 0.1, 0, 0])
    spread = np.array([8, 2.5, 1.8, 1.4, 1.2, 1, 0.9, 0.8, 0.7, 0.6])
    level = 0.6 * random.normal(size=(samples, 1, 10))
    return np.clip(mean + spread * (level + 0.8 * steps), -20, 20).astype(np.float32)


@pytest.mark.parametrize("name", ("DNN_S", "CNN_S"))
def test_keyword_spotting_calibrated(name: str, tmp_path: Path) -> None:
    """With samples of what comes in, labels are the float model's, close ones included."""
    node, logits, _ = KEYWORDS[name]
    frames = 25 if name == "DNN_S" else 49
    np.save(tmp_path / "samples.npy", cepstra(256, frames, 77))
    model = mp2ml.Model(model_file(f"tf/{name}.pb"), reveal="logits", input_node=node,
                        output_node=logits, input_range=(-20, 20),
                        ranges=f"calibrated:{tmp_path / 'samples.npy'}")
    x = cepstra(100, frames, 3)
    expected, y = model.eval_float(x), predict(model, x)[0]
    assert len(np.unique(expected.argmax(1))) > 5
    assert agreement(y, expected) >= 0.99
    assert np.abs(y - expected).max() <= model.expected_errors[0]


def test_keyword_spotting_depthwise() -> None:
    """Errors as large as those of the fixed-point twin, labels of the float model."""
    model = keywords("DS_CNN_S")
    x = features(KEYWORDS["DS_CNN_S"][2], 49)
    y, expected, twin = predict(model, x)[0], model.eval_float(x), model.eval_fixed(x)
    worst, typical = np.abs(y - expected).max(), np.sqrt(((y - expected) ** 2).mean())
    print(f"DS_CNN_S: {len(y)} samples, labels {100 * agreement(y, expected):.1f} %, largest error "
          f"{worst:.4g} of {model.expected_errors[0]:.4g} expected, typical {typical:.4g}")
    assert typical <= 2 * np.sqrt(((twin - expected) ** 2).mean())
    assert agreement(y, expected, margin=0.5) == 1


def test_expected_error_of_many_convolutions() -> None:
    model = keywords("DS_CNN_S")
    x = features(16, 49)
    assert np.abs(model.eval_fixed(x) - model.eval_float(x)).max() <= model.expected_errors[0]


def test_features_are_refused_in_words() -> None:
    """Without --input-node the first node that cannot be computed is named, and why."""
    with pytest.raises(mp2ml.ModelError, match=r"node 'Mfcc' \(Mfcc\): this operator has no"):
        mp2ml.Model(model_file("tf/CNN_S.pb"))


# ---- the CryptoNets-ReLU network with its authors' own weights ----

@pytest.fixture(scope="module")
def cryptonets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text weights to a GraphDef; input 0 to 255."""
    folder = model_file("text/he-transformer-cryptonets-relu")

    def weights(name: str, *dims: int) -> np.ndarray:
        return np.loadtxt(folder / f"W_{name}.txt").reshape(dims).astype(np.float32)

    graph = Graph()
    x = graph.placeholder("x", (28, 28, 1))
    padded = graph.add("Pad", "padded", [x, graph.constant("paddings", [[0, 0], [0, 1], [0, 1],
                                                                        [0, 0]])])
    kernel = graph.constant("kernel", weights("conv1", 5, 5, 1, 5))
    conv = graph.add("Conv2D", "conv", [padded, kernel], T=Type(FLOAT), strides=[1, 2, 2, 1],
                     padding="VALID")
    bias = graph.constant("bias", weights("conv1_bias", 1, 13, 13, 5))
    active = graph.add("Relu", "conv/relu", [graph.add("AddV2", "conv/sum", [conv, bias])])
    flat = graph.add("Reshape", "flat", [active, graph.constant("flat/shape", [-1, 845])])
    squash = graph.dense("squash", flat, weights("squash", 845, 100), weights("fc1_bias", 100))
    graph.dense("output", graph.add("Relu", "squash/relu", [squash]), weights("fc2", 100, 10),
                weights("fc2_bias", 10))
    return graph.write(tmp_path_factory.mktemp("cryptonets") / "cryptonets.pb")


def test_authors_weights(cryptonets: Path, mnist: Mnist) -> None:
    model = mp2ml.Model(cryptonets, reveal="logits", input_range=(0, 255))
    raw = np.round(mnist[0] * 255)
    expected = model.eval_float(raw)
    assert int((expected.argmax(1) == mnist[1]).sum()) == 9864
    y = compare("cryptonets-relu", model, raw[:512], [expected[:512]])[0]
    assert agreement(y, expected[:512]) * 512 >= 511


def test_authors_weights_in_bench(program: str, cryptonets: Path, mnist: Mnist,
                                  tmp_path: Path) -> None:
    """bench --input measures agreement on the given samples."""
    np.save(tmp_path / "x.npy", np.round(mnist[0][:64] * 255))
    result = subprocess.run([program, "bench", cryptonets, "--json", "--runs", "1", "--input",
                             tmp_path / "x.npy", "--input-range", "0:255", "--threads", "1"],
                            capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    row = json.loads(result.stdout)
    model = mp2ml.Model(cryptonets, reveal="logits", input_range=(0, 255))
    assert row["batch"] == 64 and row["label_agreement"] >= 63 / 64
    assert 0 < row["max_error"] <= model.expected_errors[0]
