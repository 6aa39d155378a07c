# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Lite files made by its own converter, compared with its own interpreter.

Needs TensorFlow (`make test-all`). Quantised files are compared within some steps of their output's
scale: the interpreter rounds every activation to integers, which is not imitated here.
"""
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from whole_models import compare

import mp2ml

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter")]
tf: Any = pytest.importorskip("tensorflow")
layers = tf.keras.layers

Body = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def seed() -> None:
    tf.keras.utils.set_random_seed(7)


def data(count: int, *shape: int) -> np.ndarray:
    """Uniform values from -1 to 1."""
    return np.random.default_rng(4).uniform(-1, 1, (count, *shape)).astype(np.float32)


# ---- making and running files ----

def converter_of(body: Body, *shape: int, batch: int | None = 1) -> Any:
    """Of a function on one tensor, of so many samples or (None) of any number."""
    function = tf.function(body).get_concrete_function(tf.TensorSpec((batch, *shape), tf.float32))
    return tf.lite.TFLiteConverter.from_concrete_functions([function])


def keras_converter(body: Body, *shape: int) -> Any:
    x = layers.Input(shape)
    return tf.lite.TFLiteConverter.from_keras_model(tf.keras.Model(x, body(x)))


def whole_integers(converter: Any, shape: tuple[int, ...], kind: Any = None) -> Any:
    """Post-training quantisation of weights and activations, inputs and outputs included."""
    def samples() -> Iterator[list[np.ndarray]]:
        for x in data(64, *shape):
            yield [x[None]]
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS_INT8 if kind is None else
        tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
    converter.inference_input_type = converter.inference_output_type = kind or tf.int8
    return converter


def interpreted(content: bytes, x: np.ndarray) -> tuple[list[np.ndarray], list[float]]:
    """Outputs by the interpreter, in real numbers, and the scale of each (0: not quantised)."""
    engine = tf.lite.Interpreter(model_content=content)
    source = engine.get_input_details()[0]
    size = source["shape"][0]
    engine.allocate_tensors()
    scale, zero = source["quantization"]
    results: list[list[np.ndarray]] = [[] for _ in engine.get_output_details()]
    for at in range(0, len(x), size):
        piece = x[at:at + size]
        if scale:
            limits = np.iinfo(source["dtype"])
            piece = np.clip(np.round(piece / scale) + zero, limits.min, limits.max)
        engine.set_tensor(source["index"], piece.astype(source["dtype"]))
        engine.invoke()
        for result, target in zip(results, engine.get_output_details()):
            y = engine.get_tensor(target["index"])
            scale_out, zero_out = target["quantization"]
            result.append((y.astype(np.float32) - zero_out) * scale_out if scale_out else y)
    return ([np.concatenate(result) for result in results],
            [target["quantization"][0] for target in engine.get_output_details()])


def evaluated(model: mp2ml.Model, x: np.ndarray) -> list[np.ndarray]:
    y = model.eval_float(x)
    return list(y.values()) if isinstance(y, dict) else [y]


def check(content: bytes, x: np.ndarray, steps: float = 0) -> mp2ml.Model:
    """Within `steps` of the output's scale, or, of files in floats, of their own precision."""
    model = mp2ml.Model(content, reveal="logits", input_range="-1:1")
    ours, (theirs, scales) = evaluated(model, x), interpreted(content, x)
    assert len(ours) == len(theirs)
    for y, want, scale in zip(ours, theirs, scales):
        assert y.shape == want.shape
        allowed = steps * scale if steps else 1e-5 * max(1, float(np.abs(want).max()))
        assert float(np.abs(y - want).max()) <= allowed, (np.abs(y - want).max(), allowed)
    return model


# ---- operators ----

def constant(*shape: int) -> Any:
    return tf.constant(np.random.default_rng(9).uniform(-1, 1, shape).astype(np.float32))


def transposed_convolution(x: Any, padding: str, size: tuple[int, int]) -> Any:
    return tf.nn.conv2d_transpose(x, constant(3, 3, 5, 4), (1, *size, 5), (2, 2), padding)


