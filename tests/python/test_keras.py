# SPDX-License-Identifier: Apache-2.0
"""Keras networks of many kinds, small and seeded: frozen, run privately, compared with Keras.

Needs TensorFlow (`make test-all`). Those that classify digits are trained for some seconds where
MNIST is here, so that labels mean something; without it they keep random weights.
"""
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from whole_models import agreement, compare, model_file, predict

import mp2ml
from mp2ml import _keras_files, convert

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
pytestmark = pytest.mark.tensorflow
tf: Any = pytest.importorskip("tensorflow")
layers = tf.keras.layers


def test_data(count: int, *shape: int) -> np.ndarray:
    """Uniform values from 0 to 1."""
    return np.random.default_rng(3).random((count, *shape), np.float32)


test_data.__test__ = False


# ---- networks ----

def residual(x: Any) -> list[Any]:
    y = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x)
    z = layers.Conv2D(4, 3, padding="same", activation="relu")(y)
    z = layers.Conv2D(4, 3, padding="same")(z)
    y = layers.ReLU()(layers.Add()([y, z]))
    return [layers.Dense(10)(layers.Flatten()(layers.MaxPooling2D()(y)))]


def separable(x: Any) -> list[Any]:
    y = layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False)(x)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    y = layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False)(y)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    y = layers.Conv2D(12, 1, use_bias=False)(y)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    return [layers.Dense(10)(layers.Flatten()(y))]


def dense_connections(x: Any) -> list[Any]:
    y = layers.Conv2D(6, 5, strides=3, activation="relu")(x)
    z = layers.Conv2D(6, 3, padding="same", activation="relu")(y)
    y = layers.Concatenate()([y, z])
    z = layers.Conv2D(6, 3, padding="same", activation="relu")(y)
    y = layers.Concatenate()([y, z])
    return [layers.Dense(10)(layers.GlobalAveragePooling2D()(y))]


def leaky(x: Any) -> list[Any]:
    y = layers.LeakyReLU(negative_slope=0.2)(layers.Conv2D(4, 5, strides=3)(x))
    y = layers.ReLU(max_value=6)(layers.Dense(32)(layers.Flatten()(y)))
    return [layers.Dense(10)(y)]


def squares(x: Any) -> list[Any]:
    y = layers.Conv2D(4, 5, strides=3)(x)
    y = layers.Flatten()(layers.Multiply()([y, y]))
    y = layers.Dense(24)(y)
    return [layers.Dense(10)(layers.Multiply()([y, y]))]


def conv1d(x: Any) -> list[Any]:
    y = layers.Reshape((28, 28))(x)
    y = layers.Conv1D(12, 5, strides=2, padding="same", activation="relu")(y)
    y = layers.MaxPooling1D(2)(layers.Conv1D(12, 3, activation="relu")(y))
    return [layers.Dense(10)(layers.Flatten()(y))]


DIGITS: tuple[Callable[[Any], list[Any]], ...] = (residual, separable, dense_connections, leaky,
                                                 squares, conv1d)


# ---- running them ----

@pytest.fixture(autouse=True)
def seed() -> None:
    tf.keras.utils.set_random_seed(5)


def train(network: Any, x: np.ndarray, y: np.ndarray, loss: Any, epochs: int) -> None:
    network.compile(tf.keras.optimizers.Adam(0.003), loss)
    network.fit(x, y, batch_size=64, epochs=epochs, verbose=0)


def keras_outputs(network: Any, x: Any) -> list[np.ndarray]:
    """By Keras itself, one array an output."""
    return [np.asarray(y) for y in tf.nest.flatten(network(x, training=False))]


def frozen(network: Any, path: Path) -> Path:
    """The GraphDef file that `mp2ml convert` would write."""
    path.write_bytes(convert.graph_def(network))
    return path


def before_end(network: Any | Path) -> str:
    """The node whose values its Softmax or Sigmoid takes: those that the plan's error is about."""
    nodes = tf.compat.v1.GraphDef.FromString(convert.graph_def(network)).node
    return str(next(n.input[0] for n in nodes if n.op in ("Softmax", "Sigmoid")))


