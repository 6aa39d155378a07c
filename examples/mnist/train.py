#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Train one of the example networks and freeze it to a TensorFlow GraphDef (.pb).

Needs tensorflow (only this script does). The network is a Keras model, the frozen graph holds
what any Keras freeze holds: Conv2D, BiasAdd, Relu, the Shape/StridedSlice/Pack/Reshape chain of
Flatten, MatMul. Placeholder `input` is float32 (None, 28, 28, 1) with values x/255; node `output`
gives the 10 logits (no softmax).

No choice may be made by looking at the test images: use --hold-out 5000 to compare settings on
training images that were kept aside, then train with the chosen settings on all of them.
"""
import argparse
import hashlib
import math
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from mnist_util import DATASETS, load_mnist_test_data, load_mnist_train_data

tf.get_logger().setLevel("ERROR")
layers = tf.keras.layers


def cryptonets_relu() -> tf.keras.Model:
    """CryptoNets with ReLU after its linear layers were merged: 845 -> 100 -> 10."""
    return tf.keras.Sequential([
        layers.Input((28, 28, 1), name="input"),
        layers.ZeroPadding2D(((0, 1), (0, 1))),
        layers.Conv2D(5, 5, strides=2, padding="valid", name="conv1"),  # 13 x 13 x 5
        layers.ReLU(),
        layers.Flatten(),
        layers.Dense(100, activation="relu", name="fc1"),
        layers.Dense(10, name="fc2"),
    ], name="cryptonets_relu")


def mlp_maxpool() -> tf.keras.Model:
    """One convolution with max pooling, then two dense layers."""
    return tf.keras.Sequential([
        layers.Input((28, 28, 1), name="input"),
        layers.Conv2D(8, 5, padding="same", activation="relu", name="conv1"),
        layers.MaxPooling2D(2),  # 14 x 14 x 8
        layers.Flatten(),
        layers.Dense(64, activation="relu", name="fc1"),
        layers.Dense(10, name="fc2"),
    ], name="mlp_maxpool")


NETWORKS = {"cryptonets-relu": cryptonets_relu, "mlp-maxpool": mlp_maxpool}


def random_affine(images: tf.Tensor, amount: float) -> tf.Tensor:
    """Shift, rotate, scale and shear each image at random about its centre.

    `amount` 1 means up to 2 pixels, 11 degrees, 15 % and 0.15; 0 leaves the images alone.
    """
    n = tf.shape(images)[0]

    def uniform(limit: float) -> tf.Tensor:
        return tf.random.uniform([n], -limit * amount, limit * amount)

    angle, shear = uniform(11 * math.pi / 180), uniform(0.15)
    scale_x, scale_y = 1 + uniform(0.15), 1 + uniform(0.15)
    # Rows of the output-to-input map: x' = a0 x + a1 y + a2, y' = b0 x + b1 y + b2.
    a0, a1 = scale_x * tf.cos(angle), -scale_x * tf.sin(angle) + shear
    b0, b1 = scale_y * tf.sin(angle), scale_y * tf.cos(angle)
    centre = 13.5
    a2 = centre - (a0 + a1) * centre + uniform(2)
    b2 = centre - (b0 + b1) * centre + uniform(2)
    zero = tf.zeros([n])
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images, transforms=tf.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1),
        output_shape=[28, 28], fill_value=0.0, interpolation="BILINEAR", fill_mode="CONSTANT")


def batches(x: np.ndarray, y: np.ndarray, batch: int, amount: float) -> tf.data.Dataset:
    """Shuffled, augmented training batches; one pass is one epoch."""
    data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x))
    data = data.batch(batch, drop_remainder=True)
    return data.map(lambda images, labels: (random_affine(images, amount), labels)).prefetch(2)


def train(model: tf.keras.Model, x: np.ndarray, y: np.ndarray, flags: argparse.Namespace) -> None:
    """Fit with AdamW, a cosine learning rate and label smoothing."""
    steps = flags.epochs * (len(x) // flags.batch)
    rate = tf.keras.optimizers.schedules.CosineDecay(flags.rate, steps)
    model.compile(
        optimizer=tf.keras.optimizers.AdamW(rate, weight_decay=flags.weight_decay),
        loss=tf.keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.05),
        metrics=["accuracy"], jit_compile=False)
    model.fit(batches(x, y, flags.batch, flags.augment), epochs=flags.epochs, verbose=2)


def freeze(model: tf.keras.Model, path: Path) -> None:
    """Write `model` as a binary GraphDef with variables turned into constants."""
    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.float32, name="input")])
    def forward(images: tf.Tensor) -> tf.Tensor:
        return tf.identity(model(images, training=False), name="output")

    frozen = convert_variables_to_constants_v2(forward.get_concrete_function())
    graph = tf.compat.v1.graph_util.extract_sub_graph(frozen.graph.as_graph_def(), ["output"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(graph.SerializeToString(deterministic=True))


def accuracy_of_file(path: Path, x: np.ndarray, y: np.ndarray) -> float:
    """Share of right answers of the frozen graph itself, run by TensorFlow."""
    graph_def = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        with tf.compat.v1.Session(graph=graph) as session:
            logits = session.run("output:0", {"input:0": x})
    return float(np.mean(logits.argmax(axis=1) == y.argmax(axis=1)))


def argument_parser() -> argparse.ArgumentParser:
    """The command line; the defaults are those of the bundled models."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--network", choices=sorted(NETWORKS), default="cryptonets-relu")
    parser.add_argument("--dataset", choices=DATASETS, default="mnist")
    parser.add_argument("--out", type=Path, default=Path("."), metavar="DIR",
                        help="folder for the frozen graph NETWORK-DATASET.pb")
    parser.add_argument("--epochs", type=int, default=60, help="passes over the training images")
    parser.add_argument("--batch", type=int, default=128, help="images per training step")
    parser.add_argument("--rate", type=float, default=4e-3, help="learning rate at the start")
    parser.add_argument("--weight-decay", type=float, default=1e-3)
    parser.add_argument("--augment", type=float, default=1.0,
                        help="strength of random shifts, rotations, scalings; 0 = none")
    parser.add_argument("--hold-out", type=int, default=0, metavar="N",
                        help="keep the last N training images aside and report accuracy on them "
                             "instead of on the test images")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1,
                        help="the same seed and number of threads give the same file")
    parser.add_argument("--smoke", action="store_true",
                        help="2,000 images, 1 epoch: only checks that everything runs")
    return parser