PICTURES: dict[str, Body] = {
    "conv": lambda x: tf.nn.relu6(tf.nn.conv2d(x, constant(3, 2, 4, 5), (2, 1), "SAME") + 0.5),
    "dilation": lambda x: tf.nn.conv2d(x, constant(3, 3, 4, 3), 1, "VALID", dilations=2),
    "groups": lambda x: tf.nn.conv2d(x, constant(3, 3, 2, 6), 1, "SAME"),
    "depthwise": lambda x: tf.nn.relu(tf.nn.depthwise_conv2d(
        x, constant(3, 3, 4, 2), (1, 1, 1, 1), "SAME") + constant(8)),
    "depthwise_dilation": lambda x: tf.nn.depthwise_conv2d(
        x, constant(3, 3, 4, 1), (1, 1, 1, 1), "VALID", dilations=(2, 2)),
    "transposed": lambda x: transposed_convolution(x, "SAME", (12, 12)),
    "transposed_odd": lambda x: transposed_convolution(x, "SAME", (11, 11)) + constant(5),
    "transposed_valid": lambda x: transposed_convolution(x, "VALID", (13, 14)),
    "pools": lambda x: tf.nn.max_pool2d(tf.nn.avg_pool2d(x, 3, 2, "SAME"), 2, 1, "VALID"),
    "nearest": lambda x: tf.image.resize(x, (12, 9), "nearest"),
    "nearest_old": lambda x: tf.compat.v1.image.resize_nearest_neighbor(x, (13, 4)),
    "nearest_corners": lambda x: tf.compat.v1.image.resize_nearest_neighbor(
        x, (11, 16), align_corners=True),
    "blocks": lambda x: tf.nn.space_to_depth(tf.nn.depth_to_space(x, 2), 3),
    "cut_to_batch": lambda x: tf.batch_to_space(tf.nn.conv2d(
        tf.space_to_batch(x, (2, 2), ((2, 2), (2, 2))), constant(3, 3, 4, 4), 1, "VALID"),
        (2, 2), ((0, 0), (0, 0))),
    "pad": lambda x: tf.pad(tf.pad(x, ((0, 0), (1, 2), (0, 1), (1, 0)), constant_values=0.5),
                            ((0, 0), (0, 0), (1, 0), (0, 0))),
    "reflect": lambda x: tf.pad(x, ((0, 0), (2, 1), (0, 3), (1, 0)), "REFLECT"),
    "symmetric": lambda x: tf.pad(x, ((0, 0), (2, 1), (0, 3), (1, 0)), "SYMMETRIC"),
    "split": lambda x: tf.concat(tf.split(x, 2, 3)[::-1] + tf.split(x, (1, 3), 3), 3),
    "unstack": lambda x: tf.stack(tf.unstack(x, axis=2)[1:4], axis=1),
    "slices": lambda x: tf.concat((x[:, 1:5:2, ::-1, :], tf.slice(
        x, (0, 2, 0, 0), (-1, 2, -1, 4))), 1),
    "shrink": lambda x: x[:, 2, tf.newaxis, :, 1:3],
    "gather": lambda x: tf.gather(x, (3, 0, 0, 5), axis=2),
    "transpose": lambda x: tf.transpose(tf.reverse(x, (1,)), (0, 3, 1, 2)),
    "tile": lambda x: tf.tile(x, (1, 2, 1, 3)),
    "means": lambda x: tf.concat((tf.reduce_mean(x, (1, 2)), tf.reduce_max(x, (1, 2)),
                                  tf.reduce_min(x, (2, 1)), tf.reduce_sum(x, (1, 2))), 1),
    "mean_channels": lambda x: tf.reduce_mean(x, -1, keepdims=True),
    "squeeze": lambda x: tf.squeeze(tf.expand_dims(x, 1), 1) * 2,
    "leaky": lambda x: tf.nn.leaky_relu(x, 0.3),
    "prelu": lambda x: tf.nn.relu(x) - constant(4) * tf.nn.relu(-x),
    "swish": lambda x: 4 * x * tf.nn.relu6(4 * x + 3) / 6,
    "clips": lambda x: tf.clip_by_value(3 * x, -1, 1) + tf.clip_by_value(x, 0, 1),
    "values": lambda x: tf.abs(x) - tf.square(x) + tf.maximum(x, 0.25) * tf.minimum(x, x[..., :1]),
    "differences": lambda x: tf.math.squared_difference(x, constant(4)) + tf.pow(x, 3.0) + -x / 3,
    "sums": lambda x: tf.add_n((x, x * x, x + 1)),
    "shapes": lambda x: tf.reshape(x, (tf.shape(x)[0], tf.shape(x)[1] * 2, -1)),
    "flat": lambda x: tf.matmul(tf.reshape(x, (-1, 144)), constant(144, 6)) + constant(6),
    "rows": lambda x: tf.reshape(tf.nn.relu(tf.matmul(tf.reshape(x, (-1, 4)), constant(4, 3))),
                                 (-1, 6, 18)),
    "dense_rows": lambda x: tf.nn.relu(tf.matmul(x, constant(4, 3))),
    "softmax": lambda x: tf.nn.softmax(tf.reshape(x, (-1, 144))),
    "log_softmax": lambda x: tf.nn.log_softmax(tf.reshape(x, (-1, 144))),
    "logistic": lambda x: tf.sigmoid(x),
    "tanh": lambda x: tf.tanh(x),
}


@pytest.mark.parametrize("name", PICTURES)
def test_operators(name: str) -> None:
    """Files for one sample."""
    check(converter_of(PICTURES[name], 6, 6, 4).convert(), data(3, 6, 6, 4))


@pytest.mark.parametrize("name", ("split", "slices", "flat", "rows", "shapes", "means", "softmax"))
def test_fixed_and_open_batch(name: str) -> None:
    """The same for three samples at a time, and for any number."""
    x = data(3, 6, 6, 4)
    for batch in (3, None):
        check(converter_of(PICTURES[name], 6, 6, 4, batch=batch).convert(), x)


# ---- whole networks ----