@pytest.mark.parametrize("body", DIGITS)
def test_digits(body: Callable[[Any], list[Any]], mnist: tuple[np.ndarray, np.ndarray],
                tmp_path: Path) -> None:
    """Classifiers of MNIST, trained on the last 8,000 test images, asked about the first."""
    x = tf.keras.Input((28, 28, 1))
    network = tf.keras.Model(x, body(x))
    train(network, mnist[0][2000:], mnist[1][2000:],
          tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True), 3)
    images = mnist[0][:300]
    expected = keras_outputs(network, images)
    assert (expected[0].argmax(1) == mnist[1][:300]).mean() > 0.6
    model = mp2ml.Model(frozen(network, tmp_path / "network.pb"), reveal="logits")
    assert np.abs(model.eval_float(images) - expected[0]).max() < 1e-4 * np.abs(expected[0]).max()
    compare(body.__name__, model, images, expected, margin=model.expected_errors[0] / 4)


def test_several_outputs() -> None:
    """A shared trunk, a class and a number, from the Keras model without a file."""
    x = tf.keras.Input((20,))
    trunk = layers.Dense(24, activation="relu")(x)
    head = layers.Dense(16, activation="relu")(trunk)
    network = tf.keras.Model(x, [layers.Dense(5, name="kind")(head),
                                 layers.Dense(1, name="size")(trunk)])
    data = test_data(100, 20)
    train(network, data, [np.argmax(data[:, :5], 1), data.sum(1)],
          [tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True), "mse"], 100)
    model = mp2ml.Model(network, reveal="logits")
    assert [(t.name, t.shape) for t in model.outputs] == [("kind", (5,)), ("size", (1,))]
    expected = keras_outputs(network, data)
    private = compare("several-outputs", model, data, expected, classes=False)
    assert agreement(private[0], expected[0]) >= 0.99


def test_grouped_convolution(tmp_path: Path) -> None:
    """Keras wraps it in a function for XLA, which has to be opened, also in a SavedModel."""
    x = tf.keras.Input((6, 6, 4))
    y = layers.Conv2D(6, 3, groups=2, activation="relu")(x)
    network = tf.keras.Model(x, layers.Dense(3)(layers.Flatten()(y)))
    data = test_data(100, 6, 6, 4)
    expected = keras_outputs(network, data)
    compare("grouped", mp2ml.Model(network, reveal="logits"), data, expected, classes=False)
    network.export(tmp_path / "saved", verbose=False)
    saved = mp2ml.Model(tmp_path / "saved", reveal="logits")
    assert np.abs(saved.eval_float(data) - expected[0]).max() < 1e-5


def test_two_inputs() -> None:
    """One stays private, the other is sent in the clear."""
    a, b = tf.keras.Input((12, 12, 1), name="scan"), tf.keras.Input((4,), name="facts")
    y = layers.Flatten()(layers.Conv2D(3, 3, strides=2, activation="relu")(a))
    y = layers.Concatenate()([y, layers.Dense(8, activation="relu")(b)])
    network = tf.keras.Model([a, b], layers.Dense(4)(layers.Dense(16, activation="relu")(y)))
    scans, facts = test_data(100, 12, 12, 1), test_data(100, 4)[::-1]
    train(network, [scans, facts], facts.argmax(1),
          tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True), 100)
    model = mp2ml.Model(network, reveal="logits")
    names = [t.name for t in model.inputs]
    assert names == ["scan", "facts"]
    compare("two-inputs", model, {"scan": scans, "facts": facts},
            keras_outputs(network, [scans, facts]), plain=["facts"])


def binary() -> tuple[Any, np.ndarray]:
    """A trained yes-or-no classifier of made-up vectors, and these."""
    x = tf.keras.Input((16,))
    y = layers.Dense(1)(layers.Dense(24, activation="relu")(x))
    network = tf.keras.Model(x, layers.Activation("sigmoid")(y))
    data = test_data(400, 16)
    answer = (data[:, :8].sum(1) > data[:, 8:].sum(1)).astype(np.float32)
    train(network, data, answer, "binary_crossentropy", 60)
    return network, data


def test_binary_classifier() -> None:
    """A sigmoid at the end: the client computes it, or learns the decision only."""
    network, data = binary()
    chances = keras_outputs(network, data)[0]
    private = predict(mp2ml.Model(network, reveal="logits"), data)[0]
    print(f"binary: largest error of a probability {np.abs(private - chances).max():.4g}")
    assert np.abs(private - chances).max() < 0.05
    assert ((private > 0.5) == (chances > 0.5)).mean() >= 0.99
    decided = predict(mp2ml.Model(network, reveal="argmax"), data)[0]
    assert decided.dtype == np.int64
    assert (decided.reshape(-1) == (chances.reshape(-1) > 0.5)).mean() >= 0.99


