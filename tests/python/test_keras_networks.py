# SPDX-License-Identifier: Apache-2.0
"""Networks of Keras 3 of the kinds that people build now, run privately and compared with Keras.

Needs TensorFlow (`make test-all`); small and seeded, as those of test_keras.py.
"""
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from whole_models import agreement, compare

import mp2ml
from mp2ml import convert

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
pytestmark = pytest.mark.tensorflow
tf: Any = pytest.importorskip("tensorflow")
layers, Model = tf.keras.layers, tf.keras.Model


# ---- networks ----

def mobile_blocks(x: Any) -> Any:
    """As in MobileNetV3: depthwise separable, squeeze and excitation by a hard sigmoid."""
    y = layers.Activation("hard_silu")(layers.Conv2D(6, 3, strides=4, padding="same")(x))
    z = layers.SeparableConv2D(6, 3, padding="same", use_bias=False)(y)
    z = layers.Activation("hard_silu")(layers.BatchNormalization()(z))
    s = layers.GlobalAveragePooling2D(keepdims=True)(z)
    s = layers.Conv2D(4, 1, activation="relu")(s)
    s = layers.Conv2D(6, 1, activation="hard_sigmoid")(s)
    y = layers.Add()([y, layers.Multiply()([z, s])])
    return layers.Dense(10)(layers.Dropout(0.1)(layers.Flatten()(y)))


def inception(x: Any) -> Any:
    """Branches of several sizes, then the mean and the maximum of each channel."""
    x = layers.ReLU(6)(layers.Conv2D(6, 5, strides=3)(x))
    five = layers.Conv2D(4, 5, padding="same")(layers.Conv2D(3, 1, activation="relu")(x))
    pool = layers.Conv2D(4, 1)(layers.MaxPooling2D(3, strides=1, padding="same")(x))
    y = layers.Concatenate()([layers.Conv2D(4, 1)(x), layers.Conv2D(6, 3, padding="same")(x), five,
                              pool])
    y = layers.ReLU()(y)
    y = layers.Concatenate()([layers.GlobalAveragePooling2D()(y), layers.GlobalMaxPooling2D()(y)])
    return layers.Dense(10)(y)


def unet(x: Any) -> Any:
    """Down twice, up by a transposed convolution and by repeating, beside what was before."""
    a = layers.LeakyReLU(negative_slope=0.1)(layers.Conv2D(4, 3, padding="same")(x))
    b = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(a)
    c = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D()(b))
    c = layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu")(c)
    b = layers.Concatenate()([b, c])
    b = layers.Conv2D(4, 3, padding="same")(layers.UpSampling2D()(b))
    return layers.Conv2D(1, 1)(layers.Concatenate()([a, layers.ReLU()(b)]))