def residual(x: Any) -> Any:
    y = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(x)
    z = layers.Conv2D(6, 3, padding="same", activation="relu")(y)
    z = layers.Conv2D(6, 3, padding="same")(z)
    y = layers.ReLU()(layers.Add()([y, z]))
    return layers.Dense(5)(layers.Flatten()(layers.MaxPooling2D()(y)))


def separable(x: Any) -> Any:
    y = layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False)(x)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    y = layers.Conv2D(12, 1, use_bias=False)(y)
    y = layers.ReLU(6)(layers.BatchNormalization()(y))
    return layers.Dense(5)(layers.GlobalAveragePooling2D()(y))


def decoder(x: Any) -> Any:
    y = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x)
    y = layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu")(y)
    z = layers.UpSampling2D()(layers.AveragePooling2D(2)(x))
    return layers.Conv2D(2, 3, padding="same")(layers.Concatenate()([y, z]))


def dense(x: Any) -> Any:
    y = layers.PReLU()(layers.Dense(40)(layers.Flatten()(x)))
    return layers.Softmax()(layers.Dense(6)(layers.LeakyReLU(negative_slope=0.2)(
        layers.Dense(30)(y))))


NETWORKS = (residual, separable, decoder, dense)
SHAPE = (12, 12, 3)


@pytest.mark.parametrize("body", NETWORKS)
def test_floats(body: Body) -> None:
    x = data(40, *SHAPE)
    content = keras_converter(body, *SHAPE).convert()
    model = check(content, x)
    if body is not dense:  # the plan's error is that of what its Softmax takes
        compare(body.__name__, model, x[:8], evaluated(model, x[:8]), classes=False)


@pytest.mark.parametrize("body", NETWORKS)
def test_half_weights(body: Body) -> None:
    converter = keras_converter(body, *SHAPE)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    check(converter.convert(), data(10, *SHAPE))


@pytest.mark.parametrize("body", NETWORKS)
@pytest.mark.parametrize("kind", ("int8", "uint8", "int16"))
def test_whole_integers(body: Body, kind: str) -> None:
    if body in (dense, decoder) and kind == "int16":
        pytest.skip("the converter has no PRELU, the interpreter no TILE of 16 bits")
    x = data(40, *SHAPE)
    converter = whole_integers(keras_converter(body, *SHAPE), SHAPE,
                               tf.int16 if kind == "int16" else None)
    if kind == "uint8":
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    tf.keras.utils.set_random_seed(7)
    exact = mp2ml.Model(keras_converter(body, *SHAPE).convert(), reveal="logits")
    content = converter.convert()
    model = check(content, x, 300 if kind == "int16" else 12)
    # What the rounding of activations costs the interpreter is not lost here.
    (y, *_), (real, *_), ((rounded, *_), _) = (evaluated(model, x), evaluated(exact, x),
                                               interpreted(content, x))
    assert np.abs(y - real).mean() <= 1.01 * np.abs(rounded - real).mean()


@pytest.mark.parametrize("body", NETWORKS)
def test_integer_weights(body: Body) -> None:
    """Dynamic range: the interpreter rounds activations as it goes."""
    converter = keras_converter(body, *SHAPE)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    content, x = converter.convert(), data(40, *SHAPE)
    (want, *_), _ = interpreted(content, x)
    y, *_ = evaluated(mp2ml.Model(content, reveal="logits"), x)
    assert float(np.abs(y - want).max()) <= 0.05 * float(np.abs(want).max())


def test_several_outputs_and_names(tmp_path: Path) -> None:
    """By the names of the signature, and cut in the middle."""
    x = layers.Input(SHAPE, name="picture")
    y = layers.Flatten()(layers.Conv2D(4, 3, activation="relu", name="features")(x))
    network = tf.keras.Model(x, {"kind": layers.Dense(3, name="kind")(y),
                                 "place": layers.Dense(2, name="place")(y)})
    path = tmp_path / "two.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(network).convert())
    samples = data(4, *SHAPE)
    wanted = [np.asarray(v) for v in network(samples).values()]
    for name, want in zip(network(samples), wanted):
        model = mp2ml.Model(path, reveal="logits", output_node=name, input_node="picture")
        np.testing.assert_allclose(evaluated(model, samples)[0], want, atol=1e-5)
    model = mp2ml.Model(path, reveal="logits")
    assert sorted(y.shape for y in evaluated(model, samples)) == [(4, 2), (4, 3)]


def test_what_is_refused() -> None:
    """With a name and a way out."""
    converter = converter_of(lambda x: tf.math.erf(tf.sinh(x)), 4)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
    with pytest.raises(mp2ml.ModelError, match="SELECT_TF_OPS"):
        mp2ml.Model(converter.convert())
    with pytest.raises(mp2ml.ModelError, match="GELU"):
        mp2ml.Model(converter_of(lambda x: tf.nn.gelu(x), 4).convert())
    loop = converter_of(lambda x: tf.while_loop(
        lambda y: tf.reduce_sum(y) < 10, lambda y: (y + 1,), (x,))[0], 4)
    with pytest.raises(mp2ml.ModelError, match="graphs"):
        mp2ml.Model(loop.convert())