def test_expected_error_of_a_binary_classifier() -> None:
    network, data = binary()
    model = mp2ml.Model(network, reveal="logits", output_node=before_end(network))
    assert np.abs(model.eval_fixed(data) - model.eval_float(data)).max() <= model.expected_errors[0]


def test_regression() -> None:
    """Three numbers, inputs with signs, a range of outputs far from 0 to 1."""
    x = tf.keras.Input((10,))
    y = layers.Dense(32, activation="relu")(x)
    network = tf.keras.Model(x, layers.Dense(3)(layers.Dense(32, activation="relu")(y)))
    data = test_data(200, 10) * 6 - 3
    train(network, data, np.stack([data.sum(1) * 10, abs(data[:, 0]), data[:, 1] - 50], 1), "mse",
          30)
    model = mp2ml.Model(network, reveal="logits", input_range=(-3, 3))
    compare("regression", model, data, keras_outputs(network, data), classes=False)


def test_autoencoder() -> None:
    """As many outputs as inputs, through transposed shapes: upsampling, reshape, sigmoid."""
    x = tf.keras.Input((12, 12, 1))
    y = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x)
    y = layers.Dense(12, activation="relu")(layers.Flatten()(y))
    y = layers.Reshape((6, 6, 2))(layers.Dense(72, activation="relu")(y))
    y = layers.Conv2D(4, 3, padding="same")(y)
    y = layers.Lambda(lambda t: tf.nn.depth_to_space(t, 2))(y)
    network = tf.keras.Model(x, layers.Activation("sigmoid")(y))
    data = test_data(100, 12, 12, 1)
    data = np.where(data[:, 5:6, 5:6] > data, data, 0)
    train(network, data, data, "mse", 100)
    expected = keras_outputs(network, data)[0]
    assert expected.std() > 0.05
    model = mp2ml.Model(network, reveal="logits")
    assert model.outputs[0].shape == (12, 12, 1)
    compare("autoencoder", model, data, [expected], classes=False)


# ---- files that others trained ----

def test_resnet8(tmp_path: Path) -> None:
    """MLPerf Tiny's CIFAR-10 network, raw 0 to 255, by its golden outputs."""
    path = model_file("keras/mlperf_tiny_ic_resnet8.h5")
    golden = np.load(model_file("golden/mlperf_tiny_ic_resnet8.h5.npy"))
    images = cifar()[:100]
    converted = tmp_path / "resnet8.pb"
    assert convert.main([str(path), str(converted)]) == 0
    model = mp2ml.Model(converted, reveal="logits", input_range=(0, 255))
    assert np.abs(model.eval_float(images) - golden).max() < 1e-3
    model = mp2ml.Model(converted, reveal="logits", input_range=(0, 255),
                        output_node=before_end(path))
    y = compare("resnet8", model, images, [model.eval_float(images)])[0]
    assert agreement(y, golden) >= 0.99


def cifar_file() -> Path:
    """CIFAR-10 test images, from beside the models."""
    path = model_file("keras").parents[1] / "data" / "cifar10" / \
        "cifar10_test_lossless_first1017.npz"
    if not path.is_file():
        pytest.skip("no data")
    return path


def cifar() -> np.ndarray:
    """As float32, 0 to 255."""
    with np.load(cifar_file()) as arrays:
        return arrays["x"].astype(np.float32)


def cifar_labels() -> np.ndarray:
    with np.load(cifar_file()) as arrays:
        return arrays["y"].astype(np.int64)


def photographs() -> np.ndarray:
    """A cat and a person, each as it is and mirrored, 96x96, 0 to 1."""
    pillow = pytest.importorskip("PIL.Image")
    pictures = []
    for name in ("cat", "grace_hopper"):
        with pillow.open(model_file(f"tflite/coral_{name}.bmp")) as picture:
            pixels = np.asarray(picture.convert("RGB").resize((96, 96)), np.float32) / 255
        pictures += [pixels, pixels[:, ::-1]]
    return np.stack(pictures)


