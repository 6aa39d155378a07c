# SPDX-License-Identifier: Apache-2.0
"""ONNX files from Python: several inputs and outputs by the file's own names, which have all kinds
of characters in them; channels first."""
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import PATIENCE, Serving
from onnxfile import INT64, OnnxFile

import mp2ml
import pyhe_client

SCAN, FACTS = "serving/scan.1:0", "onnx::facts_2"  # (2, 6, 5) and (4,)
KINDS, SIZE = "head/kinds.out:0", "size::3"  # (3,) and (1,)


def two_to_two() -> OnnxFile:
    """A convolution of a picture with two channels beside four numbers; three classes and a size.
    The order of outputs is not that of the nodes."""
    random = np.random.default_rng(8)

    def weights(*dims: int) -> np.ndarray:
        return random.normal(0, 1 / np.sqrt(np.prod(dims[1:])), dims).astype(np.float32)

    model = OnnxFile()
    scan, facts = model.input(SCAN, (2, 6, 5)), model.input(FACTS, (4,))
    y = model.add("Conv", "conv", [scan, model.constant("w", weights(4, 2, 3, 3))], strides=[2, 2])
    y = model.add("Flatten", "flat", [model.add("Relu", "relu", [y])], axis=1)
    y = model.add("Concat", "both", [y, facts], axis=1)
    model.add("Gemm", SIZE, [y, model.constant("w1", weights(1, 20))], transB=1)
    model.add("Gemm", KINDS, [y, model.constant("w2", weights(3, 20))], transB=1)
    model.output(KINDS, (3,))
    model.output(SIZE, (1,))
    return model


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_to_two().write(tmp_path_factory.mktemp("onnx") / "model.onnx")


@pytest.fixture(scope="module")
def model(path: Path) -> mp2ml.Model:
    return mp2ml.Model(path, reveal="logits")


@pytest.fixture(scope="module")
def data() -> dict[str, np.ndarray]:
    random = np.random.default_rng(9)
    return {FACTS: random.random((7, 4), np.float32), SCAN: random.random((7, 2, 6, 5), np.float32)}


def near(y: dict[str, np.ndarray], model: mp2ml.Model, data: dict[str, np.ndarray]) -> bool:
    """Both outputs within their expected errors."""
    expected = model.eval_float(data)
    return list(y) == list(expected) and all(
        np.abs(y[name] - expected[name]).max() <= bound
        for name, bound in zip(expected, model.expected_errors, strict=True))


def test_paths_bytes_and_objects(path: Path, model: mp2ml.Model, data: dict) -> None:
    class Proto:
        def SerializeToString(self) -> bytes:
            return path.read_bytes()

    assert [(t.name, t.shape) for t in model.inputs] == [(SCAN, (2, 6, 5)), (FACTS, (4,))]
    assert [(t.name, t.shape) for t in model.outputs] == [(KINDS, (3,)), (SIZE, (1,))]
    for source in (str(path), path.read_bytes(), bytearray(path.read_bytes()), Proto()):
        same = mp2ml.Model(source, reveal="logits")
        assert same.inputs == model.inputs and same.outputs == model.outputs
        for y, want in zip(same.eval_float(data).values(), model.eval_float(data).values()):
            assert np.array_equal(y, want)


def test_dicts_by_names(model: mp2ml.Model, data: dict) -> None:
    """With or without `:0`; outputs in the file's order; each input private or in the clear."""
    with mp2ml.Server(model, port=0, threads=1) as server, \
            mp2ml.Client("localhost", server.port, threads=1) as client:
        assert [t.name for t in client.inputs] == [SCAN, FACTS]
        assert near(client.predict(data), model, data)
        short = {SCAN.removesuffix(":0"): data[SCAN], FACTS: data[FACTS]}
        assert near(client.predict(short, plain=[FACTS]), model, data)
        assert client.receipt()["inputs"][1]["sent"] == "in the clear"


@pytest.mark.parametrize(("change", "words"), (
    ({SCAN: None}, f"input '{SCAN}' is missing; the model has '{SCAN}', '{FACTS}'"),
    ({"scan": np.zeros((7, 60))}, f"no input 'scan', it has '{SCAN}', '{FACTS}'"),
    ({SCAN: np.zeros((7, 6, 5, 2))}, f"input '{SCAN}': an array of shape (7, 6, 5, 2) has its axes "
                                     "in another order, expected (samples, 2, 6, 5)"),
    ({FACTS: np.zeros((7, 5))}, f"input '{FACTS}': an array of shape (7, 5) has 7 samples of 5 "
                                "values, expected 4 values a sample: (samples, 4)"),
    ({FACTS: np.zeros((6, 4))}, f"differ in their number of samples: 7 in '{SCAN}', 6 in '{FACTS}'"),
))
def test_what_came_and_what_was_expected(model: mp2ml.Model, data: dict, change: dict,
                                         words: str) -> None:
    x = {name: values for name, values in {**data, **change}.items() if values is not None}
    with pytest.raises(mp2ml.InputError) as caught:
        model.eval_float(x)
    assert words in str(caught.value)