def main() -> None:
    """Train, freeze, measure the frozen file and print one summary."""
    flags = argument_parser().parse_args()
    tf.keras.utils.set_random_seed(flags.seed)
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(flags.threads)
    tf.config.threading.set_inter_op_parallelism_threads(flags.threads)

    x, y = load_mnist_train_data(flags.dataset)
    if flags.smoke:
        x, y, flags.epochs, flags.hold_out = x[:2000], y[:2000], 1, 500
    kept = len(x) - flags.hold_out
    if flags.hold_out:
        what, (x_check, y_check) = "held-out training", (x[kept:], y[kept:])
    else:
        what, (x_check, y_check) = "test", load_mnist_test_data(0, 10000, flags.dataset)

    model = NETWORKS[flags.network]()
    model.summary()
    start = time.monotonic()
    train(model, x[:kept], y[:kept], flags)
    seconds = time.monotonic() - start

    path = flags.out / f"{flags.network}-{flags.dataset.removesuffix('-mnist')}.pb"
    freeze(model, path)
    accuracy = accuracy_of_file(path, x_check, y_check)
    print(f"{path}: {path.stat().st_size} bytes, md5 {hashlib.md5(path.read_bytes()).hexdigest()}")
    print(f"tensorflow {tf.__version__}, keras {tf.keras.__version__}, {seconds:.0f} s of training")
    print(f"accuracy {100 * accuracy:.2f} % on {len(x_check)} {what} images ({flags.dataset})")


if __name__ == "__main__":
    main()
