# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Lite files that nobody here made: MLPerf Tiny's, where the collection of models is."""
import csv
import functools
import tarfile
from pathlib import Path

import numpy as np
import pytest
from whole_models import compare, labels, model_file

import mp2ml

NAMES = ("ic_pretrainedResnet", "kws_ref_model_float32", "vww_96_float")
KEYWORD_SCALE, KEYWORD_ZERO = 0.5847029089927673, 83  # of the int8 features, as their authors have it


@functools.cache  # planning takes a while
def network(name: str) -> mp2ml.Model:
    return mp2ml.Model(model_file(f"tflite/mlperf_tiny_{name}.tflite"), reveal="logits")


def data_file(name: str) -> Path:
    path = model_file(".").resolve().parent / "data" / name
    if not path.exists():
        pytest.skip("no data")
    return path


def keywords() -> tuple[np.ndarray, np.ndarray]:
    """Features [1000][49][10][1] and classes."""
    with tarfile.open(data_file("kws01/kws01_1000x490_int8.tar")) as archive:
        files = {m.name.split("/")[-1]: archive.extractfile(m).read()  # type: ignore[union-attr]
                 for m in archive if m.isfile()}
    rows = list(csv.reader(files["y_labels.csv"].decode().splitlines()))
    raw = np.stack([np.frombuffer(files[row[0].strip()], np.int8) for row in rows])
    x = (raw.astype(np.float32) - KEYWORD_ZERO) * np.float32(KEYWORD_SCALE)
    return x.reshape(-1, 49, 10, 1), np.array([int(row[2]) for row in rows])


def test_pictures_in_ten_classes() -> None:
    model = network("ic_pretrainedResnet")
    with np.load(data_file("cifar10/cifar10_test_lossless_first1017.npz")) as file:
        x, y = file["x"].astype(np.float32), file["y"]
    golden = np.load(model_file("golden/mlperf_tiny_ic_pretrainedResnet.tflite.npy"))
    outputs = model.eval_float(x)
    np.testing.assert_allclose(outputs[:100], golden, atol=2e-6)
    assert (labels(outputs) == y).sum() == 895


def test_keywords() -> None:
    x, y = keywords()
    assert (labels(network("kws_ref_model_float32").eval_float(x)) == y).sum() == 901


def test_keywords_privately() -> None:
    """The values that its Softmax takes."""
    x = keywords()[0][:2]
    path = model_file("tflite/mlperf_tiny_kws_ref_model_float32.tflite")
    model = mp2ml.Model(path, reveal="logits", input_range="-150:100",
                        output_node="functional_1/dense/BiasAdd")
    compare("keywords", model, x, [np.asarray(model.eval_float(x))])


@pytest.mark.parametrize(("picture", "person"), (("cat", False), ("grace_hopper", True)))
def test_persons(picture: str, person: bool) -> None:
    images = pytest.importorskip("PIL.Image")
    with images.open(model_file(f"tflite/coral_{picture}.bmp")) as file:
        small = file.convert("RGB").resize((96, 96), images.Resampling.BILINEAR)
    outputs = network("vww_96_float").eval_float(np.asarray(small, np.float32)[None] / 255)
    assert labels(outputs)[0] == person
    assert not person or abs(outputs[0, 1] - 0.888) < 0.002


@pytest.mark.parametrize("name", NAMES)
def test_plans(name: str) -> None:
    assert network(name).plan()["steps"]
