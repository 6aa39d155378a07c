# SPDX-License-Identifier: Apache-2.0
"""What users bring as data: CSV and .npy files, images, labels, names of classes; by the program and
by Python. The network says which colour of a small image is the brightest."""
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import PATIENCE, Serving
from graphdef import FLOAT, Graph, Type

import mp2ml
from mp2ml import images

COLOURS = ("red", "green", "blue")
PREPROCESS = "scale=1/255,mean=0.5,std=0.25"


def colour_network(path: Path) -> Path:
    """(6, 4, 3) values to three logits: four times the mean of each colour."""
    graph = Graph()
    x = graph.placeholder("picture", (6, 4, 3))
    flat = graph.add("Reshape", "flat", [x, graph.constant("flat/shape", [-1, 72])],
                     T=Type(FLOAT))
    hidden = graph.dense("hidden", flat, np.tile(np.eye(3, dtype=np.float32) / 6, (24, 1)),
                         np.full(3, 8, np.float32))
    graph.dense("colours", graph.add("Relu", "relu", [hidden], T=Type(FLOAT)),
                np.eye(3, dtype=np.float32), np.zeros(3, np.float32))
    return graph.write(path)


def pictures(count: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Noise with one bright colour each: uint8 (count, 6, 4, 3), and which colour that is."""
    noise = np.random.default_rng(4)
    labels = np.arange(count) * 2 % 3
    x = noise.integers(0, 100, (count, 6, 4, 3))
    x[np.arange(count), :, :, labels] += 120
    return x.astype(np.uint8), labels


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return colour_network(tmp_path_factory.mktemp("network") / "colours.pb")


@pytest.fixture(scope="module")
def colours(program: str, network: Path) -> Iterator[Serving]:
    """A server that preprocesses and names its classes."""
    names = network.with_name("names.txt")
    names.write_text("\n".join(COLOURS) + "\n")
    with Serving(program, "--preprocess", PREPROCESS, "--classes", names, model=network) as running:
        yield running


def run(program: str, server: Serving, *words: object) -> subprocess.CompletedProcess:
    return subprocess.run([program, "predict", server.address, "--threads", "1", *map(str, words)],
                          capture_output=True, text=True, check=False, timeout=PATIENCE,
                          env={**os.environ, "MP2ML_PYTHON": sys.executable})


def done(result: subprocess.CompletedProcess) -> str:
    assert result.returncode == 0 and result.stderr == "", result
    return result.stdout


def refused(result: subprocess.CompletedProcess, *texts: str) -> None:
    assert result.returncode == 1 and result.stderr.count("\n") == 1, result
    assert result.stderr.startswith("mp2ml: ")
    for text in texts:
        assert text in result.stderr, result.stderr


def predicted(text: str) -> list[int]:
    """The labels that the program printed."""
    line = next(line for line in text.splitlines() if line.startswith("labels of output"))
    found = re.findall(r" (\d+) \((\w+)\)", line)
    assert all(COLOURS[int(number)] == name for number, name in found)
    return [int(number) for number, _ in found]


def csv(path: Path, x: np.ndarray, header: str = "", separator: str = ",") -> Path:
    np.savetxt(path, x.reshape(len(x), -1), "%g", separator, header=header, comments="")
    return path


# ---- raw values, names, labels ----

def test_raw_values_are_preprocessed_by_the_server(network: Path) -> None:
    x = pictures()[0]
    plain = mp2ml.Model(network, reveal="logits", input_range=(-2, 2))
    model = mp2ml.Model(network, reveal="logits", preprocess=PREPROCESS)
    assert (model.inputs[0].low, model.inputs[0].high) == (0, pytest.approx(255))
    assert np.allclose(model.eval_float(x), plain.eval_float((x / 255 - 0.5) / 0.25), atol=1e-5)
    assert np.abs(model.eval_fixed(x) - model.eval_float(x)).max() <= model.expected_errors[0]


def test_tables(program: str, colours: Serving, network: Path, tmp_path: Path) -> None:
    x, labels = pictures()
    names = ",".join(f"pixel{i}" for i in range(72))
    answers = csv(tmp_path / "y.csv", labels, "label")
    for path in (csv(tmp_path / "a.csv", x), csv(tmp_path / "b.csv", x, names),
                 csv(tmp_path / "c.tsv", x, "", "\t"), csv(tmp_path / "d.txt", x, "", ";")):
        text = done(run(program, colours, "--input", path, "--labels", answers, "--check", network,
                        "--preprocess", PREPROCESS))
        assert predicted(text) == labels.tolist()
        assert "accuracy 100.00 % (6 of 6)" in text and "verdict: good" in text
    assert np.array_equal(mp2ml.read_array(tmp_path / "b.csv"), x.reshape(6, 72))


def test_confusion(program: str, colours: Serving, tmp_path: Path) -> None:
    x, labels = pictures()
    wrong = labels.copy()
    wrong[0] = 2  # it is 0
    text = done(run(program, colours, "--input", csv(tmp_path / "x.csv", x), "--labels",
                    csv(tmp_path / "y.csv", wrong)))
    assert "accuracy 83.33 % (5 of 6)" in text
    rows = re.findall(r"^ +\d((?: +\d+){3}) \((\w+)\)$", text, re.MULTILINE)
    assert [name for _, name in rows] == list(COLOURS)
    assert [list(map(int, counts.split())) for counts, _ in rows] == [[1, 0, 0], [0, 2, 0],
                                                                     [1, 0, 2]]
    rows = csv(tmp_path / "rows.csv", np.eye(3)[labels])
    assert "(6 of 6)" in done(run(program, colours, "--input", tmp_path / "x.csv", "--labels", rows))


@pytest.mark.parametrize(("labels", "words"), (
    ("0\n1\n2\n0\n1\n1.5\n", "value 5 is 1.5"), ("0\n1\n2\n0\n1\n-1\n", "value 5 is -1"),
    ("0\n1\n", "(2, 1)"), ("0\n1\nred\n", "line 3, column 1"), ("red\nblue\n", "line 2, column 1"),
))
def test_labels_that_are_none(program: str, colours: Serving, tmp_path: Path, labels: str,
                              words: str) -> None:
    (tmp_path / "y.csv").write_text(labels)
    refused(run(program, colours, "--input", csv(tmp_path / "x.csv", pictures()[0]), "--labels",
                tmp_path / "y.csv"), "--labels", "y.csv", words)


def test_tables_that_do_not_fit(program: str, colours: Serving, tmp_path: Path) -> None:
    x = pictures()[0].reshape(6, 72).astype(float)
    labelled = csv(tmp_path / "labelled.csv", np.c_[x, np.zeros(6)])
    refused(run(program, colours, "--input", labelled), "(6, 73)", "(n, 6, 4, 3)", "72 values",
            "is one of the columns a label?")
    x[3, 7] = np.nan
    refused(run(program, colours, "--input", csv(tmp_path / "x.csv", x)), "line 4, column 8", "nan")
    (tmp_path / "x.csv").write_text("1,2\n3\n")
    refused(run(program, colours, "--input", tmp_path / "x.csv"), "line 2 has 1 fields")
    refused(run(program, colours, "--input", tmp_path / "no.csv"), "no.csv", "No such file")
    for read in (mp2ml.read_array, mp2ml.Client("localhost", colours.port).predict):
        with pytest.raises(mp2ml.InputError, match="line 2 has 1 fields"):
            read(tmp_path / "x.csv")
        with pytest.raises(mp2ml.InputError, match="No such file"):
            read(tmp_path / "no.csv")


def test_channels_on_the_wrong_side(program: str, colours: Serving, tmp_path: Path) -> None:
    """As many values, in another order: refused, not computed with."""
    x, labels = pictures()
    np.save(tmp_path / "first.npy", np.moveaxis(x, 3, 1))
    refused(run(program, colours, "--input", tmp_path / "first.npy"), "shape (6, 3, 6, 4)",
            "another order than input 'picture' takes, (n, 6, 4, 3): transpose it")
    for fits in (x, x[:, :, :, None], x.reshape(6, 24, 3), x.reshape(6, 1, 72)):
        np.save(tmp_path / "x.npy", fits)
        assert predicted(done(run(program, colours, "--input", tmp_path / "x.npy"))) == [*labels]
    with mp2ml.Client("localhost", colours.port) as client:
        for other in (np.moveaxis(x, 3, 1), x.transpose(0, 2, 1, 3)):
            with pytest.raises(mp2ml.InputError, match=r"another order.*\(samples, 6, 4, 3\)"):
                client.predict(other)
        assert client.predict(x[:, None]).tolist() == client.predict(x).tolist() == [*labels]


def test_several_inputs_by_name(program: str, tmp_path: Path) -> None:
    graph = Graph()
    a, b = graph.placeholder("a", (2,)), graph.placeholder("b", (2,))
    hidden = graph.add("Relu", "relu", [graph.add("AddV2", "sum", [a, b], T=Type(FLOAT))],
                       T=Type(FLOAT))
    graph.dense("out", hidden, np.array([[1, 0, -1], [0, 2, 0]], np.float32),
                np.zeros(3, np.float32))
    model = graph.write(tmp_path / "two.pb")
    csv(tmp_path / "a.csv", np.array([[1, 0], [0.5, 0.25]]))
    np.save(tmp_path / "b.npy", np.array([[0, 0], [0.25, 0.5]], np.float32))
    with Serving(program, "--reveal", "logits", model=model) as server:
        for words in ((f"b={tmp_path}/b.npy", f"a={tmp_path}/a.csv"),
                      (f"b={tmp_path}/b.npy", f"{tmp_path}/a.csv")):
            done(run(program, server, "--input", words[0], "--input", words[1], "--output",
                     tmp_path / "y.npy"))
            y = np.load(tmp_path / "y.npy")
            assert np.abs(y - [[1, 0, -1], [0.75, 1.5, -0.75]]).max() < 0.1
        refused(run(program, server, "--input", f"a={tmp_path}/a.csv"), "input 'b'", "--input b=")


# ---- images ----

def save_pictures(folder: Path, x: np.ndarray, names: list[str]) -> None:
    pillow = pytest.importorskip("PIL.Image")
    folder.mkdir()
    for pixels, name in zip(x, names):
        pillow.fromarray(pixels).save(folder / name)


def test_images(program: str, colours: Serving, tmp_path: Path) -> None:
    """A folder in the order of its names, single files, both; nothing is changed on the way."""
    x, labels = pictures()
    names = ["b.png", "a.PNG", "d.bmp", "c.png", "f.png", "e.png"]
    save_pictures(tmp_path / "in", x, names)
    (tmp_path / "in" / "notes.txt").write_text("no image")
    order = np.argsort([name.lower() for name in names])
    text = done(run(program, colours, "--input", tmp_path / "in", "--labels",
                    csv(tmp_path / "y.csv", labels[order])))
    assert [line for line in text.splitlines() if line.startswith("image ")] == [
        f"image {i}: {tmp_path}/in/{names[k]}" for i, k in enumerate(order)]
    assert predicted(text) == labels[order].tolist() and "(6 of 6)" in text
    files = [tmp_path / "in" / names[k] for k in (0, 3)]
    text = done(run(program, colours, "--input", files[0], "--input", files[1]))
    assert predicted(text) == labels[[0, 3]].tolist()
    assert np.array_equal(images.read(tmp_path / "in", (6, 4, 3)), x[order])
    with mp2ml.Client("localhost", colours.port) as client:
        assert client.classes == COLOURS
        assert client.predict(files).tolist() == labels[[0, 3]].tolist()
        assert client.predict(files[0]).tolist() == client.predict(x[:1]).tolist() == [labels[0]]
        assert client.predict({"picture": tmp_path / "in"}).tolist() == labels[order].tolist()


def test_colours_and_sizes(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    x = pictures(1)[0][0]
    pillow.fromarray(x).save(tmp_path / "x.png")
    pillow.fromarray(x).convert("RGBA").save(tmp_path / "rgba.png")
    grey = np.asarray(pillow.fromarray(x).convert("L"))
    pillow.fromarray(grey).save(tmp_path / "grey.png")
    pillow.fromarray(x).resize((40, 60), pillow.Resampling.NEAREST).save(tmp_path / "x.jpg",
                                                                        quality=100)
    for shape in ((6, 4), (6, 4, 1), (1, 6, 4)):
        assert np.array_equal(images.read(tmp_path / "x.png", shape), grey.reshape(1, *shape))
    assert np.array_equal(images.read(tmp_path / "rgba.png", (6, 4, 3))[0], x)
    assert np.array_equal(images.read(tmp_path / "x.png", (3, 6, 4))[0], x.transpose(2, 0, 1))
    assert np.array_equal(images.read(tmp_path / "grey.png", (6, 4, 3))[0],
                          np.repeat(grey[..., None], 3, 2))
    large = images.read(tmp_path / "x.jpg", (6, 4, 3), resize=True)
    assert np.abs(large[0].astype(int) - x).mean() < 30
    with pytest.raises(mp2ml.InputError, match="40 x 60 pixels.*takes 4 x 6"):
        images.read(tmp_path / "x.jpg", (6, 4, 3))
    with pytest.raises(mp2ml.InputError, match=r"\(72\), which are no images"):
        images.read(tmp_path / "x.png", (72,))


def test_images_that_do_not_fit(program: str, colours: Serving, server: Serving,
                                tmp_path: Path) -> None:
    x = pictures(1)[0]
    save_pictures(tmp_path / "in", np.repeat(np.repeat(x, 2, 1), 2, 2), ["large.png"])
    large = tmp_path / "in" / "large.png"
    refused(run(program, colours, "--input", large), "large.png: 8 x 12", "takes 4 x 6", "--resize")
    assert len(predicted(done(run(program, colours, "--input", large, "--resize")))) == 1
    (tmp_path / "in" / "cut.png").write_bytes(large.read_bytes()[:60])
    refused(run(program, colours, "--input", tmp_path / "in" / "cut.png", "--resize"), "cut.png")
    (tmp_path / "empty").mkdir()
    refused(run(program, colours, "--input", tmp_path / "empty"), "empty: no images")
    refused(run(program, colours, "--input", tmp_path / "no.png"), "no.png: No such file")
    refused(run(program, server, "--input", large), "0 to 255", "0 to 1", "--preprocess")
    large.rename(tmp_path / "named.csv")
    refused(run(program, colours, "--input", tmp_path / "named.csv"), "a PNG image")
    with mp2ml.Client("localhost", server.port) as client, \
            pytest.raises(mp2ml.InputError, match="0 to 255.*0 to 1.*--preprocess"):
        client.predict(tmp_path / "no.png")


def test_images_without_python_or_pillow(program: str, colours: Serving, tmp_path: Path,
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.png").write_bytes(b"")
    words = [program, "predict", colours.address, "--input", str(tmp_path / "x.png")]
    for python, text in (("/nowhere/python", "needs Python"), ("/bin/false", "package mp2ml")):
        refused(subprocess.run(words, capture_output=True, text=True, check=False,
                               timeout=PATIENCE, env={"MP2ML_PYTHON": python}), text, python)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(mp2ml.Error, match=r"pip install 'mp2ml\[images\]'"):
        images.read(tmp_path / "x.png", (6, 4, 3))