def test_visual_wake_words() -> None:
    """MLPerf Tiny's MobileNet for photographs: is there a person? Its depthwise layers have
    `groups`, which Keras 3 does not know."""
    path = model_file("keras/mlperf_tiny_vww_96.h5")
    model = mp2ml.Model(path, reveal="logits")
    x = np.concatenate([photographs(), test_data(2, 96, 96, 3)])
    expected = keras_outputs(keras_file(path), x)[0]
    assert expected[:4].argmax(1).tolist() == [0, 0, 1, 1]
    assert np.abs(model.eval_float(x) - expected).max() < 1e-4
    assert sum(step["kind"] == "relu" for step in model.plan(1)["steps"]) == 27
    y = compare("vww", model, x, [expected])[0]
    assert agreement(y, expected) == 1


def test_both_in_one_process(tmp_path: Path) -> None:
    """Whoever imports tensorflow first still gets our TLS, not the functions of its own library."""
    path = tmp_path / "m.keras"
    tf.keras.Sequential([tf.keras.Input((4,)), tf.keras.layers.Dense(3)]).save(path)
    code = ("import sys, tensorflow as tf, numpy as np, mp2ml\n"
            "keras = tf.keras.models.load_model(sys.argv[1])\n"
            "with mp2ml.Server(keras, port=0, reveal='logits', threads=1) as server, "
            "mp2ml.Client('localhost', server.port, threads=1) as client:\n"
            "    assert client.predict(np.zeros((2, 4), 'f')).shape == (2, 3)\n")
    result = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True,
                            check=False, timeout=120)
    assert result.returncode == 0, result.stderr


def test_marabou(tmp_path: Path, mnist: tuple[np.ndarray, np.ndarray]) -> None:
    """A file of Keras 2.2, whose input's shape stands in its first layer, by its golden outputs."""
    path, images = model_file("keras/marabou_cnn_max_mnist2.h5"), mnist[0][:100]
    golden = np.load(model_file("golden/marabou_cnn_max_mnist2.h5.npy"))
    converted = tmp_path / "marabou.pb"
    assert convert.main([str(path), str(converted)]) == 0
    model = mp2ml.Model(converted, reveal="logits")
    assert np.abs(model.eval_float(images) - golden).max() < 1e-3
    y = compare("marabou", model, images, [model.eval_float(images)])[0]
    assert agreement(y, golden) >= 0.99


def minionn() -> Any:
    """MiniONN's network for CIFAR-10, as the shapes of Delphi's weights tell, ReLU6 as trained."""
    stack = [layers.Input((32, 32, 3))]
    for filters, size, pool in ((64, 3, 1), (64, 3, 2), (64, 3, 1), (64, 3, 2), (64, 3, 1),
                                (64, 1, 1), (16, 1, 1)):
        stack += [layers.Conv2D(filters, size, padding="same"), layers.ReLU(max_value=6)]
        stack += [layers.AveragePooling2D(2)] if pool == 2 else []
    return tf.keras.Sequential([*stack, layers.Flatten(), layers.Dense(10)])


def test_minionn() -> None:
    """A file with weights only, for a network built here: 173,056 ReLU6 an image; some minutes."""
    path = model_file("keras/delphi_minionn_cifar10_relu.h5")
    with pytest.raises(mp2ml.ModelError, match="weights only.*load_weights.*mp2ml.Server"):
        mp2ml.Model(path)
    network = minionn()
    network.load_weights(path)
    images, answers = cifar(), cifar_labels()
    right = sum(int((keras_outputs(network, images[i:i + 100] / 255)[0].argmax(1)
                     == answers[i:i + 100]).sum()) for i in range(0, len(images), 100))
    print(f"minionn: {right} of {len(images)} right in floats")
    assert right / len(images) > 0.86
    model = mp2ml.Model(network, reveal="logits", preprocess="scale=1/255")
    expected = keras_outputs(network, images[:100] / 255)
    compare("minionn", model, images[:100], expected)


# ---- old files ----

def keras_file(path: Path) -> Any:
    """The Keras model in a file, however it has to be read."""
    return _keras_files.load(tf, str(path))


@pytest.mark.parametrize("name", ("marabou_cnn_max_mnist2", "mlperf_tiny_vww_96",
                                  "mlperf_tiny_ic_resnet8"))