class Twins(Model):
    """Two signals through the same layers; how they differ, and what the first one is. A subclass,
    which does not know its inputs before it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.wave, self.slope = layers.Conv1D(6, 5, strides=2), layers.PReLU(shared_axes=[1])
        self.pool, self.turn = layers.AveragePooling1D(2), layers.Permute((2, 1))
        self.flat, self.shared = layers.Flatten(), layers.Dense(12, activation="leaky_relu")
        self.kind, self.size = layers.Dense(4), layers.Dense(1)

    def call(self, inputs: Any) -> Any:
        first, second = (self.shared(self.flat(self.turn(self.pool(self.slope(self.wave(x))))))
                         for x in inputs)
        return {"size": self.size(abs(first - second)), "kind": self.kind(first)}


def several(signal: Any, facts: Any) -> list[Any]:
    """Of two inputs a middle layer, a class and a size."""
    x = layers.GlobalMaxPooling1D()(layers.Conv1D(8, 3, padding="same", activation="relu")(signal))
    y = layers.PReLU()(layers.Dense(10)(facts))
    trunk = layers.Dense(16, activation="relu", name="trunk")(layers.Concatenate()([x, y]))
    return [layers.Dense(3, name="kind")(trunk), trunk, layers.Dense(1, name="size")(trunk)]


# ---- running them ----

@pytest.fixture(autouse=True)
def seed() -> None:
    tf.keras.utils.set_random_seed(5)


def numbers(count: int, *shape: int) -> np.ndarray:
    """Uniform values from 0 to 1."""
    return np.random.default_rng(count + len(shape)).random((count, *shape), np.float32)


def train(network: Any, x: Any, y: Any, loss: Any, epochs: int) -> None:
    network.compile(tf.keras.optimizers.Adam(0.004), loss)
    network.fit(x, y, batch_size=64, epochs=epochs, verbose=0)


def check_floats(model: mp2ml.Model, x: Any, expected: list[np.ndarray]) -> None:
    """Our floats are those of Keras."""
    y = model.eval_float(x)
    for got, want in zip(y.values() if isinstance(y, dict) else [y], expected, strict=True):
        assert np.abs(got - want).max() < 1e-4 * np.abs(want).max()


CLASSES = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.mark.parametrize("body", (mobile_blocks, inception))
def test_digits(body: Callable[[Any], Any], mnist: tuple[np.ndarray, np.ndarray]) -> None:
    """Classifiers of MNIST, trained on the last 8,000 test images, asked about the first."""
    x = tf.keras.Input((28, 28, 1))
    network = Model(x, body(x))
    train(network, mnist[0][2000:], mnist[1][2000:], CLASSES, 3)
    images = mnist[0][:200]
    expected = [np.asarray(network(images, training=False))]
    assert (expected[0].argmax(1) == mnist[1][:200]).mean() > 0.6
    model = mp2ml.Model(network, reveal="logits")
    check_floats(model, images, expected)
    compare(body.__name__, model, images, expected, margin=model.expected_errors[0] / 4)


def test_segmentation() -> None:
    """An image comes out, as large as that which went in."""
    x = tf.keras.Input((16, 16, 1))
    network, data = Model(x, unet(x)), numbers(60, 16, 16, 1)
    data = np.where(data[:, 8:9, 8:9] > data, data, 0).astype(np.float32)
    train(network, data, np.roll(data, 1, 2), "mse", 40)
    expected = [np.asarray(network(data, training=False))]
    model = mp2ml.Model(network, reveal="logits")
    check_floats(model, data, expected)
    compare("unet", model, data, expected, classes=False)


def test_subclass() -> None:
    """With an example of its inputs; outputs by the keys of its dict, in their order."""
    network, first, second = Twins(), numbers(100, 32, 2), numbers(100, 32, 2)[::-1]
    network([first, second])
    train(network, [first, second], {"size": np.abs(first - second).sum((1, 2)) / 8,
                                     "kind": first.reshape(100, 4, 16).sum(2).argmax(1)},
          {"size": "mse", "kind": CLASSES}, 80)
    expected = network([first, second], training=False)
    with pytest.raises(TypeError, match="Twins does not know the shapes of its inputs.*example"):
        mp2ml.Model(network)
    model = mp2ml.Model(network, (first[:1], second[:1]), reveal="logits")
    assert [t.name for t in model.inputs] == ["input_0", "input_1"]
    assert [(t.name, t.shape) for t in model.outputs] == [("size", (1,)), ("kind", (4,))]
    x, wanted = {"input_1": second, "input_0": first}, [np.asarray(y) for y in expected.values()]
    check_floats(model, x, wanted)
    private = compare("twins", model, x, wanted, classes=False)
    assert agreement(private[1], wanted[1]) >= 0.99


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    """An output that others are made of, too; names of layers, order of the model."""
    signal, facts = tf.keras.Input((24, 2), name="signal"), tf.keras.Input((5,), name="facts")
    network = Model([signal, facts], several(signal, facts))
    signals, numbers_ = numbers(100, 24, 2), numbers(100, 5)
    train(network, [signals, numbers_], [numbers_[:, :3].argmax(1), np.zeros((100, 16)),
                                         signals.max((1, 2))], [CLASSES, "mse", "mse"], 80)
    expected = [np.asarray(y) for y in network([signals, numbers_], training=False)]
    model = mp2ml.Model(network, reveal="logits")
    assert [t.name for t in model.inputs] == ["signal", "facts"]
    assert [t.name for t in model.outputs] == ["kind", "trunk", "size"]
    x = {"facts": numbers_, "signal": signals}
    check_floats(model, x, expected)
    private = compare("several", model, x, expected, plain=["facts"], classes=False)
    assert agreement(private[0], expected[0]) >= 0.99
    network.export(tmp_path / "saved", verbose=False)
    saved = mp2ml.Model(tmp_path / "saved", reveal="logits")
    assert [t.name for t in saved.outputs] == ["output_0", "output_1", "output_2"]
    check_floats(saved, x, expected)


def test_dicts() -> None:
    """Inputs and outputs as dicts of a functional network."""
    inputs = {"a": tf.keras.Input((6,), name="a"), "b": tf.keras.Input((4,), name="b")}
    both = layers.ReLU()(layers.Dense(5)(inputs["b"]) - layers.Dense(5)(inputs["a"]))
    network = Model(inputs, {"sum": layers.Dense(2)(both), "both": both})
    x = {"a": numbers(20, 6), "b": numbers(20, 4)}
    expected = network(x, training=False)
    y = mp2ml.Model(network, reveal="logits").eval_float(x)
    assert y.keys() == expected.keys()
    for name, values in expected.items():
        assert np.abs(y[name] - np.asarray(values)).max() < 1e-5


@pytest.mark.parametrize("kind", ("int32", "float32"))
def test_texts(kind: str) -> None:
    """Numbers of words as integers or as floats; they need no range."""
    x = tf.keras.Input((8,), dtype=kind)
    y = layers.Conv1D(6, 3, activation="relu")(layers.Embedding(40, 4)(x))
    network = Model(x, layers.Dense(3)(layers.GlobalMaxPooling1D()(y)))
    texts = np.random.default_rng(3).integers(0, 40, (30, 8)).astype(kind)
    expected = [np.asarray(network(texts, training=False))]
    model = mp2ml.Model(network, reveal="logits")
    assert (model.inputs[0].low, model.inputs[0].high) == (0, 39)
    check_floats(model, texts, expected)
    compare("texts", model, texts, expected, classes=False)


def test_enlarged_linearly() -> None:
    """By layers that interpolate between pixels."""
    x = tf.keras.Input((6, 6, 2))
    y = layers.Resizing(4, 5)(layers.Conv2D(3, 3, padding="same", activation="relu")(x))
    network = Model(x, layers.UpSampling2D(2, interpolation="bilinear")(y))
    data = numbers(10, 6, 6, 2)
    model = mp2ml.Model(network, reveal="logits")
    check_floats(model, data, [np.asarray(network(data, training=False))])


def test_converted_outputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A GraphDef does not say what its outputs are, so that who converts is told."""
    x = tf.keras.Input((6,))
    network = Model(x, [layers.Dense(3, name="kind")(x), layers.Dense(1, name="size")(x)])
    network.save(tmp_path / "m.keras")
    assert convert.main([str(tmp_path / "m.keras"), str(tmp_path / "m.pb")]) == 0
    assert "outputs: --output-node kind --output-node size\n" in capsys.readouterr().out
    model = mp2ml.Model(tmp_path / "m.pb", reveal="logits", output_node=["kind", "size"])
    assert [t.name for t in model.outputs] == ["kind", "size"]
    one = mp2ml.Model(network, reveal="logits", output_node="size")
    assert [t.name for t in one.outputs] == ["size"]


OTHER_BACKEND = """
import sys, keras, numpy as np, mp2ml
x = keras.Input((8, 8, 2), name="scan")
y = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, activation="relu")(x))
network = keras.Model(x, [keras.layers.Dense(3, name="kind")(y), keras.layers.Dense(2)(y)])
data = np.random.default_rng(1).random((5, 8, 8, 2), np.float32)
model = mp2ml.Model(network, reveal="logits")
assert model.inputs[0].name == "scan" and model.outputs[0].name == "kind"
for ours, theirs in zip(model.eval_float(data).values(), network(data), strict=True):
    assert np.abs(ours - keras.ops.convert_to_numpy(theirs)).max() < 1e-5
print("over", keras.backend.backend())
"""


@pytest.mark.parametrize("backend", ("torch", "jax"))
def test_other_backends(backend: str) -> None:
    """A Keras model over torch or jax is converted over tensorflow, in another process."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"no {backend}")
    result = subprocess.run([sys.executable, "-c", OTHER_BACKEND], check=False, text=True,
                            env={**os.environ, "KERAS_BACKEND": backend}, timeout=120,
                            capture_output=True)
    assert result.returncode == 0, result.stderr
    assert f"over {backend}" in result.stdout