def test_published_client(model: mp2ml.Model, data: dict) -> None:
    """Flat data under the names of the file; all outputs of a sample one after the other."""
    expected = np.concatenate(list(model.eval_float(data).values()), axis=1)
    flat = {FACTS: ("plain", data[FACTS].flatten()), SCAN: ("encrypt", data[SCAN].flatten())}
    with mp2ml.Server(model, port=0, threads=1) as server:
        results = pyhe_client.HESealClient("localhost", server.port, 7, flat).get_results()
        with pytest.raises(ValueError, match="no such input, expected 'serving/scan.1:0', 'onnx::"):
            pyhe_client.HESealClient("localhost", server.port, 7, {"scan": flat[SCAN]})
    assert np.abs(np.reshape(results, (7, 4)) - expected).max() <= max(model.expected_errors)


def predict(program: str, server: Serving, folder: Path,
            *words: object) -> subprocess.CompletedProcess:
    """`mp2ml predict` of the data that are in the folder."""
    return subprocess.run(
        [program, "predict", server.address, "--threads", "1", "--input",
         f"{FACTS}={folder}/facts.npy", "--input", f"{SCAN}={folder}/scan.npy", *map(str, words)],
        capture_output=True, text=True, check=False, timeout=PATIENCE)


def test_program(program: str, path: Path, model: mp2ml.Model, data: dict, tmp_path: Path) -> None:
    """Inputs and outputs by name; which output goes where must be said."""
    np.save(tmp_path / "scan.npy", data[SCAN])
    np.save(tmp_path / "facts.npy", data[FACTS])
    kinds, size = tmp_path / "kinds.npy", tmp_path / "size.npy"
    with Serving(program, "--reveal", "logits", model=path) as server:
        result = predict(program, server, tmp_path, "--check", path, "--output",
                         f"{KINDS.removesuffix(':0')}={kinds}", "--output", f"{SIZE}={size}")
        assert result.returncode == 0 and "verdict: good" in result.stdout, result
        assert near({KINDS: np.load(kinds), SIZE: np.load(size)}, model, data)
        for wrong in (tmp_path / "y.npy", f"kinds={tmp_path}/y.npy"):
            result = predict(program, server, tmp_path, "--output", wrong)
            assert result.returncode == 1 and not (tmp_path / "y.npy").exists()
            assert f"2 outputs, so give NAME=FILE: {KINDS}, {SIZE}" in result.stderr


def test_names_that_differ_by_their_ending() -> None:
    """`x` and `x:0` are two tensors; each name means the one that is called just so."""
    file = OnnxFile()
    a, b = file.input("x", (2,)), file.input("x:0", (2,))
    double = file.add("Add", "double", [a, a])
    file.output(file.add("Sub", "y", [double, b]), (2,))
    model = mp2ml.Model(file.bytes(), reveal="logits")
    one, two = np.full((1, 2), 0.5, np.float32), np.full((1, 2), 0.25, np.float32)
    assert model.eval_float({"x:0": two, "x": one}).tolist() == [[0.75, 0.75]]
    with mp2ml.Server(model, port=0) as server:
        y = pyhe_client.HESealClient("localhost", server.port, 1,
                                     {"x": ("encrypt", one), "x:0": ("encrypt", two)})
        assert np.abs(np.subtract(y.get_results(), 0.75)).max() < 0.01
        with mp2ml.Client("localhost", server.port) as client:
            assert np.abs(client.predict({"x:0": two, "x": one}) - 0.75).max() < 0.01


def test_words_of_a_text() -> None:
    """Numbers of words need no range, and no step is near to a wrong word, whatever their number."""
    random = np.random.default_rng(10)
    table = random.normal(0, 1, (60, 4)).astype(np.float32)
    last = random.normal(0, 1, (4, 3)).astype(np.float32)
    file = OnnxFile()
    words = file.input("words", (8,), INT64)
    y = file.add("Gather", "vectors", [file.constant("table", table), words])
    y = file.add("Relu", "relu", [file.add("ReduceMean", "mean", [y], axes=[1], keepdims=0)])
    file.output(file.add("MatMul", "kinds", [y, file.constant("last", last)]), (3,))
    texts = random.integers(0, 60, (40, 8))
    expected = np.maximum(table[texts].mean(1), 0) @ last
    model = mp2ml.Model(file.bytes(), reveal="logits")
    assert (model.inputs[0].low, model.inputs[0].high) == (0, 59)
    assert model.expected_errors[0] < 0.1
    for options in ({"layout": "batch", "nonlinear": "gmw"}, {"layout": "image", "nonlinear": "yao"}):
        model = mp2ml.Model(file.bytes(), reveal="logits", **options)
        with mp2ml.Server(model, port=0, threads=1) as server, \
                mp2ml.Client("localhost", server.port, threads=1) as client:
            y = client.predict(texts)
            with pytest.raises(mp2ml.InputError, match="60"):
                client.predict(np.full((1, 8), 60))
        assert np.abs(y - expected).max() <= model.expected_errors[0]