def test_old_files_as_keras_2_reads_them(name: str) -> None:
    """The architecture brought up to date computes what Keras 2 does."""
    keras2 = pytest.importorskip("tf_keras")
    path = model_file(f"keras/{name}.h5")
    new = _keras_files.load_modernised(tf, str(path), _keras_files.architecture(str(path))[0])
    old = keras2.models.load_model(path, compile=False)
    x = test_data(4, *new.inputs[0].shape[1:])
    assert np.abs(keras_outputs(new, x)[0] - np.asarray(old(x, training=False))).max() < 1e-5


def write_old_file(path: Path, network: Any, config: Any) -> None:
    """An .h5 file with the network's weights and this architecture, as by Keras 2."""
    h5py = pytest.importorskip("h5py")
    network.save(path)
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.2.4"


def old_layers(network: Any) -> list[dict[str, Any]]:
    """The layers of a Sequential as Keras 2.2 wrote them: the input's shape in the first one,
    initializers with their type, types as policies."""
    result = []
    for layer in network.layers:
        config = {key: value for key, value in layer.get_config().items()
                  if not isinstance(value, dict) and key not in ("name", "negative_slope")}
        config["name"], config["dtype"] = layer.name, {"class_name": "Policy",
                                                       "config": {"name": "float32"}}
        if hasattr(layer, "negative_slope"):
            config["alpha"] = float(layer.negative_slope)
        if hasattr(layer, "kernel_initializer"):
            config["kernel_initializer"] = {"class_name": "GlorotUniform",
                                            "config": {"seed": None, "dtype": "float32"}}
        result.append({"class_name": type(layer).__name__, "config": config})
    result[0]["config"]["batch_input_shape"] = [None, 8, 8, 3]
    return result


def old_network() -> tuple[Any, list[dict[str, Any]]]:
    network = tf.keras.Sequential([
        layers.Input((8, 8, 3)), layers.Conv2D(4, 3, strides=2),
        layers.LeakyReLU(negative_slope=0.3), layers.DepthwiseConv2D(2), layers.BatchNormalization(), layers.Flatten(), layers.Dense(5)])
    return network, old_layers(network)


@pytest.mark.parametrize("wrap", ("list", "dict", "nested"))
def test_old_architectures(tmp_path: Path, wrap: str) -> None:
    """What Keras 2 wrote in several forms is read as the network that it was."""
    network, stack = old_network()
    stack[2]["config"].update(groups=1, time_major=False)
    config: Any = {"name": "old", "layers": stack}
    if wrap == "nested":
        network = tf.keras.Sequential([layers.Input((8, 8, 3)), network, layers.ReLU()])
        config = {"name": "outer", "layers": [
            {"class_name": "Sequential", "config": {**config, "name": network.layers[0].name}},
            {"class_name": "ReLU", "config": {"name": network.layers[1].name, "max_value": None}}]}
        config["layers"][0]["config"]["batch_input_shape"] = [None, 8, 8, 3]
    write_old_file(tmp_path / "old.h5", network,
                   {"class_name": "Sequential", "config": stack if wrap == "list" else config})
    x = test_data(3, 8, 8, 3)
    y = mp2ml.Model(tmp_path / "old.h5", reveal="logits").eval_float(x)
    assert np.abs(y - keras_outputs(network, x)[0]).max() < 1e-5


@pytest.mark.parametrize(("layer", "key", "value"), ((2, "groups", 2), (0, "rotated", True)))
def test_fields_that_mean_something_are_not_dropped(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layer: int, key: str, value: Any) -> None:
    monkeypatch.setitem(sys.modules, "tf_keras", None)
    network, stack = old_network()
    stack[layer]["config"][key] = value
    write_old_file(tmp_path / "old.h5", network, {"class_name": "Sequential", "config": stack})
    with pytest.raises(mp2ml.ModelError, match=key) as caught:
        mp2ml.Model(tmp_path / "old.h5")
    for words in ("old.h5", "written by Keras 2.2.4", "up to date", "pip install tf_keras"):
        assert words in str(caught.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    for name in ("text.h5", "text.keras"):
        (tmp_path / name).write_text("no model")
        with pytest.raises(mp2ml.ModelError, match=name):
            mp2ml.Model(tmp_path / name)
